/**
 * The part of the app-server protocol that we speak, as Codex 0.169.0 generates it (`codex app-server generate-json-schema --experimental`). A test holds every schema here against what
 * the pinned program generates: a field that is gone, or of another type, fails it.
 *
 * Reading is tolerant (unknown fields pass, unknown kinds of item are `other`), writing is exact.
 */
import { z } from 'zod';

/** JSON-RPC without its version field, as the program speaks it. */
export const RequestId = z.union([z.string(), z.number()]);
export type RequestId = z.infer<typeof RequestId>;

export const Incoming = z.looseObject({
  id: RequestId.optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: z.looseObject({ code: z.number(), message: z.string() }).optional(),
});

export const InitializeResponse = z.looseObject({ userAgent: z.string(), codexHome: z.string() });

// ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const ThreadStatus = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('notLoaded') }),
  z.looseObject({ type: z.literal('idle') }),
  z.looseObject({ type: z.literal('systemError') }),
  z.looseObject({ type: z.literal('active'), activeFlags: z.array(z.string()) }),
]);
export type ThreadStatus = z.infer<typeof ThreadStatus>;

export const TurnError = z.looseObject({ message: z.string(), codexErrorInfo: z.unknown() });

export const Turn = z.looseObject({
  id: z.string(),
  status: z.enum(['completed', 'interrupted', 'failed', 'inProgress']),
  error: TurnError.nullish(),
});
export type Turn = z.infer<typeof Turn>;

export const Thread = z.looseObject({
  id: z.string(),
  /** Set for a subagent's thread. */
  parentThreadId: z.string().nullish(),
  /** Side work of the program itself (titles and the like) is ephemeral. */
  ephemeral: z.boolean(),
  status: ThreadStatus,
  /** The rollout file; written with the first message. */
  path: z.string().nullish(),
  cwd: z.string(),
  cliVersion: z.string(),
  name: z.string().nullish(),
  /** Seconds since 1970. */
  createdAt: z.number(),
  turns: z.array(Turn),
});
export type Thread = z.infer<typeof Thread>;

export const ThreadLoadedListParams = z.object({ cursor: z.string().nullable() });
export const ThreadLoadedListResponse = z.looseObject({ data: z.array(z.string()), nextCursor: z.string().nullish() });
export const ThreadReadParams = z.object({ threadId: z.string(), includeTurns: z.boolean() });
export const ThreadReadResponse = z.looseObject({ thread: Thread });
export const ThreadResumeParams = z.object({
  threadId: z.string(),
  excludeTurns: z.boolean(),
  initialTurnsPage: z.object({
    limit: z.number().int(),
    sortDirection: z.enum(['desc']),
    itemsView: z.enum(['notLoaded']),
  }),
});
export const ThreadResumeResponse = z.looseObject({
  thread: Thread,
  approvalPolicy: z.unknown(),
  initialTurnsPage: z.looseObject({ data: z.array(Turn) }).nullish(),
});
export const ThreadUnsubscribeParams = z.object({ threadId: z.string() });
export const ThreadUnsubscribeResponse = z.looseObject({});

// ── saying something ─────────────────────────────────────────────────────────────────────────────────────────────────────

const TextInput = z.object({ type: z.literal('text'), text: z.string(), text_elements: z.array(z.never()) });
/** `clientUserMessageId` comes back as `clientId` of the user message once it is in the conversation: the proof of a delivery. */
export const TurnStartParams = z.object({
  threadId: z.string(),
  clientUserMessageId: z.string(),
  input: z.array(TextInput),
});
export const TurnStartResponse = z.looseObject({ turn: Turn });
export const TurnSteerParams = TurnStartParams.extend({ expectedTurnId: z.string() });
export const TurnSteerResponse = z.looseObject({ turnId: z.string() });
export const ThreadQueueAddParams = TurnStartParams.extend({});
const QueuedSubmission = z.looseObject({ id: z.string(), clientUserMessageId: z.string() });
export const ThreadQueueAddResponse = z.looseObject({ queuedSubmission: QueuedSubmission });
export const ThreadQueueListParams = z.object({ threadId: z.string(), cursor: z.string().nullable() });
export const ThreadQueueListResponse = z.looseObject({
  data: z.array(QueuedSubmission.extend({ input: z.array(z.unknown()) })),
  nextCursor: z.string().nullish(),
});
export const TurnInterruptParams = z.object({ threadId: z.string(), turnId: z.string() });
export const TurnInterruptResponse = z.looseObject({});

