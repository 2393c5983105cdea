/**
 * The daemon's store: one SQLite file, its repositories, and their retention. No driver type leaves this folder.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { Database } from '../../platform/store/database.ts';
import type { IntercomError } from '../../protocol/errors.ts';
import { Facts } from './facts.ts';
import { Inbox } from './inbox.ts';
import { Missions } from './missions.ts';
import { Outbox } from './outbox.ts';
import { Receipts } from './receipts.ts';
import { DAEMON_MIGRATIONS, type DaemonSchema } from './schema.ts';

const PRUNE_EVERY_MS = 3_600_000;

export interface DaemonStoreOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class DaemonStore {
  readonly inbox: Inbox;
  readonly receipts: Receipts;
  readonly outbox: Outbox;
  readonly missions: Missions;
  readonly facts: Facts;
  readonly #database: Database<DaemonSchema>;
  readonly #clock: Clock;
  readonly #log: Log;
  #onReceipt: () => void = () => undefined;
  #fault: IntercomError | undefined;
  #cancelPrune: () => void = () => undefined;

  /** Opens, or makes, the store. Throws `storage_failed` or `storage_too_new`, in words. */
  constructor(options: DaemonStoreOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#database = Database.open<DaemonSchema>({
      file: options.file,
      migrations: DAEMON_MIGRATIONS,
      log: options.log,
      onFault: (fault) => {
        this.#fault = fault;
      },
    });
    this.inbox = new Inbox(this.#database, options.clock, options.log, () => this.#onReceipt());
    this.receipts = new Receipts(this.#database);
    this.outbox = new Outbox(this.#database, options.clock);
    this.missions = new Missions(this.#database, options.clock, options.log);
    this.facts = new Facts(this.#database);
  }

  /** Why nothing can be stored now, if so. */
  get fault(): IntercomError | undefined {
    return this.#fault;
  }

  /** Told after each commit that holds a receipt for the hub. One listener. */
  onReceipt(listener: () => void): void {
    this.#onReceipt = listener;
  }

  /** Retention, now and from time to time. */
  startHousekeeping(): void {
    const prune = () =>
      void this.#prune().catch((error: unknown) =>
        this.#log.warn({ err: error }, 'retention failed; it is tried again later'),
      );
    prune();
    this.#cancelPrune = this.#clock.every(PRUNE_EVERY_MS, prune);
  }

  async close(): Promise<void> {
    this.#cancelPrune();
    await this.#database.close();
  }

  async #prune(): Promise<void> {
    await this.inbox.prune();
    await this.outbox.prune();
    await this.missions.prune();
  }
}
