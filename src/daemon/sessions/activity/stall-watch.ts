/**
 * Finds sessions that are said to work and of which nothing is heard: looks first, then says since when.
 *
 * Invariants: one timer for all; no file and no process is looked at before a session was silent for its whole time; time is counted in ticks of which each counts at most
 * twice, so that a machine that slept, or whose clock was set, makes nobody stall; the next sign takes it back.
 */
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import type { Log } from '../../../platform/log.ts';
import type { Session } from '../../../protocol/model.ts';
import type { SessionBook, Unsubscribe } from '../../ports.ts';
import type { ActivityBook } from './activity-book.ts';

export const STALL_MS = 5 * 60_000;
export const TICK_MS = 15_000;
/** What its tools must use of one processor between two looks to count as work. */
const BUSY_SHARE = 0.05;

export interface StallWatchOptions {
  readonly book: SessionBook;
  readonly activities: ActivityBook;
  /** When the session's record grew last, milliseconds since 1970. */
  readonly grewAt: (session: Session) => Promise<number | undefined>;
  /** Processor seconds that the process's children have used so far; undefined: it cannot be known. */
  readonly workOf: (pid: number) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Log;
}

interface Silence {
  /** The last sign, by the count of awake time and by the wall clock. */
  awake: number;
  wall: number;
  /** What its children had used when it was looked at last. */
  work: number | undefined;
  stalled: boolean;
}

export class StallWatch {
  readonly #options: StallWatchOptions;
  readonly #silent = new Map<string, Silence>();
  readonly #unsubscribe: Unsubscribe[];
  readonly #cancel: CancelTimer;
  /** Milliseconds in which this machine was awake, since the start. */
  #awake = 0;
  #tickAt: number;
  #looking = false;

  constructor(options: StallWatchOptions) {
    const { activities, book, clock } = options;
    this.#options = options;
    this.#tickAt = clock.monotonic();
    this.#unsubscribe = [
      activities.onSign((session) => this.#sign(session)),
      book.onChange(({ id, state }) => state === 'ended' && this.#silent.delete(id)),
    ];
    this.#cancel = clock.every(TICK_MS, () => void this.tick());
  }

  stop(): void {
    this.#cancel();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Resolves when everybody who was silent too long was looked at. Never rejects. */
  async tick(): Promise<void> {
    const now = this.#options.clock.monotonic();
    this.#awake += Math.min(now - this.#tickAt, 2 * TICK_MS);
    this.#tickAt = now;
    if (this.#looking) return;
    this.#looking = true;
    for (const session of this.#options.book.list()) {
      const silence = this.#suspected(session);
      if (silence === undefined) continue;
      try {
        await this.#look(session, silence);
      } catch (err) {
        this.#options.log.debug({ err, session: session.id }, 'a silent session could not be looked at');
      }
    }
    this.#looking = false;
  }

  #sign(session: string): void {
    const wall = this.#options.clock.now();
    this.#silent.set(session, { awake: this.#awake, wall, work: undefined, stalled: false });
  }

  #suspected(session: Session): Silence | undefined {
    const { id, state } = session;
    const isBusy = state === 'working' || state === 'thinking';
    // What goes on behind its prompt (a server that it started) may be silent for ever.
    if (!isBusy || this.#options.activities.isInBackground(id)) {
      this.#silent.delete(id);
      return undefined;
    }
    if (!this.#silent.has(id)) this.#sign(id);
    const silence = this.#silent.get(id);
    return silence !== undefined && this.#awake - silence.awake >= STALL_MS ? silence : undefined;
  }

  async #look(session: Session, silence: Silence): Promise<void> {
    const { activities, clock, grewAt, workOf } = this.#options;
    const grew = await grewAt(session);
    const workBefore = silence.work;
    const work = session.pid === undefined ? undefined : await workOf(session.pid);
    // Something was heard while we looked.
    if (this.#silent.get(session.id) !== silence) return;
    silence.work = work;
    const isWriting = grew !== undefined && grew > silence.wall && grew <= clock.now();
    const used = work === undefined || workBefore === undefined ? undefined : work - workBefore;
    if (isWriting || (used !== undefined && used >= (BUSY_SHARE * TICK_MS) / 1000)) {
      activities.heard(session.id);
      const heard = this.#silent.get(session.id);
      // It was silent until then, not until now.
      if (isWriting && heard !== undefined) heard.wall = grew;
      return;
    }
    // What its tools use shows only at the second look.
    if (silence.stalled || (work !== undefined && workBefore === undefined)) return;
    silence.stalled = true;
    activities.stalled(session.id, silence.wall);
  }
}
