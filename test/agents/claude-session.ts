/**
 * A real, interactive Claude Code in a terminal of its own (tmux on a private socket), with a private HOME and a scripted model.
 * It is ready when its program says so (its record in ~/.claude/sessions, or its prompt on the screen for versions without one).
 * Nothing outside the private HOME is read or written; `end` leaves no process behind.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export const CLAUDE_VERSIONS = ['2.1.329', '2.1.197'] as const;
export type ClaudeVersion = (typeof CLAUDE_VERSIONS)[number];

/** The program of a pinned version; undefined when `npm ci` was not run in test/agents. */
export function claudeProgram(version: ClaudeVersion): string | undefined {
  // From the root, which is two folders up from here and from the bundle of the bench alike.
  const here = join(import.meta.dirname, '..', '..', 'test', 'agents', 'node_modules', `claude-${version}`);
  const packages = [here];
  const elsewhere = process.env.INTERCOM_TEST_AGENTS;
  if (elsewhere !== undefined)
    packages.push(join(elsewhere, `c${version}`, 'node_modules', '@anthropic-ai', 'claude-code'));
  for (const directory of packages) {
    const manifest = join(directory, 'package.json');
    if (!existsSync(manifest)) continue;
    const program = programOf(manifest, directory);
    if (program !== undefined) return program;
  }
  return undefined;
}

function programOf(manifest: string, directory: string): string | undefined {
  const native = `@anthropic-ai/claude-code-${process.platform}-${process.arch}/package.json`;
  try {
    const found = join(dirname(createRequire(manifest).resolve(native)), 'claude');
    if (existsSync(found)) return found;
  } catch {
    // No native package beside it: the package carries the program itself.
  }
  const own = join(directory, 'bin', 'claude.exe');
  return existsSync(own) ? own : undefined;
}

/** A private HOME whose user has finished every first-run question. */
export class ClaudeHome {
  readonly path: string;
  readonly key: string;

  constructor(name = 'home') {
    this.path = mkdtempSync(join(tmpdir(), `ic-${name}-`));
    this.key = `sk-ant-test-${name}-0123456789abcdefghij`;
    mkdirSync(join(this.path, '.claude'), { recursive: true });
    this.trust();
  }

  /** Makes project directories that Claude Code trusts. */
  trust(...projects: readonly string[]): void {
    const file = join(this.path, '.claude.json');
    const before: unknown = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    const old = typeof before === 'object' && before !== null ? before : {};
    const known = 'projects' in old && typeof old.projects === 'object' ? old.projects : {};
    const added = Object.fromEntries(
      projects.map((path) => [path, { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true }]),
    );
    for (const project of projects) mkdirSync(project, { recursive: true });
    writeFileSync(
      file,
      JSON.stringify({
        ...old,
        hasCompletedOnboarding: true,
        theme: 'dark',
        bypassPermissionsModeAccepted: true,
        customApiKeyResponses: { approved: [this.key.slice(-20)], rejected: [] },
        projects: { ...known, ...added },
      }),
    );
  }

  settings(settings: unknown): void {
    writeFileSync(join(this.path, '.claude', 'settings.json'), JSON.stringify(settings, undefined, 2));
  }

  /** The live-session records that Claude Code keeps. */
  records(): { readonly pid: number; readonly text: string }[] {
    const folder = join(this.path, '.claude', 'sessions');
    if (!existsSync(folder)) return [];
    return readdirSync(folder).flatMap((name) => {
      const pid = /^(\d+)\.json$/.exec(name)?.[1];
      return pid === undefined ? [] : [{ pid: Number(pid), text: readFileSync(join(folder, name), 'utf8') }];
    });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface ClaudeOptions {
  readonly home: ClaudeHome;
  readonly version: ClaudeVersion;
  readonly cwd: string;
  readonly modelUrl: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

let count = 0;

export class ClaudeSession {
  /** The process id of the agent. */
  readonly pid: number;
  readonly cwd: string;
  readonly #server: string;

  private constructor(server: string, pid: number, cwd: string) {
    this.#server = server;
    this.pid = pid;
    this.cwd = cwd;
  }

  static async start(options: ClaudeOptions): Promise<ClaudeSession> {
    const program = claudeProgram(options.version);
    if (program === undefined)
      throw new Error(`Claude Code ${options.version} is not installed; run npm ci in test/agents.`);
    const server = `ic-${process.pid}-${(count += 1)}`;
    const env: Record<string, string> = {
      HOME: options.home.path,
      PATH: process.env.PATH ?? '',
      TERM: 'xterm-256color',
      LANG: 'C.UTF-8',
      SHELL: '/bin/sh',
      ANTHROPIC_BASE_URL: options.modelUrl,
      ANTHROPIC_API_KEY: options.home.key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      // Claude Code refuses bypass mode for root outside a sandbox; the tests run in one.
      IS_SANDBOX: '1',
      ...options.env,
    };
    const command = [
      'exec',
      'env',
      '-i',
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      program,
      ...(options.args ?? []),
    ];
    await run('tmux', [
      '-L',
      server,
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      '-x',
      '160',
      '-y',
      '50',
      '-c',
      options.cwd,
      command.map(quoted).join(' '),
    ]);
    await run('tmux', ['-L', server, 'set-option', '-g', 'remain-on-exit', 'on']);
    const { stdout } = await run('tmux', ['-L', server, 'list-panes', '-F', '#{pane_pid}']);
    const session = new ClaudeSession(server, Number(stdout.trim()), options.cwd);
    try {
      await session.shows(/^\s*❯/m, 30_000);
    } catch (error) {
      await session.end();
      throw error;
    }
    return session;
  }

  async screen(): Promise<string> {
    const { stdout } = await run('tmux', ['-L', this.#server, 'capture-pane', '-p']);
    return stdout;
  }

  /** Waits until the screen shows it. A screen has no events: this is the one place that looks again and again. */
  async shows(what: RegExp, ms = 15_000): Promise<string> {
    const until = Date.now() + ms;
    for (;;) {
      const screen = await this.screen();
      if (what.test(screen)) return screen;
      if (Date.now() > until) throw new Error(`The screen never showed ${what}:\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Types text as a person does, without Enter. */
  async type(text: string): Promise<void> {
    await run('tmux', ['-L', this.#server, 'send-keys', '-l', text]);
    await this.shows(new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').slice(0, 60)));
  }

  /** A key by tmux's name: Enter, Escape, C-c. */
  async press(key: string): Promise<void> {
    await run('tmux', ['-L', this.#server, 'send-keys', key]);
  }

  /** Presses a key until the dialog is gone: a dialog that has just opened takes no keys, so that nobody answers it by accident. */
  async answer(key: string, dialog: RegExp): Promise<void> {
    await this.shows(dialog);
    while (dialog.test(await this.screen())) {
      await this.press(key);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  async prompt(text: string): Promise<void> {
    await this.type(text);
    await this.press('Enter');
  }

  get alive(): boolean {
    try {
      process.kill(this.pid, 0);
      return true;
    } catch {
      return false;
    }
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.alive) process.kill(this.pid, signal);
  }

  /** Closes the terminal, as a person closes its window. */
  async closeTerminal(): Promise<void> {
    await run('tmux', ['-L', this.#server, 'kill-server']);
  }

  /** Ends the agent and its terminal. */
  async end(): Promise<void> {
    this.kill('SIGTERM');
    for (let i = 0; this.alive && i < 60; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    this.kill('SIGKILL');
    await run('tmux', ['-L', this.#server, 'kill-server']).catch(() => undefined);
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
