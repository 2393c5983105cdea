/** A demo agent as the demo sees it: a child process whose happenings are read in order and which surely ends. */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Happening, readLine } from './script.ts';
import type { Cue } from './script.ts';

export interface PlayerOptions {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

/** How long an agent has to say goodbye before it is ended. */
const GOODBYE_MS = 3000;
/** Happenings that wait to be told; the script has fewer. */
const QUEUE_MAX = 100;

export class Player {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #queue: Happening[] = [];
  readonly #exited: Promise<void>;
  #wake: (() => void) | undefined;
  #over = false;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout }).on('line', (line) => {
      const happening = readLine(Happening, line);
      if (happening === undefined || this.#queue.length >= QUEUE_MAX) return;
      this.#queue.push(happening);
      this.#wake?.();
    });
    this.#exited = new Promise((resolve) => {
      const gone = (): void => {
        this.#over = true;
        this.#wake?.();
        resolve();
      };
      child.once('close', gone);
      child.once('error', gone);
    });
  }

  static start(options: PlayerOptions): Player {
    const [program = process.execPath, ...args] = options.command;
    return new Player(spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ['pipe', 'pipe', 'inherit'] }));
  }

  cue(cue: Cue): void {
    this.#child.stdin.write(`${JSON.stringify(cue)}\n`);
  }

  /** Undefined: it is gone, or the wait was over. */
  async next(wait: {
    readonly ms?: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<Happening | undefined> {
    const giveUp = (): void => {
      wanted.abort();
      this.#wake?.();
    };
    const wanted = new AbortController();
    const timer = wait.ms === undefined ? undefined : setTimeout(giveUp, wait.ms);
    wait.signal?.addEventListener('abort', giveUp, { once: true });
    while (this.#queue.length === 0 && !this.#over && !wanted.signal.aborted && wait.signal?.aborted !== true) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    clearTimeout(timer);
    wait.signal?.removeEventListener('abort', giveUp);
    return this.#queue.shift();
  }

  /** Asks it to end and waits until it has. */
  async stop(): Promise<void> {
    if (!this.#over) this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), GOODBYE_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}
