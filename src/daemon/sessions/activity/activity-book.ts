/**
 * The activity of every session of this machine: takes in what adapters, hooks and screens see, and says what a session does now.
 *
 * Invariants: who tells of its own session publishes it itself; `onChange` is only for what comes from elsewhere (a screen, time, the stall watch); one timer per session at
 * most, and none where time alone changes nothing; a session that is forgotten leaves nothing behind.
 */
import { Emitter } from '../../../platform/emitter.ts';
import { isoTime } from '../../../platform/clock.ts';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import type { Log } from '../../../platform/log.ts';
import type { Session } from '../../../protocol/model.ts';
import type { ScreenState } from '../../../protocol/runner-api.ts';
import type { Unsubscribe } from '../../ports.ts';
import { look, notAfter, observe, same, sameWait, unseen } from './activity.ts';
import type { Activity } from './known.ts';
import type { Observation } from './observations.ts';
import { saysTheSame, screenSeen } from './screen-word.ts';
import { nextLook } from './verdict.ts';

/** What the book of sessions says about a session's activity. */
export type ActivityFields = Pick<
  Session,
  'state' | 'waiting' | 'stateSince' | 'stateSource' | 'confidence' | 'stalledSince'
>;

/** More than a machine runs. */
const SESSIONS_MAX = 5000;

interface Entry {
  activity: Activity;
  screen: ScreenState | undefined;
  stalledSince: number | undefined;
  cancel: CancelTimer;
}

export class ActivityBook {
  readonly #clock: Clock;
  readonly #entries = new Map<string, Entry>();
  readonly #changes: Emitter<string>;
  readonly #signs: Emitter<string>;
  #latest = -Infinity;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#clock = clock;
    const onError = (err: unknown) => log.error({ err }, 'a listener for activity failed');
    this.#changes = new Emitter(onError);
    this.#signs = new Emitter(onError);
  }

  /** A session changed by something that its own adapter did not tell. */
  onChange(listener: (session: string) => void): Unsubscribe {
    return this.#changes.subscribe(listener);
  }

  /** Something was heard of a session. */
  onSign(listener: (session: string) => void): Unsubscribe {
    return this.#signs.subscribe(listener);
  }

  /** Its adapter knows of it. `tellsTools`: its events tell when a tool begins. */
  meet(session: string, tellsTools: boolean): void {
    const entry = this.#entry(session);
    if (tellsTools && !entry.activity.tellsTools) entry.activity = { ...entry.activity, tellsTools };
  }

  /** What an adapter, a hook or a stream tells. Whoever tells it publishes the session. */
  tell(session: string, ...seen: readonly Observation[]): void {
    const now = this.#time();
    const entry = this.#entry(session);
    const before = entry.activity;
    for (const one of seen) entry.activity = observe(entry.activity, one, now);
    if (entry.activity === before) return;
    this.#sign(session, entry);
    this.#wait(session, entry);
  }

  /** What its terminal shows. */
  see(session: string, screen: ScreenState): void {
    const at = this.#time();
    const entry = this.#entry(session);
    const before = entry.screen;
    entry.screen = screen;
    if (before !== undefined && saysTheSame(before, screen)) return;
    const { now, screen: shown } = entry.activity;
    const seen = screenSeen(screen, at);
    this.#sign(session, entry);
    // Typing into the box changes the screen, and not since when its prompt is free.
    const isNews = shown?.shows !== seen.shows || !sameWait(shown.wait, seen.wait);
    if (isNews) entry.activity = observe(entry.activity, seen, at);
    this.#wait(session, entry);
    if (!same(now, entry.activity.now)) this.#changes.emit(session);
  }

  /** A sign of life that says nothing about the state. */
  heard(session: string): void {
    const entry = this.#entries.get(session);
    if (entry !== undefined && this.#sign(session, entry)) this.#changes.emit(session);
  }

  /** Nothing was heard of it since then, although it is said to work. */
  stalled(session: string, since: number): void {
    const entry = this.#entries.get(session);
    if (entry === undefined || entry.stalledSince !== undefined) return;
    entry.stalledSince = since;
    this.#changes.emit(session);
  }

  fields(session: string): ActivityFields {
    const { activity, stalledSince } = this.#entry(session);
    const { state, since, source, confidence, waiting } = activity.now;
    return {
      state,
      ...(waiting === undefined ? {} : { waiting }),
      stateSince: isoTime(since),
      stateSource: source,
      confidence: stalledSince === undefined ? confidence : 'guess',
      ...(stalledSince === undefined ? {} : { stalledSince: isoTime(stalledSince) }),
    };
  }

  /** It works, and only behind its prompt: that may be silent for as long as it likes. */
  isInBackground(session: string): boolean {
    const activity = this.#entries.get(session)?.activity;
    if (activity === undefined) return false;
    const { word, record } = activity;
    const newest = (word?.at ?? 0) >= (record?.at ?? 0) ? word?.says : record?.says;
    return newest === 'background';
  }

  /** The same activity goes on under another id; what is known of that one already stays. */
  rename(before: string, session: string): void {
    const entry = this.#entries.get(before);
    this.forget(before);
    if (entry === undefined || this.#entries.has(session)) return;
    this.#entries.set(session, entry);
    this.#wait(session, entry);
  }

  forget(session: string): void {
    this.#entries.get(session)?.cancel();
    this.#entries.delete(session);
  }

  stop(): void {
    for (const session of [...this.#entries.keys()]) this.forget(session);
  }

  /** Now. A wall clock that was set back must not make everything that comes look old. */
  #time(): number {
    const now = this.#clock.now();
    if (now < this.#latest) for (const entry of this.#entries.values()) entry.activity = notAfter(entry.activity, now);
    this.#latest = now;
    return now;
  }

  #entry(session: string): Entry {
    const known = this.#entries.get(session);
    if (known !== undefined) return known;
    const entry: Entry = {
      activity: unseen(this.#clock.now()),
      screen: undefined,
      stalledSince: undefined,
      cancel: () => undefined,
    };
    this.#entries.set(session, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > SESSIONS_MAX && oldest !== undefined) this.forget(oldest);
    this.#wait(session, entry);
    return entry;
  }

  /** True: it was thought to be stalled. */
  #sign(session: string, entry: Entry): boolean {
    const wasStalled = entry.stalledSince !== undefined;
    entry.stalledSince = undefined;
    this.#signs.emit(session);
    return wasStalled;
  }

  #wait(session: string, entry: Entry): void {
    entry.cancel();
    const now = this.#clock.now();
    const at = nextLook(entry.activity, now);
    if (at === undefined) return;
    entry.cancel = this.#clock.after(Math.min(at - now, LONGEST_TIMER_MS), () => {
      const before = entry.activity.now;
      entry.activity = look(entry.activity, this.#clock.now());
      this.#wait(session, entry);
      if (!same(before, entry.activity.now)) this.#changes.emit(session);
    });
  }
}

/** A timer of Node holds 2^31 ms; a limit can end later. */
const LONGEST_TIMER_MS = 24 * 3600 * 1000;
