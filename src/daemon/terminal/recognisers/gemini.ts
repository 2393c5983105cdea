/**
 * Gemini CLI's screen, as 0.61.0 draws it (test/screens/gemini).
 *
 * The box is a block of its own background between a row of `▄` and one of `▀`, beginning with `>`; a dialog is a frame with numbered choices, `●` before the one in focus; the title says Ready,
 * Working… or Action Required.
 */
import type { Row, Run, ScreenView } from '../view.ts';
import { choices, lastMenu, texts, UNKNOWN, wayByNumber } from './recogniser.ts';
import type { Choice, Dialog, Reading, Recogniser, Way } from './recogniser.ts';

const MARK = '●';
/** What an empty box says, in grey. */
const PLACEHOLDER = 'Type your message or @path/to/file';
const SPINNER = /^\s*[\u2801-\u28ff]\s.*esc to cancel/;

export const geminiRecogniser: Recogniser = { name: 'gemini', read, wayTo };

function read(view: ScreenView): Reading {
  const rows = texts(view);
  const box = boxOf(view, rows);
  const menu = lastMenu(choices(rows, MARK));
  const focus = menu.find((choice) => choice.focused)?.row ?? -1;
  if (menu.length > 1 && (box === undefined || focus > box.bottom)) return dialogReading(rows, menu);
  if (box === undefined) return rows.every((row) => row === '') ? { state: 'starting' } : UNKNOWN;
  if (!/^\s*[>*]/.test(rows[box.top + 1] ?? '')) return UNKNOWN;
  const text = textOf(view.rows.slice(box.top + 1, box.bottom));
  const reading = { box: text, ...(opensList(text) ? { menu: true } : {}) };
  const working = /^✦|Working/.test(view.title) || rows.slice(0, box.top).some((row) => SPINNER.test(row));
  return working ? { state: 'working', ...reading } : { state: 'prompt', ...reading };
}

/** The lowest block: what was said has the same frame, but stands above. */
function boxOf(
  view: ScreenView,
  rows: readonly string[],
): { readonly top: number; readonly bottom: number } | undefined {
  const bottom = rows.findLastIndex((row) => /^▀{10,}$/.test(row));
  const top = rows.slice(0, Math.max(0, bottom)).findLastIndex((row) => /^▄{10,}$/.test(row));
  if (top === -1 || bottom - top < 2) return undefined;
  const { y } = view.cursor;
  // The cursor stands in the box, also where it is drawn and not shown; what was said has none.
  return y > top && y < bottom ? { top, bottom } : undefined;
}

function textOf(rows: readonly Row[]): string {
  const text = rows
    .map((row) => {
      const cursor = row.runs.findIndex((run) => run.inverse === true && run.text.trim() === '');
      return row.runs
        .map((run, index) => (cursor !== -1 && index > cursor && isPlaceholder(run) ? '' : run.text))
        .join('');
    })
    .map((line, index) => (index === 0 ? line.replace(/^\s*[>*]/, '') : line))
    .join(' ');
  return text.replace(/\s+/g, ' ').trim();
}

function isPlaceholder(run: Run): boolean {
  return run.text.trim() === PLACEHOLDER;
}

function opensList(box: string): boolean {
  return box.startsWith('/') || /(?:^|\s)@\S*$/.test(box);
}

function dialogReading(rows: readonly string[], menu: readonly Choice[]): Reading {
  const first = menu[0]?.row ?? 0;
  const top = rows.slice(0, first).findLastIndex((row) => /^\s*╭/.test(row));
  const end = rows.findIndex((row, index) => index > first && /^\s*╰/.test(row));
  const body = rows
    .slice(top + 1, end === -1 ? undefined : end)
    .map((row) =>
      row
        .replace(/[│╭╮╰╯─]/g, ' ')
        .replace(MARK, ' ')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((row) => row !== '');
  const kind = kindOf(body.join('\n'));
  const dialog: Dialog = {
    kind,
    title: titleOf(body),
    options: menu.map((choice) => choice.label.replace(/[│\s]+$/, '').trim()),
    focused: menu.findIndex((choice) => choice.focused),
    numbered: true,
    text: body.join('\n'),
  };
  if (kind === 'rate_limit') return { state: 'rate_limited', dialog, limitNotice: body[0] ?? '' };
  return { state: 'dialog', dialog };
}

function titleOf(body: readonly string[]): string {
  return body.find((row) => /\?\s*\S*$|\?$/.test(row)) ?? body[0] ?? '';
}

function kindOf(text: string): string {
  if (/trust (?:the files|folder)/i.test(text)) return 'trust';
  if (/limit reached|quota/i.test(text)) return 'rate_limit';
  if (/Allow once|Allow for this session|Apply this change/.test(text)) return 'permission';
  if (/Answer Questions|Enter a custom value/.test(text)) return 'question';
  if (/plan/i.test(text)) return 'plan';
  return 'menu';
}

/** Choices that open a line or another program are no answer yet. */
function wayTo(dialog: Dialog, option: number): Way | undefined {
  return /custom value|external editor/.test(dialog.options[option - 1] ?? '')
    ? undefined
    : wayByNumber(dialog, option);
}
