/**
 * Joining a mesh.
 *
 *   POST /api/join               JoinRequest    → JoinAccepted     unsigned, rate-limited
 *   POST /api/join/:id/claim     JoinClaim      → JoinState        the joiner asks (long-poll up to 25 s) until it is decided
 *
 * The joiner makes an X25519 key and a claim key for this one request. Both sides show a code derived from the public key, the machine
 * id and the join id, so that a person sees that they are the same request. An approved secret is sealed to the public key
 * (X25519, HKDF-SHA256, AES-256-GCM) and handed out once, only to who shows the claim key. Denied and expired are answers.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MachineId } from './address.ts';
import { JoinId } from './ids.ts';
import { Time } from './model.ts';
import { lineText } from './text.ts';

/** 32 bytes as base64url. */
const Key32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, { message: 'not 32 bytes in base64url' });

export const JoinRequest = z.object({
  protocol: z.number().int(),
  machineId: MachineId,
  displayName: lineText(100),
  /** Where the hub will reach the daemon. */
  daemonUrl: z.url().max(300),
  publicKey: Key32,
  /** SHA-256 of the claim key; the key itself stays with the joiner. */
  claimHash: Key32,
});
export type JoinRequest = z.infer<typeof JoinRequest>;
export const JoinAccepted = z.object({ joinId: JoinId, code: z.string(), expiresAt: Time });
export type JoinAccepted = z.infer<typeof JoinAccepted>;

export const JoinClaim = z.object({ claimKey: Key32, waitSeconds: z.number().min(0).max(25).default(0) });
export const JoinState = z.discriminatedUnion('state', [
  z.object({ state: z.literal('pending'), expiresAt: Time }),
  z.object({
    state: z.literal('approved'),
    machineId: MachineId,
    hubPublicKey: Key32,
    nonce: z.string(),
    /** The machine's secret, sealed. Handed out once. */
    sealed: z.string(),
    approvedBy: z.string(),
  }),
  z.object({ state: z.literal('denied'), by: z.string(), reason: z.string().optional() }),
  z.object({ state: z.literal('expired') }),
  /** The secret was already handed out. */
  z.object({ state: z.literal('claimed') }),
]);
export type JoinState = z.infer<typeof JoinState>;

/** The code that both sides show: six digits in two groups, from what the request is about. */
export function joinCode(joinId: string, machineId: string, publicKey: string): string {
  const digest = createHash('sha256').update(`intercom-join\n${joinId}\n${machineId}\n${publicKey}`).digest();
  const digits = String(digest.readUInt32BE(0) % 1_000_000).padStart(6, '0');
  return `${digits.slice(0, 3)}-${digits.slice(3)}`;
}
