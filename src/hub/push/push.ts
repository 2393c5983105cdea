/**
 * Web push: tells the browsers of operators what the notifier says, and takes it back.
 *
 * Invariants: a browser is told only what its operator is rung for; a notice is taken back from whoever was told (after a restart, when nobody knows who that was, from
 * everybody); a subscription that its service calls gone is dropped. Push is an extra: nothing waits for it.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { PushSubscription } from '../../protocol/attention.ts';
import type { Notice, Notifier, NoticeWord, Push, Unsubscribe } from '../services.ts';
import type { HubStore } from '../store/hub-store.ts';
import { deleteSubscription, saveSubscription, subscriptionsOf } from '../store/push-subscriptions.ts';
import { checkEndpoint, checkKeys } from './endpoint.ts';
import type { PushKeys } from './keys.ts';
import { closeMessage, digestMessage, showMessage, type Delivery } from './messages.ts';
import { PushQueue } from './queue.ts';
import { PushSender } from './sender.ts';

export interface PushParts {
  readonly store: HubStore;
  readonly notifier: Notifier;
  readonly operators: () => readonly string[];
  readonly keys: PushKeys;
  readonly contact: string;
  readonly allowPrivate: boolean;
  readonly clock: Clock;
  readonly log: Log;
}

type Ring = Extract<NoticeWord, { word: 'show' }>['ring'];

export class HubPush implements Push {
  readonly publicKey: string;
  readonly #parts: PushParts;
  readonly #sender: PushSender;
  readonly #queue: PushQueue;
  /** Who was told of what, by key: what is to be taken back from them. */
  readonly #told = new Map<string, Set<string>>();
  /** What the newest digest of an operator is about. */
  readonly #digests = new Map<string, { readonly tag: string; readonly keys: Set<string> }>();
  /** Words are looked up and queued one after another, so that a withdrawal never overtakes what it withdraws. */
  #line: Promise<void> = Promise.resolve();
  #unsubscribe: Unsubscribe = () => undefined;

  constructor(parts: PushParts) {
    this.#parts = parts;
    this.publicKey = parts.keys.publicKey;
    this.#sender = new PushSender(parts);
    this.#queue = new PushQueue({
      send: (subscription, delivery) => this.#sender.send(subscription, delivery),
      gone: (endpoint) => parts.store.write(({ db }) => deleteSubscription(db, endpoint)),
      clock: parts.clock,
      log: parts.log,
    });
  }

  start(): void {
    let restoring = true;
    this.#unsubscribe = this.#parts.notifier.subscribe((word) => {
      if (restoring && word.word === 'show') this.#told.set(word.notice.key, new Set(this.#parts.operators()));
      else this.#hear(word);
    });
    restoring = false;
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.#line;
    await this.#queue.stop();
    await this.#sender.close();
  }

  async subscribe(operator: string, subscription: PushSubscription): Promise<void> {
    checkEndpoint(subscription.endpoint, this.#parts.allowPrivate);
    checkKeys(subscription.keys);
    const now = this.#parts.clock.now();
    await this.#parts.store.write(({ db }) => saveSubscription(db, operator, subscription, now));
  }

  async unsubscribe(operator: string, endpoint: string): Promise<void> {
    await this.#parts.store.write(({ db }) => deleteSubscription(db, endpoint, operator));
  }

  #hear(word: NoticeWord): void {
    if (word.word === 'show') this.#show(word.notice, word.ring, word.again);
    else if (word.word === 'digest') this.#digest(word.notices, word.ring);
    else this.#withdraw(word.key);
  }

  #show(notice: Notice, ring: Ring, again: boolean): void {
    const told = this.#told.get(notice.key) ?? new Set<string>();
    for (const operator of ring.push) told.add(operator);
    if (told.size > 0) this.#told.set(notice.key, told);
    this.#push(ring.push, showMessage(notice, again, this.#parts.clock.now()));
  }

  #digest(notices: readonly Notice[], ring: Ring): void {
    const delivery = digestMessage(notices);
    for (const operator of ring.push) {
      this.#digests.set(operator, { tag: delivery.message.tag, keys: new Set(notices.map(({ key }) => key)) });
    }
    this.#push(ring.push, delivery);
  }

  #withdraw(key: string): void {
    const told = this.#told.get(key);
    this.#told.delete(key);
    if (told !== undefined) this.#push([...told], closeMessage(key));
    for (const [operator, { tag, keys }] of this.#digests) {
      if (!keys.delete(key) || keys.size > 0) continue;
      this.#digests.delete(operator);
      this.#push([operator], closeMessage(tag));
    }
  }

  #push(operators: readonly string[], delivery: Delivery): void {
    if (operators.length === 0) return;
    const { store, log } = this.#parts;
    this.#line = this.#line
      .then(async () => {
        for (const operator of operators) {
          const subscriptions = await store.read((db) => subscriptionsOf(db, operator));
          for (const subscription of subscriptions) this.#queue.add(subscription, delivery);
        }
      })
      .catch((error: unknown) => log.warn({ err: error }, 'push subscriptions could not be read'));
  }
}
