/** What a runner told and the store has not taken yet: in order, a batch at a time, again until it is taken. */
import type { Clock } from '../../platform/clock.ts';
import type { JournalEntry } from '../../protocol/runner-api.ts';
import type { AgentEvent } from '../agents/program.ts';

const BATCH = 200;
const RETRY_MS = 1_000;
const LOOK_MS = 5;

export interface Told {
  /** Absent: it was told while it happened, by the agent's own server, and stands in no journal. */
  readonly entry: JournalEntry | undefined;
  readonly at: string;
  readonly events: readonly AgentEvent[];
}

export interface JournalQueueOptions {
  readonly clock: Clock;
  /** Throws when it has to be tried again. */
  readonly take: (batch: readonly Told[]) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

export class JournalQueue {
  readonly #options: JournalQueueOptions;
  #waiting: Told[] = [];
  #draining = false;
  #stopped = false;

  constructor(options: JournalQueueOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && !this.#draining;
  }

  push(told: Told): void {
    this.#waiting.push(told);
    if (!this.#draining) void this.#drain();
  }

  /** Resolves when everything was taken, or it was stopped. */
  async settled(): Promise<void> {
    while (!this.isEmpty && !this.#stopped) await pause(this.#options.clock, LOOK_MS);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #drain(): Promise<void> {
    const { clock, take, onFailure } = this.#options;
    this.#draining = true;
    try {
      while (this.#waiting.length > 0 && !this.#stopped) {
        const batch = this.#waiting.splice(0, BATCH);
        try {
          await take(batch);
        } catch (error) {
          onFailure(error);
          this.#waiting = [...batch, ...this.#waiting];
          await pause(clock, RETRY_MS);
        }
      }
    } finally {
      this.#draining = false;
    }
  }
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
