/** A run's result, made to fit the wire. Pure. */
import type { MissionResult } from '../../protocol/mission.ts';
import type { RunnerRecord } from '../../protocol/runner-api.ts';
import type { Ending, MissionRow, StopWish } from '../store/mission-rows.ts';
import type { Tally } from './tally.ts';
import type { WorktreeReport } from './worktree.ts';

/** Bytes as JSON: a result with its diff must fit into one request. */
const TEXT_BYTES = 256 * 1024;
const DIFF_BYTES = 160 * 1024;
const STAT_BYTES = 40 * 1024;

export interface Ended {
  readonly exit: RunnerRecord['exit'];
  /** We ended the process ourselves: how it died says nothing about the work. */
  readonly byUs: boolean;
  readonly worktree: WorktreeReport | undefined;
}

export function resultOf(row: MissionRow, tally: Tally, ended: Ended, now: number): MissionResult {
  const { last } = tally;
  const text = fitting(last?.text ?? '', TEXT_BYTES, 256 * 1024);
  const { exit, byUs, worktree } = ended;
  return {
    text,
    cut: text.length < (last?.text.length ?? 0),
    isError: last?.isError ?? false,
    ...(exit?.code === undefined || byUs ? {} : { exitCode: exit.code }),
    ...(exit?.signal === undefined || byUs ? {} : { signal: exit.signal }),
    ...(last?.costUsd === undefined ? {} : { costUsd: last.costUsd }),
    ...(tally.turns === 0 ? {} : { turns: tally.turns }),
    ...(last?.usage === undefined ? {} : { usage: last.usage }),
    durationMs: Math.max(0, Math.round(now - (row.facts.startedAt ?? now))),
    ...(worktree === undefined
      ? {}
      : {
          ...worktree,
          ...(worktree.diffStat === undefined ? {} : { diffStat: fitting(worktree.diffStat, STAT_BYTES, 20_000) }),
          ...(worktree.diff === undefined ? {} : { diff: fitting(worktree.diff, DIFF_BYTES, 100_000) }),
        }),
  };
}

/** How a run ends that somebody stopped. */
export function endingOf({ how, by, reason }: StopWish): Ending {
  const who = by === '' ? '' : ` by ${by}`;
  const why = reason === undefined ? '' : `: ${reason}`;
  const [state, word] = how === 'cancel' ? (['cancelled', 'Cancelled'] as const) : (['paused', 'Paused'] as const);
  return { state, reason: `${word}${who}${why}`.slice(0, 1000) };
}

/** How a process ended that had not said that its work was done, in words. */
export function endWords(exit: NonNullable<RunnerRecord['exit']>): string {
  if (exit.problem !== undefined) return `The agent could not be started: ${exit.problem}`.slice(0, 1000);
  const how = exit.signal === undefined ? `exit code ${exit.code ?? 'unknown'}` : `signal ${exit.signal}`;
  const stderr = exit.stderr.trim().slice(-600);
  const said = stderr === '' ? '' : ` Its error output ended: ${stderr}`;
  return `The agent ended (${how}) before its work was done.${said}`.slice(0, 1000);
}

/** The beginning, at most `max` characters and `bytes` bytes as JSON. */
function fitting(text: string, bytes: number, max: number): string {
  let fits = text.slice(0, max);
  while (Buffer.byteLength(JSON.stringify(fits)) > bytes) {
    const ratio = bytes / Buffer.byteLength(JSON.stringify(fits));
    fits = fits.slice(0, Math.floor(fits.length * ratio * 0.98));
  }
  return fits.replace(/[\ud800-\udbff]$/, '');
}
