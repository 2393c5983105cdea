/**
 * A runner: owns one agent process from its start to its end, writes down what it does, and lets daemon and watchers come and go.
 *
 * Invariants: the record tells the truth at every moment that matters (before the start, after it, at the end); the journal's last entry is `exit`; a daemon that
 * is away costs the agent nothing; whatever happens to the runner short of SIGKILL, the agent's processes end with it.
 */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isoTime } from '../../platform/clock.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { RUNNER_ENVIRONMENT, RUNNER_PROTOCOL } from '../../protocol/runner-api.ts';
import type { DaemonFrame, RunnerRecord, RunnerSpec } from '../../protocol/runner-api.ts';
import type { WatcherFrame } from '../../protocol/terminal-stream.ts';
import { systemProcesses } from '../agents/process-table.ts';
import type { AgentTerminal } from '../terminal/terminal.ts';
import type { Witness } from '../terminal/witness.ts';
import { startFault } from './agent-process.ts';
import type { AgentExit, AgentProcess } from './agent-process.ts';
import { ControlSocket } from './control.ts';
import type { ControlLink, WatcherLink } from './control.ts';
import { HookEndpoint } from './hook-endpoint.ts';
import type { WaitingHook } from './hook-endpoint.ts';
import { Journal } from './journal.ts';
import { Occurrence } from './occurrence.ts';
import { JournalFeed } from './journal-feed.ts';
import { signalGroup, sweep } from './process-group.ts';
import { socketPath, withHookUrl, writeFiles, writeRecord } from './spec.ts';

/** How long record and socket stay after the end for a daemon that is away. */
const LINGER_MS = 3_600_000;
/** Children that outlive the agent get this long to end by themselves. */
const CHILDREN_GRACE_MS = 1_000;

