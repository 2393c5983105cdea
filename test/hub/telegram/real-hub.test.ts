/** The surface on a whole hub: policy asks, a person allows in Telegram and writes back. Nothing is emulated but Telegram. */
import { setImmediate as breathe } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newId } from '../../../src/protocol/ids.ts';
import { RaiseApproval, SubmitItem } from '../../../src/protocol/machine-api.ts';
import { Project, Session } from '../../../src/protocol/model.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { TelegramEmulator } from '../../support/telegram-emulator/emulator.ts';
import { MissionMachine } from '../../support/mission-machine.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ANN, GROUP } from './room.ts';

let clock: ManualClock;
let telegram: TelegramEmulator;
let test: TestHub;
beforeEach(async () => {
  clock = new ManualClock(Date.now());
  telegram = await TelegramEmulator.start(clock);
  telegram.addForum(GROUP);
  test = await startTestHub({
    clock,
    config: {
      operators: [{ name: 'ann', role: 'owner', telegram_user_id: ANN }],
      telegram: { bot_token: TelegramEmulator.TOKEN, supergroup_id: GROUP, api_root: telegram.root },
    },
  });
});
afterEach(async () => {
  await test.stop();
  await telegram.stop();
});

async function until<T>(look: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
  for (let step = 0; step < 5_000; step += 1) {
    const found = await look();
    if (found !== undefined) return found;
    for (let turn = 0; turn < 3; turn += 1) await breathe();
    clock.advance(20);
  }
  throw new Error(`${what} did not happen; refusals: ${telegram.refusals().join('; ')}`);
}

it('a message waits, is allowed in Telegram, and an answer of the operator goes into the thread', async () => {
  const { services } = test.hub;
  for (const [id, project] of [
    ['laptop', 'api'],
    ['server', 'web'],
  ] as const) {
    await test.machine(id);
    await services.registry.projectsChanged(id, [Project.parse({ id: project, path: `/home/ann/${project}` })]);
  }
  const item = SubmitItem.parse({
    id: newId('message'),
    fromProject: 'api',
    to: 'server/web',
    kind: 'chat',
    body: 'May I change the schema?',
    submittedAt: new Date(clock.now()).toISOString(),
  });
  const [result] = await services.messaging.submitFromMachine('laptop', [item]);
  expect(result).toMatchObject({ ok: true, status: { state: 'held' } });
  const card = await until(
    () => telegram.messages(GROUP).find((message) => message.content.text.includes('May I change the schema?')),
    'the card',
  );
  void telegram.press(GROUP, card.id, ANN, 'This conversation');
  const allowed = await until(async () => {
    const [approval] = await services.approvals.list({ state: 'allowed', limit: 1 });
    return approval;
  }, 'the decision');
  expect(allowed.decision).toMatchObject({ by: 'ann', via: 'telegram', scope: 'mission' });
  await until(() => (card.buttons.length === 0 ? true : undefined), 'the card without buttons');
  expect(card.content.text).toContain('Allowed for this conversation by ann (Telegram)');
  const written = telegram.write(GROUP, ANN, 'Do it after six', { topic: card.topic ?? 0 });
  await until(() => telegram.message(GROUP, written).reaction, 'the reaction');
  const threadId = result?.ok === true ? result.status.threadId : '';
  const { messages } = await services.messaging.thread(threadId, { limit: 10 });
  expect(messages.at(-1)).toMatchObject({
    from: 'human:ann',
    to: 'laptop/api',
    body: 'Do it after six',
    kind: 'reply',
  });
  telegram.write(GROUP, ANN, '/status');
  await until(() => telegram.texts(GROUP).find((text) => text.includes('machines online')), 'the status');
  expect(telegram.refusals()).toEqual([]);
});

