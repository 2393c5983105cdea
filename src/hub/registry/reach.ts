/**
 * Whether the hub can reach the daemons of machines that are online: a machine whose heartbeat arrives and whose door is shut gets no mail,
 * and nobody would know why.
 *
 * Invariants: only machines that are online are knocked at, one knock each at a time; a door counts as shut after two knocks in a row; what is
 * shut is knocked at again and said to be open once it is; a machine that goes away takes its state with it.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { toIntercomError } from '../../protocol/errors.ts';

/** While the door is open, while it is not, and after the first knock that was not answered. */
const OPEN_MS = 60_000;
const SHUT_MS = 20_000;
const AGAIN_MS = 5_000;
/** After it was heard from: its listener may need a moment. */
const SOON_MS = 500;
const SHUT_AFTER = 2;

export interface ReachOptions {
  readonly clock: Clock;
  /** Asks the daemon whether it is there. Throws why not. */
  readonly knock: (machineId: string) => Promise<void>;
  /** The door was shut (with why), or is open again. */
  readonly onChange: (machineId: string, problem: string | undefined) => void;
}

interface Door {
  failures: number;
  problem: string | undefined;
  cancel: CancelTimer;
}

export class Reach {
  readonly #options: ReachOptions;
  readonly #doors = new Map<string, Door>();
  #stopped = false;

  constructor(options: ReachOptions) {
    this.#options = options;
  }

  /** The machine is online, perhaps at another address: looks soon. */
  online(machineId: string): void {
    const known = this.#doors.get(machineId);
    known?.cancel();
    const door = known ?? { failures: 0, problem: undefined, cancel: () => undefined };
    this.#doors.set(machineId, door);
    this.#after(machineId, door, SOON_MS);
  }

  /** The machine is away or out. */
  gone(machineId: string): void {
    const door = this.#doors.get(machineId);
    if (door === undefined) return;
    door.cancel();
    this.#doors.delete(machineId);
    if (door.problem !== undefined) this.#options.onChange(machineId, undefined);
  }

  /** Why the hub cannot reach it, if so. */
  problem(machineId: string): string | undefined {
    return this.#doors.get(machineId)?.problem;
  }

  stop(): void {
    this.#stopped = true;
    for (const door of this.#doors.values()) door.cancel();
  }

  #after(machineId: string, door: Door, ms: number): void {
    if (!this.#stopped) door.cancel = this.#options.clock.after(ms, () => void this.#knock(machineId, door));
  }

  async #knock(machineId: string, door: Door): Promise<void> {
    let problem: string | undefined;
    try {
      await this.#options.knock(machineId);
    } catch (error) {
      problem = toIntercomError(error).message;
    }
    // It went away meanwhile, or was heard from at another address: then that look counts.
    if (this.#stopped || this.#doors.get(machineId) !== door) return;
    door.failures = problem === undefined ? 0 : door.failures + 1;
    const shut = door.failures >= SHUT_AFTER ? (door.problem ?? problem) : undefined;
    if (shut !== door.problem && (shut !== undefined || problem === undefined)) {
      door.problem = shut;
      this.#options.onChange(machineId, shut);
    }
    door.cancel();
    this.#after(machineId, door, problem === undefined ? OPEN_MS : door.problem === undefined ? AGAIN_MS : SHUT_MS);
  }
}
