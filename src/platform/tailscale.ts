/**
 * What Tailscale says about this machine and its network, by `tailscale status --json`. Bounded in time and size; a machine without
 * Tailscale is a normal machine and gets an empty answer with the reason.
 */
import { execa } from 'execa';
import { isIP } from 'node:net';
import { z } from 'zod';

export interface TailnetPeer {
  readonly name: string;
  /** IPv4 addresses first. */
  readonly ips: readonly string[];
  readonly online: boolean;
}

export interface Tailnet {
  /** running · stopped (installed, but not up) · absent (not installed) · unknown (no usable answer). */
  readonly state: 'running' | 'stopped' | 'absent' | 'unknown';
  readonly self: TailnetPeer | undefined;
  readonly peers: readonly TailnetPeer[];
}

const TIME_MS = 5_000;
const OUTPUT_MAX = 16 * 1024 * 1024;
const PEERS_MAX = 1_000;

const Peer = z.object({
  HostName: z.string().catch(''),
  TailscaleIPs: z.array(z.string()).nullish().catch(undefined),
  Online: z.boolean().optional().catch(undefined),
});
const Status = z.object({
  BackendState: z.string().catch(''),
  Self: Peer.nullish().catch(undefined),
  Peer: z.record(z.string(), Peer).nullish().catch(undefined),
});

/** `command` runs the program and gives its standard output; a parameter for tests. */
export async function tailnet(command: () => Promise<string> = tailscaleStatus): Promise<Tailnet> {
  let text: string;
  try {
    text = await command();
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return { state: missing ? 'absent' : 'unknown', self: undefined, peers: [] };
  }
  const status = Status.safeParse(parseQuietly(text));
  if (!status.success) return { state: 'unknown', self: undefined, peers: [] };
  const { BackendState, Self, Peer: others } = status.data;
  const running = BackendState === 'Running';
  const peers = Object.values(others ?? {}).slice(0, PEERS_MAX);
  return {
    state: running ? 'running' : 'stopped',
    self: running && Self !== null && Self !== undefined ? peerOf(Self) : undefined,
    peers: running ? peers.map(peerOf).filter((peer) => peer.ips.length > 0) : [],
  };
}

/** This machine's own address on the tailnet: the configured one, else what Tailscale says. */
export async function tailscaleIp(configured: string | undefined): Promise<string | undefined> {
  return configured ?? (await tailnet()).self?.ips[0];
}

async function tailscaleStatus(): Promise<string> {
  const { stdout } = await execa('tailscale', ['status', '--json'], {
    timeout: TIME_MS,
    maxBuffer: OUTPUT_MAX,
    stdin: 'ignore',
  });
  return stdout;
}

function peerOf(peer: z.infer<typeof Peer>): TailnetPeer {
  const ips = (peer.TailscaleIPs ?? []).filter((ip) => isIP(ip) !== 0).sort((a, b) => isIP(a) - isIP(b));
  return { name: peer.HostName, ips: ips.slice(0, 4), online: peer.Online !== false };
}

function parseQuietly(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
