/** Addresses of the web page for buttons. Pure. */

/** Where the page shows this, if Telegram opens such an address: it refuses hosts without a dot, and loopback is another machine on a phone. */
export function pageAddress(pageUrl: string | undefined, path: string): string | undefined {
  if (pageUrl === undefined || !URL.canParse(pageUrl)) return undefined;
  const { hostname, protocol } = new URL(pageUrl);
  const isWeb = protocol === 'https:' || protocol === 'http:';
  if (!isWeb || !hostname.includes('.') || hostname.startsWith('127.')) return undefined;
  return `${pageUrl.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
}
