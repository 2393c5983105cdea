/**
 * Cuts a long text into parts that Telegram takes. Pure.
 *
 * Invariants (property-tested): each part has at most `limit` visible UTF-16 units; the parts' texts joined are the whole text; no surrogate
 * pair is cut; a code block that is cut goes on as a code block in the next part.
 */
import { safeCut, visibleText, type Run } from './html.ts';

/** UTF-16 units of a text after its markup was read. */
export const TEXT_MAX = 4096;
/** A message keeps 100 formatted pieces; further ones would lose their format anyway. */
const STYLED_MAX = 90;

export function splitRuns(runs: readonly Run[], limit: number): Run[][] {
  const whole = visibleText(runs);
  const parts: Run[][] = [];
  let rest = runs;
  for (let start = 0; start < whole.length;) {
    const end = breakAt(whole, start, limit, rest);
    const [part, after] = divide(rest, end - start);
    parts.push(limitStyled(part));
    rest = after;
    start = end;
  }
  return parts;
}

/** Where the part that begins at `start` ends: best between paragraphs, else lines, else words. */
function breakAt(whole: string, start: number, limit: number, rest: readonly Run[]): number {
  if (whole.length - start <= limit) return whole.length;
  const hard = safeCut(whole, start + limit);
  const earliest = start + Math.floor(limit / 2);
  const beforeBlock = startOfCutBlock(rest, limit);
  if (beforeBlock !== undefined && start + beforeBlock >= earliest) return start + beforeBlock;
  const window = whole.slice(earliest, hard);
  for (const mark of ['\n\n', '\n', ' ']) {
    const found = window.lastIndexOf(mark);
    if (found >= 0) return earliest + found + mark.length;
  }
  return hard > start ? hard : start + limit;
}

/** If the cut at `limit` falls into a code block that would fit into one part of its own: where it begins. */
function startOfCutBlock(rest: readonly Run[], limit: number): number | undefined {
  let at = 0;
  for (const run of rest) {
    const end = at + run.text.length;
    if (at >= limit) return undefined;
    if (run.style === 'pre' && end > limit) return run.text.length <= limit && at > 0 ? at : undefined;
    at = end;
  }
  return undefined;
}

/** The runs' first `length` units, and the rest. */
function divide(runs: readonly Run[], length: number): [Run[], Run[]] {
  const first: Run[] = [];
  let left = length;
  for (const [index, run] of runs.entries()) {
    if (run.text.length > left) {
      if (left > 0) first.push({ ...run, text: run.text.slice(0, left) });
      return [first, [{ ...run, text: run.text.slice(left) }, ...runs.slice(index + 1)]];
    }
    first.push(run);
    left -= run.text.length;
  }
  return [first, []];
}

function limitStyled(runs: readonly Run[]): Run[] {
  let styled = 0;
  return runs.map((run) => {
    if (run.style === 'plain') return run;
    styled += 1;
    return styled > STYLED_MAX ? { style: 'plain', text: run.text } : run;
  });
}
