/**
 * The hub's store: opens the database and holds what is true of the store as a whole (its epoch). Repositories are made on it:
 * `new MessageRepository()` style objects take the `db` of a transaction or of a read, so that one transaction can span several of them.
 *
 * Invariant: `epoch` is another one whenever the numbering of events may have started anew: a new store, or a file put in its place.
 */
import { statSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Log } from '../../platform/log.ts';
import { Database, type Transaction } from '../../platform/store/database.ts';
import type { IntercomError } from '../../protocol/errors.ts';
import { HUB_MIGRATIONS, type HubSchema } from './schema.ts';

export type HubDb = Kysely<HubSchema>;
export type HubTransaction = Transaction<HubSchema>;

export interface HubStoreOptions {
  readonly file: string;
  readonly log: Log;
  /** Told when the store cannot be written, and with undefined when it can be again. */
  readonly onFault?: (fault: IntercomError | undefined) => void;
}

export class HubStore {
  readonly database: Database<HubSchema>;
  /** See the header. */
  readonly epoch: string;

  /** Opens the store, making or migrating it. Throws `storage_failed` or `storage_too_new`. */
  static async open(options: HubStoreOptions): Promise<HubStore> {
    const database = Database.open<HubSchema>({
      file: options.file,
      migrations: HUB_MIGRATIONS,
      log: options.log,
      ...(options.onFault === undefined ? {} : { onFault: options.onFault }),
    });
    try {
      return new HubStore(database, await currentEpoch(database));
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  private constructor(database: Database<HubSchema>, epoch: string) {
    this.database = database;
    this.epoch = epoch;
  }

  /** One transaction; resolves when it is on disk. */
  write<T>(job: (transaction: HubTransaction) => Promise<T>): Promise<T> {
    return this.database.write(job);
  }

  /** Queries of what is committed. */
  read<T>(query: (db: HubDb) => Promise<T>): Promise<T> {
    return this.database.read(query);
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}

/**
 * The store's epoch. A restored backup is another file (or the same bytes under another inode): its numbers may have been used for other
 * events already, so it gets a new epoch, and the daemons are asked to say hello again.
 */
async function currentEpoch(database: Database<HubSchema>): Promise<string> {
  const { dev, ino } = statSync(database.file, { bigint: true });
  const identity = `${dev}:${ino}`;
  return database.write(async ({ db }) => {
    const rows = await db.selectFrom('kv').selectAll().where('key', 'in', ['epoch', 'file']).execute();
    const known = new Map(rows.map((row) => [row.key, row.value]));
    const epoch = known.get('epoch');
    if (epoch !== undefined && known.get('file') === identity) return epoch;
    const fresh = randomBytes(9).toString('base64url');
    for (const [key, value] of [
      ['epoch', fresh],
      ['file', identity],
    ] as const) {
      await db
        .insertInto('kv')
        .values({ key, value })
        .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
        .execute();
    }
    await db.updateTable('machines').set({ epoch: null }).execute();
    return fresh;
  });
}
