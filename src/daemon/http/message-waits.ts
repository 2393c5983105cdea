/**
 * Waiting for a decision on a message, or for its answer.
 *
 * Invariants: only the sender's own session claims the answer; an answer is given to a call with the offer that acknowledges it, and never
 * both to the call and, by the status alone, once more.
 */
import type { LocalMessageStatus, WaitFor } from '../../protocol/local-api.ts';
import type { MessageStatus } from '../../protocol/machine-api.ts';
import { hasFailed, MESSAGE_STATES, type MessageState } from '../../protocol/message-life.ts';
import type { Link } from '../link/hub-link.ts';
import type { Inbox } from '../store/inbox.ts';
import type { Answer, AnswerClaims } from './answer-claims.ts';

const UNDECIDED: readonly MessageState[] = ['submitted', 'held'];
const UNANSWERED: readonly MessageState[] = MESSAGE_STATES.filter((state) => state !== 'answered' && !hasFailed(state));
/** The news that there is an answer may come before the answer itself; both are on their way from the hub. */
const ANSWER_FOLLOWS_MS = 2_000;

export interface Wait {
  readonly for: WaitFor;
  readonly ms: number;
  readonly session: string | undefined;
  readonly signal: AbortSignal;
}

export class MessageWaits {
  readonly #link: Link;
  readonly #claims: AnswerClaims;
  readonly #inbox: Inbox;

  constructor(link: Link, claims: AnswerClaims, inbox: Inbox) {
    this.#link = link;
    this.#claims = claims;
    this.#inbox = inbox;
  }

  async wait(id: string, wait: Wait): Promise<LocalMessageStatus> {
    const { ms: waitMs, signal } = wait;
    if (wait.for === 'decision') return this.#link.status(id, { unless: UNDECIDED, waitMs, signal });
    if (waitMs <= 0 || !(await this.#isOwn(id, wait.session))) {
      return this.#link.status(id, { unless: UNANSWERED, waitMs, signal });
    }
    return this.#answer(id, waitMs, signal);
  }

  async #answer(id: string, waitMs: number, signal: AbortSignal): Promise<LocalMessageStatus> {
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const answer = this.#claims.wait(id, waitMs + ANSWER_FOLLOWS_MS, both);
    const status = this.#link.status(id, { unless: UNANSWERED, waitMs, signal: both });
    // Whichever loses the race below must not fail unheard.
    status.catch(() => undefined);
    const answered = async (): Promise<MessageStatus | Answer> => (await answer) ?? status;
    try {
      const first = await Promise.race([answered(), status]);
      if ('reply' in first) return await this.#withAnswer(id, first, status);
      if (first.state === 'answered' && !(await this.#isElsewhere(id))) {
        const late = await answer;
        return late === undefined ? first : await this.#withAnswer(id, late, status);
      }
      if (first.state === 'answered' || hasFailed(first.state)) this.#claims.release(id);
      return first;
    } finally {
      over.abort();
    }
  }

  async #withAnswer(id: string, { reply, offer }: Answer, status: Promise<MessageStatus>): Promise<LocalMessageStatus> {
    const known = this.#link.known(id) ?? (await status);
    const answer = { id: reply.id, from: reply.from, body: reply.body, at: reply.sentAt };
    if (known.state === 'answered') return { ...known, answer, offer };
    // Why it waited is past; the hub's own word for it is on its way.
    const { id: message, threadId, to, place } = known;
    return { id: message, threadId, to, place, state: 'answered', stateSince: reply.sentAt, answer, offer };
  }

  /** The reply has gone, or goes, to the session. */
  async #isElsewhere(id: string): Promise<boolean> {
    const reply = await this.#inbox.replyTo(id);
    return reply !== undefined && reply.state !== 'dispatched' && reply.rung !== 'answer';
  }

  async #isOwn(id: string, session: string | undefined): Promise<boolean> {
    const sender = await this.#link.senderOf(id);
    return sender === undefined || sender.session === session;
  }
}
