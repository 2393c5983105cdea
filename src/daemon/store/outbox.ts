/**
 * Messages that this machine accepted while the hub could not be reached, in order, until the hub has taken each under its own id; and
 * the newest known status of what was sent from here.
 *
 * Invariants: what leaves the outbox leaves its result in `sent` in the same transaction. A message counts as `tried` before it is sent,
 * because after that only the hub can say whether it has it.
 */
import type { Database } from '../../platform/store/database.ts';
import type { Clock } from '../../platform/clock.ts';
import { MessageStatus, SubmitItem } from '../../protocol/machine-api.ts';
import { ID_KINDS } from '../../protocol/ids.ts';
import type { Kysely, Selectable } from 'kysely';
import type { DaemonSchema } from './schema.ts';

/** Statuses kept; of older messages the hub is asked. */
const SENT_MAX = 20_000;

export interface OutboxEntry {
  readonly seq: number;
  readonly item: SubmitItem;
  readonly status: MessageStatus;
  /** It may have reached the hub. */
  readonly tried: boolean;
  /** Its sender took it back, with this reason (maybe empty). */
  readonly cancel: string | undefined;
  readonly expiresAt: number;
}

export interface NewOutboxEntry {
  readonly item: SubmitItem;
  readonly status: MessageStatus;
  readonly tried: boolean;
  readonly expiresAt: number;
}

export interface SentRecord {
  readonly status: MessageStatus;
  readonly project: string | undefined;
  readonly session: string | undefined;
}

export class Outbox {
  readonly #database: Database<DaemonSchema>;
  readonly #clock: Clock;

