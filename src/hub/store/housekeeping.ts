/**
 * Forgets what is older than its retention time, in the background: small slices with pauses between them, so that no message waits for it.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { deleteApprovalsBefore } from './approvals.ts';
import { deleteDialogsBefore } from './dialogs.ts';
import { deleteEventsBefore } from './events.ts';
import { deleteGrantsBefore } from './grants.ts';
import type { HubDb, HubStore } from './hub-store.ts';
import { deleteSessionsBefore } from './machines.ts';
import { deleteMessagesBefore } from './messages.ts';
import { deleteMissionsBefore } from './missions.ts';
import { deleteUsageBefore } from './usage.ts';
import { deleteWaitsBefore } from './waits.ts';

const EVERY_MS = 10 * 60_000;
const PAUSE_MS = 50;
const SLICE = 200;
const DAY_MS = 24 * 3600_000;
/** Sessions that ended; they are only needed to say that they have. */
const SESSION_DAYS = 7;

export interface Retention {
  readonly messagesDays: number;
  readonly eventsDays: number;
  readonly approvalsDays: number;
}

export const DEFAULT_RETENTION: Retention = { messagesDays: 365, eventsDays: 30, approvalsDays: 365 };

export class Housekeeping {
  readonly #store: HubStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #retention: Retention;
  #cancel: CancelTimer | undefined;
  #stopped = true;
  #running: Promise<void> | undefined;

  constructor(store: HubStore, clock: Clock, log: Log, retention: Retention) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#retention = retention;
  }

  start(): void {
    this.#stopped = false;
    this.#again(EVERY_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** One slice of everything. True: there is more to forget. */
  async forget(): Promise<boolean> {
    const now = this.#clock.now();
    const before = (days: number): number => now - days * DAY_MS;
    const full = (db: HubDb): Promise<number>[] => [
      deleteEventsBefore(db, before(this.#retention.eventsDays), SLICE),
      deleteMessagesBefore(db, before(this.#retention.messagesDays), SLICE),
      deleteApprovalsBefore(db, before(this.#retention.approvalsDays), SLICE),
      // A mission goes with the conversation that it belongs to.
      deleteMissionsBefore(db, before(this.#retention.messagesDays), SLICE),
      deleteWaitsBefore(db, before(this.#retention.approvalsDays), SLICE),
      deleteUsageBefore(db, before(SESSION_DAYS), SLICE),
    ];
    return this.#store.write(async ({ db }) => {
      const deleted = await Promise.all(full(db));
      await deleteDialogsBefore(db, before(this.#retention.approvalsDays));
      await deleteSessionsBefore(db, before(SESSION_DAYS), SLICE);
      await deleteGrantsBefore(db, before(this.#retention.approvalsDays));
      return deleted.some((count) => count === SLICE);
    });
  }

  #again(afterMs: number): void {
    if (!this.#stopped) this.#cancel = this.#clock.after(afterMs, () => void this.#slice());
  }

  async #slice(): Promise<void> {
    if (this.#stopped) return;
    let more = false;
    try {
      const running = this.forget();
      this.#running = running.then(
        () => undefined,
        () => undefined,
      );
      more = await running;
    } catch (error) {
      this.#log.error({ err: error }, 'old entries could not be forgotten; trying again later');
    }
    this.#again(more ? PAUSE_MS : EVERY_MS);
  }
}
