/**
 * A card of questions while it is being answered: one question after the other, all answers sent together when the last is there. Pure.
 *
 * Invariants: an answer is for the question that is asked now, never for another; only what was offered can be taken; a text that comes twice is heard once. The draft
 * lives in the row of its card, so it ends with the card and survives a restart.
 */
import type { Question, QuestionAnswer } from '../../protocol/attention.ts';
import { textFault } from '../../protocol/text.ts';

export interface Draft {
  /** In the order of the questions. One that was left out has neither options nor text. */
  readonly answers: readonly QuestionAnswer[];
  /** Of the question that is asked now: the options that are ticked, and an answer of one's own beside them. */
  readonly ticked: readonly number[];
  readonly text?: string;
  /** Who gave the answers so far. */
  readonly by: readonly string[];
  /** Telegram messages whose text is in it: an update may come twice. */
  readonly heard: readonly number[];
}

export const EMPTY: Draft = { answers: [], ticked: [], by: [], heard: [] };

export type Act =
  | { readonly do: 'take'; readonly option: number }
  | { readonly do: 'tick'; readonly option: number; readonly on: boolean }
  | { readonly do: 'done' | 'skip' | 'back' }
  | { readonly do: 'write'; readonly text: string; readonly messageId: number };

/** An act of a person on the question with this number. */
export interface Step {
  readonly question: number;
  readonly act: Act;
  readonly by: string;
}

export type Stepped =
  | { readonly draft: Draft }
  /** Why nothing was done, in words. */
  | { readonly refusal: string };

const TEXT_MAX = 20_000;

export const MOVED_ON = 'That question was answered already. The card shows what is asked now.';

export function mayWrite(question: Question): boolean {
  return question.freeText || question.options.length === 0;
}

export function isComplete(questions: readonly Question[], draft: Draft): boolean {
  return draft.answers.length >= questions.length;
}

/** The answers that are sent: without what was left out. */
export function answersOf(draft: Draft): QuestionAnswer[] {
  return draft.answers.filter(({ options, text }) => options.length > 0 || text !== undefined);
}

export function take(questions: readonly Question[], draft: Draft, { question: asked, act, by }: Step): Stepped {
  if (act.do === 'write' && draft.heard.includes(act.messageId)) return { draft };
  const question = questions[draft.answers.length];
  if (question === undefined || asked !== draft.answers.length) return { refusal: MOVED_ON };
  const whose = draft.by.includes(by) ? draft.by : [...draft.by, by];
  const answered = (answer: Omit<QuestionAnswer, 'id'>): Stepped => ({
    draft: { answers: [...draft.answers, { id: question.id, ...answer }], ticked: [], by: whose, heard: draft.heard },
  });
  switch (act.do) {
    case 'take': {
      const option = question.options[act.option];
      if (option === undefined || question.multiple) return { refusal: MOVED_ON };
      return answered({ options: [option.label] });
    }
    case 'tick': {
      if (!question.multiple || question.options[act.option] === undefined) return { refusal: MOVED_ON };
      const others = draft.ticked.filter((option) => option !== act.option);
      return {
        draft: { ...draft, by: whose, ticked: act.on ? [...others, act.option].sort((a, b) => a - b) : others },
      };
    }
    case 'done': {
      if (draft.ticked.length === 0 && draft.text === undefined) {
        return { refusal: `Choose at least one${mayWrite(question) ? ', or write an answer' : ''}.` };
      }
      const options = question.options.flatMap(({ label }, index) => (draft.ticked.includes(index) ? [label] : []));
      return answered({ options, ...(draft.text === undefined ? {} : { text: draft.text }) });
    }
    case 'skip':
      return question.optional ? answered({ options: [] }) : { refusal: 'This question cannot be left out.' };
    case 'back':
      if (draft.answers.length === 0) return { refusal: 'This is the first question.' };
      return { draft: { answers: draft.answers.slice(0, -1), ticked: [], by: whose, heard: draft.heard } };
    case 'write':
      return write(question, { ...draft, by: whose }, act);
  }
}

function write(question: Question, draft: Draft, act: Extract<Act, { do: 'write' }>): Stepped {
  const text = act.text.trim();
  const heard = [...draft.heard, act.messageId];
  const same = (label: string) => label.trim().toLowerCase() === text.toLowerCase();
  const named = question.options.findIndex(({ label }) => same(label));
  // Who writes an option's own words means that option; its number only where nothing else can be meant.
  const option = named >= 0 || mayWrite(question) ? named : Number(/^\d{1,2}$/.exec(text)?.[0] ?? 0) - 1;
  const chosen = question.options[option];
  if (chosen === undefined && !mayWrite(question)) {
    return { refusal: 'This question takes only its options. Press one, or reply with its number.' };
  }
  const fault = text === '' ? 'it is empty' : text.length > TEXT_MAX ? 'it is too long' : textFault(text);
  if (fault !== undefined) return { refusal: `This answer cannot be passed on: ${fault}.` };
  if (question.multiple) {
    const ticked = [...new Set([...draft.ticked, option])].sort((a, b) => a - b);
    return { draft: chosen === undefined ? { ...draft, text, heard } : { ...draft, ticked, heard } };
  }
  const answer =
    chosen === undefined ? { id: question.id, options: [], text } : { id: question.id, options: [chosen.label] };
  return { draft: { answers: [...draft.answers, answer], ticked: [], by: draft.by, heard } };
}
