/**
 * Managed sessions: those whose process a runner of ours owns. What the launcher gives for a run, and what it is given back.
 *
 * The launcher calls, per run (and again after a restart of the daemon, when it has found the runner again):
 *
 *   const session = managed.attach(run)       as soon as the runner's record is known; before the first hook is handed on
 *   session.started(pid)                      once the agent's own process runs (record.agentProcess)
 *   session.event(event)                      for each AgentEvent of the fold, also for those of a journal that is read again
 *   session.hook(call) → HookAnswer           for each `hook` frame: `text` goes back as `hook_answer` (empty: the agent goes on by itself), with `offer`
 *   session.printed(offer)                    for `hook_printed`
 *   session.screen(state)                     for each `screen` frame
 *   session.end(reason)                       when the agent has ended, or its runner is lost
 *
 * Invariants: what a runner says is believed about its own session only; an answer to a hook is never needed for the agent to go on; nothing here
 * is stored, so that a daemon that was killed makes it all again from the runners' records.
 */
import type { DeliverDecision } from '../../protocol/daemon-api.ts';
import type { MissionRuntime } from '../../protocol/mission.ts';
import type { ScreenState, TypingOutcome } from '../../protocol/runner-api.ts';
import type { AgentEvent, AgentProgram } from '../agents/program.ts';
import type { HookAnswer, Unsubscribe } from '../ports.ts';

/** What can be done to the agent through its runner. Both reject with an IntercomError when the runner cannot be asked. */
export interface ManagedChannel {
  /** One line into a headless agent's input (DaemonFrame `write`); resolves when the runner has written it. */
  write(line: string): Promise<void>;
  /** Through the typing gate (DaemonFrame `type`). */
  type(text: string): Promise<TypingOutcome>;
  /** Into the dialog that is open, if it is still the one that is named (DaemonFrame `answer`). */
  answer(answer: DialogAnswer): Promise<TypingOutcome>;
}

/** To the dialog with this fingerprint: one of its options (from 1), or text into its line. */
export interface DialogAnswer {
  readonly fingerprint: string;
  readonly option?: number;
  readonly text?: string;
}

export interface ManagedRun {
  /** The runner's id. */
  readonly runner: string;
  readonly program: AgentProgram;
  readonly runtime: MissionRuntime;
  readonly cwd: string;
  /** The agent's own process, where it runs already. */
  readonly pid: number | undefined;
  /** Known beforehand where the agent takes ours. */
  readonly session: string | undefined;
  readonly mission: { readonly id: string; readonly run: number } | undefined;
  /** A person sits at this terminal (`intercom run`). */
  readonly attended: boolean;
  readonly startedAt: string;
  readonly agentVersion: string | undefined;
  readonly channel: ManagedChannel;
}

/** A hook of the agent that waits for its answer. */
export interface ManagedHook {
  /** Its name for ever, also after a restart of the daemon: `<runner id>:<journal number>`. */
  readonly key: string;
  readonly event: string;
  /** Its payload. */
  readonly body: string;
  /** Aborts when the agent's side is gone (`hook_gone`, or the agent ended); never because daemon or runner lose each other. */
  readonly signal: AbortSignal;
}

export interface ManagedSession {
  /** The session as it is known now: `/clear` and `/resume` give the process another. */
  readonly id: string | undefined;
  started(pid: number): void;
  event(event: AgentEvent): void;
  /** Never rejects. A permission request takes as long as its decision does. */
  hook(call: ManagedHook): Promise<HookAnswer>;
  printed(offer: string): void;
  screen(state: ScreenState): void;
  /** Messages for its session that have not entered its conversation yet: while there are some, a mission is not over. */
  undelivered(): number;
  end(reason: string): void;
}

export interface ManagedSessions {
  attach(run: ManagedRun): ManagedSession;
}

/** What the adapters ask about a session that they find: is its process a runner's? */
export interface ManagedFacts {
  readonly run: ManagedRun;
}
export interface ManagedLookup {
  /** By the agent's pid first, then by the session that we gave it. */
  of(session: string, pid: number | undefined): ManagedFacts | undefined;
  /** A run was attached, started, or ended: what was published about its session may be different now. */
  onChange(listener: () => void): Unsubscribe;
}

/** The live run of a runner, for callers that say they are in it. */
export interface RunnerLookup {
  ofRunner(runner: string): { readonly agent: string; readonly session: string | undefined } | undefined;
}

/** What the rest of the daemon needs of the permission desk. */
export interface DecisionDesk {
  /** A `decision` item of the hub. Unknown and repeated ones are fine; one that comes before its dialog is found again is kept for a while. */
  decided(item: DeliverDecision): void;
  /** The `ref`s of the dialogs that are open now, for hello. */
  dialogs(): readonly string[];
}
