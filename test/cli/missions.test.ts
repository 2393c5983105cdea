/** intercom missions and sessions, against a real hub whose machine says what a daemon would. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.ts';
import { HelloRequest, MissionsPage } from '../../src/protocol/machine-api.ts';
import { Mission, MissionLogEntry, type MissionNews } from '../../src/protocol/mission.ts';
import { CLAUDE, projectOf, sessionOf } from '../support/hub-core.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { Home } from './support/cli.ts';

let hub: TestHub;
let home: Home;
beforeEach(async () => {
  hub = await startTestHub();
  home = Home.at(hub.home);
  await hub.machine('server');
  const hello = HelloRequest.parse({
    protocol: PROTOCOL_VERSION,
    version: '1',
    epoch: 'e',
    displayName: 'server',
    daemonUrl: 'http://127.0.0.1:9',
    projects: [projectOf('app')],
    sessions: [sessionOf('sess-0001')],
    agents: [CLAUDE],
  });
  await hub.hub.services.registry.hello('server', hello);
});
afterEach(() => hub.stop());

const AT = new Date().toISOString();
const says = (...news: MissionNews[]): Promise<unknown> => hub.hub.services.missions.applyNews('server', news);
const log = (id: string, entries: readonly Partial<MissionLogEntry>[]): MissionNews => ({
  news: 'log',
  missionId: id,
  entries: entries.map((entry) => MissionLogEntry.parse({ run: 1, at: AT, kind: 'text', label: 'x', ...entry })),
});

async function start(...more: string[]): Promise<Mission> {
  const { code, out, err } = await home.run(['missions', 'start', 'server/app', 'tidy', 'up', '--json', ...more]);
  expect([code, err]).toEqual([0, '']);
  return Mission.parse(JSON.parse(out));
}

describe('missions', () => {
  it('are started with their limits, listed, shown, and ended', async () => {
    const mission = await start('--worktree', '--minutes', '30', '--budget', '2.5', '--flag=--model', '--key', 'k');
    expect(mission).toMatchObject({
      state: 'queued',
      text: 'tidy up',
      isolation: 'worktree',
      flags: ['--model'],
      limits: { maxDurationSeconds: 1800, maxBudgetUsd: 2.5 },
      requestedBy: 'human:ada',
    });
    expect((await start('--key', 'k')).id).toBe(mission.id);
    const { out } = await home.run(['missions']);
    expect(out).toContain('server/app');
    expect(out).toContain('queued');
    const page = MissionsPage.parse(JSON.parse((await home.run(['missions', 'list', '--json'])).out));
    expect(page.missions.map((one) => one.id)).toEqual([mission.id]);
    const shown = await home.run(['missions', 'show', mission.id.slice(0, 20)]);
    expect(shown.out).toContain('in a git worktree');
    expect(shown.out).toContain('│ tidy up');
    const ended = await home.run(['missions', 'cancel', mission.id, '--reason', 'not needed']);
    expect(ended.out).toContain('cancelled: not needed');
    expect((await home.run(['missions'])).out).toContain('No mission is under way');
    expect((await home.run(['missions', 'list', '--all'])).out).toContain('cancelled');
  });

  it('say what is wrong, with the exit code of its kind', async () => {
    expect(await home.run(['missions', 'start', 'server/nothing', 'x'])).toMatchObject({ code: 3 });
    const unknown = await home.run(['missions', 'start', 'server/app', 'x', '--agent', '/bin/sh']);
    expect(unknown.code).toBe(3);
    expect(unknown.err).toContain('On server there are: claude');
    expect(await home.run(['missions', 'start', 'human', 'x'])).toMatchObject({ code: 2 });
    expect(await home.run(['missions', 'show', 'mis_nothing'])).toMatchObject({ code: 3 });
    const mission = await start();
    expect(await home.run(['missions', 'send', mission.id, 'hello'])).toMatchObject({ code: 7 });
    expect(await home.run(['missions', 'attach', mission.id])).toMatchObject({ code: 7 });
    expect(await home.run(['missions', 'pause', mission.id])).toMatchObject({ code: 7 });
  });

  it('logs -f prints every entry once, as it comes, until it is over, and then the result', async () => {
    const mission = await start();
    const run = { missionId: mission.id, run: 1, number: 1, at: AT, news: 'report' as const };
    await says(
      { ...run, state: 'running', session: 'sess-0001' },
      log(mission.id, [{ seq: mission.logSeq + 1, label: 'first' }]),
    );
    let next = mission.logSeq + 2;
    const following = home.run(['missions', 'logs', '-f', mission.id], {
      onOut: (text) => {
        // Each line that is seen brings the next, so that nothing here depends on time.
        if (text.includes('first'))
          void says(log(mission.id, [{ seq: next++, kind: 'command', label: 'npm test', ok: false }]));
        if (text.includes('npm test')) {
          const result = { text: 'All done.', cut: false, isError: false, durationMs: 5 };
          void says(log(mission.id, [{ seq: next++, label: 'last' }]), {
            ...run,
            number: 2,
            state: 'completed',
            result,
          });
        }
      },
    });
    const { code, out, err } = await following;
    expect(code).toBe(0);
    const labels = out.split('\n').filter((line) => /first|npm test|last|All done/.test(line));
    expect(labels.map((line) => line.replace(/^.*?[✗¶$] /, ''))).toEqual(['first', 'npm test', 'last', 'All done.']);
    expect(out).toContain('✗ npm test');
    expect(err).toContain('completed');
  });

  it('are spoken to, paused, gone on with, and run again', async () => {
    const mission = await start();
    const report = { missionId: mission.id, run: 1, number: 1, at: AT, news: 'report' as const };
    await says({ ...report, state: 'running', session: 'sess-0001' });
    expect((await home.run(['missions', 'send', mission.id, 'how', 'far?'])).out).toContain('✓');
    // The session is found; there is no terminal here to join it with.
    const joined = await home.run(['missions', 'attach', mission.id]);
    expect([joined.code, joined.err.includes('only be joined from a terminal')]).toEqual([2, true]);
    expect((await home.run(['missions', 'pause', mission.id])).out).toContain('server is asked to pause it');
    await says({ ...report, number: 2, state: 'paused' });
    expect((await home.run(['missions', 'resume', mission.id, 'go', 'on'])).out).toContain('queued');
    const again = Mission.parse(JSON.parse((await home.run(['missions', 'rerun', mission.id, '--json'])).out));
    expect(again).toMatchObject({ from: mission.id, text: 'tidy up' });
  });

  it('--wait ends with the result, and a failure is one for scripts', async () => {
    const waiting = home.run(['missions', 'start', 'server/app', 'x', '--wait', '--key', 'w']);
    const { missions } = hub.hub.services;
    const begun = await startedBy('w');
    await missions.applyNews('server', [
      { news: 'report', missionId: begun.id, run: 1, number: 1, at: AT, state: 'failed', reason: 'no disk' },
    ]);
    const { code, err } = await waiting;
    expect(code).toBe(6);
    expect(err).toContain('no disk');
  });
});

/** The mission of this key, as soon as it is there. */
async function startedBy(key: string): Promise<Mission> {
  return start('--key', key);
}

describe('sessions', () => {
  it('list and show', async () => {
    expect((await home.run(['sessions'])).out).toContain('#sess-000');
    const { out } = await home.run(['sessions', 'show', 'server/app#sess-0001']);
    expect(out).toContain('server/app#sess-0001');
    expect(out).toContain('/home/x/app');
    expect(await home.run(['sessions', 'show', 'nobody'])).toMatchObject({ code: 3 });
  });
});
