/**
 * Everything that can be wrong with a mission before anything runs, each said in words with what to do.
 *
 * Invariants: an unknown project is an error, never another directory; a path is judged after its links are resolved; only agents that this
 * machine's configuration knows are started, with flags of their lists only; a caller's limits never exceed the machine's.
 */
import { realpath, stat } from 'node:fs/promises';
import type { LauncherConfig } from '../../config/launcher.ts';
import type { DeliverMission } from '../../protocol/daemon-api.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { limitWords, unheldLimits } from '../../protocol/mission-limits.ts';
import type { MissionLimits, MissionRuntime } from '../../protocol/mission.ts';
import { cannotHold } from '../agents/limit-notes.ts';
import { isWithin } from '../discovery/git-root.ts';
import type { Projects } from '../ports.ts';
import type { WorktreeFacts } from '../store/mission-rows.ts';
import type { AgentSource, LaunchableAgent } from './agents.ts';
import { refusedFlag } from './flags.ts';
import { limitsOf } from './limits.ts';
import { repositoryOf } from './worktree.ts';

export interface CheckParts {
  readonly machineId: string;
  readonly config: LauncherConfig;
  readonly projects: Pick<Projects, 'list'>;
  readonly agents: AgentSource;
}

export interface Prepared {
  readonly agent: LaunchableAgent;
  readonly executable: string;
  readonly runtime: MissionRuntime;
  /** The project's directory, links resolved. */
  readonly directory: string;
  readonly flags: readonly string[];
  readonly limits: MissionLimits;
}

/** What the run goes on with: the conversation's agent and directory are the earlier run's. */
export interface Before {
  readonly agent: string | undefined;
  readonly path: string | undefined;
  readonly worktree: WorktreeFacts | undefined;
}

/** Throws the first reason why it can never run here. */
export async function prepare(parts: CheckParts, item: DeliverMission, before: Before | undefined): Promise<Prepared> {
  const { config } = parts;
  if (config.maxConcurrent === 0) {
    throw refusal(
      'limit_reached',
      `${parts.machineId} starts no agents.`,
      'Ask another machine, or set agent_launcher.max_concurrent there.',
    );
  }
  if (item.depth > config.maxDepth) {
    throw refusal(
      'limit_reached',
      `${item.depth} agents in a row would have started agents; ${parts.machineId} allows ${config.maxDepth}.`,
      'Do the work yourself, or raise agent_launcher.max_depth on that machine.',
    );
  }
  const project = parts.projects.list().find(({ id }) => id === item.spec.project);
  if (project === undefined) {
    throw refusal(
      'unknown_project',
      `There is no project "${item.spec.project}" on ${parts.machineId}.`,
      'intercom_list_agents (or `intercom agents`) lists what there is. Nothing was started.',
    );
  }
  const directory = await checkedPath(parts, project.path);
  const name = before?.agent ?? item.spec.agent ?? project.agent;
  const agent = await checkedAgent(parts, name);
  const { executable } = agent;
  if (executable === undefined)
    throw refusal('unknown_agent', `${name} is not installed on ${parts.machineId}.`, 'Install it there.');
  const limits = limitsOf(config, item.spec.limits);
  const runtime = checkedRuntime(agent, item.spec.runtime, limits);
  const allowed = agent.config?.flags ?? agent.program.allowedFlags;
  const own = [
    ...operatorsOwn(name === config.defaultCommand ? config.defaultArgs : []),
    ...(agent.config?.args ?? []),
  ];
  const refused = refusedFlag(item.spec.flags, allowed, own);
  if (refused !== undefined) {
    throw refusal(
      'forbidden',
      `The flag ${JSON.stringify(refused.slice(0, 100))} may not be given to ${name} on ${parts.machineId}.`,
      allowed.length === 0
        ? 'Ask without flags.'
        : `Allowed are, each once and none that is set there already: ${allowed.join(', ').slice(0, 400)}.`,
    );
  }
  checkResume(item, agent);
  if (item.spec.isolation === 'worktree' && before?.worktree === undefined) await repositoryOf(directory);
  return {
    agent,
    executable,
    runtime,
    directory,
    flags: [...own, ...item.spec.flags],
    limits,
  };
}

async function checkedPath({ config, machineId }: CheckParts, path: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  const found = real === undefined ? undefined : await stat(real).catch(() => undefined);
  if (real === undefined || found?.isDirectory() !== true) {
    throw refusal(
      'unknown_project',
      `The directory ${path} is not there (any more) on ${machineId}.`,
      'Choose another project.',
    );
  }
  if (config.allowedPaths.length === 0) return real;
  const allowed = await Promise.all(config.allowedPaths.map((one) => realpath(one).catch(() => undefined)));
  if (allowed.some((one) => one !== undefined && isWithin(real, one))) return real;
  throw refusal(
    'path_not_allowed',
    `${real} is outside agent_launcher.allowed_paths of ${machineId}. Nothing was started.`,
    'Add the directory there, or choose a project inside.',
  );
}

async function checkedAgent({ agents, machineId }: CheckParts, name: string): Promise<LaunchableAgent> {
  const agent = await agents.find(name);
  if (agent === undefined) {
    throw refusal(
      'unknown_agent',
      `${machineId} knows no agent called "${name}".`,
      `It knows ${agents.names().join(', ')}; others are described under agent_launcher.agents.`,
    );
  }
  if (agent.problem !== undefined) {
    throw refusal(
      'unknown_agent',
      `${name} cannot be started on ${machineId}: ${agent.problem}`,
      'See `intercom doctor` there.',
    );
  }
  return agent;
}

/** The one that was asked for, else the first in which all limits can be held. */
function checkedRuntime(
  { config, program }: LaunchableAgent,
  asked: MissionRuntime | undefined,
  limits: MissionLimits,
): MissionRuntime {
  const offered = config?.runtimes ?? program.runtimes;
  const missing = (runtime: MissionRuntime) => unheldLimits({ cannotHold: cannotHold(program) }, runtime, limits);
  const fit = offered.filter((runtime) => missing(runtime).length === 0);
  const runtime = asked ?? fit[0] ?? offered[0];
  if (runtime === undefined || !offered.includes(runtime)) {
    throw refusal(
      'invalid_request',
      `${program.name} does not run as ${asked ?? 'anything'} here.`,
      `Ask for ${offered.join(' or ')}.`,
    );
  }
  if (fit.includes(runtime)) return runtime;
  throw refusal(
    'invalid_request',
    `${program.displayName} cannot be held to ${limitWords(missing(runtime))} as ${runtime}. Nothing was started.`,
    fit[0] === undefined ? 'Choose another agent, or another limit.' : `Ask for the runtime ${fit[0]}.`,
  );
}

function checkResume(item: DeliverMission, { program }: LaunchableAgent): void {
  if (item.resume === undefined) return;
  if (item.resume.fork ? program.canFork : program.canResume) return;
  const what = item.resume.fork ? 'copy a conversation' : 'go on with a conversation';
  throw refusal('unavailable', `${program.displayName} cannot ${what}.`, 'Start the mission anew (rerun).');
}

/** What intercom itself decides by the runtime is left out of the operator's own arguments. */
function operatorsOwn(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--output-format' || arg === '--input-format') index += 1;
    else if (!/^(?:-p|--print|--verbose|--(?:output|input)-format=.*)$/.test(arg)) kept.push(arg);
  }
  return kept;
}

function refusal(code: IntercomError['code'], message: string, next: string): IntercomError {
  return new IntercomError(code, message, { next });
}
