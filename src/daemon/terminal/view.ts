/**
 * A screen as it is looked at: rows of runs, each with one look. What recognisers read, what the corpus of recorded screens holds, and what a
 * clipped drawing is made from.
 */
import { z } from 'zod';

/** Cells of one look. Absent attributes are off; a colour is a palette number or `#rrggbb`, absent: the terminal's own. */
export const Run = z.object({
  text: z.string(),
  bold: z.literal(true).optional(),
  dim: z.literal(true).optional(),
  italic: z.literal(true).optional(),
  underline: z.literal(true).optional(),
  inverse: z.literal(true).optional(),
  strike: z.literal(true).optional(),
  hidden: z.literal(true).optional(),
  fg: z.union([z.number().int(), z.string()]).optional(),
  bg: z.union([z.number().int(), z.string()]).optional(),
});
export type Run = z.infer<typeof Run>;
export type Look = Omit<Run, 'text'>;

/** The rows of the visible screen, top first; `wrapped`: goes on from the row above. */
export const Row = z.object({ runs: z.array(Run), wrapped: z.literal(true).optional() });
export type Row = z.infer<typeof Row>;

export const ScreenView = z.object({
  cols: z.number().int().positive(),
  rows: z.array(Row),
  cursor: z.object({ x: z.number().int(), y: z.number().int(), visible: z.boolean() }),
  title: z.string(),
  alternate: z.boolean(),
});
export type ScreenView = z.infer<typeof ScreenView>;

/** The row's text, blanks at its end cut. */
export function rowText(row: Row | undefined): string {
  return row === undefined
    ? ''
    : row.runs
        .map((run) => run.text)
        .join('')
        .trimEnd();
}
