/**
 * Checks of the agents of this machine: installed, which version, whether that one was verified, and which ways into their live sessions there are. `--live` starts a throwaway
 * run of each, sends a nonce in and waits for it to come back: the one check that shows an updated agent as it is.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { AgentCatalogue } from '../../daemon/agents/catalogue.ts';
import type { CatalogueAgent } from '../../daemon/agents/catalogue.ts';
import type { AgentProgram, JournalFold } from '../../daemon/agents/program.ts';
import { agentEnvironment, passableEnvironment } from '../../daemon/launcher/environment.ts';
import { RunnerFiles } from '../../daemon/launcher/runner-files.ts';
import { Runner } from '../../daemon/runner/runner.ts';
import { systemClock } from '../../platform/clock.ts';
import { silentLog } from '../../platform/log.ts';
import { packageRoot } from '../../platform/package.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import type { Session } from '../../protocol/model.ts';
import { RunnerSpec } from '../../protocol/runner-api.ts';
import { localDaemon } from '../clients/connect.ts';
import type { Context } from '../io.ts';
import { plural } from '../print/words.ts';
import { fail, ok, skipped, warn } from './check.ts';
import type { Finding } from './check.ts';

/** A model that thinks for longer than this about one word is away. */
const LIVE_MS = 120_000;
const LOOK_MS = 100;
const STOP_MS = 3_000;

const WAYS: Readonly<Record<string, string>> = {
  inbox_socket: 'inbox socket',
  app_server: 'app-server',
  stream: 'stream',
  hooks: 'hooks',
  typed: 'typing',
  pull: 'only when it asks',
  none: 'none',
};

export function catalogueOf({ io }: Context, config: Config | undefined): AgentCatalogue {
  return new AgentCatalogue({
    configured: config?.agentLauncher.agents ?? {},
    env: passableEnvironment(io.env),
    clock: systemClock,
  });
}

export async function checkAgents(context: Context, config: Config | undefined): Promise<Finding[]> {
  const catalogue = catalogueOf(context, config);
  const [agents, sessions] = await Promise.all([installed(catalogue), liveSessions(context)]);
  if (agents.length === 0) {
    return [
      warn(
        'agents',
        `none of ${catalogue.names().join(', ')} is on the PATH`,
        'Install one; `intercom demo` shows everything without.',
      ),
    ];
  }
  return agents.map((agent) => findingOf(agent, sessions));
}

async function installed(catalogue: AgentCatalogue): Promise<CatalogueAgent[]> {
  const found = await Promise.all(catalogue.names().map((name) => catalogue.find(name)));
  return found.flatMap((agent) =>
    agent === undefined || (agent.executable === undefined && agent.config === undefined) ? [] : [agent],
  );
}

async function liveSessions(context: Context): Promise<readonly Session[]> {
  try {
    return (await localDaemon(context).status()).sessions.filter(({ state }) => state !== 'ended');
  } catch {
    // Another check says so.
    return [];
  }
}

function findingOf({ program, version, problem }: CatalogueAgent, sessions: readonly Session[]): Finding {
  const name = program.displayName;
  if (problem !== undefined) return warn(name, problem, 'Until then its missions are refused on this machine.');
  const own = sessions.filter(({ agent }) => agent === program.name);
  const ways = [...new Set(own.map(({ rung }) => WAYS[rung] ?? rung))];
  const live =
    own.length === 0 ? 'no session runs now' : `${plural(own.length, 'session')}, reached by ${ways.join(', ')}`;
  return ok(name, `${version ?? 'unknown version'}, ${verifiedWords(program, version)}; ${live}`);
}

/** What the contract tests say about this version. */
export function verifiedWords(program: AgentProgram, version: string | undefined): string {
  const versions = [...new Set(program.verified.flatMap((row) => row.versions))];
  if (versions.length === 0) return 'nothing of it was verified';
  const missing = program.verified.filter((row) => version === undefined || !row.versions.includes(version));
  if (missing.length === 0) return 'verified';
  if (missing.length < program.verified.length) {
    return `verified but for ${missing.map(({ property }) => property.replaceAll('_', ' ')).join(', ')}`;
  }
  return `not verified (${versions.join(' and ')} ${versions.length === 1 ? 'was' : 'were'}); \`intercom doctor --live\` tries it`;
}

