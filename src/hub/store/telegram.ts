/** What the Telegram surface remembers: its methods, each one transaction; the rows are in telegram-items.ts and telegram-topics.ts. */
import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Database } from '../../platform/store/database.ts';
import type { HubSchema } from './schema.ts';
import {
  ADOPTED,
  DOCUMENT,
  insertSent,
  itemByKey,
  itemOf,
  sameContent,
  saveItem,
  withoutDocument,
} from './telegram-items.ts';
import * as topics from './telegram-topics.ts';
import type { Item, ItemDraft, SentPart, TelegramStore, Topic } from '../telegram/ports.ts';

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
    return this.#write((db) => topics.ensureTopic(db, chatId, threadId, name));
  }

  topic(chatId: number, threadId: string): Promise<Topic | undefined> {
    return this.#database.read((db) => topics.topicOf(db, chatId, threadId));
  }

  topicsAfter(chatId: number, threadId: string, limit: number): Promise<Topic[]> {
    return this.#database.read((db) => topics.topicsAfter(db, chatId, threadId, limit));
  }

  threadOfTopic(chatId: number, topicId: number): Promise<string | undefined> {
    return this.#database.read((db) => topics.threadOfTopic(db, chatId, topicId));
  }

  topicMade(chatId: number, threadId: string, topicId: number): Promise<void> {
    return this.#write((db) => topics.topicMade(db, chatId, threadId, topicId));
  }

  topicGone(chatId: number, threadId: string): Promise<void> {
    return this.#write((db) => topics.topicGone(db, chatId, threadId));
  }

  forgetTopic(chatId: number, threadId: string): Promise<boolean> {
    return this.#write((db) => topics.forgetTopic(db, chatId, threadId));
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

  missionCardOf(chatId: number, threadId: string): Promise<Item | undefined> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('telegram_items')
        .selectAll()
        // A range of the primary key: only cards of missions are read.
        .where('key', '>=', 'w:')
        .where('key', '<', 'w;')
        .where('chat_id', '=', chatId)
        .where('thread_id', '=', threadId)
        .orderBy('open', 'desc')
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row === undefined ? undefined : itemOf(db, row);
    });
  }

  put(draft: ItemDraft, now: number): Promise<void> {
    return this.#write(async (db) => {
      const known = await itemByKey(db, draft.key);
      if (known !== undefined && !known.due && sameContent(known.content, draft.content)) return;
      await saveItem(db, draft, known, true, now);
    });
  }

  adopt(draft: ItemDraft, telegramMessageId: number, now: number): Promise<void> {
    return this.#write(async (db) => {
      await saveItem(db, draft, await itemByKey(db, draft.key), false, now);
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

  partEdited(key: string, index: number, part: SentPart, now: number): Promise<void> {
    return this.#write(async (db) => {
      await db.updateTable('telegram_items').set({ attempts: 0, updated_at: now }).where('key', '=', key).execute();
      await db
        .updateTable('telegram_sent')
        .set({ hash: part.hash })
        .where('key', '=', key)
        .where('part', '=', index)
        .where('telegram_message_id', '=', part.messageId)
        .execute();
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

  retire(key: string, as: ItemDraft, now: number): Promise<void> {
    return this.#write(async (db) => {
      const known = await itemByKey(db, key);
      if (known === undefined) return;
      await saveItem(db, as, await itemByKey(db, as.key), true, now);
      await db.updateTable('telegram_sent').set({ key: as.key }).where('key', '=', key).execute();
      await db
        .updateTable('telegram_items')
        .set({ document_sent: 0, version: known.version + 1 })
        .where('key', '=', key)
        .execute();
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
