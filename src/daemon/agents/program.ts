/**
 * What the daemon knows of one agent program: a table, and the few functions that differ. Launcher, doctor and docs are drawn from it; nothing else of the daemon
 * knows an agent by name.
 *
 * Invariants: a program never reads the clock, the disk or the network itself but through what it is handed; `plan` puts no secret and no caller's word into
 * argv but the mission text and flags of the allow-list; `fold` is pure, so that the same journal always gives the same events.
 */
import type { AgentLimit, MissionLimits, MissionRuntime, MissionUsage } from '../../protocol/mission.ts';
import type { JournalEntry, RunnerSpec } from '../../protocol/runner-api.ts';
import type { z } from 'zod';

/** What a contract test has seen on a real program, or why it cannot be. Shown in docs/agents.md and by doctor. */
export interface Verified {
  /** launch, hooks, tool, mid_turn, idle_wake, half_typed, approval_afar, approval_terminal, questions, cancel, resume, offline */
  readonly property: string;
  /** The agent's versions on which the contract test saw it. Empty: honestly absent, `note` says why. */
  readonly versions: readonly string[];
  readonly note?: string;
}

/**
 * How a limit holds. native: the program itself ends at it · counted: it is ended when what it tells after a turn is over it · no: nothing tells enough, so that
 * such a mission is refused before anything runs.
 */
export interface LimitNote {
  readonly limit: AgentLimit;
  readonly runtime: MissionRuntime;
  readonly holds: 'native' | 'counted' | 'no';
  readonly note?: string;
}

/** One run, as the launcher asks for it. */
export interface LaunchRequest {
  readonly runtime: MissionRuntime;
  /** The text of the first prompt: the mission, or what a resumed conversation is told. Framed already. */
  readonly prompt: string;
  readonly flags: readonly string[];
  readonly cwd: string;
  readonly limits: MissionLimits;
  /** A new UUID, for agents that take their session id from us. */
  readonly uuid: string;
  /** Go on with this session of the agent; `fork`: with a copy. */
  readonly resume: { readonly session: string; readonly fork: boolean } | undefined;
  /** The directory of this run: the runner writes `files` there. */
  readonly directory: string;
  /** How to start our own program: `[node, …/bin/intercom.js]`. */
  readonly intercom: readonly string[];
  /** The daemon's own environment, to pick from by allow-list. */
  readonly env: NodeJS.ProcessEnv;
  readonly mission: { readonly id: string; readonly run: number } | undefined;
}

/** How to start it: the part of the runner's spec that the program decides. `environment` is what comes on top of what is picked from the daemon's own. */
export type LaunchPlan = Pick<RunnerSpec, 'argv' | 'environment' | 'files' | 'hooks' | 'input' | 'closeInput'> & {
  readonly session?: string;
  readonly screen?: string;
  /**
   * Started in the agent's place, with the agent's executable and `argv` behind it: for an agent that speaks a protocol with whoever drives it
   * (agents/acp). The launcher's `executable` is then its first, and its `argv` the rest of it, the agent's path and `argv`.
   */
  readonly through?: readonly string[];
};

/** What is executed: the agent itself, or who is started in its place. */
export function started(
  agent: string,
  { argv, through }: Pick<LaunchPlan, 'argv' | 'through'>,
): { readonly executable: string; readonly argv: string[] } {
  const [driver, ...before] = through ?? [];
  return driver === undefined
    ? { executable: agent, argv: [...argv] }
    : { executable: driver, argv: [...before, agent, ...argv] };
}

/** What happened, in one language for all agents. */
export type AgentEvent =
  | { readonly kind: 'session'; readonly session: string; readonly model?: string; readonly transcript?: string }
  | { readonly kind: 'turn_started'; readonly prompt?: string }
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'tool';
      readonly tool: string;
      readonly label: string;
      readonly detail?: string;
      readonly shape: 'tool' | 'file' | 'command';
    }
  | { readonly kind: 'tool_done'; readonly tool: string; readonly ok: boolean; readonly detail?: string }
  /** The agent asks its person something. */
  | { readonly kind: 'waiting'; readonly for: string }
  | { readonly kind: 'rate_limited'; readonly resetAt?: string; readonly text: string }
  | {
      readonly kind: 'turn_ended';
      /** Its last message, whole. */
      readonly text: string;
      readonly isError: boolean;
      /** Something of its own still works in the background; the mission is not over. */
      readonly background: boolean;
      readonly costUsd?: number;
      readonly turns?: number;
      readonly usage?: z.infer<typeof MissionUsage>;
    }
  | { readonly kind: 'ended'; readonly reason?: string };

/** Folds a run's journal into events. One per run; `feed` is called once per entry, in order. */
export interface JournalFold {
  feed(entry: JournalEntry): AgentEvent[];
}

export interface AgentProgram {
  /** claude, codex, gemini, opencode, or the name that the configuration gives. */
  readonly name: string;
  readonly displayName: string;
  /** What is looked for on PATH, unless the configuration names a path. */
  readonly executable: string;
  readonly versionArgs: readonly string[];
  /** Below it, it is too old; `undefined`: any. */
  readonly minimumVersion: string | undefined;
  /** Best first: the default of a mission. */
  readonly runtimes: readonly MissionRuntime[];
  /** Flags that a caller may ask for unless the configuration says otherwise; an entry ending in `=` or followed by `<value>` takes a value. */
  readonly allowedFlags: readonly string[];
  /** Variables of the daemon's environment that it gets besides the common ones (PATH, HOME, LANG, …). */
  readonly environment: readonly string[];
  readonly canResume: boolean;
  readonly canFork: boolean;
  readonly verified: readonly Verified[];
  /** What is not in it does not hold. */
  readonly limits: readonly LimitNote[];
  plan(request: LaunchRequest): LaunchPlan;
  /**
   * For a start in a person's own terminal: which of their arguments the plan must know as `flags`; undefined: with these it is started as it is, without a plan. Absent: the plan
   * need know none.
   */
  attended?(args: readonly string[]): readonly string[] | undefined;
  /** What it prints for `--version`, as a version; undefined: not understood. */
  parseVersion(output: string): string | undefined;
  fold(runtime: MissionRuntime): JournalFold;
  /** Headless only: the input line that says `text` to it in mid-run; undefined: it takes none. */
  inputLine?(text: string, id: string): string;
  /** Headless only: the input line that interrupts the turn and keeps the process; undefined: only its end stops it. */
  interruptLine?(id: string): string;
}
