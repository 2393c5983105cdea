/**
 * The operator API: what the web app and the command line ask of the hub in the name of a person. Authenticated by the session cookie of
 * the web app (Origin checked on every write and on the WebSocket), by a bearer token of `intercom login`, or over the hub's own unix
 * socket with the key from a 0600 file. No machine signature opens it.
 *
 *   POST   /api/operator/sign-in                 SignIn            → Me          open; one-time code, sets the cookie
 *   POST   /api/operator/sign-out                —                 → Ok
 *   POST   /api/operator/sign-in/links           —                 → SignInLink  (owner)
 *   POST   /api/operator/login                   SignIn            → TokenIssued open; one-time code → bearer token for a terminal
 *   GET    /api/operator/me                      —                 → Me
 *   GET    /api/operator/snapshot                —                 → Snapshot
 *   GET    /api/operator/stream  (WebSocket)     ?after=epoch:seq  → StreamFrame…
 *   GET    /api/operator/events                  ?after=&limit=    → EventsPage
 *   GET    /api/operator/approvals               ?state=&limit=&order=&after=  → ApprovalsPage  order: newest (default) or oldest first; after: the id to go on from
 *   GET    /api/operator/approvals/:id           —                 → Approval     (an unambiguous prefix is enough)
 *   POST   /api/operator/approvals/:id/decision  DecisionRequest   → Approval
 *   GET    /api/operator/threads                 ?limit=&before=   → ThreadsPage
 *   GET    /api/operator/threads/:id             ?limit=&before=   → ThreadPage
 *   GET    /api/operator/inbox                   ?limit=&before=   → MessagesPage  what was sent to the operators
 *   POST   /api/operator/messages                OperatorSubmit    → MessageStatus
 *   GET    /api/operator/messages/:id            ?wait=            → MessageStatus
 *   GET    /api/operator/messages/:id/trace      —                 → Trace
 *   POST   /api/operator/messages/:id/shown      —                 → Ok            (operator) a surface showed a person what was sent to them
 *   POST   /api/operator/messages/:id/cancel     CancelRequest     → MessageStatus
 *   GET    /api/operator/missions                ?limit=&before=&state=  → MissionsPage  newest first; state: `live` or a state
 *   POST   /api/operator/missions                OperatorMission   → Mission       (operator) a repeat of the idempotency key returns the first
 *   GET    /api/operator/missions/:id            ?wait=&unless=    → Mission       (an unambiguous prefix is enough)
 *   GET    /api/operator/missions/:id/log        ?after=&limit=    → MissionLogPage
 *   POST   /api/operator/missions/:id/cancel     MissionWord       → Mission       (operator)
 *   POST   /api/operator/missions/:id/pause      MissionWord       → Mission       (operator)
 *   POST   /api/operator/missions/:id/resume     MissionResume     → Mission       (operator) another run of the same conversation
 *   POST   /api/operator/missions/:id/rerun      —                 → Mission       (operator) a new mission of the same text
 *   POST   /api/operator/missions/:id/fork       MissionResume     → Mission       (operator) a new mission from a copy of its conversation
 *   POST   /api/operator/missions/:id/send       MissionSend       → MessageStatus (operator) a message into it, with receipts
 *   POST   /api/operator/sessions/:machine/:session/inspect  —     → Inspection
 *   GET    /api/operator/terminals/:machine/:session (WebSocket)   → TerminalFrame…  ?write=1 to type (operator)
 *   GET    /api/operator/machines                —                 → MachinesPage
 *   PATCH  /api/operator/machines/:id            MachinePatch      → Machine      (owner)
 *   POST   /api/operator/machines/:id/revoke     —                 → Machine      (owner)
 *   POST   /api/operator/machines/:id/rotate     —                 → Machine      (owner)
 *   DELETE /api/operator/machines/:id            —                 → Ok           (owner)
 *   GET    /api/operator/agents                  ?filter=          → AgentsResponse
 *   GET    /api/operator/policy                  —                 → PolicyView
 *   POST   /api/operator/policy/test             PolicyTest        → PolicyVerdict
 *   GET    /api/operator/grants                  —                 → GrantsPage
 *   DELETE /api/operator/grants/:id              —                 → Grant
 *   GET    /api/operator/attention/waits         ?limit=&before=&project=&days=  → WaitsPage  newest first; the summary is of all of them
 *   GET    /api/operator/attention/presence      —                 → Presence
 *   GET    /api/operator/preferences             —                 → Preferences   of the operator who asks
 *   PATCH  /api/operator/preferences             PreferencesPatch  → Preferences
 *   GET    /api/operator/push                    —                 → PushKey
 *   POST   /api/operator/push/subscriptions      PushSubscription  → Ok
 *   POST   /api/operator/push/subscriptions/remove  PushEndpoint   → Ok
 *   GET    /api/operator/status                  —                 → HubStatus
 *   GET    /api/operator/openapi.json            —                 → the OpenAPI document
 */
