/** Figures and the table that they are printed in: what, budget, figure, ratio. A ratio over 1 misses the budget. */

export interface Figure {
  readonly what: string;
  /** The budget in `unit`; absent where none is set. */
  readonly budget?: number;
  readonly value: number;
  readonly unit: string;
  /** For a rate more is better: the ratio is turned round. */
  readonly moreIsBetter?: boolean;
}

export interface Samples {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export function samples(values: readonly number[]): Samples {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Milliseconds that `task` takes. */
export async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

export function table(figures: readonly Figure[]): string {
  const rows = [['what', 'budget', 'figure', 'ratio'], ...figures.map(row)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((cells) => (cells[column] ?? '').length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   ');
  const [head, ...body] = rows;
  const rule = '─'.repeat(widths.reduce((sum, width) => sum + width, 9));
  return [line(head ?? []), rule, ...body.map(line)].join('\n');
}

function row(figure: Figure): string[] {
  const ratio =
    figure.budget === undefined
      ? undefined
      : figure.moreIsBetter === true
        ? figure.budget / figure.value
        : figure.value / figure.budget;
  return [
    figure.what,
    figure.budget === undefined
      ? '–'
      : `${figure.moreIsBetter === true ? '≥' : '≤'} ${number(figure.budget)} ${figure.unit}`,
    `${number(figure.value)} ${figure.unit}`,
    ratio === undefined ? '' : `${ratio.toFixed(2)}${ratio > 1 ? ' !' : ''}`,
  ];
}

function number(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
