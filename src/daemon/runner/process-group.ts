/**
 * The processes of one agent: the group that it leads, and everything that it started elsewhere (tools often get a session of their own).
 * They are found by the mark in their environment, which every child inherits (Linux), and by descent.
 *
 * Invariants: nothing is signalled by its number alone, but by number and start time; the runner itself and other runners' agents never are.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import type { Clock } from '../../platform/clock.ts';
import { RUNNER_ENVIRONMENT } from '../../protocol/runner-api.ts';
import type { ProcessMark } from '../../protocol/runner-api.ts';
import { startTimeOfStat, systemProcesses } from '../agents/process-table.ts';

/** Sends a signal to a process group; false: nobody is in it. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Somebody is left in the group (also one that only waits for its parent to notice). */
function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

export interface Sweep {
  /** The runner's id. */
  readonly id: string;
  /** The leader of the group; it has ended. */
  readonly pid: number;
  /** Also what the agent started outside its group. */
  readonly everywhere: boolean;
  /** Words of command lines that are left alone outside the group. */
  readonly spare: readonly string[];
  readonly graceMs: number;
  readonly clock: Clock;
}

const POLL_MS = 25;

/** Ends what an agent left behind: term, then kill. */
export async function sweep({ id, pid, everywhere, spare, graceMs, clock }: Sweep): Promise<void> {
  const found = async (): Promise<ProcessMark[]> =>
    everywhere ? withoutSpared(await processesOf(id, pid), spare) : [];
  const left = await found();
  signalGroup(pid, 'SIGTERM');
  await signalMarked(left, 'SIGTERM');
  for (let waited = 0; waited < graceMs; waited += POLL_MS) {
    if (!groupLives(pid) && (await stillThere(left)).length === 0) return;
    await new Promise<void>((resolve) => void clock.after(POLL_MS, resolve));
  }
  signalGroup(pid, 'SIGKILL');
  await signalMarked([...left, ...(await found())], 'SIGKILL');
}

async function withoutSpared(marks: readonly ProcessMark[], spare: readonly string[]): Promise<ProcessMark[]> {
  if (spare.length === 0) return [...marks];
  const kept = await Promise.all(
    marks.map(async (mark) => {
      const words = await systemProcesses.argumentsOf(mark.pid);
      return words.some((word) => spare.includes(word)) ? [] : [mark];
    }),
  );
  return kept.flat();
}

/** Signals processes that are still those that were found. */
export async function signalMarked(marks: readonly ProcessMark[], signal: NodeJS.Signals): Promise<void> {
  for (const mark of marks) {
    if ((await systemProcesses.startOf(mark.pid)) !== mark.startedAt) continue;
    try {
      process.kill(mark.pid, signal);
    } catch {
      // It has just ended.
    }
  }
}

/** Those of the processes that still live. */
async function stillThere(marks: readonly ProcessMark[]): Promise<ProcessMark[]> {
  const found = await Promise.all(
    marks.map(async (mark) => ((await systemProcesses.startOf(mark.pid)) === mark.startedAt ? [mark] : [])),
  );
  return found.flat();
}

/** Every process of the agent of runner `id` but this one: by mark, or below `agent`. */
export async function processesOf(id: string, agent: number | undefined): Promise<ProcessMark[]> {
  const found = process.platform === 'linux' ? await markedProcesses(id) : await descendants(agent);
  return found.filter((mark) => mark.pid !== process.pid);
}

async function markedProcesses(id: string): Promise<ProcessMark[]> {
  const mark = `${RUNNER_ENVIRONMENT.runner}=${id}`;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.map((pid) => markedProcess(pid, mark)));
  return found.flat();
}

async function markedProcess(pid: number, mark: string): Promise<ProcessMark[]> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    if (!environment.split('\0').includes(mark)) return [];
    const startedAt = startTimeOfStat(await readFile(`/proc/${pid}/stat`, 'latin1'));
    return startedAt === undefined ? [] : [{ pid, startedAt }];
  } catch {
    // Another user's, or it has ended.
    return [];
  }
}

async function descendants(agent: number | undefined): Promise<ProcessMark[]> {
  if (agent === undefined) return [];
  const table = await new Promise<string>((resolve) => {
    execFile('ps', ['-axo', 'pid=,ppid='], (error, stdout) => resolve(error === null ? stdout : ''));
  });
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const family = new Set([agent]);
  // A child's number may be below its parent's: look until nobody new is found.
  for (let size = 0; size < family.size;) {
    size = family.size;
    for (const [pid, parent] of rows)
      if (pid !== undefined && parent !== undefined && family.has(parent)) family.add(pid);
  }
  const marks = await Promise.all(
    [...family].map(async (pid) => {
      const startedAt = await systemProcesses.startOf(pid);
      return startedAt === undefined ? [] : [{ pid, startedAt }];
    }),
  );
  return marks.flat();
}