import { z } from 'zod';
import { AddressText, MachineId } from './address.ts';
import { Announcement, MachineUsage, PushSubscription, QuestionAnswer, SessionUsage } from './attention.ts';
import { HubEvent } from './events.ts';
import { MessageId, ThreadId } from './ids.ts';
import {
  Agent,
  Approval,
  Grant,
  GrantScope,
  Machine,
  Message,
  MessageKind,
  Operator,
  PolicyLevel,
  Priority,
  SystemNotice,
  Thread,
  Time,
} from './model.ts';
import { Mission, MissionSpec } from './mission.ts';
import { BodyText, lineText } from './text.ts';

export const SignIn = z.object({ code: z.string().min(8).max(100) });
export const Me = z.object({ operator: Operator, hubVersion: z.string() });
export type Me = z.infer<typeof Me>;
/** The code travels in the fragment, so that it never reaches a log. */
export const SignInLink = z.object({ url: z.string(), code: z.string(), expiresAt: Time });
export type SignInLink = z.infer<typeof SignInLink>;
export const TokenIssued = z.object({ token: z.string(), operator: Operator, expiresAt: Time });

/** Everything the first screen needs, true at `epoch:seq`; follow the stream from there. */
export const Snapshot = z.object({
  epoch: z.string(),
  seq: z.number().int(),
  at: Time,
  me: Operator,
  machines: z.array(Machine),
  agents: z.array(Agent),
  /** The pending ones, the oldest 200 at most, and the newest decided ones. */
  approvals: z.array(Approval),
  /** Pending ones that are not in the list: younger than the youngest of them. */
  pendingMore: z.number().int().nonnegative().default(0),
  /** The newest 50. */
  threads: z.array(Thread),
  grants: z.array(Grant),
  notices: z.array(SystemNotice),
  /** All that are not over, and the newest 50 that are. */
  missions: z.array(Mission).default([]),
  /** What sessions and machines used. */
  usage: z
    .object({
      sessions: z.array(SessionUsage.extend({ machine: MachineId })),
      machines: z.array(MachineUsage.extend({ machine: MachineId })),
    })
    .default({ sessions: [], machines: [] }),
  /** The newest 50, newest first. */
  announcements: z.array(Announcement).default([]),
});
export type Snapshot = z.infer<typeof Snapshot>;

export const EventsPage = z.object({ epoch: z.string(), events: z.array(HubEvent), gap: z.boolean() });
/** `more`: there are others after the last one, in the order that was asked for. */
export const ApprovalsPage = z.object({ approvals: z.array(Approval), more: z.boolean().default(false) });
export type ApprovalsPage = z.infer<typeof ApprovalsPage>;

/** `allow` with the hash of what was shown; `deny` may give a reason that the sender reads. */
export const DecisionRequest = z.object({
  verdict: z.enum(['allow', 'deny']),
  scope: GrantScope.default('once'),
  reason: lineText(500).optional(),
  /** Tool approvals: take the agent's own suggestion with this index. */
  suggestion: z.number().int().nonnegative().max(9).optional(),
  /** Question approvals, with `allow`: the answers, by the ids of the questions. */
  answers: z.array(QuestionAnswer).max(20).optional(),
  shownHash: z.string().length(64),
});
export type DecisionRequest = z.infer<typeof DecisionRequest>;