// ── live ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One finding per installed agent. Each costs its account one short answer. */
export async function checkAgentsLive(context: Context, config: Config | undefined): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const agent of await installed(catalogueOf(context, config))) findings.push(await tryLive(context, agent));
  return findings;
}

async function tryLive({ io }: Context, agent: CatalogueAgent): Promise<Finding> {
  const { program, executable, problem } = agent;
  const name = `${program.displayName}, live`;
  if (executable === undefined || problem !== undefined) return skipped(name, problem ?? 'it is not installed');
  const runtime = program.runtimes.includes('headless') ? 'headless' : 'terminal';
  const nonce = `plum-${randomBytes(4).toString('hex')}`;
  const state = await mkdtemp(join(tmpdir(), 'intercom-live-'));
  const files = new RunnerFiles(state);
  const id = newId('runner');
  const cwd = await mkdtemp(join(tmpdir(), 'intercom-live-project-'));
  try {
    await files.prepare();
    const plan = program.plan({
      runtime,
      prompt: `Answer with this word and nothing else, without using any tool: ${nonce}`,
      flags: [],
      cwd,
      limits: {},
      uuid: randomUUID(),
      resume: undefined,
      directory: files.directory(id),
      intercom: [process.execPath, join(packageRoot(), 'bin', 'intercom.js')],
      env: passableEnvironment(io.env),
      mission: undefined,
    });
    const environment = agentEnvironment({
      env: io.env,
      names: [...program.environment, ...(agent.config?.passEnv ?? [])],
      planned: plan.environment,
      configured: agent.config?.env ?? {},
    });
    const base = { protocol: 1, id, agent: program.name, runtime, executable, cwd };
    const spec = RunnerSpec.parse({ ...base, ...plan, environment });
    const directory = await files.writeSpec(spec);
    const runner = await Runner.prepare({ spec, directory, clock: systemClock, log: silentLog() });
    await runner.start();
    try {
      return await outcome(name, nonce, files, id, program.fold(runtime));
    } finally {
      await runner.stop(STOP_MS);
      await runner.close();
    }
  } catch (thrown) {
    const error = toIntercomError(thrown);
    return fail(name, error.message, error.next ?? 'Start it by hand and look.');
  } finally {
    await rm(state, { recursive: true, force: true });
    await rm(cwd, { recursive: true, force: true });
  }
}

async function outcome(
  name: string,
  nonce: string,
  files: RunnerFiles,
  id: string,
  fold: JournalFold,
): Promise<Finding> {
  const began = systemClock.monotonic();
  let seq = 0;
  for (;;) {
    for await (const entry of files.journal(id, seq)) {
      seq = entry.seq;
      for (const event of fold.feed(entry)) {
        if (event.kind === 'turn_ended') {
          const seconds = ((systemClock.monotonic() - began) / 1000).toFixed(1);
          if (event.text.includes(nonce)) return ok(name, `a nonce went in and came back in ${seconds} s`);
          return fail(name, `it answered something else: ${event.text.slice(0, 200)}`, 'Start it by hand and look.');
        }
        if (event.kind === 'rate_limited') return warn(name, `its provider refuses now: ${event.text}`, 'Try later.');
        if (event.kind === 'waiting')
          return warn(name, `it asks for ${event.for}`, 'Start it by hand once and answer.');
        if (event.kind === 'ended') {
          const stderr = (await files.record(id))?.exit?.stderr.trim().slice(-300) ?? '';
          return fail(
            name,
            `it ended without an answer${stderr === '' ? '' : `: ${stderr}`}`,
            'Start it by hand and look.',
          );
        }
      }
    }
    if (systemClock.monotonic() - began > LIVE_MS) {
      return fail(
        name,
        `no answer in ${LIVE_MS / 1000} s`,
        'Start it by hand: is it logged in, does it ask something?',
      );
    }
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
