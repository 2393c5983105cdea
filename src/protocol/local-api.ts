/**
 * The local API: what hooks, the MCP server and the command line ask of the daemon on their own machine. A unix socket in a 0700
 * directory; every request also carries the key from a 0600 file (`Authorization: Bearer …`). No web page can reach it.
 *
 *   POST /local/messages                LocalSubmit      → MessageStatus      accepted (by the hub, or by this daemon while it is away)
 *   GET  /local/messages/:id?wait=&for= —                → LocalMessageStatus waits up to `wait` seconds (≤ 25) for: decision (default) | answer
 *   GET  /local/messages/:id/trace      —                → Trace
 *   POST /local/messages/:id/cancel     CancelRequest    → MessageStatus
 *   GET  /local/threads/:id?limit=&before=  —            → ThreadPage
 *   GET  /local/agents?filter=          —                → AgentsResponse     filter: all | online | machine:<id>
 *   POST /local/inbox/take              Caller           → InboxTaken         hands out what waits for the caller's session
 *   POST /local/inbox/ack               InboxAck         → Ok                 the hand-out arrived: delivered
 *   POST /local/register                LocalRegister    → Ok
 *   POST /local/feedback                LocalFeedback    → Ok
 *   POST /local/questions               LocalQuestion    → LocalQuestionState the caller's session asks its person; a repeat of its `key` returns the first
 *   GET  /local/questions/:ref?wait=    —                → LocalQuestionState waits up to `wait` seconds (≤ 25) while it is pending
 *   POST /local/questions/:ref/withdraw WithdrawQuestion → Ok                 nobody is to answer it any more
 *   POST /local/announcements           Announce         → Announced          for now: it is not kept, `unreachable` while the hub is away
 *   GET  /local/presence                —                → Presence           who looks now
 *   POST /local/missions                LocalStart       → Mission            asks the hub; `unreachable` while it is away
 *   GET  /local/missions?limit=&before= —                → MissionsPage
 *   GET  /local/missions/:id?wait=&unless=  —            → Mission            waits up to `wait` seconds (≤ 25) while its state is in `unless`
 *   GET  /local/missions/:id/log?after=&limit=  —        → MissionLogPage
 *   POST /local/missions/:id/cancel     MissionWord      → Mission
 *   POST /local/missions/:id/inspect    —                → Inspection
 *   GET  /local/terminals/:session (WebSocket)  → TerminalFrame…   watch and type into a terminal of this machine (terminal-stream.ts)
 *   POST /local/sessions                LocalSession     → Session            an agent without an adapter of its own names its session (rung pull)
 *   POST /local/sessions/:id/end        —                → Ok                 … and says goodbye; the end of its process does the same
 *   GET  /local/whoami                  —                → WhoAmI
 *   GET  /local/status                  —                → LocalStatus
 *   POST /local/hook/:agent/:event      the hook's stdin → text for the hook's stdout (may be empty)
 *   POST /local/hook/ack/:offer         —                → 204                the hook printed it
 *   GET  /local/doorbell/:agent?session=&pid=  —         → 200 text when mail waits, 204 when superseded or told to end
 *
 * The caller is named by headers (CALLER_HEADERS). The daemon believes the agent's pid first (its live registry knows the current
 * session of that process), then the session id, then the run that it is in, then the directory.
 */
import { z } from 'zod';
import { AddressText, ProjectId, SessionId } from './address.ts';
import { Question } from './attention.ts';
import { MessageId, ThreadId } from './ids.ts';
import { FeedbackRequest, MessageStatus, StartMission } from './machine-api.ts';
import { ApprovalState, Decision, MessageKind, Priority, Project, QuestionSubject, Session, Time } from './model.ts';
import { BodyText, lineText } from './text.ts';

export const CALLER_HEADERS = {
  /** The agent program: claude, codex, … */
  agent: 'x-intercom-agent',
  /** The agent's process id. */
  pid: 'x-intercom-pid',
  /** The session id that the agent put into our environment; may be older than the process's current one. */
  session: 'x-intercom-session',
  /** The caller's working directory, percent-encoded. */
  cwd: 'x-intercom-cwd',
  /** The runner that the agent is in (INTERCOM_RUNNER of its environment). */
  runner: 'x-intercom-runner',
} as const;

/** On the answer of a hook: the hand-out that its text carries, for POST /local/hook/ack/:offer. Absent when it carries none. */
export const HOOK_OFFER_HEADER = 'x-intercom-offer';

export const LocalSubmit = z.object({
  to: AddressText.optional(),
  kind: MessageKind.exclude(['notice']),
  body: BodyText,
  threadId: ThreadId.optional(),
  inReplyTo: MessageId.optional(),
  priority: Priority.default('normal'),
  idempotencyKey: lineText(200).optional(),
  requireApproval: z.enum(['auto', 'always']).default('auto'),
  /** Of an ask: whether an agent may be started to answer it (SubmitItem). */
  launch: z.enum(['auto', 'never']).default('never'),
  expiresInSeconds: z
    .number()
    .int()
    .min(5)
    .max(31 * 24 * 3600)
    .optional(),
});
export type LocalSubmit = z.infer<typeof LocalSubmit>;

/**
 * What to wait for. decision: it is neither `submitted` nor `held` any more · answer: it is answered or over. While a call waits for the
 * answer, the reply belongs to that call and not to the session; a wait that ended by its own time keeps this claim for another
 * 3 s, so that the next slice follows without a gap.
 */
