/**
 * The things of the mesh as every boundary sees them (HTTP, WebSocket, MCP, CLI, web app). Times are ISO 8601 in UTC with
 * milliseconds. A field that is absent is unknown or does not apply; nothing is `null`.
 */
import { z } from 'zod';
import { Confidence, Question, QuestionAnswer, QuestionSource, SessionWait, StateSource } from './attention.ts';
import { AddressText, MachineId, OperatorName, ProjectId, SessionId } from './address.ts';
import { ApprovalId, GrantId, MessageId, MissionId, ThreadId } from './ids.ts';
import { MessageState } from './message-life.ts';
import { Isolation, MissionLimits, MissionRuntime } from './mission.ts';
import { lineText } from './text.ts';
import { Time } from './time.ts';

export { Time };

// ── machines, projects, sessions ─────────────────────────────────────────────────────────────────────────────────────────

/** online: heard from within 45 s · away: not · revoked: its secret is worthless. */
export const MachineStatus = z.enum(['online', 'away', 'revoked']);
export type MachineStatus = z.infer<typeof MachineStatus>;

export const Machine = z.object({
  id: MachineId,
  displayName: lineText(100),
  description: lineText(500).default(''),
  status: MachineStatus,
  /** When it was last heard from. */
  lastSeen: Time.optional(),
  /** The version of intercom that its daemon runs. */
  version: z.string().max(50).default(''),
  /** Where the hub reaches its daemon. */
  daemonUrl: z.string().max(300),
  /** It is online, but the hub cannot reach its daemon: why, in a sentence. Mail for it waits. */
  unreachable: z.string().max(500).optional(),
  /** The daemon's clock minus the hub's, seconds; shown by doctor when it is large. */
  clockOffsetSeconds: z.number().optional(),
  joinedAt: Time,
  projects: z.number().int().nonnegative(),
  sessions: z.number().int().nonnegative(),
});
export type Machine = z.infer<typeof Machine>;

/** What a daemon says about one project directory. */
export const Project = z.object({
  id: ProjectId,
  description: lineText(500).default(''),
  capabilities: z.array(lineText(60)).max(50).default([]),
  tags: z.array(lineText(60)).max(50).default([]),
  path: z.string().max(4096),
  /** Which agent works there unless told otherwise. */
  agent: lineText(60).default('claude'),
  /** configured by hand, found by discovery, or known because a session runs there. */
  source: z.enum(['configured', 'discovered', 'session']).default('discovered'),
});
export type Project = z.infer<typeof Project>;

/** working: it does something · thinking: its model composes, no tool runs · waiting: for a person or a limit (`waiting` says what for) · idle: at its prompt. */
export const SessionState = z.enum(['starting', 'working', 'thinking', 'idle', 'waiting', 'unknown', 'ended']);
export type SessionState = z.infer<typeof SessionState>;

/**
 * How a message gets into this session, best first:
 * inbox_socket (the agent's own inbox) · app_server (Codex's) · stream (the input of a headless agent that we run) · hooks (context of its hooks,
 * doorbell when idle) · typed (through the typing gate of a terminal that we own) · pull (only when it asks) · none.
 */
export const DeliveryRung = z.enum(['inbox_socket', 'app_server', 'stream', 'hooks', 'typed', 'pull', 'none']);
export type DeliveryRung = z.infer<typeof DeliveryRung>;

/** One running agent process, as its daemon tells it. */
export const Session = z.object({
  /** The agent program's own session id. */
  id: SessionId,
  project: ProjectId,
  /** Which program: claude, codex, gemini, … */
  agent: lineText(60),
  /** The name its person gave it, if any. */
  name: lineText(120).optional(),
  pid: z.number().int().positive().optional(),
  cwd: z.string().max(4096),
  agentVersion: z.string().max(60).optional(),
  state: SessionState,
  /** With the state `waiting`. */
  waiting: SessionWait.optional(),
  stateSince: Time,
  /** What told the state, and how sure that is. */
  stateSource: StateSource.optional(),
  confidence: Confidence.optional(),
  /** Nothing was seen of it since then although it is said to work. */
  stalledSince: Time.optional(),
  startedAt: Time,
  /** Our daemon owns its terminal. */
  managed: z.boolean().default(false),
  /** The mission that it works on. */
  mission: MissionId.optional(),
  rung: DeliveryRung,
  /** One sentence when the rung is not the best one: why, and what would help. */
  rungNote: lineText(300).optional(),
  permissionMode: lineText(60).optional(),
  endedAt: Time.optional(),
});
export type Session = z.infer<typeof Session>;

