/**
 * Cards of questions as Telegram shows them: the one that is asked now with its options, and what was answered before. Pure.
 *
 * Invariants: every option stands in the text, whole where there is room, else its beginning and a file with all; a button carries the number of its question and of its
 * option, so a press on an old card answers nothing else; what agents write stands in quotes.
 */
import type { Question, QuestionAnswer } from '../../protocol/attention.ts';
import type { Approval, QuestionSubject } from '../../protocol/model.ts';
import { roomBeside, wholeFile, type CardBody, type Frame } from './card-texts.ts';
import { clip, escapeHtml, oneLine, runsToHtml, showHidden, visibleText, type Run } from './html.ts';
import type { CardButton } from './ports.ts';
import { EMPTY, mayWrite, type Act, type Draft } from './question-draft.ts';
import { splitRuns } from './split.ts';

export interface QuestionPress {
  readonly approvalId: string;
  readonly question: number;
  readonly hash8: string;
  /** ask: for a text of one's own · decline: answers none. */
  readonly act: Exclude<Act, { do: 'write' }> | { readonly do: 'ask' } | { readonly do: 'decline' };
}

const PRESS = /^q:([a-z]{3}_[0-9A-Z]{26}):(\d{1,2}):([=+-]\d{1,2}|[dsbwn]):([0-9a-f]{8})$/;
const LETTERS: Readonly<Record<string, QuestionPress['act']>> = {
  d: { do: 'done' },
  s: { do: 'skip' },
  b: { do: 'back' },
  w: { do: 'ask' },
  n: { do: 'decline' },
};

export function readQuestionPress(data: string): QuestionPress | undefined {
  const [, approvalId, question, act, hash8] = PRESS.exec(data) ?? [];
  if (approvalId === undefined || act === undefined || hash8 === undefined) return undefined;
  const read = actOf(act);
  return read === undefined ? undefined : { approvalId, question: Number(question), hash8, act: read };
}

function actOf(text: string): QuestionPress['act'] | undefined {
  const option = Number(text.slice(1));
  if (text.startsWith('=')) return { do: 'take', option };
  if (text.startsWith('+') || text.startsWith('-')) return { do: 'tick', option, on: text.startsWith('+') };
  return LETTERS[text];
}

/** Longest label that a button shows whole, and that two buttons in a row do. */
const LABEL_MAX = 32;
const HALF_MAX = 14;
const NUMBERS_IN_A_ROW = 5;

export function questionButtons(approval: Approval, subject: QuestionSubject, draft: Draft = EMPTY): CardButton[][] {
  const at = draft.answers.length;
  const question = subject.questions[at];
  if (question === undefined) return [];
  const button = (text: string, act: string): CardButton => ({
    text,
    data: `q:${approval.id}:${at}:${act}:${approval.shownHash.slice(0, 8)}`,
  });
  const labels = question.options.map(({ label }) => oneLine(label, 200));
  const isShort = labels.every((label) => label.length <= LABEL_MAX);
  const options = labels.map((label, index) => {
    const words = isShort ? label : String(index + 1);
    if (!question.multiple) return button(words, `=${index}`);
    const isOn = draft.ticked.includes(index);
    return button(`${isOn ? '☑' : '☐'} ${words}`, `${isOn ? '-' : '+'}${index}`);
  });
  const across = !isShort ? NUMBERS_IN_A_ROW : labels.every((label) => label.length <= HALF_MAX) ? 2 : 1;
  const count = draft.ticked.length + (draft.text === undefined ? 0 : 1);
  const done: CardButton = { ...button(`✅ Done${count === 0 ? '' : ` (${count})`}`, 'd'), style: 'success' };
  const others = [
    ...(mayWrite(question) ? [button('✍️ Write an answer', 'w')] : []),
    ...(question.optional ? [button('⏭ Leave it out', 's')] : []),
    ...(at > 0 ? [button('↩️ Back', 'b')] : []),
    { ...button('⛔ Decline', 'n'), style: 'danger' as const },
  ];
  return [...inRows(options, across), ...(question.multiple ? [[done]] : []), ...inRows(others, 2)];
}

