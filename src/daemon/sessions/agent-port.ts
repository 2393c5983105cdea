/**
 * What delivery needs from one kind of agent: its own inbox, its own record of the conversation, and the language of its hooks.
 * An adapter implements it; delivery knows no agent by name.
 */
import type { Unsubscribe } from '../ports.ts';
import type { Caller } from '../ports.ts';
import type { Question, QuestionAnswer, QuestionSource } from '../../protocol/attention.ts';
import type { Session } from '../../protocol/model.ts';
import type { Deed } from './activity/observations.ts';

/** One hand-out to an agent's inbox. */
export interface Wake {
  /** A UUID, new for each try, so that no two texts are alike and receipts can name it. */
  readonly id: string;
  /** For the person at the terminal. */
  readonly sender: string;
  /** Framed (frame.ts). */
  readonly text: string;
}

/** An open, verified way in, to which nothing was written yet. */
export interface InboxChannel {
  /**
   * Resolves when the agent's side has the bytes; that proves nothing yet, but where it resolves with a proof of its own. Rejects with NotSent where it
   * is certain that nothing reached the agent.
   */
  send(wake: Wake): Promise<unknown>;
  close(): void;
}

/** Nothing reached the agent, for this reason; it is tried again later. */
export class NotSent extends Error {}

export type ReceiptStatus = 'held' | 'denied' | 'released' | 'expired' | 'refused' | 'dropped';

/** What the agent says about a wake that it did not simply take. */
export interface WakeReceipt {
  readonly wakeIds: readonly string[];
  readonly status: ReceiptStatus;
  /** In words, for a person. */
  readonly reason: string;
}

/** What the agent's own record says about some message ids. */
export interface ProofSearch {
  /** False: the record is there but cannot be read, so that nothing follows from what was not found. */
  readonly readable: boolean;
  /** Message id → what proves that it entered the conversation. */
  readonly entered: ReadonlyMap<string, string>;
  /** The agent has it in its own queue and will take it up. */
  readonly queued: ReadonlySet<string>;
}

/** The moments of a session that its hooks tell of. */
export type HookMoment = 'session_start' | 'prompt' | 'tool_done' | 'turn_end' | 'session_end' | 'other';

/** A hook's payload, read. */
export interface HookFacts {
  readonly moment: HookMoment;
  /** The agent's own name of the event. */
  readonly event: string;
  readonly session: string;
  readonly cwd: string;
  readonly transcript: string | undefined;
  readonly permissionMode: string | undefined;
  /** It fired inside a subagent: that one never takes its parent's mail. */
  readonly subagent: boolean;
  /** The text that enters the conversation, for `prompt`. */
  readonly prompt: string | undefined;
  readonly reason: string | undefined;
  /** The subagent that it fired in. */
  readonly agentId?: string | undefined;
  /** The tool call that it is about, and whether that begins, is over (with or without success), or was refused. */
  readonly tool?:
    | {
        readonly name: string;
        readonly input: unknown;
        readonly id: string | undefined;
        readonly phase: 'begins' | 'over' | 'refused';
      }
    | undefined;
  /** What the session does, by this event; undefined: it says nothing about that. */
  readonly deed?: Deed | undefined;
}

/** The agent asks its person: whether it may use a tool, whether it may go ahead with a plan, or something that wants an answer. */
export interface PermissionAsk {
  readonly tool: string;
  readonly input: unknown;
  /** What it said it wants to do. */
  readonly intent: string | undefined;
  /** What the agent itself offers as "always", in words and in its order. */
  readonly suggestions: readonly string[];
  /** It asks to go ahead with this plan. */
  readonly plan?: string | undefined;
  /** It asks for answers; leave is not what it wants. */
  readonly question?: AskedQuestions | undefined;
  /** Its dialog is drawn only when its hook is done: someone at that terminal sees nothing of it meanwhile. */
  readonly drawnLater?: boolean | undefined;
  /** What of a tool's input tells one call from another. Absent: all of it. */
  readonly identify?: ((input: unknown) => unknown) | undefined;
}

export interface AskedQuestions {
  readonly source: QuestionSource;
  /** One line for lists. */
  readonly summary: string;
  /** What is to be known before one answers. */
  readonly context: string | undefined;
  readonly questions: readonly Question[];
}

export type PermissionAnswer =
  | {
      readonly verdict: 'allow';
      readonly suggestion: number | undefined;
      readonly answers?: readonly QuestionAnswer[] | undefined;
    }
  | { readonly verdict: 'deny'; readonly message: string };

export interface AgentPort {
  readonly name: string;
  /** Opens the session's own inbox. Throws an IntercomError whose message says why it cannot be used now. */
  openInbox(session: Session): Promise<InboxChannel>;
  onReceipt(listener: (receipt: WakeReceipt) => void): Unsubscribe;
  /** Looks into the session's record for these messages. `pull`: also in the results of its tool calls. */
  findProof(session: string, messageIds: readonly string[], pull: boolean): Promise<ProofSearch>;
  /** Calls back as soon as the record shows one of the messages, until unsubscribed. */
  watchProof(
    session: string,
    messageIds: readonly string[],
    onProof: (messageId: string, proof: string) => void,
  ): Unsubscribe;
  /** Whether a hook of ours was heard from this session. */
  hooksHeard(session: string): boolean;

  /** Reads a hook's payload; undefined: not one of ours. */
  readHook(event: string, payload: unknown): HookFacts | undefined;
  /** Takes note of what a hook says, and finds its session. */
  noteHook(facts: HookFacts, caller: Caller): Promise<Session | undefined>;
  /** What a hook asked is over: `answered` through it, or its caller is gone. */
  noteOver?(facts: HookFacts, answered: boolean): void;
  /** When the session's record grew last, in milliseconds since 1970; undefined: there is none. */
  grewAt?(session: string): Promise<number | undefined>;
  /** The hook's stdout that puts `text` into the conversation. Undefined: this event cannot. */
  renderContext(facts: HookFacts, text: string): string | undefined;
  /** What a hook asks leave for; undefined: it asks for none, or for something that cannot be answered from afar. */
  readPermission?(event: string, payload: unknown): PermissionAsk | undefined;
  /**
   * What the hook that asked prints to say so; undefined: it cannot be said. Of the payload nothing is taken but the suggestion that was chosen and what was asked. Throws an
   * IntercomError whose message says why an answer does not fit.
   */
  renderPermission?(event: string, payload: unknown, answer: PermissionAnswer): string | undefined;
}