/** An agent as others see it: a project, with its machine's status and its live sessions. */
export const Agent = z.object({
  address: AddressText,
  machine: MachineId,
  machineName: z.string(),
  machineStatus: MachineStatus,
  project: Project,
  sessions: z.array(Session),
});
export type Agent = z.infer<typeof Agent>;

// ── messages and threads ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * send: for information · ask: an answer is expected · chat: opens a conversation · reply: goes back into a thread
 * notice: written by the hub itself about an earlier message (denied, answered elsewhere, recipient stopped).
 */
export const MessageKind = z.enum(['send', 'ask', 'chat', 'reply', 'notice']);
export type MessageKind = z.infer<typeof MessageKind>;

export const Priority = z.enum(['low', 'normal', 'high']);
export type Priority = z.infer<typeof Priority>;

export const Message = z.object({
  id: MessageId,
  threadId: ThreadId,
  kind: MessageKind,
  from: AddressText,
  to: AddressText,
  body: z.string(),
  priority: Priority,
  /** The message that this one answers. */
  inReplyTo: MessageId.optional(),
  state: MessageState,
  stateSince: Time,
  /** Where it is now: a machine id, `hub`, or an operator's surface. */
  place: z.string(),
  /** Why it is there, in words, when the state alone does not say: what it waits for, why it failed. */
  reason: z.string().optional(),
  /** What proves the state ("UserPromptSubmit hook", "transcript entry …"). */
  proof: z.string().optional(),
  /** The policy rule or grant that let it pass, or forbade it. */
  rule: z.string().optional(),
  approvalId: ApprovalId.optional(),
  /** Who approved it, once somebody did. */
  approvedBy: z.string().optional(),
  createdAt: Time,
  expiresAt: Time,
});
export type Message = z.infer<typeof Message>;

export const Thread = z.object({
  id: ThreadId,
  /** The beginning of its first message. */
  title: z.string(),
  participants: z.array(AddressText),
  messageCount: z.number().int().nonnegative(),
  createdAt: Time,
  lastMessageAt: Time,
  /** The newest message, cut to 200 characters. */
  lastText: z.string(),
  lastFrom: AddressText,
  /** Messages that wait for an approval. */
  held: z.number().int().nonnegative(),
});
export type Thread = z.infer<typeof Thread>;

/** One step of a message's way. */
export const TraceStep = z.object({
  state: MessageState,
  at: Time,
  place: z.string(),
  proof: z.string().optional(),
  rule: z.string().optional(),
  by: z.string().optional(),
  reason: z.string().optional(),
});
export type TraceStep = z.infer<typeof TraceStep>;

/** The whole way of a message: where it is, since when, what proves it, which rule let it pass, what it waits for. */
export const Trace = z.object({
  message: Message,
  steps: z.array(TraceStep),
  /** One sentence for a person: what happens next, or why nothing does. */
  waitsFor: z.string(),
  /** True while the recipient's machine is away. */
  recipientAway: z.boolean(),
});
export type Trace = z.infer<typeof Trace>;

// ── approvals, policy, grants ────────────────────────────────────────────────────────────────────────────────────────────

export const ApprovalKind = z.enum(['message', 'ask', 'join', 'launch', 'tool', 'question']);
export type ApprovalKind = z.infer<typeof ApprovalKind>;

/** answered_elsewhere: decided where the question was asked first (a terminal) · withdrawn: no longer needed. */
export const ApprovalState = z.enum(['pending', 'allowed', 'denied', 'expired', 'withdrawn', 'answered_elsewhere']);
export type ApprovalState = z.infer<typeof ApprovalState>;

