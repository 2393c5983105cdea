/** Runs the whole command line program in this process, on a home of its own, and keeps what it printed. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../../../src/cli/io.ts';
import { run } from '../../../src/cli/program.ts';
import { resolvePaths } from '../../../src/platform/paths.ts';
import type { Paths } from '../../../src/platform/paths.ts';

export const NOW = Date.parse('2026-03-01T12:00:00.000Z');

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** What the person answers, in order; makes the terminal interactive. */
  readonly answers?: readonly string[];
  /** Standard input of a pipe. */
  readonly input?: string;
  readonly colour?: boolean;
  readonly columns?: number;
  readonly signal?: AbortSignal;
  readonly onOut?: (text: string) => void;
}

export class Home {
  readonly root: string;
  readonly paths: Paths;
  readonly env: NodeJS.ProcessEnv;

  private constructor(root: string) {
    this.root = root;
    this.env = { INTERCOM_HOME: root, PATH: '/nonexistent' };
    this.paths = resolvePaths(this.env, root);
  }

  static async make(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), 'cli-')));
  }

  /** The home of something that runs already. */
  static at(root: string): Home {
    return new Home(root);
  }

  async run(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const answers = [...(options.answers ?? [])];
    let out = '';
    let err = '';
    const io: Io = {
      out: (text) => {
        out += text;
        options.onOut?.(text);
      },
      err: (text) => {
        err += text;
      },
      env: { ...this.env, ...options.env },
      cwd: this.root,
      home: this.root,
      // Nobody above: whoever runs the tests is no part of them.
      ppid: 1,
      tty: false,
      errTty: false,
      interactive: options.answers !== undefined,
      colour: options.colour ?? false,
      columns: options.columns ?? 80,
      now: () => NOW,
      ask: (question) => {
        err += question;
        return Promise.resolve(answers.shift());
      },
      readInput: (max) => Promise.resolve((options.input ?? '').slice(0, max)),
      signal: options.signal ?? new AbortController().signal,
    };
    const code = await run(args, io);
    return { code, out, err };
  }
}
