/**
 * One message to one browser, by its push service: encrypted for the browser alone (RFC 8291), signed by this hub (RFC 8292).
 *
 * Invariants: nothing but the endpoint learns anything of the text; a redirect is not followed; an answer is bounded in size and time; names that lead to private
 * addresses are refused by the connection itself (endpoint.ts).
 */
import { Agent, request } from 'undici';
import type { Clock } from '../../platform/clock.ts';
import type { PushSubscription } from '../../protocol/attention.ts';
import { checkEndpoint, publicLookup } from './endpoint.ts';
import type { PushKeys } from './keys.ts';
import { topicOf, type Delivery } from './messages.ts';

/** sent · gone: nobody listens there any more · later: try again, not before · refused: it will not be taken. */
export type Sent =
  | { readonly outcome: 'sent' }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'later'; readonly afterMs: number | undefined; readonly why: string }
  | { readonly outcome: 'refused'; readonly why: string };

export interface SenderOptions {
  readonly keys: PushKeys;
  /** RFC 8292 `sub`. */
  readonly contact: string;
  readonly allowPrivate: boolean;
  readonly clock: Clock;
}

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5_000;
/** Of what is signed; a day is the most that services take. */
const SIGNED_SECONDS = 12 * 3600;

interface Sealed {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export class PushSender {
  readonly #options: SenderOptions;
  readonly #agent: Agent;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#agent = new Agent({
      connections: 4,
      keepAliveTimeout: 30_000,
      maxResponseSize: 64 * 1024,
      connect: { timeout: CONNECT_MS, ...(options.allowPrivate ? {} : { lookup: publicLookup }) },
    });
  }

  async send(subscription: PushSubscription, delivery: Delivery): Promise<Sent> {
    let sealed: Sealed;
    try {
      checkEndpoint(subscription.endpoint, this.#options.allowPrivate);
      sealed = await this.#sealed(subscription, delivery);
    } catch (error) {
      return { outcome: 'refused', why: wordsOf(error) };
    }
    return this.#post(subscription.endpoint, sealed);
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #post(endpoint: string, { headers, body }: Sealed): Promise<Sent> {
    try {
      const answer = await request(endpoint, {
        method: 'POST',
        headers,
        body,
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      await answer.body.dump();
      return outcomeOf(answer.statusCode, retryAfter(answer.headers['retry-after'], this.#options.clock.now()));
    } catch (error) {
      return { outcome: 'later', afterMs: undefined, why: wordsOf(error) };
    }
  }

  async #sealed({ endpoint, keys }: PushSubscription, { message, ttl, urgency }: Delivery): Promise<Sealed> {
    // Only a hub that has something to push loads it.
    const { default: webPush } = await import('web-push');
    const { keys: own, contact, clock } = this.#options;
    const text = JSON.stringify(message);
    const { cipherText } = webPush.encrypt(keys.p256dh, keys.auth, text, 'aes128gcm');
    const { Authorization } = webPush.getVapidHeaders(
      new URL(endpoint).origin,
      contact,
      own.publicKey,
      own.privateKey,
      'aes128gcm',
      Math.floor(clock.now() / 1000) + SIGNED_SECONDS,
    );
    return {
      body: cipherText,
      headers: {
        authorization: Authorization,
        'content-type': 'application/octet-stream',
        'content-encoding': 'aes128gcm',
        ttl: String(ttl),
        urgency,
        topic: topicOf(message.tag),
      },
    };
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function outcomeOf(status: number, afterMs: number | undefined): Sent {
  if (status >= 200 && status < 300) return { outcome: 'sent' };
  if (status === 404 || status === 410) return { outcome: 'gone' };
  const why = `the push service answered with HTTP ${status}`;
  return status === 429 || status >= 500 ? { outcome: 'later', afterMs, why } : { outcome: 'refused', why };
}

/** Seconds, or a date. */
export function retryAfter(header: string | string[] | undefined, now: number): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  const ms = /^[0-9]{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
