/** Without a terminal: each row as a line (or a JSON document) when it comes, changes or goes. */
import type { Row } from './rows.ts';

export interface RowChange {
  readonly change: 'is' | 'now' | 'gone';
  readonly row: Row;
}

/** What differs between two tables, the older one first; ages alone are no difference. */
export function changesOf(before: readonly Row[] | undefined, after: readonly Row[]): RowChange[] {
  const known = new Map((before ?? []).map((row) => [row.key, row]));
  const changes: RowChange[] = [];
  for (const row of after) {
    const old = known.get(row.key);
    known.delete(row.key);
    if (old === undefined) changes.push({ change: before === undefined ? 'is' : 'now', row });
    else if (differs(old, row)) changes.push({ change: 'now', row });
  }
  return [...changes, ...[...known.values()].map((row) => ({ change: 'gone' as const, row }))];
}

function differs(a: Row, b: Row): boolean {
  return a.group !== b.group || a.kind !== b.kind || a.what !== b.what || a.since !== b.since || a.away !== b.away;
}
