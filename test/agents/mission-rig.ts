/**
 * Runs of a real agent in a real runner, with the daemon's real parts behind it (managed sessions, delivery, permission desk, adapter) and a hub on paper. Only the
 * launcher is played: it attaches the runner as the launcher does.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { ClaudeAdapter } from '../../src/daemon/agents/claude/adapter.ts';
import { isAlive, systemProcesses } from '../../src/daemon/agents/process-table.ts';
import type { AgentEvent, AgentProgram } from '../../src/daemon/agents/program.ts';
import { RunnerFiles } from '../../src/daemon/launcher/runner-files.ts';
import { RunnerLink } from '../../src/daemon/launcher/runner-link.ts';
import type { InboxEntry } from '../../src/daemon/ports.ts';
import { Runner } from '../../src/daemon/runner/runner.ts';
import { ActivityBook } from '../../src/daemon/sessions/activity/activity-book.ts';
import { DeliveryEngine } from '../../src/daemon/sessions/delivery.ts';
import { Doorbell } from '../../src/daemon/sessions/doorbell.ts';
import { HookRoutes } from '../../src/daemon/sessions/hook-routes.ts';
import { ManagedBook } from '../../src/daemon/sessions/managed-sessions.ts';
import { PermissionDesk } from '../../src/daemon/sessions/permission-desk.ts';
import { LiveSessions } from '../../src/daemon/sessions/session-book.ts';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { DeliverMessage } from '../../src/protocol/daemon-api.ts';
import type { QuestionAnswer } from '../../src/protocol/attention.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { MessageState } from '../../src/protocol/message-life.ts';
import type { MissionRuntime } from '../../src/protocol/mission.ts';
import type { Decision, Session } from '../../src/protocol/model.ts';
import type { JournalEntry, RunnerRecord } from '../../src/protocol/runner-api.ts';
import { RunnerSpec } from '../../src/protocol/runner-api.ts';
import { PaperHub } from './paper-hub.ts';
import { directoriesAsProjects } from './stand-ins.ts';

const log = silentLog();
const INTERCOM = join(import.meta.dirname, '..', '..', 'bin', 'intercom.js');

/** Looks again until it is there; the test's own time is the limit. */
export async function until<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export interface LaunchOptions {
  readonly program: AgentProgram;
  readonly executable: string;
  readonly runtime: MissionRuntime;
  readonly prompt: string;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  readonly resume?: { readonly session: string; readonly fork: boolean };
}

export class MissionRig {
  readonly directory = mkdtempSync(join(tmpdir(), 'ic-mission-'));
  readonly hub = new PaperHub();
  readonly book = new LiveSessions({ clock: systemClock, log });
  readonly store = new DaemonStore({ file: join(this.directory, 'daemon.db'), clock: systemClock, log });
  readonly activities = new ActivityBook({ clock: systemClock, log });
  readonly managed = new ManagedBook({
    book: this.book,
    projects: directoriesAsProjects('claude'),
    activities: this.activities,
    hasAdapter: ({ program }) => program.name === 'claude',
    clock: systemClock,
    log,
  });
  readonly desk = new PermissionDesk({
    machineId: 'laptop',
    approvals: this.hub,
    book: this.book,
    clock: systemClock,
    log,
    uuid: randomUUID,
  });
  readonly files = new RunnerFiles(this.directory);
  readonly #adapter: ClaudeAdapter;
  readonly #delivery: DeliveryEngine;
  readonly #doorbell: Doorbell;
  readonly #runs: MissionRun[] = [];

