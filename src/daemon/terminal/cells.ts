/** Cells of the terminal model as rows of runs. */
import type { IBufferCell, IBufferLine } from '@xterm/headless';
import type { Look, Row, Run } from './view.ts';

/** The look of a cell that nothing was asked for. */
const PLAIN = 'plain';

/** A row of a buffer as runs of one look. */
export function readRow(line: IBufferLine | undefined, cols: number, spare: IBufferCell): Row {
  if (line === undefined) return { runs: [] };
  const runs: Run[] = [];
  let text = '';
  let look: Look = {};
  let key = '';
  for (let x = 0; x < cols; x += 1) {
    const cell = line.getCell(x, spare);
    // The second half of a wide character.
    if (cell === undefined || cell.getWidth() === 0) continue;
    const next = lookKey(cell);
    if (next !== key) {
      if (text !== '') runs.push({ text, ...look });
      text = '';
      key = next;
      look = lookOf(cell);
    }
    const chars = cell.getChars();
    // A wide letter of which only half has room is left out.
    text += chars === '' || x + cell.getWidth() > cols ? ' ' : chars;
  }
  // Blanks without a look at the end are nothing.
  if (key === PLAIN) text = text.trimEnd();
  if (text !== '') runs.push({ text, ...look });
  return line.isWrapped ? { runs, wrapped: true } : { runs };
}

/** Equal for equal looks; made for every cell, so no object is. */
function lookKey(cell: IBufferCell): string {
  if (cell.isAttributeDefault()) return PLAIN;
  const attributes =
    (cell.isBold() === 0 ? 0 : 1) |
    (cell.isDim() === 0 ? 0 : 2) |
    (cell.isItalic() === 0 ? 0 : 4) |
    (cell.isUnderline() === 0 ? 0 : 8) |
    (cell.isInverse() === 0 ? 0 : 16) |
    (cell.isStrikethrough() === 0 ? 0 : 32) |
    (cell.isInvisible() === 0 ? 0 : 64);
  const fg = cell.isFgDefault() ? '' : `${cell.getFgColorMode()}:${cell.getFgColor()}`;
  const bg = cell.isBgDefault() ? '' : `${cell.getBgColorMode()}:${cell.getBgColor()}`;
  return attributes === 0 && fg === '' && bg === '' ? PLAIN : `${attributes},${fg},${bg}`;
}

export function lookOf(cell: IBufferCell): Look {
  return {
    ...(cell.isBold() === 0 ? {} : { bold: true as const }),
    ...(cell.isDim() === 0 ? {} : { dim: true as const }),
    ...(cell.isItalic() === 0 ? {} : { italic: true as const }),
    ...(cell.isUnderline() === 0 ? {} : { underline: true as const }),
    ...(cell.isInverse() === 0 ? {} : { inverse: true as const }),
    ...(cell.isStrikethrough() === 0 ? {} : { strike: true as const }),
    ...(cell.isInvisible() === 0 ? {} : { hidden: true as const }),
    ...(cell.isFgDefault() ? {} : { fg: colour(cell.getFgColor(), cell.isFgRGB()) }),
    ...(cell.isBgDefault() ? {} : { bg: colour(cell.getBgColor(), cell.isBgRGB()) }),
  };
}

function colour(value: number, rgb: boolean): number | string {
  return rgb ? `#${value.toString(16).padStart(6, '0')}` : value;
}
