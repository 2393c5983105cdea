/**
 * Missions with real processes and an agent that is nothing but a shell script: asked for over MCP, approved, done; and SIGKILL of hub, daemon and
 * agent while it works. Whatever dies, the mission ends truthfully and nothing is left running.
 */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { missionIsOver } from '../../src/protocol/mission-life.ts';
import { Mission } from '../../src/protocol/mission.ts';
import { AgentsResponse, MessageStatus } from '../../src/protocol/machine-api.ts';
import type { Approval } from '../../src/protocol/model.ts';
import { bundle } from '../support/bundle.ts';
import { startMcp, type McpHandle, type ToolOutcome } from '../support/mcp-process.ts';
import { Mesh } from '../support/mesh.ts';

/** Works until the file that its mission names is there; says its pid first. */
const WORKER = `#!/bin/sh
if [ "$1" = --version ]; then echo 1.0.0; exit 0; fi
for word in "$@"; do last=$word; done
file=$(printf '%s' "$last" | grep -o 'until:[^ ]*' | head -n 1 | cut -c7-)
echo "started $$"
echo $$ > "$file.pid"
while [ ! -e "$file" ]; do sleep 0.1; done
cat "$file"
`;

let mesh: Mesh;
let folder: string;
let mcp: McpHandle | undefined;

beforeAll(async () => {
  const policy = 'rules: [{ type: ask, approval: never }]\n';
  mesh = await Mesh.start({
    machines: ['alpha', 'beta'],
    policy,
    daemonConfig: `agent_launcher:\n  default_command: worker\n  keep_open: 0\n  agents:\n    worker: { command: ~/worker, version_args: [--version], prompt: argument, runtimes: [headless] }\n`,
  });
  folder = join(mesh.root, 'work');
  for (const path of [folder, join(folder, 'alpha'), join(folder, 'beta')]) await mkdir(path, { recursive: true });
  for (const name of ['alpha', 'beta']) {
    const node = mesh.daemon(name);
    const worker = join(node.home, 'user', 'worker');
    await writeFile(worker, WORKER);
    await chmod(worker, 0o755);
    const local = node.local({ cwd: join(folder, name) });
    const project = { id: 'app', path: join(folder, name), agent: 'worker' };
    await local.register({ action: 'add_project', project });
    // The agents that can be started are part of the hello.
    await node.stop();
    await node.start();
  }
  await eventually('both projects', async () => {
    const { agents } = await mesh.operator.call('GET', '/agents', AgentsResponse);
    return agents.filter((one) => one.project.id === 'app' && one.machineStatus === 'online').length === 2;
  });
  const script = await bundle('test/support/mcp-entry.ts', 'mcp-mission-faults');
  mcp = await startMcp(script, { INTERCOM_HOME: mesh.daemon('alpha').home }, 'test', join(folder, 'alpha'));
}, 120_000);
afterAll(async () => {
  await mcp?.close();
  await mesh.stop();
});

function tool(name: string, args: Record<string, unknown>): Promise<ToolOutcome> {
  if (mcp === undefined) throw new Error('no MCP server');
  return mcp.call(name, args);
}

