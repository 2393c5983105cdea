import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import {
  claimHashOf,
  newClaimKey,
  newJoinKeys,
  openJoin,
  openRotation,
  sealForJoin,
  sealRotation,
} from '../../src/protocol/sealing.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 100 });

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof IntercomError ? error.code : 'another error';
  }
  return 'no error';
}

/** Flips one bit of a base64url text. */
function altered(value: string, at: number): string {
  const bytes = Buffer.from(value, 'base64url');
  const index = at % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return bytes.toString('base64url');
}

describe('sealing for a join', () => {
  it('opens for whom it was made, whatever the secret', () => {
    fc.assert(
      fc.property(text, (secret) => {
        const keys = newJoinKeys();
        const facts = { joinId: newId('join'), machineId: 'laptop', publicKey: keys.publicKey };
        expect(openJoin(keys.privateKey, facts, sealForJoin(secret, facts))).toBe(secret);
      }),
      { numRuns: 50 },
    );
  });

  it('opens for nothing and nobody else', () => {
    fc.assert(
      fc.property(text, fc.nat(), fc.constantFrom('sealed', 'nonce', 'hubPublicKey'), (secret, at, field) => {
        const keys = newJoinKeys();
        const facts = { joinId: newId('join'), machineId: 'laptop', publicKey: keys.publicKey };
        const sealed = sealForJoin(secret, facts);
        const changed = { ...sealed, [field]: altered(sealed[field], at) };
        expect(codeOf(() => openJoin(keys.privateKey, facts, changed))).toBe('bad_signature');
        expect(codeOf(() => openJoin(newJoinKeys().privateKey, facts, sealed))).toBe('bad_signature');
        expect(codeOf(() => openJoin(keys.privateKey, { ...facts, machineId: 'other' }, sealed))).toBe('bad_signature');
        expect(codeOf(() => openJoin(keys.privateKey, { ...facts, joinId: newId('join') }, sealed))).toBe(
          'bad_signature',
        );
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a public key that gives everybody the same secret', () => {
    const zero = Buffer.alloc(32).toString('base64url');
    expect(codeOf(() => sealForJoin('s', { joinId: newId('join'), machineId: 'm', publicKey: zero }))).toBe(
      'invalid_request',
    );
    expect(codeOf(() => sealForJoin('s', { joinId: newId('join'), machineId: 'm', publicKey: 'x' }))).toBe(
      'invalid_request',
    );
  });

  it('keeps the claim key out of the request', () => {
    const { claimKey, claimHash } = newClaimKey();
    expect(claimHash).toBe(claimHashOf(claimKey));
    expect(claimHash).not.toBe(claimKey);
  });
});

describe('sealing for a rotation', () => {
  it('opens with the old secret alone', () => {
    fc.assert(
      fc.property(text, text, fc.nat(), (before, after, at) => {
        const sealed = sealRotation(before, after);
        expect(openRotation(before, sealed)).toBe(after);
        expect(codeOf(() => openRotation(`${before}x`, sealed))).toBe('bad_signature');
        expect(codeOf(() => openRotation(before, { ...sealed, sealed: altered(sealed.sealed, at) }))).toBe(
          'bad_signature',
        );
        expect(codeOf(() => openRotation(before, { nonce: '', sealed: '' }))).toBe('bad_signature');
      }),
    );
  });
});
