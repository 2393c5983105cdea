/**
 * A real Codex with a private HOME and a scripted model: its programs, its configuration, a terminal of its own (tmux on a private socket).
 * Nothing outside the private HOME is read or written; `end` and `remove` leave no process behind, not even the server that a plain `codex` starts for itself.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { Tmux } from './tmux.ts';

const run = promisify(execFile);

export const CODEX_VERSION = '0.169.0';

/** The native program of the pinned version; undefined when `npm ci` was not run in test/agents. */
export function codexProgramPath(): string | undefined {
  const manifest = join(import.meta.dirname, 'node_modules', `codex-${CODEX_VERSION}`, 'package.json');
  if (!existsSync(manifest)) return undefined;
  const native = dirname(
    createRequire(manifest).resolve(`@openai/codex-${process.platform}-${process.arch}/package.json`),
  );
  const vendor = join(native, 'vendor');
  for (const target of readdirSync(vendor)) {
    const program = join(vendor, target, 'bin', 'codex');
    if (existsSync(program)) return program;
  }
  return undefined;
}

export const KEY = 'sk-test-codex-0123456789';

/** A private HOME whose user has finished every first-run question. */
export class CodexHome {
  readonly path: string;
  readonly codex: string;

  constructor(modelUrl: string, name = 'codex') {
    this.path = mkdtempSync(join(tmpdir(), `ic-${name}-`));
    this.codex = join(this.path, '.codex');
    mkdirSync(this.codex);
    writeFileSync(
      join(this.codex, 'config.toml'),
      [
        'model = "gpt-5.5"',
        'model_provider = "scripted"',
        '[model_providers.scripted]',
        'name = "scripted"',
        `base_url = "${modelUrl}/v1"`,
        'wire_api = "responses"',
        'env_key = "SCRIPTED_KEY"',
        'request_max_retries = 0',
        'stream_max_retries = 0',
        '[notice.model_migrations]',
        '"gpt-5.5" = "gpt-6-sol"',
        '',
      ].join('\n'),
    );
  }

  /** Makes a project directory, a git repository that Codex trusts. */
  async project(name: string): Promise<string> {
    const path = join(this.path, name);
    mkdirSync(path);
    await run('git', ['init', '-q', path]);
    const file = join(this.codex, 'config.toml');
    writeFileSync(file, `${readFileSync(file, 'utf8')}[projects."${path}"]\ntrust_level = "trusted"\n`);
    return path;
  }

  get env(): Record<string, string> {
    return {
      HOME: this.path,
      CODEX_HOME: this.codex,
      PATH: process.env.PATH ?? '',
      TERM: 'xterm-256color',
      LANG: 'C.UTF-8',
      SHELL: '/bin/sh',
      SCRIPTED_KEY: KEY,
    };
  }

  get controlSocket(): string {
    return join(this.codex, 'app-server-control', 'app-server-control.sock');
  }

  /** Ends the server that Codex keeps for itself, and its updater, then removes everything. */
  async remove(): Promise<void> {
    for (const name of ['daemon-updater.pid', 'daemon.pid']) {
      const file = join(this.codex, 'app-server-daemon', name);
      if (!existsSync(file)) continue;
      const { pid } = z.looseObject({ pid: z.number().int().positive() }).parse(JSON.parse(readFileSync(file, 'utf8')));
      await endProcess(pid);
    }
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Ends one process: term, then kill. */
export async function endProcess(pid: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!alive(pid)) return;
    process.kill(pid, signal);
    for (let i = 0; alive(pid) && i < 60; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A program of Codex in a terminal. */
export class Terminal extends Tmux {
  static async start(
    command: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>>,
  ): Promise<Terminal> {
    return new Terminal(await Tmux.open({ command, cwd, env }));
  }

  async end(): Promise<void> {
    await endProcess(this.pid);
    await this.close();
  }
}
