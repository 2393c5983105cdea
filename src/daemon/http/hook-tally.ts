/**
 * Hook calls that came to nothing, counted since the start: a hook never fails loudly at its agent, so it is told here (log, status, doctor).
 *
 * Invariant: however many there are, the log gets few lines: the 1st, 2nd, 4th, 8th … of a kind.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { LocalStatus } from '../../protocol/local-api.ts';

type Tallies = NonNullable<LocalStatus['hooks']>;

export class HookTally {
  readonly #clock: Clock;
  readonly #log: Log;
  #tooLarge = 0;
  #failed = 0;
  #last: Tallies['last'];

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** What the agent handed to its hook is larger than is read. */
  tooLarge(agent: string, event: string, bytes: number): void {
    this.#tooLarge += 1;
    this.#note(agent, event);
    if (isPowerOfTwo(this.#tooLarge)) {
      const facts = { agent, event, bytes, count: this.#tooLarge };
      this.#log.warn(facts, 'a hook call was too large to be read; mail for its session waits for the next one');
    }
  }

  /** A fault of ours. */
  failed(agent: string, event: string, error: unknown): void {
    this.#failed += 1;
    this.#note(agent, event);
    if (isPowerOfTwo(this.#failed)) {
      this.#log.error({ err: error, agent, event, count: this.#failed }, 'a hook failed');
    }
  }

  get facts(): Tallies {
    const last = this.#last;
    return { tooLarge: this.#tooLarge, failed: this.#failed, ...(last === undefined ? {} : { last }) };
  }

  #note(agent: string, event: string): void {
    this.#last = { agent, event, at: isoTime(this.#clock.now()) };
  }
}

function isPowerOfTwo(count: number): boolean {
  return (count & (count - 1)) === 0;
}
