/** What a process takes of the machine between two moments: CPU and memory, from /proc. */
import { readFile } from 'node:fs/promises';
import { residentMiB } from './programs.ts';

/** Linux tells times in hundredths of a second on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

export class Load {
  readonly #pid: number;
  readonly #ticks: number;
  readonly #at: number;

  static async of(pid: number): Promise<Load> {
    return new Load(pid, await ticksOf(pid));
  }

  private constructor(pid: number, ticks: number) {
    this.#pid = pid;
    this.#ticks = ticks;
    this.#at = performance.now();
  }

  async since(): Promise<{ readonly cpuPercent: number; readonly memoryMiB: number }> {
    const seconds = (performance.now() - this.#at) / 1_000;
    const used = ((await ticksOf(this.#pid)) - this.#ticks) / TICKS_PER_SECOND;
    return { cpuPercent: (used / seconds) * 100, memoryMiB: await residentMiB(this.#pid) };
  }
}

async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may have spaces in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
