/** A mission whose agent asked to be told how it ends: that comes as a message, once for each end, however it ended. */
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
  it('is told its result in the mission’s thread, from its agent, without anybody being asked', async () => {
    const mission = await placed(await begin());
    expect(mission.notify).toBe(true);
    await hub.report('server', mission, { state: 'running', session: 'sess-mis1' });
    await hub.report('server', mission, { state: 'completed', result: result('42 files') });
    const [message] = await told(1);
    expect(message).toMatchObject({
      kind: 'send',
      from: 'server/app#sess-mis1',
      session: 'sess-lap1',
      threadId: mission.threadId,
      body: `The mission ${mission.id} that you asked for is over: completed.\n\n42 files`,
    });
    const { steps } = await hub.core.messaging.trace(message?.id ?? '');
    expect(JSON.stringify(steps)).toContain(`it tells how ${mission.id} ended, as was asked for`);
    expect(await hub.pending()).toEqual([]);
  });

  it('is told of every other end, with the reason', async () => {
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
    expect((await told(4)).map(({ body }) => body.replace(/mis_\w+/, 'it'))).toEqual([
      'The mission it that you asked for is over: failed (claude is not signed in).',
      'The mission it that you asked for is over: completed, with an error.\n\nI cannot',
      'The mission it that you asked for is over: cancelled (enough).',
      'The mission it that you asked for is over: denied (denied by bob: not now).',
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
    expect((await told(2)).map(({ body }) => body.split('\n').at(-1))).toEqual(['first', 'second']);
  });

  it('is not told what it did itself, and nobody is told who did not ask for it', async () => {
    const own = await placed(await begin());
    await hub.core.missions.cancel(own.id, { machineId: 'laptop' }, undefined);
    await hub.report('server', own, { state: 'cancelled' });
    const silent = await placed(await begin(false));
    await hub.report('server', silent, { state: 'completed', result: result('for nobody') });
    const last = await placed(await begin());
    await hub.report('server', last, { state: 'completed', result: result('the only one') });
    expect((await told(1)).map(({ body }) => body.split('\n').at(-1))).toEqual(['the only one']);
  });
});
