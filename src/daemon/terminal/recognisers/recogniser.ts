/**
 * What a recogniser is: a pure function from a screen to what it shows, for one agent program; and what all of them share.
 *
 * Invariants: a recogniser says `prompt` only where it has found the box and knows all of its text; where it is not sure it says `unknown`. What is dim in
 * the box is a placeholder and no text.
 */
import { createHash } from 'node:crypto';
import type { ScreenState } from '../../../protocol/runner-api.ts';
import { resetTime } from '../../agents/reset-time.ts';
import { rowText } from '../view.ts';
import type { Row, Run, ScreenView } from '../view.ts';

/** What a screen shows. */
export interface Reading {
  readonly state: ScreenState['state'];
  /** The text in the box, line breaks of the drawing as blanks; undefined: there is no box. */
  readonly box?: string;
  /** A list of commands or files hangs at the box: Enter would choose from it. */
  readonly menu?: boolean;
  readonly dialog?: Dialog;
  /** The notice that says when a limit ends. */
  readonly limitNotice?: string;
}

export interface Dialog {
  /** permission, question, plan, trust, login, menu, … */
  readonly kind: string;
  readonly title: string;
  readonly options: readonly string[];
  /** All of it as it is drawn, without the mark of the option in focus. */
  readonly text: string;
  /** The option in focus, from 0. */
  readonly focused: number;
  /** Its choices have numbers. */
  readonly numbered: boolean;
  /** The option (from 0) that is a line to write in, and what stands in it. Neither `text` nor the fingerprint has that. */
  readonly line?: { readonly option: number; readonly text: string };
}

/** How an option is chosen: its digit does it at once · the focus is moved to it, seen there, and Enter pressed. */
export type Way = 'digit' | 'focus';

export interface Recogniser {
  readonly name: string;
  read(view: ScreenView): Reading;
  /** How an option (from 1) of a dialog is chosen; undefined: it is not there, or choosing it would be no answer yet. */
  wayTo(dialog: Dialog, option: number): Way | undefined;
}

const OPTIONS_MAX = 30;

export const UNKNOWN: Reading = { state: 'unknown' };

/** What is told of a reading. `at`: when it was seen; what a clock time in a notice means follows from it. */
export function toState(reading: Reading, title: string, at: string, recogniser?: Recogniser): ScreenState {
  const { dialog, box, limitNotice } = reading;
  const resetAt = limitNotice === undefined ? undefined : resetTime(limitNotice, at);
  const heading = dialog === undefined ? (limitNotice ?? title) : dialog.title;
  return {
    state: reading.state,
    ...(dialog === undefined ? {} : dialogState(dialog, recogniser)),
    ...(heading === '' ? {} : { title: heading.slice(0, 300) }),
    options: (dialog?.options ?? []).slice(0, OPTIONS_MAX).map((option) => option.slice(0, 300)),
    ...(box === undefined ? {} : { box: box.slice(0, 2000) }),
    ...(resetAt === undefined ? {} : { resetAt }),
  };
}

function dialogState(
  dialog: Dialog,
  recogniser: Recogniser | undefined,
): Pick<ScreenState, 'dialog' | 'fingerprint' | 'text' | 'choosable' | 'line'> {
  const numbers = dialog.options.slice(0, OPTIONS_MAX).map((_label, index) => index + 1);
  return {
    dialog: dialog.kind,
    fingerprint: fingerprint(dialog),
    text: dialog.text.slice(0, 8000),
    choosable: numbers.filter((option) => recogniser?.wayTo(dialog, option) !== undefined),
    ...(dialog.line === undefined ? {} : { line: dialog.line.option + 1 }),
  };
}

/** Digits choose among so many; what has more is walked through. */
export function wayByNumber(dialog: Dialog, option: number): Way | undefined {
  if (dialog.options[option - 1] === undefined) return undefined;
  return dialog.numbered && option <= 9 ? 'digit' : 'focus';
}

/** Binds an answer to what was shown. */
export function fingerprint(dialog: Dialog): string {
  return createHash('sha256').update(`${dialog.kind}\n${dialog.text}`).digest('hex');
}

export function texts(view: ScreenView): string[] {
  return view.rows.map(rowText);
}

/** A row that is nothing but a rule (two ends are left for a label). */
export function isRule(text: string): boolean {
  return /^\s*[─━▔]{10,}/.test(text);
}

/** Words in one line, for comparing what was typed with what is drawn: where rows break is the program's affair. */
export function squeezed(text: string): string {
  return text.replace(/\s+/g, '');
}

/**
 * The text of a box: its rows without their first `indent` columns, without what is dim. A cursor that is drawn as an inverse cell over the first letter of a placeholder
 * is no text either.
 */
export function boxText(rows: readonly Row[], indent: number): string {
  return rows
    .map((row) => inked(afterColumns(row.runs, indent)))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function inked(runs: readonly Run[]): string {
  return runs
    .map((run, index) => {
      if (run.dim === true) return '';
      const next = runs[index + 1];
      const isCursor = run.inverse === true && Array.from(run.text).length === 1;
      return isCursor && next?.dim === true ? '' : run.text;
    })
    .join('');
}

function afterColumns(runs: readonly Run[], columns: number): Run[] {
  let left = columns;
  return runs.flatMap((run) => {
    const cut = Math.min(left, run.text.length);
    left -= cut;
    const text = run.text.slice(cut);
    return text === '' ? [] : [{ ...run, text }];
  });
}

export interface Choice {
  /** The row that it begins in. */
  readonly row: number;
  readonly number: number | undefined;
  readonly label: string;
  readonly focused: boolean;
}

/** Numbered choices, one of them marked; rows between them belong to the one above. */
export function choices(rows: readonly string[], mark: string): Choice[] {
  const pattern = new RegExp(`^[\\s│]*(${mark}\\s*)?(\\d{1,2})\\.\\s+(.*?)[\\s│]*$`);
  return rows.flatMap((text, row) => {
    const found = pattern.exec(text);
    if (found === null) return [];
    const [, focus, number, label = ''] = found;
    return [{ row, number: Number(number), label, focused: focus !== undefined }];
  });
}

/** The last run of choices that counts 1, 2, 3 …; empty where none has a mark. */
export function lastMenu(found: readonly Choice[]): Choice[] {
  const start = found.findLastIndex((choice) => choice.number === 1);
  if (start === -1) return [];
  const menu: Choice[] = [];
  for (const choice of found.slice(start)) {
    if (choice.number !== menu.length + 1) break;
    menu.push(choice);
  }
  return menu.some((choice) => choice.focused) ? menu : [];
}
