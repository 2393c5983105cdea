/**
 * intercom run <agent> [arguments …]: the agent in this terminal, as if it had been started by itself, and a managed session at the same time: messages reach
 * it, and others may watch it (`intercom attach`). Works without a daemon; one that comes later finds it.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { AgentCatalogue } from '../../daemon/agents/catalogue.ts';
import type { CatalogueAgent } from '../../daemon/agents/catalogue.ts';
import { started } from '../../daemon/agents/program.ts';
import { attendedPlan, isPlainCall } from '../../daemon/runner/attended.ts';
import { Person } from '../../daemon/runner/person.ts';
import { Runner } from '../../daemon/runner/runner.ts';
import { writeSpec } from '../../daemon/runner/spec.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { packageRoot } from '../../platform/package.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import { RUNNER_ENVIRONMENT, RunnerSpec } from '../../protocol/runner-api.ts';
import { load } from '../clients/config.ts';
import type { Context } from '../io.ts';

const STOP_GRACE_MS = 5_000;
const HANGUP_GRACE_MS = 2_000;

export function define(program: Command, context: () => Context): void {
  program.enablePositionalOptions();
  program
    .command('run <agent> [arguments...]')
    .description(
      'Run an agent (claude, codex, gemini, opencode, or a configured one) in this terminal, with its own arguments. It feels as if started by itself; agents and operators can reach and watch it.',
    )
    .passThroughOptions()
    .allowUnknownOption()
    .action((agent: string, args: string[]) => runAgent(context(), agent, args));
}

async function runAgent(context: Context, name: string, args: readonly string[]): Promise<void> {
  const { io } = context;
  const { config } = await load(context);
  const catalogue = new AgentCatalogue({ configured: config.agentLauncher.agents, env: io.env, clock: systemClock });
  const agent = await catalogue.find(name);
  if (agent === undefined) {
    throw new IntercomError('unknown_agent', `No agent is called "${name.slice(0, 60)}" here.`, {
      next: `Choose one of ${catalogue.names().join(', ')}, or name it in agent_launcher.agents of the configuration.`,
    });
  }
  if (agent.executable === undefined) {
    throw new IntercomError('unknown_agent', agent.problem ?? `${name} is not installed here.`, {
      next: 'Install it, or name its program in agent_launcher.agents of the configuration.',
    });
  }
  const { stdin, stdout } = process;
  const nested = (io.env[RUNNER_ENVIRONMENT.runner] ?? '') !== '';
  const code =
    !stdin.isTTY || !stdout.isTTY || nested || isPlainCall(name, args)
      ? await asItIs(agent.executable, args, io.cwd)
      : await managed(context, agent, agent.executable, args);
  context.exit(code);
}

/** Without a terminal, or where no session begins: the program itself, untouched. */
function asItIs(executable: string, args: readonly string[], cwd: string): Promise<number> {
  const child = spawn(executable, [...args], { cwd, stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; it is the agent's to take.
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(exitCode(code ?? undefined, signal ?? undefined)));
  });
}

async function managed(
  { io, paths }: Context,
  agent: CatalogueAgent,
  executable: string,
  args: readonly string[],
): Promise<number> {
  const id = newId('runner');
  const directory = join(paths.state, 'runners', id);
  const intercom = [process.execPath, join(packageRoot(), 'bin', 'intercom.js')];
  const { program } = agent;
  const plan = attendedPlan({ program, args, cwd: io.cwd, directory, intercom, env: io.env });
  const person = new Person({ input: process.stdin, output: process.stdout, clock: systemClock });
  const parsed = RunnerSpec.parse({
    protocol: 1,
    id,
    agent: program.name,
    runtime: 'terminal',
    cwd: io.cwd,
    ...plan,
    ...started(executable, plan),
    environment: {},
    ...person.size,
  });
  // The person's own environment, whatever is in it; with its secrets it stays in this process.
  const spec = { ...parsed, environment: { ...definedOnly(io.env), ...plan.environment } };
  await writeSpec(directory, parsed);
  const runner = await Runner.prepare({
    spec,
    directory,
    person: (terminal) => person.join(terminal),
    clock: systemClock,
    log: silentLog(),
  });
  leaveNothing(runner, person);
  io.signal.addEventListener('abort', () => passOn(runner, io.signal.reason), { once: true });
  await runner.start();
  const exit = await runner.ended;
  person.restore();
  await runner.close();
  if (!runner.wasFound) await rm(directory, { recursive: true, force: true });
  if (exit.problem !== undefined)
    throw new IntercomError('failed', exit.problem, { next: 'Run the agent by itself to see what it says.' });
  return exitCode(exit.code, exit.signal);
}

/** Whatever ends this process ends the agent with it, and gives the terminal back. */
function leaveNothing(runner: Runner, person: Person): void {
  const fault = (error: unknown): void => {
    runner.killNow();
    person.restore();
    process.stderr.write(`error: intercom run failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  };
  process.on('uncaughtException', fault);
  process.on('unhandledRejection', fault);
  process.on('exit', () => {
    runner.killNow();
    person.restore();
  });
}

function passOn(runner: Runner, signal: unknown): void {
  if (signal === 'SIGINT') {
    runner.forward('SIGINT');
    return;
  }
  if (signal === 'SIGHUP') runner.forward('SIGHUP');
  void runner.stop(signal === 'SIGHUP' ? HANGUP_GRACE_MS : STOP_GRACE_MS);
}

function exitCode(code: number | undefined, signal: string | undefined): number {
  if (signal === undefined) return code ?? 1;
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1];
  return 128 + (number ?? 0);
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
