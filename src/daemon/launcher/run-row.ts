/** The stored row of a live run: what the store says is what holds, and this is the newest that it said. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { MissionChange, MissionRow } from '../store/mission-rows.ts';
import type { Missions } from '../store/missions.ts';
import { pause } from './journal-queue.ts';

const STORE_RETRY_MS = 1_000;

export interface RunRowParts {
  readonly missions: Pick<Missions, 'change'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class RunRow {
  readonly #parts: RunRowParts;
  #row: MissionRow;
  #stopped = false;

  constructor(parts: RunRowParts, row: MissionRow) {
    this.#parts = parts;
    this.#row = row;
  }

  get now(): MissionRow {
    return this.#row;
  }

  /** Nothing is tried again any more. */
  stop(): void {
    this.#stopped = true;
  }

  async change(change: MissionChange): Promise<void> {
    const { id, run } = this.#row;
    const row = await this.#parts.missions.change(id, run, change);
    if (row !== undefined) this.#row = row;
  }

  /** Again and again while the store cannot be written: an end must not get lost. */
  async changeSurely(change: MissionChange): Promise<void> {
    for (;;) {
      try {
        await this.change(change);
        return;
      } catch (error) {
        if (this.#stopped) return;
        this.#parts.log.error(
          { err: error, mission: this.#row.id },
          'the end of a mission could not be stored; it is tried again',
        );
        await pause(this.#parts.clock, STORE_RETRY_MS);
      }
    }
  }
}
