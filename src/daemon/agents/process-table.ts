/**
 * Which process a pid is: alive, and started when we think it was. A pid alone proves nothing, as numbers are used again.
 * Linux reads /proc; elsewhere `ps` is asked.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { errorCode } from '../../platform/files.ts';

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

/** Alive, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
