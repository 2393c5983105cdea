/**
 * What the Telegram surface remembers: topics, items with their place in the outbox, and which Telegram message shows which item.
 *
 * Invariants: an item that is due keeps its place when it changes again; a Telegram message belongs to one item; a thread has one topic
 * per chat. A document's text is kept only until it was sent.
 */
import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import type { Database } from '../../platform/store/database.ts';
import type { HubSchema } from './schema.ts';
import type { ItemTable, SentTable } from './telegram-schema.ts';
import type { Content, Item, ItemDraft, Lane, SentPart, TelegramStore, Topic } from '../telegram/ports.ts';

const DOCUMENT = -1;
const ADOPTED = -2;

const ContentJson: z.ZodType<Content> = z.object({
  parts: z.array(z.string()),
  buttons: z
    .array(
      z.array(
        z.object({
          text: z.string(),
          data: z.string(),
          style: z.enum(['success', 'danger', 'primary']).exactOptional(),
        }),
      ),
    )
    .exactOptional(),
  document: z.object({ name: z.string(), text: z.string(), caption: z.string() }).exactOptional(),
  silent: z.boolean(),
  reaction: z.string().exactOptional(),
});

export class SqliteTelegramStore implements TelegramStore {
  readonly #database: Database<HubSchema>;

  constructor(database: Database<HubSchema>) {
    this.#database = database;
  }

