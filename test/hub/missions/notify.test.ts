/** A mission whose agent asked to be told how it ends: that comes as a notice, once for each end, however it ended. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mission } from '../../../src/protocol/mission.ts';
import { OPERATOR, sessionOf, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start('rules: [{ type: start_agent, approval: never }]');
  await hub.machine('laptop', ['app'], [sessionOf('sess-lap1')]);
  await hub.machine('server', ['app']);
});
afterEach(() => hub.close());

const begin = (notify = true): Promise<Mission> => hub.start('laptop', { fromSession: 'sess-lap1', notify });
const placed = (mission: Mission): Promise<Mission> => hub.untilMission(mission.id, (one) => one.place === 'server');
const result = (text: string, isError = false) => ({ text, cut: false, isError, durationMs: 5 });

/** What the laptop's daemon was handed, once it is so many. */
async function told(count: number) {
  const daemon = hub.daemons.get('laptop');
  await daemon?.until(() => daemon.messages.length >= count);
  return daemon?.messages ?? [];
}

describe('who asked for a mission and wants to know', () => {
  it('is told that it is over, in the mission’s thread and in the hub’s words alone, without anybody being asked', async () => {
    const mission = await placed(await begin());
    expect(mission.notify).toBe(true);
    await hub.report('server', mission, { state: 'running', session: 'sess-mis1' });
    await hub.report('server', mission, { state: 'completed', result: result('42 files') });
    const [message] = await told(1);
    expect(message).toMatchObject({
      kind: 'notice',
      from: 'server/app#sess-mis1',
      session: 'sess-lap1',
      threadId: mission.threadId,
      body: `Your mission ${mission.id} at server/app ("count the files") is over, completed. intercom_wait with its id tells you the rest.`,
    });
    expect(await hub.pending()).toEqual([]);
    const { threads } = await hub.core.messaging.threads({ limit: 10 });
    expect(threads.find(({ id }) => id === mission.threadId)?.title).toBe('count the files');
  });

  it('is told of every other end, with the reason where that is not the agent’s own words', async () => {
    const failed = await placed(await begin());
    await hub.report('server', failed, { state: 'failed', reason: 'claude is not signed in' });
    const wrong = await placed(await begin());
    await hub.report('server', wrong, { state: 'completed', result: result('I cannot', true) });
    const ended = await placed(await begin());
    await hub.core.missions.cancel(ended.id, OPERATOR, 'enough');
    await hub.report('server', ended, { state: 'cancelled', reason: 'enough' });
    hub.policy('rules: []');
    await begin();
    await hub.deny((await hub.pending())[0], 'not now');
    const ends = (await told(4)).map(({ body }) => /is over, .*/.exec(body)?.[0]);
    expect(ends).toEqual([
      'is over, failed. intercom_wait with its id tells you the rest.',
      'is over, completed, with an error. intercom_wait with its id tells you the rest.',
      'is over, cancelled: enough. intercom_wait with its id tells you the rest.',
      'is over, denied: denied by bob: not now. Do not ask for it again unless your person asks you to.',
    ]);
  });

  it('is told once for each end: a repeated report says nothing new, another run does', async () => {
    const mission = await placed(await begin());
    await hub.report('server', mission, { state: 'completed', session: 'sess-mis1', result: result('first') });
    await hub.report('server', mission, { state: 'completed', session: 'sess-mis1', result: result('first') });
    await hub.core.missions.resume(OPERATOR, mission.id, 'go on');
    await placed(mission);
    const at = new Date(hub.clock.now()).toISOString();
    const again = { news: 'report', missionId: mission.id, run: 2, number: 1, at } as const;
    await hub.core.missions.applyNews('server', [{ ...again, state: 'completed', result: result('second') }]);
    const third = await placed(await begin());
    await hub.report('server', third, { state: 'failed' });
    expect((await told(3)).map(({ body }) => / over, (\w+)/.exec(body)?.[1])).toEqual([
      'completed',
      'completed',
      'failed',
    ]);
  });

  it('is not told what it did itself, and nobody is told who did not ask for it', async () => {
    const own = await placed(await begin());
    await hub.core.missions.cancel(own.id, { machineId: 'laptop' }, undefined);
    await hub.report('server', own, { state: 'cancelled' });
    const silent = await placed(await begin(false));
    await hub.report('server', silent, { state: 'completed', result: result('for nobody') });
    const last = await placed(await begin());
    await hub.report('server', last, { state: 'completed', result: result('for me') });
    expect((await told(1)).map(({ body }) => body.includes(last.id))).toEqual([true]);
  });
});
