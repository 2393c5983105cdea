/**
 * Which Host headers and Origins are ours.
 *
 * A page of an attacker can make its own name point at this machine (DNS rebinding) and then speak to the hub as if it were the same origin;
 * so names that strangers can own are refused. Addresses, `localhost`, names without a dot, Tailscale's names and this machine's own are ours.
 */
import { isIP } from 'node:net';
import { IntercomError } from '../../protocol/errors.ts';

export interface OwnNames {
  /** This machine's host name. */
  readonly hostname: string;
  /** `hub.dashboard_url`, where a proxy publishes the web app. */
  readonly dashboardUrl: string | undefined;
}

/** Throws `wrong_origin` unless `host` (the Host header) is a name of ours. */
export function checkHost(host: string | undefined, own: OwnNames): void {
  if (host !== undefined && isOwnHost(host, own)) return;
  throw new IntercomError('wrong_origin', 'This hub is not known under that host name.', {
    next: 'Open it by its address or its Tailscale name; a name of your own goes into hub.dashboard_url.',
  });
}

/** Throws `wrong_origin` unless the Origin header names the page's own hub. */
export function checkOrigin(origin: string, host: string | undefined, own: OwnNames): void {
  if (isOwnOrigin(origin, host, own)) return;
  throw new IntercomError('wrong_origin', 'This request comes from a web page that is not ours.', {
    next: 'Open the web app at the address of the hub.',
  });
}

/** True where the browser speaks https to a proxy of ours; the cookie is then never sent in the open. */
export function isSecure(host: string | undefined, own: OwnNames): boolean {
  const dashboard = dashboardOf(own);
  return dashboard?.protocol === 'https:' && host?.toLowerCase() === dashboard.host;
}

function isOwnHost(host: string, own: OwnNames): boolean {
  if (host.length > 300 || !URL.canParse(`http://${host}/`)) return false;
  const url = new URL(`http://${host}/`);
  // Nothing but a host and a port: `a@b` and paths are not Host headers.
  if (url.username !== '' || url.password !== '' || url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return false;
  const name = url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  if (isIP(name) !== 0 || !name.includes('.')) return true;
  const hostname = own.hostname.toLowerCase();
  if (name.endsWith('.localhost') || name.endsWith('.ts.net') || name === hostname) return true;
  if (name === `${hostname.split('.')[0] ?? ''}.local`) return true;
  return name === dashboardOf(own)?.hostname;
}

function isOwnOrigin(origin: string, host: string | undefined, own: OwnNames): boolean {
  if (!URL.canParse(origin) || host === undefined) return false;
  const url = new URL(origin);
  const dashboard = dashboardOf(own);
  if (dashboard !== undefined && url.origin === dashboard.origin) return true;
  return url.protocol === 'http:' && url.host === new URL(`http://${host}/`).host && isOwnHost(host, own);
}

function dashboardOf(own: OwnNames): URL | undefined {
  return own.dashboardUrl === undefined || !URL.canParse(own.dashboardUrl) ? undefined : new URL(own.dashboardUrl);
}
