/**
 * Starts one run: its directory, its worktree, its environment, its runner; resolves with the runner's record once that stands.
 *
 * Invariants: the runner's id is in the store before anything of it exists, so that a daemon that is killed here finds it again; whoever starts it
 * hands in how, and learns of a runner that ended before it had a record; no secret of the daemon is in what the agent gets.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Clock } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { RUNNER_PROTOCOL, type RunnerRecord, type RunnerSpec } from '../../protocol/runner-api.ts';
import type { Prepared } from './checks.ts';
import { agentEnvironment, passableEnvironment } from './environment.ts';
import { pause } from './journal-queue.ts';
import { limitsOf } from './limits.ts';
import { GO_ON, missionPrompt } from './prompt.ts';
import { started } from '../agents/program.ts';
import type { RunnerFiles } from './runner-files.ts';
import type { LauncherConfig } from '../../config/launcher.ts';
import type { MissionRow, WorktreeFacts } from '../store/mission-rows.ts';
import { makeWorktree } from './worktree.ts';

/** A runner that was started and has no record after this long never will. */
export const RECORD_WAIT_MS = 30_000;
const LOOK_MS = 25;

/** A runner process that was started. */
export interface SpawnedRunner {
  /** Resolves when it ends while this daemon lives, with the last of what it printed. */
  readonly ended: Promise<string>;
}
/** Starts the runner of a directory, detached. */
export type SpawnRunner = (directory: string) => SpawnedRunner;

export interface StartParts {
  readonly files: RunnerFiles;
  readonly config: LauncherConfig;
  /** Where worktrees are made. */
  readonly worktrees: string;
  /** How to start our own program. */
  readonly intercom: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly spawnRunner: SpawnRunner;
  readonly clock: Clock;
}

/** Where the run works: in its project, or in a worktree of its own. */
export async function placeOf(
  parts: StartParts,
  row: MissionRow,
  prepared: Prepared,
  before: { readonly path: string | undefined; readonly worktree: WorktreeFacts | undefined } | undefined,
): Promise<{ readonly cwd: string; readonly worktree: WorktreeFacts | undefined }> {
  const known = row.facts.worktree ?? before?.worktree;
  if (row.item.spec.isolation !== 'worktree' && known === undefined) {
    return { cwd: before?.path ?? prepared.directory, worktree: undefined };
  }
  // A fork works on its own: only the conversation is copied.
  const reused = row.item.resume?.fork === true ? row.facts.worktree : known;
  const { facts, cwd } = await makeWorktree(prepared.directory, row.id, parts.worktrees, reused);
  return { cwd, worktree: facts };
}

export async function writeSpec(
  parts: StartParts,
  row: MissionRow,
  prepared: Prepared,
  runner: string,
  cwd: string,
): Promise<string> {
  const { agent, runtime } = prepared;
  const goOn = row.facts.goOnWith;
  const { resume } = row.item;
  const plan = agent.program.plan({
    runtime,
    prompt: goOn === undefined ? missionPrompt(row.item) : GO_ON,
    flags: prepared.flags,
    cwd,
    limits: limitsOf(parts.config, row.item.spec.limits),
    uuid: randomUUID(),
    resume:
      goOn !== undefined
        ? { session: goOn, fork: false }
        : resume === undefined
          ? undefined
          : { session: resume.session, fork: resume.fork },
    directory: parts.files.directory(runner),
    intercom: parts.intercom,
    env: passableEnvironment(parts.env),
    mission: { id: row.id, run: row.run },
  });
  const spec: RunnerSpec = {
    protocol: RUNNER_PROTOCOL,
    id: runner,
    agent: agent.program.name,
    runtime,
    mission: { id: row.id, run: row.run },
    ...(plan.session === undefined ? {} : { session: plan.session }),
    ...started(prepared.executable, plan),
    cwd,
    environment: agentEnvironment({
      env: parts.env,
      names: [...agent.program.environment, ...(agent.config?.passEnv ?? [])],
      planned: plan.environment,
      configured: agent.config?.env ?? {},
    }),
    input: plan.input,
    closeInput: plan.closeInput,
    cols: 120,
    rows: 40,
    ...(plan.screen === undefined ? {} : { screen: plan.screen }),
    hooks: plan.hooks,
    files: plan.files,
    rawLogMax: 16 * 1024 * 1024,
  };
  return parts.files.writeSpec(spec);
}

/** Starts the runner and waits for its record. Throws `failed` with the last of its output where it ended before. */
export async function spawnAndWait(parts: StartParts, runner: string): Promise<RunnerRecord> {
  const spawned = parts.spawnRunner(parts.files.directory(runner));
  const state: { output: string | undefined } = { output: undefined };
  void spawned.ended.then((output) => (state.output = output));
  const until = parts.clock.monotonic() + RECORD_WAIT_MS;
  for (;;) {
    const ended = state.output;
    const record = await parts.files.record(runner);
    if (record !== undefined) return record;
    if (ended !== undefined || parts.clock.monotonic() > until) {
      const words = ended === undefined ? 'it did not come up in time' : ended.trim() || 'it said nothing';
      throw new IntercomError('failed', `The runner could not be started: ${words.slice(-600)}`, {
        next: 'See the log of the daemon, and `intercom doctor` on that machine.',
      });
    }
    await pause(parts.clock, LOOK_MS);
  }
}

export function worktreesIn(state: string): string {
  return join(state, 'worktrees');
}
