/** Questions to a project in which nobody works: an agent is started, and its result is the answer. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MessageStatus } from '../../../src/protocol/machine-api.ts';
import type { Mission } from '../../../src/protocol/mission.ts';
import { OPERATOR, sessionOf, TestHub } from '../../support/hub-core.ts';

const ASKS_PASS = '{ type: ask, approval: never }';
const LAUNCHES_PASS = '{ type: start_agent, approval: never }';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app'], [sessionOf('sess-lap1')]);
  await hub.machine('server', ['app']);
});
afterEach(() => hub.close());

const ask = (more: object = {}): Promise<MessageStatus> =>
  hub.send('laptop', {
    kind: 'ask',
    to: 'server/app',
    body: 'how many files?',
    fromSession: 'sess-lap1',
    launch: 'auto',
    ...more,
  });
const status = (id: string): Promise<MessageStatus> => hub.core.messaging.status(id);
const live = async (): Promise<Mission[]> => (await hub.core.missions.list({ limit: 10 })).missions;

async function only(): Promise<Mission> {
  const [mission] = await live();
  if (mission === undefined) throw new Error('no mission');
  return mission;
}

const result = (text: string, isError = false) => ({ text, cut: false, isError, durationMs: 5 });

describe('a question that starts an agent', () => {
  it('one approval for both: its card is the launch and shows the question; the result is the answer', async () => {
    hub.policy(`rules: [${ASKS_PASS}]`);
    const asked = await ask();
    expect(asked.state).toBe('held');
    expect(asked.reason).toContain('nobody works there');
    const [card, ...others] = await hub.pending();
    expect(others).toEqual([]);
    expect(card?.subject).toMatchObject({
      kind: 'launch',
      body: 'how many files?',
      answers: asked.id,
      to: 'server/app',
    });
    await hub.allow(card);
    const mission = await hub.untilMission((await only()).id, (one) => one.place === 'server');
    expect(mission).toMatchObject({ answers: asked.id, threadId: asked.threadId, requestedBy: 'laptop/app#sess-lap1' });
    expect(hub.daemons.get('server')?.messages).toEqual([]);
    await hub.report('server', mission, { state: 'running', session: 'sess-mis1' });
    expect(await status(asked.id)).toMatchObject({ state: 'written', decidedBy: 'bob' });
    await hub.report('server', mission, { state: 'completed', result: result('42 files') });
    const answered = await status(asked.id);
    expect(answered).toMatchObject({ state: 'answered', answer: { from: 'server/app#sess-mis1', body: '42 files' } });
    const daemon = hub.daemons.get('laptop');
    await daemon?.until(() => daemon.messages.some((one) => one.body === '42 files'));
    expect(daemon?.messages.at(-1)).toMatchObject({ kind: 'reply', inReplyTo: asked.id, session: 'sess-lap1' });
  });

  it('where both pass, nobody is asked; where only the question is asked about, allowing it starts the agent', async () => {
    hub.policy(`rules: [${ASKS_PASS}, ${LAUNCHES_PASS}]`);
    expect((await ask()).state).toBe('queued');
    expect((await only()).state).toBe('queued');
    expect(await hub.pending()).toEqual([]);
    hub.policy(`rules: [${LAUNCHES_PASS}]`);
    const held = await ask();
    const [card, ...others] = await hub.pending();
    expect([held.state, card?.kind, others]).toEqual(['held', 'ask', []]);
    expect((await only()).state).toBe('awaiting_approval');
    await hub.allow(card);
    expect((await status(held.id)).state).toBe('queued');
    expect((await only()).state).toBe('queued');
    expect(hub.daemons.get('server')?.messages).toEqual([]);
  });

  it('No is no for both, also when nobody decides', async () => {
    const denied = await ask();
    await hub.deny((await hub.pending())[0], 'not now');
    expect(await status(denied.id)).toMatchObject({ state: 'denied', reason: 'denied by bob: not now' });
    expect((await only()).state).toBe('denied');
    hub.policy(`rules: [${LAUNCHES_PASS}]`);
    const alone = await ask();
    await hub.deny((await hub.pending())[0]);
    expect((await status(alone.id)).state).toBe('denied');
    expect((await only()).state).toBe('cancelled');
    const forgotten = await ask();
    await hub.advance(25 * 3600_000);
    expect(['denied', 'expired']).toContain((await status(forgotten.id)).state);
    expect((await live()).every((one) => one.run === 0)).toBe(true);
  });

  it('fails with the reason when its mission does, and when the agent says that it failed', async () => {
    hub.policy(`rules: [${ASKS_PASS}, ${LAUNCHES_PASS}]`);
    const first = await ask();
    await hub.report('server', await only(), { state: 'failed', reason: 'claude is not signed in' });
    const failed = await status(first.id);
    expect(failed.state).toBe('failed');
    expect(failed.reason).toContain('claude is not signed in');
    const second = await ask();
    await hub.report('server', await only(), { state: 'completed', result: result('cannot', true) });
    expect((await status(second.id)).reason).toContain('ended with an error: cannot');
  });

  it('taking the question back ends its agent; an agent that is ended fails the question', async () => {
    hub.policy(`rules: [${ASKS_PASS}, ${LAUNCHES_PASS}]`);
    const asked = await ask();
    const mission = await hub.untilMission((await only()).id, (one) => one.place === 'server');
    await hub.report('server', mission, { state: 'running' });
    expect((await hub.core.messaging.cancel(asked.id, { machineId: 'laptop' }, undefined)).state).toBe('cancelled');
    const daemon = hub.daemons.get('server');
    await daemon?.until(() => daemon.stored.some((item) => item.item === 'mission_stop'));
    const second = await ask();
    const running = await hub.untilMission((await only()).id, (one) => one.place === 'server');
    await hub.core.missions.cancel(running.id, OPERATOR, 'enough');
    await hub.report('server', running, { state: 'cancelled', reason: 'enough' });
    expect((await status(second.id)).reason).toContain('cancelled: enough');
  });

  it('waits for a session as before where none may be started: told so, forbidden, impossible, or somebody is there', async () => {
    hub.policy(`rules: [${ASKS_PASS}]`);
    expect((await ask({ launch: 'never' })).state).toBe('queued');
    hub.policy(`rules: [{ type: start_agent, approval: deny }, ${ASKS_PASS}]`);
    expect((await ask()).state).toBe('queued');
    hub.policy(`rules: [${ASKS_PASS}]`);
    await hub.hello('server', ['app'], [], { agents: [] });
    expect((await ask()).state).toBe('queued');
    await hub.hello('server', ['app'], [sessionOf('sess-srv1')]);
    expect((await ask()).state).toBe('queued');
    expect(await live()).toEqual([]);
    hub.policy(`rules: [{ type: ask, approval: deny }]`);
    expect((await ask()).state).toBe('denied');
  });

  it('a repeat of the question starts no second agent, also over a restart', async () => {
    hub.policy(`rules: [${ASKS_PASS}, ${LAUNCHES_PASS}]`);
    const first = await ask({ idempotencyKey: 'q' });
    await hub.restart();
    expect((await ask({ idempotencyKey: 'q' })).id).toBe(first.id);
    expect(await live()).toHaveLength(1);
  });
});
