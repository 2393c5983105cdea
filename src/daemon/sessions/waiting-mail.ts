/**
 * The mail that waits for a session, in order of arrival, each piece meant for at most one session. Pure bookkeeping in memory; the store
 * is the truth, and a claim here only keeps two ways of delivery from reaching for the same message.
 */
import type { DeliverMessage } from '../../protocol/daemon-api.ts';

export interface Waiting {
  readonly seq: number;
  readonly message: DeliverMessage;
  /** How often it was tried before. */
  readonly attempts: number;
  /** The session that it is meant for now. */
  readonly session: string | undefined;
  /** The agent's own inbox lost it once: its hooks bring it now. */
  readonly byHooks: boolean;
  /** Since when it waits here (monotonic ms). */
  readonly since: number;
}

export class WaitingMail {
  /** Sorted by seq. */
  #list: Waiting[] = [];

  get size(): number {
    return this.#list.length;
  }

  all(): readonly Waiting[] {
    return this.#list;
  }

  has(messageId: string): boolean {
    return this.#list.some((waiting) => waiting.message.id === messageId);
  }

  add(waiting: Waiting): void {
    if (this.has(waiting.message.id)) return;
    const last = this.#list.at(-1);
    this.#list.push(waiting);
    if (last !== undefined && last.seq > waiting.seq) this.#list.sort((a, b) => a.seq - b.seq);
  }

  remove(messageId: string): Waiting | undefined {
    const found = this.#list.find((waiting) => waiting.message.id === messageId);
    if (found !== undefined) this.#list = this.#list.filter((waiting) => waiting !== found);
    return found;
  }

  /** Gives each message the session that `choose` names; tells which sessions have mail now. */
  assign(choose: (waiting: Waiting) => string | undefined): Set<string> {
    const sessions = new Set<string>();
    this.#list = this.#list.map((waiting) => {
      const session = choose(waiting);
      if (session !== undefined) sessions.add(session);
      return session === waiting.session ? waiting : { ...waiting, session };
    });
    return sessions;
  }

  of(session: string): readonly Waiting[] {
    return this.#list.filter((waiting) => waiting.session === session);
  }

  /** Takes the first `max` that fit, in order, together with what stays behind of the same kind. */
  claim(fits: (waiting: Waiting) => boolean, max: number): { readonly taken: Waiting[]; readonly left: Waiting[] } {
    const fitting = this.#list.filter(fits);
    const taken = fitting.slice(0, max);
    this.#list = this.#list.filter((waiting) => !taken.includes(waiting));
    return { taken, left: fitting.slice(max) };
  }
}
