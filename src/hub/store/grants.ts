/** Rows of grants: decisions that answer later approvals. Which of them covers a message is for the policy engine to say. */
import { sql } from 'kysely';
import { isoTime } from '../../platform/clock.ts';
import type { Grant } from '../../protocol/model.ts';
import type { HubDb } from './hub-store.ts';
import type { GrantRow } from './schema.ts';
import { statement } from './statement.ts';

/** Live grants of one pair that are looked at; more are not made. */
export const GRANTS_PER_PAIR = 100;
const isLive = sql<boolean>`revoked_at IS NULL`;

const live = statement((db, values: { sender: string; recipient: string }) =>
  db
    .selectFrom('grants')
    .selectAll()
    .where('sender', '=', values.sender)
    .where('recipient', '=', values.recipient)
    .where(isLive)
    .limit(GRANTS_PER_PAIR),
);
const used = statement((db, values: { id: string }) =>
  db
    .updateTable('grants')
    .set((set) => ({ uses: set('uses', '+', 1) }))
    .where('id', '=', values.id),
);

/** Grants from one agent (or operator) to another that were not revoked. */
export async function liveGrants(db: HubDb, sender: string, recipient: string): Promise<Grant[]> {
  return (await live(db, { sender, recipient })).rows.map(toGrant);
}

export async function countUse(db: HubDb, id: string): Promise<void> {
  await used(db, { id });
}

export async function insertGrant(db: HubDb, row: GrantRow): Promise<void> {
  await db.insertInto('grants').values(row).execute();
}

export function grantById(db: HubDb, id: string): Promise<GrantRow | undefined> {
  return db.selectFrom('grants').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Those that there still are, revoked or not. */
export async function grantsByIds(db: HubDb, ids: readonly string[]): Promise<Grant[]> {
  const rows = await db.selectFrom('grants').selectAll().where('id', 'in', ids).execute();
  return rows.map(toGrant);
}

/** False: it was revoked already. */
export async function revokeGrantRow(db: HubDb, id: string, at: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('grants')
    .set({ revoked_at: at })
    .where('id', '=', id)
    .where(isLive)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Newest first; live ones unless `all`. */
export async function grantPage(db: HubDb, limit: number, all = false): Promise<Grant[]> {
  let query = db.selectFrom('grants').selectAll().orderBy('id', 'desc').limit(limit);
  if (!all) query = query.where(isLive);
  return (await query.execute()).map(toGrant);
}

/** Deletes grants that ended (revoked or expired) before `before`. */
export async function deleteGrantsBefore(db: HubDb, before: number): Promise<void> {
  await db
    .deleteFrom('grants')
    .where((where) => where.or([where('revoked_at', '<', before), where('expires_at', '<', before)]))
    .execute();
}

/** The wire form. */
export function toGrant(row: GrantRow): Grant {
  return {
    id: row.id,
    covers: row.covers,
    scope: row.scope,
    from: row.sender,
    to: row.recipient,
    ...(row.bound_to === null ? {} : { boundTo: row.bound_to }),
    ...(row.tool === null ? {} : { tool: row.tool }),
    by: row.by,
    createdAt: isoTime(row.created_at),
    ...(row.expires_at === null ? {} : { expiresAt: isoTime(row.expires_at) }),
    ...(row.approval_id === null ? {} : { approvalId: row.approval_id }),
    ...(row.revoked_at === null ? {} : { revokedAt: isoTime(row.revoked_at) }),
    uses: row.uses,
  };
}
