/**
 * An answer that is being given: one question after the other, then a look at all of it, then it is sent. Pure.
 *
 * Invariants: a draft belongs to the card that was shown (its hash goes with it); an option of a question that takes one replaces the other and the text; nothing is left
 * out that must be answered.
 */
import type { Question, QuestionAnswer } from '../../protocol/attention.ts';
import type { Approval, QuestionSubject } from '../../protocol/model.ts';

export interface Given {
  /** Indexes of options, in their order. */
  readonly options: readonly number[];
  readonly text: string;
}

export interface Draft {
  readonly approval: Approval;
  readonly subject: QuestionSubject;
  /** The question that is shown; behind the last one it is the look at all. */
  readonly at: number;
  /** The option that the arrows are at. */
  readonly cursor: number;
  readonly given: readonly Given[];
}

const NOTHING: Given = { options: [], text: '' };

/** Undefined: it asks no questions. */
export function draftOf(approval: Approval): Draft | undefined {
  const { subject } = approval;
  if (subject.kind !== 'question') return undefined;
  return { approval, subject, at: 0, cursor: 0, given: subject.questions.map(() => NOTHING) };
}

export function questionAt({ subject, at }: Draft): Question | undefined {
  return subject.questions[at];
}

export function givenAt({ given, at }: Draft): Given {
  return given[at] ?? NOTHING;
}

/** Takes an option (or, where several may be taken, gives it back). */
export function take(draft: Draft, option: number): Draft {
  const question = questionAt(draft);
  if (question?.options[option] === undefined) return draft;
  const { options, text } = givenAt(draft);
  if (!question.multiple) return withGiven({ ...draft, cursor: option }, { options: [option], text: '' });
  const taken = options.includes(option) ? options.filter((one) => one !== option) : [...options, option];
  return withGiven({ ...draft, cursor: option }, { options: taken.sort((a, b) => a - b), text });
}

export function write(draft: Draft, text: string): Draft {
  const question = questionAt(draft);
  if (question?.freeText !== true && question?.options.length !== 0) return draft;
  const options = question.multiple || text.trim() === '' ? givenAt(draft).options : [];
  return withGiven(draft, { options, text: text.trim() });
}

/** To another question; not further than the look at all. */
export function go(draft: Draft, by: 1 | -1): Draft {
  const at = Math.max(0, Math.min(draft.subject.questions.length, draft.at + by));
  return { ...draft, at, cursor: draft.given[at]?.options[0] ?? 0 };
}

/** The first question that must be answered and is not. */
export function missing({ subject, given }: Draft): number | undefined {
  const index = subject.questions.findIndex((question, one) => !question.optional && isEmpty(given[one] ?? NOTHING));
  return index === -1 ? undefined : index;
}

export function isEmpty({ options, text }: Given): boolean {
  return options.length === 0 && text === '';
}

export function answersOf({ subject, given }: Draft): QuestionAnswer[] {
  return subject.questions.flatMap((question, index) => {
    const one = given[index] ?? NOTHING;
    if (isEmpty(one)) return [];
    const options = one.options.flatMap((option) => question.options[option]?.label ?? []);
    return [{ id: question.id, options, ...(one.text === '' ? {} : { text: one.text }) }];
  });
}

function withGiven(draft: Draft, given: Given): Draft {
  return { ...draft, given: draft.given.map((one, index) => (index === draft.at ? given : one)) };
}
