/** Cards of whatever agents may send: one message that Telegram takes, with buttons that are read back as what they say. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cardContent, readPress } from '../../../src/hub/telegram/cards.ts';
import { withPlan } from '../../../src/hub/telegram/card-texts.ts';
import { showHidden } from '../../../src/hub/telegram/html.ts';
import { readQuestionPress } from '../../../src/hub/telegram/question-cards.ts';
import type { Draft } from '../../../src/hub/telegram/question-draft.ts';
import { Question } from '../../../src/protocol/attention.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Approval, ApprovalSubject } from '../../../src/protocol/model.ts';
import { parseHtml } from '../../support/telegram-emulator/entities.ts';

const at = '2026-11-21T14:00:00.000Z';
const from = `${'m'.repeat(64)}/${'p'.repeat(100)}#${'s'.repeat(64)}`;
const long = (max: number) =>
  fc
    .record({ unit: fc.constantFrom('a', '<&>', '長', '𝕏', ' x', '\n', '**b** ', '`c`', '# h\n'), times: fc.nat(max) })
    .map(({ unit, times }) => unit.repeat(times).slice(0, max));
const line = (max: number) => long(max).map((text) => text.replaceAll('\n', ' '));
const some = (max: number) => long(max).map((text) => `x${text}`.slice(0, max));

const tool = fc.record({
  ...{
    kind: fc.constant('tool' as const),
    from: fc.constant(from),
    agent: line(60),
    tool: line(200),
    summary: line(500),
  },
  ...{
    input: long(30_000),
    cut: fc.boolean(),
    cwd: line(4096),
    intent: long(2000),
    suggestions: fc.array(line(300), { maxLength: 10 }),
  },
});
const plan = tool.map((subject) => ({ ...subject, plan: true as const }));
const asked = fc.record({
  ...{ text: some(8000), header: some(200), multiple: fc.boolean(), freeText: fc.boolean(), optional: fc.boolean() },
  options: fc.array(fc.record({ label: some(2000), description: some(4000) }), { maxLength: 50 }),
});
const questions = fc
  .array(asked, { minLength: 1, maxLength: 20 })
  .map((all) => all.map((each, index) => Question.parse({ ...each, id: `q${index}` })));
const question = fc.record({
  ...{
    kind: fc.constant('question' as const),
    source: fc.constant('ask_user' as const),
    from: fc.constant(from),
    agent: line(60),
  },
  ...{ summary: line(500), context: long(30_000), cut: fc.boolean(), questions, cwd: line(4096) },
});
const states = fc.constantFrom('pending' as const, 'allowed' as const, 'denied' as const, 'expired' as const);

function approvalOf(subject: ApprovalSubject, state: Approval['state'], words: string): Approval {
  const answers =
    subject.kind === 'question'
      ? subject.questions.map(({ id, options }) => ({ id, options: options.map(({ label }) => label), text: words }))
      : undefined;
  return {
    ...{ id: newId('approval'), kind: subject.kind, subject, state, shownHash: 'ab'.repeat(32), rule: 'r'.repeat(400) },
    ...{ scopes: ['once', 'mission', 'session', 'always'], createdAt: at, expiresAt: at },
    ...(state === 'pending'
      ? {}
      : {
          decision: {
            ...{
              verdict: 'allow',
              scope: 'once',
              by: 'o'.repeat(200),
              via: 'web',
              at,
              reason: 'r'.repeat(500),
              suggestion: 0,
            },
            ...(answers === undefined ? {} : { answers }),
          },
          effect: { state: 'failed', reason: 'e'.repeat(300), at },
        }),
  };
}

it('is one message with buttons that Telegram takes, whatever is asked and however far it is answered', () => {
  fc.assert(
    fc.property(fc.oneof(tool, plan, question), states, fc.nat(19), long(3000), (subject, state, count, words) => {
      const all = subject.kind === 'question' ? subject.questions : [];
      const answered = all.slice(0, Math.min(count, all.length - 1));
      const answers = answered.map(({ id, options }) => ({
        id,
        options: options.map(({ label }) => label),
        text: words,
      }));
      const draft: Draft = { answers, ticked: [0, 1], text: words, by: ['o'.repeat(100), 'p'.repeat(100)], heard: [] };
      const { parts, buttons = [] } = cardContent(
        { approval: approvalOf(subject, state, words), draft, fromMachine: 'm'.repeat(100) },
        false,
      );
      expect(parts).toHaveLength(1);
      expect(parseHtml(parts[0] ?? '').text.length).toBeLessThanOrEqual(4096);
      for (const button of buttons.flat()) {
        if ('url' in button) continue;
        expect(button.text.trim()).not.toBe('');
        expect(Buffer.byteLength(button.data)).toBeLessThanOrEqual(64);
        expect(readPress(button.data) ?? readQuestionPress(button.data)).toBeDefined();
      }
      expect(buttons.length > 0).toBe(state === 'pending');
    }),
    { numRuns: 400 },
  );
});

it('every option of the question that is asked is on the card, at least its beginning', () => {
  fc.assert(
    fc.property(question, fc.nat(19), long(3000), (subject, count, words) => {
      const answered = subject.questions.slice(0, Math.min(count, subject.questions.length - 1));
      const answers = answered.map(({ id }) => ({ id, options: [], text: words }));
      const draft: Draft = { answers, ticked: [], by: ['ann'], heard: [] };
      const { parts } = cardContent({ approval: approvalOf(subject, 'pending', words), draft }, false);
      const { text } = parseHtml(parts[0] ?? '');
      const options = subject.questions[answered.length]?.options ?? [];
      options.forEach((_, index) => expect(text).toContain(`\n${index + 1}. `));
    }),
    { numRuns: 200 },
  );
});

it('of a plan nothing is lost but the marks of its headings and of what is bold', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.constantFrom('\n# ', '\n', '**', '`', '\n```\n', '\n~~~\n', '## x ##', '<b>', '&lt;'),
  );
  const bare = (text: string) => text.replace(/[*#\s]/g, '');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('');
      const { lines } = withPlan({ head: [] }, text, 'plan');
      expect(bare(parseHtml(lines[0] ?? '').text)).toBe(bare(showHidden(text.trim())));
    }),
    { numRuns: 500 },
  );
});
