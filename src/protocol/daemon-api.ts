/**
 * The daemon API: what a hub sends to its daemons. Every request is signed in the name of `hub` with that machine's secret.
 *
 *   POST /api/hub/deliver    DeliverRequest  → DeliverResponse   a batch in order; stored before it is acknowledged, repeats dropped
 *   POST /api/hub/rotate     RotateRequest   → Ok                a new secret, sealed with the old one
 *   POST /api/hub/revoked    —               → Ok                the machine is out; the daemon stops and says so
 *   GET  /api/hub/ping       —               → PingResponse
 *
 * Without a signature: GET /api/health, GET /api/discover.
 */
import { z } from 'zod';
import { AddressText, ProjectId, SessionId } from './address.ts';
import { MessageId, ThreadId } from './ids.ts';
import { BATCH_MAX } from './limits.ts';
import { MessageStatus } from './machine-api.ts';
import { MessageKind, Priority, Time } from './model.ts';

/** A message for a session of this machine. */
export const DeliverMessage = z.object({
  item: z.literal('message'),
  id: MessageId,
  threadId: ThreadId,
  kind: MessageKind,
  from: AddressText,
  project: ProjectId,
  /** Present when it is for one session. */
  session: SessionId.optional(),
  /** exact: this session or none · preferred: this session while it lives, then any of the project (replies). */
  binding: z.enum(['exact', 'preferred']).default('exact'),
  body: z.string(),
  priority: Priority,
  inReplyTo: MessageId.optional(),
  /** For the frame: "approved by gilles", "allowed by rule 2 …". */
  approval: z.string().max(300),
  depth: z.number().int().nonnegative().default(0),
  sentAt: Time,
  expiresAt: Time,
});
export type DeliverMessage = z.infer<typeof DeliverMessage>;

/** News of a message that an agent of this machine sent: whoever waits for it is answered at once. */
export const DeliverStatus = z.object({ item: z.literal('status'), status: MessageStatus });
export type DeliverStatus = z.infer<typeof DeliverStatus>;

/** Take a message back, if it has not been written yet. Answered by a receipt (`cancelled` or what it already is). */
export const DeliverCancel = z.object({ item: z.literal('cancel'), id: MessageId, reason: z.string().max(300) });

export const DeliverItem = z.discriminatedUnion('item', [DeliverMessage, DeliverStatus, DeliverCancel]);
export type DeliverItem = z.infer<typeof DeliverItem>;
export const DeliverRequest = z.object({
  hubEpoch: z.string().max(64),
  items: z
    .array(z.object({ seq: z.number().int().positive(), body: DeliverItem }))
    .min(1)
    .max(BATCH_MAX),
});
export type DeliverRequest = z.infer<typeof DeliverRequest>;
/** One per item, in order. stored: durable here · known: a repeat · refused: will never be taken (`reason`), the hub fails it. */
export const DeliverResponse = z.object({
  results: z.array(
    z.object({
      seq: z.number().int(),
      result: z.enum(['stored', 'known', 'refused']),
      reason: z.string().max(500).optional(),
    }),
  ),
});
export type DeliverResponse = z.infer<typeof DeliverResponse>;

/** AES-256-GCM under SHA-256 of the old secret; base64url. The plain text is the new secret. */
export const RotateRequest = z.object({ nonce: z.string().max(64), sealed: z.string().max(500) });
export const PingResponse = z.object({ machineId: z.string(), epoch: z.string(), version: z.string(), time: Time });
