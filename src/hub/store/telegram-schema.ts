/** The tables of the Telegram surface: their SQL and their types for the query builder. Part of the hub's schema. */
import type { ColumnType } from 'kysely';

interface MetaTable {
  key: string;
  value: string;
}
interface TopicTable {
  chat_id: number;
  thread_id: string;
  name: string;
  topic_id: number | null;
  made: number;
}
export interface ItemTable {
  key: string;
  seq: number;
  chat_id: number;
  thread_id: string | null;
  topic_id: number | null;
  reply_to: number | null;
  message_id: string | null;
  shown_hash: string | null;
  open: number;
  confirm: number;
  content: string;
  document_sent: ColumnType<number, number | undefined, number>;
  lane: number;
  due: number;
  version: number;
  attempts: ColumnType<number, number | undefined, number>;
  not_before: ColumnType<number, number | undefined, number>;
  updated_at: number;
}
export interface SentTable {
  chat_id: number;
  telegram_message_id: number;
  key: string;
  /** Index of the part; DOCUMENT or ADOPTED. */
  part: number;
  hash: string;
}

export interface TelegramTables {
  telegram_meta: MetaTable;
  telegram_topics: TopicTable;
  telegram_items: ItemTable;
  telegram_sent: SentTable;
}

/** SQL for the hub's migrations. */
export const TELEGRAM_SCHEMA = `
CREATE TABLE telegram_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE telegram_topics (
  chat_id INTEGER NOT NULL, thread_id TEXT NOT NULL, name TEXT NOT NULL, topic_id INTEGER, made INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (chat_id, thread_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX telegram_topics_by_topic ON telegram_topics (chat_id, topic_id) WHERE topic_id IS NOT NULL;
CREATE TABLE telegram_items (
  key TEXT PRIMARY KEY, seq INTEGER NOT NULL, chat_id INTEGER NOT NULL, thread_id TEXT, topic_id INTEGER, reply_to INTEGER,
  message_id TEXT, shown_hash TEXT, open INTEGER NOT NULL, confirm INTEGER NOT NULL, content TEXT NOT NULL,
  document_sent INTEGER NOT NULL DEFAULT 0, lane INTEGER NOT NULL, due INTEGER NOT NULL, version INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX telegram_items_by_seq ON telegram_items (seq);
CREATE INDEX telegram_items_due ON telegram_items (chat_id, lane, seq) WHERE due = 1;
CREATE INDEX telegram_items_open ON telegram_items (seq) WHERE open = 1;
CREATE INDEX telegram_items_old ON telegram_items (updated_at);
CREATE TABLE telegram_sent (
  chat_id INTEGER NOT NULL, telegram_message_id INTEGER NOT NULL,
  key TEXT NOT NULL REFERENCES telegram_items (key) ON DELETE CASCADE, part INTEGER NOT NULL, hash TEXT NOT NULL,
  PRIMARY KEY (chat_id, telegram_message_id)
) WITHOUT ROWID;
CREATE INDEX telegram_sent_by_key ON telegram_sent (key, part);
`;
