/**
 * Our script before the status line of the person: put there only when asked for, and taken away so that theirs stands there again.
 *
 * Invariants: their command goes on as one word of ours, whatever it holds; a status line of a form that we do not know is left alone.
 */
import { z } from 'zod';
import { addTo, removeAt, valueAt } from './json-edit.ts';

export const STATUS_LINE_SCRIPT = 'intercom-statusline.sh';

const StatusLine = z.looseObject({ command: z.string() });
const OURS = new RegExp(`${STATUS_LINE_SCRIPT.replace('.', '\\.')}'(?: '((?:[^']|'\\\\'')*)')?$`);

/** A word for the shell, whatever it holds. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

export function hasStatusLine(text: string): boolean {
  return OURS.test(StatusLine.safeParse(valueAt(text, ['statusLine'])).data?.command ?? '');
}

export function withStatusLine(text: string, script: string): string {
  const value = valueAt(text, ['statusLine']);
  if (value === undefined) return addTo(text, [], 'statusLine', { type: 'command', command: shellWord(script) });
  const present = StatusLine.safeParse(value).data?.command;
  if (present === undefined) return text;
  const theirs = theirCommand(present);
  return withCommand(text, theirs === '' ? shellWord(script) : `${shellWord(script)} ${shellWord(theirs)}`);
}

export function withoutStatusLine(text: string): string {
  const present = StatusLine.safeParse(valueAt(text, ['statusLine'])).data?.command;
  if (present === undefined || !OURS.test(present)) return text;
  const theirs = theirCommand(present);
  return theirs === '' ? removeAt(text, ['statusLine']) : withCommand(text, theirs);
}

/** Empty: there was none before ours. */
function theirCommand(command: string): string {
  const ours = OURS.exec(command);
  return ours === null ? command : (ours[1] ?? '').replaceAll(`'\\''`, "'");
}

function withCommand(text: string, command: string): string {
  if (StatusLine.safeParse(valueAt(text, ['statusLine'])).data?.command === command) return text;
  return addTo(removeAt(text, ['statusLine', 'command']), ['statusLine'], 'command', command);
}
