/**
 * The machine API: what a daemon sends to its hub. Every request is signed (signing.ts) with the machine's secret; the hub takes
 * the sender's machine from the signature, never from a body.
 *
 *   POST /api/machine/hello                     HelloRequest        → HelloResponse        at start and whenever asked to resync
 *   POST /api/machine/heartbeat                 HeartbeatRequest    → HeartbeatResponse    every 15 s
 *   POST /api/machine/sessions                  SessionsRequest     → Ok                   changed sessions, as they change
 *   POST /api/machine/projects                  ProjectsRequest     → Ok                   the whole list, when it changed
 *   POST /api/machine/messages                  SubmitRequest       → SubmitResponse       a batch; repeats return the first result
 *   POST /api/machine/receipts                  ReceiptsRequest     → ReceiptsResponse     a batch, in order
 *   GET  /api/machine/agents?filter=            —                   → AgentsResponse
 *   GET  /api/machine/messages/:id              —                   → Trace                only messages this machine sent or received
 *   POST /api/machine/messages/:id/cancel       CancelRequest       → MessageStatus        only its sender's machine
 *   GET  /api/machine/threads/:id?limit=&before=  —                 → ThreadPage           only threads this machine takes part in
 *   POST /api/machine/missions/news             MissionNewsRequest  → MissionNewsResponse  a batch, in order; kept by the daemon until taken
 *   POST /api/machine/missions                  StartMission        → Mission              a repeat of the same idempotency key returns the first
 *   GET  /api/machine/missions?limit=&before=   —                   → MissionsPage         what this machine asked for or runs, newest first
 *   GET  /api/machine/missions/:id?wait=&unless=  —                 → Mission              only missions that this machine asked for or runs
 *   GET  /api/machine/missions/:id/log?after=&limit=  —             → MissionLogPage
 *   POST /api/machine/missions/:id/cancel       MissionWord         → Mission              only those that its agents asked for
 *   POST /api/machine/missions/:id/inspect      —                   → Inspection           by policy
 *   POST /api/machine/approvals                 RaiseApproval       → ApprovalRaised       an agent's dialog is open; a repeat of `ref` returns the first
 *   GET  /api/machine/approvals/:ref            —                   → Approval             how it stands; only what this machine raised
 *   POST /api/machine/approvals/close           CloseApproval       → Ok                   it was answered at the terminal, or is gone
 *   POST /api/machine/approvals/effect          ApprovalEffect      → Ok                   what came of a decision, once
 *   POST /api/machine/usage                     UsageReport         → Ok                   what changed
 *   POST /api/machine/announcements             AnnounceRequest     → Announced            limited per session
 *   GET  /api/machine/presence                  —                   → Presence
 *   POST /api/machine/feedback                  FeedbackRequest     → Ok
 *   POST /api/machine/leave                     —                   → Ok
 *
 * Without a signature: GET /api/health, GET /api/discover, and the join calls (join.ts).
 */
import { z } from 'zod';
import { AddressText, MachineId, ProjectId, SessionId } from './address.ts';
import { Announce } from './attention.ts';
import { WireError } from './errors.ts';
import { ApprovalId, MessageId, MissionId, ThreadId } from './ids.ts';
import { BATCH_MAX } from './limits.ts';
import { MessageState } from './message-life.ts';
import { AgentOffer, Mission, MissionSpec } from './mission.ts';
import { MissionState } from './mission-life.ts';
import {
  Agent,
  ApprovalState,
  Decision,
  Message,
  MessageKind,
  Priority,
  Project,
  QuestionSubject,
  Session,
  Thread,
  Time,
  ToolSubject,
} from './model.ts';
import { BodyText, lineText } from './text.ts';

export const Ok = z.object({ ok: z.literal(true) });