  constructor(home: string) {
    const { book, managed } = this;
    this.#adapter = new ClaudeAdapter({
      configDir: join(home, '.claude'),
      book,
      projects: directoriesAsProjects('claude'),
      activities: this.activities,
      managed,
      processes: systemProcesses,
      clock: systemClock,
      log,
      pid: process.pid,
      uid: process.getuid?.(),
    });
    const ports = [this.#adapter];
    this.#delivery = new DeliveryEngine({
      store: this.store.inbox,
      book,
      ports,
      managedChannel: (session) => managed.channelOf(session),
      clock: systemClock,
      log,
      uuid: randomUUID,
    });
    const delivery = this.#delivery;
    this.#doorbell = new Doorbell({
      clock: systemClock,
      book,
      isAlive,
      mail: (session) => delivery.hookMail(session),
      onMail: (listener) => delivery.onHookMail(listener),
    });
    const hooks = new HookRoutes({ ports, book, delivery, doorbell: this.#doorbell, desk: this.desk, log });
    managed.connect({ hooks, delivery });
  }

  async start(): Promise<this> {
    await this.#adapter.start();
    await this.#delivery.start();
    return this;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#runs.map((run) => run.end()));
    this.desk.stop();
    this.#doorbell.stop();
    this.#delivery.stop();
    await this.#adapter.stop();
    await this.store.close();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async launch(options: LaunchOptions): Promise<MissionRun> {
    const id = newId('runner');
    const plan = options.program.plan({
      runtime: options.runtime,
      prompt: options.prompt,
      flags: options.flags ?? [],
      cwd: options.cwd,
      limits: {},
      uuid: randomUUID(),
      resume: options.resume,
      directory: this.files.directory(id),
      intercom: [process.execPath, INTERCOM],
      env: options.environment,
      mission: undefined,
    });
    const spec = RunnerSpec.parse({
      protocol: 1,
      id,
      agent: options.program.name,
      runtime: options.runtime,
      mission: { id: newId('mission'), run: 1 },
      executable: options.executable,
      cwd: options.cwd,
      ...plan,
      environment: { ...options.environment, ...plan.environment },
    });
    mkdirSync(options.cwd, { recursive: true });
    const directory = await this.files.writeSpec(spec);
    const runner = await Runner.prepare({ spec, directory, clock: systemClock, log });
    await runner.start();
    const run = new MissionRun(this, runner, options.program);
    this.#runs.push(run);
    return run;
  }

  async deliver(...messages: readonly DeliverMessage[]): Promise<void> {
    await this.store.inbox.accept(messages);
  }

  reaches(id: string, ...states: readonly MessageState[]): Promise<InboxEntry> {
    return until(async () => {
      const entry = await this.store.inbox.get(id);
      return entry !== undefined && states.includes(entry.state) ? entry : undefined;
    });
  }

  session(fits: (session: Session) => boolean): Promise<Session> {
    return until(() => this.book.list().find(fits));
  }

  /** What the hub decides about a dialog. */
  decide(ref: string, verdict: 'allow' | 'deny', reason?: string, answers?: readonly QuestionAnswer[]): void {
    const decision: Decision = {
      verdict,
      scope: 'once',
      by: 'gilles',
      via: 'telegram',
      at: new Date().toISOString(),
      ...(reason === undefined ? {} : { reason }),
      ...(answers === undefined ? {} : { answers: [...answers] }),
    };
    const state = verdict === 'allow' ? 'allowed' : 'denied';
    this.desk.decided({ item: 'decision', ref, approvalId: newId('approval'), state, decision });
  }
}

export class MissionRun {
  readonly events: AgentEvent[] = [];
  readonly journal: JournalEntry[] = [];
  readonly link: RunnerLink;
  readonly #runner: Runner;
  #keyboard: WebSocket | undefined;

  constructor(rig: MissionRig, runner: Runner, program: AgentProgram) {
    this.#runner = runner;
    this.link = new RunnerLink({
      record: runner.record,
      program,
      agentVersion: undefined,
      files: rig.files,
      managed: rig.managed,
      processes: systemProcesses,
      clock: systemClock,
      log,
      listener: {
        entry: (entry, events) => {
          this.journal.push(entry);
          this.events.push(...events);
        },
        alive: () => undefined,
        gone: () => undefined,
      },
    });
    this.link.connect();
  }

  get record(): RunnerRecord {
    return this.#runner.record;
  }

  get pid(): number {
    return this.#runner.record.agentProcess?.pid ?? 0;
  }

  /** The first event from number `from` on that fits, past or coming. */
  event<K extends AgentEvent['kind']>(
    kind: K,
    fits: (event: Extract<AgentEvent, { kind: K }>) => boolean = () => true,
    from = 0,
  ): Promise<Extract<AgentEvent, { kind: K }>> {
    const isKind = (event: AgentEvent): event is Extract<AgentEvent, { kind: K }> => event.kind === kind;
    return until(() => this.events.slice(from).filter(isKind).find(fits));
  }

  heard(): string[] {
    return this.journal.flatMap(({ kind, event }) => (kind === 'hook' && event !== undefined ? [event] : []));
  }

  async screen(): Promise<string> {
    const { lines } = await this.link.ask({ frame: 'look', lines: 100 });
    return (lines ?? []).join('\n');
  }

  shows(what: RegExp): Promise<string> {
    return until(async () => {
      const screen = await this.screen();
      return what.test(screen) ? screen : undefined;
    });
  }

  /** Keys, as somebody who watches the terminal and has taken its keyboard. */
  async press(keys: string): Promise<void> {
    const keyboard = await this.#watcher();
    keyboard.send(JSON.stringify({ frame: 'input', data: keys }));
  }

  async end(): Promise<void> {
    this.#keyboard?.terminate();
    await this.#runner.stop(2000);
    // As the launcher: the run is over when its end was told.
    await this.event('ended');
    this.link.close();
    await this.#runner.close();
  }

  get ended(): Runner['ended'] {
    return this.#runner.ended;
  }

  async #watcher(): Promise<WebSocket> {
    if (this.#keyboard !== undefined) return this.#keyboard;
    const { socket: path, key } = this.#runner.record;
    const socket = new WebSocket(`ws+unix://${path}:/terminal?as=test&write=1`, {
      headers: { authorization: `Bearer ${key}` },
    });
    const taken = new Promise<void>((resolve) => {
      socket.on('message', (data, isBinary) => {
        if (!isBinary && Buffer.isBuffer(data) && data.includes('"you":true')) resolve();
      });
    });
    await new Promise<void>((resolve) => socket.once('open', () => resolve()));
    socket.send(JSON.stringify({ frame: 'take' }));
    await taken;
    this.#keyboard = socket;
    return socket;
  }
}
