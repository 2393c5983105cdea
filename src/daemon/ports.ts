/**
 * What the parts of the daemon offer each other; daemon.ts builds the real ones.
 *
 *   store/      InboxStore: the durable mail of this machine, and the receipts that it owes the hub
 *   link/       HubLink: everything that goes to the hub
 *   sessions/   SessionBook: the live agent sessions; Delivery: gets mail into them
 *   agents/     AgentAdapter: what one agent program can do, and how
 *   discovery/  Projects: the project directories of this machine
 *   launcher/   MissionDesk: the missions of this machine
 */
import type { DeliverMessage, DeliverMission, DeliverMissionStop } from '../protocol/daemon-api.ts';
import type { LocalSubmit } from '../protocol/local-api.ts';
import type { InboxTaken } from '../protocol/local-api.ts';
import type { HelloRequest, MessageStatus, ThreadPage } from '../protocol/machine-api.ts';
import type { MessageState } from '../protocol/message-life.ts';
import type { AgentOffer, Inspection } from '../protocol/mission.ts';
import type { Agent, Project, Session, Trace } from '../protocol/model.ts';

export type Unsubscribe = () => void;

/** A message in this machine's inbox. */
export interface InboxEntry {
  /** Order of arrival on this machine; delivery to one session follows it. */
  readonly seq: number;
  readonly message: DeliverMessage;
  readonly state: MessageState;
  readonly stateSince: string;
  /** The session that it was written to or is meant for. */
  readonly session: string | undefined;
  /** The way it was last tried: `inbox_socket`, `hooks`, `pull`, `answer` (a waiting call). */
  readonly rung: string | undefined;
  /** The hand-out that it is part of, until that is acknowledged. */
  readonly offer: string | undefined;
  readonly attempts: number;
}

export interface InboxMove {
  readonly to: MessageState;
  readonly session?: string;
  readonly rung?: string;
  readonly offer?: string;
  readonly proof?: string;
  readonly reason?: string;
  /** Counts as one more try to get it into the session. */
  readonly attempt?: boolean;
}

export interface InboxStore {
  /** Everything that is not over: dispatched, written, held_at_terminal; and delivered ones not yet seen. In order of arrival. */
  open(): Promise<InboxEntry[]>;
  get(messageId: string): Promise<InboxEntry | undefined>;
  /**
   * Compare-and-set: moves the message if it is in one of `from`, and stores the receipt for the hub in the same transaction.
   * False: it was in another state; nothing happened.
   */
  move(messageId: string, from: readonly MessageState[], move: InboxMove): Promise<boolean>;
  /** Called after new messages are on disk, in order. */
  onStored(listener: (entries: readonly InboxEntry[]) => void): Unsubscribe;
}

/** Who calls the local API, as far as it can be known. */
export interface Caller {
  readonly agent: string | undefined;
  readonly pid: number | undefined;
  readonly session: string | undefined;
  readonly cwd: string | undefined;
  /** The runner that it says it is in. */
  readonly runner?: string | undefined;
}

export interface HubLink {
  /** Accepts a message in the name of a project and session: by the hub, or into our outbox while the hub cannot be reached. */
  submit(
    from: { readonly project: string; readonly session: string | undefined },
    submit: LocalSubmit,
  ): Promise<MessageStatus>;
  /** The newest known status; waits up to `waitMs` for one whose state is not in `unless`. */
  status(
    id: string,
    wait: { readonly unless: readonly MessageState[]; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<MessageStatus>;
  trace(id: string): Promise<Trace>;
  cancel(id: string, reason: string | undefined): Promise<MessageStatus>;
  thread(id: string, page: { readonly limit: number; readonly before?: string }): Promise<ThreadPage>;
  agents(filter: string): Promise<Agent[]>;
  readonly reachable: boolean;
}

export interface SessionBook {
  list(): readonly Session[];
  get(id: string): Session | undefined;
  /** By full id or by an unambiguous prefix of at least four characters. */
  find(idOrPrefix: string): Session | undefined;
  byPid(agent: string, pid: number): Session | undefined;
  inProject(project: string): readonly Session[];
  /** Adds or replaces; listeners hear only real changes. */
  put(session: Session): void;
  end(id: string, reason: string): void;
  onChange(listener: (session: Session) => void): Unsubscribe;
}

/** Gets mail into sessions. */
export interface Delivery {
  /** Hands out what waits for this session (MCP check_inbox); nothing is delivered until `acknowledge`. */
  take(session: string | undefined, project: string): Promise<InboxTaken>;
  acknowledge(offer: string, proof: string): Promise<void>;
  /**
   * A call waits for the answer to `messageId`: the reply goes to it and not into the session. `offer` is what the caller acknowledges
   * (`POST /local/inbox/ack`) once the answer reached the agent; without that it goes into the session. Returns how to stop waiting.
   */
  awaitAnswer(messageId: string, onAnswer: (reply: DeliverMessage, offer: string) => void): Unsubscribe;
}

export interface Projects {
  list(): readonly Project[];
  /** The project whose directory holds `cwd`; makes one (source: session) where none does. */
  forDirectory(cwd: string): Project;
  onChange(listener: (projects: readonly Project[]) => void): Unsubscribe;
}

/** One way to talk to one kind of agent. Adapters are data plus the few functions that differ. */
export interface AgentAdapter {
  /** claude, codex, gemini, … */
  readonly name: string;
  /** Starts to watch for sessions of this agent on this machine and keeps the SessionBook true until stopped. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A hook's call, as the local API hands it on: authenticated, bounded, its body not looked at yet. */
export interface HookCall {
  readonly agent: string;
  /** The agent's own name of the event: SessionStart, PostToolUse, … */
  readonly event: string;
  readonly caller: Caller;
  /** The hook's stdin. */
  readonly body: string;
  /** Aborts when the hook's caller has gone away. */
  readonly signal?: AbortSignal;
  /** The call's name for ever, where it can come again after a restart of the daemon. */
  readonly key?: string;
  /** Nobody can answer it but an operator: there is no terminal. */
  readonly unattended?: boolean;
  /** The mission that the session works on. */
  readonly mission?: string;
}

/** What a hook prints. `offer` is what it carries, to be acknowledged once it was printed (header HOOK_OFFER_HEADER). */
export interface HookAnswer {
  readonly text: string;
  readonly offer?: string | undefined;
}

/** The hook side of the agent adapters, without HTTP. The local API turns every failure of it into silence. */
export interface AgentHooks {
  event(call: HookCall): Promise<HookAnswer>;
  /** The hook printed what it was given. Unknown and repeated offers are fine. */
  acknowledge(offer: string): Promise<void>;
  /** Resolves with the text when mail waits, or with undefined when superseded, told to end, or `signal` aborts. */
  doorbell(call: {
    readonly agent: string;
    readonly caller: Caller;
    readonly signal: AbortSignal;
  }): Promise<HookAnswer | undefined>;
}

/** The missions of this machine (launcher/). */
export interface MissionDesk {
  /** One result each; durable when this resolves. */
  accept(items: readonly DeliverMission[]): Promise<readonly ('stored' | 'known')[]>;
  /** Durable when this resolves; the rest follows as news. */
  stopMission(stop: DeliverMissionStop): Promise<void>;
  forHello(): Promise<HelloRequest['missions']>;
  offers(): readonly AgentOffer[];
  /** Throws `unknown_session` where no runner of this machine has it. */
  inspect(session: string, lines: number): Promise<Inspection>;
  /** Where the terminal of this session is watched; throws `unknown_session`, or `failed` where it has no terminal. */
  terminalOf(session: string): { readonly socket: string; readonly key: string };
}
