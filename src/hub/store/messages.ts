/**
 * Rows of messages and their steps. What a message may do is decided in messaging/; here a row changes only by compare-and-set on its
 * `version`, together with the step that made it.
 */
import { sql } from 'kysely';
import { isoTime } from '../../platform/clock.ts';
import type { MessageState } from '../../protocol/message-life.ts';
import type { Message, TraceStep } from '../../protocol/model.ts';
import type { HubDb } from './hub-store.ts';
import type { MessageRow, MessageStepRow, NewMessageRow } from './schema.ts';
import { statement } from './statement.ts';

const UNDER_WAY = ['submitted', 'held', 'queued', 'dispatched', 'written', 'held_at_terminal'];
// Written as in the partial indexes of schema.ts: only then does SQLite use them.
const isUnderWay = sql<boolean>`state IN ('submitted', 'held', 'queued', 'dispatched', 'written', 'held_at_terminal')`;
const isUnanswered = sql<boolean>`kind = 'ask' AND answer_id IS NULL AND state IN ('delivered', 'seen')`;
/** How far back replies are looked up in a thread. */
const LOOK_BACK = 200;

const byId = statement((db, values: { id: string }) =>
  db.selectFrom('messages').selectAll().where('id', '=', values.id),
);
const byKey = statement((db, values: { agent: string; key: string }) =>
  db
    .selectFrom('messages')
    .selectAll()
    .where('sender_agent', '=', values.agent)
    .where('idempotency_key', '=', values.key)
    .where('idempotency_key', 'is not', null),
);
const insert = statement((db, row: Required<Omit<NewMessageRow, 'seq'>>) =>
  db.insertInto('messages').values({
    id: row.id,
    thread_id: row.thread_id,
    kind: row.kind,
    sender: row.sender,
    recipient: row.recipient,
    sender_agent: row.sender_agent,
    recipient_agent: row.recipient_agent,
    sender_machine: row.sender_machine,
    recipient_machine: row.recipient_machine,
    binding: row.binding,
    body: row.body,
    priority: row.priority,
    in_reply_to: row.in_reply_to,
    idempotency_key: row.idempotency_key,
    depth: row.depth,
    state: row.state,
    state_since: row.state_since,
    version: row.version,
    place: row.place,
    reason: row.reason,
    proof: row.proof,
    rule: row.rule,
    passed_by: row.passed_by,
    approval_id: row.approval_id,
    approved_by: row.approved_by,
    got_by: row.got_by,
    replies: row.replies,
    answer_id: row.answer_id,
    waits_behind: row.waits_behind,
    created_at: row.created_at,
    expires_at: row.expires_at,
    watch_at: row.watch_at,
  }),
);
type Changing = Pick<
  MessageRow,
  | 'state'
  | 'state_since'
  | 'place'
  | 'reason'
  | 'proof'
  | 'rule'
  | 'passed_by'
  | 'approval_id'
  | 'approved_by'
  | 'got_by'
  | 'replies'
  | 'answer_id'
  | 'waits_behind'
  | 'watch_at'
>;
const update = statement((db, row: Changing & { seq: number; version: number; before: number }) =>
  db
    .updateTable('messages')
    .set({
      state: row.state,
      state_since: row.state_since,
      version: row.version,
      place: row.place,
      reason: row.reason,
      proof: row.proof,
      rule: row.rule,
      passed_by: row.passed_by,
      approval_id: row.approval_id,
      approved_by: row.approved_by,
      got_by: row.got_by,
      replies: row.replies,
      answer_id: row.answer_id,
      waits_behind: row.waits_behind,
      watch_at: row.watch_at,
    })
    .where('seq', '=', row.seq)
    .where('version', '=', row.before),
);
const step = statement((db, row: MessageStepRow) =>
  db.insertInto('message_steps').values({
    message_seq: row.message_seq,
    n: row.n,
    state: row.state,
    at: row.at,
    place: row.place,
    proof: row.proof,
    rule: row.rule,
    by: row.by,
    reason: row.reason,
  }),
);