  getMeta(key: string): Promise<string | undefined> {
    return this.#database.read(async (db) => {
      const row = await db.selectFrom('telegram_meta').select('value').where('key', '=', key).executeTakeFirst();
      return row?.value;
    });
  }

  setMeta(key: string, value: string): Promise<void> {
    return this.#write(async (db) => {
      await db
        .insertInto('telegram_meta')
        .values({ key, value })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
        .execute();
    });
  }

  ensureTopic(chatId: number, threadId: string, name: string): Promise<void> {
    return this.#write(async (db) => {
      await db
        .insertInto('telegram_topics')
        .values({ chat_id: chatId, thread_id: threadId, name, topic_id: null, made: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    });
  }

  topic(chatId: number, threadId: string): Promise<Topic | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_topics')
        .selectAll()
        .where('chat_id', '=', chatId)
        .where('thread_id', '=', threadId)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      return { threadId, name: row.name, topicId: row.topic_id ?? undefined, made: row.made };
    });
  }

  threadOfTopic(chatId: number, topicId: number): Promise<string | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_topics')
        .select('thread_id')
        .where('chat_id', '=', chatId)
        .where('topic_id', '=', topicId)
        .executeTakeFirst();
      return row?.thread_id;
    });
  }

  topicMade(chatId: number, threadId: string, topicId: number): Promise<void> {
    return this.#write(async (db) => {
      await db
        .updateTable('telegram_topics')
        .set((eb) => ({ topic_id: topicId, made: eb('made', '+', 1) }))
        .where('chat_id', '=', chatId)
        .where('thread_id', '=', threadId)
        .execute();
    });
  }

  topicGone(chatId: number, threadId: string): Promise<void> {
    return this.#write(async (db) => {
      await db
        .updateTable('telegram_topics')
        .set({ topic_id: null })
        .where('chat_id', '=', chatId)
        .where('thread_id', '=', threadId)
        .execute();
      // Cards that still wait for a person went with the topic: they are shown again.
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
    });
  }

  item(key: string): Promise<Item | undefined> {
    return this.#database.read((db) => itemByKey(db, key));
  }

  itemByMessage(chatId: number, telegramMessageId: number): Promise<Item | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_sent')
        .select('key')
        .where('chat_id', '=', chatId)
        .where('telegram_message_id', '=', telegramMessageId)
        .executeTakeFirst();
      return row === undefined ? undefined : itemByKey(db, row.key);
    });
  }

  put(draft: ItemDraft, now: number): Promise<void> {
    return this.#write(async (db) => {
      const known = await itemByKey(db, draft.key);
      if (known !== undefined && !known.due && sameContent(known.content, draft.content)) return;
      await save(db, draft, known, true, now);
    });
  }

  adopt(draft: ItemDraft, telegramMessageId: number, now: number): Promise<void> {
    return this.#write(async (db) => {
      await save(db, draft, await itemByKey(db, draft.key), false, now);
      await insertSent(db, {
        chat_id: draft.chatId,
        telegram_message_id: telegramMessageId,
        key: draft.key,
        part: ADOPTED,
        hash: '',
      });
    });
  }

  openItems(limit: number): Promise<Item[]> {
    return this.#database.read(async (db) => {
      const rows = await db
        .selectFrom('telegram_items')
        .selectAll()
        .where('open', '=', 1)
        .orderBy('seq')
        .limit(limit)
        .execute();
      return Promise.all(rows.map((row) => itemOf(db, row)));
    });
  }

  dueChats(now: number): Promise<number[]> {
    return this.#database.read(async (db) => {
      const rows = await db
        .selectFrom('telegram_items')
        .select('chat_id')
        .distinct()
        .where('due', '=', 1)
        .where('not_before', '<=', now)
        .execute();
      return rows.map((row) => row.chat_id);
    });
  }

  nextDue(chatId: number, now: number): Promise<Item | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_items')
        .selectAll()
        .where('due', '=', 1)
        .where('chat_id', '=', chatId)
        .where('not_before', '<=', now)
        .orderBy('lane')
        .orderBy('seq')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? undefined : itemOf(db, row);
    });
  }

  nextDueAt(now: number): Promise<number | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_items')
        .select((eb) => eb.fn.min('not_before').as('at'))
        .where('due', '=', 1)
        .where('not_before', '>', now)
        .executeTakeFirst();
      return z.number().nullish().parse(row?.at) ?? undefined;
    });
  }

  dueCount(): Promise<number> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_items')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('due', '=', 1)
        .executeTakeFirstOrThrow();
      return row.count;
    });
  }

  partSent(key: string, index: number, part: SentPart, now: number): Promise<void> {
    return this.#write(async (db) => {
      const item = await db
        .updateTable('telegram_items')
        .set({ attempts: 0, updated_at: now })
        .where('key', '=', key)
        .returning('chat_id')
        .executeTakeFirst();
      if (item === undefined) return;
      await db.deleteFrom('telegram_sent').where('key', '=', key).where('part', '=', index).execute();
      await insertSent(db, {
        chat_id: item.chat_id,
        telegram_message_id: part.messageId,
        key,
        part: index,
        hash: part.hash,
      });
    });
  }

  documentSent(key: string, telegramMessageId: number): Promise<void> {
    return this.#write(async (db) => {
      const item = await db
        .updateTable('telegram_items')
        .set({ attempts: 0, document_sent: 1 })
        .where('key', '=', key)
        .returning('chat_id')
        .executeTakeFirst();
      if (item === undefined) return;
      await insertSent(db, {
        chat_id: item.chat_id,
        telegram_message_id: telegramMessageId,
        key,
        part: DOCUMENT,
        hash: '',
      });
    });
  }

  forgetSent(key: string): Promise<void> {
    return this.#write(async (db) => {
      await db.deleteFrom('telegram_sent').where('key', '=', key).where('part', '>=', 0).execute();
    });
  }

  settle(key: string, version: number): Promise<boolean> {
    return this.#write(async (db) => {
      const known = await itemByKey(db, key);
      if (known?.version !== version) return false;
      await db
        .updateTable('telegram_items')
        .set({ due: 0, attempts: 0, not_before: 0, content: JSON.stringify(withoutDocument(known.content)) })
        .where('key', '=', key)
        .execute();
      return true;
    });
  }

  postpone(key: string, until: number): Promise<number> {
    return this.#write(async (db) => {
      const row = await db
        .updateTable('telegram_items')
        .set((eb) => ({ attempts: eb('attempts', '+', 1), not_before: until }))
        .where('key', '=', key)
        .returning('attempts')
        .executeTakeFirst();
      return row?.attempts ?? 0;
    });
  }

  drop(key: string): Promise<void> {
    return this.#write(async (db) => {
      await db
        .updateTable('telegram_items')
        .set({ due: 0, attempts: 0, not_before: 0 })
        .where('key', '=', key)
        .execute();
    });
  }

  remove(key: string): Promise<void> {
    return this.#write(async (db) => {
      await db.deleteFrom('telegram_items').where('key', '=', key).execute();
    });
  }

  moveChat(from: number, to: number): Promise<void> {
    return this.#write(async (db) => {
      // Message numbers start anew in the new chat: what was sent there cannot be edited any more.
      await db.deleteFrom('telegram_sent').where('chat_id', '=', from).execute();
      await db.deleteFrom('telegram_topics').where('chat_id', '=', to).execute();
      await db
        .updateTable('telegram_topics')
        .set({ chat_id: to, topic_id: null })
        .where('chat_id', '=', from)
        .execute();
      await db.updateTable('telegram_items').set({ chat_id: to }).where('chat_id', '=', from).execute();
    });
  }

  prune(before: number): Promise<number> {
    return this.#write(async (db) => {
      const gone = await db
        .deleteFrom('telegram_items')
        .where('updated_at', '<', before)
        .where('due', '=', 0)
        .where('open', '=', 0)
        .executeTakeFirst();
      return Number(gone.numDeletedRows);
    });
  }

  #write<T>(job: (db: Kysely<HubSchema>) => Promise<T>): Promise<T> {
    return this.#database.write(({ db }) => job(db));
  }
}

