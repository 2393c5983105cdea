/** The browser's side of the notices: permission, push manager, what kind of page this is. */
import type { Held, PushBrowser } from './push.ts';

export const browserPush: PushBrowser = {
  obstacle() {
    if (!window.isSecureContext) return 'no_https';
    if ('serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window) return undefined;
    return isAppleTab() ? 'needs_app' : 'no_push';
  },
  permission: () => Notification.permission,
  askPermission: () => Notification.requestPermission(),
  async current() {
    const registration = await navigator.serviceWorker.getRegistration('/');
    const subscription = await registration?.pushManager.getSubscription();
    return subscription === null || subscription === undefined ? undefined : held(subscription);
  },
  async subscribe(key) {
    // Without one, `ready` would wait for ever.
    if ((await navigator.serviceWorker.getRegistration('/')) === undefined) throw new Error('no service worker');
    const { pushManager } = await navigator.serviceWorker.ready;
    return held(await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  },
};

/** Safari of a phone or tablet in a tab: there only apps on the home screen have push. */
function isAppleTab(): boolean {
  const apple =
    /iPhone|iPad|iPod/.test(navigator.userAgent) ||
    (navigator.userAgent.includes('Macintosh') && navigator.maxTouchPoints > 1);
  return apple && !window.matchMedia('(display-mode: standalone)').matches;
}

function held(subscription: PushSubscription): Held {
  const key = subscription.options.applicationServerKey;
  return {
    json: subscription.toJSON(),
    endpoint: subscription.endpoint,
    key: key === null ? undefined : base64url(new Uint8Array(key)),
    cancel: async () => {
      await subscription.unsubscribe();
    },
  };
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}
