/**
 * One transaction over messages: reads each message and thread once, moves messages along protocol/message-life.ts, and leaves a step and an
 * event for every move.
 *
 * Invariants: a move that the table does not know throws; a row is written only if it is what was read (`version`); threads are written once,
 * by `finish`; whoever waits for a message is told after the commit.
 */
import { canMove, type MessageState } from '../../protocol/message-life.ts';
import type { Thread } from '../../protocol/model.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import {
  insertFirstSteps,
  insertMessage,
  insertStep,
  messageById,
  toMessage,
  toStep,
  updateMessage,
} from '../store/messages.ts';
import { insertOutbox, messagesByIds } from '../store/outbox.ts';
import type { MessageRow, MessageStepRow, OutboxRow, ThreadRow } from '../store/schema.ts';
import { saveThread, threadById, toThread } from '../store/threads.ts';
import type { Aftermath, MessagingParts } from './context.ts';
import { joinParticipants } from './participants.ts';

const LAST_TEXT_MAX = 200;
const TITLE_MAX = 80;

/** What a step says beside its state. What is absent stays as it is, but for reason and proof, which belong to one state. */
export interface Change {
  readonly at?: number;
  readonly place?: string;
  readonly reason?: string | undefined;
  readonly proof?: string | undefined;
  readonly by?: string | undefined;
  readonly fields?: Partial<
    Pick<
      MessageRow,
      'rule' | 'passed_by' | 'approved_by' | 'got_by' | 'answer_id' | 'replies' | 'waits_behind' | 'watch_at'
    >
  >;
}

export type NewMessage = Omit<
  MessageRow,
  'seq' | 'version' | 'replies' | 'answer_id' | 'got_by' | 'proof' | 'approved_by'
>;

type FirstStep = Omit<MessageStepRow, 'message_seq' | 'n'>;

export class MessageUnit {
  readonly transaction: HubTransaction;
  readonly now: number;
  readonly #parts: MessagingParts;
  readonly #aftermath: Aftermath;
  readonly #messages = new Map<string, MessageRow>();
  readonly #threads = new Map<string, ThreadRow>();
  readonly #dirty = new Set<string>();
  readonly #kicked = new Set<string>();

  constructor(parts: MessagingParts, aftermath: Aftermath, transaction: HubTransaction) {
    this.#parts = parts;
    this.#aftermath = aftermath;
    this.transaction = transaction;
    this.now = parts.clock.now();
  }

  get db(): HubDb {
    return this.transaction.db;
  }

  async message(id: string): Promise<MessageRow | undefined> {
    const known = this.#messages.get(id);
    if (known !== undefined) return known;
    const row = await messageById(this.db, id);
    if (row !== undefined) this.#messages.set(id, row);
    return row;
  }

  /** Reads several messages at once. */
  async prefetch(ids: readonly string[]): Promise<void> {
    for (const row of (await messagesByIds(this.db, ids)).values()) this.own(row);
  }

  /** The row as this transaction has it; rows found by other queries go through here before they are used. */
  own(row: MessageRow): MessageRow {
    const known = this.#messages.get(row.id);
    if (known !== undefined) return known;
    this.#messages.set(row.id, row);
    return row;
  }

  async thread(id: string): Promise<ThreadRow | undefined> {
    const known = this.#threads.get(id);
    if (known !== undefined) return known;
    const row = await threadById(this.db, id);
    if (row !== undefined) this.#threads.set(id, row);
    return row;
  }