async function eventually<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const found = await look().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} never came; hub:\n${mesh.hub.output}\nbeta:\n${mesh.daemon('beta').output}`);
}

const launchCard = (): Promise<Approval> =>
  eventually('the card', async () => (await mesh.operator.pending()).find((one) => one.kind === 'launch'));
const missionOf = (id: string): Promise<Mission> => mesh.operator.call('GET', `/missions/${id}`, Mission);
const until = (id: string, fits: (mission: Mission) => boolean): Promise<Mission> =>
  eventually(`mission ${id}`, async () => {
    const mission = await missionOf(id);
    return fits(mission) ? mission : undefined;
  });
const over = (id: string): Promise<Mission> => until(id, (one) => missionIsOver(one.state));

let files = 0;
function nextFile(): string {
  files += 1;
  return join(folder, `done-${files}`);
}

/** A mission that runs on beta, and the file that ends it. */
async function running(): Promise<{ id: string; file: string; pid: number }> {
  const file = nextFile();
  const text = `work until:${file}`;
  const begun = await mesh.operator.call('POST', '/missions', Mission, { machine: 'beta', project: 'app', text });
  await until(begun.id, (one) => one.state === 'running');
  const pid = await eventually('the pid', async () => {
    return Number((await readFile(`${file}.pid`, 'utf8')).trim()) || undefined;
  });
  return { id: begun.id, file, pid };
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('missions of a generic agent, with real processes', () => {
  it('over MCP: asked, approved, waited for, and the result is what the agent said', async () => {
    const file = nextFile();
    const begun = await tool('intercom_start_agent', {
      machine: 'beta',
      project: 'app',
      mission: `work until:${file}`,
    });
    expect(begun.data).toMatchObject({ state: 'awaiting_approval', agent: 'worker' });
    const id = z.string().parse(begun.data.mission_id);
    const card = await launchCard();
    expect(card.subject).toMatchObject({ agent: 'worker', path: join(folder, 'beta'), from: 'alpha/app' });
    await mesh.operator.decide(card, 'allow');
    const waiting = tool('intercom_wait', { mission_id: id, timeout: 60 });
    await until(id, (one) => one.state === 'running');
    await writeFile(file, 'Errors were found, all fixed.\n');
    const done = await waiting;
    expect(done.isError).toBe(false);
    expect(done.data).toMatchObject({ state: 'completed', result: { is_error: false } });
    expect(done.text).toContain('Errors were found, all fixed.');
    const log = (await tool('intercom_history', { mission_id: id })).text;
    expect(log).toContain('Approved by owner');
    expect(log).toContain('text: Errors were found, all fixed.');
  }, 90_000);

  it('intercom_ask to a project without a session: one card, and the result is the answer', async () => {
    const file = nextFile();
    await writeFile(file, '42 files\n');
    const asking = tool('intercom_ask', { to: 'beta/app', message: `how many? until:${file}`, timeout: 60 });
    const card = await launchCard();
    expect(card.subject).toMatchObject({ kind: 'launch', body: `how many? until:${file}` });
    await mesh.operator.decide(card, 'allow');
    const answered = await asking;
    expect(answered.data).toMatchObject({ state: 'answered' });
    expect(answered.text).toContain('42 files');
    const id = z.string().parse(answered.data.message_id);
    expect((await mesh.operator.call('GET', `/messages/${id}`, MessageStatus)).state).toBe('answered');
  }, 90_000);

  it('SIGKILL of the hub while a person thinks, and of the machine before it starts: nothing is forgotten, nothing runs twice', async () => {
    const file = nextFile();
    await writeFile(file, 'late but done\n');
    const args = { machine: 'beta', project: 'app', mission: `work until:${file}`, idempotency_key: 'thinks' };
    const id = z.string().parse((await tool('intercom_start_agent', args)).data.mission_id);
    await mesh.hub.kill();
    await mesh.hub.start();
    await eventually(
      'alpha back',
      async () => (await tool('intercom_status', { mission_id: id })).data.state === 'awaiting_approval',
    );
    expect((await tool('intercom_start_agent', args)).data.mission_id).toBe(id);
    await mesh.daemon('beta').kill();
    await mesh.operator.decide(await launchCard(), 'allow');
    expect(await missionOf(id)).toMatchObject({ state: 'queued', place: 'hub', run: 1 });
    await mesh.hub.kill();
    await mesh.hub.start();
    await mesh.daemon('beta').start();
    const done = await over(id);
    expect([done.state, done.result?.text.match(/started/g)?.length]).toEqual(['completed', 1]);
  }, 90_000);

  it('SIGKILL of the hub while it runs: the result arrives', async () => {
    const { id, file, pid } = await running();
    await mesh.hub.kill();
    await writeFile(file, 'done without you\n');
    await eventually('its end', async () => !isThere(pid));
    await mesh.hub.start();
    const done = await over(id);
    expect([done.state, done.result?.text.includes('done without you')]).toEqual(['completed', true]);
  }, 90_000);

  it('SIGKILL of the daemon while it runs: the agent goes on, is found again, and its result arrives', async () => {
    const { id, file, pid } = await running();
    await mesh.daemon('beta').kill();
    expect(isThere(pid)).toBe(true);
    await mesh.daemon('beta').start();
    await writeFile(file, 'found again\n');
    const done = await over(id);
    expect([done.state, done.result?.text.includes('found again')]).toEqual(['completed', true]);
  }, 90_000);

  it('SIGKILL of the agent: the mission fails, and is not "running" for ever', async () => {
    const { id, pid } = await running();
    process.kill(pid, 'SIGKILL');
    const failed = await over(id);
    expect([failed.state, failed.result?.signal]).toEqual(['failed', 'SIGKILL']);
  }, 90_000);

  it('cancel ends the process', async () => {
    const { id, pid } = await running();
    await mesh.operator.call('POST', `/missions/${id}/cancel`, Mission, { reason: 'enough' });
    expect((await over(id)).state).toBe('cancelled');
    await eventually('its end', async () => !isThere(pid));
  }, 90_000);
});
