/** What agents announced, as the event log holds it. */
import { sql } from 'kysely';
import { z } from 'zod';
import { Announcement } from '../../protocol/attention.ts';
import type { HubDb } from './hub-store.ts';

const Stored = z.object({ announcement: Announcement });

/** Newest first. */
export async function newestAnnouncements(db: HubDb, limit: number): Promise<Announcement[]> {
  const rows = await db
    .selectFrom('events')
    .select('json')
    // As it stands in the partial index.
    .where(sql<boolean>`type = 'announcement'`)
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute();
  return rows.flatMap(({ json }) => {
    const read = Stored.safeParse(JSON.parse(json));
    return read.success ? [read.data.announcement] : [];
  });
}
