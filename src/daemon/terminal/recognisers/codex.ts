/**
 * Codex's screen, as 0.169.0 draws it (test/screens/codex).
 *
 * The box is the row with `›` at the cursor, without a background (what was said has one), and the rows that follow it; a dialog hides the cursor and marks a numbered choice; a
 * turn that runs shows `• Working (… esc to interrupt)` and a spinner in the title.
 */
import type { Row, ScreenView } from '../view.ts';
import { rowText } from '../view.ts';
import { boxText, choices, lastMenu, texts, UNKNOWN, wayByNumber } from './recogniser.ts';
import type { Choice, Dialog, Reading, Recogniser } from './recogniser.ts';

const MARK = '›';
const WORKING = /^\s*• .*\(.*esc to interrupt\)/;
const TITLE_WORKING = /^[\u2801-\u28ff]/;
const MENU_ROWS = 20;
const LIMIT = /(?:hit|reached) your usage limit|usage limit (?:has been )?reached/i;

export const codexRecogniser: Recogniser = { name: 'codex', read, wayTo: wayByNumber };

function read(view: ScreenView): Reading {
  const rows = texts(view);
  const menu = lastMenu(choices(rows, MARK));
  if (menu.length > 1 && !view.cursor.visible) return { state: 'dialog', dialog: dialogOf(rows, menu) };
  const top = boxTop(view);
  if (top === undefined) return rows.every((row) => row === '') ? { state: 'starting' } : UNKNOWN;
  const end = view.rows.findIndex((row, index) => index > top && rowText(row) === '');
  const text = boxText(view.rows.slice(top, end === -1 ? undefined : end), 2);
  const listed = view.rows.slice(Math.max(0, top - MENU_ROWS), top).some(isListFocus);
  const reading = { box: text, ...(listed ? { menu: true } : {}) };
  if (TITLE_WORKING.test(view.title) || rows.slice(0, top).some((row) => WORKING.test(row)))
    return { state: 'working', ...reading };
  const notice = limitNotice(rows.slice(0, top));
  return notice === undefined
    ? { state: 'prompt', ...reading }
    : { state: 'rate_limited', limitNotice: notice, ...reading };
}

function boxTop(view: ScreenView): number | undefined {
  if (!view.cursor.visible) return undefined;
  for (let y = view.cursor.y; y >= 0; y -= 1) {
    const row = view.rows[y];
    const text = rowText(row);
    if (text.startsWith(MARK)) return row !== undefined && isPlain(row) ? y : undefined;
    // The box's further rows are indented.
    if (text !== '' && !text.startsWith('  ')) return undefined;
  }
  return undefined;
}

function isPlain(row: Row): boolean {
  const [first] = row.runs;
  return first !== undefined && first.bg === undefined && first.dim !== true && first.inverse !== true;
}

function isListFocus(row: Row): boolean {
  return row.runs[0]?.inverse === true && rowText(row).startsWith(MARK);
}

/** The notice is the last thing that was said. */
function limitNotice(rows: readonly string[]): string | undefined {
  const from = rows.findLastIndex((row) => row.startsWith(MARK));
  const said = rows.slice(Math.max(0, from));
  const at = said.findIndex((row) => LIMIT.test(row));
  if (at === -1) return undefined;
  const end = said.findIndex((row, index) => index > at && row === '');
  return said
    .slice(at, end === -1 ? undefined : end)
    .map((row) => row.replace(/^[■\s]+/, ''))
    .join(' ');
}

function dialogOf(rows: readonly string[], menu: readonly Choice[]): Dialog {
  const first = menu[0]?.row ?? 0;
  const start = Math.max(
    0,
    rows.slice(0, first).findLastIndex((row) => /^\s+(?:Would you like|Do you|Select|Implement)/.test(row)),
  );
  const body = rows.slice(start).filter((row) => row.trim() !== '');
  return {
    kind: kindOf(body[0] ?? ''),
    title: (body[0] ?? '').trim(),
    options: menu.map((choice) => choice.label),
    focused: menu.findIndex((choice) => choice.focused),
    numbered: true,
    text: body.map((row) => row.replace(MARK, ' ').trim()).join('\n'),
  };
}

function kindOf(title: string): string {
  if (/trust/i.test(title)) return 'trust';
  if (/Would you like to (?:run|make|grant|allow)/.test(title)) return 'permission';
  if (/plan/i.test(title)) return 'plan';
  if (/\?\s*$/.test(title)) return 'question';
  return 'menu';
}