interface FirstSteps {
  readonly seq: number;
  readonly submitted_at: number;
  readonly submitted_place: string;
  readonly submitted_by: string | null;
  readonly state: MessageState;
  readonly at: number;
  readonly place: string;
  readonly rule: string | null;
  readonly reason: string | null;
}
const firstSteps = statement((db, row: FirstSteps) => {
  const submitted = { message_seq: row.seq, n: 1, state: 'submitted', at: row.submitted_at } as const;
  return db.insertInto('message_steps').values([
    { ...submitted, place: row.submitted_place, proof: null, rule: null, by: row.submitted_by, reason: null },
    {
      message_seq: row.seq,
      n: 2,
      state: row.state,
      at: row.at,
      place: row.place,
      proof: null,
      rule: row.rule,
      by: null,
      reason: row.reason,
    },
  ]);
});

export async function messageById(db: HubDb, id: string): Promise<MessageRow | undefined> {
  return (await byId(db, { id })).rows[0];
}

/** The message that this agent sent with this idempotency key. */
export async function messageByKey(db: HubDb, agent: string, key: string): Promise<MessageRow | undefined> {
  return (await byKey(db, { agent, key })).rows[0];
}

/** Stores a new message; gives its order of arrival. */
export async function insertMessage(db: HubDb, row: Required<Omit<NewMessageRow, 'seq'>>): Promise<number> {
  return (await insert(db, row)).insertId;
}

/** Writes a changed row if it still has the version `before`. False: it moved meanwhile. */
export async function updateMessage(db: HubDb, row: MessageRow, before: number): Promise<boolean> {
  return (await update(db, { ...row, before })).changed === 1;
}

/** The first two steps of a message: handed in, and what became of it at once. */
export async function insertFirstSteps(db: HubDb, first: MessageStepRow, second: MessageStepRow): Promise<void> {
  await firstSteps(db, {
    seq: first.message_seq,
    submitted_at: first.at,
    submitted_place: first.place,
    submitted_by: first.by,
    state: second.state,
    at: second.at,
    place: second.place,
    rule: second.rule,
    reason: second.reason,
  });
}

export async function insertStep(db: HubDb, row: MessageStepRow): Promise<void> {
  await step(db, row);
}

export async function stepsOf(db: HubDb, messageSeq: number): Promise<TraceStep[]> {
  const rows = await db
    .selectFrom('message_steps')
    .selectAll()
    .where('message_seq', '=', messageSeq)
    .orderBy('n')
    .limit(500)
    .execute();
  return rows.map(toStep);
}

/** The newest messages of a thread, newest first: who wrote to whom. */
export function latestInThread(db: HubDb, threadId: string): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('thread_id', '=', threadId)
    .orderBy('seq', 'desc')
    .limit(LOOK_BACK)
    .execute();
}

/** The last earlier message of this pair in this thread that has not left yet because of a decision that is owed. */
export async function undecidedBefore(
  db: HubDb,
  pair: { readonly threadId: string; readonly sender: string; readonly recipient: string; readonly before?: number },
): Promise<MessageRow | undefined> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('thread_id', '=', pair.threadId)
    .where('sender_agent', '=', pair.sender)
    .where('recipient_agent', '=', pair.recipient)
    .where('seq', '<', pair.before ?? Number.MAX_SAFE_INTEGER)
    .where((where) =>
      where.or([
        where('state', '=', 'held'),
        where.and([where('state', '=', 'queued'), where('waits_behind', 'is not', null)]),
      ]),
    )
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Those that wait behind this message, in order. */
export function behind(db: HubDb, id: string): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('waits_behind', '=', id)
    .where('waits_behind', 'is not', null)
    .orderBy('seq')
    .execute();
}

/** One page of a thread, newest first. */
export async function threadMessages(
  db: HubDb,
  threadId: string,
  limit: number,
  beforeSeq?: number,
): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('thread_id', '=', threadId)
    .where('seq', '<', beforeSeq ?? Number.MAX_SAFE_INTEGER)
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute();
}

/** One page of what was sent to operators, newest first. */
export async function messagesToOperators(db: HubDb, limit: number, beforeSeq?: number): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('recipient_machine', 'is', null)
    .where('seq', '<', beforeSeq ?? Number.MAX_SAFE_INTEGER)
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute();
}

/** Messages that are under way although their time is over, the oldest first. */
export function overdue(db: HubDb, now: number, limit: number): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where(isUnderWay)
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute();
}

/** The next time at which a message that is under way expires, after `after`. */
export async function nextExpiry(db: HubDb, after: number): Promise<number | undefined> {
  const row = await db
    .selectFrom('messages')
    .select('expires_at')
    .where(isUnderWay)
    .where('expires_at', '>', after)
    .orderBy('expires_at')
    .limit(1)
    .executeTakeFirst();
  return row?.expires_at;
}