// ── what the program tells ───────────────────────────────────────────────────────────────────────────────────────────────

export const UserMessageItem = z.looseObject({
  type: z.literal('userMessage'),
  id: z.string(),
  clientId: z.string().nullish(),
  content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
});
export const AgentMessageItem = z.looseObject({ type: z.literal('agentMessage'), id: z.string(), text: z.string() });
export const FileChangeItem = z.looseObject({
  type: z.literal('fileChange'),
  id: z.string(),
  changes: z.array(z.looseObject({ path: z.string(), diff: z.string() })),
  status: z.string(),
});
export const CommandItem = z.looseObject({
  type: z.literal('commandExecution'),
  id: z.string(),
  command: z.string(),
  status: z.string(),
});

export const ThreadStatusChanged = z.looseObject({ threadId: z.string(), status: ThreadStatus });
export const ThreadStarted = z.looseObject({ thread: Thread });
export const ThreadClosed = z.looseObject({ threadId: z.string() });
export const ThreadNameUpdated = z.looseObject({ threadId: z.string(), threadName: z.string().nullish() });
export const TurnStarted = z.looseObject({ threadId: z.string(), turn: Turn });
export const TurnCompleted = z.looseObject({ threadId: z.string(), turn: Turn });
export const ItemNews = z.looseObject({
  threadId: z.string(),
  turnId: z.string(),
  item: z.union([UserMessageItem, AgentMessageItem, FileChangeItem, CommandItem, z.looseObject({ type: z.string() })]),
});
export const ServerRequestResolved = z.looseObject({ threadId: z.string(), requestId: RequestId });

// ── what the program asks ────────────────────────────────────────────────────────────────────────────────────────────────

export const CommandApprovalParams = z.looseObject({
  threadId: z.string(),
  turnId: z.string(),
  itemId: z.string(),
  reason: z.string().nullish(),
  command: z.string().nullish(),
  cwd: z.string().nullish(),
  availableDecisions: z.array(z.unknown()).nullish(),
});
export type CommandApprovalParams = z.infer<typeof CommandApprovalParams>;

export const FileApprovalParams = z.looseObject({
  threadId: z.string(),
  turnId: z.string(),
  itemId: z.string(),
  reason: z.string().nullish(),
  grantRoot: z.string().nullish(),
});
export type FileApprovalParams = z.infer<typeof FileApprovalParams>;

/** Its tool `request_user_input`. */
export const UserInputParams = z.looseObject({
  threadId: z.string(),
  turnId: z.string(),
  itemId: z.string(),
  questions: z.array(
    z.looseObject({
      id: z.string(),
      header: z.string(),
      question: z.string(),
      isOther: z.boolean().optional(),
      isSecret: z.boolean().optional(),
      options: z.array(z.looseObject({ label: z.string(), description: z.string() })).nullish(),
    }),
  ),
});
export type UserInputParams = z.infer<typeof UserInputParams>;
export const UserInputResponse = z.object({
  answers: z.record(z.string(), z.object({ answers: z.array(z.string()) })),
});
export type UserInputResponse = z.infer<typeof UserInputResponse>;

/** A form of an MCP server; other modes are pages to open and checks of the account. */
export const ElicitationParams = z.looseObject({
  threadId: z.string(),
  turnId: z.string().nullish(),
  serverName: z.string(),
  mode: z.literal('form'),
  message: z.string(),
  requestedSchema: z.unknown(),
});
export type ElicitationParams = z.infer<typeof ElicitationParams>;
export const ElicitationResponse = z.object({
  action: z.enum(['accept', 'decline', 'cancel']),
  content: z.unknown().optional(),
});
export type ElicitationResponse = z.infer<typeof ElicitationResponse>;

/** `decline`: the agent goes on without it; `cancel` would end its turn. An "always" is given back exactly as it was offered. */
export const ApprovalDecision = z.union([
  z.enum(['accept', 'acceptForSession', 'decline']),
  z.object({ acceptWithExecpolicyAmendment: z.object({ execpolicy_amendment: z.array(z.string()) }) }),
]);
export type ApprovalDecision = z.infer<typeof ApprovalDecision>;
