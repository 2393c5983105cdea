/**
 * What a person should know about machines: away without a goodbye for some time, or online and not to be reached by the hub.
 *
 * Invariants: one notice per machine and trouble; a laptop that sleeps for a moment is none; whatever ends the trouble (it is back, it was put
 * out, it said goodbye) clears its notice, also one of an earlier run.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Notices } from '../services.ts';

/** So long a machine may be silent before it is said. */
export const AWAY_NOTICE_MS = 10 * 60_000;

/** What the registry tells. */
export interface MachineNews {
  /** Not heard from; `since` is the time of its last word. */
  away(machine: { readonly id: string; readonly name: string; readonly since: string }): void;
  /** Heard from, or out for good. */
  notAway(machineId: string): void;
  /** Online, and the hub cannot reach its daemon at this address. */
  shut(machine: { readonly id: string; readonly name: string; readonly url: string; readonly problem: string }): void;
  notShut(machineId: string): void;
}

export class MachineNotices implements MachineNews {
  readonly #notices: Pick<Notices, 'raise' | 'clear'>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<string, CancelTimer>();

  constructor(notices: Pick<Notices, 'raise' | 'clear'>, clock: Clock, log: Log) {
    this.#notices = notices;
    this.#clock = clock;
    this.#log = log;
  }

  away({ id, name, since }: Parameters<MachineNews['away']>[0]): void {
    this.#waiting.get(id)?.();
    const tell = (): void => {
      this.#waiting.delete(id);
      this.#do(
        this.#notices.raise({
          key: `machine.away.${id}`,
          level: 'warning',
          text: `The machine ${titled(id, name)} was last heard from at ${since}. Mail for it waits.`,
          next: `Wake it and look at \`intercom status\` there. Gone for good: \`intercom machines remove ${id}\`.`,
        }),
      );
    };
    const silent = this.#clock.now() - Date.parse(since);
    const left = Number.isNaN(silent) ? AWAY_NOTICE_MS : Math.max(0, AWAY_NOTICE_MS - silent);
    this.#waiting.set(id, this.#clock.after(left, tell));
  }

  notAway(machineId: string): void {
    this.#waiting.get(machineId)?.();
    this.#waiting.delete(machineId);
    this.#do(this.#notices.clear(`machine.away.${machineId}`));
  }

  shut({ id, name, url, problem }: Parameters<MachineNews['shut']>[0]): void {
    this.#do(
      this.#notices.raise({
        key: `machine.unreachable.${id}`,
        level: 'warning',
        text: `The machine ${titled(id, name)} is online, but unreachable from the hub at ${url}: ${problem} Mail for it waits.`,
        next: `On ${id}, let the hub in through the firewall and look where its daemon listens (hub.daemon_listen, hub.daemon_port); \`tailscale ping\` tells whether the way is open.`,
      }),
    );
  }

  notShut(machineId: string): void {
    this.#do(this.#notices.clear(`machine.unreachable.${machineId}`));
  }

  stop(): void {
    for (const cancel of this.#waiting.values()) cancel();
    this.#waiting.clear();
  }

  #do(done: Promise<void>): void {
    done.catch((error: unknown) => this.#log.warn({ err: error }, 'the notice of a machine could not be kept'));
  }
}

function titled(id: string, name: string): string {
  return name === id ? id : `${id} (${name})`;
}
