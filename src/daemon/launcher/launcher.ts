/**
 * The missions of this machine: taken, queued, started, watched, ended, and found again after a restart.
 *
 * Invariants: what the store says is what holds, memory only follows it; at most one process of a mission lives; nothing is started that the hub
 * did not send; after a restart every run that is not over is adopted, ended with the truth, or started as if nothing had been.
 */
import type { LauncherConfig } from '../../config/launcher.ts';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { DeliverMission, DeliverMissionStop } from '../../protocol/daemon-api.ts';
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import type { HelloRequest } from '../../protocol/machine-api.ts';
import type { AgentOffer, Inspection } from '../../protocol/mission.ts';
import type { RunnerRecord } from '../../protocol/runner-api.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import type { MissionDesk, Projects, Unsubscribe } from '../ports.ts';
import type { ManagedSessions } from '../sessions/managed.ts';
import type { Ending, MissionRow } from '../store/mission-rows.ts';
import type { Missions } from '../store/missions.ts';
import type { AgentServers, AgentSource, LaunchableAgent } from './agents.ts';
import { pause } from './journal-queue.ts';
import { MissionRun } from './mission-run.ts';
import { offersOf } from './offers.ts';
import { nextTurn } from './queue.ts';
import { killAgent, lives } from './reap.ts';
import { endingOf } from './results.ts';
import { Rows } from './rows.ts';
import { RunnerFiles } from './runner-files.ts';
import { RunStarter } from './run-starter.ts';
import { worktreesIn, type SpawnRunner } from './start-run.ts';
import { StrayRunners } from './stray-runners.ts';

const TICK_MS = 1_000;
/** A record that a runner was about to write when the daemon was killed. */
const RECORD_SETTLES_MS = 10_000;
const LOOK_MS = 50;
/** How long a hello waits to hear what can be started. */
export const OFFERS_WAIT_MS = 3_000;
/** Terminals that are kept open after their missions. */
const KEPT_OPEN_MAX = 8;

export interface LauncherOptions {
  readonly machineId: string;
  readonly config: LauncherConfig;
  /** The state directory. */
  readonly state: string;
  readonly missions: Missions;
  readonly projects: Pick<Projects, 'list'>;
  readonly agents: AgentSource;
  readonly managed: ManagedSessions;
  readonly servers?: AgentServers;
  /** Resolves once it is known what can be started here. */
  readonly offersKnown?: Promise<void>;
  readonly processes: ProcessTable;
  readonly spawnRunner: SpawnRunner;
  /** How to start our own program: `[node, …/bin/intercom.js]`. */
  readonly intercom: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
}

type Key = string;

