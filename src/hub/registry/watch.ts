/**
 * Watches over machines: which are heard from (presence), which the hub can reach (reach), and tells what changed, to the registry and to people.
 *
 * Invariants: a goodbye or a revocation is no trouble and is told to nobody; what is told belongs to the row as the hub has it in memory.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import { AWAY_AFTER_SECONDS } from '../../protocol/limits.ts';
import type { MachineNews } from '../notices/machine-notices.ts';
import type { MachineRow } from '../store/schema.ts';
import { knockAt } from './doors.ts';
import { Presence } from './presence.ts';
import { Reach } from './reach.ts';

export interface WatchParts {
  readonly clock: Clock;
  readonly rowOf: (machineId: string) => MachineRow | undefined;
  readonly news: MachineNews | undefined;
  /** The machine is shown otherwise now: it is away, or its door is shut, or open again. */
  readonly onChange: (machineId: string) => void;
}

export class MachineWatch {
  readonly #parts: WatchParts;
  readonly #presence: Presence;
  readonly #reach: Reach;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#presence = new Presence(parts.clock, (machineId) => this.#lost(machineId));
    this.#reach = new Reach({
      clock: parts.clock,
      knock: (machineId) => this.#knock(machineId),
      onChange: (machineId, problem) => this.#reached(machineId, problem),
    });
  }

  /** Machines heard from just before the hub stopped keep their time; the silence of the others goes on. */
  start(rows: Iterable<MachineRow>): void {
    const now = this.#parts.clock.now();
    for (const row of rows) {
      if (row.left_at !== null || row.revoked_at !== null || row.last_seen === null) continue;
      const ago = now - row.last_seen;
      if (ago >= 0 && ago < AWAY_AFTER_SECONDS * 1000) {
        this.#presence.heard(row.id, ago);
        this.#reach.online(row.id);
      } else {
        this.#tellAway(row);
      }
    }
    this.#presence.start();
  }

  stop(): void {
    this.#presence.stop();
    this.#reach.stop();
  }

  isOnline(machineId: string): boolean {
    return this.#presence.isOnline(machineId);
  }

  /** Why the hub cannot reach it although it is online, if so. */
  problem(machineId: string): string | undefined {
    return this.#reach.problem(machineId);
  }

  /** It was heard from, in a transaction. True: it was away until now; then `back` follows once that is stored. */
  heard(machineId: string): boolean {
    return this.#presence.heard(machineId);
  }

  /** It is there again, perhaps at another address. */
  back(machineId: string): void {
    this.#parts.news?.notAway(machineId);
    this.#reach.online(machineId);
  }

  /** It said goodbye or was put out. */
  out(machineId: string): void {
    this.#presence.gone(machineId);
    this.#reach.gone(machineId);
    this.#parts.news?.notAway(machineId);
  }

  #lost(machineId: string): void {
    const row = this.#parts.rowOf(machineId);
    this.#reach.gone(machineId);
    if (row !== undefined) this.#tellAway(row);
    this.#parts.onChange(machineId);
  }

  #tellAway(row: MachineRow): void {
    if (row.last_seen === null) return;
    this.#parts.news?.away({ id: row.id, name: row.display_name, since: isoTime(row.last_seen) });
  }

  async #knock(machineId: string): Promise<void> {
    const { clock, rowOf } = this.#parts;
    const row = rowOf(machineId);
    if (row === undefined || row.revoked_at !== null) return;
    await knockAt({ machineId, url: row.daemon_url, secret: row.secret }, () => clock.now());
  }

  #reached(machineId: string, problem: string | undefined): void {
    const { news, rowOf, onChange } = this.#parts;
    const row = rowOf(machineId);
    if (problem === undefined || row === undefined) news?.notShut(machineId);
    else news?.shut({ id: machineId, name: row.display_name, url: row.daemon_url, problem });
    onChange(machineId);
  }
}
