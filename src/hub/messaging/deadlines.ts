/**
 * Wakes when the next stored deadline is reached. Nothing is polled: the store is asked for the earliest deadline, and one timer waits for it.
 *
 * Invariants: sweeps run one after another; a sweep does a bounded slice and is called again while there is more; a clock that jumped is
 * noticed within RECHECK_MS, because no timer is longer than that.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';

const RECHECK_MS = 60_000;
const RETRY_MS = 5_000;

export interface DeadlineSource {
  /** The earliest deadline, if any. */
  next(): Promise<number | undefined>;
  /** Does one slice of what is due. True: there may be more. */
  sweep(now: number): Promise<boolean>;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #source: DeadlineSource;
  #cancel: CancelTimer | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(clock: Clock, log: Log, source: DeadlineSource) {
    this.#clock = clock;
    this.#log = log;
    this.#source = source;
  }

  /** Does what became due while nobody was there, then waits for the next. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** A deadline was stored. */
  add(at: number): void {
    if (!this.#stopped && at < this.#armedFor) this.#arm(at);
  }

  #arm(at: number): void {
    this.#cancel?.();
    this.#armedFor = at;
    const wait = Math.min(Math.max(at - this.#clock.now(), 0), RECHECK_MS);
    this.#cancel = this.#clock.after(wait, () => void this.#run());
  }

  #run(): Promise<void> {
    this.#cancel?.();
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#running = (this.#running ?? Promise.resolve()).then(() => this.#sweepAll());
    return this.#running;
  }

  async #sweepAll(): Promise<void> {
    try {
      while (!this.#stopped && (await this.#source.sweep(this.#clock.now())));
      const next = this.#stopped ? undefined : await this.#source.next();
      if (next !== undefined) this.add(next);
    } catch (error) {
      this.#log.error({ err: error }, 'a deadline could not be kept; trying again');
      if (!this.#stopped) this.#arm(this.#clock.now() + RETRY_MS);
    }
  }
}
