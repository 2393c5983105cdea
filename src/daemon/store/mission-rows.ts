/** A run of a mission as this machine keeps it, and how it is read from its row. */
import type { Selectable } from 'kysely';
import { z } from 'zod';
import { DeliverMission, DeliverMissionStop } from '../../protocol/daemon-api.ts';
import { MissionResult, MissionRuntime, type MissionLogEntry, type MissionReport } from '../../protocol/mission.ts';
import { MissionState } from '../../protocol/mission-life.ts';
import type { DaemonSchema } from './schema.ts';

/** A git worktree that was made for a mission. */
export const WorktreeFacts = z.object({
  /** The repository that it belongs to, its directory, and the agent's directory in it. */
  repository: z.string(),
  path: z.string(),
  branch: z.string(),
  /** The commit that it began at. */
  base: z.string(),
});
export type WorktreeFacts = z.infer<typeof WorktreeFacts>;

/** How a run will end once its process is gone; decided and stored before the process is told to end. */
export const Ending = z.object({
  state: MissionState.extract(['completed', 'failed', 'cancelled', 'timed_out', 'paused']),
  reason: z.string().max(1000).optional(),
});
export type Ending = z.infer<typeof Ending>;

/** What is known about a run besides what its row is looked for by. */
export const MissionFacts = z.object({
  agent: z.string().optional(),
  runtime: MissionRuntime.optional(),
  /** Milliseconds: the run's first start; how much of the time since was waiting for a person or a provider. */
  startedAt: z.number().optional(),
  heldMs: z.number().default(0),
  /** Milliseconds: when a rate-limited run goes on, and how many times it backed off without being told a time. */
  resumeAt: z.number().optional(),
  backoffs: z.number().default(0),
  /** Runners started for this run. */
  attempts: z.number().default(0),
  /** The next start goes on with this session of the agent (after a rate limit that ended the process). */
  goOnWith: z.string().optional(),
  path: z.string().optional(),
  worktree: WorktreeFacts.optional(),
  position: z.number().optional(),
  ending: Ending.optional(),
  /** What the agent said last, structured. */
  outcome: MissionResult.optional(),
  /** Milliseconds: until then a terminal whose mission is over stays open. */
  keptUntil: z.number().optional(),
});
export type MissionFacts = z.infer<typeof MissionFacts>;

export const StopWish = DeliverMissionStop.pick({ how: true, by: true, reason: true });
export type StopWish = z.infer<typeof StopWish>;

export interface MissionRow {
  readonly seq: number;
  readonly id: string;
  readonly run: number;
  readonly item: DeliverMission;
  readonly state: MissionState;
  /** Milliseconds. */
  readonly stateSince: number;
  readonly reason: string | undefined;
  readonly over: boolean;
  readonly session: string | undefined;
  readonly stop: StopWish | undefined;
  readonly runner: string | undefined;
  readonly journalSeq: number;
  readonly logSeq: number;
  readonly facts: MissionFacts;
}

/** A log entry before it has its number. */
export type NewLogEntry = Omit<MissionLogEntry, 'seq' | 'run'>;

/** One change of a run: its state, what is known of it, and what the hub is told, all or nothing. */
export interface MissionChange {
  /** Nothing happens unless it is in one of these. */
  readonly from?: readonly MissionState[];
  readonly to?: MissionState;
  /** With `to`. */
  readonly reason?: string | undefined;
  readonly over?: boolean;
  /** A new attempt: its journal is read from the beginning. */
  readonly runner?: string | undefined;
  /** The change comes from this entry of the runner's journal; nothing happens if it, or a later one, was taken before. */
  readonly journal?: { readonly runner: string; readonly seq: number } | undefined;
  readonly session?: string | undefined;
  readonly stopDone?: boolean;
  readonly facts?: { readonly [key in keyof MissionFacts]?: MissionFacts[key] | undefined };
  readonly log?: readonly NewLogEntry[];
  /** What the hub is told besides state and reason. */
  readonly report?: Partial<
    Pick<MissionReport, 'position' | 'resetAt' | 'session' | 'path' | 'agent' | 'runtime' | 'result' | 'reason'>
  >;
}

export function missionRow(row: Selectable<DaemonSchema['missions']>): MissionRow {
  return {
    seq: row.seq,
    id: row.mission_id,
    run: row.run,
    item: DeliverMission.parse(JSON.parse(row.item)),
    state: MissionState.parse(row.state),
    stateSince: row.state_since,
    reason: row.reason ?? undefined,
    over: row.over === 1,
    session: row.session ?? undefined,
    stop: row.stop === null ? undefined : StopWish.parse(JSON.parse(row.stop)),
    runner: row.runner ?? undefined,
    journalSeq: row.journal_seq,
    logSeq: row.log_seq,
    facts: MissionFacts.parse(JSON.parse(row.facts)),
  };
}
