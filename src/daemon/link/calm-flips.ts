/**
 * Keeps a session that goes to and fro between working and thinking from flooding the hub: such a flip is told at most once in a while, and the last one always.
 * Everything else (waiting, idle, ended, a new name or way in) goes out at once.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Session } from '../../protocol/model.ts';

/** Between two flips of one session. */
export const FLIP_MS = 2000;

interface Told {
  session: Session;
  at: number;
  cancel: CancelTimer;
}

export class CalmFlips {
  readonly #clock: Clock;
  readonly #tell: (session: Session) => void;
  readonly #told = new Map<string, Told>();

  constructor(clock: Clock, tell: (session: Session) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** A session changed. */
  put(session: Session): void {
    const told = this.#told.get(session.id);
    told?.cancel();
    const now = this.#clock.monotonic();
    const early = told === undefined ? 0 : FLIP_MS - (now - told.at);
    if (told !== undefined && early > 0 && isFlip(told.session, session)) {
      told.cancel = this.#clock.after(early, () => this.#out(session));
      return;
    }
    this.#out(session);
  }

  stop(): void {
    for (const { cancel } of this.#told.values()) cancel();
    this.#told.clear();
  }

  #out(session: Session): void {
    if (session.state === 'ended') this.#told.delete(session.id);
    else this.#told.set(session.id, { session, at: this.#clock.monotonic(), cancel: () => undefined });
    this.#tell(session);
  }
}

function isFlip(before: Session, after: Session): boolean {
  return isBusy(before) && isBusy(after) && rest(before) === rest(after);
}

function isBusy({ state }: Session): boolean {
  return state === 'working' || state === 'thinking';
}

/** What is not about how it is busy. */
function rest(session: Session): string {
  const busy = new Set(['state', 'stateSince', 'stateSource', 'confidence']);
  const fields = Object.entries(session).filter(([name]) => !busy.has(name));
  return JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
}