/** A mission from the operator who is signed in: their request is its approval, unless policy denies it. */
export const OperatorMission = MissionSpec.extend({
  machine: MachineId,
  idempotencyKey: lineText(200).optional(),
});
export type OperatorMission = z.infer<typeof OperatorMission>;
export const MissionResume = z.object({ text: BodyText.optional() });
export const MissionSend = z.object({ text: BodyText });

export const ThreadsPage = z.object({ threads: z.array(Thread), more: z.boolean() });
export const MessagesPage = z.object({ messages: z.array(Message), more: z.boolean() });

/** A message from the operator who is signed in. */
export const OperatorSubmit = z.object({
  to: AddressText.optional(),
  threadId: ThreadId.optional(),
  inReplyTo: MessageId.optional(),
  kind: MessageKind.exclude(['notice']).default('send'),
  body: BodyText,
  priority: Priority.default('normal'),
  idempotencyKey: lineText(200).optional(),
});
export type OperatorSubmit = z.infer<typeof OperatorSubmit>;

export const MachinesPage = z.object({ machines: z.array(Machine) });
export const MachinePatch = z.object({ displayName: lineText(100).optional(), description: lineText(500).optional() });

export const PolicyRuleView = z.object({
  index: z.number().int(),
  label: z.string(),
  from: z.string(),
  to: z.string(),
  type: z.string(),
  project: z.string().optional(),
  tool: z.string().optional(),
  messagePattern: z.string().optional(),
  approval: PolicyLevel,
  line: z.number().int(),
});
export const PolicyView = z.object({
  /** Absent when no file was found and the built-in default holds. */
  file: z.string().optional(),
  loadedAt: Time,
  default: PolicyLevel,
  rules: z.array(PolicyRuleView),
  /** The file on disk is faulty; the rules above are the last good ones. */
  fault: z.string().optional(),
  warnings: z.array(z.string()),
});
export type PolicyView = z.infer<typeof PolicyView>;
export const PolicyTest = z.object({
  from: AddressText,
  to: AddressText,
  type: z.enum(['send', 'ask', 'chat', 'reply', 'start_agent', 'tool']),
  message: z.string().max(20_000).default(''),
  threadId: ThreadId.optional(),
  /** The tool's name, for the type `tool`. */
  tool: lineText(200).optional(),
});
export type PolicyTest = z.infer<typeof PolicyTest>;
export const GrantsPage = z.object({ grants: z.array(Grant) });

export const HubStatus = z.object({
  version: z.string(),
  mode: z.enum(['hub', 'standalone']),
  startedAt: Time,
  epoch: z.string(),
  seq: z.number().int(),
  urls: z.array(z.string()),
  machines: z.object({ online: z.number(), away: z.number(), revoked: z.number() }),
  sessions: z.number().int(),
  approvalsPending: z.number().int(),
  /** Missions that are not over: they wait for a person, for their turn, or are at work. */
  missions: z.object({ awaitingApproval: z.number(), queued: z.number(), live: z.number() }).optional(),
  messages: z.object({ held: z.number(), queued: z.number(), total: z.number() }),
  telegram: z.object({
    state: z.enum(['off', 'starting', 'online', 'degraded', 'refused']),
    bot: z.string().optional(),
    problem: z.string().optional(),
    outbox: z.number().int(),
  }),
  store: z.object({
    path: z.string(),
    bytes: z.number(),
    state: z.enum(['ok', 'degraded']),
    problem: z.string().optional(),
  }),
  notices: z.array(SystemNotice),
});
export type HubStatus = z.infer<typeof HubStatus>;

/** The VAPID key that a browser subscribes with, base64url. */
export const PushKey = z.object({ publicKey: z.string().max(200) });
export const PushEndpoint = PushSubscription.pick({ endpoint: true });
