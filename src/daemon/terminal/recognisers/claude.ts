/**
 * Claude Code's screen, as 2.1.197 and 2.1.329 draw it (test/screens/claude).
 *
 * The box is two rules with `❯` between them, at the bottom but for a few rows of hints; a dialog hangs under one rule, with numbered choices; a turn that runs shows a spinner
 * above the box and in the title.
 */
import type { ScreenView } from '../view.ts';
import { boxText, choices, isRule, lastMenu, texts, UNKNOWN, wayByNumber } from './recogniser.ts';
import type { Choice, Dialog, Reading, Recogniser, Way } from './recogniser.ts';

const MARK = '❯';
/** What stands in a dialog's line when it is empty. */
const LINE_LABEL = 'Type something.';
/** Rows of hints, lists and agents that may stand below the box. */
const BELOW_MAX = 25;
/** Rows above the box in which the spinner stands. */
const SPINNER_ROWS = 8;
const SPINNER = /^\s*[✻✶✢✳✽·∗*]\s+\S.*…/;
const TITLE_WORKING = /^[◐◑◒◓\u2801-\u28ff]/;
const LIMIT = /(?:hit your|reached your|limit reached|out of).{0,60}(?:limit|resets|usage)|limit.{0,80}\bresets?\b/i;

export const claudeRecogniser: Recogniser = { name: 'claude', read, wayTo };

function read(view: ScreenView): Reading {
  const rows = texts(view);
  const box = boxOf(rows);
  const menu = lastMenu(choices(rows, MARK));
  const focus = menu.find((choice) => choice.focused)?.row ?? -1;
  if (menu.length > 1 && (box === undefined || focus > box.bottom)) return dialogReading(view, rows, menu);
  if (box === undefined)
    return plainDialog(rows) ?? (rows.every((row) => row === '') ? { state: 'starting' } : UNKNOWN);
  if (!rows[box.top + 1]?.startsWith(MARK)) return { state: 'unknown' };
  const text = boxText(view.rows.slice(box.top + 1, box.bottom), 2);
  const reading = { box: text, ...(opensMenu(text) ? { menu: true } : {}) };
  if (isWorking(view, rows, box)) return { state: 'working', ...reading };
  const notice = limitNotice(rows, box.top);
  return notice === undefined
    ? { state: 'prompt', ...reading }
    : { state: 'rate_limited', limitNotice: notice, ...reading };
}

interface Box {
  /** Its rules. */
  readonly top: number;
  readonly bottom: number;
}