async function save(
  db: Kysely<HubSchema>,
  draft: ItemDraft,
  known: Item | undefined,
  due: boolean,
  now: number,
): Promise<void> {
  // Another home: the numbers of messages in the old chat mean other messages in the new one.
  if (known !== undefined && known.chatId !== draft.chatId) {
    await db.deleteFrom('telegram_sent').where('key', '=', draft.key).execute();
  }
  const waiting = known?.due === true;
  const lane = waiting ? Math.min(known.lane, draft.lane) : draft.lane;
  const values = {
    chat_id: draft.chatId,
    thread_id: draft.threadId ?? null,
    topic_id: draft.topicId ?? null,
    reply_to: draft.replyTo ?? null,
    message_id: draft.messageId ?? null,
    shown_hash: draft.shownHash ?? null,
    open: draft.open === true ? 1 : 0,
    confirm: draft.confirm === true ? 1 : 0,
    content: JSON.stringify(draft.content),
    lane,
    due: due ? 1 : 0,
    version: (known?.version ?? 0) + 1,
    attempts: 0,
    not_before: 0,
    updated_at: now,
  };
  if (waiting) {
    await db.updateTable('telegram_items').set(values).where('key', '=', draft.key).execute();
    return;
  }
  const last = await db.selectFrom('telegram_items').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  const seq = (last?.seq ?? 0) + 1;
  await db
    .insertInto('telegram_items')
    .values({ key: draft.key, seq, ...values })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ seq, ...values }))
    .execute();
}

async function insertSent(db: Kysely<HubSchema>, row: SentTable): Promise<void> {
  await db
    .insertInto('telegram_sent')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['chat_id', 'telegram_message_id'])
        .doUpdateSet({ key: row.key, part: row.part, hash: row.hash }),
    )
    .execute();
}

async function itemByKey(db: Kysely<HubSchema>, key: string): Promise<Item | undefined> {
  const row = await db.selectFrom('telegram_items').selectAll().where('key', '=', key).executeTakeFirst();
  return row === undefined ? undefined : itemOf(db, row);
}

async function itemOf(db: Kysely<HubSchema>, row: Selectable<ItemTable>): Promise<Item> {
  const sent = await db
    .selectFrom('telegram_sent')
    .select(['telegram_message_id', 'hash'])
    .where('key', '=', row.key)
    .where('part', '>=', 0)
    .orderBy('part')
    .execute();
  return {
    key: row.key,
    chatId: row.chat_id,
    threadId: row.thread_id ?? undefined,
    topicId: row.topic_id ?? undefined,
    replyTo: row.reply_to ?? undefined,
    messageId: row.message_id ?? undefined,
    shownHash: row.shown_hash ?? undefined,
    open: row.open === 1,
    confirm: row.confirm === 1,
    content: ContentJson.parse(JSON.parse(row.content)),
    sent: sent.map((part) => ({ messageId: part.telegram_message_id, hash: part.hash })),
    documentSent: row.document_sent === 1,
    lane: laneOf(row.lane),
    due: row.due === 1,
    version: row.version,
    attempts: row.attempts,
    updatedAt: row.updated_at,
  };
}

function laneOf(value: number): Lane {
  return value === 0 ? 0 : value === 1 ? 1 : 2;
}

function withoutDocument(content: Content): Content {
  return content.document === undefined ? content : { ...content, document: { ...content.document, text: '' } };
}

function sameContent(a: Content, b: Content): boolean {
  // Through the schema, so that the order of the fields is the same.
  const text = (content: Content) => JSON.stringify(withoutDocument(ContentJson.parse(content)));
  return text(a) === text(b);
}
