/**
 * Which process a pid is: alive, and started when we think it was. A pid alone proves nothing, as numbers are used again.
 * Linux reads /proc; elsewhere `ps` is asked.
 */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { errorCode } from '../../platform/files.ts';

/** Ticks of a second in /proc; the kernel tells programs this one on every machine. */
const TICKS_PER_SECOND = 100;

export interface ProcessTable {
  /** When the process started, in the form in which agents record it; undefined: it does not run. */
  startOf(pid: number): Promise<string | undefined>;
  /** Its command line, as far as it can be seen. */
  argumentsOf(pid: number): Promise<readonly string[]>;
}

/** Field 22 of /proc/<pid>/stat. The name before it may hold blanks and brackets, so counting starts after the last `)`. */
export function startTimeOfStat(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie is dead: it only waits for its parent to notice.
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

const procFileSystem: ProcessTable = {
  async startOf(pid) {
    try {
      return startTimeOfStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return undefined;
    }
  },
  async argumentsOf(pid) {
    try {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').filter((part) => part !== '');
    } catch {
      return [];
    }
  },
};

function ps(pid: number, column: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('ps', ['-o', `${column}=`, '-p', String(pid)], { env: { ...process.env, LC_ALL: 'C' } }, (error, stdout) =>
      resolve(error === null ? stdout.trim() : ''),
    );
  });
}

const processStatus: ProcessTable = {
  async startOf(pid) {
    const text = await ps(pid, 'lstart');
    return text === '' ? undefined : text;
  },
  async argumentsOf(pid) {
    return (await ps(pid, 'args')).split(' ').filter((part) => part !== '');
  },
};

export const systemProcesses: ProcessTable = process.platform === 'linux' ? procFileSystem : processStatus;

/** When a process started (milliseconds since 1970), by its start time as this table has it. */
export async function startMoment(start: string): Promise<number | undefined> {
  if (process.platform !== 'linux') return asTime(Date.parse(start));
  const uptime = await readFile('/proc/uptime', 'utf8').catch(() => '');
  const up = Number(uptime.split(' ')[0]);
  return uptime === '' ? undefined : asTime(Date.now() - up * 1000 + (Number(start) / TICKS_PER_SECOND) * 1000);
}

function asTime(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined;
}

/** Alive, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}

/**
 * Processor seconds that everything below a process has used so far, also what has ended since; its own are left out. Undefined: it cannot be known here. Reads the
 * whole process table once.
 */
export async function workBelow(pid: number): Promise<number | undefined> {
  if (process.platform !== 'linux') return undefined;
  const rows = new Map<number, { readonly parent: number; readonly own: number; readonly ended: number }>();
  for (const name of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => undefined);
    if (stat === undefined) continue;
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [parent = 0, own = 0, system = 0, ended = 0, endedSystem = 0] = [1, 11, 12, 13, 14].map((at) => fields[at]);
    rows.set(Number(name), { parent, own: own + system, ended: ended + endedSystem });
  }
  const root = rows.get(pid);
  if (root === undefined) return undefined;
  let ticks = root.ended;
  for (const [id, row] of rows) if (id !== pid && isBelow(id, pid, rows)) ticks += row.own + row.ended;
  return ticks / TICKS_PER_SECOND;
}

function isBelow(id: number, ancestor: number, rows: ReadonlyMap<number, { readonly parent: number }>): boolean {
  // A table that is read while it changes could hold a circle.
  for (let at = rows.get(id), steps = 0; at !== undefined && steps < 1000; at = rows.get(at.parent), steps += 1) {
    if (at.parent === ancestor) return true;
  }
  return false;
}
