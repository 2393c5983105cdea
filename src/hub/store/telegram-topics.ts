/** Rows of the forum topics: a thread has one topic per chat, made when its first message is shown. */
import type { Kysely } from 'kysely';
import type { HubSchema } from './schema.ts';
import type { Topic } from '../telegram/ports.ts';

type Db = Kysely<HubSchema>;

export async function ensureTopic(db: Db, chatId: number, threadId: string, name: string): Promise<void> {
  await db
    .insertInto('telegram_topics')
    .values({ chat_id: chatId, thread_id: threadId, name, topic_id: null, made: 0 })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

export async function topicOf(db: Db, chatId: number, threadId: string): Promise<Topic | undefined> {
  const row = await db
    .selectFrom('telegram_topics')
    .selectAll()
    .where('chat_id', '=', chatId)
    .where('thread_id', '=', threadId)
    .executeTakeFirst();
  return row === undefined ? undefined : topicFrom(row);
}

/** In the order of their threads' ids, behind this one. */
export async function topicsAfter(db: Db, chatId: number, threadId: string, limit: number): Promise<Topic[]> {
  const rows = await db
    .selectFrom('telegram_topics')
    .selectAll()
    .where('chat_id', '=', chatId)
    .where('thread_id', '>', threadId)
    .orderBy('thread_id')
    .limit(limit)
    .execute();
  return rows.map(topicFrom);
}

export async function threadOfTopic(db: Db, chatId: number, topicId: number): Promise<string | undefined> {
  const row = await db
    .selectFrom('telegram_topics')
    .select('thread_id')
    .where('chat_id', '=', chatId)
    .where('topic_id', '=', topicId)
    .executeTakeFirst();
  return row?.thread_id;
}

export async function topicMade(db: Db, chatId: number, threadId: string, topicId: number): Promise<void> {
  await db
    .updateTable('telegram_topics')
    .set((eb) => ({ topic_id: topicId, made: eb('made', '+', 1) }))
    .where('chat_id', '=', chatId)
    .where('thread_id', '=', threadId)
    .execute();
}

/** People deleted it. Cards that still wait for a person went with it: they are shown again. */
export async function topicGone(db: Db, chatId: number, threadId: string): Promise<void> {
  await db
    .updateTable('telegram_topics')
    .set({ topic_id: null })
    .where('chat_id', '=', chatId)
    .where('thread_id', '=', threadId)
    .execute();
  const open = await db
    .selectFrom('telegram_items')
    .select('key')
    .where('open', '=', 1)
    .where('chat_id', '=', chatId)
    .where('thread_id', '=', threadId)
    .execute();
  const keys = open.map((row) => row.key);
  if (keys.length === 0) return;
  await db.deleteFrom('telegram_sent').where('key', 'in', keys).where('part', '>=', 0).execute();
  await db.updateTable('telegram_items').set({ due: 1 }).where('key', 'in', keys).execute();
}

/** False: something of this thread still has to be shown, or waits for a person, so the topic stays. */
export async function forgetTopic(db: Db, chatId: number, threadId: string): Promise<boolean> {
  const busy = await db
    .selectFrom('telegram_items')
    .select('key')
    .where('thread_id', '=', threadId)
    .where((where) => where.or([where('due', '=', 1), where('open', '=', 1)]))
    .limit(1)
    .executeTakeFirst();
  if (busy !== undefined) return false;
  await db.deleteFrom('telegram_topics').where('chat_id', '=', chatId).where('thread_id', '=', threadId).execute();
  return true;
}

function topicFrom(row: { thread_id: string; name: string; topic_id: number | null; made: number }): Topic {
  return { threadId: row.thread_id, name: row.name, topicId: row.topic_id ?? undefined, made: row.made };
}
