/** Rows of a view as what a terminal has to be told to show them. */
import type { Look, Row } from './view.ts';

const CODES = [
  ['bold', 1],
  ['dim', 2],
  ['italic', 3],
  ['underline', 4],
  ['inverse', 7],
  ['hidden', 8],
  ['strike', 9],
] as const;

/** The sequence that sets exactly this look. */
export function lookCode(look: Look): string {
  const codes = CODES.flatMap(([name, code]) => (look[name] === true ? [String(code)] : []));
  if (look.fg !== undefined) codes.push(`38;${colourCode(look.fg)}`);
  if (look.bg !== undefined) codes.push(`48;${colourCode(look.bg)}`);
  return `\x1b[${['0', ...codes].join(';')}m`;
}

/** The row's letters with their looks; ends with the plain look. */
export function drawRow(row: Row): string {
  if (row.runs.length === 0) return '';
  return `${row.runs.map(({ text, ...look }) => `${lookCode(look)}${text}`).join('')}\x1b[0m`;
}

/** The end of an SGR sequence for a colour. */
function colourCode(value: number | string): string {
  if (typeof value === 'number') return `5;${value}`;
  const parts = /^#(..)(..)(..)$/.exec(value)?.slice(1) ?? [];
  return `2;${parts.map((part) => Number.parseInt(part, 16)).join(';')}`;
}
