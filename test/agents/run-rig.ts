/**
 * One run of an agent for contract tests, started from its program's own plan: the part of a runner that agents see (hook endpoint, environment, files, input),
 * with the real delivery side of a daemon behind the hooks. The journal is folded as it grows, as the launcher does it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lines } from '../../src/daemon/agents/acp/rpc.ts';
import type {
  AgentEvent,
  AgentProgram,
  JournalFold,
  LaunchPlan,
  LaunchRequest,
} from '../../src/daemon/agents/program.ts';
import type { AgentAdapter, HookCall, InboxEntry } from '../../src/daemon/ports.ts';
import type { AgentPort } from '../../src/daemon/sessions/agent-port.ts';
import { DeliveryEngine } from '../../src/daemon/sessions/delivery.ts';
import { Doorbell } from '../../src/daemon/sessions/doorbell.ts';
import { HookRoutes } from '../../src/daemon/sessions/hook-routes.ts';
import { LiveSessions } from '../../src/daemon/sessions/session-book.ts';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { DeliverMessage } from '../../src/protocol/daemon-api.ts';
import type { MessageState } from '../../src/protocol/message-life.ts';
import { JournalEntry, RUNNER_ENVIRONMENT } from '../../src/protocol/runner-api.ts';
import { Tmux } from './tmux.ts';

const INTERCOM = join(import.meta.dirname, '..', '..', 'bin', 'intercom.js');

/** The delivery side of a daemon: store, book, engine and hook routes, all real. */
export class DeliverySide {
  readonly directory = mkdtempSync(join(tmpdir(), 'ic-run-'));
  readonly book = new LiveSessions({ clock: systemClock, log: silentLog() });
  readonly store = new DaemonStore({ file: join(this.directory, 'daemon.db'), clock: systemClock, log: silentLog() });
  readonly #adapter: AgentAdapter;
  readonly #delivery: DeliveryEngine;
  readonly #doorbell: Doorbell;
  readonly routes: HookRoutes;

