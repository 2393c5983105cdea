/** What is held and why: policy, the order behind held messages, the loop guard, and replies that need no second approval. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoopGuard } from '../../../src/hub/messaging/loop-guard.ts';
import { DEFAULT_LIMITS } from '../../../src/hub/messaging/context.ts';
import { ALLOW_ALL, sessionOf, TestHub } from '../../support/hub-core.ts';
import type { FakeDaemon } from '../../support/fake-daemon.ts';

let hub: TestHub;
let server: FakeDaemon;
let laptop: FakeDaemon;

beforeEach(async () => {
  hub = await TestHub.start();
  laptop = await hub.machine('laptop', ['app', 'other'], [sessionOf('aaaa1111')]);
  server = await hub.machine('server', ['api']);
});
afterEach(() => hub.close());

const rest = { fromProject: 'api' } as const;

describe('a message that policy asks about', () => {
  it('is held with its approval; Allow sends it, and the frame says who approved', async () => {
    const sent = await hub.send('laptop', { to: 'server/api', body: 'drop the table' });
    expect(sent.state).toBe('held');
    const [approval] = await hub.pending();
    expect(approval).toMatchObject({
      kind: 'message',
      subject: { body: 'drop the table', from: 'laptop/app', to: 'server/api' },
    });
    expect((await hub.core.messaging.thread(sent.threadId, { limit: 5 })).thread.held).toBe(1);
    await hub.allow(approval);
    await hub.untilState(sent.id, 'dispatched');
    expect(server.messages[0]?.approval).toBe('approved by bob');
    expect((await hub.core.messaging.thread(sent.threadId, { limit: 5 })).thread.held).toBe(0);
    await laptop.until(() => laptop.stored.some((item) => item.item === 'status' && item.status.decidedBy === 'bob'));
  });

  it("Deny ends it with the operator's reason, and the recipient never sees it", async () => {
    const sent = await hub.send('laptop', { to: 'server/api' });
    await hub.deny((await hub.pending())[0], 'not on a Friday');
    expect(await hub.core.messaging.status(sent.id)).toMatchObject({
      state: 'denied',
      reason: 'denied by bob: not on a Friday',
    });
    await laptop.until(() => laptop.stored.length === 1);
    expect(server.messages).toHaveLength(0);
    await expect(hub.core.messaging.trace(sent.id, { machineId: 'server' })).rejects.toMatchObject({
      code: 'unknown_message',
    });
  });

  it('a late No also goes into the session of the sender', async () => {
    await hub.send('laptop', { to: 'server/api', fromSession: 'aaaa1111' });
    await hub.advance(61_000);
    await hub.deny((await hub.pending())[0], 'no');
    await laptop.until(() => laptop.messages.length === 1);
    expect(laptop.messages[0]).toMatchObject({ kind: 'notice', session: 'aaaa1111' });
  });

  it('a rule that denies is final and stored with its rule', async () => {
    hub.policy('rules: [{ from: "laptop/*", to: "server/*", approval: deny, label: "keep out" }]');
    const sent = await hub.send('laptop', { to: 'server/api', requireApproval: 'always' });
    expect(sent.state).toBe('denied');
    expect(sent.rule).toContain('keep out');
    expect(await hub.pending()).toHaveLength(0);
  });

  it('nobody who decides in time means no', async () => {
    const sent = await hub.send('laptop', { to: 'server/api' });
    await hub.advance(24 * 3600_000 + 1);
    await hub.untilState(sent.id, 'expired');
    expect(await hub.pending()).toHaveLength(0);
    expect((await hub.core.approvals.list({ limit: 5 }))[0]?.state).toBe('expired');
  });
});

describe('order behind a held message', () => {
  it('keeps a thread in order for one pair, says so in the trace, and holds up nobody else', async () => {
    hub.policy('rules: [{ message_pattern: "danger", approval: once }, { approval: never }]');
    const first = await hub.send('laptop', { to: 'server/api', body: 'danger 1' });
    const thread = { threadId: first.threadId };
    const second = await hub.send('laptop', { to: 'server/api', body: 'two', ...thread });
    const third = await hub.send('laptop', { to: 'server/api', body: 'danger 3', ...thread });
    const fourth = await hub.send('laptop', { to: 'server/api', body: 'four', ...thread });
    const elsewhere = await hub.send('laptop', { to: 'server/api', body: 'free' });
    await hub.untilState(elsewhere.id, 'dispatched');
    expect((await hub.core.messaging.trace(second.id)).waitsFor).toContain(`waits behind ${first.id}`);
    const approvalOf = async (id: string) =>
      (await hub.pending()).find(
        (approval) => approval.subject.kind === 'message' && approval.subject.messageId === id,
      );

    await hub.allow(await approvalOf(third.id));
    await hub.settled();
    expect(server.messages.map((message) => message.body)).toEqual(['free']);
    await hub.restart();
    await hub.allow(await approvalOf(first.id));
    await hub.untilState(fourth.id, 'dispatched');
    expect(server.messages.map((message) => message.body)).toEqual(['free', 'danger 1', 'two', 'danger 3', 'four']);
  });

  it('goes on when the held one ends', async () => {
    hub.policy('rules: [{ message_pattern: "danger", approval: once }, { approval: never }]');
    const first = await hub.send('laptop', { to: 'server/api', body: 'danger' });
    const second = await hub.send('laptop', { to: 'server/api', body: 'two', threadId: first.threadId });
    await hub.core.messaging.cancel(first.id, { machineId: 'laptop' }, undefined);
    await hub.untilState(second.id, 'dispatched');
    expect(server.messages.map((message) => message.body)).toEqual(['two']);
  });
});

describe('the answer to an approved message', () => {
  it('passes once by the built-in rule; the next one goes through policy', async () => {
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask' });
    await hub.allow((await hub.pending())[0]);
    const answer = await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id });
    expect([answer.state, answer.rule]).toEqual(['queued', expect.stringContaining('built-in')]);
    const more = await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id });
    expect(more.state).toBe('held');
  });

  it('is a privilege of its recipient, back to its sender, and only once it was let through', async () => {
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask' });
    await expect(hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id })).rejects.toMatchObject({
      code: 'unknown_message',
    });
    await hub.allow((await hub.pending())[0]);
    expect((await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id, to: 'laptop/other' })).state).toBe(
      'held',
    );
    expect((await hub.send('laptop', { kind: 'reply', inReplyTo: ask.id, to: 'server/api' })).state).toBe('held');
    expect((await hub.core.messaging.status(ask.id)).answer).toBeUndefined();
  });

  it('counts as the answer only when it is accepted', async () => {
    hub.policy('rules: [{ type: reply, approval: once }, { approval: never }]');
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask' });
    await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id, body: 'yes' });
    expect((await hub.core.messaging.status(ask.id)).state).not.toBe('answered');
    await hub.allow((await hub.pending())[0]);
    expect((await hub.core.messaging.status(ask.id)).state).toBe('answered');
  });
});

describe('the loop guard', () => {
  it('holds what comes too fast from a pair, with the reason, and lets it go again later', async () => {
    hub.policy(ALLOW_ALL);
    const states: string[] = [];
    for (let n = 0; n < 32; n += 1) states.push((await hub.send('laptop', { to: 'server/api' })).state);
    expect(states.filter((state) => state === 'held')).toHaveLength(2);
    expect((await hub.pending())[0]?.rule).toContain('loop guard: 32 messages of this pair');
    await hub.advance(120_000);
    expect((await hub.send('laptop', { to: 'server/api' })).state).toBe('queued');
  });

  it('holds a sixth reply to one message and a question too deep', async () => {
    hub.policy(ALLOW_ALL);
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask', depth: 4 });
    expect(ask.state).toBe('queued');
    for (let n = 0; n < 5; n += 1)
      expect((await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id })).state).toBe('queued');
    expect((await hub.send('server', { ...rest, kind: 'reply', inReplyTo: ask.id })).state).toBe('held');
    expect((await hub.send('laptop', { to: 'server/api', kind: 'ask', depth: 5 })).state).toBe('held');
  });

  it('refuses more when too much waits already, and floods of people', async () => {
    const first = await hub.send('laptop', { to: 'server/api' });
    const send = () => hub.send('laptop', { to: 'server/api', threadId: first.threadId });
    for (let n = 1; n < 50; n += 1) await send();
    await expect(send()).rejects.toMatchObject({ code: 'limit_reached' });
    for (let n = 0; n < 30; n += 1) await hub.send('server', { ...rest, to: 'human' });
    await expect(hub.send('server', { ...rest, to: 'human' })).rejects.toMatchObject({ code: 'limit_reached' });
  });

  it('remembers a bounded number of pairs', () => {
    const guard = new LoopGuard(DEFAULT_LIMITS);
    for (let n = 0; n < 50_000; n += 1) guard.count(`a/${n}`, 'b/c', n);
    expect(guard.count('a/49999', 'b/c', 50_000)).toBe(2);
    expect(guard.count('a/0', 'b/c', 50_000)).toBe(1);
  });
});
