/**
 * Where notices may be sent to. The address comes from a browser, so whoever is signed in could name any door of the hub's network.
 *
 * Invariants: unless the configuration allows it, only https, and only public addresses: those written as numbers are refused at once, names when they are looked up, in
 * the very look-up that the connection uses.
 */
import { lookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { PushSubscription } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { isLoopback } from '../joins/daemon-url.ts';

const PRIVATE = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  // Carriers' and Tailscale's.
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 127],
  // IPv4 in IPv6, by translation.
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
] as const) {
  PRIVATE.addSubnet(net, bits, 'ipv6');
}

export function isPrivate(ip: string): boolean {
  return PRIVATE.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}

/** Throws `invalid_request` in words. */
export function checkEndpoint(endpoint: string, allowPrivate: boolean): void {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw refused('it is no web address');
  if (url.username !== '' || url.password !== '') throw refused('it carries a password');
  if (allowPrivate) return;
  if (url.protocol !== 'https:') throw refused('it does not begin with https://');
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isLoopback(host) || (isIP(host) !== 0 && isPrivate(host))) throw refused('it is a private address');
}

/** Throws `invalid_request`: a message could never be encrypted for these. */
export function checkKeys({ p256dh, auth }: PushSubscription['keys']): void {
  const point = Buffer.from(p256dh, 'base64url');
  const isPoint = point.length === 65 && point[0] === 4;
  if (isPoint && Buffer.from(auth, 'base64url').length === 16) return;
  throw new IntercomError('invalid_request', 'The keys of the subscription are not what a browser gives.', {
    field: 'keys',
    next: 'Send what PushSubscription.toJSON() gives.',
  });
}

/** A look-up for connections that finds only public addresses. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    const open = error === null ? addresses.filter(({ address }) => !isPrivate(address)) : [];
    const [first] = open;
    if (first === undefined) callback(error ?? new Error(`${hostname} is at a private address`), '', 0);
    else if (options.all === true) callback(null, open);
    else callback(null, first.address, first.family);
  });
};

function refused(why: string): IntercomError {
  return new IntercomError('invalid_request', `Notices cannot be sent there: ${why}.`, {
    field: 'endpoint',
    next: 'Use the push service of the browser, or set push.allow_private on the hub for one of your own.',
  });
}
