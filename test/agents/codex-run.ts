/**
 * A run of Codex as the launcher starts it (the real plan of the real program), with the runner's hook endpoint and a journal that is folded at once; in a terminal (tmux) or headless.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { codexProgram } from '../../src/daemon/agents/codex/program.ts';
import type { AgentEvent, LaunchRequest } from '../../src/daemon/agents/program.ts';
import { HookEndpoint } from '../../src/daemon/runner/hook-endpoint.ts';
import type { WaitingHook } from '../../src/daemon/runner/hook-endpoint.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { newId } from '../../src/protocol/ids.ts';
import { RUNNER_ENVIRONMENT } from '../../src/protocol/runner-api.ts';
import type { JournalEntry } from '../../src/protocol/runner-api.ts';
import { codexProgramPath, Terminal } from './codex-session.ts';
import type { CodexHome } from './codex-session.ts';

export interface RunOptions {
  readonly home: CodexHome;
  readonly cwd: string;
  readonly prompt: string;
  readonly flags?: readonly string[];
  readonly resume?: LaunchRequest['resume'];
  /** What the daemon says to a hook; undefined: it is away. */
  readonly answer?: (event: string, payload: string) => Promise<string> | undefined;
}

export class CodexRun {
  readonly events: AgentEvent[] = [];
  readonly hooks: string[] = [];
  readonly id = newId('runner');
  readonly directory: string;
  terminal: Terminal | undefined;
  pid: number | undefined;
  /** The exit code of a headless run. */
  exit: Promise<number | null> = Promise.resolve(null);
  readonly #endpoint: HookEndpoint;
  readonly #fold;
  #seq = 0;

  private constructor(options: RunOptions, runtime: LaunchRequest['runtime']) {
    this.directory = join(options.home.path, 'runners', this.id);
    mkdirSync(this.directory, { recursive: true, mode: 0o700 });
    this.#fold = codexProgram.fold(runtime);
    this.#endpoint = new HookEndpoint(
      {
        record: (event, payload) => {
          this.hooks.push(event);
          return this.#note('hook', payload, event);
        },
        ask: (hook) => this.#ask(hook, options),
        gone: () => undefined,
        printed: () => undefined,
      },
      systemClock,
    );
  }

  static async start(runtime: LaunchRequest['runtime'], options: RunOptions): Promise<CodexRun> {
    const run = new CodexRun(options, runtime);
    await run.#start(runtime, options);
    return run;
  }

  get session(): string | undefined {
    return this.events.flatMap((event) => (event.kind === 'session' ? [event.session] : []))[0];
  }

  /** The first event (past or coming) that fits. Fails by itself only when the test's own time is over. */
  async event<K extends AgentEvent['kind']>(
    kind: K,
    fits: (event: Extract<AgentEvent, { kind: K }>) => boolean = () => true,
  ): Promise<Extract<AgentEvent, { kind: K }>> {
    const is = (event: AgentEvent): event is Extract<AgentEvent, { kind: K }> => event.kind === kind;
    for (;;) {
      const found = this.events.filter(is).find(fits);
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async end(): Promise<void> {
    await this.terminal?.end();
    await this.#endpoint.stop();
  }

  async #start(
    runtime: LaunchRequest['runtime'],
    { home, cwd, prompt, flags = [], resume }: RunOptions,
  ): Promise<void> {
    const url = await this.#endpoint.start();
    const plan = codexProgram.plan({
      runtime,
      prompt,
      flags,
      cwd,
      limits: {},
      uuid: '00000000-0000-4000-8000-000000000000',
      resume,
      directory: this.directory,
      intercom: ['/bin/false'],
      env: {},
      mission: undefined,
    });
    for (const [name, content] of Object.entries(plan.files)) {
      writeFileSync(join(this.directory, name), content, { mode: 0o600 });
    }
    const env = {
      ...home.env,
      ...plan.environment,
      [RUNNER_ENVIRONMENT.runner]: this.id,
      [RUNNER_ENVIRONMENT.hookUrl]: url,
      [RUNNER_ENVIRONMENT.hookToken]: this.#endpoint.token,
    };
    const [file = '', ...args] = [...(plan.through ?? []), codexProgramPath() ?? '', ...plan.argv];
    if (runtime === 'terminal') {
      this.terminal = await Terminal.start([file, ...args], cwd, env);
      this.pid = this.terminal.pid;
      return;
    }
    const child = spawn(file, args, { cwd, env, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    this.pid = child.pid;
    createInterface({ input: child.stdout }).on('line', (line) => this.#note('line', line));
    this.exit = new Promise((resolve) => child.once('close', resolve));
    child.stdin.write(plan.input.map((line) => `${line}\n`).join(''));
    if (plan.closeInput) child.stdin.end();
  }

  #note(kind: JournalEntry['kind'], text: string, event?: string): JournalEntry {
    const at = new Date().toISOString();
    const entry: JournalEntry = {
      seq: (this.#seq += 1),
      at,
      kind,
      text,
      cut: false,
      ...(event === undefined ? {} : { event }),
    };
    this.events.push(...this.#fold.feed(entry));
    return entry;
  }

  #ask({ call, event }: WaitingHook, options: RunOptions): boolean {
    const answer = options.answer?.(event, '');
    if (answer === undefined) return false;
    void answer.then((text) => this.#endpoint.answer(call, text, undefined));
    return true;
  }
}