export interface RunnerOptions {
  readonly spec: RunnerSpec;
  readonly directory: string;
  /** A person sits at its terminal: how to join them to it. */
  readonly person?: (terminal: AgentTerminal) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export class Runner {
  readonly #options: RunnerOptions;
  readonly #journal: Journal;
  readonly #control: ControlSocket;
  readonly #hooks: HookEndpoint;
  readonly #ended = new Occurrence<NonNullable<RunnerRecord['exit']>>();
  readonly #finished = new Occurrence<undefined>();
  #record: RunnerRecord;
  #agent: AgentProcess | undefined;
  #witness: Witness | undefined;
  #daemon: { readonly link: ControlLink; feed: JournalFeed | undefined } | undefined;
  #stopping: Promise<void> | undefined;
  #begun: Promise<void> | undefined;
  #isOver = false;
  #wasFound = false;
  #written: Promise<void> = Promise.resolve();

  private constructor(options: RunnerOptions, record: RunnerRecord) {
    this.#options = options;
    this.#record = record;
    this.#journal = new Journal(join(options.directory, 'journal.jsonl'), options.clock);
    this.#hooks = new HookEndpoint(
      {
        record: (event, text, cut) => this.#journal.append({ kind: 'hook', event, text, cut }),
        ask: (hook) => this.#askDaemon(hook),
        gone: (call) => this.#daemon?.link.send({ frame: 'hook_gone', call }),
        printed: (offer) => this.#daemon?.link.send({ frame: 'hook_printed', offer }),
      },
      options.clock,
    );
    this.#control = new ControlSocket(record.key, {
      connected: (link) => this.#daemonCame(link),
      frame: (frame, link) => this.#frame(frame, link),
      lost: (link) => this.#daemonLost(link),
      watch: (watcher) => this.#watch(watcher),
    });
  }

  /** A runner that has started nothing yet. */
  static async prepare(options: RunnerOptions): Promise<Runner> {
    const { spec, directory, clock } = options;
    const record: RunnerRecord = {
      protocol: RUNNER_PROTOCOL,
      id: spec.id,
      agent: spec.agent,
      runtime: spec.runtime,
      ...(spec.mission === undefined ? {} : { mission: spec.mission }),
      ...(spec.session === undefined ? {} : { session: spec.session }),
      cwd: spec.cwd,
      socket: socketPath(directory),
      key: randomBytes(32).toString('base64url'),
      runner: { pid: process.pid, startedAt: (await systemProcesses.startOf(process.pid)) ?? 'unknown' },
      attended: options.person !== undefined,
      startedAt: isoTime(clock.now()),
    };
    return new Runner(options, record);
  }

  /** Starts the agent. Rejects only when nothing was started and nothing could be written down. */
  start(): Promise<void> {
    this.#begun ??= this.#begin();
    return this.#begun;
  }

  get record(): RunnerRecord {
    return this.#record;
  }

  /** The agent's end. */
  get ended(): Promise<NonNullable<RunnerRecord['exit']>> {
    return this.#ended.promise;
  }

  /** The runner's work is over: the daemon has everything, or nobody came for it. */
  get finished(): Promise<undefined> {
    return this.#finished.promise;
  }

  /** Ends the agent and everything that it started: term, then kill. Resolves after its end is written down. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.start().then(() => this.#endAgent(graceMs));
    await this.#stopping;
    await this.#ended.promise;
  }

  /** A daemon has ever come. */
  get wasFound(): boolean {
    return this.#wasFound;
  }

  /** The agent's group gets a signal that was meant for it. */
  forward(signal: NodeJS.Signals): void {
    const pid = this.#agent?.pid;
    if (pid !== undefined && !this.#isOver) signalGroup(pid, signal);
  }

  /** The runner goes, whether anybody has read its journal or not. */
  async close(): Promise<void> {
    this.#daemon?.feed?.stop();
    await this.#hooks.stop();
    await this.#control.stop();
    this.#agent?.terminal?.dispose();
    await rm(this.#record.socket, { force: true });
    // A folder of its own in the short place.
    if (dirname(this.#record.socket) !== this.#options.directory)
      await rm(dirname(this.#record.socket), { force: true, recursive: true });
    this.#finished.happen(undefined);
  }

  /** At a fault of the runner: nothing of the agent may be left alive. */
  killNow(): void {
    const pid = this.#agent?.pid;
    if (pid !== undefined && !this.#isOver) signalGroup(pid, 'SIGKILL');
  }

  async #begin(): Promise<void> {
    const { spec, directory } = this.#options;
    await this.#control.start(this.#record.socket);
    const hookUrl = spec.hooks ? await this.#hooks.start() : undefined;
    await writeFiles(directory, spec, hookUrl);
    await this.#writeRecord();
    const fault = await startFault(spec.executable, spec.cwd);
    if (fault !== undefined) {
      await this.#over({ problem: fault, stderr: '' });
      return;
    }
    const environment: Record<string, string> = {
      ...spec.environment,
      [RUNNER_ENVIRONMENT.runner]: spec.id,
      ...(hookUrl === undefined
        ? {}
        : { [RUNNER_ENVIRONMENT.hookUrl]: hookUrl, [RUNNER_ENVIRONMENT.hookToken]: this.#hooks.token }),
    };
    const argv = spec.argv.map((argument) => withHookUrl(argument, hookUrl));
    this.#agent =
      spec.runtime === 'terminal' ? await this.#inTerminal(argv, environment) : await this.#inPipes(argv, environment);
    await this.#started(this.#agent);
  }

  async #started(agent: AgentProcess): Promise<void> {
    const { spec } = this.#options;
    if (agent.pid !== undefined) {
      const startedAt = (await systemProcesses.startOf(agent.pid)) ?? 'gone';
      this.#record = { ...this.#record, agentProcess: { pid: agent.pid, startedAt } };
      await this.#writeRecord();
      this.#daemon?.link.send({ frame: 'hello', record: this.#record, journalSeq: this.#journal.seq });
    }
    for (const line of spec.input) {
      this.#journal.append({ kind: 'input', text: line });
      void agent.write(line);
    }
    if (spec.closeInput) agent.closeInput();
  }

  async #inTerminal(argv: string[], given: Record<string, string>): Promise<AgentProcess> {
    // Loaded only where a terminal is needed: a headless runner does without both.
    const [{ AgentTerminal }, { Witness }] = await Promise.all([
      import('../terminal/terminal.ts'),
      import('../terminal/witness.ts'),
    ]);
    const { spec, directory, person, clock } = this.#options;
    const environment = { TERM: 'xterm-256color', COLORTERM: 'truecolor', ...given };
    const terminal = new AgentTerminal({
      executable: spec.executable,
      argv,
      cwd: spec.cwd,
      environment,
      cols: spec.cols,
      rows: spec.rows,
      rawLog: { path: join(directory, 'raw.log'), max: spec.rawLogMax },
      attended: person !== undefined,
      clock,
    });
    person?.(terminal);
    const witness = new Witness({ terminal, screen: spec.screen, clock });
    this.#witness = witness;
    witness.onChange((state) => this.#daemon?.link.send({ frame: 'screen', state }));
    terminal.onExit((exit) => this.#later(this.#terminalOver(terminal, exit)));
    return {
      pid: terminal.pid,
      terminal,
      write: () => Promise.resolve('This agent has a terminal; text goes in through the typing gate.'),
      closeInput: () => undefined,
      interrupt: () => void terminal.type('\x1b'),
    };
  }

  /** What it printed last is all that it says about its end. */
  async #terminalOver(terminal: AgentTerminal, exit: Pick<AgentExit, 'code' | 'signal'>): Promise<void> {
    await terminal.screen.flushed();
    const stderr = exit.code === 0 ? '' : terminal.screen.lastLines(30).join('\n').slice(-20_000);
    await this.#over({ ...exit, stderr });
  }

  async #inPipes(argv: string[], environment: Record<string, string>): Promise<AgentProcess> {
    const { PipedAgent } = await import('./pipes.ts');
    const { spec, clock } = this.#options;
    const agent = new PipedAgent({
      executable: spec.executable,
      argv,
      cwd: spec.cwd,
      environment,
      clock,
      onLine: ({ text, cut }) => void this.#journal.append({ kind: 'line', text, cut }),
      onExit: (exit) => this.#later(this.#over(exit)),
    });
    return {
      pid: agent.pid,
      terminal: undefined,
      write: (line) => agent.write(line),
      closeInput: () => agent.closeInput(),
      interrupt: () => {
        if (agent.pid !== undefined && !this.#isOver) process.kill(agent.pid, 'SIGINT');
      },
    };
  }

  // ── the daemon ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #daemonCame(link: ControlLink): void {
    this.#daemon?.feed?.stop();
    this.#daemon = { link, feed: undefined };
    this.#wasFound = true;
    link.send({ frame: 'hello', record: this.#record, journalSeq: this.#journal.seq });
  }

  #daemonLost(link: ControlLink): void {
    if (this.#daemon?.link !== link) return;
    this.#daemon.feed?.stop();
    this.#daemon = undefined;
    this.#hooks.daemonLost();
  }

  #askDaemon(hook: WaitingHook): boolean {
    const daemon = this.#daemon;
    if (daemon?.feed === undefined) return false;
    const { call, seq, event, waitMs } = hook;
    daemon.feed.afterEntry(seq, () => daemon.link.send({ frame: 'hook', call, seq, event, waitMs }));
    return true;
  }

  #frame(frame: DaemonFrame, link: ControlLink): void {
    if (this.#daemon?.link !== link) return;
    switch (frame.frame) {
      case 'hello':
        this.#daemon.feed?.stop();
        this.#daemon.feed = new JournalFeed(this.#journal, frame.after, (text, sent) => link.sendText(text, sent));
        this.#hooks.askAgain();
        if (this.#witness?.state !== undefined) link.send({ frame: 'screen', state: this.#witness.state });
        return;
      case 'hook_answer':
        this.#hooks.answer(frame.call, frame.text, frame.offer);
        return;
      case 'interrupt':
        this.#agent?.interrupt();
        return;
      case 'stop':
        this.#later(this.stop(frame.graceMs));
        return;
      case 'done':
        if (this.#isOver) this.#later(this.close());
        return;
      default:
        this.#later(this.#request(frame, link));
    }
  }

  async #request(frame: Extract<DaemonFrame, { readonly request: number }>, link: ControlLink): Promise<void> {
    const { request } = frame;
    if (frame.frame === 'write') {
      const problem = await this.#write(frame.line);
      link.send({ frame: 'reply', request, ...(problem === undefined ? {} : { problem }) });
      return;
    }
    const witness = this.#witness;
    if (witness === undefined) {
      const problem = 'This agent has no terminal.';
      link.send({ frame: 'reply', request, outcome: 'not_a_terminal', problem });
      return;
    }
    if (frame.frame === 'look') {
      const look = await witness.look(frame.lines);
      link.send({ frame: 'reply', request, ...look });
      return;
    }
    const outcome = frame.frame === 'type' ? await witness.type(frame.text) : await witness.answer(frame);
    if (outcome === 'typed') this.#journal.append({ kind: 'input', text: frame.text ?? '' });
    link.send({ frame: 'reply', request, outcome, ...(witness.state === undefined ? {} : { state: witness.state }) });
  }

  async #write(line: string): Promise<string | undefined> {
    if (this.#agent === undefined || this.#isOver) return 'The agent has ended.';
    const problem = await this.#agent.write(line);
    if (problem === undefined) this.#journal.append({ kind: 'input', text: line });
    return problem;
  }

  #watch(link: WatcherLink): { frame(frame: WatcherFrame): void; gone(): void } | undefined {
    const terminal = this.#agent?.terminal;
    if (terminal === undefined) return undefined;
    const watcher = terminal.watch({ name: link.name, mayType: link.mayType, sink: link });
    return { frame: (frame) => terminal.ask(watcher, frame), gone: () => terminal.leave(watcher) };
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #endAgent(graceMs: number): Promise<void> {
    const agent = this.#agent;
    if (agent?.pid === undefined || this.#isOver) return;
    // A stopped process would not hear the other signal.
    signalGroup(agent.pid, 'SIGTERM');
    signalGroup(agent.pid, 'SIGCONT');
    if (await this.#endsWithin(graceMs)) return;
    signalGroup(agent.pid, 'SIGKILL');
  }

  async #endsWithin(ms: number): Promise<boolean> {
    return Promise.race([
      this.#ended.promise.then(() => true),
      new Promise<boolean>((resolve) => void this.#options.clock.after(ms, () => resolve(false))),
    ]);
  }

  /** What the agent left behind: its group always; what it started elsewhere when it was ended or died. */
  async #sweep(exit: AgentExit): Promise<void> {
    const { spec, person } = this.#options;
    const pid = this.#agent?.pid;
    const forced = this.#stopping !== undefined || exit.signal !== undefined;
    // At a person's own terminal an agent that ends by itself leaves behind what it wants, as without us.
    if (pid === undefined || (person !== undefined && !forced)) return;
    await sweep({
      id: spec.id,
      pid,
      everywhere: forced,
      spare: spec.spare ?? [],
      graceMs: CHILDREN_GRACE_MS,
      clock: this.#options.clock,
    });
  }

  async #over(exit: AgentExit): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const { clock } = this.#options;
    try {
      await this.#sweep(exit);
    } finally {
      await this.#hooks.stop();
      const recorded = { at: isoTime(clock.now()), ...exit };
      this.#record = { ...this.#record, exit: recorded };
      await this.#writeRecord();
      this.#journal.append({ kind: 'exit', text: JSON.stringify(recorded) });
      this.#ended.happen(recorded);
      clock.after(LINGER_MS, () => this.#later(this.close()));
    }
  }

  /** One after the other, each as the record is then: an agent may end while its start is written down. */
  #writeRecord(): Promise<void> {
    this.#written = this.#written.then(() => writeRecord(this.#options.directory, this.#record));
    return this.#written;
  }

  /** What nobody waits for: its failure is a fault of the runner. */
  #later(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#options.log.error({ err: error }, 'a fault of the runner');
      this.killNow();
      throw error;
    });
  }
}