export class Launcher implements MissionDesk {
  readonly #options: LauncherOptions;
  readonly #files: RunnerFiles;
  readonly #rows: Rows;
  readonly #starter: RunStarter;
  /** Runs that wait: in the queue, for a provider, or paused. */
  readonly #waiting = new Map<Key, MissionRow>();
  /** Runs that are being started. */
  readonly #starting = new Map<Key, MissionRow>();
  readonly #runs = new Map<Key, MissionRun>();
  readonly #strays: StrayRunners;
  #unsubscribe: Unsubscribe = () => undefined;
  #unhear: Unsubscribe | undefined;
  #cancelTick: CancelTimer = () => undefined;
  #stopped = false;
  #pumping = false;
  #again = false;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#files = new RunnerFiles(options.state);
    this.#rows = new Rows(options);
    this.#starter = new RunStarter({
      ...options,
      files: this.#files,
      worktrees: worktreesIn(options.state),
      change: (row, change) => this.#rows.change(row, change),
    });
    this.#strays = new StrayRunners({
      ...options,
      files: this.#files,
      isOurs: (id) => this.#runnerIds().has(id),
    });
  }

  /** Finds what a daemon before left, and goes on with it. */
  async start(): Promise<void> {
    const { missions, clock } = this.#options;
    await this.#files.prepare();
    const open = await missions.open();
    this.#unsubscribe = missions.onStored((rows) => {
      for (const row of rows) void this.#arrived(row);
    });
    this.#unhear = this.#options.servers?.onEvent(({ session, event }) => this.#runOf(session)?.told(event));
    for (const row of open) await this.#reconcile(row);
    for (const row of await missions.recentlyOver(200)) await this.#reopen(row);
    this.#cancelTick = clock.every(TICK_MS, () => this.#tick());
    await this.#strays.start();
    this.#kick();
  }

  /** The runners go on; the next daemon finds them. */
  stop(): void {
    this.#stopped = true;
    this.#rows.stop();
    this.#unsubscribe();
    this.#unhear?.();
    this.#cancelTick();
    this.#strays.stop();
    for (const run of this.#runs.values()) run.close();
  }

  // ── what the hub asks ──────────────────────────────────────────────────────────────────────────────────────────────────

  accept(items: readonly DeliverMission[]): Promise<readonly ('stored' | 'known')[]> {
    return this.#options.missions.accept(items);
  }

  async stopMission(stop: DeliverMissionStop): Promise<void> {
    const { missions, log } = this.#options;
    const row = await missions.wishStop(stop);
    const key = keyOf({ id: stop.missionId, run: stop.run });
    const run = this.#runs.get(key);
    if (row === undefined && run === undefined) return;
    this.#do(async () => {
      if (row !== undefined && this.#waiting.has(key)) await this.#endWaiting(row);
      else if (run !== undefined) await run.stop(stop);
      // What is being started sees the wish as soon as it can.
    });
    log.info({ mission: stop.missionId, how: stop.how }, 'a mission is to be stopped');
  }

  async forHello(): Promise<HelloRequest['missions']> {
    // A hello that names no agents makes the hub refuse missions; so the first one waits a moment for the first look.
    const { offersKnown, clock } = this.#options;
    if (offersKnown !== undefined) await Promise.race([offersKnown, pause(clock, OFFERS_WAIT_MS)]);
    return this.#options.missions.forHello();
  }

  offers(): readonly AgentOffer[] {
    return offersOf(this.#options.config, this.#options.agents.offers());
  }

  async inspect(session: string, lines: number): Promise<Inspection> {
    const run = this.#runOf(session);
    return run === undefined ? this.#strays.inspect(session, lines) : run.inspect(lines);
  }

  terminalOf(session: string): { readonly socket: string; readonly key: string } {
    const record = this.#runOf(session)?.link.record ?? this.#strays.recordOf(session);
    if (record === undefined) {
      throw new IntercomError('unknown_session', `No runner of this machine has the session ${session}.`, {
        next: 'It has ended, or its person started it without `intercom run`.',
      });
    }
    if (record.runtime !== 'terminal') {
      throw new IntercomError('failed', 'This session is headless: it has no terminal to watch.', {
        next: 'Look at its log: `intercom missions logs -f`.',
      });
    }
    return { socket: record.socket, key: record.key };
  }

  // ── arrivals and restarts ──────────────────────────────────────────────────────────────────────────────────────────────

  async #arrived(row: MissionRow): Promise<void> {
    // A newer run takes the place of an older one that still lives here.
    for (const run of this.#runs.values()) {
      if (run.row.id !== row.id || run.row.run >= row.run) continue;
      await run.stop({ how: 'cancel', by: '', reason: 'a newer run of the mission takes its place' });
    }
    for (const [key, old] of this.#waiting) if (old.id === row.id && old.run < row.run) this.#waiting.delete(key);
    this.#waiting.set(keyOf(row), row);
    this.#kick();
  }

  async #reconcile(row: MissionRow): Promise<void> {
    const resting = row.state === 'rate_limited' && row.facts.goOnWith !== undefined;
    if (row.state === 'queued' || row.state === 'paused' || resting) {
      this.#waiting.set(keyOf(row), row);
      if (row.stop !== undefined) await this.#endWaiting(row);
      return;
    }
    const record = row.runner === undefined ? undefined : await this.#files.record(row.runner);
    if (record !== undefined) {
      await this.#adopt(row, record);
      return;
    }
    // Its runner may just be coming up; nobody else waits for that.
    this.#starting.set(keyOf(row), row);
    this.#do(() => this.#settle(row));
  }

  async #settle(row: MissionRow): Promise<void> {
    const key = keyOf(row);
    try {
      const record = row.runner === undefined ? undefined : await this.#settledRecord(row.runner);
      if (this.#stopped) return;
      const now = (await this.#options.missions.get(row.id, row.run)) ?? row;
      if (record !== undefined) {
        await this.#adopt(now, record);
        return;
      }
      // Nothing of it ever ran; whoever reads its directory now finds nothing.
      if (row.runner !== undefined) await this.#files.remove(row.runner);
      this.#waiting.set(key, await this.#rows.requeue(now));
      if (now.stop !== undefined) await this.#endWaiting(now);
    } finally {
      this.#starting.delete(key);
      this.#kick();
    }
  }

  /** The record of a runner that may just be coming up. */
  async #settledRecord(runner: string): Promise<RunnerRecord | undefined> {
    const { clock } = this.#options;
    const until = clock.monotonic() + RECORD_SETTLES_MS;
    for (;;) {
      const record = await this.#files.record(runner);
      if (record !== undefined || clock.monotonic() > until || !(await this.#files.hasSpec(runner))) return record;
      await pause(clock, LOOK_MS);
    }
  }

  async #adopt(row: MissionRow, record: RunnerRecord): Promise<void> {
    const agent = await this.#options.agents.find(record.agent);
    if (agent === undefined) {
      await killAgent(record, this.#options.processes);
      const reason = `The agent ${record.agent} is not configured on this machine any more, so that nobody can read what it did; it was ended.`;
      await this.#endRow(row, { state: 'failed', reason });
      return;
    }
    this.#begin(row, record, agent);
    if (row.stop !== undefined && row.facts.ending === undefined) await this.#runs.get(keyOf(row))?.stop(row.stop);
    this.#options.log.info({ mission: row.id, runner: record.id }, 'a running mission was found again');
  }

  /** A terminal that was kept open after its mission. */
  async #reopen(row: MissionRow): Promise<void> {
    const record = row.runner === undefined ? undefined : await this.#files.record(row.runner);
    if (record === undefined || record.exit !== undefined || !(await lives(record.runner, this.#options.processes)))
      return;
    const agent = await this.#options.agents.find(record.agent);
    if (agent !== undefined) this.#begin(row, record, agent);
  }

  #begin(row: MissionRow, record: RunnerRecord, { program, version }: LaunchableAgent): void {
    const { config, missions, managed, processes, clock, log } = this.#options;
    const parts = {
      config,
      missions,
      processes,
      link: { files: this.#files, managed },
      clock,
      log,
      interrupt: (session: string) => this.#options.servers?.interrupt(session) ?? Promise.resolve(false),
      onFree: (run: MissionRun) => this.#freed(run),
      onGone: (run: MissionRun) => this.#gone(run),
    };
    const run = new MissionRun(parts, row, { record, program, agentVersion: version });
    this.#runs.set(keyOf(row), run);
    run.begin();
  }

  // ── the queue ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #kick(): void {
    if (this.#pumping) {
      this.#again = true;
      return;
    }
    this.#pumping = true;
    this.#do(async () => {
      try {
        do {
          this.#again = false;
          await this.#turn();
        } while (this.#isAgain());
      } finally {
        this.#pumping = false;
      }
    });
  }

  #isAgain(): boolean {
    return this.#again;
  }

  async #turn(): Promise<void> {
    if (this.#stopped) return;
    const { config } = this.#options;
    const queued = [...this.#waiting].filter(([key, row]) => row.state === 'queued' && !this.#blocked(key, row));
    const active = [
      ...[...this.#runs.values()].filter((run) => run.holdsPlace).map((run) => run.row.item.spec.project),
      ...[...this.#starting.values()].map((row) => row.item.spec.project),
    ];
    // A machine that starts nothing says so at once, and not by letting it wait.
    const caps = { ...config, maxConcurrent: config.maxConcurrent === 0 ? Infinity : config.maxConcurrent };
    const inOrder = queued.sort(([, a], [, b]) => a.seq - b.seq);
    const turn = nextTurn(
      inOrder.map(([key, row]) => ({ key, project: row.item.spec.project })),
      active,
      caps,
    );
    for (const [key, position] of turn.positions) await this.#tellPosition(key, position);
    for (const key of turn.start) {
      const row = this.#waiting.get(key);
      if (row === undefined) continue;
      this.#waiting.delete(key);
      this.#starting.set(key, row);
      this.#do(() => this.#startRun(key, row));
    }
  }

  /** An older run of the same mission still lives. */
  #blocked(key: Key, row: MissionRow): boolean {
    return [...this.#runs].some(([other, run]) => other !== key && run.row.id === row.id);
  }

  async #tellPosition(key: Key, position: number): Promise<void> {
    const row = this.#waiting.get(key);
    if (row === undefined) return;
    const changed = await this.#rows.tellPosition(row, position, this.#options.machineId);
    if (changed !== undefined && this.#waiting.has(key)) this.#waiting.set(key, changed);
  }

  // ── starting ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #startRun(key: Key, row: MissionRow): Promise<void> {
    try {
      const begun = await this.#starter.start(row, (placed) => void this.#starting.set(key, placed));
      if (this.#stopped || begun === undefined) return;
      if (begun.record === undefined) {
        await this.#endWaiting(begun.row);
        return;
      }
      this.#begin(begun.row, begun.record, begun.agent);
      if (begun.row.stop !== undefined) await this.#runs.get(key)?.stop(begun.row.stop);
    } catch (thrown) {
      if (this.#stopped) return;
      const error = toIntercomError(thrown);
      if (error.code === 'internal')
        this.#options.log.error({ err: thrown, mission: row.id }, 'a mission could not be started');
      await this.#endRow(row, { state: 'failed', reason: reasonOf(error, thrown) });
    } finally {
      this.#starting.delete(key);
      this.#kick();
    }
  }

  // ── endings ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A run without a process is cancelled or paused at once. */
  async #endWaiting(row: MissionRow): Promise<void> {
    const { stop } = row;
    if (stop === undefined) return;
    const ending = endingOf(stop);
    if (ending.state === 'paused') {
      this.#waiting.set(keyOf(row), await this.#rows.pause(row, ending.reason));
    } else {
      await this.#endRow(row, ending);
    }
    this.#kick();
  }

  async #endRow(row: MissionRow, ending: Ending): Promise<void> {
    this.#waiting.delete(keyOf(row));
    await this.#rows.end(row, ending);
  }

  #freed(run: MissionRun): void {
    const { row } = run;
    if (!row.over && (row.state === 'paused' || row.state === 'rate_limited')) this.#waiting.set(keyOf(row), row);
    this.#limitKept();
    this.#kick();
  }

  #gone(run: MissionRun): void {
    // The same run may go on in another process already.
    const key = keyOf(run.row);
    if (this.#runs.get(key) === run) this.#runs.delete(key);
    run.close();
    this.#kick();
  }

  /** Many finished terminals must not fill the machine: the oldest end first. */
  #limitKept(): void {
    const kept = [...this.#runs.values()]
      .filter((run) => run.row.over)
      .sort((a, b) => a.row.stateSince - b.row.stateSince);
    for (const run of kept.slice(0, Math.max(0, kept.length - KEPT_OPEN_MAX))) {
      this.#do(() => run.stop({ how: 'cancel', by: '', reason: 'too many finished terminals are open' }));
    }
  }

  // ── time ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tick(): void {
    const now = this.#options.clock.now();
    for (const run of this.#runs.values()) run.check();
    for (const [key, row] of this.#waiting) {
      if (row.state !== 'rate_limited' || (row.facts.resumeAt ?? 0) > now || this.#runs.has(key)) continue;
      this.#waiting.delete(key);
      this.#do(async () => {
        const reason = 'The limit of the model provider is over; it goes on as soon as there is a place';
        const changed = await this.#rows.change(row, { from: ['rate_limited'], to: 'queued', reason });
        this.#waiting.set(key, changed ?? row);
        this.#kick();
      });
    }
  }

  // ── within ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #runOf(session: string): MissionRun | undefined {
    return [...this.#runs.values()].find((run) => run.link.session === session);
  }

  #runnerIds(): ReadonlySet<string> {
    const rows = [...this.#waiting.values(), ...this.#starting.values()];
    const ids = [...this.#runs.values()].map((run) => run.link.record.id);
    return new Set([...ids, ...rows.flatMap(({ runner }) => runner ?? [])]);
  }

  #do(work: () => Promise<void>): void {
    void work().catch((error: unknown) => {
      if (!this.#stopped) this.#options.log.error({ err: error }, 'the launcher failed at something');
    });
  }
}

function keyOf({ id, run }: { readonly id: string; readonly run: number }): Key {
  return `${id}/${run}`;
}

function reasonOf(error: IntercomError, thrown: unknown): string {
  if (error.code === 'internal')
    return `It could not be started: ${thrown instanceof Error ? thrown.message : 'unknown reason'}`;
  return error.next === undefined ? error.message : `${error.message} ${error.next}`;
}
