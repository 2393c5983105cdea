/**
 * A push service as browsers have one, with browsers that decrypt what they get. It refuses what a real one refuses (RFC 8030, 8291, 8292): no TTL, a signature that is
 * not of the key of the subscription, or of another service, or too old, more than 4 KB, another encoding; and answers as told where a test wants it to be busy or gone.
 */
import {
  createDecipheriv,
  createECDH,
  createHmac,
  createPublicKey,
  hkdfSync,
  randomBytes,
  verify,
  type ECDH,
} from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { PushMessage, type PushSubscription } from '../../src/protocol/attention.ts';

const BODY_MAX = 4096;
const DAY = 24 * 3600;
const Claims = z.object({ aud: z.string(), exp: z.number(), sub: z.string() });
const Header = z.object({ alg: z.literal('ES256') });

export interface Pushed {
  readonly message: PushMessage;
  readonly ttl: number;
  readonly urgency: string | undefined;
  readonly topic: string | undefined;
  readonly claims: z.infer<typeof Claims>;
}
export interface Answer {
  readonly status: number;
  readonly retryAfter?: string;
}

/** One browser that is subscribed. */
export class Browser {
  readonly subscription: PushSubscription;
  readonly pushed: Pushed[] = [];
  /** Every request, as it was answered. */
  readonly statuses: number[] = [];
  /** What the next requests are answered with, in place of what they deserve. */
  readonly answers: Answer[] = [];
  readonly serverKey: string;
  readonly #keys: ECDH;
  readonly #auth: Buffer;
  #changed: () => void = () => undefined;

  constructor(endpoint: string, serverKey: string) {
    this.serverKey = serverKey;
    this.#keys = createECDH('prime256v1');
    const p256dh = this.#keys.generateKeys('base64url');
    this.#auth = randomBytes(16);
    this.subscription = { endpoint, keys: { p256dh, auth: this.#auth.toString('base64url') } };
  }

  async until(fits: () => boolean): Promise<void> {
    while (!fits()) await new Promise<void>((resolve) => (this.#changed = resolve));
  }

  answered(status: number, pushed?: Pushed): void {
    this.statuses.push(status);
    if (pushed !== undefined) this.pushed.push(pushed);
    this.#changed();
  }

  /** RFC 8291 and 8188: what was encrypted for this browser, in one record. */
  open(body: Buffer): string {
    const salt = body.subarray(0, 16);
    const idLength = body.readUInt8(20);
    const sender = body.subarray(21, 21 + idLength);
    const own = this.#keys.getPublicKey();
    const shared = this.#keys.computeSecret(sender);
    const info = Buffer.concat([Buffer.from('WebPush: info\0'), own, sender]);
    const material = Buffer.from(hkdfSync('sha256', shared, this.#auth, info, 32));
    const pseudo = createHmac('sha256', salt).update(material).digest();
    const derive = (label: string, length: number): Buffer =>
      createHmac('sha256', pseudo).update(`Content-Encoding: ${label}\0\u0001`).digest().subarray(0, length);
    const record = body.subarray(21 + idLength);
    const cipher = createDecipheriv('aes-128-gcm', derive('aes128gcm', 16), derive('nonce', 12));
    cipher.setAuthTag(record.subarray(-16));
    const plain = Buffer.concat([cipher.update(record.subarray(0, -16)), cipher.final()]);
    const end = plain.lastIndexOf(2);
    return plain.subarray(0, end).toString('utf8');
  }
}

export class PushService {
  readonly origin: string;
  readonly #server: Server;
  readonly #browsers = new Map<string, Browser>();

  static async start(): Promise<PushService> {
    const holder: { service?: PushService } = {};
    const server = createServer((request, response) => {
      void holder.service?.take(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (holder.service = new PushService(server, server.address()));
  }

  private constructor(server: Server, address: AddressInfo | string | null) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** A browser subscribes with the key of the hub. */
  browser(serverKey: string): Browser {
    const path = `/push/${randomBytes(12).toString('base64url')}`;
    const browser = new Browser(`${this.origin}${path}`, serverKey);
    this.#browsers.set(path, browser);
    return browser;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk)));
    const browser = this.#browsers.get(request.url ?? '');
    const end = (status: number, retryAfter?: string, pushed?: Pushed): void => {
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter }).end();
      browser?.answered(status, pushed);
    };
    const forced = browser?.answers.shift();
    const judged = browser === undefined ? 404 : this.#judge(browser, request, Buffer.concat(chunks));
    if (forced !== undefined) end(forced.status, forced.retryAfter);
    else if (typeof judged === 'number') end(judged);
    else end(201, undefined, judged);
  }

  #judge(browser: Browser, { method, headers }: IncomingMessage, body: Buffer): Pushed | number {
    const { ttl, urgency, topic } = headers;
    if (method !== 'POST') return 405;
    if (typeof ttl !== 'string' || !/^[0-9]+$/.test(ttl)) return 400;
    if (body.length > BODY_MAX) return 413;
    if (headers['content-encoding'] !== 'aes128gcm') return 400;
    if (urgency !== undefined && !['very-low', 'low', 'normal', 'high'].includes(String(urgency))) return 400;
    if (topic !== undefined && !/^[A-Za-z0-9_-]{1,32}$/.test(String(topic))) return 400;
    const claims = this.#claims(browser, headers.authorization ?? '');
    if (typeof claims === 'number') return claims;
    return {
      message: PushMessage.parse(JSON.parse(browser.open(body))),
      ttl: Number(ttl),
      urgency: urgency === undefined ? undefined : String(urgency),
      topic: topic === undefined ? undefined : String(topic),
      claims,
    };
  }

  #claims(browser: Browser, authorization: string): z.infer<typeof Claims> | number {
    const found = /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), ?k=([\w-]+)$/.exec(authorization);
    const [, head = '', payload = '', signature = '', key = ''] = found ?? [];
    if (found === null) return 401;
    if (key !== browser.serverKey) return 403;
    const point = Buffer.from(key, 'base64url');
    const jwk = {
      ...{ kty: 'EC', crv: 'P-256' },
      x: point.subarray(1, 33).toString('base64url'),
      y: point.subarray(33).toString('base64url'),
    };
    const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
    const isSigned = verify(
      'sha256',
      Buffer.from(`${head}.${payload}`),
      { key: publicKey, dsaEncoding: 'ieee-p1363' },
      Buffer.from(signature, 'base64url'),
    );
    const header = Header.safeParse(JSON.parse(Buffer.from(head, 'base64url').toString()));
    const claims = Claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
    if (!isSigned || !header.success || !claims.success) return 401;
    const { aud, exp, sub } = claims.data;
    const now = Date.now() / 1000;
    const isFresh = exp > now && exp <= now + DAY;
    return aud === this.origin && isFresh && /^(mailto:.+@.+|https:)/.test(sub) ? claims.data : 401;
  }
}