export const HelloRequest = z.object({
  protocol: z.number().int(),
  version: z.string().max(50),
  /** New at each start of the daemon. */
  epoch: z.string().max(64),
  displayName: lineText(100),
  description: lineText(500).default(''),
  daemonUrl: z.url().max(300),
  projects: z.array(Project).max(2000),
  /** All live sessions; sessions the hub knows and this list lacks have ended. */
  sessions: z.array(Session).max(2000),
  /** Missions that this daemon has and whose end the hub has not taken yet; those that the hub thinks are there and this list lacks are lost. */
  missions: z
    .array(z.object({ id: MissionId, run: z.number().int().positive(), state: MissionState }))
    .max(2000)
    .default([]),
  /** What can be started on this machine. */
  agents: z.array(AgentOffer).max(50).default([]),
  /** Open dialogs (`ref` of RaiseApproval); pending approvals of this machine that the list lacks are withdrawn. */
  dialogs: z.array(z.string().max(64)).max(2000).default([]),
});
export type HelloRequest = z.infer<typeof HelloRequest>;
export const HelloResponse = z.object({
  hubEpoch: z.string(),
  hubVersion: z.string(),
  protocol: z.number().int(),
  heartbeatSeconds: z.number(),
  time: Time,
});
export type HelloResponse = z.infer<typeof HelloResponse>;

export const HeartbeatRequest = z.object({
  epoch: z.string().max(64),
  time: Time,
  /** Messages in the daemon's outbox that the hub has not taken yet. */
  outbox: z.number().int().nonnegative(),
});
export const HeartbeatResponse = z.object({
  hubEpoch: z.string(),
  /** The hub knows less than it should (restart, restored backup): send hello again. */
  resync: z.boolean(),
});

export const SessionsRequest = z.object({ sessions: z.array(Session).min(1).max(500) });
export const ProjectsRequest = z.object({ projects: z.array(Project).max(2000) });

/** A message from an agent of this machine. The daemon names project and session; the hub puts the machine before them. */
export const SubmitItem = z.object({
  /** Made by the sending daemon; a repeat of the same id returns the first result. */
  id: MessageId,
  fromProject: ProjectId,
  fromSession: SessionId.optional(),
  /** Absent for a reply into a thread: the hub finds the other side. */
  to: AddressText.optional(),
  kind: MessageKind.exclude(['notice']),
  body: BodyText,
  threadId: ThreadId.optional(),
  inReplyTo: MessageId.optional(),
  priority: Priority.default('normal'),
  /** Unique per sending agent; a repeat returns the first message whatever its id. */
  idempotencyKey: lineText(200).optional(),
  /** `always`: ask a person even if policy would let it pass. Nothing can ask for less than policy. */
  requireApproval: z.enum(['auto', 'always']).default('auto'),
  /**
   * auto: where nobody works in the recipient's project, an agent is started to answer (an ask only, and by policy) · never: it waits for a
   * session.
   */
  launch: z.enum(['auto', 'never']).default('never'),
  /** How many asks led to this one; each ask raises it by one. */
  depth: z.number().int().min(0).max(100).default(0),
  expiresInSeconds: z
    .number()
    .int()
    .min(5)
    .max(31 * 24 * 3600)
    .optional(),
  /** When the agent handed it in. */
  submittedAt: Time,
});
export type SubmitItem = z.infer<typeof SubmitItem>;
export const SubmitRequest = z.object({ items: z.array(SubmitItem).min(1).max(BATCH_MAX) });

/** A message's state as its sender is told. */
export const MessageStatus = z.object({
  id: MessageId,
  threadId: ThreadId,
  to: AddressText,
  state: MessageState,
  stateSince: Time,
  place: z.string(),
  reason: z.string().optional(),
  rule: z.string().optional(),
  decidedBy: z.string().optional(),
  /** The first reply, once there is one. */
  answer: z.object({ id: MessageId, from: AddressText, body: z.string(), at: Time }).optional(),
});
export type MessageStatus = z.infer<typeof MessageStatus>;

/** One result per item, in the order of the items. */
export const SubmitResult = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), status: MessageStatus }),
  z.object({ ok: z.literal(false), error: WireError }),
]);
export type SubmitResult = z.infer<typeof SubmitResult>;
export const SubmitResponse = z.object({ results: z.array(SubmitResult) });

