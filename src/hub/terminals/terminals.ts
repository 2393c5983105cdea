/**
 * The terminals of sessions on machines: one look at them, and where a watcher's stream is opened.
 *
 * Invariants: only members of the mesh are asked, each with its own secret; the daemon has the last word about its sessions; every refusal says
 * what is away or unknown.
 */
import type { Clock } from '../../platform/clock.ts';
import { JsonClient, signing } from '../../platform/http/client.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { Inspection } from '../../protocol/mission.ts';
import { HUB_SIGNER } from '../../protocol/signing.ts';
import type { MachineDirectory } from '../messaging/context.ts';
import type { DaemonDoor, DoorOf } from '../messaging/dispatch.ts';
import type { Terminals } from '../services.ts';
import type { HubStore } from '../store/hub-store.ts';
import { sessionById } from '../store/machines.ts';

const TIMEOUT_MS = 8_000;
const LINES = 60;

export interface TerminalParts {
  readonly store: HubStore;
  readonly directory: MachineDirectory;
  readonly doorOf: DoorOf;
  readonly clock: Clock;
}

export class HubTerminals implements Terminals {
  readonly #parts: TerminalParts;

  constructor(parts: TerminalParts) {
    this.#parts = parts;
  }

  async inspect(machineId: string, session: string): Promise<Inspection> {
    const door = await this.#door(machineId, session);
    const client = new JsonClient({
      origin: origin(door),
      authorize: signing(
        HUB_SIGNER,
        () => door.secret(),
        () => this.#parts.clock.now(),
      ),
      peer: `the daemon of ${machineId}`,
      unreachableNext: `Is intercom running on ${machineId}?`,
      connections: 1,
    });
    try {
      const body = { session, lines: LINES };
      return await client.call({ method: 'POST', path: '/api/hub/inspect', body, timeoutMs: TIMEOUT_MS }, Inspection);
    } finally {
      await client.close();
    }
  }

  async door(
    machineId: string,
    session: string,
    as: { readonly operator: string; readonly write: boolean },
  ): Promise<{ url: string; headers: Record<string, string> }> {
    const door = await this.#door(machineId, session);
    const query = `as=${encodeURIComponent(as.operator)}${as.write ? '&write=1' : ''}`;
    const path = `/api/hub/terminals/${encodeURIComponent(session)}?${query}`;
    const sign = signing(
      HUB_SIGNER,
      () => door.secret(),
      () => this.#parts.clock.now(),
    );
    const headers = sign({ method: 'GET', path, body: new Uint8Array() });
    return { url: `${origin(door).replace(/^http/, 'ws')}${path}`, headers };
  }

  async #door(machineId: string, session: string): Promise<DaemonDoor> {
    const { store, directory, doorOf } = this.#parts;
    const door = directory.standing(machineId) === 'member' ? doorOf(machineId) : undefined;
    if (door === undefined) {
      throw new IntercomError('unknown_machine', `There is no machine "${machineId.slice(0, 64)}" in this mesh.`, {
        next: '`intercom machines` lists them.',
      });
    }
    const known = await store.read((db) => sessionById(db, machineId, session));
    if (known === undefined || known.state === 'ended') {
      const why = known === undefined ? 'is not known' : 'has ended';
      throw new IntercomError('unknown_session', `The session ${session.slice(0, 64)} on ${machineId} ${why}.`, {
        next: '`intercom sessions` lists those that run.',
      });
    }
    if (directory.isAway(machineId)) {
      throw new IntercomError('machine_away', `${machineId} is away, so nobody can look at its sessions now.`, {
        next: 'Try again when it is back; `intercom machines` shows it.',
      });
    }
    return door;
  }
}

function origin(door: DaemonDoor): string {
  return door.url.replace(/\/+$/, '');
}
