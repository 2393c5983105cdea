/** A program in a pseudo-terminal of ours, as a script drives it: keys in, the model of its screen out. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { Pty } from '../../src/daemon/terminal/pty.ts';
import { Screen } from '../../src/daemon/terminal/screen.ts';
import { rowText } from '../../src/daemon/terminal/view.ts';
import type { ScreenView } from '../../src/daemon/terminal/view.ts';

export interface ProgramToDrive {
  readonly executable: string;
  readonly argv?: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly cols?: number;
  readonly rows?: number;
}

export class DrivenTerminal {
  readonly pty: Pty;
  readonly screen: Screen;
  #lastOutput = 0;
  #ended = false;

  constructor(program: ProgramToDrive) {
    const { cols = 120, rows = 40 } = program;
    this.pty = new Pty({ argv: [], ...program, cols, rows, clock: systemClock });
    this.screen = new Screen({ cols, rows, scrollback: 500, answer: (text) => this.keys(text) });
    this.pty.onData((bytes) => {
      this.#lastOutput = performance.now();
      this.screen.write(bytes);
    });
    this.pty.onExit(() => {
      this.#ended = true;
    });
  }

  get text(): string {
    return this.screen.view().rows.map(rowText).join('\n');
  }

  keys(text: string): void {
    this.pty.write(text);
  }

  async pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Waits until the screen shows it and has been quiet (a spinner is never quiet: at most `patience` more). */
  async shows(what: RegExp, patience = 3_000): Promise<ScreenView> {
    const latest = performance.now() + 60_000;
    while (!what.test(this.text)) {
      if (performance.now() > latest || this.#ended)
        throw new Error(`The screen never showed ${String(what)}:\n${this.text}`);
      await this.pause(50);
    }
    const until = performance.now() + patience;
    while (performance.now() < until && performance.now() - this.#lastOutput < 700) await this.pause(50);
    await this.screen.flushed();
    return this.screen.view();
  }

  async end(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      try {
        if (!this.#ended) process.kill(-this.pty.pid, signal);
      } catch {
        return;
      }
      for (let i = 0; i < 60 && !this.#ended; i += 1) await this.pause(50);
    }
  }
}

/** Writes a screen into the corpus. */
export function keepScreen(agent: string, version: string, state: string, view: ScreenView): void {
  const folder = join(import.meta.dirname, agent, version);
  mkdirSync(folder, { recursive: true });
  const { rows, ...rest } = view;
  // A row a line: a difference between two versions can be read.
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(',\n');
  const head = JSON.stringify(rest).slice(1, -1);
  writeFileSync(join(folder, `${state}.json`), `{\n  ${head},\n  "rows": [\n${lines}\n  ]\n}\n`);
}
