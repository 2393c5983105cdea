/**
 * Missions as every boundary sees them: what is asked for, what runs, what came of it, and the log of it.
 *
 * A mission has runs: the first when it starts, another for each `resume`. All news of a run carry its number, so that late news of an older run
 * never change a newer one. Its log is one list over all runs, numbered from 1 without gaps but for entries of the kind `gap`, which say what is missing.
 */
import { z } from 'zod';
import { AddressText, MachineId, ProjectId, SessionId } from './address.ts';
import { ApprovalId, MessageId, MissionId, ThreadId } from './ids.ts';
import { MissionState } from './mission-life.ts';
import { lineText } from './text.ts';
import { BodyText } from './text.ts';
import { Time } from './time.ts';

/** terminal: interactive, under our pseudo-terminal; can be watched and taken over · headless: a structured stream, no terminal. */
export const MissionRuntime = z.enum(['terminal', 'headless']);
export type MissionRuntime = z.infer<typeof MissionRuntime>;

/** worktree: a git worktree and branch of its own; the result says what changed there. */
export const Isolation = z.enum(['none', 'worktree']);

/** Where a limit is absent, the machine's own holds; a machine's limit is never exceeded. */
export const MissionLimits = z.object({
  maxDurationSeconds: z
    .number()
    .int()
    .min(10)
    .max(7 * 86_400)
    .optional(),
  /** Without any sign of work from the agent. */
  maxIdleSeconds: z.number().int().min(10).max(86_400).optional(),
  maxTurns: z.number().int().min(1).max(10_000).optional(),
  maxBudgetUsd: z.number().positive().max(10_000).optional(),
});
export type MissionLimits = z.infer<typeof MissionLimits>;

/** The limits that not every agent can be held to; duration and inactivity hold for all. */
export const AgentLimit = z.enum(['maxTurns', 'maxBudgetUsd']);
export type AgentLimit = z.infer<typeof AgentLimit>;

/** What is asked for. */
export const MissionSpec = z.object({
  project: ProjectId,
  text: BodyText,
  /** An agent that the machine knows (claude, codex, …); absent: the project's own. Never an executable. */
  agent: lineText(60).optional(),
  runtime: MissionRuntime.optional(),
  /** Further arguments for the agent; each must be on the machine's allow-list for that agent. */
  flags: z.array(lineText(500)).max(30).default([]),
  isolation: Isolation.default('none'),
  limits: MissionLimits.default({}),
});
export type MissionSpec = z.infer<typeof MissionSpec>;

export const MissionUsage = z.object({
  inputTokens: z.number().int().nonnegative().optional(),
  outputTokens: z.number().int().nonnegative().optional(),
  cacheReadTokens: z.number().int().nonnegative().optional(),
  cacheWriteTokens: z.number().int().nonnegative().optional(),
});

export const MissionResult = z.object({
  /** The agent's last message, whole (cut only over 256 KiB, and then `cut` says so). Empty where it said nothing. */
  text: z.string().max(256 * 1024),
  cut: z.boolean().default(false),
  /** The agent's own word for it: an error is one only if its structured result says so, never by the look of its text. */
  isError: z.boolean(),
  exitCode: z.number().int().optional(),
  signal: z.string().max(20).optional(),
  costUsd: z.number().nonnegative().optional(),
  turns: z.number().int().nonnegative().optional(),
  usage: MissionUsage.optional(),
  durationMs: z.number().int().nonnegative(),
  /** The branch of its worktree, whether that was kept, and what changed (`git diff --stat` and the diff's beginning). */
  branch: z.string().max(300).optional(),
  worktreeKept: z.boolean().optional(),
  diffStat: z.string().max(20_000).optional(),
  diff: z.string().max(100_000).optional(),
});
export type MissionResult = z.infer<typeof MissionResult>;

export const Mission = z.object({
  id: MissionId,
  machine: MachineId,
  project: ProjectId,
  /** The conversation with it: messages into the mission and its answers. */
  threadId: ThreadId,
  agent: lineText(60),
  runtime: MissionRuntime,
  text: z.string(),
  flags: z.array(z.string()),
  isolation: Isolation,
  limits: MissionLimits,
  /** Who asked for it. */
  requestedBy: AddressText,
  /** The mission whose agent asked for it, and how many agents in a row started agents. */
  parent: MissionId.optional(),
  depth: z.number().int().nonnegative(),
  /** The question (`intercom_ask`) that it answers. */
  answers: MessageId.optional(),
  /** Who asked for it is told by a notice when it is over. */
  notify: z.boolean().optional(),
  /** `rerun` or `fork` of this one. */
  from: MissionId.optional(),
  state: MissionState,
  stateSince: Time,
  /** Why it is there, in words: what it waits for, why it failed. */
  reason: z.string().max(1000).optional(),
  /** hub, or the machine that has it. */
  place: z.string(),
  run: z.number().int().nonnegative(),
  /** Its place in the machine's queue, from 1. */
  position: z.number().int().positive().optional(),
  resetAt: Time.optional(),
  /** The agent's session, once it is known; its address is machine/project#session. */
  session: SessionId.optional(),
  /** The directory that it runs in. */
  path: z.string().max(4096).optional(),
  approvalId: ApprovalId.optional(),
  approvedBy: z.string().optional(),
  rule: z.string().optional(),
  /** The newest line of its log that is worth a glance. */
  latest: z.string().max(300).optional(),
  /** The log's last number. */
  logSeq: z.number().int().nonnegative(),
  createdAt: Time,
  startedAt: Time.optional(),
  endedAt: Time.optional(),
  result: MissionResult.optional(),
});
export type Mission = z.infer<typeof Mission>;