/** How far an Allow reaches: this once, this thread or mission, this session of the sender with this recipient, or always. */
export const GrantScope = z.enum(['once', 'mission', 'session', 'always']);
export type GrantScope = z.infer<typeof GrantScope>;

export const Surface = z.enum(['telegram', 'web', 'cli', 'terminal', 'policy', 'hub']);
export type Surface = z.infer<typeof Surface>;

export const MessageSubject = z.object({
  kind: z.enum(['message', 'ask']),
  messageId: MessageId,
  threadId: ThreadId,
  messageKind: MessageKind,
  from: AddressText,
  to: AddressText,
  /** The beginning of the thread, so that a card says what it belongs to. */
  threadTitle: z.string(),
  /** The whole text. A surface that cuts it says so and says where the rest is. */
  body: z.string(),
});
export const JoinSubject = z.object({
  kind: z.literal('join'),
  machineId: MachineId,
  displayName: lineText(100),
  /** From where the request came. */
  ip: z.string().max(64),
  daemonUrl: z.string().max(300),
  /** Both sides show it; the person compares. */
  code: z.string().max(20),
  /** This machine id is known already: allowing gives it a new secret and this address. */
  replaces: z.boolean(),
});
/** An agent is to be started. Everything that it will be started with is here. */
export const LaunchSubject = z.object({
  kind: z.literal('launch'),
  missionId: MissionId,
  threadId: ThreadId,
  from: AddressText,
  /** The agent address: machine/project. */
  to: AddressText,
  agent: lineText(60),
  runtime: MissionRuntime,
  /** The directory, as its machine told it. */
  path: z.string().max(4096),
  flags: z.array(z.string()),
  isolation: Isolation,
  limits: MissionLimits,
  /** How many agents in a row started agents. */
  depth: z.number().int().nonnegative(),
  /** The mission whose agent asks: what a grant of the scope `mission` is bound to. */
  parent: MissionId.optional(),
  /** The question that the agent is started for (`intercom_ask`): allowing the launch lets the question pass too. */
  answers: MessageId.optional(),
  /** The whole mission text. */
  body: z.string(),
  /** What it continues (`resume`, `fork`), in words. */
  continues: z.string().max(300).optional(),
});
/** An agent asks whether it may use a tool. The dialog in its terminal stays; the first answer wins. */
export const ToolSubject = z.object({
  kind: z.literal('tool'),
  /** It asks to go ahead with the plan that `input` holds; a denial's reason is what it is to think over. */
  plan: z.literal(true).optional(),
  /** The session that asks. */
  from: AddressText,
  agent: lineText(60),
  missionId: MissionId.optional(),
  tool: lineText(200),
  /** One line: the command, the file. */
  summary: lineText(500),
  /** The whole input as readable text (a command, a diff, JSON); cut at 100,000 characters, and then `cut` says so. */
  input: z.string().max(100_000),
  cut: z.boolean().default(false),
  cwd: z.string().max(4096),
  /** What the agent said it wants to do. */
  intent: z.string().max(2000).optional(),
  /** What the agent itself offers as "always": labels, in its order. A decision names one by its index. */
  suggestions: z.array(lineText(300)).max(10).default([]),
});
/** An agent asks its person something. Allowing answers it; denying declines to answer. The place where it was asked first stays usable. */
export const QuestionSubject = z.object({
  kind: z.literal('question'),
  source: QuestionSource,
  /** The session that asks. */
  from: AddressText,
  agent: lineText(60),
  missionId: MissionId.optional(),
  /** One line for lists. */
  summary: lineText(500),
  /** What is to be known before one answers; cut at 100,000 characters, and then `cut` says so. */
  context: z.string().max(100_000).optional(),
  cut: z.boolean().default(false),
  questions: z.array(Question).min(1).max(20),
  cwd: z.string().max(4096),
});
export type QuestionSubject = z.infer<typeof QuestionSubject>;
export const ApprovalSubject = z.discriminatedUnion('kind', [
  MessageSubject,
  JoinSubject,
  LaunchSubject,
  ToolSubject,
  QuestionSubject,
]);
export type LaunchSubject = z.infer<typeof LaunchSubject>;
export type ToolSubject = z.infer<typeof ToolSubject>;
export type MessageSubject = z.infer<typeof MessageSubject>;
export type JoinSubject = z.infer<typeof JoinSubject>;
export type ApprovalSubject = z.infer<typeof ApprovalSubject>;

