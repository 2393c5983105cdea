/**
 * Where a server listens. `auto` is loopback and, if the machine has one, its Tailscale address; every interface only when the
 * configuration says so in words (`0.0.0.0` or `::`).
 */
import { isIP } from 'node:net';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** True for `auto`, an IP address or `localhost`, each with or without a port. */
export function isListenEntry(text: string): boolean {
  if (text === 'auto') return true;
  const parsed = splitEntry(text);
  return parsed !== undefined;
}

/**
 * The addresses of a `listen` setting. `port` holds for entries that name none; `tailscaleIp` is the machine's own, if known.
 * Every address appears once.
 */
export function listenAddresses(
  entries: readonly string[],
  port: number,
  tailscaleIp: string | undefined,
): ListenAddress[] {
  const found = new Map<string, ListenAddress>();
  const add = (host: string, at: number): void => {
    found.set(`${host} ${at}`, { host, port: at });
  };
  for (const entry of entries) {
    if (entry === 'auto') {
      add('127.0.0.1', port);
      if (tailscaleIp !== undefined) add(tailscaleIp, port);
      continue;
    }
    const parsed = splitEntry(entry);
    if (parsed !== undefined) add(parsed.host, parsed.port ?? port);
  }
  return [...found.values()];
}

function splitEntry(text: string): { host: string; port: number | undefined } | undefined {
  const bracketed = /^\[([^\]]+)\](?::([0-9]{1,5}))?$/.exec(text);
  const plain = /^([^:\s]+)(?::([0-9]{1,5}))?$/.exec(text);
  const host = isIP(text) === 6 ? text : (bracketed?.[1] ?? plain?.[1]);
  if (host === undefined) return undefined;
  const name = host === 'localhost' ? '127.0.0.1' : host;
  if (isIP(name) === 0) return undefined;
  const given = isIP(text) === 6 ? undefined : (bracketed?.[2] ?? plain?.[2]);
  if (given === undefined) return { host: name, port: undefined };
  const port = Number(given);
  return port >= 1 && port <= 65_535 ? { host: name, port } : undefined;
}