/**
 * state: the mission moved · prompt: what was said to it · text: the agent says something · tool, file, command: it does something · done: that
 * ended (`ok`) · result: a turn's outcome · note: what the machinery did · gap: entries are missing here (`detail` says how many and why)
 */
export const MissionLogKind = z.enum([
  'state',
  'prompt',
  'text',
  'tool',
  'file',
  'command',
  'done',
  'result',
  'note',
  'gap',
]);
export const MissionLogEntry = z.object({
  seq: z.number().int().positive(),
  run: z.number().int().nonnegative(),
  at: Time,
  kind: MissionLogKind,
  /** One line for a list: "Edit src/app.ts". */
  label: lineText(300),
  /** More of it, cut at 8,000 characters. */
  detail: z.string().max(8000).optional(),
  ok: z.boolean().optional(),
});
export type MissionLogEntry = z.infer<typeof MissionLogEntry>;

export const MissionLogPage = z.object({
  entries: z.array(MissionLogEntry),
  /** Entries before the first one given that are stored no more. */
  missing: z.number().int().nonnegative(),
  more: z.boolean(),
  state: MissionState,
});
export type MissionLogPage = z.infer<typeof MissionLogPage>;

// ── daemon → hub ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A mission moved on its machine, or more is known about it. Only what is given changes. */
export const MissionReport = z.object({
  news: z.literal('report'),
  missionId: MissionId,
  run: z.number().int().positive(),
  /** Rises with each report of the run, so that one that comes again after a lost answer changes nothing. */
  number: z.number().int().positive(),
  at: Time,
  state: MissionState.exclude(['awaiting_approval', 'denied']).optional(),
  reason: z.string().max(1000).optional(),
  position: z.number().int().positive().optional(),
  resetAt: Time.optional(),
  session: SessionId.optional(),
  path: z.string().max(4096).optional(),
  agent: lineText(60).optional(),
  runtime: MissionRuntime.optional(),
  result: MissionResult.optional(),
});
export type MissionReport = z.infer<typeof MissionReport>;
/** Log entries in order. Those that the hub has already are dropped by their number. */
export const MissionLogNews = z.object({
  news: z.literal('log'),
  missionId: MissionId,
  entries: z.array(MissionLogEntry).min(1).max(200),
});
export const MissionNews = z.discriminatedUnion('news', [MissionReport, MissionLogNews]);
export type MissionNews = z.infer<typeof MissionNews>;
export const MissionNewsRequest = z.object({ items: z.array(MissionNews).min(1).max(128) });
/** Per item, in order. stale: of an older run, or a move that is none · unknown_mission: this hub never had it. None is sent again. */
export const MissionNewsResponse = z.object({
  results: z.array(z.enum(['applied', 'known', 'stale', 'unknown_mission'])),
});

/** What a machine can run; part of its hello, so that a wrong request is refused before anything is asked or started. */
export const AgentOffer = z.object({
  name: lineText(60),
  /** Absent: it is not installed there. */
  version: z.string().max(60).optional(),
  runtimes: z.array(MissionRuntime),
  /** Why it cannot be started there now, in words. */
  problem: lineText(300).optional(),
  /** Limits that it cannot be held to: a mission with one of them runs in another runtime, or is refused. Absent: the machine did not say. */
  cannotHold: z
    .array(z.object({ runtime: MissionRuntime, limit: AgentLimit }))
    .max(10)
    .optional(),
});
export type AgentOffer = z.infer<typeof AgentOffer>;

/** One last look at a session's terminal or stream: read-only. */
export const Inspection = z.object({
  session: SessionId,
  state: z.string().max(60),
  at: Time,
  /** The screen's rows (terminal) or the last log labels (headless), oldest first, without colours. */
  lines: z.array(z.string().max(2000)).max(200),
});
export type Inspection = z.infer<typeof Inspection>;
