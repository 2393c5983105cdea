/** Finds the hub: asks every machine of the tailnet, all at once, whether it is one. Nothing is trusted that they say; the code is compared later. */
import { IntercomError } from '../../protocol/errors.ts';
import { DiscoverResponse } from '../../protocol/machine-api.ts';
import { JsonClient } from '../../platform/http/client.ts';
import type { Tailnet } from '../../platform/tailscale.ts';

export interface FoundHub {
  readonly url: string;
  readonly name: string;
  readonly version: string;
}

/** Asks one address; undefined: no hub there. */
export type Probe = (url: string) => Promise<FoundHub | undefined>;

const PROBE_MS = 2_000;

/** The hubs on these machines, in a fixed order. */
export async function discoverHubs(net: Tailnet, port: number, probe: Probe = probeHub): Promise<FoundHub[]> {
  const machines = [...(net.self === undefined ? [] : [net.self]), ...net.peers.filter((peer) => peer.online)];
  const urls = machines.flatMap((machine) =>
    machine.ips.slice(0, 1).map((ip) => `http://${ip.includes(':') ? `[${ip}]` : ip}:${port}`),
  );
  const found = await Promise.all([...new Set(urls)].map((url) => probe(url)));
  return found.filter((hub) => hub !== undefined);
}

export async function probeHub(url: string): Promise<FoundHub | undefined> {
  const client = new JsonClient({ origin: url, peer: url, unreachableNext: '', connections: 1 });
  try {
    const answer = await client.call({ method: 'GET', path: '/api/discover', timeoutMs: PROBE_MS }, DiscoverResponse);
    return answer.hub ? { url, name: answer.name, version: answer.version } : undefined;
  } catch {
    return undefined;
  } finally {
    await client.close();
  }
}

/** The one hub, or an error that says what to do. */
export function onlyHub(hubs: readonly FoundHub[], net: Tailnet): FoundHub {
  const [hub, second] = hubs;
  if (hub === undefined) {
    const why = {
      running: 'No machine of the tailnet answered as a hub.',
      stopped: 'Tailscale is not connected on this machine, so the hub cannot be looked for.',
      absent: 'Tailscale is not installed on this machine, so the hub cannot be looked for.',
      unknown: 'Tailscale gave no usable answer, so the hub cannot be looked for.',
    }[net.state];
    throw new IntercomError('unreachable', why, {
      next: 'Start the hub, or give its address: `intercom join http://100.64.0.1:7700`.',
    });
  }
  if (second !== undefined) {
    throw new IntercomError(
      'ambiguous',
      `Several hubs were found: ${hubs
        .map((one) => `${one.name} (${one.url})`)
        .join(', ')
        .slice(0, 500)}.`,
      {
        next: `Name the one you mean: \`intercom join ${hub.url}\`.`,
      },
    );
  }
  return hub;
}
