/**
 * A real, interactive Claude Code in a terminal of its own (tmux on a private socket), with a private HOME and a scripted model.
 * It is ready when its program says so (its record in ~/.claude/sessions, or its prompt on the screen for versions without one).
 * Nothing outside the private HOME is read or written; `end` leaves no process behind.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Tmux } from './tmux.ts';

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

export class ClaudeSession extends Tmux {
  readonly cwd: string;

  static async start(options: ClaudeOptions): Promise<ClaudeSession> {
    const program = claudeProgram(options.version);
    if (program === undefined)
      throw new Error(`Claude Code ${options.version} is not installed; run npm ci in test/agents.`);
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
    const { cwd, args = [] } = options;
    const session = new ClaudeSession(await Tmux.open({ command: [program, ...args], cwd, env }), cwd);
    try {
      await session.shows(/^\s*❯/m, 30_000);
    } catch (error) {
      await session.end();
      throw error;
    }
    return session;
  }

  private constructor(terminal: Awaited<ReturnType<typeof Tmux.open>>, cwd: string) {
    super(terminal);
    this.cwd = cwd;
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

  /** Ends the agent and its terminal. */
  async end(): Promise<void> {
    this.kill('SIGTERM');
    for (let i = 0; this.alive && i < 60; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    this.kill('SIGKILL');
    await this.close();
  }
}
