/** Answers to questions: what goes to the hub is what was chosen, whole and in the order of the options. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answersOf,
  draftOf,
  withOption,
  withOwn,
  withText,
  type AnswerDraft,
  type AnswerDrafts,
} from '../../pwa/src/core/answers.ts';
import { Question } from '../../src/protocol/attention.ts';

function question(over: Partial<Question> = {}): Question {
  const options = ['Ärger vermeiden: später', '今すぐ', 'c'].map((label) => ({ label }));
  return { ...Question.parse({ id: 'q', text: 'When?', options }), ...over };
}

const nothing: AnswerDraft = { taken: [], own: false, text: '' };
const answered = (of: Question, draft: AnswerDraft) => answersOf([of], { [of.id]: draft });

describe('an answer', () => {
  it('with one option is the last one that was pressed, with its whole label', () => {
    const of = question();
    const draft = withOption(of, withOption(of, nothing, 0), 1);
    expect(answered(of, draft).answers).toEqual([{ id: 'q', options: ['今すぐ'] }]);
  });

  it('with several options has them in their order, however they were pressed, and a second press gives one back', () => {
    const of = question({ multiple: true });
    const draft = [2, 0, 1, 1].reduce((now, index) => withOption(of, now, index), nothing);
    expect(answered(of, draft).answers).toEqual([{ id: 'q', options: ['Ärger vermeiden: später', 'c'] }]);
  });

  it('of one’s own is instead of an option, or besides several', () => {
    const one = question();
    expect(answered(one, withText(one, withOption(one, nothing, 0), 'never')).answers).toEqual([
      { id: 'q', options: [], text: 'never' },
    ]);
    const many = question({ multiple: true });
    expect(answered(many, withText(many, withOption(many, nothing, 2), 'and d')).answers).toEqual([
      { id: 'q', options: ['c'], text: 'and d' },
    ]);
  });

  it('keeps the words when an option is pressed after them, and they count again when they are chosen', () => {
    const of = question();
    const changed = withOption(of, withText(of, nothing, 'never'), 2);
    expect(answered(of, changed).answers).toEqual([{ id: 'q', options: ['c'] }]);
    expect(answered(of, withOwn(of, changed)).answers).toEqual([{ id: 'q', options: [], text: 'never' }]);
  });

  it('is missing where nothing was given, unless the question may be left out', () => {
    const needed = question({ id: 'a' });
    const free = question({ id: 'b', optional: true });
    const text = question({ id: 'c', options: [], freeText: false });
    expect(answersOf([needed, free, text], {})).toEqual({ answers: [], missing: ['a', 'c'] });
    expect(answered(text, withText(text, nothing, ' \n ')).missing).toEqual(['c']);
    expect(answered(text, withText(text, nothing, 'yes')).answers).toEqual([{ id: 'c', options: [], text: 'yes' }]);
  });

  it('never has more than was offered and chosen', () => {
    const press = fc.oneof(
      fc.integer({ min: 0, max: 2 }).map((index) => ({ index })),
      fc.string().map((text) => ({ text })),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), fc.array(press), (multiple, freeText, presses) => {
        const of = question({ multiple, freeText });
        let drafts: AnswerDrafts = {};
        for (const one of presses) {
          const now = draftOf(drafts, of);
          drafts = { q: 'index' in one ? withOption(of, now, one.index) : withText(of, now, one.text) };
        }
        const { answers, missing } = answersOf([of], drafts);
        expect(answers.length + missing.length).toBe(1);
        for (const answer of answers) {
          const count = answer.options.length + (answer.text === undefined ? 0 : 1);
          expect(count).toBeGreaterThan(0);
          if (!multiple) expect(count).toBe(1);
          if (!freeText) expect(answer.text).toBeUndefined();
          expect(of.options.map(({ label }) => label).filter((label) => answer.options.includes(label))).toEqual(
            answer.options,
          );
        }
      }),
    );
  });
});
