/** One conversation with everything in it, as a person sees it. `SHOTS=dir` writes it as a page to look at. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { chatPage, renderChat } from '../../support/telegram-emulator/render.ts';
import { ANN, GROUP, Room } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
});
afterEach(() => room.close());

it('a day in the chat', async () => {
  room.telegram.addForum(GROUP);
  room.start();
  const ask = { from: 'laptop/api#3f2a9c7e11', to: 'server/web', kind: 'ask' } as const;
  const { approval, message } = room.hub.held({
    ...ask,
    body: 'Which port does the staging server use?\nI want to point my tests at it:\n\n```sh\ncurl http://staging:8080/health\n```',
  });
  await room.settled();
  const topic = room.telegram.topics(GROUP)[0]?.id ?? 0;
  const card = room.telegram.messages(GROUP, topic)[0]?.id ?? 0;
  void room.telegram.press(GROUP, card, ANN, 'This conversation');
  await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
  room.hub.move(message.id, { state: 'answered' });
  const { threadId } = message;
  const back = { threadId, from: 'server/web', to: 'laptop/api' };
  room.hub.message({
    ...back,
    kind: 'reply',
    state: 'delivered',
    body: 'It is **8081** since yesterday:\n\n```yaml\nweb:\n  port: 8081\n```\nSet `BASE_URL` accordingly.',
  });
  await room.settled();
  room.telegram.write(GROUP, ANN, 'Please also check the certificate', { topic });
  await room.until(() => [...room.hub.messages.values()].some((each) => each.from === 'human:ann'));
  room.hub.held({ threadId, from: 'laptop/api', to: 'server/web', body: 'A long text. '.repeat(600) });
  room.hub.message({ threadId, from: 'server/web', to: 'human', kind: 'ask', body: 'Shall I restart the server now?' });
  room.hub.message({ ...back, state: 'held_at_terminal', place: 'laptop', body: 'By the way, the tests are slow.' });
  room.hub.approval({
    kind: 'join',
    machineId: 'desk',
    displayName: "Ann's desk",
    ip: '100.101.3.7',
    daemonUrl: 'http://100.101.3.7:7701',
    code: '481-207',
    replaces: true,
  });
  const other = room.hub.held({ from: 'server/web', to: 'laptop/api', body: 'Delete the old database, please' });
  await room.settled();
  const second = room.telegram.topics(GROUP)[1]?.id ?? 0;
  const refused = room.telegram.messages(GROUP, second)[0]?.id ?? 0;
  room.telegram.write(GROUP, ANN, '/deny not before the backup', { topic: second, replyTo: refused });
  await room.until(() => room.hub.approvals.get(other.approval.id)?.state === 'denied');
  for (const command of ['/help', '/approvals', '/status', '/machines']) room.telegram.write(GROUP, ANN, command);
  await room.settled();
  expect(room.telegram.refusals()).toEqual([]);
  const page = chatPage(room.telegram, GROUP);
  for (const words of [
    '481-207'.split('').join(' '),
    'Allowed for this conversation',
    'not before the backup',
    '2 machines',
  ]) {
    expect(page).toContain(words);
  }
  if (process.env.SHOTS !== undefined) renderChat(room.telegram, GROUP, join(process.env.SHOTS, 'telegram.html'));
});
