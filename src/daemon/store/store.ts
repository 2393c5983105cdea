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
import { UsageStore } from './usage.ts';

const PRUNE_EVERY_MS = 3_600_000;
/** A store that could not be written is tried this often: nothing else may have anything to write for long. */
const PROBE_EVERY_MS = 5_000;
/** Kept apart from what the parts know: it says nothing but that writing works. */
const PROBE_FACT = 'store.probe';

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
  readonly usage: UsageStore;
  readonly #database: Database<DaemonSchema>;
  readonly #clock: Clock;
  readonly #log: Log;
  #onReceipt: () => void = () => undefined;
  #fault: IntercomError | undefined;
  #cancelTimers: () => void = () => undefined;

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
    this.usage = new UsageStore(this.#database);
  }

  /** Why nothing can be stored now, if so. */
  get fault(): IntercomError | undefined {
    return this.#fault;
  }

  /** Told after each commit that holds a receipt for the hub. One listener. */
  onReceipt(listener: () => void): void {
    this.#onReceipt = listener;
  }

  /** Retention, now and from time to time; and a look whether a store that could not be written can be again. */
  startHousekeeping(): void {
    const prune = () =>
      void this.#prune().catch((error: unknown) =>
        this.#log.warn({ err: error }, 'retention failed; it is tried again later'),
      );
    prune();
    const probe = () => {
      if (this.#fault !== undefined) this.facts.set(PROBE_FACT, this.#clock.now()).catch(() => undefined);
    };
    const timers = [this.#clock.every(PRUNE_EVERY_MS, prune), this.#clock.every(PROBE_EVERY_MS, probe)];
    this.#cancelTimers = () => {
      for (const cancel of timers) cancel();
    };
  }

  async close(): Promise<void> {
    this.#cancelTimers();
    await this.#database.close();
  }

  async #prune(): Promise<void> {
    await this.inbox.prune();
    await this.outbox.prune();
    await this.missions.prune();
    await this.usage.prune(this.#clock.now());
  }
}
