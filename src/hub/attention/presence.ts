/**
 * Who looks at a page or a table of ours now. In memory: after a restart nobody looks until their page says so again.
 *
 * Invariants: a page is looked at only while it is open and has said so; closing it twice is fine.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Presence } from '../../protocol/attention.ts';

interface Looking {
  pages: number;
  readonly since: number;
}

export class Lookers {
  readonly #clock: Clock;
  readonly #operators = new Map<string, Looking>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A page opened; nobody looks at it yet. */
  page(operator: string): { looking(looking: boolean): void; close(): void } {
    let looks = false;
    let open = true;
    const looking = (now: boolean): void => {
      if (!open || now === looks) return;
      looks = now;
      if (now) this.#begin(operator);
      else this.#end(operator);
    };
    return {
      looking,
      close: () => {
        looking(false);
        open = false;
      },
    };
  }

  isLooking(operator: string): boolean {
    return this.#operators.has(operator);
  }

  /** Pages that are looked at. */
  get count(): number {
    return [...this.#operators.values()].reduce((sum, { pages }) => sum + pages, 0);
  }

  presence(): Presence {
    return {
      operators: [...this.#operators].map(([operator, { pages, since }]) => ({
        operator,
        pages,
        since: isoTime(since),
      })),
    };
  }

  #begin(operator: string): void {
    const known = this.#operators.get(operator);
    if (known === undefined) this.#operators.set(operator, { pages: 1, since: this.#clock.now() });
    else known.pages += 1;
  }

  #end(operator: string): void {
    const known = this.#operators.get(operator);
    if (known === undefined) return;
    known.pages -= 1;
    if (known.pages === 0) this.#operators.delete(operator);
  }
}
