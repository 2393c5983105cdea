/** Rows of the attention table as lines. Everything in them came from elsewhere, so all of it goes through `safe`. */
import { GROUPS, type Group, type Row } from '../attention/rows.ts';
import { cut, cutMiddle, safe, widthOf, type Style } from './style.ts';
import { table, type Column } from './table.ts';
import { relative, span } from './time.ts';

const WIDE = 100;
const MIDDLE = 64;

export function paintGroup(group: Group, style: Style): (text: string) => string {
  const paints: Readonly<Record<Group, (text: string) => string>> = {
    waiting: style.yellow,
    stalled: style.red,
    limited: style.blue,
    working: style.green,
    idle: style.dim,
  };
  return paints[group];
}

const GROUP_WORDS: Readonly<Record<Group, string>> = {
  waiting: 'for you',
  stalled: 'silent',
  limited: 'at a limit',
  working: 'at work',
  idle: 'idle',
};

/** "3 for you · 1 silent · 5 at work". */
export function countWords(rows: readonly Row[], style: Style): string {
  const words = GROUPS.flatMap((group) => {
    const count = rows.filter((row) => row.group === group).length;
    return count === 0 ? [] : [paintGroup(group, style)(`${count} ${GROUP_WORDS[group]}`)];
  });
  return words.length === 0 ? 'no session runs' : words.join(' · ');
}

/** What a row says: what is asked, or why it stands where it stands. */
export function rowWords(row: Row, now: number): string {
  const reset = row.resetAt === undefined ? '' : `resets ${relative(row.resetAt, now)}`;
  const said = row.group === 'stalled' ? `nothing was seen of it for ${age(row, now)}` : row.what;
  return [reset, said, row.away ? 'its machine is away' : ''].filter((one) => one !== '').join(' · ');
}

export function kindWords(row: Row): string {
  if (row.group === 'stalled') return 'silent';
  if (row.kind === 'unknown') return 'unknown';
  return row.kind.replaceAll('_', ' ');
}

export function age(row: Row, now: number): string {
  return span(Math.max(0, (now - row.since) / 1000));
}

/** The address with as much of the session as tells it from others. */
export function shortAddress(address: string): string {
  const [agent = '', session] = address.split('#');
  return session === undefined ? agent : `${agent}#${session.slice(0, 8)}`;
}

/** For a listing: as wide as it needs to be. */
export function attentionTable(rows: readonly Row[], now: number, width: number, style: Style): string {
  const told = (of: (row: Row) => string, from: number): boolean => width >= from && rows.some((row) => of(row) !== '');
  const columns: readonly (Column & { readonly of: (row: Row) => string })[] = [
    { title: 'STATE', paint: paintKind(style), of: kindWords },
    { title: 'WHAT', flexible: true, of: (row) => rowWords(row, now) },
    { title: 'SINCE', of: (row) => age(row, now) },
    { title: 'AGENT', flexible: true, middle: true, paint: style.bold, of: (row) => shortAddress(row.address) },
    ...(told((row) => row.agent ?? '', WIDE) ? [{ title: 'PROGRAM', of: (row: Row) => row.agent ?? '' }] : []),
    ...(told(contextWords, MIDDLE) ? [{ title: 'CTX', right: true, of: contextWords }] : []),
    ...(told(costWords, MIDDLE) ? [{ title: 'COST', right: true, of: costWords }] : []),
  ];
  const cells = rows.map((row) => columns.map(({ of }) => of(row)));
  return table(columns, cells, width, style);
}

function paintKind(style: Style): (text: string) => string {
  return (text) => {
    const word = text.trim();
    if (word === 'silent') return style.red(text);
    if (word === 'rate limit') return style.blue(text);
    if (word === 'idle' || word === 'unknown') return style.dim(text);
    return ['working', 'thinking', 'starting'].includes(word) ? style.green(text) : style.yellow(text);
  };
}

function contextWords({ context }: Row): string {
  return context === undefined ? '' : `${context}%`;
}

function costWords({ costUsd }: Row): string {
  return costUsd === undefined ? '' : `$${costUsd.toFixed(2)}`;
}

/** For the live table: every column has its place, so that a row changes without moving another. */
export function liveRow(row: Row, selected: boolean, now: number, width: number, style: Style): string {
  const paint = paintGroup(row.group, style);
  const mark = `${selected ? style.bold('▸') : ' '}${paint(row.group === 'idle' ? '○' : '●')} `;
  const space = width - 3;
  const bold = selected ? style.bold : (text: string): string => text;
  const words = safe(rowWords(row, now));
  const address = safe(shortAddress(row.address));
  if (width < MIDDLE) {
    const who = Math.floor(space * 0.4);
    const what = space - who - 8;
    const text = words === '' ? kindWords(row) : words;
    return `${mark}${style.bold(fit(safe(shortAddress(row.address).split('#')[0] ?? ''), who, true))} ${bold(fit(text, what))} ${style.dim(left(compactAge(row, now), 6))}`;
  }
  const wide = width >= WIDE;
  const who = Math.min(40, Math.floor(space * 0.3));
  const ends = wide ? ` ${left(contextWords(row), 4)} ${left(costWords(row), 8)}` : ` ${left(contextWords(row), 4)}`;
  const what = space - 11 - who - 8 - widthOf(ends) - 1;
  return `${mark}${paint(fit(kindWords(row), 10))} ${bold(fit(words, what))} ${style.bold(fit(address, who, true))} ${left(age(row, now), 7)}${style.dim(ends)}`;
}

/** "45s", "3m", "2h", "5d". */
function compactAge(row: Row, now: number): string {
  return age(row, now)
    .replace(/ (s|h|d)$/, '$1')
    .replace(' min', 'm');
}

function fit(text: string, width: number, middle = false): string {
  const space = Math.max(1, width);
  const fitted = middle ? cutMiddle(text, space) : cut(text, space);
  return fitted + ' '.repeat(Math.max(0, space - widthOf(fitted)));
}

function left(text: string, width: number): string {
  const fitted = cut(text, width);
  return ' '.repeat(Math.max(0, width - widthOf(fitted))) + fitted;
}
