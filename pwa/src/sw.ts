/**
 * The service worker. It keeps the built shell of this version (hashed files, icons) so that the app starts without waiting, and a copy of
 * the page for when the hub is away. It never touches API answers, other origins, or anything but GET. And it shows notices (worker/notices.ts).
 */
import { pressed, pushed, type NoticeOptions, type Shown, type WorkerDeps } from './worker/notices.ts';

interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEventLike extends Extendable {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}
interface PushEventLike extends Extendable {
  readonly data: { text(): string } | null;
}
interface NoticeEventLike extends Extendable {
  readonly action: string;
  readonly notification: Shown;
}
interface PushChangeLike extends Extendable {
  readonly oldSubscription?: PushSubscription | null;
}
interface WindowOfOurs {
  focus(): Promise<unknown>;
  postMessage(message: unknown): void;
}
interface WorkerScope {
  addEventListener(type: 'install' | 'activate', listener: (event: Extendable) => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEventLike) => void): void;
  addEventListener(type: 'push', listener: (event: PushEventLike) => void): void;
  addEventListener(type: 'notificationclick', listener: (event: NoticeEventLike) => void): void;
  addEventListener(type: 'pushsubscriptionchange', listener: (event: PushChangeLike) => void): void;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(options: {
      readonly type: 'window';
      readonly includeUncontrolled: true;
    }): Promise<readonly WindowOfOurs[]>;
    openWindow(url: string): Promise<unknown>;
  };
  readonly registration: {
    showNotification(title: string, options: NoticeOptions): Promise<void>;
    getNotifications(filter: { readonly tag: string }): Promise<readonly Shown[]>;
    readonly pushManager: PushManager;
  };
  readonly location: Location;
  skipWaiting(): Promise<void>;
}
declare const self: WorkerScope;

/** Written in by the build: `{"version": …, "files": […]}`. */
const SHELL_JSON = '__SHELL__';
const shell = readShell(JSON.parse(SHELL_JSON));
/** A decision that takes longer is said to have failed; the card shows what holds. ms */
const CALL_TIMEOUT = 20_000;
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

// ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const notices: WorkerDeps = {
  show: (title, options) => self.registration.showNotification(title, options),
  shown: (tag) => self.registration.getNotifications({ tag }),
  post: async (path, body) => {
    const response = await postJson(path, body);
    return { ok: response.ok, body: await response.json().catch(() => undefined) };
  },
  open: async (path) => {
    const [page] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    if (page === undefined) {
      await self.clients.openWindow(path);
      return;
    }
    page.postMessage({ open: path });
    await page.focus();
  },
};

self.addEventListener('push', (event) => event.waitUntil(pushed(notices, event.data?.text())));
self.addEventListener('notificationclick', (event) =>
  event.waitUntil(pressed(notices, event.action, event.notification)),
);
// The push service gave this browser another address: the hub has to know it, and forget the old one.
self.addEventListener('pushsubscriptionchange', (event) =>
  event.waitUntil(renewed(event.oldSubscription ?? undefined)),
);

async function renewed(old: PushSubscription | undefined): Promise<void> {
  const { pushManager } = self.registration;
  const key = old?.options.applicationServerKey;
  const fresh =
    (await pushManager.getSubscription()) ??
    (key === null || key === undefined
      ? undefined
      : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  if (fresh !== undefined) await postJson('/api/operator/push/subscriptions', fresh);
  if (old !== undefined) await postJson('/api/operator/push/subscriptions/remove', { endpoint: old.endpoint });
}

/** In the name of the person who is signed in: the cookie goes with it, and the hub checks our origin. */
function postJson(path: string, body: unknown): Promise<Response> {
  return fetch(path, {
    method: 'POST',
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_TIMEOUT),
  });
}

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
