/** What a process takes of the machine over a span of time: CPU and memory, from /proc. */
import { readFile } from 'node:fs/promises';
import { samples } from './figures.ts';
import { residentMiB } from './programs.ts';

/** Linux tells times in hundredths of a second on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 500;

export interface Taken {
  readonly cpuPercent: number;
  /** Memory rises until the garbage is collected: the middle of many looks, and the highest. */
  readonly memoryMiB: number;
  readonly memoryPeakMiB: number;
}

export class Load {
  readonly #pid: number;
  readonly #ticks: number;
  readonly #at = performance.now();
  readonly #memory: number[] = [];
  readonly #timer: NodeJS.Timeout;

  static async of(pid: number): Promise<Load> {
    return new Load(pid, await ticksOf(pid));
  }

  private constructor(pid: number, ticks: number) {
    this.#pid = pid;
    this.#ticks = ticks;
    this.#timer = setInterval(() => void this.#look(), SAMPLE_MS);
  }

  /** Ends the span. */
  async taken(): Promise<Taken> {
    clearInterval(this.#timer);
    const seconds = (performance.now() - this.#at) / 1_000;
    const used = ((await ticksOf(this.#pid)) - this.#ticks) / TICKS_PER_SECOND;
    await this.#look();
    return {
      cpuPercent: (used / seconds) * 100,
      memoryMiB: samples(this.#memory).p50,
      memoryPeakMiB: Math.max(...this.#memory),
    };
  }

  async #look(): Promise<void> {
    this.#memory.push(await residentMiB(this.#pid));
  }
}

async function ticksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name, in brackets, may have spaces in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
