/**
 * Tells new log entries as events, batched: per mission at once when it was quiet, then at most twice a second.
 *
 * Invariants: what was told is stored with the event, so nothing is told twice and a crash forgets nothing; an event carries at most
 * EVENT_ENTRIES, the newest: whoever sees a hole in the numbers reads the rest from the log; long details stay in the log.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { MissionLogEntry } from '../../protocol/mission.ts';
import type { EventAppender } from '../events.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { logEntries, missionById, setTold, untoldMissions } from '../store/missions.ts';

const PAUSE_MS = 500;
export const EVENT_ENTRIES = 50;
export const EVENT_DETAIL = 300;

export interface LogFeedParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  readonly log: Log;
}

export class LogFeed {
  readonly #parts: LogFeedParts;
  /** Missions that were told of just now, each with its timer; `again`: there is more by now. */
  readonly #resting = new Map<string, { again: boolean; readonly cancel: CancelTimer }>();
  readonly #work = new Set<Promise<void>>();
  #stopped = false;

  constructor(parts: LogFeedParts) {
    this.#parts = parts;
  }

  /** Tells what a crash left untold. */
  async start(): Promise<void> {
    for (const id of await this.#parts.store.read((db) => untoldMissions(db, 1_000))) this.grew(id);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { cancel } of this.#resting.values()) cancel();
    this.#resting.clear();
    await Promise.all(this.#work);
  }

  /** A mission has entries that were not told yet. */
  grew(id: string): void {
    if (this.#stopped) return;
    const resting = this.#resting.get(id);
    if (resting !== undefined) {
      resting.again = true;
      return;
    }
    const cancel = this.#parts.clock.after(PAUSE_MS, () => this.#rested(id));
    this.#resting.set(id, { again: false, cancel });
    const work = this.#tell(id).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  #rested(id: string): void {
    const again = this.#resting.get(id)?.again === true;
    this.#resting.delete(id);
    if (again) this.grew(id);
  }

  async #tell(id: string): Promise<void> {
    try {
      await this.#parts.store.write((transaction) => this.#append(transaction, id));
    } catch (error) {
      this.#parts.log.warn({ err: error, mission: id }, 'new log entries could not be told; they are in the log');
    }
  }

  async #append(transaction: HubTransaction, id: string): Promise<void> {
    const row = await missionById(transaction.db, id);
    if (row === undefined || row.told_seq >= row.log_seq) return;
    const after = Math.max(row.told_seq, row.log_seq - EVENT_ENTRIES);
    const entries = (await logEntries(transaction.db, id, after, EVENT_ENTRIES)).map(short);
    await setTold(transaction.db, id, row.log_seq);
    if (entries.length > 0) {
      await this.#parts.events.append(transaction, { type: 'mission.log', missionId: id, entries });
    }
  }
}

function short(entry: MissionLogEntry): MissionLogEntry {
  const { detail, ...rest } = entry;
  return detail === undefined || detail.length > EVENT_DETAIL ? rest : entry;
}
