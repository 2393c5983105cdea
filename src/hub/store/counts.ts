/** Counts for the status. Held and queued messages are counted exactly, by an index of those under way; all of them by their last number. */
import { sql } from 'kysely';
import type { HubDb } from './hub-store.ts';

export async function messageCounts(db: HubDb): Promise<{ held: number; queued: number; total: number }> {
  const waiting = await db
    .selectFrom('messages')
    .select((select) => ['state', select.fn.countAll<number>().as('count')])
    .where(sql<boolean>`state IN ('submitted', 'held', 'queued')`)
    .groupBy('state')
    .execute();
  const count = (state: string): number => waiting.find((row) => row.state === state)?.count ?? 0;
  const first = await db.selectFrom('messages').select('seq').orderBy('seq').limit(1).executeTakeFirst();
  const last = await db.selectFrom('messages').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  // Retention takes messages away from the old end only, so first and last tell how many there are.
  const total = first === undefined || last === undefined ? 0 : last.seq - first.seq + 1;
  return { held: count('held'), queued: count('queued') + count('submitted'), total };
}
