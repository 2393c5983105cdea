/**
 * What Codex asks its person beside its approvals, as it puts it on the wire: questions of its tool `request_user_input`, and forms of MCP servers. As we carry them, and how they are
 * answered.
 *
 * Invariants: a secret is asked for at the terminal alone, and so is what cannot be shown whole.
 */
import { z } from 'zod';
import { Question } from '../../../protocol/attention.ts';
import type { QuestionAnswer } from '../../../protocol/attention.ts';
import type { AskedQuestions } from '../../sessions/agent-port.ts';
import { formContent, formQuestions } from '../form.ts';
import { oneLine } from '../tool-words.ts';
import type {
  ElicitationParams,
  ElicitationResponse,
  UserInputParams,
  UserInputResponse,
} from './protocol/messages.ts';

/** An answer of whoever decides. */
interface Given {
  readonly verdict: 'allow' | 'deny';
  readonly message?: string | undefined;
  readonly answers?: readonly QuestionAnswer[] | undefined;
}

const Questions = z.array(Question).min(1).max(20);

export function inputQuestions({ questions }: UserInputParams): AskedQuestions | undefined {
  if (questions.some(({ isSecret }) => isSecret === true)) return undefined;
  const asked = Questions.safeParse(
    questions.map(({ id, header, question, isOther, options }) => ({
      id,
      ...(header === '' ? {} : { header }),
      text: question,
      options: (options ?? []).map(({ label, description }) => ({
        label,
        ...(description === '' ? {} : { description }),
      })),
      freeText: isOther === true || (options ?? []).length === 0,
    })),
  ).data;
  if (asked === undefined || new Set(asked.map(({ id }) => id)).size < asked.length) return undefined;
  const more = asked.length - 1;
  const first = oneLine(asked[0]?.text ?? '', 480);
  const summary = more === 0 ? first : `${first} (and ${more} more)`;
  return { source: 'agent', summary, context: undefined, questions: asked };
}

/** A text of one's own has the mark that Codex' terminal gives it. Where it was declined, each question is answered by the words for that: Codex has no other way to say no and go on. */
export function inputAnswer({ questions }: UserInputParams, given: Given): UserInputResponse {
  const texts = questions.map(({ id }): [string, { answers: string[] }] => {
    if (given.verdict === 'deny') return [id, { answers: [given.message ?? 'Nobody answers this.'] }];
    const answer = given.answers?.find((one) => one.id === id);
    return [
      id,
      { answers: [...(answer?.options ?? []), ...(answer?.text === undefined ? [] : [`user_note: ${answer.text}`])] },
    ];
  });
  return { answers: Object.fromEntries(texts) };
}

export function elicited({ serverName, message, requestedSchema }: ElicitationParams): AskedQuestions | undefined {
  const questions = formQuestions(requestedSchema);
  if (questions === undefined) return undefined;
  return { source: 'elicitation', summary: oneLine(`${serverName}: ${message}`, 500), context: message, questions };
}

/** Throws where an answer is none of its form. */
export function elicitedAnswer({ requestedSchema }: ElicitationParams, given: Given): ElicitationResponse {
  if (given.verdict === 'deny') return { action: 'decline' };
  return { action: 'accept', content: formContent(requestedSchema, given.answers ?? []) };
}