export const WaitFor = z.enum(['decision', 'answer']);
export type WaitFor = z.infer<typeof WaitFor>;

export const LocalMessageStatus = MessageStatus.extend({
  /** The answer was handed to this call: to acknowledge (InboxAck) once it has reached the agent; else it goes into the session. */
  offer: z.string().max(64).optional(),
});
export type LocalMessageStatus = z.infer<typeof LocalMessageStatus>;

/**
 * A session of an agent program that has no adapter here: it is listed, and gets its mail only when it asks (rung `pull`). The daemon finds the
 * project by `cwd`, ends the session when the process is gone, and refuses the names of agents that have an adapter (`forbidden`).
 */
export const LocalSession = Session.pick({ id: true, name: true, cwd: true, agentVersion: true }).extend({
  agent: lineText(60),
  pid: z.number().int().positive(),
  state: Session.shape.state.exclude(['ended']).default('idle'),
});
export type LocalSession = z.infer<typeof LocalSession>;

/** A message as an agent reads it. */
export const InboxItem = z.object({
  id: MessageId,
  threadId: ThreadId,
  kind: MessageKind,
  from: AddressText,
  body: z.string(),
  /** The body is longer than what is given here; fetch it with intercom_history. */
  cut: z.boolean(),
  approval: z.string(),
  inReplyTo: MessageId.optional(),
  sentAt: Time,
});
export type InboxItem = z.infer<typeof InboxItem>;
export const InboxTaken = z.object({
  /** To acknowledge once the messages reached the agent; absent when there are none. */
  offer: z.string().optional(),
  messages: z.array(InboxItem),
  /** Messages beyond the limit, not given now. */
  more: z.number().int().nonnegative(),
});
export type InboxTaken = z.infer<typeof InboxTaken>;
export const InboxAck = z.object({ offer: z.string().max(64) });

/** Only what is given. Project.partial() would put the defaults in place of what is not, and so wipe it. */
export const ProjectPatch = z.object({
  id: Project.shape.id.optional(),
  path: Project.shape.path.optional(),
  description: Project.shape.description.unwrap().optional(),
  capabilities: Project.shape.capabilities.unwrap().optional(),
  tags: Project.shape.tags.unwrap().optional(),
  agent: Project.shape.agent.unwrap().optional(),
});
export const LocalRegister = z.object({
  action: z.enum(['update', 'add_project', 'remove_project']).default('update'),
  project: ProjectPatch.optional(),
  machine: z.object({ displayName: lineText(100).optional(), description: lineText(500).optional() }).optional(),
});
export type LocalRegister = z.infer<typeof LocalRegister>;
/** The daemon names the caller's project and session. */
export const LocalStart = StartMission.omit({ fromProject: true, fromSession: true });
export type LocalStart = z.infer<typeof LocalStart>;
export const LocalFeedback = FeedbackRequest.omit({ fromProject: true, fromSession: true });

/** What a session asks its person with our own tool. The daemon names the session; nobody but a person answers. */
export const LocalQuestion = z.object({
  /** Unique per session; a repeat is the same question, and returns what came of it. */
  key: lineText(200).min(1),
  context: QuestionSubject.shape.context,
  cut: QuestionSubject.shape.cut,
  questions: z.array(Question).min(1).max(20),
  /** After this nobody can answer it any more. */
  expiresInSeconds: z.number().int().min(5).max(86_400),
});
export type LocalQuestion = z.infer<typeof LocalQuestion>;
/** Our name for it, from which another call goes on. */
export const QuestionRef = z.string().regex(/^ask-[0-9a-f]{40}$/, 'not the handle of a question');
export const LocalQuestionState = z.object({
  ref: QuestionRef,
  state: ApprovalState,
  /** As it was asked first. */
  questions: z.array(Question).max(20),
  expiresAt: Time.optional(),
  decision: Decision.optional(),
});
export type LocalQuestionState = z.infer<typeof LocalQuestionState>;
export const WithdrawQuestion = z.object({ reason: lineText(300) });

export const WhoAmI = z.object({
  /** The caller's own address. */
  address: AddressText,
  machine: z.string(),
  project: ProjectId,
  session: SessionId.optional(),
  /** Whether the hub can be reached now. */
  hubReachable: z.boolean(),
});
export type WhoAmI = z.infer<typeof WhoAmI>;

export const LocalStatus = z.object({
  machineId: z.string(),
  version: z.string(),
  epoch: z.string(),
  startedAt: Time,
  hub: z.object({
    url: z.string(),
    state: z.enum(['online', 'unreachable', 'refused', 'revoked', 'not_joined']),
    /** The last refusal or failure, in words. */
    problem: z.string().optional(),
    since: Time,
  }),
  outbox: z.number().int().nonnegative(),
  inbox: z.number().int().nonnegative(),
  /** Why nothing can be stored here now (a full disk); absent while all is well. */
  storeProblem: z.string().optional(),
  projects: z.number().int().nonnegative(),
  sessions: z.array(Session),
  /** Hook calls that came to nothing since the start: larger than is read (HTTP_BODY_MAX), or failed here. */
  hooks: z
    .object({
      tooLarge: z.number().int().nonnegative(),
      failed: z.number().int().nonnegative(),
      last: z.object({ agent: z.string(), event: z.string(), at: Time }).optional(),
    })
    .optional(),
});
export type LocalStatus = z.infer<typeof LocalStatus>;
