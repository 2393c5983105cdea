/**
 * Sends a durable queue to one destination, in order, a batch at a time, until it is acknowledged.
 *
 * Invariants: one batch under way at a time; the queue is read again after each acknowledgement, so nothing is held in memory; a failure
 * that can pass is retried with back-off for ever; `kick` during back-off tries at once. Order is the queue's order.
 */
import type { Clock, CancelTimer } from './clock.ts';

export interface PumpOptions<T> {
  readonly clock: Clock;
  /** The oldest unsent items. */
  readonly load: () => Promise<readonly T[]>;
  /** Sends them and records their acknowledgement. Throws if they must be sent again. */
  readonly send: (items: readonly T[]) => Promise<void>;
  /** Told of each failure, with how many came in a row. */
  readonly onFailure: (error: unknown, inARow: number) => void;
  readonly firstDelayMs?: number;
  readonly longestDelayMs?: number;
  /** 0..1, to spread retries. */
  readonly random?: () => number;
}

export class OrderedPump<T> {
  readonly #options: PumpOptions<T>;
  #running = false;
  #again = false;
  #stopped = false;
  #failures = 0;
  #cancelRetry: CancelTimer | undefined;
  #idle: (() => void)[] = [];

  constructor(options: PumpOptions<T>) {
    this.#options = options;
  }

  /** There may be something to send, or a reason to try again now. */
  kick(): void {
    if (this.#stopped) return;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    void this.#run();
  }

  /** Stops after the batch under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry?.();
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        const items = await this.#options.load();
        if (items.length === 0) continue;
        await this.#options.send(items);
        this.#failures = 0;
        this.#again = true;
      } while (this.#again && !this.#stopped);
    } catch (error) {
      this.#failures += 1;
      this.#options.onFailure(error, this.#failures);
      if (!this.#stopped) this.#cancelRetry = this.#options.clock.after(this.#delay(), () => this.kick());
    } finally {
      this.#running = false;
      for (const resolve of this.#idle.splice(0)) resolve();
      // A kick that came while the last batch failed must not wait for the back-off.
      if (this.#again && !this.#stopped) this.kick();
    }
  }

  #delay(): number {
    const first = this.#options.firstDelayMs ?? 100;
    const longest = this.#options.longestDelayMs ?? 15_000;
    const full = Math.min(longest, first * 2 ** Math.min(this.#failures - 1, 20));
    return full * (0.5 + 0.5 * (this.#options.random ?? Math.random)());
  }
}
