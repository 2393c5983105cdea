/**
 * The service worker. It keeps the built shell of this version (hashed files, icons) so that the app starts without waiting, and a copy of
 * the page for when the hub is away. It never touches API answers, other origins, or anything but GET.
 */

interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEventLike extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface WorkerScope {
  addEventListener(type: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEventLike) => void): void;
  readonly clients: { claim(): Promise<void> };
  readonly location: Location;
  skipWaiting(): Promise<void>;
}
declare const self: WorkerScope;

/** Written in by the build: `{"version": …, "files": […]}`. */
const SHELL_JSON = '__SHELL__';
const shell = readShell(JSON.parse(SHELL_JSON));
const PREFIX = 'intercom-shell-';
const CACHE = `${PREFIX}${shell.version}`;
const files = new Set(shell.files);

function readShell(value: unknown): { version: string; files: string[] } {
  if (typeof value !== 'object' || value === null || !('version' in value) || !('files' in value)) {
    throw new Error('no shell list');
  }
  const list: unknown[] = Array.isArray(value.files) ? value.files : [];
  return { version: String(value.version), files: list.filter((name) => typeof name === 'string') };
}

self.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(['/', ...shell.files].map((url) => new Request(url, { cache: 'reload' })))),
  );
});

self.addEventListener('activate', (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => names.filter((name) => name.startsWith(PREFIX) && name !== CACHE))
      .then((old) => Promise.all(old.map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener('message', (event) => {
  if (event.data === 'take-over') void self.skipWaiting();
});

self.addEventListener('fetch', (event) => {
  const request = event.request;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== self.location.origin) return;
  if (request.mode === 'navigate' && url.pathname === '/') {
    event.respondWith(pageFromHub(request));
  } else if (files.has(url.pathname) && url.search === '') {
    event.respondWith(fromCache(url.pathname, request));
  }
});

/** The hub's page is always the right one; the kept one is for when it does not answer. */
async function pageFromHub(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await (await caches.open(CACHE)).match('/');
    if (kept === undefined) throw error;
    return kept;
  }
}

async function fromCache(path: string, request: Request): Promise<Response> {
  const kept = await (await caches.open(CACHE)).match(path);
  return kept ?? fetch(request);
}

export {};
