/**
 * From a message that was accepted to the model's request of an idle, real Claude Code session on another machine: by its inbox socket, and by
 * the doorbell. Everything is as installed: hub, two daemons, hooks; the model is scripted and answers at once.
 */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalClient } from '../src/platform/local-client.ts';
import { Trace, type TraceStep } from '../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram, ClaudeSession } from '../test/agents/claude-session.ts';
import type { ClaudeVersion } from '../test/agents/claude-session.ts';
import { ScriptedModel } from '../test/agents/scripted-model.ts';
import { Mesh } from '../test/support/mesh.ts';
import { samples, type Figure } from './figures.ts';
import { AgentFloor } from './wake-floor.ts';

const WARM_UP = 2;
/** After a turn its hooks come to an end, and the next waiter of the doorbell takes its place. */
const SETTLE_MS = 700;
const WAYS: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'inbox socket', '2.1.197': 'doorbell' };

/** One wake, in milliseconds after the message was accepted. */
interface Wake {
  /** Handed to the session: written to its socket, or taken by its hook. */
  readonly handed: number;
  /** The model was asked. */
  readonly asked: number;
  /** The same program without us, in the same moments. */
  readonly alone: number;
}

export async function wakeFigures(quick: boolean): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const version of CLAUDE_VERSIONS) {
    const missing = whatIsMissing(version);
    if (missing === undefined) figures.push(...(await wakesOf(version, quick ? 3 : 20)));
    else console.error(`wake: Claude Code ${version} was not measured: ${missing}`);
  }
  return figures;
}

export function whatIsMissing(version: ClaudeVersion): string | undefined {
  if (claudeProgram(version) === undefined) return 'it is not installed (npm ci --prefix test/agents)';
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'it needs a terminal, and there is no tmux';
  }
}

async function wakesOf(version: ClaudeVersion, rounds: number): Promise<Figure[]> {
  const home = new ClaudeHome('bench');
  const model = await ScriptedModel.start();
  const mesh = await Mesh.start({
    machines: ['alpha', 'beta'],
    policy: 'defaults: { require_approval: never }\n',
    hubConfig: 'limits:\n  messages_per_pair_per_minute: 10000\n',
    daemonEnv: (machine) => (machine === 'beta' ? { HOME: home.path } : {}),
  });
  let session: ClaudeSession | undefined;
  let floor: AgentFloor | undefined;
  try {
    const [desk, work] = [join(mesh.root, 'desk'), join(home.path, 'work')];
    await mkdir(desk);
    home.trust(work);
    const installed = await mesh.daemon('beta').cli(['hooks', 'install']);
    if (installed.exitCode !== 0) throw new Error(installed.stderr);
    model.on({ when: /./, reply: { say: 'READ' } });
    session = await ClaudeSession.start({ home, version, cwd: work, modelUrl: model.url });
    floor = await AgentFloor.start(version, model);
    const beta = mesh.daemon('beta').local({ cwd: work });
    const alpha = mesh.daemon('alpha').local({ cwd: desk });
    const wakes: Wake[] = [];
    for (let round = 0; round < WARM_UP + rounds; round += 1) {
      await idle(beta, session.pid);
      wakes.push({ alone: await floor.wake(), ...(await wake(mesh, alpha, model, round)) });
    }
    return figuresOf(version, wakes.slice(WARM_UP));
  } finally {
    await session?.end();
    await floor?.stop();
    await mesh.stop();
    await model.stop();
    home.remove();
  }
}

async function wake(mesh: Mesh, alpha: LocalClient, model: ScriptedModel, round: number): Promise<Omit<Wake, 'alone'>> {
  const { id } = await alpha.submit({ kind: 'send', to: 'beta/work', body: `message ${round}` });
  const accepted = Date.now();
  const { at } = await model.request(`<intercom-message id="${id}"`);
  const steps = await seen(mesh, id);
  const written = steps.find((step) => step.state === 'written');
  return { handed: Date.parse(written?.at ?? '') - accepted, asked: at - accepted };
}

function figuresOf(version: ClaudeVersion, wakes: readonly Wake[]): Figure[] {
  const asked = samples(wakes.map((one) => one.asked));
  const handed = samples(wakes.map((one) => one.handed));
  const what = `message accepted → model request, idle Claude Code ${version}, ${WAYS[version]}`;
  return [
    { what: `${what}, p50`, budget: 130, value: asked.p50, unit: 'ms' },
    { what: 'the same, slowest', value: asked.p99, unit: 'ms' },
    { what: 'of that, until it was handed to the session, p50', value: handed.p50, unit: 'ms' },
    {
      what: 'for comparison: the same program woken directly, without us, p50',
      value: samples(wakes.map((one) => one.alone)).p50,
      unit: 'ms',
    },
  ];
}

/** The steps of a message once its turn is over. */
async function seen(mesh: Mesh, id: string): Promise<readonly TraceStep[]> {
  for (;;) {
    const { message, steps } = await mesh.operator.call('GET', `/messages/${id}/trace`, Trace);
    if (message.state === 'seen') return steps;
    await pause(50);
  }
}

async function idle(beta: LocalClient, pid: number): Promise<void> {
  while (!(await beta.status()).sessions.some((one) => one.pid === pid && one.state === 'idle')) await pause(50);
  await pause(SETTLE_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
