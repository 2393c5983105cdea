/**
 * What keys do in the live attention table: from its state and a key to its next state and, perhaps, an act. Pure; nothing is drawn or sent here.
 *
 * Invariants: a decision is about the selected card alone, and only when all of it could be read; a card that goes away takes the selection with it, so that no key ever
 * meets another card than the person saw; pasted text is text.
 */
import type { Approval, ApprovalSubject } from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import { answersOf, draftOf, go, isEmpty, givenAt, missing, questionAt, take, write, type Draft } from './draft.ts';
import type { Key } from './keys.ts';
import type { Row } from './rows.ts';

/** A wider "yes": what the agent itself offers, or a scope of ours. */
export interface Choice {
  readonly label: string;
  readonly wish: Wish;
}
export type Wish = Omit<DecisionRequest, 'shownHash'>;

type Reading = { readonly name: 'table' } | { readonly name: 'card'; readonly top: number };
export type Mode =
  | Reading
  | { readonly name: 'choose'; readonly choices: readonly Choice[]; readonly back: Reading }
  | { readonly name: 'reason'; readonly text: string; readonly back: Reading }
  | { readonly name: 'answer'; readonly draft: Draft; readonly text: string | undefined };

export interface Console {
  readonly mode: Mode;
  /** The key of a row. */
  readonly selected: string | undefined;
  readonly all: boolean;
  /** One line for the person: what just happened, or why nothing did. */
  readonly note: string;
}

export type Act =
  | { readonly do: 'decide'; readonly approval: Approval; readonly wish: Wish }
  | { readonly do: 'quit' | 'suspend' | 'redraw' };

/** What is on the screen now. */
export interface Seen {
  readonly rows: readonly Row[];
  /** All of the selected card can be read beside the table. */
  readonly whole: boolean;
  /** The last line that an open card can be scrolled to, and how far a page goes. */
  readonly scrollMax: number;
  readonly page: number;
}

export interface Pressed {
  readonly console: Console;
  readonly act?: Act;
}

export function consoleOf(rows: readonly Row[], all: boolean): Console {
  return { mode: { name: 'table' }, selected: rows[0]?.key, all, note: '' };
}

/** The rows are others now. Whatever was about a card that is gone is over. */
export function settle(state: Console, rows: readonly Row[]): Console {
  if (state.selected === undefined || rows.some(({ key }) => key === state.selected)) return state;
  return { ...state, mode: { name: 'table' }, selected: undefined };
}

export function press(state: Console, key: Key, seen: Seen): Pressed {
  if (key.name === 'interrupt') return { console: state, act: { do: 'quit' } };
  if (key.name === 'suspend' || key.name === 'redraw') return { console: state, act: { do: key.name } };
  const quiet = { ...state, note: '' };
  switch (state.mode.name) {
    case 'table':
      return inTable(quiet, key, seen);
    case 'card':
      return inCard(quiet, key, seen, state.mode.top);
    case 'choose':
      return inChoice(quiet, key, seen, state.mode);
    case 'reason':
      return inReason(quiet, key, seen, state.mode);
    case 'answer':
      return inAnswer(quiet, key, state.mode);
  }
}

function inTable(state: Console, key: Key, seen: Seen): Pressed {
  const { rows, page } = seen;
  const at = rows.findIndex((row) => row.key === state.selected);
  const to = (index: number): Pressed => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    return { console: { ...state, selected: row?.key } };
  };
  switch (key.name) {
    case 'up':
      return to(at - 1);
    case 'down':
      return to(at + 1);
    case 'pageup':
      return to(at - page);
    case 'pagedown':
      return to(at + page);
    case 'home':
      return to(0);
    case 'end':
      return to(rows.length - 1);
    case 'enter':
    case 'right':
      return open(state, seen);
    case 'char':
      if (key.text === 'q') return { console: state, act: { do: 'quit' } };
      if (key.text === 'i') return { console: { ...state, all: !state.all } };
      if (key.text === 'k') return to(at - 1);
      if (key.text === 'j') return to(at + 1);
      return command(state, key.text, seen, seen.whole);
    default:
      return { console: state };
  }
}

function inCard(state: Console, key: Key, seen: Seen, top: number): Pressed {
  const { scrollMax, page } = seen;
  const to = (line: number): Pressed => ({
    console: { ...state, mode: { name: 'card', top: Math.max(0, Math.min(scrollMax, line)) } },
  });
  switch (key.name) {
    case 'up':
      return to(top - 1);
    case 'down':
      return to(top + 1);
    case 'pageup':
      return to(top - page);
    case 'pagedown':
      return to(top + page);
    case 'home':
      return to(0);
    case 'end':
      return to(scrollMax);
    case 'escape':
    case 'left':
      return { console: { ...state, mode: { name: 'table' } } };
    case 'enter':
      return answerSelected(state, seen);
    case 'char':
      if (key.text === 'q') return { console: { ...state, mode: { name: 'table' } } };
      if (key.text === ' ') return to(top + page);
      return command(state, key.text, seen, true);
    default:
      return { console: state };
  }
}

