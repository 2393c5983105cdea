/**
 * Takes waiting mail for a hand-out: by which way it goes, what is claimed, and the step to `written` that is stored before anything leaves.
 *
 * Invariants: a message is in one hand-out at a time; what could not be noted is not handed out and waits again, in its order.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Session } from '../../protocol/model.ts';
import type { InboxStore, SessionBook } from '../ports.ts';
import type { Rung } from './proof-desk.ts';
import type { Waiting, WaitingMail } from './waiting-mail.ts';
import { wayWords } from './way-words.ts';

/** After a store that could not be written. */
export const STORE_RETRY_MS = 2000;

export interface ClaimsOptions {
  readonly waiting: WaitingMail;
  readonly store: InboxStore;
  readonly book: SessionBook;
  readonly clock: Clock;
  readonly log: Log;
  /** Messages of one hand-out. */
  readonly max: number;
  /** Something waits again. */
  readonly onReturned: () => void;
}

export interface Claimed {
  readonly taken: Waiting[];
  readonly left: Waiting[];
}

export class Claims {
  readonly #options: ClaimsOptions;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** While one message of a session has to go by its hooks, all of them do: order before speed. */
  wayOf(session: Session, mail: Waiting): 'channel' | 'hooks' {
    if (session.rung === 'hooks') return 'hooks';
    const detour = mail.byHooks || this.#options.waiting.of(session.id).some((other) => other.byHooks);
    return detour ? 'hooks' : 'channel';
  }

  /** Mail of the session that goes this way. */
  for(session: Session, way: 'channel' | 'hooks'): Waiting[] {
    return this.#options.waiting.of(session.id).filter((mail) => this.wayOf(session, mail) === way);
  }

  claim(sessionId: string, way: 'channel' | 'hooks'): Claimed {
    const session = this.#options.book.get(sessionId);
    if (session === undefined) return { taken: [], left: [] };
    return this.claimWhere((mail) => mail.session === sessionId && this.wayOf(session, mail) === way);
  }

  claimWhere(fits: (mail: Waiting) => boolean): Claimed {
    return this.#options.waiting.claim(fits, this.#options.max);
  }

  /** Moves claimed messages to `written`; those that moved on meanwhile (cancelled, expired) fall out. */
  async toWritten(
    taken: readonly Waiting[],
    session: string | undefined,
    rung: Rung,
    offer: string,
    by?: string,
  ): Promise<Waiting[]> {
    const written: Waiting[] = [];
    const reason = wayWords(rung, session, by);
    for (const [index, mail] of taken.entries()) {
      try {
        const moved = await this.#options.store.move(mail.message.id, ['dispatched'], {
          to: 'written',
          rung,
          offer,
          reason,
          attempt: true,
          ...(session === undefined ? {} : { session }),
        });
        if (moved) written.push(mail);
      } catch (err) {
        // The store cannot be written now (a full disk): what is not noted is not handed out, and stays here.
        this.#options.log.warn({ err }, 'a hand-out could not be noted; it is tried again');
        this.giveBack(taken.slice(index), false);
        this.#options.clock.after(STORE_RETRY_MS, this.#options.onReturned);
        break;
      }
    }
    return written;
  }

  giveBack(taken: readonly Waiting[], byHooks: boolean): void {
    for (const mail of taken) this.#options.waiting.add({ ...mail, byHooks: mail.byHooks || byHooks });
    if (byHooks) this.#options.onReturned();
  }
}
