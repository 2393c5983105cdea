/**
 * Rows of the event log. A `message.changed` event is kept without the message's body, which is read from `messages` again: a body is
 * stored once, however often its message moves. The same holds for a mission's text and the texts of its result.
 */
import type { NewHubEvent } from '../../protocol/events.ts';
import type { HubDb } from './hub-store.ts';
import type { EventRow } from './schema.ts';
import { statement } from './statement.ts';

const insert = statement((db, row: { at: number; type: string; message_id: string | null; json: string }) =>
  db.insertInto('events').values({ at: row.at, type: row.type, message_id: row.message_id, json: row.json }),
);

/** Stores an event and gives its number. */
export async function insertEvent(db: HubDb, event: NewHubEvent, at: number): Promise<number> {
  const message_id = subjectOf(event);
  const { insertId } = await insert(db, { at, type: event.type, message_id, json: JSON.stringify(slim(event)) });
  return insertId;
}

function subjectOf(event: NewHubEvent): string | null {
  if (event.type === 'message.changed') return event.message.id;
  return event.type === 'mission.changed' ? event.mission.id : null;
}

function slim(event: NewHubEvent): NewHubEvent {
  if (event.type === 'message.changed') return { ...event, message: { ...event.message, body: '' } };
  if (event.type !== 'mission.changed') return event;
  const { result, ...mission } = event.mission;
  if (result === undefined) return { ...event, mission: { ...mission, text: '' } };
  const { isError, durationMs, cut } = result;
  return { ...event, mission: { ...mission, text: '', result: { text: '', isError, durationMs, cut } } };
}

export interface StoredEvent extends EventRow {
  /** The message's body, for message.changed. */
  readonly body: string | null;
  /** The mission's text, and its result as it is now (JSON), for mission.changed. */
  readonly mission_text: string | null;
  readonly mission_result: string | null;
}

/** Events after `seq`, oldest first. */
export function eventsAfter(db: HubDb, seq: number, limit: number): Promise<StoredEvent[]> {
  return db
    .selectFrom('events')
    .leftJoin('messages', 'messages.id', 'events.message_id')
    .leftJoin('missions', 'missions.id', 'events.message_id')
    .selectAll('events')
    .select(['messages.body as body', 'missions.text as mission_text', 'missions.result as mission_result'])
    .where('events.seq', '>', seq)
    .orderBy('events.seq')
    .limit(limit)
    .execute();
}

/** The lowest number that is still there and the highest that was given. */
export async function eventBounds(db: HubDb): Promise<{ first: number; last: number }> {
  const oldest = await db.selectFrom('events').select('seq').orderBy('seq').limit(1).executeTakeFirst();
  const newest = await db.selectFrom('events').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  return { first: oldest?.seq ?? (newest?.seq ?? 0) + 1, last: newest?.seq ?? 0 };
}

/** Deletes at most `limit` of the oldest events made before `before`; never the newest one, which holds the numbering. */
export async function deleteEventsBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const newest = await db.selectFrom('events').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  if (newest === undefined) return 0;
  const old = await db
    .selectFrom('events')
    .select(['seq', 'at'])
    .where('seq', '<', newest.seq)
    .orderBy('seq')
    .limit(limit)
    .execute();
  const last = old.filter((row) => row.at < before).at(-1);
  if (last === undefined) return 0;
  const { numDeletedRows } = await db.deleteFrom('events').where('seq', '<=', last.seq).executeTakeFirst();
  return Number(numDeletedRows);
}
