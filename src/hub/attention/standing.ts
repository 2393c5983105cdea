/**
 * The notices that stand: each is shown when it has stood for half a second, replaced when what is asked changes, and withdrawn when it is dealt with.
 *
 * Invariants: what is dealt with within that half second never shows; a replacement that is another thing rings again, however shortly it follows; the same thing told more
 * exactly does not; nothing is withdrawn that was not shown.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Notice } from '../services.ts';

/** What policy or the terminal answers within this never shows. */
export const DEBOUNCE_MS = 500;

interface Version {
  readonly notice: Notice;
  /** Which thing it is: the same notice may be told more exactly, or be about another thing. */
  readonly thing: string;
  readonly quietly: boolean;
}

interface Standing {
  newest: Version;
  shown: Version | undefined;
  timer: CancelTimer | undefined;
}

export interface Showing {
  readonly notice: Notice;
  readonly thing: string;
  /** Another thing was shown under this key before. */
  readonly again: boolean;
  /** Nobody is to be disturbed: it was told before, or is only told more exactly. */
  readonly quietly: boolean;
}

export class StandingNotices {
  readonly #clock: Clock;
  readonly #show: (showing: Showing) => void;
  readonly #withdraw: (key: string, how: string) => void;
  readonly #standing = new Map<string, Standing>();

  constructor(clock: Clock, show: (showing: Showing) => void, withdraw: (key: string, how: string) => void) {
    this.#clock = clock;
    this.#show = show;
    this.#withdraw = withdraw;
  }

  /** It asks for attention, now or still. */
  stand(notice: Notice, thing: string, quietly = false): void {
    const newest = { notice, thing, quietly };
    const known = this.#standing.get(notice.key);
    if (known !== undefined && isSame(known.newest, newest)) return;
    const standing = known ?? { newest, shown: undefined, timer: undefined };
    standing.newest = newest;
    this.#standing.set(notice.key, standing);
    standing.timer ??= this.#clock.after(DEBOUNCE_MS, () => this.#due(standing));
  }

  /** It stood before a restart: shown at once, and nobody is disturbed. */
  restore(notice: Notice, thing: string): void {
    const newest = { notice, thing, quietly: true };
    const standing: Standing = { newest, shown: undefined, timer: undefined };
    this.#standing.set(notice.key, standing);
    this.#due(standing);
  }

  /** It is dealt with. */
  over(key: string, how: string): void {
    const standing = this.#standing.get(key);
    if (standing === undefined) return;
    standing.timer?.();
    this.#standing.delete(key);
    if (standing.shown !== undefined) this.#withdraw(key, how);
  }

  /** Nothing of it was said; it will not be. */
  forget(key: string): void {
    this.#standing.get(key)?.timer?.();
    this.#standing.delete(key);
  }

  /** The one that is shown under this key. */
  shown(key: string): Notice | undefined {
    return this.#standing.get(key)?.shown?.notice;
  }

  allShown(): Notice[] {
    return [...this.#standing.values()].flatMap(({ shown }) => (shown === undefined ? [] : [shown.notice]));
  }

  stop(): void {
    for (const { timer } of this.#standing.values()) timer?.();
    this.#standing.clear();
  }

  #due(standing: Standing): void {
    const { newest, shown } = standing;
    standing.timer = undefined;
    if (shown !== undefined && isSame(shown, newest)) return;
    const same = shown?.thing === newest.thing;
    standing.shown = newest;
    this.#show({
      notice: newest.notice,
      thing: newest.thing,
      again: shown !== undefined && !same,
      quietly: newest.quietly || same,
    });
  }
}

function isSame(a: Version, b: Version): boolean {
  return (
    a.thing === b.thing &&
    a.notice.kind === b.notice.kind &&
    a.notice.title === b.notice.title &&
    a.notice.text === b.notice.text
  );
}