export const Decision = z.object({
  verdict: z.enum(['allow', 'deny']),
  scope: GrantScope,
  /** The operator, "policy", … */
  by: z.string(),
  via: Surface,
  at: Time,
  reason: z.string().optional(),
  /** Which of the agent's own suggestions was taken (tool approvals). */
  suggestion: z.number().int().nonnegative().optional(),
  /** To a question: one per question that was answered. */
  answers: z.array(QuestionAnswer).max(20).optional(),
});
export type Decision = z.infer<typeof Decision>;

export const Approval = z.object({
  id: ApprovalId,
  kind: ApprovalKind,
  state: ApprovalState,
  subject: ApprovalSubject,
  /** Hex SHA-256 of the subject; a decision names it, so that nobody allows what they did not see. */
  shownHash: z.string().length(64),
  /** Why it is asked: the policy rule. */
  rule: z.string(),
  /** The scopes that make sense as buttons, first one first. */
  scopes: z.array(GrantScope),
  createdAt: Time,
  expiresAt: Time,
  decision: Decision.optional(),
  /** What came of the decision at the agent's side, where that is known: `failed` with why (the screen had changed, the session was gone). */
  effect: z.object({ state: z.enum(['done', 'failed']), reason: lineText(300).optional(), at: Time }).optional(),
});
export type Approval = z.infer<typeof Approval>;

export const Grant = z.object({
  id: GrantId,
  /** What it covers: `message` (send, chat, reply), `ask`, `launch` (of the plain agent of that project) or `tool`; never anything else. */
  covers: ApprovalKind,
  scope: GrantScope,
  from: AddressText,
  to: AddressText,
  /** The thread or mission (mission scope) or sender session (session scope) it is bound to. */
  boundTo: z.string().optional(),
  /** The one tool that it covers, for `tool`. */
  tool: lineText(200).optional(),
  by: z.string(),
  createdAt: Time,
  expiresAt: Time.optional(),
  approvalId: ApprovalId.optional(),
  revokedAt: Time.optional(),
  uses: z.number().int().nonnegative(),
});
export type Grant = z.infer<typeof Grant>;

export const PolicyLevel = z.enum(['deny', 'never', 'once', 'mission', 'session', 'always_allow']);
export type PolicyLevel = z.infer<typeof PolicyLevel>;

/** What policy says about one message, and why. */
export const PolicyVerdict = z.object({
  outcome: z.enum(['allow', 'ask', 'deny']),
  level: PolicyLevel,
  /** `rule 3 "label" (policies.yml:12)`, `grant grn_…`, `default`, `built-in: …`. */
  rule: z.string(),
  /** Every rule and grant that was looked at, in order, and why it did or did not decide. */
  steps: z.array(z.string()).max(500),
});
export type PolicyVerdict = z.infer<typeof PolicyVerdict>;

// ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** viewer sees, operator decides and writes, owner also manages machines and operators. */
export const Role = z.enum(['owner', 'operator', 'viewer']);
export type Role = z.infer<typeof Role>;

export const Operator = z.object({ name: OperatorName, role: Role });
export type Operator = z.infer<typeof Operator>;

/** A state of the system that a person should know: Telegram refused the token, the disk is full. */
export const SystemNotice = z.object({
  /** Stable name, one live notice per key: `telegram.token`, `store.full`. */
  key: z.string().max(100),
  level: z.enum(['info', 'warning', 'error']),
  text: z.string().max(1000),
  next: z.string().max(500).optional(),
  since: Time,
  /** Set when it is over. */
  clearedAt: Time.optional(),
});
export type SystemNotice = z.infer<typeof SystemNotice>;
