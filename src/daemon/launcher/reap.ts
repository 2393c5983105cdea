/**
 * Ends what a killed runner left behind.
 *
 * Invariant: a number alone proves nothing; only processes that started when it was written down, or that carry the runner's mark, are ended.
 */
import { errorCode } from '../../platform/files.ts';
import type { ProcessMark, RunnerRecord } from '../../protocol/runner-api.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import { processesOf, signalGroup, signalMarked } from '../runner/process-group.ts';

export async function lives(mark: ProcessMark, processes: ProcessTable): Promise<boolean> {
  return (await processes.startOf(mark.pid)) === mark.startedAt;
}

/** Kills the agent of a runner that is gone: its process group, and everything that it started elsewhere. */
export async function killAgent(record: RunnerRecord, processes: ProcessTable): Promise<void> {
  const leader = record.agentProcess;
  const now = leader === undefined ? undefined : await processes.startOf(leader.pid);
  // The leader may be gone while its group lives on, and keeps its number; another process there is none of ours.
  if (leader !== undefined && (now === undefined || now === leader.startedAt)) signalGroup(leader.pid, 'SIGKILL');
  await signalMarked(await processesOf(record.id, leader?.pid), 'SIGKILL');
}

export async function killProcess(mark: ProcessMark, processes: ProcessTable): Promise<void> {
  if (!(await lives(mark, processes))) return;
  try {
    process.kill(mark.pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