/** What happened to a message on this machine. Sent in order, kept until the hub has taken it. */
export const Receipt = z.object({
  messageId: MessageId,
  state: MessageState.extract([
    'dispatched',
    'written',
    'held_at_terminal',
    'delivered',
    'seen',
    'denied',
    'expired',
    'cancelled',
    'failed',
  ]),
  at: Time,
  /** The session that got it, once there is one. */
  session: SessionId.optional(),
  proof: lineText(300).optional(),
  reason: lineText(500).optional(),
});
export type Receipt = z.infer<typeof Receipt>;
export const ReceiptsRequest = z.object({ items: z.array(Receipt).min(1).max(BATCH_MAX) });
/** Receipts that the hub refused are answered by their reason; they are not sent again. */
export const ReceiptsResponse = z.object({
  results: z.array(z.enum(['applied', 'known', 'stale', 'unknown_message'])),
});

export const AgentsResponse = z.object({ agents: z.array(Agent), at: Time });
export const CancelRequest = z.object({ reason: lineText(300).optional() });
/** Oldest first. `before` (a message id) pages backwards. */
export const ThreadPage = z.object({ thread: Thread, messages: z.array(Message), more: z.boolean() });
export type ThreadPage = z.infer<typeof ThreadPage>;

export const FeedbackRequest = z.object({
  fromProject: ProjectId,
  fromSession: SessionId.optional(),
  type: z.enum(['bug', 'improvement', 'note']),
  description: BodyText,
  context: z.string().max(20_000).default(''),
});
export type FeedbackRequest = z.infer<typeof FeedbackRequest>;

/** An agent of this machine asks for a mission. The hub puts the machine before the project of the sender. */
export const StartMission = MissionSpec.extend({
  fromProject: ProjectId,
  fromSession: SessionId.optional(),
  /** The machine that is to run it. */
  machine: MachineId,
  idempotencyKey: lineText(200).optional(),
  requireApproval: z.enum(['auto', 'always']).default('auto'),
  /** When it is over, who asked is told by a notice in the mission's thread. */
  notify: z.boolean().default(false),
});
export type StartMission = z.infer<typeof StartMission>;
export const MissionsPage = z.object({ missions: z.array(Mission), more: z.boolean() });
export const MissionWord = z.object({ reason: lineText(300).optional() });

/** A dialog that is open in a session of this machine. `ref` is the daemon's own id for it. */
export const RaiseApproval = z.object({
  ref: z.string().min(8).max(64),
  session: SessionId,
  /** `from` is overwritten by the hub. */
  subject: z.discriminatedUnion('kind', [ToolSubject, QuestionSubject]),
  /**
   * hello (also where it is absent): it is open only as long as the daemon names it in its hellos (a hook that waits) · session: as long as its session lives and nobody closes it (the
   * asking tool comes again after a restart of the daemon).
   */
  boundTo: z.enum(['hello', 'session']).optional(),
  expiresInSeconds: z.number().int().min(5).max(86_400).default(3600),
});
export type RaiseApproval = z.infer<typeof RaiseApproval>;
/** `decision` is there at once where policy decided. */
export const ApprovalRaised = z.object({ id: ApprovalId, state: ApprovalState, decision: Decision.optional() });
export type ApprovalRaised = z.infer<typeof ApprovalRaised>;
export const CloseApproval = z.object({
  ref: z.string().min(8).max(64),
  /** answered_elsewhere: at the terminal (`verdict` where it is known) · withdrawn: the dialog is gone. */
  outcome: z.enum(['answered_elsewhere', 'withdrawn']),
  verdict: z.enum(['allow', 'deny']).optional(),
  reason: lineText(300).optional(),
});
export type CloseApproval = z.infer<typeof CloseApproval>;

export const ApprovalEffect = z.object({
  ref: z.string().min(8).max(64),
  state: z.enum(['done', 'failed']),
  reason: lineText(300).optional(),
});
export type ApprovalEffect = z.infer<typeof ApprovalEffect>;

export const AnnounceRequest = Announce.extend({ fromProject: ProjectId, fromSession: SessionId.optional() });
export type AnnounceRequest = z.infer<typeof AnnounceRequest>;

/** GET /api/discover, unsigned: lets `intercom join` find the hub on the tailnet. */
export const DiscoverResponse = z.object({
  hub: z.boolean(),
  name: z.string(),
  version: z.string(),
  protocol: z.number().int(),
});
/** GET /api/health, unsigned. */
export const HealthResponse = z.object({ status: z.enum(['ok', 'degraded']), version: z.string(), mode: z.string() });
