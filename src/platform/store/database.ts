/**
 * A SQLite store: one connection that writes, one that reads, and transactions that are committed in groups.
 *
 * Invariants:
 * - `write` jobs run one after another, each in its own savepoint: a job that throws changes nothing and harms no other.
 * - A job's promise resolves only after the commit that holds it is on disk (WAL, synchronous=FULL); then its `afterCommit` tasks run, in order.
 * - A job awaits nothing but its own queries; anything else would hold up every other job.
 * - `read` sees only what is committed and is never held up by a writer.
 * Jobs that arrive while others run share one commit, because the flush to disk is what costs.
 */
import SqliteDatabase from 'better-sqlite3';
import type { Kysely } from 'kysely';
import { chmodSync, mkdirSync, openSync, closeSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { IntercomError } from '../../protocol/errors.ts';
import { errorCode, isNoSpace } from '../files.ts';
import type { Log } from '../log.ts';
import { kyselyOn } from './kysely-sqlite.ts';
import { migrate, type Migration } from './migrations.ts';

/** Jobs in one commit at most, so that the first of a flood does not wait for all of it. */
const GROUP_MAX = 256;
/** Jobs that may wait; more are refused, because the disk does not keep up. */
const QUEUE_MAX = 20_000;
/** How long another program may hold the store before that is a fault. */
const BUSY_TIMEOUT_MS = 5_000;
/**
 * SQLite waits for a lock by stopping the whole process, so it may do that only briefly; the rest of the time is waited for between tries,
 * while everything else goes on.
 */
const BUSY_BLOCK_MS = 20;
const BUSY_PAUSE_MS = 100;

export interface Transaction<Schema> {
  readonly db: Kysely<Schema>;
  /** Runs after the commit, in the order of registration; never if the job or the commit fails. */
  afterCommit(task: () => void): void;
}

export interface DatabaseOptions {
  readonly file: string;
  readonly migrations: readonly Migration[];
  readonly log: Log;
  /** Told when the store cannot be written (and, with undefined, when it can be again). */
  readonly onFault?: (fault: IntercomError | undefined) => void;
}

interface Job<Schema> {
  run(transaction: Transaction<Schema>): Promise<void>;
  committed(): void;
  failed(error: unknown): void;
}

export class Database<Schema> {
  readonly file: string;
  readonly #writer: SqliteDatabase.Database;
  readonly #reader: SqliteDatabase.Database;
  readonly #writeDb: Kysely<Schema>;
  readonly #readDb: Kysely<Schema>;
  readonly #log: Log;
  readonly #onFault: (fault: IntercomError | undefined) => void;
  readonly #queue: Job<Schema>[] = [];
  #running = false;
  #closed = false;
  #faulty = false;
  #drained: (() => void)[] = [];

  /** Opens (and makes, 0600) the store and brings its schema up to date. Throws `storage_failed` or `storage_too_new`. */
  static open<Schema>(options: DatabaseOptions): Database<Schema> {
    try {
      return new Database<Schema>(options);
    } catch (error) {
      throw storageError(error, options.file);
    }
  }

  private constructor(options: DatabaseOptions) {
    this.file = options.file;
    this.#log = options.log;
    this.#onFault = options.onFault ?? (() => undefined);
    mkdirSync(dirname(options.file), { recursive: true, mode: 0o700 });
    closeSync(openSync(options.file, 'a', 0o600));
    chmodSync(options.file, 0o600);
    this.#writer = new SqliteDatabase(options.file, { timeout: BUSY_TIMEOUT_MS });
    this.#writer.pragma('journal_mode = WAL');
    this.#writer.pragma('synchronous = FULL');
    this.#writer.pragma('foreign_keys = ON');
    this.#writer.pragma('journal_size_limit = 67108864');
    migrate(this.#writer, options.migrations, options.file, options.log);
    this.#writer.pragma(`busy_timeout = ${BUSY_BLOCK_MS}`);
    this.#reader = new SqliteDatabase(options.file, { timeout: BUSY_TIMEOUT_MS, readonly: true });
    this.#writeDb = kyselyOn<Schema>(this.#writer);
    this.#readDb = kyselyOn<Schema>(this.#reader);
  }

  /** Runs `job` in a transaction. Throws what the job throws, or `storage_failed`. */
  write<T>(job: (transaction: Transaction<Schema>) => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new IntercomError('storage_failed', 'The store is closed.'));
    if (this.#queue.length >= QUEUE_MAX) {
      return Promise.reject(
        new IntercomError('limit_reached', 'Too many changes wait for the disk.', {
          next: 'Try again in a few seconds.',
        }),
      );
    }
    return new Promise<T>((resolve, reject) => {
      let done: (() => void) | undefined;
      this.#queue.push({
        run: async (transaction) => {
          const value = await job(transaction);
          done = () => resolve(value);
        },
        committed: () => done?.(),
        failed: reject,
      });
      if (!this.#running) {
        this.#running = true;
        void this.#run();
      }
    });
  }

  /** Queries what is committed. */
  async read<T>(query: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
    try {
      return await query(this.#readDb);
    } catch (error) {
      throw storageError(error, this.file);
    }
  }

  /** Bytes of the store with its log. */
  bytes(): number {
    const pages = Number(this.#reader.pragma('page_count', { simple: true }));
    return pages * Number(this.#reader.pragma('page_size', { simple: true }));
  }

  /** `ok`, or what SQLite found wrong. Reads the whole file: for doctor, not for a hot path. */
  check(): string {
    return String(this.#reader.pragma('quick_check(1)', { simple: true }));
  }

  /** Finishes what waits, then closes. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running) await new Promise<void>((resolve) => this.#drained.push(resolve));
    this.#reader.close();
    this.#writer.close();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#group();
    this.#running = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  async #group(): Promise<void> {
    const finished: Job<Schema>[] = [];
    const tasks: (() => void)[] = [];
    try {
      await this.#begin();
    } catch (error) {
      this.#failAll(this.#queue.splice(0), error);
      return;
    }
    try {
      do {
        for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
          if (await this.#one(job, tasks)) finished.push(job);
          if (finished.length >= GROUP_MAX) break;
        }
        // Requests that are already in the sockets' buffers may join this commit.
        if (finished.length < GROUP_MAX) await immediate();
      } while (this.#queue.length > 0 && finished.length < GROUP_MAX);
      this.#writer.exec('COMMIT');
    } catch (error) {
      if (this.#writer.inTransaction) this.#writer.exec('ROLLBACK');
      this.#failAll(finished, error);
      return;
    }
    this.#recovered();
    for (const job of finished) job.committed();
    for (const task of tasks) this.#safely(task);
  }

  /** Takes the write lock. A store that is known to be held is tried once: who writes then is told at once. */
  async #begin(): Promise<void> {
    const until = performance.now() + (this.#faulty ? 0 : BUSY_TIMEOUT_MS);
    for (;;) {
      try {
        this.#writer.exec('BEGIN IMMEDIATE');
        return;
      } catch (error) {
        const busy = errorCode(error)?.startsWith('SQLITE_BUSY') === true;
        if (!busy || performance.now() >= until) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
    }
  }

  /** False: the job threw and was told so; the group goes on. Throws when SQLite ended the whole transaction. */
  async #one(job: Job<Schema>, tasks: (() => void)[]): Promise<boolean> {
    const own: (() => void)[] = [];
    this.#writer.exec('SAVEPOINT job');
    try {
      await job.run({ db: this.#writeDb, afterCommit: (task) => void own.push(task) });
      this.#writer.exec('RELEASE job');
      tasks.push(...own);
      return true;
    } catch (error) {
      // Disk full and some I/O errors make SQLite roll back everything: then the others of the group have failed too.
      if (!this.#writer.inTransaction) {
        this.#failAll([job], error);
        throw error;
      }
      this.#writer.exec('ROLLBACK TO job; RELEASE job');
      const fault = storageError(error, this.file);
      if (fault instanceof IntercomError && fault.code === 'storage_failed') this.#fault(fault);
      job.failed(fault);
      return false;
    }
  }

  #failAll(jobs: readonly Job<Schema>[], error: unknown): void {
    const fault = storageError(error, this.file);
    if (fault instanceof IntercomError) this.#fault(fault);
    for (const job of jobs) job.failed(fault);
  }

  #fault(fault: IntercomError): void {
    if (!this.#faulty) this.#log.error({ err: fault, file: this.file }, 'the store cannot be written');
    this.#faulty = true;
    this.#safely(() => this.#onFault(fault));
  }

  #recovered(): void {
    if (!this.#faulty) return;
    this.#faulty = false;
    this.#log.info({ file: this.file }, 'the store can be written again');
    this.#safely(() => this.#onFault(undefined));
  }

  #safely(task: () => void): void {
    try {
      task();
    } catch (error) {
      this.#log.error({ err: error }, 'a task after a commit failed');
    }
  }
}

function immediate(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** SQLite's errors that are about the store itself, in words; anything else as it came. */
export function storageError(error: unknown, file: string): unknown {
  if (error instanceof IntercomError) return error;
  const code = errorCode(error) ?? '';
  const words = isOutOfSpace(code, file) ? DISK_FULL : storageWords(code);
  if (words === undefined) return error;
  return new IntercomError('storage_failed', `${file}: ${words.what}.`, {
    next: words.next,
    cause: error,
    details: { code },
  });
}

interface StorageWords {
  readonly what: string;
  readonly next: string;
}

const DISK_FULL: StorageWords = {
  what: 'the disk is full',
  next: 'Free some space; waiting work goes on by itself, and what could not start can be started again.',
};
/** What SQLite needs for a file of its own beside the store; without it, it speaks of an I/O error or of a file that cannot be opened. */
const ROOM_NEEDED = 65_536;

function isOutOfSpace(code: string, file: string): boolean {
  if (code === 'SQLITE_FULL' || isNoSpace(code)) return true;
  if (!code.startsWith('SQLITE_IOERR') && !code.startsWith('SQLITE_CANTOPEN')) return false;
  try {
    const { bavail, bsize } = statfsSync(dirname(file));
    return bavail * bsize < ROOM_NEEDED;
  } catch {
    return false;
  }
}

function storageWords(code: string): StorageWords | undefined {
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return {
      what: 'another program holds the store locked',
      next: 'Stop the other program (a second intercom, a backup tool) and try again.',
    };
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return {
      what: 'the store is damaged',
      next: 'Stop intercom and restore a backup (the *.before-schema-* files beside it, or your own), or move the file away to start anew.',
    };
  }
  if (code.startsWith('SQLITE_IOERR'))
    return { what: 'the disk did not do what it was told', next: 'Look at the disk and the system log.' };
  if (code.startsWith('SQLITE_READONLY') || code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return { what: 'the store may not be written', next: 'Give the user that runs intercom the right to write there.' };
  }
  if (code.startsWith('SQLITE_CANTOPEN'))
    return { what: 'the store cannot be opened', next: 'Look at the path and its rights.' };
  return undefined;
}