it('a mission is started in Telegram, watched, spoken to and stopped; another one tells its result', async () => {
  const server = await MissionMachine.start(test, 'server', ['web'], clock);
  const { services } = test.hub;
  const find = (words: string) => telegram.messages(GROUP).findLast(({ content }) => content.text.includes(words));
  const seen = (words: string) => until(() => find(words), `that "${words}" is shown`);
  try {
    telegram.write(GROUP, ANN, '/start_agent server/web "Mend the tests"');
    await until(() => server.daemon.missions[0], 'the order');
    const mission = server.ordered;
    expect(mission).toMatchObject({ requestedBy: 'human:ann', approval: 'asked for by ann' });
    expect(mission.spec).toMatchObject({ project: 'web', text: 'Mend the tests' });
    await server.runs(mission);
    await server.works(mission, { kind: 'command', label: 'npm test' });
    const card = await seen('▸ npm test');
    expect(card.content.text).toContain('⚙️ At work · claude at server/web');
    const written = telegram.write(GROUP, ANN, 'Only those of the cart', { topic: card.topic ?? 0 });
    await until(() => telegram.message(GROUP, written).reaction, 'the reaction');
    await until(() => server.daemon.messages[0], 'the message');
    expect(server.daemon.messages[0]).toMatchObject({ body: 'Only those of the cart', threadId: mission.threadId });
    void telegram.press(GROUP, card.id, ANN, 'Stop');
    await until(() => card.buttons.flat().find(({ text }) => text.includes('Yes, stop it')), 'the question');
    void telegram.press(GROUP, card.id, ANN, 'Yes');
    const stop = await until(() => server.daemon.stored.find(({ item }) => item === 'mission_stop'), 'the stop');
    expect(stop).toMatchObject({ missionId: mission.missionId, how: 'cancel', by: 'ann' });
    const { missionId, run } = mission;
    await server.reports({ missionId, run, state: 'cancelled', reason: 'cancelled by ann' });
    await seen('🚫 Stopped: claude');

    telegram.write(GROUP, ANN, '/resume And now the others', { replyTo: card.id });
    await until(() => server.daemon.missions[1], 'the second run');
    expect(server.ordered).toMatchObject({ missionId, run: 2, resume: { text: 'And now the others' } });
    await server.runs(server.ordered);
    await server.completes(server.ordered, 'All green.', { costUsd: 0.5 });
    expect((await seen('All green.')).topic).toBe(card.topic);
    expect((await services.missions.get(missionId)).result?.text).toBe('All green.');
    await until(() => (card.content.text.includes('✅ Done') ? true : undefined), 'the end on the card');
    expect(telegram.refusals()).toEqual([]);
  } finally {
    await server.stop();
  }
});

it('what a session asks is told once, answered in Telegram, and rings nobody who muted it', async () => {
  const { services } = test.hub;
  const at = new Date(clock.now()).toISOString();
  const live = { id: '3f2a9c7e-0001', project: 'api', agent: 'claude', cwd: '/home/ann/api', rung: 'hooks' };
  const session = (more: object) =>
    Session.parse({ ...live, state: 'working', stateSince: at, startedAt: at, ...more });
  const find = (words: string) => telegram.messages(GROUP).findLast(({ content }) => content.text.includes(words));
  const seen = (words: string) => until(() => find(words), `that "${words}" is shown`);
  await test.machine('laptop');
  await services.registry.projectsChanged('laptop', [Project.parse({ id: 'api', path: '/home/ann/api' })]);
  await services.registry.sessionsChanged('laptop', [session({})]);
  // A machine that was not heard from is away, and nothing is told of its sessions.
  await services.registry.heartbeat('laptop', { epoch: services.events.epoch, time: at, outbox: 0 });
  const raise = (ref: string, subject: object) =>
    services.dialogs.raise(
      'laptop',
      RaiseApproval.parse({
        ...{ ref, session: live.id, boundTo: 'session' },
        subject: { from: 'laptop/api', agent: 'claude', cwd: live.cwd, ...subject },
      }),
    );
  const options = ['PostgreSQL', 'SQLite'].map((label) => ({ label }));
  const { id } = await raise('question-1', {
    ...{ kind: 'question', source: 'ask_user', summary: 'Which database?' },
    questions: [
      { id: 'db', text: 'Which database?', options },
      { id: 'name', text: 'Its name?', options: [] },
    ],
  });
  const card = await seen('claude asks 2 things');
  expect(card.silent).toBe(false);
  void telegram.press(GROUP, card.id, ANN, 'SQLite');
  await seen('2 of 2');
  telegram.write(GROUP, ANN, 'atlas', { replyTo: card.id });
  await seen('Answered by ann (Telegram)');
  expect((await services.approvals.get(id)).decision?.answers).toEqual([
    { id: 'db', options: ['SQLite'] },
    { id: 'name', options: [], text: 'atlas' },
  ]);

  telegram.write(GROUP, ANN, '/mute laptop/** 2h');
  await seen('is muted for you');
  telegram.write(GROUP, ANN, '/quiet 22:00-07:00 Nowhere/Town');
  await seen('There is no time zone "Nowhere/Town"');
  await services.registry.sessionsChanged('laptop', [
    session({ state: 'waiting', waiting: { kind: 'trust', what: 'Do you trust this folder?' } }),
  ]);
  expect((await seen('Do you trust this folder?')).silent).toBe(true);
  telegram.write(GROUP, ANN, '/attention');
  await seen('1 waits for you');
  await services.registry.sessionsChanged('laptop', [session({ state: 'idle' })]);
  await until(() => (find('✓ laptop/api') === undefined ? undefined : true), 'the end of the notice');
  expect(telegram.refusals()).toEqual([]);
});