function inRows(buttons: readonly CardButton[], across: number): CardButton[][] {
  const rows: CardButton[][] = [];
  for (let at = 0; at < buttons.length; at += across) rows.push(buttons.slice(at, at + across));
  return rows;
}

/** Kept free below an open question: how long it waits, and how to answer. */
const WAITING_KEPT = 300;
/** Context is shown as far as the question leaves room, and not in shreds. */
const CONTEXT_MAX = 900;
const CONTEXT_MIN = 80;
/** All lines of what was answered before, together. */
const ANSWERED_MAX = 600;

/** An open card. */
export function openQuestion(
  { head, foot = [] }: Frame,
  approval: Approval,
  subject: QuestionSubject,
  draft: Draft,
): CardBody {
  const { questions } = subject;
  const at = draft.answers.length;
  const question = questions[at];
  if (question === undefined) return { lines: [...head, ...foot] };
  const each = Math.min(180, Math.floor(ANSWERED_MAX / Math.max(1, at)));
  const answered = draft.answers.map((answer, index) => answeredLine(questions[index], answer, each));
  const number = questions.length === 1 ? '' : `<b>${at + 1} of ${questions.length}</b>`;
  const header = question.header === undefined ? '' : `<b>${escapeHtml(oneLine(question.header, 60))}</b>`;
  const title = [number, header].filter((part) => part !== '').join(' · ');
  const before = [...answered, ...(title === '' ? [] : [title])];
  const after = [
    ...(draft.text === undefined ? [] : [`✍️ Your own answer: ${escapeHtml(oneLine(draft.text, 200))}`]),
    ...(question.multiple ? ['<i>Choose all that apply, then press Done.</i>'] : []),
    ...(draft.by.length === 0
      ? []
      : [`<i>Answered so far by ${escapeHtml(oneLine(draft.by.join(', '), 100))}; sent with the last answer.</i>`]),
  ];
  const frame = [...head, ...missing(subject), CUT, ...before, ...after, ...foot];
  const asked = askedQuote(question, roomBeside(frame, WAITING_KEPT), draft.ticked);
  const context = contextOf(subject, Math.min(CONTEXT_MAX, roomBeside([...frame, asked.html], WAITING_KEPT) - 100));
  const lines = [...head, ...context.lines, ...before, asked.html, ...after];
  return framed(lines, foot, context.isCut || asked.isCut, approval, subject);
}

const CUT = '✂️ <b>Shortened</b>: the file below has the whole text.';

/** A card that is settled: what was asked, and what was answered. */
export function settledQuestion({ head, foot = [] }: Frame, approval: Approval, subject: QuestionSubject): CardBody {
  const { questions } = subject;
  const answers = approval.decision?.answers ?? [];
  const context = contextOf(subject, 300);
  const before = [...head, ...context.lines, CUT];
  const each = Math.floor(roomBeside([...before, ...foot]) / questions.length);
  let isCut = context.isCut;
  const lines = questions.flatMap((question) => {
    const answer = answers.find(({ id }) => id === question.id);
    const given =
      answer === undefined ? [] : [`→ <b>${escapeHtml(oneLine(answerWords(answer), Math.floor(each / 3)))}</b>`];
    const asked = askedQuote(question, Math.max(40, each - 40 - given.join('').length), []);
    isCut ||= asked.isCut;
    return [asked.html, ...given];
  });
  return framed([...head, ...context.lines, ...lines], foot, isCut, approval, subject);
}

function framed(
  lines: readonly string[],
  foot: readonly string[],
  isCut: boolean,
  { id }: Approval,
  subject: QuestionSubject,
): CardBody {
  if (!isCut) return { lines: [...lines, ...foot] };
  return { lines: [...lines, CUT, ...foot], document: wholeFile(`${id}.txt`, wholeText(subject)) };
}

