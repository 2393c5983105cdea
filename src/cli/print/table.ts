/** Rows that fit the terminal: columns are as wide as their content; when that is too wide, the flexible ones give way. */
import { cut, cutMiddle, safe, widthOf } from './style.ts';
import type { Style } from './style.ts';

export interface Column {
  readonly title: string;
  /** May be cut when the row is too wide; others keep their content. */
  readonly flexible?: boolean;
  /** Cut in the middle, not at the end. */
  readonly middle?: boolean;
  readonly right?: boolean;
  /** Colours a cell after it was fitted. */
  readonly paint?: (text: string) => string;
}

const GAP = 2;
const MIN_FLEXIBLE = 8;

export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
  style: Style,
): string {
  const cells = rows.map((row) => columns.map((_, index) => safe(row[index] ?? '')));
  const widths = columns.map((column, index) =>
    Math.max(widthOf(column.title), ...cells.map((row) => widthOf(row[index] ?? ''))),
  );
  shrink(columns, widths, width);
  const line = (row: readonly string[], paint: (column: Column, text: string) => string): string =>
    columns
      .map((column, index) => {
        const space = widths[index] ?? 0;
        const text = row[index] ?? '';
        const fitted = column.middle === true ? cutMiddle(text, space) : cut(text, space);
        const pad = ' '.repeat(Math.max(0, space - widthOf(fitted)));
        const last = index === columns.length - 1 && column.right !== true;
        return column.right === true ? pad + paint(column, fitted) : paint(column, fitted) + (last ? '' : pad);
      })
      .join(' '.repeat(GAP))
      .trimEnd();
  const head = line(
    columns.map((column) => column.title),
    (_column, text) => style.dim(text),
  );
  const body = cells.map((row) => line(row, (column, text) => column.paint?.(text) ?? text));
  return `${[head, ...body].join('\n')}\n`;
}

/** Takes columns from the widest flexible one until the row fits or nothing can give way. */
function shrink(columns: readonly Column[], widths: number[], width: number): void {
  const total = (): number => widths.reduce((sum, one) => sum + one, 0) + GAP * (widths.length - 1);
  while (total() > width) {
    let widest = -1;
    columns.forEach((column, index) => {
      const one = widths[index] ?? 0;
      if (column.flexible === true && one > MIN_FLEXIBLE && one > (widths[widest] ?? 0)) widest = index;
    });
    if (widest < 0) return;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
}
