/** Callers that wait for news of a key. Bounded in time by the caller, ended early by its signal; nothing is polled. */
import type { Clock } from './clock.ts';

export class Waiters<V> {
  readonly #waiting = new Map<string, Set<(value: V) => void>>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next value told for `key`, or undefined after `ms` or when the signal aborts. */
  next(key: string, ms: number, signal?: AbortSignal): Promise<V | undefined> {
    if (ms <= 0 || signal?.aborted === true) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const set = this.#waiting.get(key) ?? new Set();
      this.#waiting.set(key, set);
      const finish = (value: V | undefined) => {
        set.delete(told);
        if (set.size === 0) this.#waiting.delete(key);
        cancel();
        signal?.removeEventListener('abort', gaveUp);
        resolve(value);
      };
      const told = (value: V) => finish(value);
      const gaveUp = () => finish(undefined);
      const cancel = this.#clock.after(ms, gaveUp);
      set.add(told);
      signal?.addEventListener('abort', gaveUp, { once: true });
    });
  }

  tell(key: string, value: V): void {
    for (const waiter of [...(this.#waiting.get(key) ?? [])]) waiter(value);
  }

  /** Whether anybody waits for this key. */
  has(key: string): boolean {
    return this.#waiting.has(key);
  }
}
