/**
 * Request signing, version 2. Both directions between a daemon and its hub, GET included.
 *
 * Signed text: these lines joined by "\n":
 *   intercom-v2 · METHOD · path with query, as sent · machine · timestamp · nonce · lower-case hex SHA-256 of the body
 * Signature: lower-case hex HMAC-SHA256 of that text, the key being the UTF-8 bytes of the machine's secret.
 * `machine` is the sender: the machine's id, or `hub` for a request of the hub, so that no request can be turned round.
 * test/protocol/signing-vectors.json holds vectors for other implementations.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { IntercomError } from './errors.ts';

export const SIGNING_VERSION = '2';
/** The name under which the hub signs; never a machine's id. */
export const HUB_SIGNER = 'hub';
/** How far the clocks may differ, in seconds, and how long a nonce is remembered. */
export const SIGNING_WINDOW_SECONDS = 60;

export const SIGNING_HEADERS = {
  version: 'x-intercom-version',
  machine: 'x-intercom-machine',
  timestamp: 'x-intercom-timestamp',
  nonce: 'x-intercom-nonce',
  signature: 'x-intercom-signature',
} as const;

export interface SignedParts {
  readonly method: string;
  /** Path with query, exactly as on the request line. */
  readonly path: string;
  readonly machine: string;
  /** Unix time in whole seconds, decimal. */
  readonly timestamp: string;
  readonly nonce: string;
  readonly body: Uint8Array;
}

const NONCE = /^[A-Za-z0-9_-]{16,64}$/;
const TIMESTAMP = /^[0-9]{1,12}$/;
const SIGNATURE = /^[0-9a-f]{64}$/;

export function signatureOf(secret: string, parts: SignedParts): string {
  const bodyHash = createHash('sha256').update(parts.body).digest('hex');
  const text = [
    `intercom-v${SIGNING_VERSION}`,
    parts.method.toUpperCase(),
    parts.path,
    parts.machine,
    parts.timestamp,
    parts.nonce,
    bodyHash,
  ].join('\n');
  return createHmac('sha256', secret).update(text).digest('hex');
}

export interface SignRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

/** The five headers of a signed request. `nowMs` and `nonce` are parameters for tests. */
export function signRequest(
  secret: string,
  machine: string,
  request: SignRequest,
  nowMs: number = Date.now(),
  nonce: string = randomBytes(16).toString('base64url'),
): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signature = signatureOf(secret, { ...request, machine, timestamp, nonce });
  return {
    [SIGNING_HEADERS.version]: SIGNING_VERSION,
    [SIGNING_HEADERS.machine]: machine,
    [SIGNING_HEADERS.timestamp]: timestamp,
    [SIGNING_HEADERS.nonce]: nonce,
    [SIGNING_HEADERS.signature]: signature,
  };
}

export interface SignatureHeaders {
  readonly machine: string;
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
}

/** Reads the five headers. Throws `unsigned`, `unsupported_version` or `bad_signature` (malformed). */
export function readSignatureHeaders(header: (name: string) => string | undefined): SignatureHeaders {
  const version = header(SIGNING_HEADERS.version);
  const machine = header(SIGNING_HEADERS.machine);
  const timestamp = header(SIGNING_HEADERS.timestamp);
  const nonce = header(SIGNING_HEADERS.nonce);
  const signature = header(SIGNING_HEADERS.signature);
  if (version === undefined && signature === undefined) {
    throw new IntercomError('unsigned', 'This request is not signed.', {
      next: 'Machines sign every request; join the mesh with `intercom join`.',
    });
  }
  if (version !== SIGNING_VERSION) {
    throw new IntercomError(
      'unsupported_version',
      `Signing version ${String(version).slice(0, 20)} is not spoken here.`,
      {
        field: SIGNING_HEADERS.version,
        next: `Use version ${SIGNING_VERSION}; upgrade the older side.`,
      },
    );
  }
  if (machine === undefined || timestamp === undefined || nonce === undefined || signature === undefined) {
    throw new IntercomError('unsigned', 'A signature header is missing.', {
      next: 'Send all five X-Intercom headers.',
    });
  }
  if (machine.length > 64 || !TIMESTAMP.test(timestamp) || !NONCE.test(nonce) || !SIGNATURE.test(signature)) {
    throw new IntercomError('bad_signature', 'A signature header is malformed.', {
      next: 'See docs/protocol.md, signing.',
    });
  }
  return { machine, timestamp, nonce, signature };
}

/** Remembers nonces for the window. Bounded: when full it refuses rather than forgets. */
export class NonceMemory {
  readonly #seen = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity = 200_000) {
    this.#capacity = capacity;
  }

  /** True the first time a nonce of a machine is seen inside the window. */
  remember(machine: string, nonce: string, nowMs: number): boolean {
    this.#forgetOld(nowMs);
    const key = `${machine}\n${nonce}`;
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= this.#capacity) {
      throw new IntercomError('limit_reached', 'Too many requests within the signing window.', {
        next: 'Slow down and try again in a minute.',
      });
    }
    // A timestamp may lie a window ahead of our clock, so a nonce must outlive two windows.
    this.#seen.set(key, nowMs + 2 * SIGNING_WINDOW_SECONDS * 1000);
    return true;
  }

  get size(): number {
    return this.#seen.size;
  }

  // Insertion order is expiry order but for clock jumps, which only keep a nonce longer.
  #forgetOld(nowMs: number): void {
    for (const [key, expires] of this.#seen) {
      if (expires > nowMs) break;
      this.#seen.delete(key);
    }
  }
}

/**
 * Checks a signed request against the secrets that are valid for its machine (two while a rotation is under way).
 * Throws `clock_skew`, `bad_signature` or `replayed`; the signature is checked before the nonce is remembered, so that a stranger
 * cannot fill the memory.
 */
export function verifySignature(
  headers: SignatureHeaders,
  request: SignRequest,
  secrets: readonly string[],
  nonces: NonceMemory,
  nowMs: number,
): void {
  const differenceSeconds = Math.round(Number(headers.timestamp) - nowMs / 1000);
  const parts: SignedParts = { ...request, ...headers };
  const given = Buffer.from(headers.signature, 'hex');
  let fits = false;
  for (const secret of secrets) {
    if (secret.length === 0) continue;
    if (timingSafeEqual(given, Buffer.from(signatureOf(secret, parts), 'hex'))) fits = true;
  }
  if (!fits) {
    throw new IntercomError('bad_signature', 'The signature does not fit this request.', {
      next: 'The secret differs from the other side, or the request was altered. `intercom doctor` tells; `intercom join` renews the secret.',
    });
  }
  if (Math.abs(differenceSeconds) > SIGNING_WINDOW_SECONDS) {
    throw new IntercomError('clock_skew', `The clocks differ by ${Math.abs(differenceSeconds)} seconds.`, {
      details: { differenceSeconds, windowSeconds: SIGNING_WINDOW_SECONDS },
      next: 'Set the clock of the machine (time synchronisation is best) and try again.',
    });
  }
  if (!nonces.remember(headers.machine, headers.nonce, nowMs)) {
    throw new IntercomError('replayed', 'This request was already received.', { next: 'Sign each request anew.' });
  }
}