  constructor(database: Database<DaemonSchema>, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  async add(entry: NewOutboxEntry): Promise<void> {
    await this.#database.write(async ({ db }) => {
      await db
        .insertInto('outbox')
        .values({
          message_id: entry.item.id,
          item: JSON.stringify(entry.item),
          status: JSON.stringify(entry.status),
          tried: entry.tried ? 1 : 0,
          expires_at: entry.expiresAt,
        })
        .onConflict((conflict) => conflict.column('message_id').doNothing())
        .execute();
    });
  }

  async next(limit: number): Promise<OutboxEntry[]> {
    const rows = await this.#database.read((db) =>
      db.selectFrom('outbox').selectAll().orderBy('seq').limit(limit).execute(),
    );
    return rows.map(entryOf);
  }

  async get(messageId: string): Promise<OutboxEntry | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('outbox').selectAll().where('message_id', '=', messageId).executeTakeFirst(),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  /** The message of this sender that was handed in under this key and still waits here. */
  async byKey(project: string, session: string | undefined, key: string): Promise<OutboxEntry | undefined> {
    const rows = await this.#database.read((db) =>
      db
        .selectFrom('outbox')
        .selectAll()
        .where((eb) => eb.fn<string>('json_extract', ['item', eb.val('$.idempotencyKey')]), '=', key)
        .execute(),
    );
    return rows.map(entryOf).find(({ item }) => item.fromProject === project && item.fromSession === session);
  }

  async count(): Promise<number> {
    return this.#database.read(async (db) => {
      const row = await db
        .selectFrom('outbox')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return row.count;
    });
  }

  /** To be called before they are sent. */
  async tried(seqs: readonly number[]): Promise<void> {
    if (seqs.length === 0) return;
    await this.#database.write(async ({ db }) => {
      await db
        .updateTable('outbox')
        .set({ tried: 1 })
        .where('seq', 'in', [...seqs])
        .execute();
    });
  }

  /** Notes that the sender takes it back. Returns what there is to do: `removed` (it was never sent), `asked` (the hub decides), or nothing is here. */
  async cancel(messageId: string, reason: string, cancelled: MessageStatus): Promise<'removed' | 'asked' | 'absent'> {
    return this.#database.write(async ({ db }) => {
      const row = await db.selectFrom('outbox').selectAll().where('message_id', '=', messageId).executeTakeFirst();
      if (row === undefined) return 'absent';
      if (row.tried === 1) {
        await db.updateTable('outbox').set({ cancel: reason }).where('seq', '=', row.seq).execute();
        return 'asked';
      }
      await db.deleteFrom('outbox').where('seq', '=', row.seq).execute();
      await this.#put(db, cancelled, entryOf(row).item);
      return 'removed';
    });
  }

  /** The hub took or refused it, or it is over here: out of the outbox, its status kept. */
  async settle(results: readonly { readonly item: SubmitItem; readonly status: MessageStatus }[]): Promise<void> {
    await this.#database.write(async ({ db }) => {
      for (const { item, status } of results) {
        await db.deleteFrom('outbox').where('message_id', '=', item.id).execute();
        await this.#put(db, status, item);
        // A repeat under its key: the sender knows it by the id that it got here.
        if (status.id !== item.id) await this.#put(db, status, item, item.id);
      }
    });
  }

  /** Keeps a status that the hub told us. Who sent it is kept from before. */
  async keep(statuses: readonly MessageStatus[]): Promise<void> {
    if (statuses.length === 0) return;
    await this.#database.write(async ({ db }) => {
      for (const status of statuses) await this.#put(db, status, undefined);
    });
  }

  async sent(messageId: string): Promise<SentRecord | undefined> {
    const row = await this.#database.read((db) =>
      db.selectFrom('sent').selectAll().where('message_id', '=', messageId).executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    return {
      status: MessageStatus.parse(JSON.parse(row.status)),
      project: row.project ?? undefined,
      session: row.session ?? undefined,
    };
  }

  /** The newest message that was sent into a thread from here. */
  async lastSentInThread(threadId: string): Promise<MessageStatus | undefined> {
    return this.#database.read(async (db) => {
      const waiting = await db
        .selectFrom('outbox')
        .select('status')
        .where((eb) => eb.fn<string>('json_extract', ['status', eb.val('$.threadId')]), '=', threadId)
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      const sent = await db
        .selectFrom('sent')
        .select('status')
        .where('thread_id', '=', threadId)
        .orderBy('changed_at', 'desc')
        .limit(1)
        .executeTakeFirst();
      const row = waiting ?? sent;
      return row === undefined ? undefined : MessageStatus.parse(JSON.parse(row.status));
    });
  }

  /** Retention. */
  async prune(): Promise<void> {
    await this.#database.write(async ({ db }) => {
      const edge = await db
        .selectFrom('sent')
        .select('changed_at')
        .orderBy('changed_at', 'desc')
        .offset(SENT_MAX)
        .limit(1)
        .executeTakeFirst();
      if (edge !== undefined) await db.deleteFrom('sent').where('changed_at', '<=', edge.changed_at).execute();
    });
  }

  async #put(
    db: Kysely<DaemonSchema>,
    status: MessageStatus,
    item: SubmitItem | undefined,
    id = status.id,
  ): Promise<void> {
    const changing = {
      thread_id: status.threadId,
      status: JSON.stringify(status),
      changed_at: this.#clock.now(),
    };
    const sender = item === undefined ? {} : { project: item.fromProject, session: item.fromSession ?? null };
    await db
      .insertInto('sent')
      .values({ message_id: id, ...changing, ...sender })
      .onConflict((conflict) => conflict.column('message_id').doUpdateSet({ ...changing, ...sender }))
      .execute();
  }
}

/**
 * The thread that a message opens while the hub is away goes by the message's own number. If the hub had it before and named the thread
 * otherwise, later mail of the same conversation is put under that name when it is sent.
 */
export function provisionalThread(messageId: string): string {
  return `${ID_KINDS.thread}_${messageId.slice(ID_KINDS.message.length + 1)}`;
}

/** The message that a provisional thread belongs to. */
export function messageOfProvisional(threadId: string): string {
  return `${ID_KINDS.message}_${threadId.slice(ID_KINDS.thread.length + 1)}`;
}

function entryOf(row: Selectable<DaemonSchema['outbox']>): OutboxEntry {
  return {
    seq: row.seq,
    item: SubmitItem.parse(JSON.parse(row.item)),
    status: MessageStatus.parse(JSON.parse(row.status)),
    tried: row.tried === 1,
    cancel: row.cancel ?? undefined,
    expiresAt: row.expires_at,
  };
}
