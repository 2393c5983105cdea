/**
 * The live table as the lines of one screen. Pure: the same state gives the same lines.
 *
 * Invariants: as many lines as the screen has, none wider than it; whether all of the selected card could be read is said truthfully, because a decision depends on it.
 */
import { card, optionLines, questionHead } from '../print/card.ts';
import { age, countWords, kindWords, liveRow, rowWords, shortAddress } from '../print/attention.ts';
import { cut, safe, safeLines, widthOf, type Style } from '../print/style.ts';
import { indent } from '../print/words.ts';
import { wrap } from '../print/wrap.ts';
import type { Console, Mode, Seen } from './console.ts';
import { answersOf, givenAt, questionAt, type Draft } from './draft.ts';
import type { Row } from './rows.ts';

export interface FrameInput {
  readonly console: Console;
  /** Those that are shown. */
  readonly rows: readonly Row[];
  /** Those that there are. */
  readonly everything: readonly Row[];
  /** Why the hub is not heard now. */
  readonly problem: string | undefined;
  /** Cards that are not among the rows. */
  readonly more: number;
  readonly cols: number;
  readonly height: number;
  readonly now: number;
  readonly style: Style;
}

export interface Frame {
  readonly lines: readonly string[];
  readonly seen: Seen;
}

/** Below this there is room for the table alone. */
const PREVIEW_FROM = 14;

export function frameOf(input: FrameInput): Frame {
  const { mode } = input.console;
  const body = Math.max(1, input.height - 2);
  const { lines, seen } = mode.name === 'table' ? tableBody(input, body) : openBody(input, mode, body);
  const filled = Array.from({ length: body }, (_, index) => lines[index] ?? '');
  return { lines: [title(input), ...filled, footer(input)], seen };
}

interface Body {
  readonly lines: readonly string[];
  readonly seen: Seen;
}

function tableBody(input: FrameInput, height: number): Body {
  const { console, rows, cols, now, style } = input;
  const at = rows.findIndex((row) => row.key === console.selected);
  const row = rows[at];
  const wanted = row?.approval === undefined ? [] : cardLines(row, input);
  const room = height < PREVIEW_FROM ? 0 : Math.floor(height / 2);
  const shown = wanted.length + 1 <= room ? wanted : wanted.slice(0, Math.max(0, room - 2));
  const cutOff = shown.length < wanted.length;
  const rest = style.yellow(cut('… Enter shows all of it', cols));
  const preview = room === 0 || wanted.length === 0 ? [] : [rule(cols, style), ...shown, ...(cutOff ? [rest] : [])];
  const space = height - preview.length;
  const first = Math.max(0, Math.min(at - Math.floor(space / 2), rows.length - space));
  const list = rows
    .slice(first, first + space)
    .map((one) => liveRow(one, one.key === console.selected, now, cols, style));
  if (list.length === 0) list.push('', `  ${style.green('✓')} ${cut('Nothing waits, nothing works.', cols - 4)}`);
  // The card stands at the bottom; it does not move when the table grows.
  const gap = Array.from({ length: Math.max(0, space - list.length) }, () => '');
  return {
    lines: [...list, ...gap, ...preview],
    seen: { rows, whole: !cutOff && preview.length > 0, scrollMax: 0, page: Math.max(1, space - 1) },
  };
}

function openBody(input: FrameInput, mode: Exclude<Mode, { name: 'table' }>, height: number): Body {
  const { rows, cols } = input;
  const row = rows.find(({ key }) => key === input.console.selected);
  const lines = mode.name === 'answer' ? draftLines(mode.draft, input) : row === undefined ? [] : cardLines(row, input);
  const tail = tailLines(input, mode).flatMap((line) => wrap(line, cols));
  const space = Math.max(1, height - tail.length);
  const scrollMax = Math.max(0, lines.length - space);
  const top = mode.name === 'card' ? Math.min(mode.top, scrollMax) : mode.name === 'answer' ? follow(lines, space) : 0;
  const shown = lines.slice(top, top + space);
  return {
    lines: [...shown, ...Array.from({ length: space - shown.length }, () => ''), ...tail],
    seen: { rows, whole: true, scrollMax, page: Math.max(1, space - 1) },
  };
}

/** Long questions are shown from where the chosen option is in sight. */
function follow(lines: readonly string[], space: number): number {
  const at = lines.findIndex((line) => line.includes(CURSOR));
  return Math.max(0, Math.min(lines.length - space, at - Math.floor(space / 2)));
}

const CURSOR = '▸';

function cardLines(row: Row, { cols, now, style }: FrameInput): string[] {
  if (row.approval !== undefined) return wrap(card(row.approval, now, style).trimEnd(), cols);
  const facts: readonly (readonly [string, string])[] = [
    ['state', `${kindWords(row)}, for ${age(row, now)}`],
    ['says', rowWords(row, now)],
    ['program', row.agent ?? ''],
    ['context', row.context === undefined ? '' : `${row.context}%`],
    ['cost', row.costUsd === undefined ? '' : `$${row.costUsd.toFixed(2)}`],
  ];
  return [
    style.bold(safe(row.address)),
    ...facts.flatMap(([name, text]) => (text === '' ? [] : [`  ${style.dim(name.padEnd(8))} ${safe(text)}`])),
    ...(row.group === 'waiting'
      ? ['', style.dim('  It is answered at its terminal; `intercom attach` joins it where the terminal is ours.')]
      : []),
  ].flatMap((line) => wrap(line, cols));
}

