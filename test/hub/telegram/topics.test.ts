/** Topics of conversations that are over for good are closed and forgotten; what is still open stays. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { GROUP, Room } from './room.ts';

const SIX_HOURS = 6 * 3_600_000;

let room: Room;
beforeEach(async () => {
  room = await Room.open();
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
});
afterEach(() => room.close());

const toServer = { from: 'laptop/api', to: 'server/web' };
const isClosed = (name: string): boolean =>
  [...(room.telegram.chats.get(GROUP)?.topics.values() ?? [])].some(
    (topic) => topic.closed && topic.name.includes(name),
  );
const known = async (threadId: string): Promise<boolean> => (await room.store().topic(GROUP, threadId)) !== undefined;

it('a removed machine: its topics are closed, others stay; a new message makes a new topic', async () => {
  const gone = room.hub.message({ ...toServer, body: 'with the server' });
  const stays = room.hub.message({ from: 'laptop/api', to: 'laptop/web', body: 'at home' });
  await room.settled();
  room.hub.machineNames.delete('server');
  room.hub.emit({ type: 'machine.removed', machineId: 'server' });
  await room.until(() => isClosed('with the server'));
  expect([await known(gone.threadId), await known(stays.threadId)]).toEqual([false, true]);
  expect(isClosed('at home')).toBe(false);
  room.hub.machineNames.set('server', 'server');
  room.hub.message({ ...toServer, threadId: gone.threadId, body: 'back again' });
  await room.settled();
  expect(room.telegram.topics(GROUP)).toHaveLength(3);
  expect(room.telegram.refusals()).toEqual([]);
});

it('a card that waits keeps its topic open', async () => {
  const { message } = room.hub.held({ ...toServer, body: 'decide' });
  await room.settled();
  room.hub.machineNames.delete('server');
  room.hub.emit({ type: 'machine.removed', machineId: 'server' });
  room.hub.message({ from: 'laptop/api', to: 'laptop/web', body: 'afterwards' });
  await room.settled();
  expect([isClosed('decide'), await known(message.threadId)]).toEqual([false, true]);
});

it('a thread that the hub has forgotten, and a project that is gone for a week', async () => {
  room.hub.agents = [];
  const forgotten = room.hub.message({ ...toServer, body: 'forgotten' });
  const project = room.hub.message({ ...toServer, body: 'no such project' });
  await room.settled();
  room.hub.threads.delete(forgotten.threadId);
  room.clock.advance(SIX_HOURS);
  await room.until(() => isClosed('forgotten'));
  expect(await known(project.threadId)).toBe(true);
  room.clock.advance(7 * 24 * 3_600_000);
  await room.until(() => isClosed('no such project'));
  expect(await known(project.threadId)).toBe(false);
});
