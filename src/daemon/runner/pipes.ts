/**
 * A headless agent: its output as lines of any length, its error output drained with the end kept, its input in order.
 *
 * Invariants: `exit` comes once, after the last line, also when the agent was killed or a child of it keeps the pipe open; what it does not read is
 * bounded; a full error output never blocks it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import type { Clock } from '../../platform/clock.ts';
import { JOURNAL_ENTRY_MAX } from '../../protocol/runner-api.ts';
import { LineSplitter, TextTail } from './lines.ts';
import type { Line } from './lines.ts';

const STDERR_KEPT = 20_000;
const INPUT_WAITING_MAX = 16 * 1024 * 1024;
/** After its end the pipes are read for at most this long: a child may keep them open for ever. */
const PIPES_LINGER_MS = 1_000;

export interface AgentExit {
  readonly code?: number;
  readonly signal?: string;
  readonly problem?: string;
  readonly stderr: string;
}

export interface PipesOptions {
  readonly executable: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly onLine: (line: Line) => void;
  readonly onExit: (exit: AgentExit) => void;
}

export class PipedAgent {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #options: PipesOptions;
  readonly #lines: LineSplitter;
  readonly #stderr = new TextTail(STDERR_KEPT);
  #over = false;
  #exit: { readonly code?: number; readonly signal?: string } = {};

  constructor(options: PipesOptions) {
    this.#options = options;
    this.#lines = new LineSplitter(JOURNAL_ENTRY_MAX, (line) => {
      if (line.text !== '' || line.cut) options.onLine(line);
    });
    this.#child = spawn(options.executable, [...options.argv], {
      cwd: options.cwd,
      env: { ...options.environment },
      // A session and a process group of its own.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdin, stdout, stderr } = this.#child;
    stdout.on('data', (bytes: Buffer) => this.#lines.push(bytes));
    stderr.on('data', (bytes: Buffer) => this.#stderr.push(bytes));
    // An agent that ends without reading its input is no fault of ours.
    for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined);
    this.#child.once('error', (error) => this.#ended({ problem: startProblem(error, options) }));
    this.#child.once('exit', (code, signal) => {
      this.#exit = signal === null ? (code === null ? {} : { code }) : { signal };
      options.clock.after(PIPES_LINGER_MS, () => this.#ended(this.#exit));
    });
    this.#child.once('close', () => this.#ended(this.#exit));
  }

  /** Undefined: it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Writes a line; resolves when the agent's pipe took it. Undefined: done; otherwise why not, in words. */
  write(line: string): Promise<string | undefined> {
    const { stdin } = this.#child;
    if (this.#over) return Promise.resolve('The agent has ended.');
    if (!stdin.writable) return Promise.resolve("The agent's input is closed.");
    if (stdin.writableLength > INPUT_WAITING_MAX) return Promise.resolve('The agent does not read its input.');
    return new Promise((resolve) => {
      stdin.write(`${line}\n`, (error) =>
        resolve(error === null || error === undefined ? undefined : "The agent's input is closed."),
      );
    });
  }

  closeInput(): void {
    this.#child.stdin.end();
  }

  #ended(exit: Omit<AgentExit, 'stderr'>): void {
    if (this.#over) return;
    this.#over = true;
    this.#lines.finish();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
    this.#options.onExit({ ...exit, stderr: this.#stderr.text });
  }
}

function startProblem(error: Error, options: PipesOptions): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
  return `${options.executable} could not be started (${code}).`;
}
