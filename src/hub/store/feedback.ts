/** Rows of feedback that agents gave about intercom itself. Bounded: the oldest go. */
import type { HubDb } from './hub-store.ts';
import type { FeedbackTable } from './schema.ts';

const KEPT = 1_000;

export async function insertFeedback(db: HubDb, row: FeedbackTable): Promise<void> {
  await db.insertInto('feedback').values(row).execute();
  const oldest = await db
    .selectFrom('feedback')
    .select('id')
    .orderBy('id', 'desc')
    .offset(KEPT)
    .limit(1)
    .executeTakeFirst();
  if (oldest !== undefined) await db.deleteFrom('feedback').where('id', '<=', oldest.id).execute();
}
