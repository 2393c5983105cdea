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

it('a morning of questions', async () => {
  room.telegram.addForum(GROUP);
  room.pageUrl = 'https://hub.tailnet.ts.net:7700/';
  room.start();
  const { attention } = room.hub;
  const whose = { from: 'laptop/api#3f2a9c7e11', agent: 'claude', cwd: '/home/ann/api', cut: false } as const;
  const tool = { ...whose, kind: 'tool' as const, suggestions: [] };
  room.hub.approval({
    ...{ ...tool, tool: 'Bash', summary: 'npm publish --access public', intent: 'Publish the release' },
    ...{ input: 'npm publish --access public && git push --tags', suggestions: ['Always allow Bash(npm publish:*)'] },
  });
  room.hub.approval({
    ...{ ...tool, tool: 'Edit', summary: 'src/server.ts' },
    input: '--- a/src/server.ts\n+++ b/src/server.ts\n@@ -10,3 +10,3 @@\n const port =\n-  8080;\n+  8081;\n',
  });
  room.hub.approval({
    ...{ ...tool, tool: 'ExitPlanMode', summary: 'Move the users', plan: true, suggestions: ['Yes, and accept edits'] },
    input:
      '# Move the users\n\n1. **Copy** the table `users`\n2. Switch the readers\n3. Drop the old one\n\n## Tests\n- all of them',
  });
  const question = { ...whose, kind: 'question', source: 'ask_user', summary: 'Which database?' } as const;
  const free = { multiple: false, freeText: true, optional: false };
  const several = room.hub.approval({
    ...question,
    context: 'The service needs a place for its data. There are two of us who will run it.',
    questions: [
      {
        ...{ ...free, id: 'a', header: 'Database', text: 'Which database shall I use?' },
        options: [
          { label: 'PostgreSQL', description: 'As the other services do' },
          { label: 'SQLite', description: 'One file, nothing to run' },
        ],
      },
      {
        ...free,
        id: 'b',
        header: 'Parts',
        text: 'Which parts need it?',
        multiple: true,
        options: ['API', 'Web', 'Jobs', 'CLI'].map((label) => ({ label })),
      },
      { ...free, id: 'c', text: 'What shall it be called?', options: [], optional: true },
    ],
  });
  room.hub.approval({
    ...question,
    questions: [
      {
        ...{
          ...free,
          id: 'a',
          text: 'Wie soll ich mit den alten Daten umgehen, die noch im früheren Format gespeichert sind?',
        },
        options: [
          { label: 'Beim ersten Lesen umwandeln und im neuen Format zurückschreiben' },
          { label: 'In einem Durchgang umwandeln, solange der Dienst steht' },
          { label: 'すべて削除して、新しい形式で最初からやり直します（バックアップは残します）' },
        ],
      },
    ],
  });
  await room.settled();
  const card = () => room.found('3 things');
  await room.press(card(), ANN, 'PostgreSQL');
  await room.settled();
  for (const part of ['API', 'Jobs']) {
    await room.press(card(), ANN, part);
    await room.settled();
  }
  attention.show({
    ...{ key: 'session:server/77', kind: 'trust', title: 'server/web asks whether it may trust its folder' },
    ...{ text: 'Do you trust the files in /srv/web?', path: '/#/sessions/server/77' },
  });
  attention.ring = [];
  attention.show({
    ...{ key: 'session:desk/12', kind: 'rate_limit', title: 'desk/docs has reached a limit' },
    ...{ text: 'Five-hour limit\nIt ends at 2026-11-21 17:00 UTC.', path: '/#/sessions/desk/12' },
  });
  await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('has reached a limit')));
  await room.settled();
  attention.withdraw('session:server/77', 'Answered at the terminal');
  await room.press(room.found('src/server.ts'), ANN, 'say why');
  await room.settled();
  room.telegram.write(GROUP, ANN, 'Keep the port, please', { replyTo: room.found('why not?').id });
  await room.press(room.found('npm publish'), ANN, 'Allow once');
  await room.settled();
  const publish = [...room.hub.approvals.values()][0];
  const at = new Date(room.clock.now()).toISOString();
  if (publish !== undefined)
    room.hub.setApproval({
      ...(room.hub.approvals.get(publish.id) ?? publish),
      effect: { state: 'failed', reason: 'the screen had changed', at },
    });
  for (const command of ['/attention', '/quiet 22:00-07:00 Europe/Paris', '/mute laptop/* 1d'])
    room.telegram.write(GROUP, ANN, command);
  await room.settled();
  expect(room.telegram.refusals()).toEqual([]);
  expect(room.hub.approvals.get(several.id)?.state).toBe('pending');
  const page = chatPage(room.telegram, GROUP);
  for (const words of ['2 of 3', '☑ Jobs', 'Keep the port, please', 'Not done', 'Answered at the terminal']) {
    expect(page).toContain(words);
  }
  if (process.env.SHOTS !== undefined)
    renderChat(room.telegram, GROUP, join(process.env.SHOTS, 'telegram-attention.html'));
});
