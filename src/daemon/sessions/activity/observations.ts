/**
 * What can be seen of a session's activity: what its agent tells of itself, what the agent's own record of live sessions says, what its terminal shows, and what a
 * heartbeat file tells. Each has its time (milliseconds since 1970) and its source; the fold (activity.ts) makes one state of them.
 */
import type { SessionWait, StateSource } from '../../../protocol/attention.ts';

/** A call of a tool, as far as an event names it. */
export interface ToolCall {
  readonly tool: string;
  readonly input: unknown;
  readonly id: string | undefined;
}

/** What an event of an agent says that it does. */
export type Deed =
  | { readonly does: 'starts' }
  | { readonly does: 'takes_prompt' }
  | { readonly does: 'begins_tool'; readonly call: ToolCall }
  /** With or without success, or refused. */
  | { readonly does: 'ends_tool'; readonly call: ToolCall }
  | { readonly does: 'asks'; readonly wait: SessionWait; readonly call: ToolCall }
  /** What it asked was answered, and what comes of it is not told yet. */
  | { readonly does: 'is_answered'; readonly call: ToolCall }
  /** The dialog is gone, and nobody knows yet what was said there. */
  | { readonly does: 'closes_dialog'; readonly call: ToolCall }
  /** `background`: something of its own goes on behind its prompt. */
  | { readonly does: 'ends_turn'; readonly background: boolean }
  /** Its provider refused it for a limit; `notice` is what it says about that. */
  | { readonly does: 'meets_limit'; readonly notice: string; readonly resetAt?: string | undefined }
  | { readonly does: 'ends_subagent' }
  | { readonly does: 'ends' };

export interface EventSeen {
  readonly kind: 'event';
  readonly source: Extract<StateSource, 'hook' | 'app_server' | 'stream'>;
  readonly at: number;
  readonly deed: Deed;
  /** The subagent in which it happened. */
  readonly agentId?: string | undefined;
}

/** idle: at its prompt · background: at its prompt, and something of its own goes on behind it. */
export type RecordWord = 'idle' | 'busy' | 'background' | 'waiting';

/** The agent's own record of what its sessions do. `at`: since when it says so. */
export interface RecordSeen {
  readonly kind: 'record';
  readonly source: Extract<StateSource, 'registry' | 'app_server'>;
  readonly at: number;
  readonly says: RecordWord;
  /** With `waiting`. */
  readonly wait?: SessionWait | undefined;
}

/** `prompt`: its box is free for the next prompt · `unclear`: the screen is not understood. */
export type ScreenWord = 'prompt' | 'working' | 'dialog' | 'limit' | 'unclear';

/** The terminal, since it shows this. */
export interface ScreenSeen {
  readonly kind: 'screen';
  readonly at: number;
  readonly shows: ScreenWord;
  /** With `dialog` and `limit`. */
  readonly wait?: SessionWait | undefined;
  /** A list that its person opened by a command: at the prompt it is no question of the agent. */
  readonly menu?: boolean | undefined;
}

/** A file of the seed's script, which nobody else knows its session by. */
export interface HeartbeatSeen {
  readonly kind: 'heartbeat';
  readonly at: number;
  readonly says: 'idle' | 'busy';
}

export type Observation = EventSeen | RecordSeen | ScreenSeen | HeartbeatSeen;
