/**
 * The hub's outbox: what each daemon has still to be told, in order. A row names a message (or a mission, or an approval); what goes over
 * the wire is made from it at the time of sending. A row is deleted only after the daemon acknowledged it.
 */
import { sql } from 'kysely';
import type { HubDb } from './hub-store.ts';
import type { MessageRow, OutboxRow } from './schema.ts';
import { statement } from './statement.ts';

const insert = statement((db, row: Omit<OutboxRow, 'seq'>) =>
  db
    .insertInto('outbox')
    .values({ machine_id: row.machine_id, item: row.item, message_id: row.message_id, reason: row.reason }),
);
const oldest = statement((db, values: { machine: string; limit: number }) =>
  db.selectFrom('outbox').selectAll().where('machine_id', '=', values.machine).orderBy('seq').limit(values.limit),
);
const through = statement((db, values: { machine: string; seq: number }) =>
  db.deleteFrom('outbox').where('machine_id', '=', values.machine).where('seq', '<=', values.seq),
);

// One text for any number of ids, so that it stays compiled.
const byIds = statement((db, values: { ids: string }) =>
  db
    .selectFrom('messages')
    .selectAll()
    .where('id', 'in', (from) =>
      from.selectFrom(sql<{ value: string }>`json_each(${values.ids})`.as('given')).select('given.value'),
    ),
);

export async function insertOutbox(db: HubDb, row: Omit<OutboxRow, 'seq'>): Promise<number> {
  return (await insert(db, row)).insertId;
}

/** The oldest items for a machine. */
export async function oldestFor(db: HubDb, machine: string, limit: number): Promise<OutboxRow[]> {
  return (await oldest(db, { machine, limit })).rows;
}

/** Deletes a machine's items up to and including `seq`. */
export async function deleteThrough(db: HubDb, machine: string, seq: number): Promise<void> {
  await through(db, { machine, seq });
}

/** The place of a message in the outbox, while it has not been acknowledged. */
export async function outboxOf(db: HubDb, machine: string, messageId: string): Promise<OutboxRow | undefined> {
  return db
    .selectFrom('outbox')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('message_id', '=', messageId)
    .where('item', '=', 'message')
    .executeTakeFirst();
}

/** A run of a mission in the outbox, while it has not been acknowledged. */
export async function missionInOutbox(
  db: HubDb,
  machine: string,
  missionId: string,
  run: number,
): Promise<OutboxRow | undefined> {
  return db
    .selectFrom('outbox')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('item', '=', 'mission')
    .where('message_id', '=', missionId)
    .where('reason', '=', String(run))
    .executeTakeFirst();
}

export async function deleteOutboxItem(db: HubDb, seq: number): Promise<void> {
  await db.deleteFrom('outbox').where('seq', '=', seq).execute();
}

/** Everything for a machine that is no longer one of ours. */
export async function deleteOutboxOf(db: HubDb, machine: string): Promise<void> {
  await db.deleteFrom('outbox').where('machine_id', '=', machine).execute();
}

/** Machines for which something waits, each with the number of its newest item. */
export function outboxHeads(db: HubDb): Promise<{ machine_id: string; last: number }[]> {
  return db
    .selectFrom('outbox')
    .select((select) => ['machine_id', select.fn.max('seq').as('last')])
    .groupBy('machine_id')
    .execute();
}

/** The messages of these ids, by id. */
export async function messagesByIds(db: HubDb, ids: readonly string[]): Promise<Map<string, MessageRow>> {
  if (ids.length === 0) return new Map();
  const { rows } = await byIds(db, { ids: JSON.stringify(ids) });
  return new Map(rows.map((row) => [row.id, row]));
}
