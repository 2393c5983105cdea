/** What a person must know about the mesh, in the General topic: once, edited, and not about Telegram itself. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GROUP, Room } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
});
afterEach(() => room.close());

const general = () => room.telegram.messages(GROUP).filter((message) => message.topic === undefined);
const texts = () => general().map((message) => message.content.text);
const first = { from: 'laptop/api', to: 'server/web' };
const over = () => new Date(room.clock.now()).toISOString();

it('a notice is posted once, edited when its words change, and edited when it is over', async () => {
  room.hub.notice('machine.away.server', 'server was not heard from for 10 minutes.', { next: 'Is it asleep?' });
  await room.settled();
  expect(texts()).toEqual(['🟠 server was not heard from for 10 minutes.\nIs it asleep?']);
  expect(general()[0]?.silent).toBe(false);
  room.hub.notice('machine.away.server', 'server was not heard from for an hour.', { level: 'error' });
  await room.settled();
  expect(texts()).toEqual(['🔴 server was not heard from for an hour.']);
  room.hub.notice('machine.away.server', 'server was not heard from for an hour.', { clearedAt: over() });
  await room.settled();
  expect(texts()).toEqual(['✓ over: server was not heard from for an hour.']);
  expect(room.telegram.refusals()).toEqual([]);
});

it('one that comes back soon is the same post; later it is a new one', async () => {
  const raise = () => room.hub.notice('policy.fault', 'The policy has a fault.');
  const clear = () => room.hub.notice('policy.fault', 'The policy has a fault.', { clearedAt: over() });
  for (const step of [raise, clear, raise]) {
    step();
    await room.settled();
  }
  expect(texts()).toEqual(['🟠 The policy has a fault.']);
  clear();
  await room.settled();
  await room.pass(16 * 60_000);
  raise();
  await room.settled();
  expect(texts()).toEqual(['✓ over: The policy has a fault.', '🟠 The policy has a fault.']);
});

it('information, and what is wrong with Telegram itself, is not posted; what was over before it was shown neither', async () => {
  room.hub.notice('upgrade', 'There is a newer version.', { level: 'info' });
  room.hub.notice('telegram.network', 'Telegram cannot be reached.');
  await room.stop();
  room.hub.notice('machine.away.server', 'server is away.');
  room.hub.notice('machine.away.server', 'server is away.', { clearedAt: over() });
  room.start();
  await room.settled();
  expect(texts()).toEqual([]);
});

it('its post survives a restart', async () => {
  room.hub.notice('machine.away.server', 'server is away.');
  await room.settled();
  await room.restart();
  room.hub.notice('machine.away.server', 'server is away.', { clearedAt: over() });
  await room.settled();
  expect(texts()).toEqual(['✓ over: server is away.']);
});

it('text of a notice is text', async () => {
  room.hub.notice('machine.away.x', '<b>x</b> & "y"\n🔴 forged', { next: '</i><a href="https://evil.test">z</a>' });
  await room.settled();
  expect(texts()).toEqual(['🟠 <b>x</b> & "y" 🔴 forged\n</i><a href="https://evil.test">z</a>']);
});

it('a message that is held at a terminal rings once per agent, and is over when it moved on', async () => {
  const one = room.hub.message({ ...first, body: 'one', state: 'held_at_terminal', place: 'server' });
  const two = room.hub.message({
    ...first,
    body: 'two',
    to: 'server/web#abcd',
    state: 'held_at_terminal',
    place: 'server',
  });
  await room.settled();
  expect(texts()).toEqual([
    '✋ A message to server/web waits at its terminal: the agent asks its person first.\nAnswer there.',
  ]);
  room.hub.move(one.id, { state: 'denied' });
  await room.settled();
  expect(texts()[0]).toContain('✋');
  room.hub.move(two.id, { state: 'delivered' });
  await room.settled();
  expect(texts()).toEqual(['✓ over: a message to server/web waited at its terminal']);
});

it('a store that cannot be written is said at once, past the store, and edited when it is over', async () => {
  const fault = {
    key: 'store.fault',
    level: 'error',
    text: 'Nothing can be written: the disk is full.',
    since: over(),
  } as const;
  room.hub.storeFaults.emit({ ...fault, next: 'Make room.' });
  await room.until(() => texts().length === 1);
  expect(texts()).toEqual(['🔴 Nothing can be written: the disk is full.\nMake room.']);
  room.hub.storeFaults.emit({ ...fault, next: 'Make room.' });
  room.hub.storeFaults.emit(undefined);
  await room.until(() => texts()[0]?.startsWith('✓') === true);
  room.hub.storeFaults.emit(fault);
  await room.until(() => texts()[0]?.startsWith('🔴') === true);
  expect(texts()).toHaveLength(1);
});
