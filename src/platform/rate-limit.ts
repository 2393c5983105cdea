/** A bounded count of attempts per caller and minute, for the few calls that anybody on the network may make. */
import type { Clock } from './clock.ts';
import { IntercomError } from '../protocol/errors.ts';

const WINDOW_MS = 60_000;
/** Callers that are remembered; when there are more, the oldest is forgotten, and `total` still holds them all together. */
const CALLERS_MAX = 10_000;

export interface RateLimitOptions {
  readonly clock: Clock;
  readonly perCaller: number;
  /** All callers together. */
  readonly total: number;
  /** What is counted, for the refusal: "join requests". */
  readonly what: string;
}

export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #callers = new Map<string, { count: number; until: number }>();
  #all = { count: 0, until: 0 };

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Counts one attempt. Throws `limit_reached` with the seconds to wait. */
  take(caller: string): void {
    const { clock, perCaller, total } = this.#options;
    const now = clock.monotonic();
    if (this.#all.until <= now) this.#all = { count: 0, until: now + WINDOW_MS };
    let own = this.#callers.get(caller);
    if (own === undefined || own.until <= now) {
      own = { count: 0, until: now + WINDOW_MS };
      this.#callers.delete(caller);
      this.#callers.set(caller, own);
      this.#forget();
    }
    if (own.count >= perCaller) throw this.#refusal(own.until - now);
    if (this.#all.count >= total) throw this.#refusal(this.#all.until - now);
    own.count += 1;
    this.#all.count += 1;
  }

  #forget(): void {
    if (this.#callers.size <= CALLERS_MAX) return;
    const oldest = this.#callers.keys().next().value;
    if (oldest !== undefined) this.#callers.delete(oldest);
  }

  #refusal(waitMs: number): IntercomError {
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
    return new IntercomError('limit_reached', `Too many ${this.#options.what} within a minute.`, {
      next: `Try again in ${retryAfterSeconds} seconds.`,
      details: { retryAfterSeconds },
    });
  }
}
