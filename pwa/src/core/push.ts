/**
 * Notices on this device while the page is closed (Web Push): whether that is possible here, and the way in and out.
 *
 * Invariants: the person is asked by the browser only after they pressed a button of ours. "On" is said only when the browser is subscribed
 * and the hub has the subscription. A subscription for another key than the hub's is renewed.
 */
import { IntercomError, toIntercomError } from '../../../src/protocol/errors.ts';
import { PushSubscription as Subscription } from '../../../src/protocol/attention.ts';
import { createStore } from './store.ts';

export type PushState =
  | { readonly at: 'unknown' }
  /** This browser cannot; why, in words. */
  | { readonly at: 'unsupported'; readonly why: string }
  /** iOS: only an app on the home screen may. */
  | { readonly at: 'needs_app' }
  /** The person, or the system's settings, said no to the browser. */
  | { readonly at: 'denied' }
  | { readonly at: 'off' }
  | { readonly at: 'on' };

/** The part of the browser that is used here. */
export interface PushBrowser {
  /** Undefined when notices are possible in this page. */
  obstacle(): 'no_https' | 'no_push' | 'needs_app' | undefined;
  permission(): 'default' | 'granted' | 'denied';
  askPermission(): Promise<'default' | 'granted' | 'denied'>;
  /** What this browser is subscribed with. */
  current(): Promise<Held | undefined>;
  subscribe(key: string): Promise<Held>;
}
export interface Held {
  readonly json: unknown;
  readonly endpoint: string;
  /** base64url. */
  readonly key: string | undefined;
  cancel(): Promise<void>;
}
export interface PushHub {
  pushKey(): Promise<string>;
  subscribePush(subscription: Subscription): Promise<void>;
  unsubscribePush(endpoint: string): Promise<void>;
}

const WHY = {
  no_https: 'Browsers allow notices only for pages that were opened over https or on the hub’s own machine.',
  no_push: 'This browser has no Web Push.',
} as const;

export class PushNotices {
  readonly state = createStore<PushState>({ at: 'unknown' });
  private readonly browser: PushBrowser;
  private readonly hub: PushHub;

  constructor(browser: PushBrowser, hub: PushHub) {
    this.browser = browser;
    this.hub = hub;
  }

  /** Looks how it stands, and tells the hub again what it may have lost. Asks the person nothing. */
  async look(): Promise<void> {
    const obstacle = this.browser.obstacle();
    if (obstacle !== undefined) {
      this.state.set(obstacle === 'needs_app' ? { at: 'needs_app' } : { at: 'unsupported', why: WHY[obstacle] });
      return;
    }
    if (this.browser.permission() === 'denied') {
      this.state.set({ at: 'denied' });
      return;
    }
    const held = await this.browser.current();
    if (held === undefined || this.browser.permission() !== 'granted') {
      this.state.set({ at: 'off' });
      return;
    }
    await this.subscribe();
  }

  /** After a tap: asks the person through the browser, subscribes, tells the hub. Throws in words what did not work. */
  async switchOn(): Promise<void> {
    const permission = await this.browser.askPermission();
    if (permission !== 'granted') {
      this.state.set({ at: permission === 'denied' ? 'denied' : 'off' });
      return;
    }
    await this.subscribe();
  }

  async switchOff(): Promise<void> {
    const held = await this.browser.current();
    if (held !== undefined) {
      await this.hub.unsubscribePush(held.endpoint);
      await held.cancel();
    }
    this.state.set({ at: 'off' });
  }

  /** Who signs out wants no notices here any more. The hub drops an endpoint that is gone by itself, so a failure of it holds nobody up. */
  async forget(): Promise<void> {
    if (this.browser.obstacle() !== undefined) return;
    const held = await this.browser.current();
    if (held === undefined) return;
    await this.hub.unsubscribePush(held.endpoint).catch(() => undefined);
    await held.cancel();
    this.state.set({ at: 'off' });
  }

  private async subscribe(): Promise<void> {
    const key = await this.hub.pushKey();
    const before = await this.browser.current();
    if (before !== undefined && before.key !== undefined && before.key !== key) await before.cancel();
    let held: Held;
    try {
      held = await this.browser.subscribe(key);
    } catch (cause) {
      this.state.set({ at: 'off' });
      throw new IntercomError('unreachable', 'The browser could not reach its push service.', {
        next: 'Look whether this device is online and notices are not blocked in the browser, then try again.',
        cause,
      });
    }
    const subscription = Subscription.safeParse(held.json);
    if (!subscription.success) {
      await held.cancel();
      this.state.set({ at: 'off' });
      throw new IntercomError(
        'unsupported_version',
        'This browser’s subscription is of a kind that the hub does not know.',
      );
    }
    try {
      await this.hub.subscribePush(subscription.data);
    } catch (thrown) {
      this.state.set({ at: 'off' });
      throw toIntercomError(thrown);
    }
    this.state.set({ at: 'on' });
  }
}
