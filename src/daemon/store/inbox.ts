/**
 * The durable mail of this machine.
 *
 * Invariants: a message is stored once, whatever the hub repeats, for as long as its row lives (INBOX_KEPT_DAYS at least). A move is a
 * compare-and-set; its step and the receipt for the hub are in the same transaction, so neither can be true without the other.
 */
import { sql, type Kysely, type Selectable } from 'kysely';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import type { Database } from '../../platform/store/database.ts';
import { DeliverMessage } from '../../protocol/daemon-api.ts';
import { Receipt } from '../../protocol/machine-api.ts';
import { canMove, MessageState } from '../../protocol/message-life.ts';
import type { InboxEntry, InboxMove, InboxStore, Unsubscribe } from '../ports.ts';
import { oneLine } from './one-line.ts';
import type { DaemonSchema } from './schema.ts';

/** States in which something may still happen here. */
const OPEN: ReadonlySet<MessageState> = new Set(['dispatched', 'written', 'held_at_terminal', 'delivered']);
/** A proof or a reason is a sentence; the wire takes no more. */
const PROOF_MAX = 300;
const REASON_MAX = 500;
const DAY_MS = 24 * 3600 * 1000;
/** Longer than any sender's expiry, so that the hub cannot repeat what we forgot. */
export const INBOX_KEPT_DAYS = 45;
/** After this the body of a message that is over is emptied; the hub has it. */
const BODY_KEPT_DAYS = 7;
/** A delivered message whose turn was never seen to end is not waited for longer than this. */
const DELIVERED_OPEN_DAYS = 2;

export class Inbox implements InboxStore {
  readonly #database: Database<DaemonSchema>;
  readonly #clock: Clock;
  readonly #stored: Emitter<readonly InboxEntry[]>;
  readonly #onReceipt: () => void;

  /** `onReceipt`: a receipt for the hub is on disk. */
  constructor(database: Database<DaemonSchema>, clock: Clock, log: Log, onReceipt: () => void) {
    this.#database = database;
    this.#clock = clock;
    this.#onReceipt = onReceipt;
    this.#stored = new Emitter((error) => log.error({ err: error }, 'a listener of new mail failed'));
  }

  onStored(listener: (entries: readonly InboxEntry[]) => void): Unsubscribe {
    return this.#stored.subscribe(listener);
  }

