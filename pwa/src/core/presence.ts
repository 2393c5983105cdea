/**
 * Whether a person looks at this page now: it is shown, and somebody touched it not long ago. A page that was left open on a desk is not looked
 * at, and then the phone may ring. The hub is told by the stream whenever the answer changes.
 */
import type { Timers } from './stream.ts';

/** Reading takes time; longer than this nobody reads without moving anything, ms. */
export const ATTENTIVE = 3 * 60_000;

export interface PresenceDeps {
  readonly timers: Timers;
  readonly hidden: () => boolean;
  readonly changed: (looking: boolean) => void;
}

export class Presence {
  private readonly deps: PresenceDeps;
  private touchedAt: number;
  private timer: number | undefined;
  private last = false;

  constructor(deps: PresenceDeps) {
    this.deps = deps;
    // Opening the page is a touch.
    this.touchedAt = deps.timers.now();
    this.check();
  }

  looking(): boolean {
    return !this.deps.hidden() && this.deps.timers.now() - this.touchedAt < ATTENTIVE;
  }

  /** A finger, a key, the pointer, the window in front. */
  touched(): void {
    this.touchedAt = this.deps.timers.now();
    if (!this.last) this.check();
  }

  /** The page was shown or hidden; who brings it to the front looks at it. */
  visibilityChanged(): void {
    if (!this.deps.hidden()) this.touchedAt = this.deps.timers.now();
    this.check();
  }

  private check(): void {
    if (this.timer !== undefined) this.deps.timers.clear(this.timer);
    this.timer = undefined;
    const now = this.looking();
    if (now) {
      const left = this.touchedAt + ATTENTIVE - this.deps.timers.now();
      this.timer = this.deps.timers.set(() => this.check(), left);
    }
    if (now === this.last) return;
    this.last = now;
    this.deps.changed(now);
  }
}
