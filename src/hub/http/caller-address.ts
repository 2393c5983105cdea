/**
 * Where a request came from, as far as it can be believed.
 *
 * A reverse proxy on the hub's machine makes everybody's requests arrive from loopback, and loopback is trusted with loopback addresses. So a
 * request counts as loopback only if nothing about it speaks for a proxy: no header that proxies add, a Host that is loopback too (a proxy
 * that keeps it shows the published name), and HTTP/1.1, as our own programs speak (some proxies speak 1.0). What a forwarded-for header
 * says is never believed: anybody can write one.
 */
import type { IncomingMessage } from 'node:http';
import { isLoopback, plainIp } from '../joins/daemon-url.ts';

const PROXY_HEADERS =
  /^(?:forwarded|via|x-forwarded(?:-.+)?|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|cf-.+|tailscale-.+)$/;

/** The address of the connection; for a request through a proxy of this machine words that say so, which are no address. */
export function callerAddress(request: Pick<IncomingMessage, 'headers' | 'httpVersion' | 'socket'>): string {
  const address = request.socket.remoteAddress ?? '';
  if (!isLoopback(plainIp(address)) || isDirect(request)) return address;
  return `a proxy at ${plainIp(address)}`;
}

function isDirect({ headers, httpVersion }: Pick<IncomingMessage, 'headers' | 'httpVersion'>): boolean {
  if (httpVersion !== '1.1') return false;
  if (Object.keys(headers).some((name) => PROXY_HEADERS.test(name))) return false;
  const host = `http://${headers.host ?? ''}/`;
  return URL.canParse(host) && isLoopback(new URL(host).hostname.replace(/^\[|\]$/g, ''));
}