  /** Stores messages in order. One result each: `known` for a repeat. They are on disk when this resolves. */
  async accept(messages: readonly DeliverMessage[]): Promise<('stored' | 'known')[]> {
    if (messages.length === 0) return [];
    const at = this.#clock.now();
    const since = isoTime(at);
    return this.#database.write(async (transaction) => {
      const { db } = transaction;
      const rows = messages.map((message) => ({
        message_id: message.id,
        thread_id: message.threadId,
        in_reply_to: message.inReplyTo ?? null,
        message: JSON.stringify(message),
        state: 'dispatched',
        state_since: since,
        session: message.session ?? null,
        attempts: 0,
        open: 1,
        changed_at: at,
      }));
      const inserted = await db
        .insertInto('inbox')
        .values(rows)
        .onConflict((conflict) => conflict.column('message_id').doNothing())
        .returning(['seq', 'message_id'])
        .execute();
      const seqs = new Map(inserted.map((row) => [row.message_id, row.seq]));
      if (seqs.size > 0) {
        const steps = [...seqs.keys()].map((id) => ({ message_id: id, state: 'dispatched', at: since }));
        await db.insertInto('inbox_steps').values(steps).execute();
      }
      const entries: InboxEntry[] = [];
      const results = messages.map((message) => {
        const seq = seqs.get(message.id);
        if (seq === undefined) return 'known' as const;
        // The same id twice in one batch: the second one is a repeat.
        seqs.delete(message.id);
        entries.push(newEntry(seq, message, since));
        return 'stored' as const;
      });
      if (entries.length > 0) transaction.afterCommit(() => this.#stored.emit(entries));
      return results;
    });
  }

  async open(): Promise<InboxEntry[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('inbox').selectAll().where('open', '=', sql.lit(1)).orderBy('seq').execute(),
    );
    return rows.map(entryOf);
  }

  async get(messageId: string): Promise<InboxEntry | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('inbox').selectAll().where('message_id', '=', messageId).executeTakeFirst(),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  /** The newest message of a thread that reached this machine. */
  async lastOfThread(threadId: string): Promise<InboxEntry | undefined> {
    const row = await this.#database.read((db) =>
      db
        .selectFrom('inbox')
        .selectAll()
        .where('thread_id', '=', threadId)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  /** The first reply to one of our messages that reached this machine. */
  async replyTo(messageId: string): Promise<InboxEntry | undefined> {
    const row = await this.#database.read((db) =>
      db
        .selectFrom('inbox')
        .selectAll()
        .where('in_reply_to', '=', messageId)
        .orderBy('seq')
        .limit(1)
        .executeTakeFirst(),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  async move(messageId: string, from: readonly MessageState[], move: InboxMove): Promise<boolean> {
    const possible = from.filter((state) => state === move.to || canMove(state, move.to));
    if (possible.length === 0) return false;
    const at = this.#clock.now();
    return this.#database.write(async (transaction) => {
      const { db } = transaction;
      const moved = await db
        .updateTable('inbox')
        .set({
          state: move.to,
          state_since: isoTime(at),
          changed_at: at,
          open: OPEN.has(move.to) ? 1 : 0,
          // A hand-out ends with its state; a session and a rung stay until others take their place.
          offer: move.offer ?? null,
          ...(move.session === undefined ? {} : { session: move.session }),
          ...(move.rung === undefined ? {} : { rung: move.rung }),
          ...(move.attempt === true ? { attempts: sql<number>`attempts + 1` } : {}),
        })
        .where('message_id', '=', messageId)
        .where('state', 'in', possible)
        .returning(['session', 'rung'])
        .executeTakeFirst();
      if (moved === undefined) return false;
      await addStep(db, messageId, move, isoTime(at));
      const owed = await addReceipt(db, messageId, { ...move, session: gotIt(moved) }, isoTime(at));
      if (owed) transaction.afterCommit(this.#onReceipt);
      return true;
    });
  }

  /**
   * The hub takes a message back. Only what has not been written yet can be; otherwise the receipt says what it is now. A message that
   * never came is owed the receipt too: nothing of it is here.
   */
  async cancel(messageId: string, reason: string): Promise<void> {
    if (await this.move(messageId, ['dispatched'], { to: 'cancelled', reason })) return;
    const at = isoTime(this.#clock.now());
    await this.#database.write(async (transaction) => {
      const { db } = transaction;
      const row = await db
        .selectFrom('inbox')
        .select(['state', 'session', 'rung'])
        .where('message_id', '=', messageId)
        .executeTakeFirst();
      const to = row === undefined ? 'cancelled' : MessageState.parse(row.state);
      const session = row === undefined ? undefined : gotIt(row);
      const owed = await addReceipt(db, messageId, { to, session, reason: undefined, proof: undefined }, at);
      if (owed) transaction.afterCommit(this.#onReceipt);
    });
  }

  /** Messages that have not reached their session. */
  async waiting(): Promise<number> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('inbox')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('open', '=', sql.lit(1))
        .where('state', '!=', 'delivered')
        .executeTakeFirstOrThrow();
      return row.count;
    });
  }

  /** How deep in asks a session is: the deepest of what it was handed and has not been seen to finish. */
  async depthOf(session: string): Promise<number> {
    const row = await this.#database.read((db) =>
      db
        .selectFrom('inbox')
        .select(sql<number | null>`max(json_extract(message, '$.depth'))`.as('depth'))
        .where('open', '=', sql.lit(1))
        .where('session', '=', session)
        .where('state', 'in', ['written', 'delivered'])
        .executeTakeFirst(),
    );
    return row?.depth ?? 0;
  }

  /** Retention. */
  async prune(): Promise<void> {
    const now = this.#clock.now();
    await this.#database.write(async ({ db }) => {
      await db
        .updateTable('inbox')
        .set({ open: 0 })
        .where('open', '=', sql.lit(1))
        .where('state', '=', 'delivered')
        .where('changed_at', '<', now - DELIVERED_OPEN_DAYS * DAY_MS)
        .execute();
      await db
        .updateTable('inbox')
        .set({ message: sql<string>`json_set(message, '$.body', '')` })
        .where('open', '=', 0)
        .where('changed_at', '<', now - BODY_KEPT_DAYS * DAY_MS)
        .where(sql<string>`json_extract(message, '$.body')`, '!=', '')
        .execute();
      await db
        .deleteFrom('inbox')
        .where('open', '=', 0)
        .where('changed_at', '<', now - INBOX_KEPT_DAYS * DAY_MS)
        .execute();
    });
  }
}

function newEntry(seq: number, message: DeliverMessage, since: string): InboxEntry {
  return {
    seq,
    message,
    state: 'dispatched',
    stateSince: since,
    session: message.session,
    rung: undefined,
    offer: undefined,
    attempts: 0,
  };
}

function entryOf(row: Selectable<DaemonSchema['inbox']>): InboxEntry {
  return {
    seq: row.seq,
    message: DeliverMessage.parse(JSON.parse(row.message)),
    state: MessageState.parse(row.state),
    stateSince: row.state_since,
    session: row.session ?? undefined,
    rung: row.rung ?? undefined,
    offer: row.offer ?? undefined,
    attempts: row.attempts,
  };
}

async function addStep(db: Kysely<DaemonSchema>, messageId: string, move: InboxMove, at: string): Promise<void> {
  await db
    .insertInto('inbox_steps')
    .values({
      message_id: messageId,
      state: move.to,
      at,
      session: move.session ?? null,
      rung: move.rung ?? null,
      proof: move.proof ?? null,
      reason: move.reason ?? null,
    })
    .execute();
}

/** The session that it was handed to; one that it was only meant for has not got it. */
function gotIt(row: { readonly session: string | null; readonly rung: string | null }): string | undefined {
  return row.rung === null ? undefined : (row.session ?? undefined);
}

interface Happened {
  readonly to: MessageState;
  readonly session: string | undefined;
  readonly proof?: string | undefined;
  readonly reason?: string | undefined;
}

/** False for states that the hub knows better than we do (`answered`). */
async function addReceipt(
  db: Kysely<DaemonSchema>,
  messageId: string,
  happened: Happened,
  at: string,
): Promise<boolean> {
  const state = Receipt.shape.state.safeParse(happened.to);
  if (!state.success) return false;
  const receipt = {
    messageId,
    state: state.data,
    at,
    ...(happened.session === undefined ? {} : { session: happened.session }),
    ...(happened.proof === undefined ? {} : { proof: oneLine(happened.proof, PROOF_MAX) }),
    ...(happened.reason === undefined ? {} : { reason: oneLine(happened.reason, REASON_MAX) }),
  } satisfies Receipt;
  await db
    .insertInto('receipts')
    .values({ receipt: JSON.stringify(receipt) })
    .execute();
  return true;
}
