/** Missions in Telegram: commands, cards that follow, results, buttons, replies; on the emulated Telegram. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unquoted } from '../../../src/hub/telegram/mission-desk.ts';
import { missionUrl, readMissionPress } from '../../../src/hub/telegram/mission-cards.ts';
import type { ToolSubject } from '../../../src/protocol/model.ts';
import type { ShownMessage } from '../../support/telegram-emulator/chats.ts';
import { ANN, BOB, GROUP, Room, VIEWER } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
  room.pageUrl = 'https://hub.tailnet.ts.net:7700/';
});
afterEach(() => room.close());

async function open(): Promise<void> {
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
}

const named = (message: ShownMessage) => message.buttons.flat().map(({ text }) => text);

function found(words: string): ShownMessage {
  const message = room.telegram.messages(GROUP).findLast(({ content }) => content.text.includes(words));
  if (message === undefined) throw new Error(`nobody shows "${words}": ${room.telegram.texts(GROUP).join('\n---\n')}`);
  return message;
}

async function press(message: ShownMessage, user: number, words: string) {
  const before = room.telegram.callsOf('answerCallbackQuery').length;
  const pressed = room.telegram.press(GROUP, message.id, user, words);
  await room.until(() => room.telegram.callsOf('answerCallbackQuery').length > before);
  return pressed;
}

describe('/start_agent', () => {
  it('starts one with a text of several lines, and its card stands in a topic of its own', async () => {
    await open();
    room.telegram.write(GROUP, ANN, '/start_agent server/web.app “Mend the tests,\nthen tell me”');
    await room.settled();
    // seed: a dot in the project's name failed, and the output was never shown anywhere
    expect(room.hub.missions.asked).toEqual(['start server/web.app: Mend the tests,\nthen tell me']);
    expect(found('is on its way').content.text).toContain('claude at server/web.app');
    const [topic] = room.telegram.topics(GROUP);
    expect(topic?.name).toBe('human:ann ⇄ server/web.app: Mend the tests, then tell me');
    expect(found('Waits for its turn')).toMatchObject({ topic: topic?.id, silent: true });
    expect(named(found('Waits for its turn'))).toEqual(['⏹ Stop', '🔎 Open']);
    expect(found('Waits for its turn').buttons[0]?.[1]?.url).toMatch(
      /^https:\/\/hub\.tailnet\.ts\.net:7700\/#\/missions\/mis_/,
    );
    expect(room.telegram.refusals()).toEqual([]);
  });

  it.each([
    ['/start_agent', 'Start an agent like this'],
    ['/start_agent server/web', 'Start an agent like this'],
    ['/start_agent server/nowhere "x"', 'has no project "nowhere". /agents lists those that there are.'],
    ['/start_agent ../../etc/x y', 'not'],
  ])('%s is answered in words', async (text, answer) => {
    await open();
    room.telegram.write(GROUP, ANN, text);
    await room.settled();
    expect(room.telegram.texts(GROUP).at(-1)).toContain(answer);
    expect(room.hub.missions.all.size).toBe(0);
  });

  it('a viewer starts nothing', async () => {
    await open();
    room.telegram.write(GROUP, VIEWER, '/start_agent server/web x');
    await room.settled();
    expect(room.telegram.texts(GROUP).at(-1)).toContain('As a viewer');
    expect(room.hub.missions.asked).toEqual([]);
  });
});

describe('the card of a mission', () => {
  it('follows it: state, newest line, how long; at last the result as a new message that rings', async () => {
    await open();
    const { id } = room.hub.missions.add();
    await room.settled();
    room.hub.missions.run(id);
    room.hub.missions.works(id, 'Edit src/<app>.ts');
    await room.settled();
    await room.until(() => found(id).content.text.includes('▸ Edit src/<app>.ts'), 'the newest line');
    expect(found(id).content.text).toContain('⚙️ At work · claude at server/web');
    await room.pass(130_000);
    await room.settled();
    expect(found(id).content.text).toMatch(/asked by ann · for 2 min/);
    room.hub.missions.ends(id, 'All **green**.', { turns: 3, costUsd: 0.123 });
    await room.settled();
    const card = found(id);
    const result = found('All green.');
    expect(card.content.text).toContain('✅ Done');
    expect(card.content.text).toContain('65 s · 3 turns · $0.12');
    expect(named(card)).toEqual(['🔎 Open']);
    expect(result).toMatchObject({ topic: card.topic, silent: false, replyTo: card.id });
    expect(result.content.text).toBe('✅ Done: claude at server/web\nAll green.');
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('a hundred lines are a few edits, and none that changes nothing', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    const before = room.telegram.callsOf('editMessageText').length;
    for (let line = 0; line < 100; line += 1) {
      room.hub.missions.works(id, `line ${line}`);
      await room.pass(500);
    }
    await room.until(() => found(id).content.text.includes('line 99'), 'the last line');
    const edits = room.telegram.callsOf('editMessageText').length - before;
    expect(edits).toBeGreaterThan(2);
    expect(edits).toBeLessThanOrEqual(9);
    room.hub.missions.put(room.hub.missions.all.get(id) ?? room.hub.missions.add());
    await room.settled();
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('a long result goes as a file, a failure says why and what to do', async () => {
    await open();
    const long = room.hub.missions.add();
    room.hub.missions.run(long.id);
    const text = 'word '.repeat(10_000);
    room.hub.missions.ends(long.id, text);
    const bad = room.hub.missions.add({ text: 'another', requestedBy: 'laptop/api#s1' });
    room.hub.missions.run(bad.id);
    room.hub.missions.move(bad.id, { state: 'failed', reason: 'the agent ended with exit status 1' });
    await room.settled();
    const file = room.telegram.messages(GROUP).find(({ document }) => document !== undefined);
    expect(file?.document).toEqual({ name: `${long.id}.txt`, text: text.trim() });
    const failed = found('Failed: claude');
    expect(failed.content.text).toContain('the agent ended with exit status 1');
    expect(failed.content.text).toContain('Send /resume here');
    expect(failed.silent).toBe(true);
    expect(named(found(bad.id))).toEqual(['▶️ Go on with it', '🔎 Open']);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('an error that the agent itself tells is never called done', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    room.hub.missions.ends(id, 'Credit balance is too low', { isError: true });
    await room.settled();
    expect(found(id).content.text).toContain('⚠️ Ended with an error');
    expect(found('Credit balance').content.text).not.toContain('Done');
  });

  it('stands although the hub was restarted, and what ended meanwhile is told once', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    await room.stop();
    room.hub.missions.ends(id, 'while you were away');
    await room.restart();
    await room.settled();
    await room.restart();
    await room.settled();
    expect(room.telegram.texts(GROUP).filter((text) => text.includes('while you were away'))).toHaveLength(1);
    expect(found(id).content.text).toContain('✅ Done');
  });

  it('has no Open where Telegram could not open the page', () => {
    const id = 'mis_01JD0000000000000000000000';
    expect(missionUrl('http://localhost:7700', id)).toBeUndefined();
    expect(missionUrl('http://127.0.0.1:7700', id)).toBeUndefined();
    expect(missionUrl('http://hub:7700', id)).toBeUndefined();
    expect(missionUrl('http://100.64.0.1:7700', id)).toBe(`http://100.64.0.1:7700/#/missions/${id}`);
  });
});

describe('buttons of a mission', () => {
  it('Stop asks once more, for half a minute, and Yes stops it', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    expect(await press(found(id), ANN, 'Stop')).toMatchObject({ alert: false });
    await room.settled();
    expect(named(found(id))).toEqual(['⏹ Yes, stop it', '↩️ Keep it', '🔎 Open']);
    await room.pass(31_000);
    await room.settled();
    expect(named(found(id))).toEqual(['⏸ Pause', '⏹ Stop', '🔎 Open']);
    expect(room.hub.missions.asked).toEqual([]);
    await press(found(id), ANN, 'Stop');
    await room.settled();
    expect(await press(found(id), BOB, 'Yes')).toEqual({ text: 'It is being stopped.', alert: false });
    await room.settled();
    expect(room.hub.missions.asked).toEqual(['cancel by bob']);
    expect(found(id).content.text).toContain('server is asked to end it: cancelled by bob');
    room.hub.missions.move(id, { state: 'cancelled', reason: 'cancelled by bob' });
    await room.settled();
    expect(found('Stopped: claude')).toMatchObject({ silent: true });
  });

  it('Pause and Resume, each where it fits; a button of an earlier run does nothing', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    const old =
      found(id)
        .buttons.flat()
        .find(({ text }) => text.includes('Stop'))?.data ?? '';
    await press(found(id), ANN, 'Pause');
    await room.settled();
    expect(named(found(id))).toEqual(['▶️ Resume', '⏹ Stop', '🔎 Open']);
    await press(found(id), ANN, 'Resume');
    await room.settled();
    expect(room.hub.missions.asked).toEqual(['pause by ann', 'resume by ann: ']);
    const late = room.telegram.pressData(GROUP, found(id).id, ANN, old);
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 3);
    expect((await late).text).toContain('earlier run');
    expect(room.hub.missions.asked).toHaveLength(2);
  });

  it('the role is looked up at the press', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    expect((await press(found(id), VIEWER, 'Pause')).text).toContain('As a viewer');
    room.hub.operators.set(BOB, { name: 'bob', role: 'viewer' });
    expect((await press(found(id), BOB, 'Stop')).text).toContain('As a viewer');
    room.hub.operators.delete(BOB);
    expect((await press(found(id), BOB, 'Stop')).text).toContain('not allowed');
    expect(room.hub.missions.asked).toEqual([]);
  });

  it('fits into 64 bytes and is nothing but ours', () => {
    const id = 'mis_01JD0000000000000000000000';
    expect(readMissionPress(`w:${id}:s:3`)).toEqual({ missionId: id, op: 'stop', run: 3 });
    expect(Buffer.byteLength(`w:${id}:s:999999999`)).toBeLessThanOrEqual(64);
    for (const data of [`w:${id}:x:1`, `w:${id}:s`, `a:${id}:s:1`, `w:../x:s:1`]) {
      expect(readMissionPress(data)).toBeUndefined();
    }
  });
});

it('keeps the topic of a mission in which nothing was said, until the hub has forgotten it or its machine', async () => {
  await open();
  const { id } = room.hub.missions.add();
  room.hub.missions.run(id);
  room.hub.missions.ends(id, 'x');
  await room.settled();
  const closed = () => room.telegram.callsOf('closeForumTopic').length;
  room.hub.emit({ type: 'machine.removed', machineId: 'other' });
  room.hub.notice('x', 'an event behind it', { level: 'info' });
  await room.settled();
  expect(closed()).toBe(0);
  room.hub.missions.all.delete(id);
  room.hub.emit({ type: 'machine.removed', machineId: 'other' });
  await room.until(() => closed() === 1, 'that the topic is closed');
});

describe('commands about missions', () => {
  it('/stop, /pause, /resume mean the mission of the topic, of the message, or of the id; else they ask', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    const topic = found(id).topic ?? 0;
    room.telegram.write(GROUP, ANN, '/stop');
    await room.settled();
    expect(room.telegram.texts(GROUP).at(-1)).toContain('Say which one');
    room.telegram.write(GROUP, ANN, '/pause', { topic });
    await room.settled();
    room.telegram.write(GROUP, ANN, '/resume Now the\ndocs too', { replyTo: found(id).id });
    await room.settled();
    room.telegram.write(GROUP, ANN, `/stop ${id}`);
    await room.settled();
    expect(room.hub.missions.asked).toEqual(['pause by ann', 'resume by ann: Now the\ndocs too', 'cancel by ann']);
  });

  it('/missions lists what is at work and what is over, with links to the cards', async () => {
    await open();
    room.telegram.write(GROUP, ANN, '/missions');
    await room.settled();
    expect(room.telegram.texts(GROUP).at(-1)).toContain('No missions yet');
    const one = room.hub.missions.add({ text: 'first <one>' });
    room.hub.missions.run(one.id);
    room.hub.missions.ends(one.id, 'x');
    room.hub.missions.add({ text: 'second one', position: 2 });
    await room.settled();
    room.telegram.write(GROUP, VIEWER, '/missions');
    await room.settled();
    const list = room.telegram.texts(GROUP).at(-1) ?? '';
    expect(list).toContain('1 at work or waiting');
    expect(list).toContain('🕓 Waits for its turn, number 2 · server/web: second one');
    expect(list).toContain('✅ Done · server/web: first <one>');
    expect(room.telegram.refusals()).toEqual([]);
  });
});

describe('speaking into a mission', () => {
  it('a text in its topic is said to it once, and a reaction tells how it fares', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    await room.settled();
    const written = room.telegram.write(GROUP, ANN, 'Also the docs', { topic: found(id).topic ?? 0 });
    await room.settled();
    expect(room.hub.missions.asked).toEqual(['say: Also the docs']);
    expect(room.telegram.message(GROUP, written).reaction).toBe('👀');
    const [message] = room.hub.messages.values();
    room.hub.move(message?.id ?? '', { state: 'delivered' });
    await room.settled();
    expect(room.telegram.message(GROUP, written).reaction).toBe('👌');
    // What a person wrote is not repeated to them.
    expect(room.telegram.texts(GROUP).filter((text) => text.includes('Also the docs'))).toEqual([]);
  });

  it('one that is over says how to go on', async () => {
    await open();
    const { id } = room.hub.missions.add();
    room.hub.missions.run(id);
    room.hub.missions.ends(id, 'the end');
    await room.settled();
    room.telegram.write(GROUP, ANN, 'And now?', { replyTo: found('the end').id });
    await room.settled();
    expect(room.telegram.texts(GROUP).at(-1)).toContain('Send /resume and your text');
  });

  it('a text answers the question of its agent, where one waits', async () => {
    await open();
    const mission = room.hub.missions.add();
    room.hub.missions.run(mission.id);
    const from = 'server/web#c0ffee00-1111';
    const question = room.hub.message({
      ...{ from, to: 'human', body: 'Which one?', kind: 'ask', state: 'delivered', threadId: mission.threadId },
    });
    await room.settled();
    room.telegram.write(GROUP, ANN, 'The left one', { topic: found('Which one?').topic ?? 0 });
    await room.settled();
    expect(room.hub.missions.asked).toEqual([]);
    expect([...room.hub.messages.values()].at(-1)).toMatchObject({ to: from, inReplyTo: question.id, kind: 'reply' });
  });
});

describe('launches and permissions', () => {
  it('a launch card has Start it; then the mission has its own card in the same topic', async () => {
    await open();
    const mission = room.hub.missions.add({ state: 'awaiting_approval', run: 0, requestedBy: 'laptop/api' });
    const approval = room.hub.approval({
      ...{ kind: 'launch', missionId: mission.id, threadId: mission.threadId, from: 'laptop/api', to: 'server/web' },
      ...{ agent: 'claude', runtime: 'terminal', path: '/home/ann/web', flags: [], isolation: 'none', limits: {} },
      ...{ depth: 1, body: mission.text },
    });
    await room.settled();
    expect(room.telegram.messages(GROUP)).toHaveLength(1);
    const card = found('An agent is to be started');
    expect(named(card)).toEqual(['🚀 Start it', '⛔ Deny']);
    expect(await press(card, ANN, 'Start it')).toEqual({ text: 'Allowed to start.', alert: false });
    expect(room.hub.approvals.get(approval.id)?.state).toBe('allowed');
    room.hub.missions.move(mission.id, { state: 'queued', run: 1, approvedBy: 'ann' });
    await room.settled();
    expect(found('Waits for its turn').topic).toBe(card.topic);
    expect(found('Waits for its turn').content.text).toContain('asked by laptop/api, let by ann');
  });

  function permission(missionId: string, suggestions: string[]) {
    const subject: ToolSubject = {
      ...{ kind: 'tool', from: 'server/web#c0ffee00-1111', agent: 'claude', missionId, tool: 'Bash' },
      ...{ summary: 'npm test', input: 'npm test', cut: false, cwd: '/home/ann/web', suggestions },
    };
    return room.hub.approval(subject, { scopes: ['once', 'mission', 'session', 'always'] });
  }

  it('a permission stands in the topic of its mission, with what the agent itself offers', async () => {
    await open();
    const mission = room.hub.missions.add();
    room.hub.missions.run(mission.id);
    const offers = ['Always allow Bash(npm test)', `Switch to the mode "${'accept edits '.repeat(10)}"`];
    const approval = permission(mission.id, offers);
    await room.settled();
    const card = found('asks for permission');
    expect(card.topic).toBe(found(mission.id).topic);
    expect(card.buttons.map((row) => row.map(({ text }) => text))).toEqual([
      ['✅ Allow once', '⛔ Deny'],
      ['✅ Always allow Bash(npm test)'],
      [expect.stringMatching(/^✅ Always: Switch to the mode/)],
      ['✅ This mission', '✅ This session'],
      ['✍️ Deny, and say why'],
    ]);
    await press(card, ANN, 'Bash(npm test)');
    // The agent's own rule lasts, and it is narrow; the hub adds no wide one.
    expect(room.hub.approvals.get(approval.id)?.decision).toMatchObject({ suggestion: 0, scope: 'once', by: 'ann' });
    await room.settled();
    expect(found('Permission for claude').content.text).toContain(
      'Allowed, as the agent suggested: Always allow Bash(npm test) by ann',
    );
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('closes when it was answered at the terminal, and takes /deny with a reason', async () => {
    await open();
    const mission = room.hub.missions.add();
    const first = permission(mission.id, []);
    await room.settled();
    room.hub.setApproval({
      ...first,
      state: 'answered_elsewhere',
      decision: {
        ...{ verdict: 'allow', scope: 'once', by: 'the person at the terminal', via: 'terminal' },
        at: new Date(room.clock.now()).toISOString(),
      },
    });
    await room.settled();
    expect(found('Permission for claude').content.text).toContain(
      'Answered elsewhere by the person at the terminal (terminal)',
    );
    expect(found('Permission for claude').buttons).toEqual([]);
    const second = permission(mission.id, []);
    await room.settled();
    room.telegram.write(GROUP, ANN, '/deny use the test script', { replyTo: found('asks for permission').id });
    await room.settled();
    expect(room.hub.approvals.get(second.id)?.decision).toMatchObject({
      verdict: 'deny',
      reason: 'use the test script',
    });
  });
});

it.each([
  ['"a b"', 'a b'],
  ['“a b”', 'a b'],
  ['„a b“', 'a b'],
  ["'a b'", 'a b'],
  ['"a" and "b"', '"a" and "b"'],
  ['a "b"', 'a "b"'],
  ['"', '"'],
])('the quotes around the whole are not part of it: %s', (text, inner) => {
  expect(unquoted(text)).toBe(inner);
});