  constructor(adapterOf: (book: LiveSessions) => AgentAdapter & AgentPort) {
    const { book } = this;
    const adapter = adapterOf(book);
    this.#adapter = adapter;
    const shared = { book, ports: [adapter], clock: systemClock, log: silentLog() };
    this.#delivery = new DeliveryEngine({ ...shared, store: this.store.inbox, uuid: randomUUID });
    const delivery = this.#delivery;
    this.#doorbell = new Doorbell({
      clock: systemClock,
      book,
      isAlive: () => true,
      mail: (session) => delivery.hookMail(session),
      onMail: (listener) => delivery.onHookMail(listener),
    });
    this.routes = new HookRoutes({ ...shared, delivery, doorbell: this.#doorbell });
  }

  async start(): Promise<this> {
    await this.#adapter.start();
    await this.#delivery.start();
    return this;
  }

  async deliver(...messages: readonly DeliverMessage[]): Promise<void> {
    await this.store.inbox.accept(messages);
  }

  /** Waits until the message is in one of the states. */
  async reaches(id: string, ...states: readonly MessageState[]): Promise<InboxEntry> {
    for (;;) {
      const entry = await this.store.inbox.get(id);
      if (entry !== undefined && states.includes(entry.state)) return entry;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async stop(): Promise<void> {
    this.#doorbell.stop();
    this.#delivery.stop();
    await this.#adapter.stop();
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface RunOptions {
  readonly program: AgentProgram;
  /** How the real program is started. */
  readonly command: readonly string[];
  readonly request: Partial<LaunchRequest> & Pick<LaunchRequest, 'runtime' | 'prompt' | 'cwd'>;
  /** The agent's environment besides what its plan sets. */
  readonly env: Readonly<Record<string, string>>;
  readonly side: DeliverySide | undefined;
  /** Who decides about what a hook asks leave for; its answer is what the hook is given. */
  readonly decide?: (payload: string) => string | Promise<string>;
}

/** An agent that was started, headless or in a terminal (tmux on a private socket). */
export class AgentRun {
  readonly plan: LaunchPlan;
  readonly directory: string;
  readonly events: AgentEvent[] = [];
  readonly journal: JournalEntry[] = [];
  readonly #options: RunOptions;
  readonly #fold: JournalFold;
  readonly #waiting = new Set<() => void>();
  #endpoint: Server | undefined;
  #child: ChildProcessWithoutNullStreams | undefined;
  #terminal: Tmux | undefined;
  #pid = 0;
  #exit: Promise<number> = Promise.resolve(-1);
  stderr = '';

  private constructor(options: RunOptions) {
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), 'ic-runner-'));
    this.plan = options.program.plan({
      flags: [],
      limits: {},
      uuid: randomUUID(),
      resume: undefined,
      directory: this.directory,
      intercom: [process.execPath, INTERCOM],
      env: options.env,
      mission: undefined,
      ...options.request,
    });
    this.#fold = options.program.fold(options.request.runtime);
  }

  static async start(options: RunOptions): Promise<AgentRun> {
    const agent = new AgentRun(options);
    const url = await agent.#listen();
    for (const [name, text] of Object.entries(agent.plan.files))
      writeFileSync(join(agent.directory, name), text.replaceAll(`\${${RUNNER_ENVIRONMENT.hookUrl}}`, url));
    const env = {
      PATH: process.env.PATH ?? '',
      LANG: 'C.UTF-8',
      SHELL: '/bin/sh',
      ...options.env,
      ...agent.plan.environment,
      [RUNNER_ENVIRONMENT.runner]: 'rnr_test',
      [RUNNER_ENVIRONMENT.hookUrl]: url,
      [RUNNER_ENVIRONMENT.hookToken]: 'test-token',
    };
    mkdirSync(options.request.cwd, { recursive: true });
    const argv = [...(agent.plan.through ?? []), ...options.command, ...agent.plan.argv];
    if (options.request.runtime === 'terminal') await agent.#inTerminal(argv, env);
    else agent.#headless(argv, env);
    return agent;
  }

  get pid(): number {
    return this.#pid;
  }

  get exit(): Promise<number> {
    return this.#exit;
  }

  /** The first event after number `from` that fits, past or coming. */
  async event<K extends AgentEvent['kind']>(
    kind: K,
    fits: (event: Extract<AgentEvent, { kind: K }>) => boolean = () => true,
    from = 0,
  ): Promise<Extract<AgentEvent, { kind: K }>> {
    const isKind = (event: AgentEvent): event is Extract<AgentEvent, { kind: K }> => event.kind === kind;
    for (;;) {
      const found = this.events.slice(from).filter(isKind).find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** A line into a headless agent's input. */
  write(line: string): void {
    this.#child?.stdin.write(`${line}\n`);
  }

  closeInput(): void {
    this.#child?.stdin.end();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL' | 'SIGINT'): void {
    // The whole group, as a runner does it.
    process.kill(-this.#pid, signal);
  }

  // ── the terminal ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Where it runs in one. */
  get terminal(): Tmux {
    if (this.#terminal === undefined) throw new Error('it runs headless');
    return this.#terminal;
  }

  /** Ends what still runs and removes what the run left. */
  async end(): Promise<void> {
    try {
      this.kill('SIGKILL');
    } catch {
      // It has ended.
    }
    await this.#terminal?.close();
    await this.#exit.catch(() => undefined);
    this.#endpoint?.closeAllConnections();
    this.#endpoint?.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #headless(argv: readonly string[], env: Readonly<Record<string, string>>): void {
    const [command = '', ...args] = argv;
    const child = spawn(command, args, { cwd: this.#options.request.cwd, env, detached: true });
    this.#child = child;
    this.#pid = child.pid ?? 0;
    const lines = new Lines((text) => this.#note('line', undefined, text));
    child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    this.#exit = new Promise((resolve) => {
      child.once('close', (code) => {
        this.#note('exit', undefined, '{}');
        resolve(code ?? -1);
      });
    });
    for (const line of this.plan.input) this.write(line);
    if (this.plan.closeInput) this.closeInput();
  }

  async #inTerminal(command: readonly string[], given: Readonly<Record<string, string>>): Promise<void> {
    const env = { ...given, TERM: 'xterm-256color' };
    this.#terminal = new Tmux(await Tmux.open({ command, cwd: this.#options.request.cwd, env }));
    this.#pid = this.#terminal.pid;
  }

  async #listen(): Promise<string> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.writeHead(500).end());
    });
    this.#endpoint = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `http://127.0.0.1:${address.port}/hook`;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const event = /^\/hook\/([A-Za-z]+)$/.exec(request.url ?? '')?.[1];
    if (request.headers.authorization !== 'Bearer test-token' || event === undefined) {
      response.writeHead(401).end();
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) if (Buffer.isBuffer(part)) parts.push(part);
    const body = Buffer.concat(parts).toString('utf8');
    this.#note('hook', event, body);
    const { decide, program, side } = this.#options;
    if (event === 'PermissionRequest') {
      response.end((await decide?.(body)) ?? '{}');
      return;
    }
    const caller = { agent: program.name, pid: this.#pid, session: undefined, cwd: undefined };
    const call: HookCall = { agent: program.name, event, caller, body };
    const answer = await side?.routes.event(call);
    response.end(answer === undefined || answer.text === '' ? '{}' : answer.text, () => {
      if (answer?.offer !== undefined) void side?.routes.acknowledge(answer.offer);
    });
  }

  #note(kind: JournalEntry['kind'], event: string | undefined, text: string): void {
    const seq = this.journal.length + 1;
    const entry = JournalEntry.parse({ seq, at: new Date().toISOString(), kind, event, text });
    this.journal.push(entry);
    this.events.push(...this.#fold.feed(entry));
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
  }
}
