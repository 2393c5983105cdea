/** What becomes of a run's worktree at its end: what changed there, and whether it is removed. */
import type { LauncherConfig } from '../../config/launcher.ts';
import type { MissionState } from '../../protocol/mission-life.ts';
import type { WorktreeFacts } from '../store/mission-rows.ts';
import { lookAtWorktree, type WorktreeReport } from './worktree.ts';

export interface WorktreeEnd {
  readonly report: WorktreeReport | undefined;
  /** Nothing in it is worth keeping: it goes when nothing works there any more. */
  readonly removes: WorktreeFacts | undefined;
}

/** A paused run goes on in its worktree; of a lost one nobody saw what was still to come. */
export async function worktreeAtEnd(
  worktree: WorktreeFacts | undefined,
  state: MissionState,
  { worktrees }: Pick<LauncherConfig, 'worktrees'>,
): Promise<WorktreeEnd> {
  const looks = worktree !== undefined && state !== 'paused';
  const seen = looks ? await lookAtWorktree(worktree).catch(() => undefined) : undefined;
  if (seen === undefined) return { report: undefined, removes: undefined };
  const goes = seen.clean && worktrees === 'remove_clean' && state !== 'lost';
  const report = { ...seen.report, worktreeKept: !goes && (seen.report.worktreeKept ?? true) };
  return { report, removes: goes ? worktree : undefined };
}
