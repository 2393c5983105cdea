/**
 * Which machines are online: those heard from within AWAY_AFTER_SECONDS.
 *
 * Invariants: measured by the monotonic clock, so a wall clock that is set changes nothing; a hub that slept itself (its clocks moved apart, or
 * its own tick came far too late) gives everybody the full time again before anybody is called away; a machine comes back by being heard.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { AWAY_AFTER_SECONDS } from '../../protocol/limits.ts';

const TICK_MS = 5_000;
const SLEPT_MS = 30_000;
const AWAY_MS = AWAY_AFTER_SECONDS * 1000;

export class Presence {
  readonly #clock: Clock;
  readonly #onAway: (machineId: string) => void;
  /** Online machines, with the monotonic time at which they were last heard. */
  readonly #heard = new Map<string, number>();
  #lastWall: number;
  #lastMonotonic: number;
  #cancel: CancelTimer | undefined;

  /** `onAway` is told of each machine that was not heard from for too long. */
  constructor(clock: Clock, onAway: (machineId: string) => void) {
    this.#clock = clock;
    this.#onAway = onAway;
    this.#lastWall = clock.now();
    this.#lastMonotonic = clock.monotonic();
  }

  start(): void {
    this.#lastWall = this.#clock.now();
    this.#lastMonotonic = this.#clock.monotonic();
    this.#cancel = this.#clock.every(TICK_MS, () => this.#tick());
  }

  stop(): void {
    this.#cancel?.();
  }

  /** Heard now, or `agoMs` ago. True: it was away until now. */
  heard(machineId: string, agoMs = 0): boolean {
    const wasAway = !this.#heard.has(machineId);
    this.#heard.set(machineId, this.#clock.monotonic() - agoMs);
    return wasAway;
  }

  /** It said goodbye or was put out. */
  gone(machineId: string): void {
    this.#heard.delete(machineId);
  }

  isOnline(machineId: string): boolean {
    return this.#heard.has(machineId);
  }

  #tick(): void {
    const wall = this.#clock.now();
    const monotonic = this.#clock.monotonic();
    const passed = monotonic - this.#lastMonotonic;
    const slept = wall - this.#lastWall - passed > SLEPT_MS || passed > TICK_MS + SLEPT_MS;
    this.#lastWall = wall;
    this.#lastMonotonic = monotonic;
    for (const [machineId, heard] of this.#heard) {
      if (slept) {
        this.#heard.set(machineId, monotonic);
      } else if (monotonic - heard > AWAY_MS) {
        this.#heard.delete(machineId);
        this.#onAway(machineId);
      }
    }
  }
}