  /** Stores a new message, in a new thread (about `topic`) if there is none of its id, with its first steps. */
  async add(
    message: NewMessage,
    steps: readonly [FirstStep, FirstStep],
    topic: string = message.body,
  ): Promise<MessageRow> {
    const thread = await this.#threadFor(message, topic);
    const fresh = {
      ...message,
      version: 2,
      replies: 0,
      answer_id: null,
      got_by: null,
      proof: null,
      approved_by: null,
    };
    const row: MessageRow = { ...fresh, seq: await insertMessage(this.db, fresh) };
    this.#messages.set(row.id, row);
    const [submitted, now] = steps;
    await insertFirstSteps(
      this.db,
      { ...submitted, message_seq: row.seq, n: 1 },
      { ...now, message_seq: row.seq, n: 2 },
    );
    const grown: ThreadRow = {
      ...thread,
      participants: joinParticipants(thread.participants, [row.sender, row.recipient]),
      message_count: thread.message_count + 1,
      last_at: row.created_at,
      last_seq: row.seq,
      last_text: cut(row.body, LAST_TEXT_MAX),
      last_from: row.sender,
      held: thread.held + (row.state === 'held' ? 1 : 0),
    };
    this.#keep(grown);
    await this.#tell(row, now, toThread(grown));
    this.transaction.afterCommit(() => this.#aftermath.deadline(row.expires_at));
    return row;
  }

  /** Moves a message. Throws if the table of moves does not have it. */
  async move(row: MessageRow, to: MessageState, change: Change = {}): Promise<MessageRow> {
    if (!canMove(row.state, to)) throw new Error(`a message cannot move from ${row.state} to ${to}`);
    return this.#step(row, to, change);
  }

  /** A step that does not change the state: something became known about it. */
  note(row: MessageRow, change: Change): Promise<MessageRow> {
    return this.#step(row, row.state, change);
  }

  /** Changes fields that are no part of the message's life, without a step. */
  async touch(row: MessageRow, fields: NonNullable<Change['fields']>): Promise<MessageRow> {
    return this.#write(row, { ...row, ...fields, version: row.version + 1 });
  }

  /** Puts something into a machine's outbox, if the machine still belongs to the mesh. */
  async send(
    machineId: string,
    item: OutboxRow['item'],
    messageId: string,
    reason: string | null = null,
  ): Promise<void> {
    if (this.#parts.directory.standing(machineId) !== 'member') return;
    await insertOutbox(this.db, { machine_id: machineId, item, message_id: messageId, reason });
    if (this.#kicked.has(machineId)) return;
    this.#kicked.add(machineId);
    this.transaction.afterCommit(() => this.#aftermath.kick(machineId));
  }

  /** Looks at the message again at this time. */
  watch(at: number): void {
    this.transaction.afterCommit(() => this.#aftermath.deadline(at));
  }

  /** Writes what was kept back. The last call of every transaction. */
  async finish(): Promise<void> {
    for (const id of this.#dirty) {
      const row = this.#threads.get(id);
      if (row !== undefined) await saveThread(this.db, row);
    }
    this.#dirty.clear();
  }

  async #threadFor(message: NewMessage, topic: string): Promise<ThreadRow> {
    const known = await this.thread(message.thread_id);
    if (known !== undefined) return known;
    const thread: ThreadRow = {
      id: message.thread_id,
      title: cut(topic, TITLE_MAX),
      participants: '[]',
      message_count: 0,
      created_at: message.created_at,
      last_at: message.created_at,
      last_seq: 0,
      last_text: '',
      last_from: message.sender,
      held: 0,
    };
    // The message refers to it, so it is there first.
    await saveThread(this.db, thread);
    this.#threads.set(thread.id, thread);
    return thread;
  }

  async #step(row: MessageRow, to: MessageState, change: Change): Promise<MessageRow> {
    const at = Math.max(row.state_since, Math.min(change.at ?? this.now, this.now));
    const moved: MessageRow = {
      ...row,
      ...change.fields,
      state: to,
      state_since: to === row.state ? row.state_since : at,
      version: row.version + 1,
      place: change.place ?? row.place,
      reason: change.reason ?? null,
      proof: change.proof ?? (to === row.state ? row.proof : null),
    };
    await this.#write(row, moved);
    const step = {
      state: to,
      at,
      place: moved.place,
      proof: change.proof ?? null,
      rule: change.fields?.rule ?? null,
      by: change.by ?? null,
      reason: change.reason ?? null,
    };
    await insertStep(this.db, { ...step, message_seq: row.seq, n: moved.version });
    const thread = await this.thread(row.thread_id);
    if (thread === undefined) throw new Error(`message ${row.id} has no thread`);
    const held = thread.held + (to === 'held' ? 1 : 0) - (row.state === 'held' && to !== 'held' ? 1 : 0);
    const changed = held === thread.held ? thread : { ...thread, held };
    if (changed !== thread) this.#keep(changed);
    await this.#tell(moved, step, toThread(changed));
    return moved;
  }

  async #write(before: MessageRow, after: MessageRow): Promise<MessageRow> {
    if (!(await updateMessage(this.db, after, before.version))) throw new Error(`message ${before.id} moved meanwhile`);
    this.#messages.set(after.id, after);
    return after;
  }

  async #tell(row: MessageRow, step: Parameters<typeof toStep>[0], thread: Thread): Promise<void> {
    await this.#parts.events.append(this.transaction, {
      type: 'message.changed',
      message: toMessage(row),
      step: toStep(step),
      thread,
    });
    this.transaction.afterCommit(() => this.#aftermath.moved.tell(row.id, true));
  }

  #keep(thread: ThreadRow): void {
    this.#threads.set(thread.id, thread);
    this.#dirty.add(thread.id);
  }
}

/** The first step of every message: when its sender handed it in, and where. */
export function submittedStep(at: number, place: string, by: string): FirstStep {
  return { state: 'submitted', at, place, proof: null, rule: null, by, reason: null };
}

/** The beginning of a text on one line, with an ellipsis if it was cut. */
export function cut(text: string, max: number): string {
  const line = text
    .slice(0, max * 2)
    .replace(/\s+/g, ' ')
    .trim();
  const whole = text.length <= max * 2 && line.length <= max;
  return whole ? line : `${withoutHalf(line.slice(0, max - 1))}…`;
}

// A cut must not leave half of a surrogate pair.
function withoutHalf(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
