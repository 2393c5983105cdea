/** Messages that entered a conversation whose turn has not ended yet; with its end they become `seen`. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { InboxStore, SessionBook } from '../ports.ts';

/** A session that is idle this long after a message entered its conversation has dealt with it. */
const SETTLED_MS = 1500;

export class UnseenMail {
  readonly #bySession = new Map<string, Set<string>>();
  readonly #clock: Clock;
  readonly #book: SessionBook;
  readonly #store: InboxStore;
  readonly #log: Log;
  #stopped = false;

  constructor(options: {
    readonly clock: Clock;
    readonly book: SessionBook;
    readonly store: InboxStore;
    readonly log: Log;
  }) {
    this.#clock = options.clock;
    this.#book = options.book;
    this.#store = options.store;
    this.#log = options.log;
  }

  entered(session: string, messageId: string): void {
    const set = this.#bySession.get(session) ?? new Set();
    this.#bySession.set(session, set.add(messageId));
    // A short turn can be over before its proof is noticed: whoever is idle and stays so has ended it.
    this.#clock.after(SETTLED_MS, () => {
      if (!this.#stopped && this.#book.get(session)?.state === 'idle') void this.turnEnded(session);
    });
  }

  async turnEnded(session: string): Promise<void> {
    const seen = this.#bySession.get(session);
    this.#bySession.delete(session);
    for (const id of seen ?? []) {
      try {
        await this.#store.move(id, ['delivered'], { to: 'seen', session, proof: 'the turn that held it ended' });
      } catch (err) {
        this.#log.warn({ err }, 'the end of a turn could not be noted; it is tried again');
        this.entered(session, id);
      }
    }
  }

  /** Its last turn was never seen to end: they stay delivered. */
  sessionEnded(session: string): void {
    this.#bySession.delete(session);
  }

  stop(): void {
    this.#stopped = true;
  }
}
