/**
 * What was held back for each operator (quiet hours, digests), until its time comes.
 *
 * Invariants: what is dealt with meanwhile is not told; when the first thing is due, everything of that operator is told together (or held back once more); in memory.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';

interface Held {
  readonly keys: Set<string>;
  at: number;
  cancel: CancelTimer;
}

export class HeldBack {
  readonly #clock: Clock;
  readonly #due: (operator: string, keys: readonly string[]) => void;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock, due: (operator: string, keys: readonly string[]) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  /** A digest is not put off by what comes later. */
  hold(operator: string, key: string, at: number): void {
    const known = this.#held.get(operator);
    if (known !== undefined) known.keys.add(key);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    const cancel = this.#clock.after(Math.max(0, at - this.#clock.now()), () => {
      const keys = [...(this.#held.get(operator)?.keys ?? [])];
      this.#held.delete(operator);
      this.#due(operator, keys);
    });
    this.#held.set(operator, { keys: known?.keys ?? new Set([key]), at, cancel });
  }

  drop(key: string): void {
    for (const [operator, held] of this.#held) {
      held.keys.delete(key);
      if (held.keys.size > 0) continue;
      held.cancel();
      this.#held.delete(operator);
    }
  }

  stop(): void {
    for (const { cancel } of this.#held.values()) cancel();
    this.#held.clear();
  }
}
