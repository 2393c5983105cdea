/** SIGKILL of the hub in each state of a mission that is not simply running: after its restart each is where it was, goes on, and nothing is left running. */
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentsResponse } from '../../src/protocol/machine-api.ts';
import { missionIsOver } from '../../src/protocol/mission-life.ts';
import { Mission } from '../../src/protocol/mission.ts';
import type { Approval } from '../../src/protocol/model.ts';
import { Mesh } from '../support/mesh.ts';

const AGENT = join(import.meta.dirname, 'asking-agent.mjs');

let mesh: Mesh;
let root: string;
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'missions-hub-')));
  await mkdir(join(root, 'app'));
  const daemonConfig = [
    'agent_launcher:',
    '  max_concurrent: 1',
    '  keep_open: 0',
    `  agents: { opencode: { command: ${AGENT} } }`,
    `projects: [{ id: app, path: ${join(root, 'app')}, agent_command: opencode }]`,
    '',
  ].join('\n');
  mesh = await Mesh.start({ machines: ['alpha'], daemonConfig });
  await eventually(async () => {
    const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
    return agents.some(({ address }) => address === 'alpha/app') || undefined;
  });
}, 60_000);
afterAll(async () => {
  await mesh.stop();
  await rm(root, { recursive: true, force: true });
});

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

const start = (text: string): Promise<Mission> =>
  mesh.operator.call('POST', '/missions', Mission, { machine: 'alpha', project: 'app', text });
const order = (id: string, what: string): Promise<Mission> =>
  mesh.operator.call('POST', `/missions/${id}/${what}`, Mission, {});
const missionOf = (id: string): Promise<Mission> => mesh.operator.call('GET', `/missions/${id}`, Mission);
const until = (id: string, fits: (mission: Mission) => boolean): Promise<Mission> =>
  eventually(async () => {
    const mission = await missionOf(id);
    return fits(mission) ? mission : undefined;
  });
const card = (kind: Approval['kind']): Promise<Approval> =>
  eventually(async () => (await mesh.operator.pending()).find((one) => one.kind === kind));

async function killHub(): Promise<void> {
  await mesh.hub.kill();
  await mesh.hub.start();
}

/** Its end, and that it is a good one. */
async function result(id: string): Promise<string | undefined> {
  const mission = await until(id, ({ state }) => missionIsOver(state));
  expect(mission, mission.reason).toMatchObject({ state: 'completed' });
  return mission.result?.text;
}

it(
  'awaiting_approval, waiting_human, queued, paused, starting: each outlives its hub',
  { timeout: 120_000 },
  async () => {
    const asked = await mesh
      .daemon('alpha')
      .local({ cwd: join(root, 'app') })
      .startMission({ machine: 'alpha', project: 'app', text: 'please ask me' });
    expect(asked.state).toBe('awaiting_approval');
    await killHub();
    expect((await missionOf(asked.id)).state).toBe('awaiting_approval');
    await mesh.operator.decide(await card('launch'), 'allow');

    // One waits for a person, and the other for its place.
    await until(asked.id, ({ state }) => state === 'waiting_human');
    const second = await start('work');
    await until(second.id, ({ position }) => position === 1);
    await killHub();
    expect([(await missionOf(asked.id)).state, (await missionOf(second.id)).state]).toEqual([
      'waiting_human',
      'queued',
    ]);
    await mesh.operator.decide(await card('tool'), 'allow');
    expect(await result(asked.id)).toContain('once');
    expect(await result(second.id)).toBe('went on');

    const held = await start('please hold');
    await until(held.id, ({ state, session }) => state === 'running' && session !== undefined);
    await order(held.id, 'pause');
    await until(held.id, ({ state }) => state === 'paused');
    await killHub();
    expect((await missionOf(held.id)).state).toBe('paused');
    await order(held.id, 'resume');
    expect(await result(held.id)).toBe('went on');

    const begun = await start('work');
    await until(begun.id, ({ state }) => state !== 'queued');
    await killHub();
    expect(await result(begun.id)).toBe('went on');

    await eventually(async () => {
      const { stdout } = await execa('ps', ['-eo', 'args=']);
      return stdout.includes(AGENT) ? undefined : true;
    });
  },
);