function contextOf(subject: QuestionSubject, max: number): { lines: string[]; isCut: boolean } {
  const shown = showHidden(subject.context?.trim() ?? '');
  if (shown === '') return { lines: missing(subject), isCut: false };
  const isCut = shown.length > max;
  const quoted = isCut && max < CONTEXT_MIN ? [] : [`<blockquote>${escapeHtml(clip(shown, max))}</blockquote>`];
  return { lines: [...quoted, ...missing(subject)], isCut };
}

function missing({ cut }: QuestionSubject): string[] {
  return cut ? ['✂️ <b>What the agent sent was too long to come whole.</b> Look at its terminal.'] : [];
}

function answeredLine(question: Question | undefined, answer: QuestionAnswer, max: number): string {
  const asked = escapeHtml(oneLine(question?.header ?? question?.text ?? '', Math.min(60, Math.floor(max / 2))));
  const words = answerWords(answer);
  if (words === '') return `⏭ ${asked} <i>left out</i>`;
  return `✓ ${asked} → <b>${escapeHtml(oneLine(words, Math.max(10, Math.floor(max / 2))))}</b>`;
}

function answerWords({ options, text }: QuestionAnswer): string {
  return showHidden([...options, ...(text === undefined ? [] : [text])].join(', '));
}

/** Units before an option: its line, its tick, its number. */
const MARKS = 9;

/** A question and its options in one quote of at most so many units: first without the descriptions, then everything shorter, but every option is there. */
function askedQuote(question: Question, room: number, ticked: readonly number[]): { html: string; isCut: boolean } {
  const whole = askedRuns(question, ticked);
  if (visibleText(whole).length <= room) return { html: quote(whole), isCut: false };
  const plain = { ...question, options: question.options.map(({ label }) => ({ label })) };
  const short = askedRuns(plain, ticked);
  if (visibleText(short).length <= room) return { html: quote(short), isCut: true };
  const each = Math.max(2, Math.floor((room * 0.65) / Math.max(1, question.options.length)) - MARKS);
  const text = clip(
    showHidden(question.text),
    Math.max(20, Math.floor(question.options.length === 0 ? room - 10 : room * 0.3)),
  );
  const tight = askedRuns(
    { ...plain, text, options: plain.options.map(({ label }) => ({ label: clip(label, each) })) },
    ticked,
  );
  return { html: quote(splitRuns(tight, Math.max(1, room))[0] ?? []), isCut: true };
}

function quote(runs: readonly Run[]): string {
  return `<blockquote>${runsToHtml(runs)}</blockquote>`;
}

function askedRuns(question: Question, ticked: readonly number[]): Run[] {
  const options = question.options.flatMap(({ label, description }, index): Run[] => [
    { style: 'plain', text: `\n${ticked.includes(index) ? '☑ ' : ''}` },
    { style: 'bold', text: `${index + 1}.` },
    { style: 'plain', text: ` ${showHidden(label)}` },
    ...(description === undefined || description.trim() === ''
      ? []
      : [{ style: 'italic' as const, text: `\n    ${showHidden(description.trim())}` }]),
  ]);
  return [
    { style: 'plain', text: `${showHidden(question.text.trim())}${options.length === 0 ? '' : '\n'}` },
    ...options,
  ];
}

/** Everything that is asked, as a file. */
function wholeText({ context, questions }: QuestionSubject): string {
  const asked = questions.map(({ text, options }, number) =>
    [
      `${questions.length > 1 ? `${number + 1} of ${questions.length}: ` : ''}${text}`,
      ...options.map(({ label, description }, index) =>
        [`${index + 1}. ${label}`, ...(description === undefined ? [] : [description])].join('\n   '),
      ),
    ].join('\n'),
  );
  return [...(context === undefined ? [] : [context]), ...asked].join('\n\n');
}