/** `readable`: the person could read all of the card. */
function command(state: Console, letter: string, seen: Seen, readable: boolean): Pressed {
  if (!/^[adAt1-9]$/.test(letter)) return { console: state };
  const row = selected(state, seen);
  if (row === undefined) return say(state, 'Choose a row with the arrow keys first.');
  const { approval } = row;
  if (approval === undefined) return say(state, whyNot(row));
  const back: Reading = state.mode.name === 'card' ? state.mode : { name: 'table' };
  if (letter === 'd') return { console: { ...state, mode: { name: 'reason', text: '', back } } };
  if (!readable) {
    const opened = { ...state, mode: { name: 'card' as const, top: 0 } };
    return say(opened, 'It is longer than the table shows. This is all of it; press the key again.');
  }
  if (approval.subject.kind === 'question') return answer(state, approval, letter);
  if (letter === 'a') return decide(state, approval, { verdict: 'allow', scope: 'once' });
  if (letter === 'A') {
    const choices = choicesOf(approval);
    if (choices.length === 0) return say(state, 'Nothing wider than this once is offered here.');
    return { console: { ...state, mode: { name: 'choose', choices, back } } };
  }
  return say(state, 'It is no question: a allows, d denies.');
}

/** A number chooses in the first question; everything else only opens it. */
function answer(state: Console, approval: Approval, letter: string): Pressed {
  const draft = draftOf(approval);
  if (draft === undefined) return { console: state };
  const typing = letter === 't' && questionAt(draft)?.freeText === true;
  const opened: Console = { ...state, mode: { name: 'answer', draft, text: typing ? '' : undefined } };
  if (letter === 'A' || letter === 'a') return say(opened, 'It is a question: choose an answer.');
  return /^[1-9]$/.test(letter) ? choose(opened, draft, Number(letter) - 1) : { console: opened };
}

function inChoice(state: Console, key: Key, seen: Seen, mode: Extract<Mode, { name: 'choose' }>): Pressed {
  if (key.name === 'escape' || key.name === 'left') return { console: { ...state, mode: mode.back } };
  const choice = key.name === 'char' ? mode.choices[Number(key.text) - 1] : undefined;
  const approval = selected(state, seen)?.approval;
  if (choice === undefined || approval === undefined) return { console: state };
  return decide({ ...state, mode: mode.back }, approval, choice.wish);
}

function inReason(state: Console, key: Key, seen: Seen, mode: Extract<Mode, { name: 'reason' }>): Pressed {
  if (key.name === 'escape') return { console: { ...state, mode: mode.back } };
  if (key.name !== 'enter') {
    const text = edited(mode.text, key).replace(/\s*\n\s*/g, ' ');
    return { console: { ...state, mode: { ...mode, text: text.slice(0, 500) } } };
  }
  const approval = selected(state, seen)?.approval;
  if (approval === undefined) return { console: { ...state, mode: mode.back } };
  const reason = mode.text.trim();
  return decide({ ...state, mode: mode.back }, approval, {
    verdict: 'deny',
    scope: 'once',
    ...(reason === '' ? {} : { reason }),
  });
}

function inAnswer(state: Console, key: Key, mode: Extract<Mode, { name: 'answer' }>): Pressed {
  const { draft, text } = mode;
  const stay = (next: Draft, typed?: string): Pressed => ({
    console: { ...state, mode: { name: 'answer', draft: next, text: typed } },
  });
  if (text !== undefined) {
    if (key.name === 'escape') return stay(draft);
    if (key.name === 'enter') return text.trim() === '' ? stay(draft) : onwards(state, write(draft, text));
    return stay(draft, edited(text, key).slice(0, 20_000));
  }
  const question = questionAt(draft);
  switch (key.name) {
    case 'escape':
      return { console: { ...state, mode: { name: 'card', top: 0 } } };
    case 'left':
      return stay(go(draft, -1));
    case 'right':
    case 'tab':
      return stay(go(draft, 1));
    case 'up':
    case 'down': {
      const count = question?.options.length ?? 0;
      const cursor = Math.max(0, Math.min(count - 1, draft.cursor + (key.name === 'up' ? -1 : 1)));
      return stay({ ...draft, cursor });
    }
    case 'enter':
      return confirm(state, draft);
    case 'char':
      if (key.text === ' ') return stay(take(draft, draft.cursor));
      if (key.text === 't' && question !== undefined) {
        if (question.freeText || question.options.length === 0) return stay(draft, givenAt(draft).text);
        return say(state, 'This question takes only its options.');
      }
      if (key.text === 'd')
        return { console: { ...state, mode: { name: 'reason', text: '', back: { name: 'table' } } } };
      return /^[1-9]$/.test(key.text) ? choose(state, draft, Number(key.text) - 1) : { console: state };
    default:
      return { console: state };
  }
}

