/**
 * What is to be pushed: a bounded line, a few at a time, tried again where the service is busy.
 *
 * Invariants: to one browser, of one thing, only the newest message is sent, and never two at once; what is full drops the oldest and says so; nothing is tried for longer
 * than it is worth.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { PushSubscription } from '../../protocol/attention.ts';
import type { Delivery } from './messages.ts';
import type { Sent } from './sender.ts';

const WAITING_MAX = 2_000;
const AT_ONCE = 4;
const TRIES_MAX = 5;
const FIRST_PAUSE_MS = 2_000;
const PAUSE_MAX_MS = 10 * 60_000;

interface Job {
  readonly key: string;
  readonly subscription: PushSubscription;
  readonly delivery: Delivery;
  readonly until: number;
  tries: number;
}

export interface QueueParts {
  readonly send: (subscription: PushSubscription, delivery: Delivery) => Promise<Sent>;
  readonly gone: (endpoint: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class PushQueue {
  readonly #parts: QueueParts;
  /** In the order in which they came. */
  readonly #ready = new Map<string, Job>();
  readonly #pausing = new Map<string, { readonly job: Job; readonly cancel: CancelTimer }>();
  readonly #sending = new Map<string, Promise<void>>();
  #stopped = false;

  constructor(parts: QueueParts) {
    this.#parts = parts;
  }

  add(subscription: PushSubscription, delivery: Delivery): void {
    if (this.#stopped) return;
    const key = `${subscription.endpoint} ${delivery.message.tag}`;
    this.#pausing.get(key)?.cancel();
    this.#pausing.delete(key);
    this.#ready.delete(key);
    this.#ready.set(key, {
      key,
      subscription,
      delivery,
      until: this.#parts.clock.now() + delivery.ttl * 1000,
      tries: 0,
    });
    this.#bound();
    this.#pump();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { cancel } of this.#pausing.values()) cancel();
    this.#pausing.clear();
    this.#ready.clear();
    await Promise.all(this.#sending.values());
  }

  #pump(): void {
    for (const [key, job] of this.#ready) {
      if (this.#sending.size >= AT_ONCE) return;
      if (this.#sending.has(key)) continue;
      this.#ready.delete(key);
      const sent = this.#send(job).finally(() => {
        this.#sending.delete(key);
        this.#pump();
      });
      this.#sending.set(key, sent);
    }
  }

  async #send(job: Job): Promise<void> {
    const { send, gone, log } = this.#parts;
    const { endpoint } = job.subscription;
    job.tries += 1;
    const sent = await send(job.subscription, job.delivery);
    if (sent.outcome === 'sent') return;
    if (sent.outcome === 'gone') {
      await gone(endpoint).catch((error: unknown) =>
        log.warn({ err: error }, 'a push subscription could not be dropped'),
      );
    } else if (sent.outcome === 'later' && this.#pause(job, sent.afterMs)) {
      log.debug({ host: new URL(endpoint).host, why: sent.why }, 'a push is tried again');
    } else {
      log.warn({ host: new URL(endpoint).host, why: sent.why }, 'a notice could not be pushed to a browser');
    }
  }

  /** False: it is not worth it any more. True also where a newer one has taken its place. */
  #pause(job: Job, afterMs: number | undefined): boolean {
    if (this.#stopped || this.#ready.has(job.key)) return true;
    const { clock } = this.#parts;
    const wait = Math.min(PAUSE_MAX_MS, afterMs ?? FIRST_PAUSE_MS * 2 ** (job.tries - 1));
    if (job.tries >= TRIES_MAX || clock.now() + wait > job.until) return false;
    const cancel = clock.after(wait, () => {
      this.#pausing.delete(job.key);
      this.#ready.set(job.key, job);
      this.#pump();
    });
    this.#pausing.set(job.key, { job, cancel });
    return true;
  }

  #bound(): void {
    if (this.#ready.size + this.#pausing.size <= WAITING_MAX) return;
    const [oldest] = this.#pausing.keys();
    const [first] = this.#ready.keys();
    if (oldest !== undefined) {
      this.#pausing.get(oldest)?.cancel();
      this.#pausing.delete(oldest);
    } else if (first !== undefined) {
      this.#ready.delete(first);
    }
    this.#parts.log.warn('more notices wait to be pushed than can; the oldest is left out');
  }
}
