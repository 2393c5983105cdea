/** Changes of stored runs that have no live process of theirs: ended, or put back to where they wait. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Ending, MissionChange, MissionRow } from '../store/mission-rows.ts';
import type { Missions } from '../store/missions.ts';
import { pause } from './journal-queue.ts';

const STORE_RETRY_MS = 2_000;

export interface RowsParts {
  readonly missions: Pick<Missions, 'change'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Rows {
  readonly #parts: RowsParts;
  #stopped = false;

  constructor(parts: RowsParts) {
    this.#parts = parts;
  }

  /** Nothing is tried again any more. */
  stop(): void {
    this.#stopped = true;
  }

  /** Again and again while the store cannot be written. Undefined: it did not fit any more, or all stops. */
  async change(row: MissionRow, change: MissionChange): Promise<MissionRow | undefined> {
    for (;;) {
      try {
        return await this.#parts.missions.change(row.id, row.run, change);
      } catch (error) {
        if (this.#stopped) return undefined;
        this.#parts.log.error(
          { err: error, mission: row.id },
          'the state of a mission could not be stored; it is tried again',
        );
        await pause(this.#parts.clock, STORE_RETRY_MS);
      }
    }
  }

  async end(row: MissionRow, ending: Ending): Promise<void> {
    const { startedAt } = row.facts;
    const durationMs = startedAt === undefined ? 0 : Math.max(0, Math.round(this.#parts.clock.now() - startedAt));
    const result = { text: '', cut: false, isError: ending.state === 'failed', durationMs };
    const reason = ending.reason?.slice(0, 1000);
    await this.change(row, { to: ending.state, reason, over: true, stopDone: true, report: { result } });
  }

  /** It rests until it is resumed. */
  async pause(row: MissionRow, reason: string | undefined): Promise<MissionRow> {
    const change: MissionChange = { to: 'paused', reason, stopDone: true, facts: { position: undefined } };
    return (await this.change(row, change)) ?? row;
  }

  /** Back to where it waits for its turn. */
  async requeue(row: MissionRow): Promise<MissionRow> {
    const changed = await this.change(row, { to: 'queued', reason: 'The machine was restarted before it had begun' });
    // A start that never was is no state of its own: it is told as the queue that it goes back to.
    return { ...(changed ?? row), state: 'queued' };
  }

  /** Undefined: it was told already. */
  async tellPosition(row: MissionRow, position: number, machine: string): Promise<MissionRow | undefined> {
    if (row.facts.position === position) return undefined;
    const reason = `Waits for its turn on ${machine}: place ${position}`;
    return this.change(row, { to: 'queued', reason, facts: { position }, report: { position } });
  }
}
