/** Rows of waits: the times in which sessions waited for a person. A wait ends once, by compare-and-set; a session has one open wait at most. */
import { sql, type Insertable } from 'kysely';
import { isoTime } from '../../platform/clock.ts';
import type { Wait, WaitEnd, WaitKind, WaitSummary } from '../../protocol/attention.ts';
import type { WaitRow, WaitTable } from './attention-schema.ts';
import type { HubDb } from './hub-store.ts';
import { statement } from './statement.ts';

const openOf = statement((db, values: { machine: string; session: string }) =>
  db
    .selectFrom('waits')
    .selectAll()
    .where('machine_id', '=', values.machine)
    .where('session', '=', values.session)
    .where('until', 'is', null),
);

export async function openWait(db: HubDb, machine: string, session: string): Promise<WaitRow | undefined> {
  return (await openOf(db, { machine, session })).rows[0];
}

/** All open waits, or those of one machine. */
export function openWaits(db: HubDb, machine?: string): Promise<WaitRow[]> {
  const query = db.selectFrom('waits').selectAll().where('until', 'is', null);
  return (machine === undefined ? query : query.where('machine_id', '=', machine)).execute();
}

export async function insertWait(db: HubDb, row: Insertable<WaitTable>): Promise<void> {
  await db.insertInto('waits').values(row).execute();
}

/** What an open wait is about, told more exactly. */
export async function restateWait(
  db: HubDb,
  id: string,
  change: { readonly kind?: WaitKind; readonly what?: string; readonly approval_id?: string },
): Promise<void> {
  await db.updateTable('waits').set(change).where('id', '=', id).where('until', 'is', null).execute();
}

/** False: it had ended already. */
export async function endWait(
  db: HubDb,
  id: string,
  how: { readonly until: number; readonly end: WaitEnd; readonly by: string | null },
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('waits')
    .set(how)
    .where('id', '=', id)
    .where('until', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export interface WaitPage {
  readonly limit: number;
  /** The id of the last one of the page before. */
  readonly before: string | undefined;
  readonly project: string | undefined;
}

/** Newest first. */
export async function waitPage(db: HubDb, { limit, before, project }: WaitPage): Promise<WaitRow[]> {
  let query = db.selectFrom('waits').selectAll().orderBy('seq', 'desc').limit(limit);
  if (project !== undefined) query = query.where('project', '=', project);
  if (before !== undefined) {
    query = query.where('seq', '<', (select) => select.selectFrom('waits').select('seq').where('id', '=', before));
  }
  return query.execute();
}

interface SummaryRow {
  kind: WaitKind;
  n: number;
  open: number;
  total: number | null;
  longest: number | null;
  median: number | null;
}

/** By kind, of the waits that began at `since` or later, or that last. The median is the middle one, or between the two in the middle. */
export async function waitSummary(db: HubDb, since: number, project: string | undefined): Promise<WaitSummary[]> {
  const ofProject = project === undefined ? sql`` : sql`AND project = ${project}`;
  const { rows } = await sql<SummaryRow>`
    WITH found AS (SELECT kind, until - since AS ms FROM waits WHERE (since >= ${since} OR until IS NULL) ${ofProject}),
    ranked AS (
      SELECT kind, ms, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY ms) AS place, COUNT(*) OVER (PARTITION BY kind) AS over
      FROM found WHERE ms IS NOT NULL
    )
    SELECT kind, COUNT(*) AS n, COUNT(*) - COUNT(ms) AS open, SUM(ms) AS total, MAX(ms) AS longest,
      (SELECT AVG(ms) FROM ranked WHERE ranked.kind = found.kind AND place IN ((over + 1) / 2, (over + 2) / 2)) AS median
    FROM found GROUP BY kind ORDER BY total DESC, kind`.execute(db);
  return rows.map(({ kind, n, open, total, longest, median }) => ({
    kind,
    count: n,
    open,
    totalMs: total ?? 0,
    medianMs: median ?? 0,
    longestMs: longest ?? 0,
  }));
}

/** Deletes at most `limit` waits that ended before `before`, the oldest first. */
export async function deleteWaitsBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const old = await db
    .selectFrom('waits')
    .select(['seq', 'until'])
    .where('since', '<', before)
    .orderBy('since')
    .limit(limit)
    .execute();
  const over = old.filter(({ until }) => until !== null && until < before).map(({ seq }) => seq);
  if (over.length === 0) return 0;
  await db.deleteFrom('waits').where('seq', 'in', over).execute();
  return over.length;
}

/** The wire form. */
export function toWait(row: Omit<WaitRow, 'seq'>): Wait {
  return {
    id: row.id,
    machine: row.machine_id,
    project: row.project,
    session: row.session,
    agent: row.agent,
    kind: row.kind,
    what: row.what,
    ...(row.approval_id === null ? {} : { approvalId: row.approval_id }),
    since: isoTime(row.since),
    ...(row.until === null ? {} : { until: isoTime(row.until) }),
    ...(row.end === null ? {} : { end: row.end }),
    ...(row.by === null ? {} : { by: row.by }),
  };
}
