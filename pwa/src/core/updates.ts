/**
 * The service worker: registered where the browser allows it (https or loopback), asked for news when the hub came back, and let in only
 * when the person says so.
 */
import { createStore } from './store.ts';

/** True when a newer app waits for the person's word. */
export const updateReady = createStore(false);
let registration: ServiceWorkerRegistration | undefined;

export async function registerWorker(): Promise<void> {
  if (!('serviceWorker' in navigator) || !import.meta.env.PROD) return;
  try {
    registration = await navigator.serviceWorker.register('/sw.js', { scope: '/' });
  } catch {
    // The app works without; only offline start and the update notice are missing.
    return;
  }
  watch(registration);
}

/** A notice was pressed while this page was open: the worker brought it to the front and says where to go. */
export function onOpenedFromNotice(open: (path: string) => void): void {
  if (!('serviceWorker' in navigator)) return;
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (typeof data === 'object' && data !== null && 'open' in data && typeof data.open === 'string') open(data.open);
  });
}

function watch(current: ServiceWorkerRegistration): void {
  if (current.waiting !== null && navigator.serviceWorker.controller !== null) updateReady.set(true);
  current.addEventListener('updatefound', () => {
    const incoming = current.installing;
    incoming?.addEventListener('statechange', () => {
      // Without a controller this is the first installation, not news.
      if (incoming.state === 'installed' && navigator.serviceWorker.controller !== null) updateReady.set(true);
    });
  });
}

/** The hub may have been upgraded while we were away. */
export function lookForUpdate(): void {
  void registration?.update().catch(() => undefined);
}

/** Lets the new app in and reloads the page with it. */
export function takeUpdate(): void {
  const waiting = registration?.waiting;
  if (waiting === null || waiting === undefined) {
    location.reload();
    return;
  }
  navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
  waiting.postMessage('take-over');
}
