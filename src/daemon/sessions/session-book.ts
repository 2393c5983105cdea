/**
 * The live sessions of this machine, in memory. Nobody stores it: adapters rebuild it from the agents' own registries at start.
 * Listeners hear only what really changed; an ended session is told once and then forgotten.
 */
import { Emitter } from '../../platform/emitter.ts';
import { isoTime } from '../../platform/clock.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Session } from '../../protocol/model.ts';
import type { SessionBook, Unsubscribe } from '../ports.ts';

/** Shorter prefixes would be guesses. */
const PREFIX_MIN = 4;

export class LiveSessions implements SessionBook {
  readonly #sessions = new Map<string, Session>();
  readonly #changes: Emitter<Session>;
  readonly #clock: Clock;

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = options.clock;
    this.#changes = new Emitter((err) => options.log.error({ err }, 'a listener for sessions failed'));
  }

  list(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  find(idOrPrefix: string): Session | undefined {
    const exact = this.#sessions.get(idOrPrefix);
    if (exact !== undefined || idOrPrefix.length < PREFIX_MIN) return exact;
    const found = this.list().filter((session) => session.id.startsWith(idOrPrefix));
    return found.length === 1 ? found[0] : undefined;
  }

  byPid(agent: string, pid: number): Session | undefined {
    return this.list().find((session) => session.agent === agent && session.pid === pid);
  }

  inProject(project: string): readonly Session[] {
    return this.list().filter((session) => session.project === project);
  }

  put(session: Session): void {
    const before = this.#sessions.get(session.id);
    if (before !== undefined && same(before, session)) return;
    this.#sessions.set(session.id, session);
    this.#changes.emit(session);
  }

  end(id: string, reason: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    const now = isoTime(this.#clock.now());
    const ended: Session = {
      ...session,
      state: 'ended',
      stateSince: now,
      endedAt: now,
      rung: 'none',
      rungNote: reason.slice(0, 300),
    };
    // It waits for nothing any more, and that is certain.
    delete ended.waiting;
    delete ended.stalledSince;
    if (ended.confidence !== undefined) ended.confidence = 'certain';
    this.#changes.emit(ended);
  }

  onChange(listener: (session: Session) => void): Unsubscribe {
    return this.#changes.subscribe(listener);
  }
}

function same(a: Session, b: Session): boolean {
  const fields = (session: Session) => JSON.stringify(Object.entries(session).sort(([x], [y]) => (x < y ? -1 : 1)));
  return fields(a) === fields(b);
}
