/**
 * Runners without a mission of ours: `intercom run` in a person's terminal, which are joined as managed sessions; and what a lost store left
 * behind, which is ended. Also clears away the directories of runners that are long gone.
 *
 * Invariants: a runner at whose terminal a person sits is never ended from here; a directory is removed only when its runner is gone.
 */
import { watch, type FSWatcher } from 'node:fs';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Inspection } from '../../protocol/mission.ts';
import type { RunnerRecord } from '../../protocol/runner-api.ts';
import { isoTime } from '../../platform/clock.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import type { ManagedSessions } from '../sessions/managed.ts';
import type { AgentSource } from './agents.ts';
import { killAgent, lives } from './reap.ts';
import type { RunnerFiles } from './runner-files.ts';
import { RunnerLink } from './runner-link.ts';

const LOOK_EVERY_MS = 2_000;
const SETTLE_MS = 100;
/** Directories of ended runners: how many are kept, and how long. Their raw logs help to see what went wrong. */
const KEPT_MAX = 100;
const KEPT_MS = 7 * 24 * 3_600_000;
const CLEAN_EVERY_MS = 10 * 60_000;
/** One without a record may be about to get it. */
const YOUNG_MS = 60_000;

export interface StrayOptions {
  readonly files: RunnerFiles;
  readonly agents: AgentSource;
  readonly managed: ManagedSessions;
  readonly processes: ProcessTable;
  /** A mission of ours has this runner. */
  readonly isOurs: (id: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export class StrayRunners {
  readonly #options: StrayOptions;
  readonly #links = new Map<string, RunnerLink>();
  /** Runners that have been looked at and need nothing more. */
  readonly #done = new Set<string>();
  #watcher: FSWatcher | undefined;
  #looking = false;
  #stopped = false;
  #cleanedAt = 0;
  #cancel: CancelTimer = () => undefined;
  #cancelSoon: CancelTimer = () => undefined;

  constructor(options: StrayOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { clock, files } = this.#options;
    await this.#look();
    this.#cancel = clock.every(LOOK_EVERY_MS, () => void this.#look());
    try {
      this.#watcher = watch(files.root, () => this.#soon());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // Looking now and then is enough where nothing can be watched.
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#cancelSoon();
    this.#watcher?.close();
    for (const link of this.#links.values()) link.close();
  }

  recordOf(session: string): RunnerRecord | undefined {
    return this.#of(session)?.record;
  }

  async inspect(session: string, lines: number): Promise<Inspection> {
    const link = this.#of(session);
    if (link === undefined) {
      throw new IntercomError('unknown_session', `No runner of this machine has the session ${session}.`, {
        next: 'It has ended, or its person started it without `intercom run`.',
      });
    }
    const seen = await link.ask({ frame: 'look', lines });
    return {
      session,
      state: seen.state?.state ?? link.screen?.state ?? 'unknown',
      at: isoTime(this.#options.clock.now()),
      lines: (seen.lines ?? []).slice(-lines).map((line) => line.slice(0, 2000)),
    };
  }

  #of(session: string): RunnerLink | undefined {
    return [...this.#links.values()].find((link) => link.session === session);
  }

  #soon(): void {
    this.#cancelSoon();
    this.#cancelSoon = this.#options.clock.after(SETTLE_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    try {
      const ids = await this.#options.files.ids();
      for (const id of ids) if (!this.#done.has(id) && !this.#links.has(id)) await this.#meet(id);
      for (const id of this.#done) if (!ids.includes(id)) this.#done.delete(id);
      await this.#clean(ids);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the runners of this machine could not be looked at');
    } finally {
      this.#looking = false;
    }
  }

  async #meet(id: string): Promise<void> {
    const { files, processes, agents, isOurs, log } = this.#options;
    if (isOurs(id)) return;
    const record = await files.record(id);
    // Asked again after the wait: a mission may have taken it meanwhile.
    if (record === undefined || isOurs(id)) return;
    if (record.exit !== undefined || !(await lives(record.runner, processes))) {
      this.#done.add(id);
      if (record.exit === undefined && !record.attended) await killAgent(record, processes);
      return;
    }
    const agent = await agents.find(record.agent);
    if (agent === undefined || this.#stopped || isOurs(id)) return;
    const link: RunnerLink = new RunnerLink({
      ...this.#options,
      record,
      program: agent.program,
      agentVersion: agent.version,
      listener: {
        entry: (entry) => {
          if (entry.kind === 'exit') link.done();
        },
        alive: () => undefined,
        gone: (last) => void this.#gone(id, last),
      },
    });
    this.#links.set(id, link);
    link.connect();
    if (record.attended) return;
    log.warn(
      { runner: id, mission: record.mission?.id },
      'an agent runs for a mission that is not known here; it is ended',
    );
    link.stop(5_000);
  }

  async #gone(id: string, record: RunnerRecord): Promise<void> {
    if (record.exit === undefined) await killAgent(record, this.#options.processes);
    this.#links.get(id)?.close();
    this.#links.delete(id);
    this.#done.add(id);
  }

  /** The oldest directories of runners that are gone. */
  async #clean(ids: readonly string[]): Promise<void> {
    const { files, clock, isOurs, processes } = this.#options;
    const now = clock.now();
    if (now - this.#cleanedAt < CLEAN_EVERY_MS) return;
    this.#cleanedAt = now;
    const newestFirst = [...ids].reverse();
    for (const [index, id] of newestFirst.entries()) {
      const age = now - (await files.changedAt(id));
      if ((index < KEPT_MAX && age < KEPT_MS) || age < YOUNG_MS || isOurs(id) || this.#links.has(id)) continue;
      const record = await files.record(id);
      if (record !== undefined && record.exit === undefined && (await lives(record.runner, processes))) continue;
      await files.remove(id);
      this.#done.delete(id);
    }
  }
}
