/**
 * Calls that wait for the answer to a message: the reply is theirs and not their session's.
 *
 * Invariants: a message has at most one waiting call, the newest; a wait that ended keeps its claim for CLAIM_KEPT_MS, so that the next slice
 * follows without a gap, and an answer of that moment is kept for it. A claim that nobody takes up ends, and delivery goes its other ways.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import type { Delivery, Unsubscribe } from '../ports.ts';

const CLAIM_KEPT_MS = 3_000;
const OFFERS_MAX = 1_000;

export interface Answer {
  readonly reply: DeliverMessage;
  readonly offer: string;
}

interface Claim {
  release: Unsubscribe;
  cancelRelease: CancelTimer;
  kept: Answer | undefined;
  waiting: ((answer: Answer | undefined) => void) | undefined;
}

export class AnswerClaims {
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #claims = new Map<string, Claim>();
  readonly #offers = new Set<string>();

  constructor(delivery: Delivery, clock: Clock) {
    this.#delivery = delivery;
    this.#clock = clock;
  }

  /** The answer, or undefined after `ms`, when the signal aborts, or when a newer call waits for the same. */
  wait(messageId: string, ms: number, signal: AbortSignal): Promise<Answer | undefined> {
    const claim = this.#claims.get(messageId) ?? this.#claim(messageId);
    claim.waiting?.(undefined);
    claim.cancelRelease();
    if (claim.kept !== undefined) {
      this.#drop(messageId, claim);
      return Promise.resolve(claim.kept);
    }
    return new Promise((resolve) => {
      const finish = (answer: Answer | undefined): void => {
        if (claim.waiting !== finish) return;
        claim.waiting = undefined;
        cancel();
        signal.removeEventListener('abort', gaveUp);
        if (answer === undefined) this.#keepFor(messageId, claim);
        else this.#drop(messageId, claim);
        resolve(answer);
      };
      const gaveUp = () => finish(undefined);
      const cancel = this.#clock.after(ms, gaveUp);
      claim.waiting = finish;
      if (signal.aborted) gaveUp();
      else signal.addEventListener('abort', gaveUp, { once: true });
    });
  }

  /** Nobody waits for it any more: it is over without an answer. */
  release(messageId: string): void {
    const claim = this.#claims.get(messageId);
    if (claim === undefined) return;
    claim.waiting?.(undefined);
    this.#drop(messageId, claim);
  }

  /** True once for an offer that was an answer. */
  isAnswer(offer: string): boolean {
    return this.#offers.delete(offer);
  }

  #claim(messageId: string): Claim {
    const claim: Claim = {
      release: () => undefined,
      cancelRelease: () => undefined,
      kept: undefined,
      waiting: undefined,
    };
    this.#claims.set(messageId, claim);
    claim.release = this.#delivery.awaitAnswer(messageId, (reply, offer) => {
      this.#note(offer);
      const answer = { reply, offer };
      if (claim.waiting === undefined) claim.kept ??= answer;
      else claim.waiting(answer);
    });
    return claim;
  }

  #keepFor(messageId: string, claim: Claim): void {
    claim.cancelRelease();
    claim.cancelRelease = this.#clock.after(CLAIM_KEPT_MS, () => this.#drop(messageId, claim));
  }

  #drop(messageId: string, claim: Claim): void {
    claim.cancelRelease();
    claim.release();
    if (this.#claims.get(messageId) === claim) this.#claims.delete(messageId);
  }

  #note(offer: string): void {
    this.#offers.add(offer);
    if (this.#offers.size <= OFFERS_MAX) return;
    const [oldest] = this.#offers;
    if (oldest !== undefined) this.#offers.delete(oldest);
  }
}
