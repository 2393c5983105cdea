/** A mission through the whole mesh, with the real hub: hub and daemon are killed while it runs; its end is told all the same, whole and once. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mission, MissionLogPage } from '../../src/protocol/mission.ts';
import type { MissionState } from '../../src/protocol/mission-life.ts';
import { AgentsResponse } from '../../src/protocol/machine-api.ts';
import { Mesh } from '../support/mesh.ts';

let mesh: Mesh;
let root: string;
beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'mission-mesh-')));
  const program = join(root, 'greeter');
  await writeFile(
    program,
    '#!/bin/sh\n[ "$1" = --version ] && echo 1.2.3 && exit\necho begun\nwhile [ ! -e "$PWD/go" ]; do sleep 0.05; done\necho "all is well"\n',
  );
  await chmod(program, 0o755);
  const daemonConfig = `agent_launcher:\n  agents:\n    greeter: { command: ${program}, runtimes: [headless] }\nprojects:\n${[
    'a',
    'b',
    'c',
  ]
    .map((id) => `  - { id: ${id}, path: ${join(root, id)}, agent_command: greeter }`)
    .join('\n')}\n`;
  for (const id of ['a', 'b', 'c']) await mkdir(join(root, id));
  mesh = await Mesh.start({ machines: ['alpha'], daemonConfig });
}, 60_000);
afterAll(async () => {
  await mesh.stop();
  await rm(root, { recursive: true, force: true });
});

async function offered(): Promise<void> {
  for (;;) {
    const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
    if (agents.some((agent) => agent.address === 'alpha/a')) return;
    await pause(20);
  }
}

async function reaches(id: string, ...states: MissionState[]): Promise<Mission> {
  for (;;) {
    const mission = await mesh.operator.call('GET', `/missions/${id}`, Mission).catch(() => undefined);
    if (mission !== undefined && states.includes(mission.state)) return mission;
    await pause(50);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('a mission', () => {
  const victims: [name: string, project: string, kill: () => Promise<void>][] = [
    ['nobody', 'a', () => Promise.resolve()],
    [
      'the hub',
      'b',
      async () => {
        await mesh.hub.kill();
        await writeFile(join(root, 'b', 'go'), '');
        await pause(1_500);
        await mesh.hub.start();
      },
    ],
    [
      'the daemon',
      'c',
      async () => {
        await mesh.daemon('alpha').kill();
        await writeFile(join(root, 'c', 'go'), '');
        await pause(1_500);
        await mesh.daemon('alpha').start();
      },
    ],
  ];
  for (const [name, project, kill] of victims) {
    it(`runs to its end while ${name} is killed`, { timeout: 90_000 }, async () => {
      await offered();
      const mission = await mesh.operator.call('POST', '/missions', Mission, {
        machine: 'alpha',
        project,
        text: 'greet',
      });
      await reaches(mission.id, 'running');
      await kill();
      await writeFile(join(root, project, 'go'), '');
      const over = await reaches(mission.id, 'completed', 'failed', 'lost', 'timed_out');
      expect(over, over.reason).toMatchObject({ state: 'completed', result: { exitCode: 0 } });
      expect(over.result?.text).toContain('all is well');
      const { entries } = await mesh.operator.call('GET', `/missions/${mission.id}/log?limit=200`, MissionLogPage);
      expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
      expect(entries.filter(({ label }) => label === 'begun')).toHaveLength(1);
    });
  }
});