function draftLines(draft: Draft, { cols, style }: FrameInput): string[] {
  const { subject } = draft;
  const question = questionAt(draft);
  const head = [style.bold(safe(subject.from)), ''];
  if (question === undefined) {
    const answers = answersOf(draft);
    const all = subject.questions.flatMap((one, index) => {
      const given = answers.find(({ id }) => id === one.id);
      const said =
        given === undefined ? ['(left out)'] : [...given.options, ...(given.text === undefined ? [] : [given.text])];
      return [
        ...questionHead(one, index, subject.questions.length, style),
        indent(style.green(safeLines(said.join(', '))), '     '),
      ];
    });
    return [...head, ...all].flatMap((line) => wrap(line, cols));
  }
  const given = givenAt(draft);
  const options = question.options.map((option, index) => {
    const cursor = index === draft.cursor ? style.bold(CURSOR) : ' ';
    const taken = given.options.includes(index);
    const mark = question.multiple ? (taken ? style.green('[x]') : '[ ]') : taken ? style.green('(•)') : '( )';
    const [label = '', ...more] = optionLines({ ...question, options: [option] }, style);
    return [`${cursor} ${String(index + 1).padStart(2)} ${mark} ${label.replace(/^ *1\) /, '')}`, ...more].join('\n');
  });
  return [
    ...head,
    ...(subject.context === undefined ? [] : [indent(safeLines(subject.context)), '']),
    ...questionHead(question, draft.at, subject.questions.length, style),
    '',
    ...options,
    ...(given.text === '' ? [] : ['', `  ${style.green('“')}${safeLines(given.text)}${style.green('”')}`]),
  ].flatMap((line) => wrap(line, cols));
}

/** What is typed or chosen below an open card. */
function tailLines(input: FrameInput, mode: Mode): string[] {
  const { style, cols } = input;
  if (mode.name === 'choose')
    return [
      rule(cols, style),
      ...mode.choices.map(({ label }, index) => ` ${style.bold(String(index + 1))} ${safe(label)}`),
    ];
  if (mode.name === 'reason')
    return [rule(cols, style), typing(`${denyWord(input)}. Why? (the agent reads it; may be empty)`, mode.text, style)];
  if (mode.name === 'answer' && mode.text !== undefined)
    return [rule(cols, style), typing('Your answer:', mode.text, style)];
  return [];
}

function denyWord({ console, rows }: FrameInput): string {
  const row = rows.find(({ key }) => key === console.selected);
  return row?.approval?.kind === 'question' ? 'Decline' : 'Deny';
}

function typing(question: string, text: string, style: Style): string {
  return `${style.bold(question)} ${safeLines(text)}█`;
}

function title({ everything, more, problem, cols, style }: FrameInput): string {
  const others = more === 0 ? '' : ` · ${more} more cards`;
  const state = problem === undefined ? '' : `  ${style.red(cut(safe(problem), Math.max(10, Math.floor(cols / 2))))}`;
  const counts = `${countWords(everything, style)}${others}`;
  const whole = [`${style.bold('intercom')}  ${counts}${state}`, `${counts}${state}`].find(
    (one) => widthOf(one) <= cols,
  );
  if (whole !== undefined) return whole;
  return problem === undefined ? (wrap(counts, cols)[0] ?? '') : style.red(cut(safe(problem), cols));
}

function footer({ console, cols, style, rows }: FrameInput): string {
  if (console.note !== '') return style.yellow(cut(safe(console.note), cols));
  const row = rows.find(({ key }) => key === console.selected);
  return style.dim(cut(help(console.mode, row), cols));
}

function help(mode: Mode, row: Row | undefined): string {
  switch (mode.name) {
    case 'table':
      return `${row === undefined ? '↑↓ choose' : `↑↓ choose · Enter open${keysFor(row)}`} · i idle · q quit`;
    case 'card':
      return `Esc back · ↑↓ scroll${row === undefined ? '' : keysFor(row)} · ${row === undefined ? '' : shortAddress(row.address)}`;
    case 'choose':
      return '1–9 choose · Esc back';
    case 'reason':
      return 'Enter denies · Esc back';
    case 'answer':
      if (mode.text !== undefined) return 'Enter takes it · Esc back';
      if (questionAt(mode.draft) === undefined) return 'Enter sends · ← back · d decline · Esc leave it';
      return questionAt(mode.draft)?.multiple === true
        ? 'Space or 1–9 take · Enter go on · t own words · d decline · Esc back'
        : '1–9 or Enter take · t own words · ←→ questions · d decline · Esc back';
  }
}

function keysFor({ approval }: Row): string {
  if (approval === undefined) return '';
  if (approval.subject.kind === 'question') return ' · 1–9 choose · t write · d decline';
  return ' · a allow · d deny · A always';
}

function rule(cols: number, style: Style): string {
  return style.dim('─'.repeat(cols));
}
