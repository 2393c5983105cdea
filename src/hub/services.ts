/**
 * What the parts of the hub offer each other. Surfaces (http/, telegram/) know only these interfaces; hub.ts builds the real ones.
 *
 * Invariants: every method is one transaction; when its promise resolves, the change is on disk and its event is in the log. Methods throw
 * IntercomError and nothing else. Who acts is always an Actor or a machine id that the caller has authenticated.
 */
import type {
  Announced,
  Announcement,
  NoticeChannel,
  NoticeKind,
  Preferences,
  PreferencesPatch,
  Presence,
  PushSubscription,
  UsageReport,
  WaitsPage,
} from '../protocol/attention.ts';
import type { HubEvent } from '../protocol/events.ts';
import type { JoinAccepted, JoinRequest, JoinState } from '../protocol/join.ts';
import type {
  AnnounceRequest,
  ApprovalEffect,
  ApprovalRaised,
  CloseApproval,
  FeedbackRequest,
  HelloRequest,
  HelloResponse,
  MessageStatus,
  RaiseApproval,
  Receipt,
  StartMission,
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
import type { Inspection, Mission, MissionLogPage, MissionNews, MissionNewsResponse } from '../protocol/mission.ts';
import type { MissionState } from '../protocol/mission-life.ts';
import type {
  DecisionRequest,
  OperatorMission,
  OperatorSubmit,
  PolicyView,
  SignInLink,
  Snapshot,
} from '../protocol/operator-api.ts';
import type { PolicyTest } from '../protocol/operator-api.ts';
import type { z } from 'zod';

/** An authenticated person, and the surface that they use now. */
export interface Actor {
  readonly operator: Operator;
  readonly via: Surface;
}

export type Unsubscribe = () => void;
export type MissionNewsResult = z.infer<typeof MissionNewsResponse>['results'][number];

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

/** Who looks: a machine sees only missions that its agents asked for or that it runs; absent, an operator. */
export interface Viewer {
  readonly machineId: string;
}

export interface MissionsQuery {
  readonly limit: number;
  /** The id to page backwards from. */
  readonly before?: string;
  /** `live`: all that are not over · `over`: the others. */
  readonly state?: MissionState | 'live' | 'over';
}

export interface Missions {
  /** A machine's agent asks. Returns at once, whatever the approval takes; every fault of the request is thrown before anybody is asked. */
  startFromMachine(machineId: string, start: StartMission): Promise<Mission>;
  startFromOperator(actor: Actor, start: OperatorMission): Promise<Mission>;
  /** News of a daemon, in order. */
  applyNews(machineId: string, news: readonly MissionNews[]): Promise<MissionNewsResult[]>;
  list(query: MissionsQuery, viewer?: Viewer): Promise<{ missions: Mission[]; more: boolean }>;
  /** By id or unambiguous prefix. Throws `unknown_mission` or `ambiguous`. */
  get(idOrPrefix: string, viewer?: Viewer): Promise<Mission>;
  /** As it is now, or as soon as its state is none of `unless` (none given: another than now), at most after `waitMs`. */
  wait(
    idOrPrefix: string,
    wait: { readonly unless: readonly MissionState[]; readonly waitMs: number; readonly signal: AbortSignal },
    viewer?: Viewer,
  ): Promise<Mission>;
  /** Entries after a number, oldest first. */
  log(
    idOrPrefix: string,
    page: { readonly after: number; readonly limit: number },
    viewer?: Viewer,
  ): Promise<MissionLogPage>;
  /** A machine may end only what its agents asked for. */
  cancel(idOrPrefix: string, by: Actor | Viewer, reason: string | undefined): Promise<Mission>;
  pause(actor: Actor, idOrPrefix: string, reason: string | undefined): Promise<Mission>;
  /** Another run of the same conversation; `text` is said into it. */
  resume(actor: Actor, idOrPrefix: string, text: string | undefined): Promise<Mission>;
  /** A new mission with the same request. */
  rerun(actor: Actor, idOrPrefix: string): Promise<Mission>;
  /** A new mission in a copy of its conversation. */
  fork(actor: Actor, idOrPrefix: string, text: string | undefined): Promise<Mission>;
  /** An ordinary message into its session, in its thread. Throws `conflict` while the session is not known. */
  send(actor: Actor, idOrPrefix: string, text: string): Promise<MessageStatus>;
  /** One look at what it does now. Throws `conflict` where it has no session, `machine_away`. */
  inspect(idOrPrefix: string, viewer?: Viewer): Promise<Inspection>;
  /** How many are not over, by state. */
  counts(): Promise<ReadonlyMap<MissionState, number>>;
}

/** The terminals of sessions on machines, as the hub passes them on. */
export interface Terminals {
  /** Throws `unknown_machine`, `unknown_session`, `machine_away`. */
  inspect(machineId: string, session: string): Promise<Inspection>;
  /** Where the terminal of a session is watched, checked so far as the hub can know; the daemon has the last word. Throws like `inspect`. */
  door(
    machineId: string,
    session: string,
    as: { readonly operator: string; readonly write: boolean },
  ): Promise<{ readonly url: string; readonly headers: Record<string, string> }>;
}

/** Dialogs of sessions, which a person may answer from afar. */
export interface ToolApprovals {
  /** A repeat of `ref` returns the first. `decision` is there at once where policy decided. */
  raise(machineId: string, raise: RaiseApproval): Promise<z.infer<typeof ApprovalRaised>>;
  /** It was answered at the terminal, or is gone. Nothing, where it is over or was never raised. */
  close(machineId: string, close: CloseApproval): Promise<void>;
  /** How it stands. Throws `unknown_approval` for what this machine never raised. */
  state(machineId: string, ref: string): Promise<Approval>;
  /** What came of a decision at the agent's side; the first word counts. */
  effect(machineId: string, effect: ApprovalEffect): Promise<void>;
}

export interface WaitsQuery {
  readonly limit: number;
  /** The id to page backwards from. */
  readonly before?: string;
  readonly project?: string;
  /** How far back the summary reaches. */
  readonly days: number;
}

/** What sessions wait for, what they cost, what they say, and who looks. */
export interface Attention {
  waits(query: WaitsQuery): Promise<WaitsPage>;
  /** Throws `limit_reached` where a session announces too much. */
  announce(machineId: string, request: AnnounceRequest): Promise<Announced>;
  /** Newest first. */
  announcements(limit: number): Promise<Announcement[]>;
  usageChanged(machineId: string, report: UsageReport): Promise<void>;
  usage(): Promise<Snapshot['usage']>;
  presence(): Presence;
  /** A page or table of this operator opened (not looked at yet). */
  page(operator: string): { looking(looking: boolean): void; close(): void };
  preferences(operator: string): Promise<Preferences>;
  changePreferences(operator: string, patch: PreferencesPatch): Promise<Preferences>;
}

/** Something that operators should notice. */
export interface Notice {
  /** The approval's id; `session:<machine>/<session>` for a wait without one, a stall, an end of work: one live notice per session. */
  readonly key: string;
  readonly kind: NoticeKind;
  /** The address that it is about; mutes are held against it. */
  readonly about?: string;
  readonly title: string;
  /** What is asked, whole enough to decide: "Bash: npm publish". */
  readonly text: string;
  /** Where the web app shows it. */
  readonly path: string;
  readonly approval?: Approval;
}

/**
 * show: it stands since half a second and nobody has dealt with it; `ring`: the operators whom each channel may disturb now (looking at it, muted, in their quiet hours or
 * without that channel: not named). `again`: what is asked has changed since it was shown. withdraw: dealt with, and how, in words.
 */
export type NoticeWord =
  | {
      readonly word: 'show';
      readonly notice: Notice;
      readonly ring: Readonly<Record<NoticeChannel, readonly string[]>>;
      readonly again: boolean;
    }
  | { readonly word: 'withdraw'; readonly key: string; readonly how: string }
  /** What was held back for these operators (quiet hours, digest), told together. */
  | {
      readonly word: 'digest';
      readonly notices: readonly Notice[];
      readonly ring: Readonly<Record<NoticeChannel, readonly string[]>>;
    };

/** Decides who is told of what, once for all channels. Told in order; nothing of it is stored: after a restart what still waits is shown again. */
export interface Notifier {
  /** What stands already is shown to the listener at once, inside this call, and rings nobody. */
  subscribe(listener: (word: NoticeWord) => void): Unsubscribe;
}

export interface Push {
  /** base64url; made at the first start. */
  readonly publicKey: string;
  subscribe(operator: string, subscription: PushSubscription): Promise<void>;
  unsubscribe(operator: string, endpoint: string): Promise<void>;
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
  readonly missions: Missions;
  readonly terminals: Terminals;
  readonly dialogs: ToolApprovals;
  readonly attention: Attention;
  readonly notifier: Notifier;
  readonly push: Push;
  snapshot(actor: Actor): Promise<Snapshot>;
}