/** Asks whose watch is over. */
export function watchedUntil(db: HubDb, now: number, limit: number): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('watch_at', 'is not', null)
    .where('watch_at', '<=', now)
    .orderBy('watch_at')
    .limit(limit)
    .execute();
}

export async function nextWatch(db: HubDb): Promise<number | undefined> {
  const row = await db
    .selectFrom('messages')
    .select('watch_at')
    .where('watch_at', 'is not', null)
    .orderBy('watch_at')
    .limit(1)
    .executeTakeFirst();
  return row?.watch_at ?? undefined;
}

/** Asks that arrived in a session and have no answer. */
export function unansweredIn(db: HubDb, machineId: string, session: string, limit: number): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where('recipient_machine', '=', machineId)
    .where('got_by', '=', session)
    .where(isUnanswered)
    .limit(limit)
    .execute();
}

/** Everything that is under way to a machine, or held from it. In order of arrival. */
export function underWayWith(db: HubDb, machineId: string, limit: number): Promise<MessageRow[]> {
  return db
    .selectFrom('messages')
    .selectAll()
    .where(isUnderWay)
    .where((where) =>
      where.or([
        where('recipient_machine', '=', machineId),
        where.and([where('sender_machine', '=', machineId), where('state', 'in', ['submitted', 'held'])]),
      ]),
    )
    .limit(limit)
    .execute();
}

/** Counts for the status page: those that wait by the index of those under way, all of them by their first and last number. */
export async function messageCounts(db: HubDb): Promise<{ held: number; queued: number; total: number }> {
  const rows = await db
    .selectFrom('messages')
    .select((select) => ['state', select.fn.countAll<number>().as('n')])
    .where(isUnderWay)
    .groupBy('state')
    .execute();
  const of = (state: MessageState): number => rows.find((row) => row.state === state)?.n ?? 0;
  const first = await db.selectFrom('messages').select('seq').orderBy('seq').limit(1).executeTakeFirst();
  const last = await db.selectFrom('messages').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  // Retention takes messages away from the old end only, so these two tell how many there are.
  const total = first === undefined || last === undefined ? 0 : last.seq - first.seq + 1;
  return { held: of('held'), queued: of('queued') + of('submitted'), total };
}

/** Deletes at most `limit` of the oldest messages, made before `before`, that are over. Stops at the first that is not. */
export async function deleteMessagesBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const old = await db
    .selectFrom('messages')
    .select(['seq', 'created_at', 'state'])
    .orderBy('seq')
    .limit(limit)
    .execute();
  const over: number[] = [];
  for (const row of old) {
    if (row.created_at >= before || UNDER_WAY.includes(row.state)) break;
    over.push(row.seq);
  }
  if (over.length === 0) return 0;
  await db.deleteFrom('messages').where('seq', 'in', over).execute();
  await db
    .deleteFrom('threads')
    .where('last_seq', '<=', over.at(-1) ?? 0)
    .execute();
  return over.length;
}

/** The wire form. */
export function toMessage(row: MessageRow): Message {
  return {
    id: row.id,
    threadId: row.thread_id,
    kind: row.kind,
    from: row.sender,
    to: row.recipient,
    body: row.body,
    priority: row.priority,
    ...(row.in_reply_to === null ? {} : { inReplyTo: row.in_reply_to }),
    state: row.state,
    stateSince: isoTime(row.state_since),
    place: row.place,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.proof === null ? {} : { proof: row.proof }),
    ...(row.rule === null ? {} : { rule: row.rule }),
    ...(row.approval_id === null ? {} : { approvalId: row.approval_id }),
    // Who decided against it is in its reason.
    ...(row.approved_by === null || row.passed_by === null ? {} : { approvedBy: row.approved_by }),
    createdAt: isoTime(row.created_at),
    expiresAt: isoTime(row.expires_at),
  };
}

export function toStep(row: Omit<MessageStepRow, 'message_seq' | 'n'>): TraceStep {
  return {
    state: row.state,
    at: isoTime(row.at),
    place: row.place,
    ...(row.proof === null ? {} : { proof: row.proof }),
    ...(row.rule === null ? {} : { rule: row.rule }),
    ...(row.by === null ? {} : { by: row.by }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  };
}
