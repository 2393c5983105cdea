/**
 * Takes one run from the queue to a runner that has a record: checks, state, place, spec, spawn.
 *
 * Invariants: nothing exists on disk before all checks passed; the runner's id is in the store before anything of it exists; a stop that came meanwhile
 * is seen at the last moment at which nothing needs to be ended.
 */
import { newId } from '../../protocol/ids.ts';
import type { RunnerRecord } from '../../protocol/runner-api.ts';
import type { MissionChange, MissionRow } from '../store/mission-rows.ts';
import type { Missions } from '../store/missions.ts';
import type { LaunchableAgent } from './agents.ts';
import { prepare, type Before, type CheckParts } from './checks.ts';
import { placeOf, spawnAndWait, writeSpec, type StartParts } from './start-run.ts';

export interface RunStarterOptions extends CheckParts, StartParts {
  readonly missions: Missions;
  /** Changes the row, again and again while the store cannot be written. */
  readonly change: (row: MissionRow, change: MissionChange) => Promise<MissionRow | undefined>;
}

export interface BegunRun {
  readonly row: MissionRow;
  readonly agent: LaunchableAgent;
  /** Undefined: it was stopped before anything was started. */
  readonly record: RunnerRecord | undefined;
}

export class RunStarter {
  readonly #options: RunStarterOptions;

  constructor(options: RunStarterOptions) {
    this.#options = options;
  }

  /**
   * Throws why it can never run here, or why its runner did not come up. Undefined: the row is not one to start any more. `onRunner` is told the row with its
   * runner's id before anything of that runner exists: whoever finds the runner meanwhile must know whose it is.
   */
  async start(queued: MissionRow, onRunner: (row: MissionRow) => void): Promise<BegunRun | undefined> {
    const { change, clock } = this.#options;
    const before = await this.#before(queued);
    const prepared = await prepare(this.#options, queued.item, before);
    const { agent, runtime } = prepared;
    const { name } = agent.program;
    const startedAt = queued.facts.startedAt ?? clock.now();
    const starting = await change(queued, {
      from: ['queued', 'starting'],
      to: 'starting',
      facts: { agent: name, runtime, startedAt, position: undefined, attempts: queued.facts.attempts + 1 },
      report: { agent: name, runtime },
    });
    if (starting === undefined) return undefined;
    const { cwd, worktree } = await placeOf(this.#options, starting, prepared, before);
    const runner = newId('runner');
    const placed = await change(starting, { runner, facts: { path: cwd, worktree }, report: { path: cwd } });
    const row = placed ?? starting;
    onRunner({ ...row, runner });
    const now = await this.#options.missions.get(row.id, row.run);
    if (now?.stop !== undefined) return { row: now, agent, record: undefined };
    await writeSpec(this.#options, row, prepared, runner, cwd);
    const record = await spawnAndWait(this.#options, runner);
    const begun = await change(row, { facts: { goOnWith: undefined, resumeAt: undefined } });
    return { row: begun ?? row, agent, record };
  }

  /** The run whose conversation this one goes on with: its agent, its directory. */
  async #before(row: MissionRow): Promise<Before | undefined> {
    const session = row.facts.goOnWith ?? row.item.resume?.session;
    if (session === undefined) return undefined;
    const earlier = row.facts.goOnWith === undefined ? await this.#options.missions.bySession(session) : row;
    if (earlier?.item.spec.project !== row.item.spec.project) return undefined;
    const { agent, path, worktree } = earlier.facts;
    return { agent, path, worktree };
  }
}
