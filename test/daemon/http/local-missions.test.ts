/** The local API's calls about missions: who asks is added by the daemon, the hub answers, and its words come through. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { Mission } from '../../../src/protocol/mission.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;
beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  daemon = await startTestDaemon(home);
  await hub.until(() => hub.hellos.length > 0);
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

const AT = '2026-01-02T03:04:05.000Z';

function missionOfHub(): Mission {
  return Mission.parse({
    ...{ id: newId('mission'), machine: 'server', project: 'app', threadId: newId('thread'), agent: 'claude' },
    ...{ runtime: 'headless', text: 'tidy up', flags: [], isolation: 'none', limits: {}, requestedBy: 'laptop/home' },
    ...{ depth: 0, state: 'queued', stateSince: AT, place: 'hub', run: 1, logSeq: 0, createdAt: AT },
  });
}

describe('missions over the local socket', () => {
  it('who asks is what the daemon knows, and every call is answered by the hub', async () => {
    const cwd = home.directory('desk');
    await home.client().putSession({ id: 'desk-session-1', agent: 'demo', pid: process.pid, cwd });
    const client = home.client({ agent: 'demo', session: 'desk-session-1', cwd });
    const mission = missionOfHub();
    hub.mission = mission;
    const start = { machine: 'server', project: 'app', text: 'tidy up', limits: { maxTurns: 3 } };
    expect(await client.startMission(start)).toEqual(mission);
    expect(hub.started).toMatchObject([{ ...start, fromProject: 'desk', fromSession: 'desk-session-1' }]);
    expect(await client.mission(mission.id)).toEqual(mission);
    const wait = { seconds: 5, unless: ['queued', 'running'] as const };
    expect(await client.mission(mission.id, wait)).toEqual(mission);
    expect((await client.missions(7)).missions).toEqual([mission]);
    expect(await client.cancelMission(mission.id, 'enough')).toEqual(mission);
    expect(hub.missionCalls).toEqual([
      'start',
      `get ${mission.id}`,
      `get ${mission.id} 5 queued,running`,
      'list 7',
      `cancel ${mission.id} enough`,
    ]);
  });

  it('what the hub refuses is refused in its words; without it nothing is started', async () => {
    const client = home.client();
    await expect(client.cancelMission(newId('mission'))).rejects.toMatchObject({ code: 'unknown_mission' });
    await expect(client.startMission({ machine: 'server', project: '../app', text: 'x' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
    await hub.stop();
    await expect(client.startMission({ machine: 'server', project: 'app', text: 'x' })).rejects.toMatchObject({
      code: 'unreachable',
    });
    expect(hub.started).toEqual([]);
  });
});
