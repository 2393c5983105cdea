import { setImmediate as breathe } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkTelegram } from '../../../src/hub/telegram/check.ts';
import { TelegramEmulator } from '../../support/telegram-emulator/emulator.ts';
import type { ShownMessage } from '../../support/telegram-emulator/chats.ts';
import { ANN, BOB, GROUP, Room, STRANGER, VIEWER } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
});
afterEach(() => room.close());

const first = { from: 'laptop/api', to: 'server/web' };
const cardButtons = (message: ShownMessage) => message.buttons.flat().map((button) => button.text);

/** The only card of the chat, or the newest. */
function card(): ShownMessage {
  const found = room.telegram.messages(GROUP).findLast((message) => message.content.text.includes('Asked because'));
  if (found === undefined) throw new Error('there is no card');
  return found;
}

async function open(): Promise<void> {
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
}

const containing = (text: string): unknown => expect.stringContaining(text);

describe('cards', () => {
  it('shows the whole message, takes Allow, and keeps the text with who, where and when', async () => {
    await open();
    const { approval, message } = room.hub.held({ ...first, body: 'Please run <all> & "every" test' });
    await room.settled();
    const [topic] = room.telegram.topics(GROUP);
    expect(topic?.name).toBe('laptop/api ⇄ server/web: Please run <all> & "every" test');
    expect(card()).toMatchObject({ topic: topic?.id, silent: false });
    expect(card().content.text).toContain("From: laptop/api (on Ann's laptop)");
    expect(card().content.text).toContain('Please run <all> & "every" test');
    expect(card().content.text).toContain('rule 2 "agents ask first"');
    expect(cardButtons(card())).toEqual(['✅ Allow once', '✅ This conversation', '✅ Always', '⛔ Deny']);
    const pressed = room.telegram.press(GROUP, card().id, ANN, 'This conversation');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
    expect(room.hub.approvals.get(approval.id)?.decision).toMatchObject({
      by: 'ann',
      via: 'telegram',
      scope: 'mission',
    });
    expect(await pressed).toEqual({ text: 'Allowed for this conversation.', alert: false });
    room.hub.move(message.id, { state: 'delivered' });
    await room.settled();
    // seed: the press replaced the text of the card and destroyed the record
    expect(card().content.text).toContain('Please run <all> & "every" test');
    expect(card().content.text).toContain('Allowed for this conversation by ann (Telegram), 21 Nov 14:00 UTC');
    expect(card().content.text).toContain('✓ delivered');
    expect(card().buttons).toEqual([]);
    expect(room.telegram.messages(GROUP)).toHaveLength(1);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('a second answer loses and both see the first', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    const one = room.telegram.press(GROUP, card().id, ANN, 'Allow once');
    const two = room.telegram.press(GROUP, card().id, BOB, 'Deny');
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 2);
    expect([await one, await two]).toEqual([
      { text: 'Allowed once.', alert: false },
      { text: 'It was already allowed by ann.', alert: true },
    ]);
    expect(room.hub.approvals.get(approval.id)?.state).toBe('allowed');
    await room.settled();
    expect(card().content.text).toContain('Allowed once by ann');
  });

  it('answered on the web page: the card says so and a press on old buttons decides nothing', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    const allow = card().buttons.flat()[0]?.data ?? '';
    room.hub.decide(approval.id, 'bob', 'web', 'deny', { reason: 'not now' });
    await room.settled();
    expect(card().content.text).toContain('Denied by bob (web page)');
    expect(card().content.text).toContain('Reason: not now');
    expect(card().buttons).toEqual([]);
    const late = room.telegram.pressData(GROUP, card().id, ANN, allow);
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 1);
    expect(await late).toEqual({ text: 'It was already denied by bob.', alert: true });
  });

  it('expires in words and without buttons (seed: timeouts left live buttons)', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    room.hub.setApproval({ ...approval, state: 'expired' });
    await room.settled();
    expect(card().content.text).toContain('Expired: nobody decided until 22 Nov 14:00 UTC');
    expect(card().buttons).toEqual([]);
  });

  it('refuses a press when what is asked has changed, and shows the new text', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'harmless' });
    await room.settled();
    const { subject } = approval;
    if (subject.kind === 'join') throw new Error('not a message');
    // The change reaches the hub's store but not yet this surface.
    const changed = { ...approval, subject: { ...subject, body: 'rm -rf /' }, shownHash: 'f'.repeat(64) };
    room.hub.approvals.set(approval.id, changed);
    const press = room.telegram.press(GROUP, card().id, ANN, 'Allow once');
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 1);
    expect((await press).text).toContain('changed since the card was shown');
    expect(room.hub.approvals.get(approval.id)?.state).toBe('pending');
    await room.settled();
    expect(card().content.text).toContain('rm -rf /');
  });

  it('a long text is cut in words, with its length and the whole as a file (seed: over 4096 could not be routed)', async () => {
    await open();
    const body = `${'0123456789 '.repeat(2_000)}END`;
    room.hub.held({ ...first, body });
    await room.settled();
    expect(card().content.text).toContain('Cut: you see the first');
    expect(card().content.text).toContain('of 22,003 characters');
    const file = room.telegram.messages(GROUP).find((message) => message.document !== undefined);
    expect(file?.document?.text).toBe(body);
    expect(file?.replyTo).toBe(card().id);
  });

  it('stays one message with the longest of everything', async () => {
    await open();
    const from = `${'m'.repeat(64)}/${'p'.repeat(100)}/${'p'.repeat(99)}#${'s'.repeat(64)}`;
    const to = `${'n'.repeat(64)}/${'q'.repeat(100)}/${'q'.repeat(99)}#${'t'.repeat(64)}`;
    const { approval, message } = room.hub.held({ from, to, body: '<&>'.repeat(30_000), kind: 'ask' });
    await room.settled();
    room.hub.decide(approval.id, 'o'.repeat(64), 'web', 'deny', { reason: 'r'.repeat(500) });
    room.hub.move(message.id, { state: 'denied', reason: 'r'.repeat(500) });
    await room.settled();
    expect(card().content.text).toContain(from);
    expect(card().content.text).toContain('Denied by');
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('takes a reason with /deny as a reply', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'Drop the database' });
    await room.settled();
    room.telegram.write(GROUP, ANN, '/deny@intercom_test_bot not before\nthe backup', {
      topic: card().topic ?? 0,
      replyTo: card().id,
    });
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'denied');
    expect(room.hub.approvals.get(approval.id)?.decision?.reason).toBe('not before the backup');
  });

  it('shows the code of a join in General, and takes Approve', async () => {
    await open();
    const approval = room.hub.approval({
      kind: 'join',
      machineId: 'desk',
      displayName: 'Desk <b>',
      ip: '100.101.3.7',
      daemonUrl: 'http://100.101.3.7:7701',
      code: '481-207',
      replaces: true,
    });
    await room.settled();
    const [join] = room.telegram.messages(GROUP, 'general');
    expect(join?.content.text).toContain('4 8 1 - 2 0 7');
    expect(join?.content.text).toContain('This machine is known already');
    expect(join === undefined ? [] : cardButtons(join)).toEqual(['✅ Approve', '⛔ Deny']);
    void room.telegram.press(GROUP, join?.id ?? 0, ANN, 'Approve');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
  });

  it('a text cannot pass for a part of its card, nor hide what it says', async () => {
    await open();
    room.hub.held({ ...first, body: 'hello\n✅ Always allowed by ann\n<b>To:</b> \u202eevil' });
    await room.settled();
    const { content } = card();
    const quote = content.entities.find((entity) => entity.type === 'blockquote');
    const quoted = content.text.slice(quote?.offset ?? 0, (quote?.offset ?? 0) + (quote?.length ?? 0));
    expect(quoted).toBe('hello\n✅ Always allowed by ann\n<b>To:</b> ‹U+202E›evil');
  });
});

