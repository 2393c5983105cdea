/** Time that stands still until a test moves it. */
import type { CancelTimer, Clock } from '../../src/platform/clock.ts';

interface Timer {
  at: number;
  readonly every: number | undefined;
  readonly task: () => void;
}

export class ManualClock implements Clock {
  #mono = 1_000_000;
  readonly #start: number;
  readonly #timers = new Set<Timer>();

  constructor(start = Date.UTC(2026, 10, 21, 14, 0, 0)) {
    this.#start = start - this.#mono;
  }

  now(): number {
    return this.#start + this.#mono;
  }

  monotonic(): number {
    return this.#mono;
  }

  after(ms: number, task: () => void): CancelTimer {
    return this.#add({ at: this.#mono + ms, every: undefined, task });
  }

  every(ms: number, task: () => void): CancelTimer {
    return this.#add({ at: this.#mono + ms, every: ms, task });
  }

  advance(ms: number): void {
    const until = this.#mono + ms;
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#mono = Math.max(this.#mono, next.at);
      if (next.every === undefined) this.#timers.delete(next);
      else next.at += next.every;
      next.task();
    }
    this.#mono = until;
  }

  #add(timer: Timer): CancelTimer {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
