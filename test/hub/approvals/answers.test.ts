/** Answers to questions, held against what was asked: the table of refusals, and what every accepted answer keeps to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { answersOf } from '../../../src/hub/approvals/answers.ts';
import { Question, type QuestionAnswer } from '../../../src/protocol/attention.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { ApprovalSubject } from '../../../src/protocol/model.ts';

const options = [{ label: 'Rot' }, { label: 'Grün' }, { label: '青、とても長い\n二行目' }];
const ONE = Question.parse({ id: 'colour', text: 'Which colour?', options, freeText: false });
const MANY = Question.parse({ id: 'more', text: 'Which more?', options, multiple: true });
const MAYBE = Question.parse({ id: 'name', text: 'A name?', options: [], optional: true });

function asked(...questions: Question[]): { subject: ApprovalSubject } {
  const where = { from: 'laptop/app#sess-1', agent: 'claude', cwd: '/home/x' };
  const subject = { kind: 'question', source: 'ask_user', summary: 'Which?', questions, ...where };
  return { subject: ApprovalSubject.parse(subject) };
}
const tool = {
  subject: ApprovalSubject.parse({
    ...{ kind: 'tool', from: 'laptop/app#sess-1', agent: 'claude', tool: 'Bash', summary: 'ls', input: 'ls', cwd: '/' },
  }),
};
type Given = { id: string; options?: string[]; text?: string };
const given = (...answers: Given[]): QuestionAnswer[] => answers.map((answer) => ({ options: [], ...answer }));
const allow = (subject: { subject: ApprovalSubject }, answers?: QuestionAnswer[]) =>
  answersOf(subject, { verdict: 'allow', answers });

describe('answers', () => {
  it('are taken as they were given, in the order of the questions and of the options; a blank text is none', () => {
    const answers = given(
      { id: 'more', options: ['青、とても長い\n二行目', 'Rot'], text: ' und 黄 ' },
      { id: 'colour', options: ['Grün'] },
    );
    expect(allow(asked(ONE, MANY, MAYBE), [...answers, { id: 'name', options: [], text: '  ' }])).toEqual([
      { id: 'colour', options: ['Grün'] },
      { id: 'more', options: ['Rot', '青、とても長い\n二行目'], text: 'und 黄' },
    ]);
  });

  it('are none where somebody declines, or where nothing was asked', () => {
    expect(answersOf(asked(ONE), { verdict: 'deny', answers: given({ id: 'nonsense' }) })).toBeUndefined();
    expect(allow(tool)).toBeUndefined();
  });

  it.each<[string, { subject: ApprovalSubject }, QuestionAnswer[] | undefined, string]>([
    ['where nothing was asked', tool, given({ id: 'colour', text: 'x' }), 'Nothing is asked here'],
    ['that are missing', asked(ONE), undefined, 'is not answered'],
    [
      'that are missing for one of several',
      asked(ONE, MANY),
      given({ id: 'colour', options: ['Rot'] }),
      'is not answered',
    ],
    ['to another question', asked(ONE), given({ id: 'other', text: 'x' }), 'There is no question "other"'],
    [
      'twice to one question',
      asked(MANY),
      given({ id: 'more', text: 'x' }, { id: 'more', text: 'y' }),
      'answered twice',
    ],
    ['that are no option', asked(ONE), given({ id: 'colour', options: ['rot'] }), 'is not one of the options'],
    [
      'of two options where one is taken',
      asked(ONE),
      given({ id: 'colour', options: ['Rot', 'Grün'] }),
      'Only one answer',
    ],
    [
      "of one's own where only options are",
      asked(ONE),
      given({ id: 'colour', text: 'Gelb' }),
      'takes only its options',
    ],
    ['with an escape sequence', asked(MANY), given({ id: 'more', text: '\u001b[2J' }), 'control character'],
    ['with half a letter', asked(MANY), given({ id: 'more', text: '\ud83d' }), 'surrogate'],
  ])('%s are refused in words', (_name, subject, answers, words) => {
    const refusal = allow(subject, answers);
    expect(refusal).toBeInstanceOf(IntercomError);
    expect(refusal instanceof IntercomError ? refusal.message : '').toContain(words);
  });

  it('that are accepted name only what was offered, once per question, and leave nothing open that must be answered', () => {
    const label = fc.constantFrom('a', 'b', 'c', 'd');
    const question = fc.record({
      id: fc.constantFrom('q1', 'q2', 'q3'),
      text: fc.constant('?'),
      options: fc.uniqueArray(label, { maxLength: 3 }).map((labels) => labels.map((text) => ({ label: text }))),
      ...{ multiple: fc.boolean(), freeText: fc.boolean(), optional: fc.boolean() },
    });
    const questions = fc.uniqueArray(question, { selector: ({ id }) => id, minLength: 1 });
    const answer = fc.record({
      id: fc.constantFrom('q1', 'q2', 'q3', 'q4'),
      options: fc.array(label, { maxLength: 2 }),
      text: fc.constantFrom('', 'own words'),
    });
    fc.assert(
      fc.property(questions, fc.array(answer, { maxLength: 4 }), (list, answers) => {
        const taken = allow(asked(...list.map((one) => Question.parse(one))), answers);
        if (!Array.isArray(taken)) return taken instanceof IntercomError;
        return list.every((one) => {
          const found = taken.filter(({ id }) => id === one.id);
          const [only] = found;
          if (only === undefined) return one.optional;
          const labels: string[] = one.options.map((option) => option.label);
          const parts = only.options.length + (only.text === undefined ? 0 : 1);
          return (
            found.length === 1 &&
            only.options.every((text) => labels.includes(text)) &&
            (one.multiple || parts === 1) &&
            (one.freeText || only.text === undefined) &&
            parts > 0
          );
        });
      }),
      { numRuns: 500 },
    );
  });
});
