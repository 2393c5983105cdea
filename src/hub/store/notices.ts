/** Rows of the system notices: one per key, the live ones without `cleared_at`. */
import type { HubDb } from './hub-store.ts';
import type { NoticeRow } from './schema.ts';

export function noticeOf(db: HubDb, key: string): Promise<NoticeRow | undefined> {
  return db.selectFrom('notices').selectAll().where('key', '=', key).executeTakeFirst();
}

export async function putNotice(db: HubDb, row: NoticeRow): Promise<void> {
  const { level, text, next, since, cleared_at } = row;
  await db
    .insertInto('notices')
    .values(row)
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ level, text, next, since, cleared_at }))
    .execute();
}

export function liveNotices(db: HubDb, limit: number): Promise<NoticeRow[]> {
  return db
    .selectFrom('notices')
    .selectAll()
    .where('cleared_at', 'is', null)
    .orderBy('since', 'desc')
    .limit(limit)
    .execute();
}

/** Forgets cleared notices that are older than `before`. */
export async function deleteClearedNotices(db: HubDb, before: number): Promise<void> {
  await db.deleteFrom('notices').where('cleared_at', '<', before).execute();
}
