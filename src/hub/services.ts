/**
 * What the parts of the hub offer each other. Surfaces (http/, telegram/) know only these interfaces; hub.ts builds the real ones.
 *
 * Invariants: every method is one transaction; when its promise resolves, the change is on disk and its event is in the log. Methods throw
 * IntercomError and nothing else. Who acts is always an Actor or a machine id that the caller has authenticated.
 */
import type { HubEvent } from '../protocol/events.ts';
import type { JoinAccepted, JoinRequest, JoinState } from '../protocol/join.ts';
import type {
  FeedbackRequest,
  HelloRequest,
  HelloResponse,
  MessageStatus,
  Receipt,
  SubmitItem,
  SubmitResult,
  ThreadPage,
} from '../protocol/machine-api.ts';
import type {
  Agent,
  Approval,
  ApprovalState,
  Grant,
  Machine,
  Message,
  Operator,
  PolicyVerdict,
  Project,
  Session,
  Surface,
  SystemNotice,
  Thread,
  Trace,
} from '../protocol/model.ts';
import type { DecisionRequest, OperatorSubmit, PolicyView, SignInLink, Snapshot } from '../protocol/operator-api.ts';
import type { PolicyTest } from '../protocol/operator-api.ts';
import type { z } from 'zod';

/** An authenticated person, and the surface that they use now. */
export interface Actor {
  readonly operator: Operator;
  readonly via: Surface;
}

export type Unsubscribe = () => void;

export interface EventLog {
  /** New whenever the numbering starts anew (a new or restored store). */
  readonly epoch: string;
  readonly lastSeq: number;
  /** Called once per event, in order, after it is on disk. A listener that throws is logged and harms nobody. */
  subscribe(listener: (event: HubEvent) => void): Unsubscribe;
  /** Events after `seq`, oldest first. `gap`: some of them are gone (retention) or the epoch is another. */
  after(epoch: string, seq: number, limit: number): Promise<{ events: HubEvent[]; gap: boolean }>;
}

export interface PageQuery {
  readonly limit: number;
  /** The id to page backwards from. */
  readonly before?: string;
}

