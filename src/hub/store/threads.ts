/** Rows of threads: what the list of conversations shows, kept up with every message so that a page costs one index walk. */
import { z } from 'zod';
import { isoTime } from '../../platform/clock.ts';
import type { Thread } from '../../protocol/model.ts';
import type { HubDb } from './hub-store.ts';
import type { ThreadRow } from './schema.ts';
import { statement } from './statement.ts';

const Participants = z.array(z.string());

const byId = statement((db, values: { id: string }) =>
  db.selectFrom('threads').selectAll().where('id', '=', values.id),
);
const upsert = statement((db, row: ThreadRow) =>
  db
    .insertInto('threads')
    .values({
      id: row.id,
      title: row.title,
      participants: row.participants,
      message_count: row.message_count,
      created_at: row.created_at,
      last_at: row.last_at,
      last_seq: row.last_seq,
      last_text: row.last_text,
      last_from: row.last_from,
      held: row.held,
    })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({
        participants: row.participants,
        message_count: row.message_count,
        last_at: row.last_at,
        last_seq: row.last_seq,
        last_text: row.last_text,
        last_from: row.last_from,
        held: row.held,
      }),
    ),
);

export async function threadById(db: HubDb, id: string): Promise<ThreadRow | undefined> {
  return (await byId(db, { id })).rows[0];
}

export async function saveThread(db: HubDb, row: ThreadRow): Promise<void> {
  await upsert(db, row);
}

/** One page of threads, those with the newest message first. */
export function threadPage(db: HubDb, limit: number, beforeSeq?: number): Promise<ThreadRow[]> {
  return db
    .selectFrom('threads')
    .selectAll()
    .where('last_seq', '<', beforeSeq ?? Number.MAX_SAFE_INTEGER)
    .orderBy('last_seq', 'desc')
    .limit(limit)
    .execute();
}

export function participantsOf(row: ThreadRow): string[] {
  return Participants.parse(JSON.parse(row.participants));
}

/** The wire form. */
export function toThread(row: ThreadRow): Thread {
  return {
    id: row.id,
    title: row.title,
    participants: participantsOf(row),
    messageCount: row.message_count,
    createdAt: isoTime(row.created_at),
    lastMessageAt: isoTime(row.last_at),
    lastText: row.last_text,
    lastFrom: row.last_from,
    held: row.held,
  };
}
