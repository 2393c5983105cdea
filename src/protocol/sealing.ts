/**
 * Sealing of machine secrets, so that they never cross the network in the open.
 *
 * Join: the hub makes an X25519 key for this one answer; HKDF-SHA256 of the shared point, bound to join id, machine id and both public
 * keys, gives the AES-256-GCM key. Rotation: the new secret under SHA-256 of the old one. All binary values are base64url without padding;
 * the tag follows the ciphertext. Who opens what was altered, or sealed for something else, gets `bad_signature` and nothing more.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { IntercomError } from './errors.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed secret is for; both sides must name the same. */
export interface JoinFacts {
  readonly joinId: string;
  readonly machineId: string;
  /** The joiner's public key. */
  readonly publicKey: string;
}

export interface JoinKeys {
  /** 32 bytes, base64url. */
  readonly publicKey: string;
  readonly privateKey: KeyObject;
}

export interface SealedForJoin {
  readonly hubPublicKey: string;
  readonly nonce: string;
  readonly sealed: string;
}

export interface SealedForRotation {
  readonly nonce: string;
  readonly sealed: string;
}

/** The joiner's key, for one request. */
export function newJoinKeys(): JoinKeys {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return { publicKey: rawOf(publicKey), privateKey };
}

/** The claim key stays with the joiner; its hash goes with the request. */
export function newClaimKey(): { readonly claimKey: string; readonly claimHash: string } {
  const claimKey = randomBytes(32).toString('base64url');
  return { claimKey, claimHash: claimHashOf(claimKey) };
}

export function claimHashOf(claimKey: string): string {
  return createHash('sha256').update(Buffer.from(claimKey, 'base64url')).digest('base64url');
}

/** The hub's side. Throws `invalid_request` if the joiner's key is not a usable point. */
export function sealForJoin(secret: string, facts: JoinFacts): SealedForJoin {
  const hub = newJoinKeys();
  try {
    const key = joinKey(hub.privateKey, facts.publicKey, facts, hub.publicKey);
    return { hubPublicKey: hub.publicKey, ...encrypt(key, secret) };
  } catch (cause) {
    throw new IntercomError('invalid_request', 'The public key of the join request cannot be used.', {
      field: 'publicKey',
      next: 'Run `intercom join` again; it makes a new key.',
      cause,
    });
  }
}

/** The joiner's side. Throws `bad_signature` for anything that was not sealed for exactly this request. */
export function openJoin(privateKey: KeyObject, facts: JoinFacts, sealed: SealedForJoin): string {
  try {
    return decrypt(joinKey(privateKey, sealed.hubPublicKey, facts, sealed.hubPublicKey), sealed);
  } catch (cause) {
    throw notOurs('The secret that came back was not sealed for this request.', 'Run `intercom join` again.', cause);
  }
}

export function sealRotation(oldSecret: string, newSecret: string): SealedForRotation {
  return encrypt(rotationKey(oldSecret), newSecret);
}

export function openRotation(oldSecret: string, sealed: SealedForRotation): string {
  try {
    return decrypt(rotationKey(oldSecret), sealed);
  } catch (cause) {
    throw notOurs('The new secret was not sealed with the present one.', 'Join again with `intercom join`.', cause);
  }
}

function joinKey(own: KeyObject, otherPublic: string, facts: JoinFacts, hubPublicKey: string): Buffer {
  const shared = diffieHellman({ privateKey: own, publicKey: publicKeyOf(otherPublic) });
  const info = ['intercom-join-v1', facts.joinId, facts.machineId, facts.publicKey, hubPublicKey].join('\n');
  return Buffer.from(hkdfSync('sha256', shared, Buffer.alloc(0), info, 32));
}

function rotationKey(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function encrypt(key: Buffer, text: string): SealedForRotation {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return { nonce: nonce.toString('base64url'), sealed: sealed.toString('base64url') };
}

function decrypt(key: Buffer, { nonce, sealed }: SealedForRotation): string {
  const bytes = Buffer.from(sealed, 'base64url');
  const iv = Buffer.from(nonce, 'base64url');
  if (bytes.length < TAG_BYTES || iv.length !== NONCE_BYTES) throw new Error('too short');
  const cipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  cipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
  const text = Buffer.concat([cipher.update(bytes.subarray(0, bytes.length - TAG_BYTES)), cipher.final()]);
  return text.toString('utf8');
}

function publicKeyOf(raw: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw }, format: 'jwk' });
}

function rawOf(key: KeyObject): string {
  const { x } = key.export({ format: 'jwk' });
  if (x === undefined) throw new Error('not an X25519 key');
  return x;
}

function notOurs(message: string, next: string, cause: unknown): IntercomError {
  return new IntercomError('bad_signature', message, { next, cause });
}
