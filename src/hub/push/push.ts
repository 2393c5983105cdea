/** Web push: which browsers of which operators want to be told. */
import type { Clock } from '../../platform/clock.ts';
import type { PushSubscription } from '../../protocol/attention.ts';
import type { Push } from '../services.ts';
import type { HubStore } from '../store/hub-store.ts';
import { deleteSubscription, saveSubscription } from '../store/push-subscriptions.ts';
import { checkEndpoint } from './endpoint.ts';
import type { PushKeys } from './keys.ts';

export interface PushParts {
  readonly store: HubStore;
  readonly keys: PushKeys;
  readonly allowPrivate: boolean;
  readonly clock: Clock;
}

export class HubPush implements Push {
  readonly publicKey: string;
  readonly #parts: PushParts;

  constructor(parts: PushParts) {
    this.#parts = parts;
    this.publicKey = parts.keys.publicKey;
  }

  async subscribe(operator: string, subscription: PushSubscription): Promise<void> {
    checkEndpoint(subscription.endpoint, this.#parts.allowPrivate);
    const now = this.#parts.clock.now();
    await this.#parts.store.write(({ db }) => saveSubscription(db, operator, subscription, now));
  }

  async unsubscribe(operator: string, endpoint: string): Promise<void> {
    await this.#parts.store.write(({ db }) => deleteSubscription(db, endpoint, operator));
  }
}
