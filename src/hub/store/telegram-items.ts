/**
 * Rows of the Telegram surface's items: what should be seen, what was sent, and the place in the queue.
 *
 * Invariants: an item that is due keeps its place when it changes again; a Telegram message belongs to one item; numbers of messages in one chat
 * are never taken for those of another. A document's text is kept only until it was sent.
 */
import type { Kysely, Selectable } from 'kysely';
import { z } from 'zod';
import { QuestionAnswer } from '../../protocol/attention.ts';
import type { HubSchema } from './schema.ts';
import type { ItemTable, SentTable } from './telegram-schema.ts';
import type { Content, Item, ItemDraft, Lane } from '../telegram/ports.ts';

/** Parts of `telegram_sent` that are no part of the text. */
export const DOCUMENT = -1;
export const ADOPTED = -2;

const PressButtonJson = z.object({
  text: z.string(),
  data: z.string(),
  style: z.enum(['success', 'danger', 'primary']).exactOptional(),
});
const LinkButtonJson = z.object({ text: z.string(), url: z.string() });

const DraftJson = z.object({
  answers: z.array(QuestionAnswer),
  ticked: z.array(z.number().int()),
  text: z.string().exactOptional(),
  by: z.array(z.string()),
  heard: z.array(z.number().int()),
});

const ContentJson: z.ZodType<Content> = z.object({
  parts: z.array(z.string()),
  buttons: z.array(z.array(z.union([PressButtonJson, LinkButtonJson]))).exactOptional(),
  document: z.object({ name: z.string(), text: z.string(), caption: z.string() }).exactOptional(),
  silent: z.boolean(),
  reaction: z.string().exactOptional(),
  ask: z.string().exactOptional(),
  draft: DraftJson.exactOptional(),
});

export async function saveItem(
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

export async function insertSent(db: Kysely<HubSchema>, row: SentTable): Promise<void> {
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

export async function itemByKey(db: Kysely<HubSchema>, key: string): Promise<Item | undefined> {
  const row = await db.selectFrom('telegram_items').selectAll().where('key', '=', key).executeTakeFirst();
  return row === undefined ? undefined : itemOf(db, row);
}

export async function itemOf(db: Kysely<HubSchema>, row: Selectable<ItemTable>): Promise<Item> {
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

export function withoutDocument(content: Content): Content {
  return content.document === undefined ? content : { ...content, document: { ...content.document, text: '' } };
}

export function sameContent(a: Content, b: Content): boolean {
  // Through the schema, so that the order of the fields is the same.
  const text = (content: Content) => JSON.stringify(withoutDocument(ContentJson.parse(content)));
  return text(a) === text(b);
}
