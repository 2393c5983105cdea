/** What is known of a session's activity: the newest of each source, what is open, and the state that follows. */
import type { Confidence, SessionWait, StateSource } from '../../../protocol/attention.ts';
import type { SessionState } from '../../../protocol/model.ts';
import type { EventSeen, HeartbeatSeen, RecordSeen, ScreenSeen } from './observations.ts';
import type { OpenWait } from './waits.ts';

export interface ActivityState {
  readonly state: SessionState;
  readonly since: number;
  readonly source: StateSource;
  readonly confidence: Confidence;
  /** With `waiting`. */
  readonly waiting?: SessionWait | undefined;
}

/** The newest word of its events. */
export interface EventWord {
  readonly says: 'idle' | 'busy' | 'background';
  readonly at: number;
  readonly source: EventSeen['source'];
  /** Its session has begun, and did nothing since. */
  readonly isStart?: boolean;
}

export interface RunningTool {
  readonly agentId: string | undefined;
  readonly tool: string;
  readonly id: string | undefined;
  readonly input: string;
}

export interface Activity {
  readonly firstSeen: number;
  /** Its events tell when a tool begins: without one running, its model thinks. */
  readonly tellsTools: boolean;
  readonly word: EventWord | undefined;
  readonly tools: readonly RunningTool[];
  readonly waits: readonly OpenWait[];
  /** When something that it asked was answered from here last. */
  readonly answeredAt: number | undefined;
  /** Its provider refuses it. */
  readonly limit: { readonly at: number; readonly source: StateSource; readonly wait: SessionWait } | undefined;
  readonly record: RecordSeen | undefined;
  readonly screen: ScreenSeen | undefined;
  readonly heartbeat: HeartbeatSeen | undefined;
  readonly ended: { readonly at: number; readonly source: StateSource } | undefined;
  readonly now: ActivityState;
}
