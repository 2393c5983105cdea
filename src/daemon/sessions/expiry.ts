/** Ends mail that nobody took in time. Only what still waits here: what was handed out is the agent's, and its proof decides. */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { InboxStore } from '../ports.ts';
import type { WaitingMail } from './waiting-mail.ts';

/** The longest sleep before the expiries are looked at again. */
const LONGEST_MS = 60_000;
/** The shortest, so that a faulty clock cannot make it spin. */
const SHORTEST_MS = 20;

export class ExpiryWatch {
  readonly #options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly store: InboxStore;
    readonly waiting: WaitingMail;
  };
  #cancel: CancelTimer = () => undefined;
  /** The earliest expiry that is known; what was taken meanwhile may have been it. */
  #next = Infinity;
  #stopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly store: InboxStore;
    readonly waiting: WaitingMail;
  }) {
    this.#options = options;
  }

  /** Looks at all that waits, and watches over it. */
  look(): void {
    let next = Infinity;
    for (const { message } of this.#options.waiting.all()) next = Math.min(next, Date.parse(message.expiresAt));
    this.#watch(next);
  }

  /** Something that expires then waits too. */
  add(expiresAt: string): void {
    const at = Date.parse(expiresAt);
    if (at < this.#next) this.#watch(at);
  }

  #watch(next: number): void {
    if (this.#stopped) return;
    this.#cancel();
    this.#next = next;
    const wait = Math.min(Math.max(next - this.#options.clock.now(), SHORTEST_MS), LONGEST_MS);
    this.#cancel = this.#options.clock.after(wait, () => void this.#expire());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  async #expire(): Promise<void> {
    const { clock, log, store, waiting } = this.#options;
    const now = clock.now();
    try {
      for (const { message } of [...waiting.all()]) {
        if (Date.parse(message.expiresAt) > now) continue;
        const reason = 'no session took it before its time was over';
        await store.move(message.id, ['dispatched'], { to: 'expired', reason });
        waiting.remove(message.id);
      }
    } catch (err) {
      log.warn({ err }, 'an expiry could not be noted; it is tried again');
    }
    this.look();
  }
}
