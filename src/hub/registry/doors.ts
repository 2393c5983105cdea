/**
 * Words from the hub to one daemon that are not messages: a new secret, and that its machine was put out.
 *
 * Invariants: a new secret leaves sealed with the old one; the old one is given up only after the daemon is known to have the new one.
 */
import { JsonClient, signing } from '../../platform/http/client.ts';
import { PingResponse } from '../../protocol/daemon-api.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { Ok } from '../../protocol/machine-api.ts';
import { sealRotation } from '../../protocol/sealing.ts';
import { HUB_SIGNER } from '../../protocol/signing.ts';

const TIMEOUT_MS = 5_000;

export interface DaemonAt {
  readonly machineId: string;
  readonly url: string;
  readonly secret: string;
}

/** Hands a daemon its next secret. When it returns, the daemon has it. Throws when it cannot be reached. */
export async function handOverSecret(daemon: DaemonAt, next: string, now: () => number): Promise<void> {
  try {
    await call(daemon, now, (client) =>
      client.call(
        { method: 'POST', path: '/api/hub/rotate', body: sealRotation(daemon.secret, next), timeoutMs: TIMEOUT_MS },
        Ok,
      ),
    );
    return;
  } catch (error) {
    if (!(error instanceof IntercomError) || error.code !== 'bad_signature') throw error;
  }
  // It does not know the old secret any more: an earlier hand-over arrived and only its answer was lost.
  const renewed = { ...daemon, secret: next };
  await call(renewed, now, (client) =>
    client.call({ method: 'GET', path: '/api/hub/ping', timeoutMs: TIMEOUT_MS }, PingResponse),
  );
}

/** Tells a daemon that its machine was put out. Throws when it cannot be reached; its next request tells it as well. */
export async function sayRevoked(daemon: DaemonAt, now: () => number): Promise<void> {
  await call(daemon, now, (client) =>
    client.call({ method: 'POST', path: '/api/hub/revoked', timeoutMs: TIMEOUT_MS }, Ok),
  );
}

/** Looks whether the daemon of this machine answers there. Throws why not, in words. */
export async function knockAt(daemon: DaemonAt, now: () => number): Promise<void> {
  const answer = await call(daemon, now, (client) =>
    client.call({ method: 'GET', path: '/api/hub/ping', timeoutMs: TIMEOUT_MS }, PingResponse),
  );
  if (answer.machineId === daemon.machineId) return;
  throw new IntercomError('unreachable', `The daemon of ${answer.machineId} answers there.`);
}

async function call<T>(daemon: DaemonAt, now: () => number, use: (client: JsonClient) => Promise<T>): Promise<T> {
  const client = new JsonClient({
    origin: daemon.url.replace(/\/+$/, ''),
    authorize: signing(HUB_SIGNER, () => daemon.secret, now),
    peer: `the daemon of ${daemon.machineId}`,
    unreachableNext: `Is intercom running on ${daemon.machineId}?`,
    connections: 1,
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
