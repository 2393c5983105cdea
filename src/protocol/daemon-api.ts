/**
 * The daemon API: what a hub sends to its daemons. Every request is signed in the name of `hub` with that machine's secret.
 *
 *   POST /api/hub/deliver    DeliverRequest  → DeliverResponse   a batch in order; stored before it is acknowledged, repeats dropped
 *   POST /api/hub/rotate     RotateRequest   → Ok                a new secret, sealed with the old one
 *   POST /api/hub/revoked    —               → Ok                the machine is out; the daemon stops and says so
 *   POST /api/hub/inspect    InspectRequest  → Inspection        one look at a session, read-only
 *   GET  /api/hub/terminals/:session (WebSocket)  → TerminalFrame…   watch and, with `?write=1`, type (terminal-stream.ts); who: `?as=<operator>`
 *   GET  /api/hub/ping       —               → PingResponse
 *
 * Without a signature: GET /api/health, GET /api/discover.
 */
import { z } from 'zod';
import { AddressText, ProjectId, SessionId } from './address.ts';
import { ApprovalId, MessageId, MissionId, ThreadId } from './ids.ts';
import { BATCH_MAX } from './limits.ts';
import { MessageStatus } from './machine-api.ts';
import { MissionSpec } from './mission.ts';
import { ApprovalState, Decision, MessageKind, Priority, Time } from './model.ts';

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

/**
 * Run a mission. A repeat of the same id and run changes nothing. The daemon answers `stored` and reports the rest as MissionNews; what can never run there
 * (unknown project, path outside, unknown agent, flag not allowed) is reported `failed` with its reason, never started somewhere else.
 */
export const DeliverMission = z.object({
  item: z.literal('mission'),
  missionId: MissionId,
  run: z.number().int().positive(),
  spec: MissionSpec,
  threadId: ThreadId,
  requestedBy: AddressText,
  /** For the agent's frame: "approved by gilles". */
  approval: z.string().max(300),
  depth: z.number().int().nonnegative(),
  /** The log's last number; the run's entries follow it. */
  logSeq: z.number().int().nonnegative(),
  /** Go on with this conversation: `text` is said into it. `fork`: into a copy of it. */
  resume: z
    .object({ session: SessionId, text: z.string().max(256 * 1024), fork: z.boolean().default(false) })
    .optional(),
});
export type DeliverMission = z.infer<typeof DeliverMission>;
/** cancel: end the process group · pause: interrupt and end it, keeping the conversation. Nothing, if that run is over. */
export const DeliverMissionStop = z.object({
  item: z.literal('mission_stop'),
  missionId: MissionId,
  run: z.number().int().positive(),
  how: z.enum(['cancel', 'pause']),
  by: z.string().max(100),
  reason: z.string().max(300).optional(),
});
export type DeliverMissionStop = z.infer<typeof DeliverMissionStop>;
/** The outcome of a RaiseApproval. */
export const DeliverDecision = z.object({
  item: z.literal('decision'),
  ref: z.string().max(64),
  approvalId: ApprovalId,
  state: ApprovalState.exclude(['pending']),
  decision: Decision.optional(),
});
export type DeliverDecision = z.infer<typeof DeliverDecision>;

export const InspectRequest = z.object({ session: SessionId, lines: z.number().int().min(1).max(200).default(40) });

export const DeliverItem = z.discriminatedUnion('item', [
  DeliverMessage,
  DeliverStatus,
  DeliverCancel,
  DeliverMission,
  DeliverMissionStop,
  DeliverDecision,
]);
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
