/** A draft of answers, whatever is pressed and written in whatever order. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { answersOf } from '../../../src/hub/approvals/answers.ts';
import {
  answersOf as sent,
  EMPTY,
  isComplete,
  take,
  type Act,
  type Draft,
} from '../../../src/hub/telegram/question-draft.ts';
import { Question } from '../../../src/protocol/attention.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';

const question = fc.record({
  text: fc.string({ minLength: 1, maxLength: 20 }),
  options: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 5 }), {
    maxLength: 5,
    selector: (label) => label.trim().toLowerCase(),
  }),
  multiple: fc.boolean(),
  freeText: fc.boolean(),
  optional: fc.boolean(),
});
const questions = fc.array(question, { minLength: 1, maxLength: 4 }).map((all) =>
  all.map((each, index) =>
    Question.parse({
      ...each,
      id: `q${index}`,
      options: each.options.map((label) => ({ label })),
      freeText: each.freeText || each.options.length === 0,
    }),
  ),
);
const option = fc.integer({ min: 0, max: 6 });
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.record({ do: fc.constant('take' as const), option }),
  fc.record({ do: fc.constant('tick' as const), option, on: fc.boolean() }),
  fc.record({ do: fc.constantFrom('done' as const, 'skip' as const, 'back' as const) }),
  fc.record({
    do: fc.constant('write' as const),
    text: fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('1', '2')),
    messageId: fc.nat(30),
  }),
);
const steps = fc.array(
  fc.record({ question: fc.integer({ min: 0, max: 4 }), act, by: fc.constantFrom('ann', 'bob') }),
  { maxLength: 40 },
);

it('what is complete is what the hub takes; an answer never goes to another question', () => {
  let complete = 0;
  fc.assert(
    fc.property(questions, steps, (asked, all) => {
      let draft: Draft = EMPTY;
      for (const step of all) {
        const stepped = take(asked, draft, step);
        if ('refusal' in stepped) continue;
        const before = draft;
        draft = stepped.draft;
        draft.answers.forEach(({ id }, index) => expect(id).toBe(`q${index}`));
        // Only the question that was meant has changed.
        if (draft !== before && step.act.do !== 'back') {
          expect(before.answers.length).toBe(step.question);
          expect(draft.answers.slice(0, step.question)).toEqual(before.answers);
        }
      }
      if (!isComplete(asked, draft)) return;
      complete += 1;
      const subject = {
        ...({
          kind: 'question',
          source: 'ask_human',
          from: 'a/b',
          agent: 'x',
          summary: '',
          cut: false,
          cwd: '/',
        } as const),
        questions: asked,
      };
      const taken = answersOf({ subject }, { verdict: 'allow', answers: sent(draft) });
      if (taken instanceof IntercomError) throw taken;
      expect(taken).toEqual(sent(draft));
    }),
    { numRuns: 2_000 },
  );
  expect(complete).toBeGreaterThan(20);
});

it('a text that comes twice is heard once', () => {
  const asked = [1, 2].map((number) => Question.parse({ id: `q${number}`, text: '?', options: [] }));
  const step = { question: 0, act: { do: 'write', text: 'atlas', messageId: 7 }, by: 'ann' } as const;
  const first = take(asked, EMPTY, step);
  if ('refusal' in first) throw new Error(first.refusal);
  expect(take(asked, first.draft, { ...step, question: 1 })).toEqual({ draft: first.draft });
});
