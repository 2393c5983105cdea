/**
 * What a person is about to answer to the questions of a card, and the answer that goes to the hub. Pure.
 *
 * Invariants: labels go back exactly as they came, in the order of the options; of one question without `multiple` at most one answer goes
 * (an option, or words of one's own); what is not optional is never left out.
 */
import type { Question, QuestionAnswer } from '../../../src/protocol/attention.ts';

export interface AnswerDraft {
  /** Indexes of the options that are taken. */
  readonly taken: readonly number[];
  /** The words of one's own count. */
  readonly own: boolean;
  readonly text: string;
}
/** By the id of the question. */
export type AnswerDrafts = Readonly<Record<string, AnswerDraft>>;

const NOTHING: AnswerDraft = { taken: [], own: false, text: '' };

export function draftOf(drafts: AnswerDrafts, question: Question): AnswerDraft {
  return Object.hasOwn(drafts, question.id) ? (drafts[question.id] ?? NOTHING) : NOTHING;
}

/** An own answer is possible where it is allowed, and where there is nothing to choose from. */
export function takesText(question: Question): boolean {
  return question.freeText || question.options.length === 0;
}

/** An option was pressed: it is taken instead of the other ones, or, where several may be taken, taken or given back. */
export function withOption(question: Question, draft: AnswerDraft, index: number): AnswerDraft {
  if (!question.multiple) return { ...draft, taken: [index], own: false };
  const taken = draft.taken.includes(index) ? draft.taken.filter((one) => one !== index) : [...draft.taken, index];
  return { ...draft, taken };
}

/** Something was written: it counts as soon as there is something to read in it. */
export function withText(question: Question, draft: AnswerDraft, text: string): AnswerDraft {
  const own = text.trim() !== '';
  return { taken: question.multiple || !own ? draft.taken : [], own, text };
}

/** The words of one's own were chosen, before or after they were written. */
export function withOwn(question: Question, draft: AnswerDraft): AnswerDraft {
  return { ...draft, own: true, taken: question.multiple ? draft.taken : [] };
}

/** Undefined when nothing is answered. */
function answerOf(question: Question, draft: AnswerDraft): QuestionAnswer | undefined {
  const options = question.options.flatMap(({ label }, index) => (draft.taken.includes(index) ? [label] : []));
  const text = draft.own && takesText(question) && draft.text.trim() !== '' ? draft.text : undefined;
  if (options.length === 0 && text === undefined) return undefined;
  return { id: question.id, options, ...(text === undefined ? {} : { text }) };
}

/** The answers, and the ids of the questions that still need one. */
export function answersOf(
  questions: readonly Question[],
  drafts: AnswerDrafts,
): { readonly answers: QuestionAnswer[]; readonly missing: string[] } {
  const answers: QuestionAnswer[] = [];
  const missing: string[] = [];
  for (const question of questions) {
    const answer = answerOf(question, draftOf(drafts, question));
    if (answer !== undefined) answers.push(answer);
    else if (!question.optional) missing.push(question.id);
  }
  return { answers, missing };
}
