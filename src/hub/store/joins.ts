/** Rows of join requests. A request's state moves by compare-and-set; the sealed secret is gone from the row once it was handed out. */
import type { Insertable, Selectable } from 'kysely';
import type { HubDb } from './hub-store.ts';
import type { JoinTable } from './schema.ts';

export type JoinRow = Selectable<JoinTable>;
export type NewJoinRow = Insertable<JoinTable>;

export async function insertJoin(db: HubDb, row: NewJoinRow): Promise<void> {
  await db.insertInto('joins').values(row).execute();
}

export function joinOf(db: HubDb, id: string): Promise<JoinRow | undefined> {
  return db.selectFrom('joins').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Pending requests that have not expired: all, and those for one machine id. */
export async function pendingJoins(db: HubDb, machineId: string, now: number): Promise<{ all: number; same: number }> {
  const rows = await db
    .selectFrom('joins')
    .select('machine_id')
    .where('state', '=', 'pending')
    .where('expires_at', '>', now)
    .limit(10_000)
    .execute();
  return { all: rows.length, same: rows.filter((row) => row.machine_id === machineId).length };
}

/** Moves a request on; false if it was not in `from`. */
export async function moveJoin(
  db: HubDb,
  id: string,
  from: JoinRow['state'],
  change: Pick<JoinRow, 'state'> & Partial<Pick<JoinRow, 'sealed' | 'decided_by' | 'reason'>>,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('joins')
    .set(change)
    .where('id', '=', id)
    .where('state', '=', from)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export async function setJoinApproval(db: HubDb, id: string, approvalId: string): Promise<void> {
  await db.updateTable('joins').set({ approval_id: approvalId }).where('id', '=', id).execute();
}

export function joinOfApproval(db: HubDb, approvalId: string): Promise<JoinRow | undefined> {
  return db.selectFrom('joins').selectAll().where('approval_id', '=', approvalId).executeTakeFirst();
}

/** Forgets what ended before `before`; a secret that nobody fetched goes with it. */
export async function deleteOldJoins(db: HubDb, before: number): Promise<void> {
  await db.deleteFrom('joins').where('expires_at', '<', before).execute();
}