export interface Messaging {
  submitFromMachine(machineId: string, items: readonly SubmitItem[]): Promise<SubmitResult[]>;
  submitFromOperator(actor: Actor, submit: OperatorSubmit): Promise<MessageStatus>;
  /** Receipts of a daemon, in order. */
  applyReceipts(
    machineId: string,
    receipts: readonly Receipt[],
  ): Promise<('applied' | 'known' | 'stale' | 'unknown_message')[]>;
  /** A surface showed a message to an operator (Telegram posted it, the page or the CLI displayed it). */
  shownToOperator(messageId: string, via: Surface, proof: string): Promise<void>;
  /** The state now, or as soon as it is another than `unless` and at most after `waitMs`. */
  status(
    id: string,
    wait?: { readonly unless: readonly Message['state'][]; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<MessageStatus>;
  /** `viewer`: a machine sees only what it sent or received; absent: an operator. */
  trace(id: string, viewer?: { readonly machineId: string }): Promise<Trace>;
  cancel(id: string, by: Actor | { readonly machineId: string }, reason: string | undefined): Promise<MessageStatus>;
  threads(page: PageQuery): Promise<{ threads: Thread[]; more: boolean }>;
  thread(id: string, page: PageQuery, viewer?: { readonly machineId: string }): Promise<ThreadPage>;
  /** Messages to operators, newest first. */
  operatorInbox(page: PageQuery): Promise<{ messages: Message[]; more: boolean }>;
  feedback(machineId: string, feedback: FeedbackRequest): Promise<void>;
}

export interface ApprovalsQuery {
  readonly state?: ApprovalState;
  readonly limit: number;
  /** Newest first unless told. */
  readonly order?: 'newest' | 'oldest';
  readonly after?: string;
}

export interface Approvals {
  /** One page; `after` goes on behind that approval, in the order asked for. */
  list(query: ApprovalsQuery): Promise<Approval[]>;
  /** By id or unambiguous prefix. Throws `unknown_approval` or `ambiguous`. */
  get(idOrPrefix: string): Promise<Approval>;
  /**
   * First answer wins. Throws `conflict` with the winning decision in `details.decision` and its sentence in the message,
   * `changed_since_shown`, `expired`, `forbidden` (a viewer).
   */
  decide(actor: Actor, id: string, decision: DecisionRequest): Promise<Approval>;
}

export interface Registry {
  hello(machineId: string, hello: HelloRequest): Promise<z.infer<typeof HelloResponse>>;
  heartbeat(
    machineId: string,
    beat: { readonly epoch: string; readonly time: string; readonly outbox: number },
  ): Promise<{ hubEpoch: string; resync: boolean }>;
  sessionsChanged(machineId: string, sessions: readonly Session[]): Promise<void>;
  projectsChanged(machineId: string, projects: readonly Project[]): Promise<void>;
  /** The secrets that are valid for a machine now (two during a rotation). Throws `unknown_machine` or `revoked`. Cached: on the hot path. */
  secretsOf(machineId: string): readonly string[];
  machines(): Promise<Machine[]>;
  machine(id: string): Promise<Machine>;
  /** `all`, `online` or `machine:<id>`. */
  agents(filter: string): Promise<Agent[]>;
  update(
    actor: Actor,
    id: string,
    patch: { readonly displayName?: string | undefined; readonly description?: string | undefined },
  ): Promise<Machine>;
  revoke(actor: Actor, id: string): Promise<Machine>;
  rotate(actor: Actor, id: string): Promise<Machine>;
  remove(actor: Actor, id: string): Promise<void>;
  /** The machine says goodbye (daemon stopped for good). */
  leave(machineId: string): Promise<void>;
}

export interface Joins {
  request(request: JoinRequest, ip: string): Promise<JoinAccepted>;
  /** Waits up to `waitMs` for a decision. */
  claim(joinId: string, claimKey: string, waitMs: number, signal: AbortSignal, ip: string): Promise<JoinState>;
}

export interface Policy {
  view(): PolicyView;
  test(test: z.infer<typeof PolicyTest>): Promise<PolicyVerdict>;
  grants(): Promise<Grant[]>;
  revokeGrant(actor: Actor, id: string): Promise<Grant>;
}

export interface Operators {
  list(): Promise<Operator[]>;
  /** Undefined: this Telegram user is nobody here. */
  byTelegramId(telegramUserId: number): Operator | undefined;
  signInLink(actor: Actor): Promise<SignInLink>;
  /** Spends a one-time code. `token` goes into the cookie or to the terminal; only its hash is stored. */
  redeem(code: string, kind: 'web' | 'terminal'): Promise<{ token: string; operator: Operator; expiresAt: string }>;
  authenticate(token: string, kind: 'web' | 'terminal'): Promise<Operator | undefined>;
  signOut(token: string): Promise<void>;
}

export interface Notices {
  /** Raises or replaces the live notice of this key; the same text again changes nothing. */
  raise(notice: {
    readonly key: string;
    readonly level: SystemNotice['level'];
    readonly text: string;
    readonly next?: string;
  }): Promise<void>;
  clear(key: string): Promise<void>;
  live(): Promise<SystemNotice[]>;
  /**
   * Told when the store cannot be written, and with undefined when it can again. That notice lives in memory and makes no event, because
   * there is nothing to write it to.
   */
  onStoreFault(listener: (fault: SystemNotice | undefined) => void): Unsubscribe;
}

/** Everything a surface may use. */
export interface HubServices {
  readonly events: EventLog;
  readonly messaging: Messaging;
  readonly approvals: Approvals;
  readonly registry: Registry;
  readonly joins: Joins;
  readonly policy: Policy;
  readonly operators: Operators;
  readonly notices: Notices;
  snapshot(actor: Actor): Promise<Snapshot>;
}
