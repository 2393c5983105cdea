import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { IntercomError } from '../../src/protocol/errors.ts';
import {
  NonceMemory,
  readSignatureHeaders,
  signatureOf,
  signRequest,
  SIGNING_WINDOW_SECONDS,
  verifySignature,
  type SignRequest,
} from '../../src/protocol/signing.ts';

const NOW = 1_800_000_000_000;
const SECRET = 'ict_secret';

const Vectors = z.object({
  vectors: z.array(
    z.object({
      name: z.string(),
      secret: z.string(),
      method: z.string(),
      path: z.string(),
      machine: z.string(),
      timestamp: z.string(),
      nonce: z.string(),
      bodyBase64: z.string(),
      signature: z.string(),
    }),
  ),
});

function verify(
  headers: Record<string, string>,
  request: SignRequest,
  options: { secrets?: string[]; nonces?: NonceMemory; now?: number } = {},
): string {
  try {
    const read = readSignatureHeaders((name) => headers[name]);
    verifySignature(
      read,
      request,
      options.secrets ?? [SECRET],
      options.nonces ?? new NonceMemory(),
      options.now ?? NOW,
    );
    return 'ok';
  } catch (error) {
    return error instanceof IntercomError ? error.code : 'threw';
  }
}

const bytes = fc.uint8Array({ maxLength: 200 });
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE'),
  path: fc.webPath().map((path) => `/${path}`),
  body: bytes,
});

describe('signing, version 2', () => {
  it('fits the vectors for other implementations', () => {
    const file = readFileSync(new URL('signing-vectors.json', import.meta.url), 'utf8');
    const { vectors } = Vectors.parse(JSON.parse(file));
    expect(vectors.length).toBeGreaterThanOrEqual(6);
    for (const { name, secret, bodyBase64, signature, ...parts } of vectors) {
      const body = Buffer.from(bodyBase64, 'base64');
      expect({ name, signature: signatureOf(secret, { ...parts, body }) }).toEqual({ name, signature });
    }
  });

  it('what was signed is taken, once', () => {
    fc.assert(
      fc.property(request, fc.string({ minLength: 1 }), (given, secret) => {
        const headers = signRequest(secret, 'laptop', given, NOW);
        const nonces = new NonceMemory();
        expect(verify(headers, given, { secrets: [secret], nonces })).toBe('ok');
        expect(verify(headers, given, { secrets: [secret], nonces })).toBe('replayed');
      }),
    );
  });

  it('what was altered anywhere is not', () => {
    const part = fc.constantFrom('method', 'path', 'body', 'machine', 'timestamp', 'nonce', 'signature', 'secret');
    fc.assert(
      fc.property(request, part, fc.nat(), (given, altered, at) => {
        const headers = signRequest(SECRET, 'laptop', given, NOW, 'nonce-nonce-nonce');
        const other: SignRequest = {
          method: altered === 'method' ? 'PUT' : given.method,
          path: altered === 'path' ? `${given.path}x` : given.path,
          body: altered === 'body' ? Buffer.concat([given.body, Buffer.from([at % 256])]) : given.body,
        };
        if (altered === 'machine') headers['x-intercom-machine'] = 'server';
        if (altered === 'timestamp') headers['x-intercom-timestamp'] = String(NOW / 1000 + 1);
        if (altered === 'nonce') headers['x-intercom-nonce'] = 'nonce-nonce-nonc2';
        if (altered === 'signature')
          headers['x-intercom-signature'] = flipped(headers['x-intercom-signature'] ?? '', at);
        const secrets = altered === 'secret' ? ['ict_other', ''] : [SECRET];
        expect(verify(headers, other, { secrets })).toBe('bad_signature');
      }),
    );
  });

  it('no line of a request can pass for another: a newline in the path makes another signature', () => {
    const parts = { machine: 'm', timestamp: '1', nonce: 'n'.repeat(16), body: new Uint8Array() };
    const one = signatureOf(SECRET, { ...parts, method: 'GET', path: '/a\nm' });
    const two = signatureOf(SECRET, { ...parts, method: 'GET', path: '/a' });
    expect(one).not.toBe(two);
  });

  it.each([
    [-SIGNING_WINDOW_SECONDS - 1, 'clock_skew'],
    [-SIGNING_WINDOW_SECONDS, 'ok'],
    [0, 'ok'],
    [SIGNING_WINDOW_SECONDS, 'ok'],
    [SIGNING_WINDOW_SECONDS + 1, 'clock_skew'],
  ])('a clock that is %i seconds off: %s', (seconds, code) => {
    const given = { method: 'GET', path: '/x', body: new Uint8Array() };
    expect(verify(signRequest(SECRET, 'laptop', given, NOW + seconds * 1000), given)).toBe(code);
  });

  it('takes either secret while one replaces the other', () => {
    const given = { method: 'GET', path: '/x', body: new Uint8Array() };
    for (const secret of ['old', 'new']) {
      expect(verify(signRequest(secret, 'laptop', given, NOW), given, { secrets: ['old', 'new'] })).toBe('ok');
    }
  });

  it('remembers a nonce longer than any timestamp that fits it, and is bounded', () => {
    const nonces = new NonceMemory(3);
    expect(nonces.remember('m', 'a', NOW)).toBe(true);
    expect(nonces.remember('m', 'a', NOW + 2 * SIGNING_WINDOW_SECONDS * 1000 - 1)).toBe(false);
    expect(nonces.remember('other', 'a', NOW)).toBe(true);
    expect(nonces.remember('m', 'b', NOW)).toBe(true);
    expect(() => nonces.remember('m', 'c', NOW)).toThrow('Too many requests');
    expect(nonces.remember('m', 'c', NOW + 2 * SIGNING_WINDOW_SECONDS * 1000 + 1)).toBe(true);
    expect(nonces.size).toBe(1);
  });

  it('a stranger cannot fill the memory of nonces', () => {
    const nonces = new NonceMemory(1);
    const given = { method: 'GET', path: '/x', body: new Uint8Array() };
    for (let i = 0; i < 5; i += 1) {
      expect(verify(signRequest('guess', 'laptop', given, NOW), given, { nonces })).toBe('bad_signature');
    }
    expect(nonces.size).toBe(0);
  });

  it('any headers at all are refused in words', () => {
    const names = ['version', 'machine', 'timestamp', 'nonce', 'signature'].map((name) => `x-intercom-${name}`);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), fc.string()), (headers) => {
        const code = verify(headers, { method: 'GET', path: '/', body: new Uint8Array() });
        expect(['unsigned', 'unsupported_version', 'bad_signature']).toContain(code);
      }),
    );
  });
});

function flipped(hex: string, at: number): string {
  const index = at % hex.length;
  const other = hex.charAt(index) === '0' ? '1' : '0';
  return `${hex.slice(0, index)}${other}${hex.slice(index + 1)}`;
}
