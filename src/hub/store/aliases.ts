/**
 * Second ids of messages. A daemon that was killed before it could answer is asked again with the same idempotency key and makes a new id,
 * perhaps while the hub is away: then the sender knows the message by an id that the hub never stored. The first message stays the only
 * one; the other id leads to it.
 */
import type { HubDb } from './hub-store.ts';
import { messageById } from './messages.ts';
import type { MessageRow } from './schema.ts';

export async function addAlias(db: HubDb, id: string, messageId: string): Promise<void> {
  await db
    .insertInto('message_aliases')
    .values({ id, message_id: messageId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** The message with this id, or the one that this id leads to. */
export async function findMessage(db: HubDb, id: string): Promise<MessageRow | undefined> {
  const row = await messageById(db, id);
  if (row !== undefined) return row;
  const alias = await db.selectFrom('message_aliases').select('message_id').where('id', '=', id).executeTakeFirst();
  return alias === undefined ? undefined : messageById(db, alias.message_id);
}
