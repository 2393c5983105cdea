/**
 * The section `agent_launcher`: which agents may be started on this machine, where, how many at a time, and within which limits.
 *
 * Invariants: nobody but this file names an executable; a caller's flags must be on an agent's list; a secret belongs into `env`, never into `args`.
 */
import { basename, isAbsolute } from 'node:path';
import { z } from 'zod';
import { MissionRuntime } from '../protocol/mission.ts';
import { lineText } from '../protocol/text.ts';

/** An agent's name, and so the name of its section. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,199}$/;
const argument = z
  .string()
  .max(500)
  .refine((text) => !text.includes('\0'), { message: 'it has a zero byte in it' });
const args = z.array(argument).max(50);
const variable = z.string().regex(VARIABLE, { message: 'a variable name has letters, digits and "_"' });

/** One agent: what is changed about a known one (claude, codex, gemini, opencode), or all of another (`command` is needed then). */
const agent = z.object({
  command: z
    .string()
    .min(1)
    .max(4096)
    .refine((text) => isAbsolute(text) || text.startsWith('~/') || !text.includes('/'), {
      message: 'a program on PATH, or a path that begins with "/" or "~/"',
    })
    .optional(),
  display_name: lineText(60).optional(),
  args: args.default([]),
  /** Of an agent that intercom does not know: how it goes on with a session (`{session}` stands for its id), or with a copy of it. */
  resume_args: args.optional(),
  fork_args: args.optional(),
  version_args: args.optional(),
  /** How an agent that intercom does not know gets the mission. */
  prompt: z.enum(['argument', 'stdin']).default('argument'),
  runtimes: z.array(MissionRuntime).min(1).max(2).optional(),
  flags: z.array(lineText(200)).max(200).optional(),
  env: z.record(variable, z.string().max(32_000)).default({}),
  pass_env: z.array(variable).max(100).default([]),
});

export const launcherSection = z.object({
  /** A path is the program of the agent that its last part names, as older configurations have it. */
  default_command: z
    .string()
    .max(4096)
    .refine((text) => NAME.test(basename(text)) && (isAbsolute(text) || text.startsWith('~/') || !text.includes('/')), {
      message: 'the name of an agent: claude, codex, gemini, opencode, or one of agent_launcher.agents',
    })
    .default('claude'),
  default_args: args.default([]),
  allowed_paths: z
    .array(
      z
        .string()
        .min(1)
        .max(4096)
        .refine((text) => isAbsolute(text) || text === '~' || text.startsWith('~/'), {
          message: 'a path begins with "/" or "~/"; it is never relative to where you are',
        }),
    )
    .max(100)
    .default([]),
  max_mission_duration: z
    .number()
    .int()
    .min(10)
    .max(7 * 86_400)
    .default(1800),
  max_idle: z.number().int().min(10).max(86_400).default(900),
  keep_open: z.number().int().min(0).max(86_400).default(600),
  max_turns: z.number().int().min(1).max(10_000).optional(),
  max_budget_usd: z.number().positive().max(10_000).optional(),
  max_concurrent: z.number().int().min(0).max(100).default(4),
  max_per_project: z.number().int().min(1).max(100).default(2),
  max_depth: z.number().int().min(0).max(20).default(3),
  worktrees: z.enum(['keep', 'remove_clean']).default('remove_clean'),
  agents: z
    .record(z.string().regex(NAME, { message: 'an agent name has letters, digits, ".", "_" and "-"' }), agent)
    .default({}),
});

/** The keys of one agent, for the warning about unknown ones. */
export const AGENT_KEYS: readonly string[] = Object.keys(agent.shape);

export interface AgentConfig {
  readonly command: string | undefined;
  readonly displayName: string | undefined;
  /** Given to it at every start, before a caller's flags. */
  readonly args: readonly string[];
  readonly resumeArgs: readonly string[] | undefined;
  readonly forkArgs: readonly string[] | undefined;
  readonly versionArgs: readonly string[] | undefined;
  readonly prompt: 'argument' | 'stdin';
  readonly runtimes: readonly MissionRuntime[] | undefined;
  /** In place of the program's own list of flags that callers may ask for. */
  readonly flags: readonly string[] | undefined;
  /** Put into its environment as they are. May hold secrets. */
  readonly env: Readonly<Record<string, string>>;
  /** Variables of the daemon's own environment that it gets besides the common ones. */
  readonly passEnv: readonly string[];
}

export interface LauncherConfig {
  readonly defaultCommand: string;
  readonly defaultArgs: readonly string[];
  /** Directories in and below which agents may be started; empty: every project's. */
  readonly allowedPaths: readonly string[];
  readonly maxMissionDurationSeconds: number;
  readonly maxIdleSeconds: number;
  readonly keepOpenSeconds: number;
  readonly maxTurns: number | undefined;
  readonly maxBudgetUsd: number | undefined;
  readonly maxConcurrent: number;
  readonly maxPerProject: number;
  readonly maxDepth: number;
  readonly worktrees: 'keep' | 'remove_clean';
  readonly agents: Readonly<Record<string, AgentConfig>>;
}

export function launcherOf(section: z.infer<typeof launcherSection>, expand: (path: string) => string): LauncherConfig {
  return {
    defaultCommand: basename(section.default_command),
    defaultArgs: section.default_args,
    allowedPaths: section.allowed_paths.map(expand),
    maxMissionDurationSeconds: section.max_mission_duration,
    maxIdleSeconds: section.max_idle,
    keepOpenSeconds: section.keep_open,
    maxTurns: section.max_turns,
    maxBudgetUsd: section.max_budget_usd,
    maxConcurrent: section.max_concurrent,
    maxPerProject: section.max_per_project,
    maxDepth: section.max_depth,
    worktrees: section.worktrees,
    agents: agentsOf(section, expand),
  };
}

function agentsOf(
  { agents, default_command: byDefault }: z.infer<typeof launcherSection>,
  expand: (path: string) => string,
): Record<string, AgentConfig> {
  const configured = Object.fromEntries(Object.entries(agents).map(([name, one]) => [name, agentOf(one, expand)]));
  const name = basename(byDefault);
  if (!byDefault.includes('/') || configured[name]?.command !== undefined) return configured;
  return {
    ...configured,
    [name]: { ...(configured[name] ?? agentOf(agent.parse({}), expand)), command: expand(byDefault) },
  };
}

function agentOf(one: z.infer<typeof agent>, expand: (path: string) => string): AgentConfig {
  return {
    command: one.command === undefined ? undefined : expand(one.command),
    displayName: one.display_name,
    args: one.args,
    resumeArgs: one.resume_args,
    forkArgs: one.fork_args,
    versionArgs: one.version_args,
    prompt: one.prompt,
    runtimes: one.runtimes,
    flags: one.flags,
    env: one.env,
    passEnv: one.pass_env,
  };
}