describe('who may', () => {
  it('strangers get silence, and "not allowed" on a button', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    room.telegram.addPrivate(STRANGER);
    const before = room.telegram.calls.length;
    for (let turn = 0; turn < 5; turn += 1) room.telegram.write(STRANGER, STRANGER, '/start');
    room.telegram.write(GROUP, STRANGER, '/approvals');
    const press = room.telegram.press(GROUP, card().id, STRANGER, 'Always');
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 1);
    expect((await press).text).toContain('not allowed');
    await room.pass(5_000);
    expect(room.hub.approvals.get(approval.id)?.state).toBe('pending');
    expect(room.telegram.calls.slice(before).filter((call) => call.method === 'sendMessage')).toEqual([]);
    expect(room.logged.filter((line) => line.includes('was ignored'))).toHaveLength(1);
  });

  it('an empty allow-list means nobody', async () => {
    room.config = { ...room.config, allowedUsers: [] };
    room.hub.operators.clear();
    await open();
    expect(room.hub.notices.get('telegram.nobody')?.text).toContain('No Telegram user is allowed');
    room.telegram.write(GROUP, ANN, '/status');
    await room.pass(3_000);
    expect(room.telegram.texts(GROUP)).toEqual([]);
  });

  it('the role is checked when the button is pressed, not when the card was sent', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    room.hub.operators.set(BOB, { name: 'bob', role: 'viewer' });
    const presses = [
      room.telegram.press(GROUP, card().id, BOB, 'Always'),
      room.telegram.press(GROUP, card().id, VIEWER, 'Deny'),
    ];
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 2);
    for (const press of presses) expect((await press).text).toContain('viewer');
    expect(room.hub.approvals.get(approval.id)?.state).toBe('pending');
  });

  it('a button that was copied to another message decides nothing, nor does made-up data', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'one' });
    room.hub.held({ ...first, body: 'two' });
    await room.settled();
    const data =
      room.telegram.messages(GROUP).find((message) => message.content.text.includes('one'))?.buttons[0]?.[0]?.data ??
      '';
    const presses = [data, 'a:x:o:1', '', 'approve:1:always'].map((each) =>
      room.telegram.pressData(GROUP, card().id, ANN, each),
    );
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === presses.length);
    for (const press of presses) expect((await press).alert).toBe(true);
    expect(room.hub.approvals.get(approval.id)?.state).toBe('pending');
  });

  it('does nothing in a foreign group', async () => {
    await open();
    room.telegram.addForum(-100555);
    room.telegram.write(-100555, ANN, '/status');
    room.telegram.push({ my_chat_member: { chat: { id: -100555, type: 'supergroup', title: 'x' } } });
    await room.pass(3_000);
    expect(room.telegram.texts(-100555)).toEqual([]);
  });

  it('no update, however odd, ends the surface', async () => {
    await open();
    const leaf = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.constant(null),
      fc.boolean(),
      fc.constant(GROUP),
      fc.constant(ANN),
    );
    const known = fc.record(
      {
        message_id: leaf,
        from: fc.record({ id: leaf }),
        chat: fc.record({ id: leaf, type: fc.constantFrom('private', 'supergroup', 1) }),
        text: leaf,
        data: leaf,
        id: leaf,
        message: fc.object(),
      },
      { requiredKeys: [] },
    );
    const update = fc.dictionary(
      fc.constantFrom('message', 'edited_message', 'callback_query', 'my_chat_member', 'poll'),
      fc.oneof(known, fc.object(), leaf),
    );
    for (const odd of fc.sample(update, 300)) room.telegram.push(odd);
    await room.settled();
    room.telegram.write(GROUP, ANN, '/machines');
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('2 machines')));
    expect(room.logged.filter((line) => line.includes('"level":50'))).toEqual([]);
  });

  it('odd updates are skipped and harm nobody', async () => {
    await open();
    room.telegram.push({ message: { message_id: 'x', chat: 5 } });
    room.telegram.push({ callback_query: { id: 7 } });
    room.telegram.push({ something_new: [] });
    room.telegram.push({ message: { message_id: 1, chat: { id: GROUP, type: 'supergroup' }, text: null } });
    room.telegram.write(GROUP, ANN, '/machines');
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('2 machines')));
  });
});