/** The lowest two rules, with the box's mark right under the upper one. */
function boxOf(rows: readonly string[]): Box | undefined {
  const bottom = rows.findLastIndex(isRule);
  const top = rows.slice(0, Math.max(bottom, 0)).findLastIndex(isRule);
  // A fresh start is drawn at the top: the rows below that hold nothing do not count.
  const last = rows.findLastIndex((row) => row.trim() !== '');
  if (top === -1 || bottom - top < 2 || last - bottom > BELOW_MAX) return undefined;
  return /^[❯!#]/.test(rows[top + 1] ?? '') ? { top, bottom } : undefined;
}

/** Typed like this, a list of commands or files opens, and Enter chooses from it. */
function opensMenu(box: string): boolean {
  return box.startsWith('/') || /(?:^|\s)@\S*$/.test(box);
}

function isWorking(view: ScreenView, rows: readonly string[], box: Box): boolean {
  const above = rows.slice(Math.max(0, box.top - SPINNER_ROWS), box.top);
  const below = rows.slice(box.bottom + 1).join(' ');
  return TITLE_WORKING.test(view.title) || above.some((row) => SPINNER.test(row)) || /esc to interrupt/.test(below);
}

/** The notice is the last thing that was said; a command that the program gives itself is no new turn. */
function limitNotice(rows: readonly string[], top: number): string | undefined {
  const lastTurn = rows.slice(0, top).findLastIndex((row) => /^\s*❯ (?!\/rate-limit)/.test(row));
  return rows
    .slice(Math.max(0, lastTurn), top)
    .find((row) => LIMIT.test(row))
    ?.replace(/^[\s⎿●]+/, '');
}

function dialogReading(view: ScreenView, rows: readonly string[], menu: readonly Choice[]): Reading {
  const first = menu[0]?.row ?? 0;
  const top = rows.slice(0, first).findLastIndex(isRule);
  const line = lineOf(view, rows, menu);
  const body = rows
    .map((row, index) => {
      if (line === undefined || index < line.from || index >= line.to) return row;
      return index === line.from ? line.label : '';
    })
    .slice(top + 1)
    .filter((row) => row.trim() !== '');
  const dialog = dialogOf(body, menu, line);
  if (dialog.kind !== 'rate_limit') return { state: 'dialog', dialog };
  const notice = limitNotice(rows, top);
  return { state: 'rate_limited', dialog, ...(notice === undefined ? {} : { limitNotice: notice }) };
}

interface Line {
  /** Its rows, `to` not among them. */
  readonly from: number;
  readonly to: number;
  /** As it is drawn when nothing is written in it; of its first row. */
  readonly label: string;
  readonly option: number;
  readonly text: string;
}

/** Under its choices a question has one that is a line to write in, then a rule, then `Chat about this`. */
function lineOf(view: ScreenView, rows: readonly string[], menu: readonly Choice[]): Line | undefined {
  const option = menu.findIndex((choice) => /^Chat about this/.test(choice.label)) - 1;
  const choice = menu[option];
  if (choice === undefined) return undefined;
  const to = rows.findIndex((row, index) => index > choice.row && isRule(row));
  const isEmpty = /^Type something\.?$/.test(choice.label);
  if (to === -1 || (to - choice.row > 1 && isEmpty)) return undefined;
  const indent = rows[choice.row]?.search(/\d+\.\s/) ?? 0;
  const text = isEmpty ? '' : boxText(view.rows.slice(choice.row, to), indent + `${option + 1}. `.length);
  return { from: choice.row, to, label: `  ${option + 1}. ${LINE_LABEL}`, option, text };
}

function dialogOf(body: readonly string[], menu: readonly Choice[], line?: Line): Dialog {
  const question = body.findLast((row) => /\?\s*$/.test(row))?.trim() ?? '';
  const heading = (body[0] ?? '').trim();
  return {
    kind: kindOf(body.join('\n')),
    title: question === '' || question === heading ? heading : `${heading}: ${question}`,
    options: menu.map((choice, index) => (index === line?.option ? LINE_LABEL : choice.label)),
    focused: menu.findIndex((choice) => choice.focused),
    numbered: true,
    text: unmarked(body),
    ...(line === undefined ? {} : { line: { option: line.option, text: line.text } }),
  };
}

function kindOf(text: string): string {
  if (/trust this folder|trust the files/i.test(text)) return 'trust';
  if (/ready to code|Claude has written up a plan|Would you like to proceed\?/i.test(text)) return 'plan';
  if (/Chat about this|Type something/.test(text)) return 'question';
  if (/Do you want to /.test(text)) return 'permission';
  if (/limit/i.test(text) && /upgrade|wait|reset/i.test(text)) return 'rate_limit';
  return 'menu';
}

/** The first start asks with choices that have no numbers. */
function plainDialog(rows: readonly string[]): Reading | undefined {
  const focus = rows.findLastIndex((row) => /^\s*❯ \S/.test(row));
  const hint = rows.findLastIndex((row) => /Enter to confirm|Esc to cancel/i.test(row));
  if (focus === -1 || hint < focus) return undefined;
  const top = rows.slice(0, focus).findLastIndex(isRule);
  const body = rows.slice(top + 1).filter((row) => row.trim() !== '');
  const start = rows.slice(0, focus).findLastIndex((row) => row.trim() === '') + 1;
  const end = rows.findIndex((row, index) => index > focus && row.trim() === '');
  const options = rows.slice(start, end === -1 ? undefined : end).map((row) => row.replace(MARK, ' ').trim());
  const dialog: Dialog = {
    kind: kindOf(body.join('\n')),
    title: (body[0] ?? '').trim(),
    options,
    focused: focus - start,
    numbered: false,
    text: unmarked(body),
  };
  return { state: 'dialog', dialog };
}

/** What a dialog says, wherever its focus is. Its last row is a hint that changes with the focus. */
function unmarked(body: readonly string[]): string {
  return body
    .filter((row) => !/^\s*(?:Esc|Enter|↑)/.test(row))
    .map((row) => row.replace(MARK, ' ').trim())
    .join('\n');
}

/** Choices that are lines to write in, or end the question without an answer, are no answer. What opens a folder is looked at before it is confirmed. */
function wayTo(dialog: Dialog, option: number): Way | undefined {
  if (/^(?:Type something|Chat about this|Tell Claude)/.test(dialog.options[option - 1] ?? '')) return undefined;
  const way = wayByNumber(dialog, option);
  return way === 'digit' && dialog.kind === 'trust' ? 'focus' : way;
}