/** One of several goes straight on; several are confirmed with Enter. */
function choose(state: Console, draft: Draft, option: number): Pressed {
  const question = questionAt(draft);
  if (question?.options[option] === undefined) return { console: state };
  const taken = take(draft, option);
  if (!question.multiple) return onwards(state, taken);
  return { console: { ...state, mode: { name: 'answer', draft: taken, text: undefined } } };
}

function confirm(state: Console, draft: Draft): Pressed {
  const question = questionAt(draft);
  if (question === undefined) return send(state, draft);
  const one = !question.multiple && question.options.length > 0 && givenAt(draft).text === '';
  return onwards(state, one ? take(draft, draft.cursor) : draft);
}

/** To the next question; a single one is sent at once. */
function onwards(state: Console, draft: Draft): Pressed {
  const question = questionAt(draft);
  if (question !== undefined && !question.optional && isEmpty(givenAt(draft))) {
    const words = question.options.length === 0 ? 'Press t and write an answer.' : 'Choose an option first.';
    return say({ ...state, mode: { name: 'answer', draft, text: undefined } }, words);
  }
  if (draft.subject.questions.length === 1) return send(state, draft);
  return { console: { ...state, mode: { name: 'answer', draft: go(draft, 1), text: undefined } } };
}

function send(state: Console, draft: Draft): Pressed {
  const open = missing(draft);
  if (open !== undefined) {
    const back = { ...draft, at: open, cursor: 0 };
    return say({ ...state, mode: { name: 'answer', draft: back, text: undefined } }, 'This one is not answered yet.');
  }
  return decide({ ...state, mode: { name: 'table' } }, draft.approval, {
    verdict: 'allow',
    scope: 'once',
    answers: answersOf(draft),
  });
}

/** The agent's own offers first, in its order; then how far an Allow of ours may reach, said as far as it does reach. */
export function choicesOf({ subject, scopes }: Approval): Choice[] {
  const offers = subject.kind === 'tool' ? subject.suggestions : [];
  return [
    ...offers.map((label, suggestion): Choice => ({ label, wish: { verdict: 'allow', scope: 'once', suggestion } })),
    ...scopes.flatMap((scope): Choice[] => {
      // With offers, our "always" is the first of them.
      if (scope === 'once' || (scope === 'always' && offers.length > 0)) return [];
      return [{ label: scopeWords(subject, scope), wish: { verdict: 'allow', scope } }];
    }),
  ].slice(0, 9);
}

function scopeWords(subject: ApprovalSubject, scope: 'mission' | 'session' | 'always'): string {
  if (subject.kind !== 'tool') return SCOPE_WORDS[scope];
  const where = { mission: 'in this mission', session: 'in this session', always: 'in every session of this project' };
  return `${subject.tool}, whatever its input, ${where[scope]}`;
}

const SCOPE_WORDS = {
  mission: 'this and all like it in this conversation or mission',
  session: 'this and all like it of this session',
  always: 'this and all like it from now on',
};

function open(state: Console, seen: Seen): Pressed {
  const row = selected(state, seen);
  if (row === undefined) return say(state, 'Choose a row with the arrow keys first.');
  return { console: { ...state, mode: { name: 'card', top: 0 } } };
}

function decide(state: Console, approval: Approval, wish: Wish): Pressed {
  return { console: { ...state, note: '…' }, act: { do: 'decide', approval, wish } };
}

function say(state: Console, note: string): Pressed {
  return { console: { ...state, note } };
}

function selected(state: Console, { rows }: Seen): Row | undefined {
  return rows.find(({ key }) => key === state.selected);
}

/** Opens the questions of the card, where it asks some. */
function answerSelected(state: Console, seen: Seen): Pressed {
  const approval = selected(state, seen)?.approval;
  return approval === undefined ? { console: state } : answer(state, approval, '');
}

function whyNot({ group }: Row): string {
  if (group === 'waiting') return 'This one can only be answered at its terminal (intercom attach, where it is ours).';
  return group === 'limited' ? 'Its provider lets it go on later; nothing can be answered.' : 'It asks nothing now.';
}

/** One line of typing. */
function edited(text: string, key: Key): string {
  if (key.name === 'char' || key.name === 'paste') return text + key.text;
  if (key.name === 'backspace') return Array.from(text).slice(0, -1).join('');
  return key.name === 'clear' ? '' : text;
}
