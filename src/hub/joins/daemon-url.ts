/**
 * Where the hub lets itself be sent: a daemon's address must be on the tailnet, or on this machine for a request from this machine.
 * Otherwise an approved stranger could make the hub knock at any door of its network.
 */
import { isIP } from 'node:net';
import { IntercomError } from '../../protocol/errors.ts';

export interface DaemonUrlRules {
  /** The address that the request came from; words where it came through a proxy (http/caller-address.ts). */
  readonly ip: string;
  /** `hub.allow_any_daemon_url` */
  readonly allowAny: boolean;
}

/** The URL's origin, as the hub will use it. Throws `invalid_request` in words. */
export function checkedDaemonUrl(text: string, rules: DaemonUrlRules): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw refused('it must begin with http:// or https://');
  }
  if (url.username !== '' || url.password !== '') throw refused('it must not carry a password');
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') {
    throw refused('it must have no path, query or fragment');
  }
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isThisMachine(host)) {
    if (!isLoopback(plainIp(rules.ip)))
      throw refused('it is a loopback address, but the request did not come straight from this machine');
    return url.origin;
  }
  if (rules.allowAny || isTailnet(host)) return url.origin;
  throw refused('it is not an address of the tailnet (100.64.0.0/10, fd7a:115c:a1e0::/48, or a name of it)');
}

export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  );
}

/** Loopback, and what leads there by another name: the unspecified addresses, and IPv4 written as IPv6. */
function isThisMachine(host: string): boolean {
  if (isLoopback(host) || host === '::') return true;
  return isIP(host) === 4 ? host.startsWith('0.') : /^::(?:ffff:)?(?:7f[0-9a-f]{2}|0):/.test(host);
}

/** An IPv4 address that a dual-stack socket shows as IPv6, in its own form. */
export function plainIp(ip: string): string {
  return ip.toLowerCase().startsWith('::ffff:') && ip.includes('.') ? ip.slice(7) : ip;
}

function isTailnet(host: string): boolean {
  if (isIP(host) === 4) {
    const [first, second] = host.split('.').map(Number);
    return first === 100 && second !== undefined && second >= 64 && second <= 127;
  }
  if (isIP(host) === 6) return host.startsWith('fd7a:115c:a1e0:');
  // MagicDNS: the full name, or the machine's own name without a dot, which no stranger's DNS can give.
  return host.endsWith('.ts.net') || /^[a-z0-9-]{1,63}$/.test(host);
}

function refused(why: string): IntercomError {
  return new IntercomError('invalid_request', `The daemon's address cannot be used: ${why}.`, {
    field: 'daemonUrl',
    next: 'Run the daemon on its Tailscale address, or set hub.allow_any_daemon_url on the hub if its network is private by other means.',
  });
}
