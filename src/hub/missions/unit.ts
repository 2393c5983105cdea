/**
 * One transaction over missions: every change is a compare-and-set with its event, moves go only along protocol/mission-life.ts, and what a
 * machine must be told lies in its outbox in the same transaction.
 *
 * Invariants: a move that the table does not know throws; the hub writes into a mission's log only while no machine has its run (from then on the
 * numbers are the machine's); a log never grows beyond its caps, and what was dropped is counted.
 */
import { isoTime } from '../../platform/clock.ts';
import { missionCanMove, missionIsOver } from '../../protocol/mission-life.ts';
import type { MissionLogEntry } from '../../protocol/mission.ts';
import { machineById } from '../store/machines.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import {
  bytesOf,
  deleteLogThrough,
  insertLogEntry,
  insertMission,
  oldestLogEntries,
  toMission,
  updateMission,
  type NewMission,
} from '../store/missions.ts';
import { insertOutbox } from '../store/outbox.ts';
import type { OutboxRow } from '../store/schema.ts';
import type { MissionAftermath, MissionParts } from './context.ts';

export const LOG_ENTRIES_MAX = 5_000;
export const LOG_BYTES_MAX = 4 * 1024 * 1024;
/** When a log is full, so much goes at once, so that not every further entry costs a deletion. */
const LOG_SLICE = 250;

export type MissionChange = Partial<Omit<MissionRow, 'seq' | 'id' | 'version' | 'state_since'>> & {
  /** When it happened, where a machine says so. */
  readonly at?: number;
};

export class MissionUnit {
  readonly transaction: HubTransaction;
  readonly now: number;
  readonly #parts: MissionParts;
  readonly #aftermath: MissionAftermath;

  constructor(parts: MissionParts, aftermath: MissionAftermath, transaction: HubTransaction) {
    this.#parts = parts;
    this.#aftermath = aftermath;
    this.transaction = transaction;
    this.now = parts.clock.now();
  }

  get db(): HubDb {
    return this.transaction.db;
  }

  /** Stores a new mission, with the first line of its log. */
  async add(mission: NewMission, label: string): Promise<MissionRow> {
    const row = await this.withEntry(await insertMission(this.db, mission), label);
    await this.#tell(row);
    return row;
  }

  /** Changes a mission; a new state only along the table of moves. */
  async change(row: MissionRow, change: MissionChange, label?: string): Promise<MissionRow> {
    const { at, ...fields } = change;
    const state = fields.state ?? row.state;
    const moves = state !== row.state;
    if (moves && !missionCanMove(row.state, state)) {
      throw new Error(`a mission cannot move from ${row.state} to ${state}`);
    }
    const when = Math.max(row.state_since, Math.min(at ?? this.now, this.now));
    let after: MissionRow = {
      ...row,
      ...fields,
      version: row.version + 1,
      state_since: moves ? when : row.state_since,
      ended_at: missionIsOver(state) ? (moves ? when : row.ended_at) : null,
    };
    if (label !== undefined) after = await this.withEntry(after, label, false);
    if (!(await updateMission(this.db, after, row.version))) throw new Error(`mission ${row.id} moved meanwhile`);
    await this.#tell(after);
    if (moves) await this.#parts.mail.missionMoved(this.transaction, after);
    return after;
  }

  /** Changes what is no part of its life (the log's numbers, the newest line): no event, nobody is woken but those who read the log. */
  async touch(row: MissionRow, fields: Partial<MissionRow>): Promise<MissionRow> {
    const after = { ...row, ...fields, version: row.version + 1 };
    if (!(await updateMission(this.db, after, row.version))) throw new Error(`mission ${row.id} moved meanwhile`);
    return after;
  }

  /** One line of the hub's own. `store`: the row itself is written too. */
  async withEntry(row: MissionRow, label: string, store = true): Promise<MissionRow> {
    if (row.placed_at !== null) return row;
    const entry: MissionLogEntry = {
      seq: row.log_seq + 1,
      run: row.run,
      at: isoTime(this.now),
      kind: 'state',
      label: label.slice(0, 300),
    };
    const fields = await this.append(row, [entry]);
    return store ? this.touch(row, fields) : { ...row, ...fields };
  }

  /** Stores entries whose numbers follow the log's last one. Gives the columns that change with it. */
  async append(row: MissionRow, entries: readonly MissionLogEntry[]): Promise<Partial<MissionRow>> {
    const last = entries.at(-1);
    if (last === undefined) return {};
    for (const entry of entries) await insertLogEntry(this.db, row.id, entry);
    const grown = {
      log_seq: last.seq,
      log_count: row.log_count + entries.length,
      log_bytes: row.log_bytes + entries.reduce((sum, entry) => sum + bytesOf(entry), 0),
    };
    this.transaction.afterCommit(() => this.#aftermath.logGrew(row.id));
    return { ...grown, ...(await this.#trim(row.id, grown)) };
  }

  /** Puts something into a machine's outbox, if the machine still belongs to the mesh. */
  async send(machineId: string, item: OutboxRow['item'], id: string, reason: string): Promise<void> {
    if (this.#parts.directory.standing(machineId) !== 'member') return;
    await insertOutbox(this.db, { machine_id: machineId, item, message_id: id, reason });
    this.transaction.afterCommit(() => this.#parts.mail.kick(machineId));
  }

  /** It may start: the next run waits for its machine. */
  async enqueue(row: MissionRow, change: MissionChange, label: string): Promise<MissionRow> {
    const fresh = {
      run: row.run + 1,
      report_number: 0,
      place: 'hub',
      placed_at: null,
      position: null,
      reset_at: null,
      result: null,
      reason: (await this.awayReason(row.machine_id)) ?? null,
    };
    const queued =
      row.state === 'queued'
        ? await this.change(row, { ...fresh, ...change }, label)
        : await this.change(row, { ...fresh, ...change, state: 'queued' }, label);
    await this.send(queued.machine_id, 'mission', queued.id, String(queued.run));
    return queued;
  }

  /** Why nothing happens on that machine now, if so. */
  async awayReason(machineId: string): Promise<string | undefined> {
    if (!this.#parts.directory.isAway(machineId)) return undefined;
    const machine = await machineById(this.db, machineId);
    const since = machine?.last_seen === null || machine === undefined ? '' : ` since ${isoTime(machine.last_seen)}`;
    return `${machineId} is away${since}; it starts as soon as that machine is back`;
  }

  async #tell(row: MissionRow): Promise<void> {
    await this.#parts.events.append(this.transaction, { type: 'mission.changed', mission: toMission(row) });
    this.transaction.afterCommit(() => this.#aftermath.moved.tell(row.id, true));
  }

  async #trim(id: string, size: { log_count: number; log_bytes: number }): Promise<Partial<MissionRow>> {
    let { log_count: count, log_bytes: bytes } = size;
    while (count > LOG_ENTRIES_MAX || bytes > LOG_BYTES_MAX) {
      const oldest = await oldestLogEntries(this.db, id, LOG_SLICE);
      const last = oldest.at(-1);
      // The newest entries stay, whatever they weigh.
      if (last === undefined || oldest.length < LOG_SLICE) break;
      await deleteLogThrough(this.db, id, last.seq);
      count -= oldest.length;
      bytes -= oldest.reduce((sum, entry) => sum + entry.bytes, 0);
    }
    return { log_count: count, log_bytes: bytes };
  }
}