describe('conversations', () => {
  it('mirrors messages in one topic per thread, quietly, and edits the state line sparingly', async () => {
    await open();
    const message = room.hub.message({ ...first, kind: 'chat', body: 'Hello **you**:\n```sh\nls -l\n```' });
    await room.settled();
    for (const state of ['dispatched', 'written'] as const) room.hub.move(message.id, { state });
    await room.settled();
    const [mirror] = room.telegram.messages(GROUP);
    expect(mirror).toMatchObject({ silent: true, edits: 0 });
    expect(mirror?.content.text).toBe('💬 laptop/api → server/web\nHello you:\nls -l\n⏳ on its way');
    room.hub.move(message.id, { state: 'delivered' });
    room.hub.move(message.id, { state: 'seen' });
    await room.settled();
    expect(mirror?.edits).toBe(1);
    expect(mirror?.content.text).toContain('✓ delivered');
    room.hub.message({ threadId: message.threadId, from: 'server/web', to: 'laptop/api', kind: 'reply', body: 'Hi' });
    await room.settled();
    expect(room.telegram.topics(GROUP)).toHaveLength(1);
    expect(room.telegram.texts(GROUP, mirror?.topic)).toHaveLength(2);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('seed: two first messages open two topics', async () => {
    await open();
    const { threadId } = room.hub.message({ ...first, body: 'one' });
    room.hub.message({ ...first, threadId, body: 'two' });
    room.hub.held({ ...first, threadId, body: 'three' });
    await room.settled();
    expect(room.telegram.callsOf('createForumTopic')).toHaveLength(1);
    expect(room.telegram.messages(GROUP, room.telegram.topics(GROUP)[0]?.id)).toHaveLength(3);
  });

  it('seed: after a restart a new message opens a second topic', async () => {
    await open();
    const { threadId } = room.hub.message({ ...first, body: 'one' });
    await room.settled();
    await room.restart();
    room.hub.message({ ...first, threadId, body: 'two' });
    await room.settled();
    expect(room.telegram.topics(GROUP)).toHaveLength(1);
    expect(room.telegram.texts(GROUP)).toHaveLength(2);
  });

  it('a topic that people delete is made again once, with the open card; then General is used', async () => {
    await open();
    const { message } = room.hub.held({ ...first, body: 'decide me' });
    await room.settled();
    for (let turn = 0; turn < 2; turn += 1) {
      room.telegram.deleteTopic(GROUP, room.telegram.topics(GROUP)[0]?.id ?? 0);
      room.hub.message({ ...first, threadId: message.threadId, body: `more ${turn}` });
      await room.settled();
    }
    expect(room.telegram.callsOf('createForumTopic')).toHaveLength(2);
    expect(cardButtons(card())).toContain('⛔ Deny');
    expect(card().topic).toBeUndefined();
    expect(room.telegram.texts(GROUP, 'general').some((text) => text.includes('more 1'))).toBe(true);
  });

  it('long messages come in parts with their code blocks, longer ones as beginning and file', async () => {
    await open();
    const code = Array.from({ length: 400 }, (_, line) => `const line${line} = "<${line}>";`).join('\n');
    room.hub.message({ ...first, body: `Look:\n\`\`\`ts\n${code}\n\`\`\`` });
    const long = 'Lorem ipsum dolor. '.repeat(3_000);
    room.hub.message({ ...first, body: long });
    await room.settled();
    const [one, two] = room.telegram.topics(GROUP).map((topic) => room.telegram.messages(GROUP, topic.id));
    expect(one?.length).toBeGreaterThan(1);
    for (const part of one ?? []) expect(part.content.entities.map((entity) => entity.type)).toContain('pre');
    expect(two).toHaveLength(2);
    expect(two?.[1]?.document?.text).toBe(long);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('a message to a person rings, and the hub learns that it was shown', async () => {
    await open();
    const message = room.hub.message({ from: 'server/web', to: 'human', kind: 'ask', body: 'Restart now?' });
    await room.settled();
    const [shown] = room.telegram.messages(GROUP);
    expect(shown?.silent).toBe(false);
    expect(room.hub.shown).toEqual([{ id: message.id, via: 'telegram', proof: `Telegram message ${shown?.id}` }]);
  });
});

describe('what an operator writes', () => {
  it('in a topic goes to the agent that wrote last, once, and fares by reactions', async () => {
    await open();
    const question = room.hub.message({
      from: 'server/web',
      to: 'human',
      kind: 'ask',
      body: 'Restart now?',
      state: 'delivered',
    });
    await room.settled();
    const topic = room.telegram.topics(GROUP)[0]?.id ?? 0;
    const written = room.telegram.write(GROUP, ANN, 'Yes, please', { topic });
    await room.until(() => room.telegram.message(GROUP, written).reaction === '👀');
    const sent = [...room.hub.messages.values()].find((message) => message.body === 'Yes, please');
    expect(sent).toMatchObject({
      from: 'human:ann',
      to: 'server/web',
      inReplyTo: question.id,
      threadId: question.threadId,
      kind: 'reply',
    });
    room.hub.move(sent?.id ?? '', { state: 'delivered' });
    await room.until(() => room.telegram.message(GROUP, written).reaction === '👌');
    expect(room.telegram.texts(GROUP)).toHaveLength(1);
    room.hub.move(sent?.id ?? '', { state: 'failed', reason: 'the session ended' });
    await room.until(() =>
      room.telegram.texts(GROUP).some((text) => text.includes('not delivered: the session ended')),
    );
  });

  it('as a reply goes to the agent of that message, and says to whom when there are two', async () => {
    await open();
    const one = room.hub.message({ ...first, body: 'one' });
    room.hub.message({ threadId: one.threadId, from: 'server/web', to: 'laptop/api', body: 'two' });
    await room.settled();
    const [mirror] = room.telegram.messages(GROUP);
    room.telegram.write(GROUP, ANN, 'For the first', { topic: mirror?.topic ?? 0, replyTo: mirror?.id ?? 0 });
    await room.until(() => room.telegram.texts(GROUP).includes('→ laptop/api'));
    const sent = [...room.hub.messages.values()].find((message) => message.body === 'For the first');
    expect(sent).toMatchObject({ to: 'laptop/api', inReplyTo: one.id });
  });

  it('an update that comes twice submits once', async () => {
    await open();
    const { threadId } = room.hub.message({ ...first, body: 'one' });
    await room.settled();
    const topic = room.telegram.topics(GROUP)[0]?.id ?? 0;
    room.telegram.loseAnswers('getUpdates', 1);
    room.telegram.write(GROUP, ANN, 'twice', { topic });
    const mine = () => [...room.hub.messages.values()].filter((message) => message.body === 'twice');
    await room.until(() => mine().length > 0);
    await room.settled();
    expect(mine()).toHaveLength(1);
    expect(mine()[0]?.threadId).toBe(threadId);
  });

  it('other content, edits, viewers and other places get one kind answer', async () => {
    await open();
    room.hub.message({ ...first, body: 'one' });
    await room.settled();
    const topic = room.telegram.topics(GROUP)[0]?.id ?? 0;
    room.telegram.sendMedia(GROUP, ANN, 'photo', { topic });
    room.telegram.sendMedia(GROUP, ANN, 'new_chat_title', { topic });
    room.telegram.write(GROUP, ANN, 'hello?');
    room.telegram.write(GROUP, ANN, 'hello again?');
    const viewer = room.telegram.write(GROUP, VIEWER, 'let me', { topic });
    room.telegram.edit(GROUP, viewer, 'let me in');
    room.telegram.write(GROUP, ANN, '/nonsense');
    await room.pass(2_000);
    await room.settled();
    const answers = room.telegram.texts(GROUP).slice(1);
    expect(answers.map((text) => text.slice(0, 40)).sort()).toEqual(
      [
        'Only text goes through for now. Please w',
        'To write to an agent, write in its conve',
        'As a viewer you may read, but not write ',
        'Changes to a message do not reach the ag',
        'I do not know /nonsense. /help lists wha',
      ].sort(),
    );
  });

  it('registers its commands and answers each', async () => {
    await open();
    for (const command of ['/start', '/help', '/agents', '/machines', '/approvals', '/status'])
      room.telegram.write(GROUP, ANN, command);
    await room.pass(10_000);
    await room.settled();
    expect(room.telegram.texts(GROUP)).toHaveLength(6);
    expect(JSON.stringify(room.telegram.commands.value)).toContain('approvals');
  });

  it('gives a sign-in link in a private chat and nowhere else', async () => {
    await open();
    room.telegram.addPrivate(ANN);
    room.telegram.write(GROUP, ANN, '/login');
    room.telegram.write(ANN, ANN, '/login');
    await room.pass(10_000);
    await room.settled();
    expect(room.telegram.texts(GROUP).join()).not.toContain('sign-in/');
    expect(room.telegram.texts(ANN).join()).toContain('https://hub.test/#/sign-in/code-of-ann');
  });

  it('without topics, a private chat with an allowed user is the home', async () => {
    room.config = { ...room.config, supergroupId: undefined };
    room.telegram.addPrivate(ANN);
    room.start();
    const { approval } = room.hub.held({ ...first, body: 'private' });
    await room.settled();
    const [shown] = room.telegram.messages(ANN);
    void room.telegram.press(ANN, shown?.id ?? 0, ANN, 'Allow once');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
    room.telegram.write(ANN, ANN, 'and thanks', { replyTo: shown?.id ?? 0 });
    await room.until(() => [...room.hub.messages.values()].some((message) => message.body === 'and thanks'));
    expect([...room.hub.notices.keys()]).toEqual([]);
  });
});

describe('faults', () => {
  it('network away for hours: everything is kept, then comes in order', async () => {
    await open();
    room.telegram.goAway();
    const { threadId } = room.hub.message({ ...first, body: 'message 0' });
    for (let number = 1; number < 6; number += 1) room.hub.message({ ...first, threadId, body: `message ${number}` });
    await room.pass(30_000);
    room.clock.advance(3 * 3_600_000);
    await room.until(() => room.hub.notices.has('telegram.network'));
    expect((await room.status()).state).toBe('degraded');
    room.telegram.comeBack();
    await room.settled();
    const order = room.telegram.texts(GROUP).map((text) => /message \d/.exec(text)?.[0]);
    expect(order).toEqual([0, 1, 2, 3, 4, 5].map((number) => `message ${number}`));
    expect(room.hub.notices.has('telegram.network')).toBe(false);
    expect(room.hub.raised.filter((key) => key === 'telegram.network')).toHaveLength(1);
  });

  it('a burst keeps the pace: no flood refusal, cards first, all in order', async () => {
    await open();
    const { threadId } = room.hub.message({ ...first, body: 'message 00' });
    for (let number = 1; number < 30; number += 1) {
      room.hub.message({ ...first, threadId, body: `message ${String(number).padStart(2, '0')}` });
    }
    const { approval } = room.hub.held({ from: 'desk/x', to: 'desk/y', body: 'urgent' });
    await room.until(() => room.telegram.texts(GROUP).some((text) => text.includes('urgent')));
    expect(room.telegram.texts(GROUP).length).toBeLessThan(15);
    void room.telegram.press(GROUP, card().id, ANN, 'Deny');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'denied');
    await room.settled();
    expect(room.telegram.refusals()).toEqual([]);
    const order = room.telegram.texts(GROUP).flatMap((text) => /message \d\d/.exec(text)?.[0] ?? []);
    expect(order).toHaveLength(30);
    expect(order).toEqual([...order].sort());
  });

  it('429: waits as long as it is told, then goes on', async () => {
    await open();
    room.telegram.refuseNext('sendMessage', 429, 'Too Many Requests: retry after 40', { retry_after: 40 });
    room.hub.message({ ...first, body: 'slow' });
    await room.settled();
    const [refused, taken] = room.telegram.callsOf('sendMessage');
    expect((taken?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(40_000);
    expect(room.telegram.texts(GROUP)).toHaveLength(1);
  });

  it('a lost answer shows a card twice rather than never, and the newer one lives', async () => {
    await open();
    room.telegram.loseAnswers('sendMessage', 1);
    const { approval } = room.hub.held({ ...first, body: 'seen twice' });
    await room.settled();
    expect(room.telegram.texts(GROUP).filter((text) => text.includes('seen twice'))).toHaveLength(2);
    void room.telegram.press(GROUP, card().id, ANN, 'Allow once');
    await room.until(() => room.hub.approvals.get(approval.id)?.state === 'allowed');
  });

  it('a call that Telegram will not take is given up after some tries, with a notice; others go on', async () => {
    await open();
    for (let turn = 0; turn < 4; turn += 1) room.telegram.refuseNext('sendMessage', 400, 'Bad Request: SOMETHING_ODD');
    room.hub.message({ ...first, body: 'odd' });
    await room.until(() => room.hub.notices.has('telegram.dropped'));
    room.hub.message({ ...first, body: 'fine' });
    await room.settled();
    expect(room.telegram.texts(GROUP).some((text) => text.includes('fine'))).toBe(true);
  });

  it('restart: what waited is shown, pending cards are there, cards decided meanwhile say so', async () => {
    room.telegram.addForum(GROUP);
    const early = room.hub.held({ ...first, body: 'before the first start' });
    room.start();
    await room.settled();
    const pressed = card();
    await room.stop();
    room.hub.decide(early.approval.id, 'bob', 'cli', 'allow');
    room.hub.held({ from: 'desk/x', to: 'desk/y', body: 'while away' });
    await room.restart();
    await room.settled();
    expect(pressed.content.text).toContain('Allowed once by bob (command line)');
    expect(pressed.buttons).toEqual([]);
    expect(card().content.text).toContain('while away');
    await room.restart();
    await room.settled();
    expect(room.telegram.texts(GROUP)).toHaveLength(2);
  });

  it('a restored hub store (another epoch) still updates its cards', async () => {
    await open();
    const { approval } = room.hub.held({ ...first, body: 'x' });
    await room.settled();
    await room.stop();
    room.hub.epoch = 'epoch-2';
    room.hub.decide(approval.id, 'bob', 'cli', 'deny');
    room.start();
    await room.settled();
    expect(card().content.text).toContain('Denied by bob (command line)');
  });

  it('a wrong token is said once and harms nobody', async () => {
    room.config = { ...room.config, botToken: '1234567:wrong-wrong-wrong-wrong-wrong-000' };
    room.start();
    await room.until(() => room.hub.notices.has('telegram.token'));
    room.hub.held({ ...first, body: 'x' });
    await room.pass(700_000);
    expect(room.hub.raised.filter((key) => key === 'telegram.token')).toHaveLength(1);
    expect(await room.status()).toMatchObject({ state: 'refused', outbox: 1 });
    expect(await checkTelegram(room.config)).toMatchObject([
      { name: 'bot', state: 'fail', next: containing('@BotFather') },
    ]);
  });

  it('another poller is said', async () => {
    await open();
    const other = await fetch(`${room.telegram.root}/bot${TelegramEmulator.TOKEN}/getUpdates`);
    expect(other.status).toBe(200);
    await room.until(() => room.hub.notices.has('telegram.conflict'));
    await room.until(() => !room.hub.notices.has('telegram.conflict'));
  });

  it('a group without topics gets plain messages, said once, and topics when they are switched on', async () => {
    const group = room.telegram.addGroup(GROUP);
    group.bot = 'administrator';
    room.start();
    const { threadId } = room.hub.message({ ...first, body: 'plain' });
    await room.settled();
    expect(room.telegram.texts(GROUP, 'general')).toHaveLength(1);
    expect(room.hub.raised.filter((key) => key === 'telegram.topics')).toHaveLength(1);
    group.isForum = true;
    group.mayManageTopics = true;
    room.telegram.changed(group);
    await room.until(() => !room.hub.notices.has('telegram.topics'));
    room.hub.message({ ...first, threadId, body: 'in a topic' });
    await room.settled();
    expect(room.telegram.topics(GROUP)).toHaveLength(1);
  });

  it('rights that are taken away while it runs: messages go on in General', async () => {
    await open();
    const [group] = room.telegram.chats.values();
    if (group === undefined) throw new Error('no group');
    group.mayManageTopics = false;
    room.hub.message({ ...first, body: 'still' });
    await room.until(() => room.telegram.texts(GROUP, 'general').some((text) => text.includes('still')));
    room.telegram.changed(group);
    await room.until(() => room.hub.notices.get('telegram.topics')?.text.includes('may not manage topics') === true);
  });

  it('not in the group: said with what to do, and everything comes once the bot was added', async () => {
    const group = room.telegram.addForum(GROUP);
    group.bot = 'left';
    room.start();
    room.hub.held({ ...first, body: 'patience' });
    await room.until(() => room.hub.notices.has('telegram.chat'));
    expect(room.hub.notices.get('telegram.chat')?.next).toContain('@intercom_test_bot');
    expect(await checkTelegram(room.config)).toMatchObject([
      { name: 'bot', state: 'ok' },
      { name: 'chat', state: 'fail', next: containing('right to manage topics') },
      { name: 'people', state: 'fail' },
    ]);
    await room.pass(120_000);
    group.bot = 'administrator';
    room.telegram.changed(group);
    await room.settled();
    expect(card().content.text).toContain('patience');
    expect(room.hub.notices.has('telegram.chat')).toBe(false);
    expect(room.hub.raised.filter((key) => key === 'telegram.chat')).toHaveLength(1);
  });

  it('a person who did not press Start yet: said, and the card comes after Start', async () => {
    room.config = { ...room.config, supergroupId: undefined };
    const chat = room.telegram.addPrivate(ANN, false);
    room.start();
    room.hub.held({ ...first, body: 'first card' });
    await room.until(() => room.hub.notices.get('telegram.chat')?.next?.includes('press Start') === true);
    chat.bot = 'member';
    room.telegram.write(ANN, ANN, '/start');
    await room.settled();
    expect(room.telegram.texts(ANN).some((text) => text.includes('first card'))).toBe(true);
    expect(room.telegram.texts(ANN).some((text) => text.includes('Hello ann'))).toBe(true);
  });

  it('the group becomes a supergroup: everything goes on there, also after a restart', async () => {
    const old = room.telegram.addGroup(-555);
    room.config = { ...room.config, supergroupId: -555 };
    room.start();
    await room.settled();
    room.telegram.addForum(GROUP);
    old.movedTo = GROUP;
    room.hub.message({ ...first, body: 'moved' });
    await room.settled();
    expect(room.telegram.texts(GROUP).some((text) => text.includes('moved'))).toBe(true);
    await room.restart();
    room.hub.message({ ...first, body: 'again' });
    await room.settled();
    expect(room.telegram.texts(GROUP).some((text) => text.includes('again'))).toBe(true);
  });

  it('the token is in no log line and no notice', async () => {
    await open();
    room.telegram.goAway();
    room.hub.message({ ...first, body: 'x' });
    await room.pass(60_000);
    await room.until(() => room.hub.notices.has('telegram.network'));
    const secret = TelegramEmulator.TOKEN.split(':')[1] ?? '';
    expect(room.logged.length).toBeGreaterThan(0);
    expect(room.logged.join('')).not.toContain(secret);
    expect(JSON.stringify([...room.hub.notices.values()])).not.toContain(secret);
    room.telegram.comeBack();
  });

  it('more than can wait: messages are left out and it is said, cards still come', async () => {
    room.telegram.addForum(GROUP);
    room.telegram.goAway();
    room.start();
    await room.fill(5_000);
    const left = room.hub.message({ ...first, body: 'left out' });
    room.hub.held({ ...first, body: 'still asked' });
    await room.until(() => room.hub.notices.has('telegram.full'));
    await room.until(async () => (await room.status()).outbox === 5_001);
    expect(await room.store().item(`m:${left.id}`)).toBeUndefined();
  });

  it('stops at once, at whatever moment', async () => {
    room.telegram.addForum(GROUP);
    for (let turns = 0; turns < 12; turns += 1) {
      room.start();
      for (let turn = 0; turn < turns * 4; turn += 1) await breathe();
      await room.stop();
    }
  });

  it('off without a token', async () => {
    room.config = { ...room.config, botToken: undefined };
    room.start();
    expect(await room.status()).toEqual({ state: 'off', outbox: 0 });
    expect(await checkTelegram(room.config)).toEqual([]);
  });

  it('doctor asks for token, group, rights and people, each with what to do', async () => {
    const group = room.telegram.addForum(GROUP);
    const states = async () => (await checkTelegram(room.config)).map(({ name, state }) => `${name} ${state}`);
    expect(await states()).toEqual(['bot ok', 'chat ok', 'people ok']);
    group.mayManageTopics = false;
    group.absent.add(BOB);
    expect(await states()).toEqual(['bot ok', 'chat warn', 'people warn']);
    expect((await checkTelegram(room.config)).at(-1)).toMatchObject({
      ...{ text: containing(`${BOB} is allowed, but not in the group`) },
      next: containing('Invite'),
    });
    group.isForum = false;
    room.config = { ...room.config, allowedUsers: [] };
    expect(await states()).toEqual(['bot ok', 'chat ok', 'people warn']);
    room.config = { ...room.config, apiRoot: 'http://127.0.0.1:9' };
    expect(await checkTelegram(room.config)).toMatchObject([{ name: 'bot', state: 'warn' }]);
    expect(JSON.stringify(await checkTelegram(room.config))).not.toContain(room.config.botToken);
  });
});
