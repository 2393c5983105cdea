/**
 * The mail that waits for a session, in order of arrival, each piece meant for at most one session. Pure bookkeeping in memory; the store
 * is the truth, and a claim here only keeps two ways of delivery from reaching for the same message.
 *
 * Invariant: what one arrival, one removal or one change of a session costs depends on the mail that it concerns, not on all that waits for
 * somebody else: thousands may lie here for a project in which nobody works.
 */
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import type { Session } from '../../protocol/model.ts';

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
  /** By message id, sorted by seq. */
  #mail = new Map<string, Waiting>();
  #lastSeq = -Infinity;
  /** Message ids by what they are looked for: the project, the session that they name, the session that they are meant for now. */
  readonly #ofProject = new Index();
  readonly #naming = new Index();
  readonly #meantFor = new Index();

  get size(): number {
    return this.#mail.size;
  }

  /** In order of arrival. */
  all(): Iterable<Waiting> {
    return this.#mail.values();
  }

  get(messageId: string): Waiting | undefined {
    return this.#mail.get(messageId);
  }

  add(waiting: Waiting): void {
    const { message, seq, session } = waiting;
    if (this.#mail.has(message.id)) return;
    this.#mail.set(message.id, waiting);
    this.#ofProject.add(message.project, message.id);
    if (message.session !== undefined) this.#naming.add(message.session, message.id);
    if (session !== undefined) this.#meantFor.add(session, message.id);
    // What comes back after a try stands before what came meanwhile.
    if (seq < this.#lastSeq) this.#mail = new Map([...this.#mail].sort(([, a], [, b]) => a.seq - b.seq));
    else this.#lastSeq = seq;
  }

  remove(messageId: string): Waiting | undefined {
    const found = this.#mail.get(messageId);
    if (found === undefined) return undefined;
    const { message, session } = found;
    this.#mail.delete(messageId);
    this.#ofProject.remove(message.project, messageId);
    if (message.session !== undefined) this.#naming.remove(message.session, messageId);
    if (session !== undefined) this.#meantFor.remove(session, messageId);
    return found;
  }

  /** Gives each message that one of these sessions could get the one that `choose` names; tells which sessions have mail now. */
  assign(sessions: readonly Session[], choose: (waiting: Waiting) => string | undefined): Set<string> {
    const concerned = new Set(this.#meantFor.all());
    for (const { id, project } of sessions) {
      for (const messageId of this.#ofProject.of(project)) concerned.add(messageId);
      for (const messageId of this.#naming.of(id)) concerned.add(messageId);
    }
    const withMail = new Set<string>();
    for (const waiting of this.#inOrder(concerned)) {
      const session = choose(waiting);
      if (session !== undefined) withMail.add(session);
      if (session === waiting.session) continue;
      const { id } = waiting.message;
      if (waiting.session !== undefined) this.#meantFor.remove(waiting.session, id);
      if (session !== undefined) this.#meantFor.add(session, id);
      this.#mail.set(id, { ...waiting, session });
    }
    return withMail;
  }

  /** What is meant for a session now, in order. */
  of(session: string): readonly Waiting[] {
    return this.#inOrder(this.#meantFor.of(session));
  }

  /** How much is meant for a session, or names it. */
  countFor(session: string): number {
    return new Set([...this.#meantFor.of(session), ...this.#naming.of(session)]).size;
  }

  /** Takes the first `max` that fit, in order, together with what stays behind of the same kind. */
  claim(fits: (waiting: Waiting) => boolean, max: number): { readonly taken: Waiting[]; readonly left: Waiting[] } {
    const fitting = [...this.#mail.values()].filter(fits);
    const taken = fitting.slice(0, max);
    for (const { message } of taken) this.remove(message.id);
    return { taken, left: fitting.slice(max) };
  }

  #inOrder(messageIds: Iterable<string>): Waiting[] {
    const found = [...messageIds].flatMap((id) => this.#mail.get(id) ?? []);
    return found.sort((a, b) => a.seq - b.seq);
  }
}

/** Message ids by a key. */
class Index {
  readonly #ids = new Map<string, Set<string>>();

  add(key: string, id: string): void {
    const ids = this.#ids.get(key);
    if (ids === undefined) this.#ids.set(key, new Set([id]));
    else ids.add(id);
  }

  remove(key: string, id: string): void {
    const ids = this.#ids.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(key);
  }

  of(key: string): Iterable<string> {
    return this.#ids.get(key) ?? [];
  }

  *all(): Iterable<string> {
    for (const ids of this.#ids.values()) yield* ids;
  }
}
