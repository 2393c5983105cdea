/**
 * Claude Code's own questions (its tool AskUserQuestion) and its plans (ExitPlanMode): as we carry them, and what its PermissionRequest hook is answered with.
 *
 * Seen on 2.1.197 and 2.1.329, in a terminal and headless: the hook's `updatedInput` answers them, where it holds `answers`, a map of each question's text to a label, to labels joined
 * by ", ", or to any text. Invariants: what was asked is given back as it was asked; a question that cannot be shown whole, or told from another one, stays at its terminal.
 */
import { z } from 'zod';
import { Question } from '../../../protocol/attention.ts';
import type { QuestionAnswer } from '../../../protocol/attention.ts';
import type { AskedQuestions } from '../../sessions/agent-port.ts';
import { oneLine } from '../tool-words.ts';

export const QUESTION_TOOL = 'AskUserQuestion';
export const PLAN_TOOL = 'ExitPlanMode';

const Asked = z.looseObject({
  questions: z.array(
    z.looseObject({
      question: z.string(),
      header: z.string().optional().catch(undefined),
      multiSelect: z.boolean().catch(false),
      options: z
        .array(
          z.looseObject({
            label: z.string(),
            description: z.string().optional().catch(undefined),
            /** What it would look like: text of several lines. */
            preview: z.string().optional().catch(undefined),
          }),
        )
        .catch([]),
    }),
  ),
});
type Asked = z.infer<typeof Asked>;
const Questions = z.array(Question).min(1).max(20);
const Fields = z.record(z.string(), z.unknown());
const Plan = z.looseObject({ plan: z.string() });

/** Undefined: only its terminal can ask this. */
export function readQuestions(input: unknown): AskedQuestions | undefined {
  const asked = Asked.safeParse(input).data;
  if (asked === undefined || !areDistinct(asked)) return undefined;
  const questions = Questions.safeParse(
    asked.questions.map(({ question, header, multiSelect, options }, index) => ({
      id: `q${index + 1}`,
      ...(header === undefined || header === '' ? {} : { header }),
      text: question,
      options: options.map(({ label, description }) => ({
        label,
        ...(description === undefined || description === '' ? {} : { description }),
      })),
      multiple: multiSelect,
    })),
  ).data;
  if (questions === undefined) return undefined;
  const first = questions[0]?.text ?? '';
  const more = questions.length - 1;
  return {
    source: 'ask_user',
    summary: more === 0 ? oneLine(first, 500) : `${oneLine(first, 480)} (and ${more} more)`,
    context: previewsOf(asked),
    questions,
  };
}

/** The tool's input with the answers in it; undefined where there is none: an Allow alone answers nothing. */
export function answeredInput(input: unknown, answers: readonly QuestionAnswer[]): unknown {
  const asked = Asked.safeParse(input).data;
  const fields = Fields.safeParse(input).data;
  if (asked === undefined || fields === undefined || answers.length === 0) return undefined;
  const texts = asked.questions.flatMap(({ question }, index): [string, string][] => {
    const answer = answers.find(({ id }) => id === `q${index + 1}`);
    if (answer === undefined) return [];
    return [[question, [...answer.options, ...(answer.text === undefined ? [] : [answer.text])].join(', ')]];
  });
  return { ...fields, answers: Object.fromEntries(texts) };
}

/** Its result comes with the answers in its input, however it was answered. */
export function questionsIn(input: unknown): unknown {
  return Fields.safeParse(input).data?.questions;
}

/** The plan's text; undefined: it has none, and only asks to leave its plan mode. */
export function readPlan(input: unknown): string | undefined {
  return Plan.safeParse(input).data?.plan;
}

/** 2.1.329 takes an Allow only with an input. */
export function plannedInput(input: unknown): unknown {
  return Fields.safeParse(input).data ?? {};
}

function areDistinct({ questions }: Asked): boolean {
  const texts = questions.map(({ question }) => question);
  return (
    new Set(texts).size === texts.length &&
    questions.every(({ options }) => new Set(options.map(({ label }) => label)).size === options.length)
  );
}

function previewsOf({ questions }: Asked): string | undefined {
  const shown = questions.flatMap(({ options }) =>
    options.flatMap(({ label, preview }) => (preview === undefined || preview === '' ? [] : [`${label}:\n${preview}`])),
  );
  return shown.length === 0 ? undefined : shown.join('\n\n');
}
