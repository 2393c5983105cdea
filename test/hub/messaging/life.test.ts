/** A message's life through the hub: submit, dispatch, receipts, ends; in order, once, and never overstated. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MESSAGE_STATES, canMove } from '../../../src/protocol/message-life.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { Receipt } from '../../../src/protocol/machine-api.ts';
import { ALLOW_ALL, OPERATOR, OWNER, sessionOf, TestHub, VIEWER } from '../../support/hub-core.ts';
import type { FakeDaemon } from '../../support/fake-daemon.ts';

let hub: TestHub;
let laptop: FakeDaemon;
let server: FakeDaemon;

beforeEach(async () => {
  hub = await TestHub.start(ALLOW_ALL);
  laptop = await hub.machine('laptop', ['app'], [sessionOf('aaaa1111')]);
  server = await hub.machine(
    'server',
    ['api', 'web/front'],
    [sessionOf('bbbb1111', 'api'), sessionOf('bbbb2222', 'api')],
  );
});
afterEach(() => hub.close());

const states = async (id: string): Promise<string[]> =>
  (await hub.core.messaging.trace(id)).steps.map((step) => step.state);

describe('a message that is allowed', () => {
  it('goes to the daemon, and its trace tells the way with places, proofs and the rule', async () => {
    const sent = await hub.send('laptop', { to: 'server/api', fromSession: 'aaaa1111', body: 'build it' });
    expect(sent.state).toBe('queued');
    await hub.untilState(sent.id, 'dispatched');
    expect(server.messages).toEqual([
      expect.objectContaining({
        id: sent.id,
        from: 'laptop/app#aaaa1111',
        project: 'api',
        body: 'build it',
        binding: 'exact',
      }),
    ]);
    expect(await hub.receipt('server', sent.id, 'written', { session: 'bbbb1111' })).toBe('applied');
    expect(await hub.receipt('server', sent.id, 'delivered', { session: 'bbbb1111', proof: 'transcript entry' })).toBe(
      'applied',
    );
    expect(await hub.receipt('server', sent.id, 'seen', { session: 'bbbb1111' })).toBe('applied');
    const trace = await hub.core.messaging.trace(sent.id);
    expect(trace.steps.map((step) => [step.state, step.place])).toEqual([
      ['submitted', 'laptop'],
      ['queued', 'hub'],
      ['dispatched', 'server'],
      ['written', 'server'],
      ['delivered', 'server'],
      ['seen', 'server'],
    ]);
    expect(trace.steps[4]?.proof).toBe('transcript entry');
    expect(trace.message.rule).toBe('default rule: allow');
    const moves = hub.heard.filter((event) => event.type === 'message.changed' && event.message.id === sent.id);
    expect(moves).toHaveLength(5);
    expect(hub.heard.map((event) => event.seq)).toEqual(hub.heard.map((_event, index) => index + 1));
  });

  it('is stamped with the machine that signed, whatever the body claims', async () => {
    const sent = await hub.send('laptop', { to: 'server/api', body: 'From: server/api\nhi' });
    await server.until(() => server.messages.length === 1);
    expect(server.messages[0]?.from).toBe('laptop/app');
    expect(sent.to).toBe('server/api');
  });

  it('leaves in the order in which it came, also when the machine was away', async () => {
    server.away();
    const ids: string[] = [];
    for (let batch = 0; batch < 10; batch += 1) {
      const items = Array.from({ length: 25 }, (_none, n) => hub.item({ to: 'server/api', body: `${batch} ${n}` }));
      await hub.core.messaging.submitFromMachine('laptop', items);
      ids.push(...items.map((item) => item.id));
      hub.clock.advance(120_000);
    }
    expect(server.messages).toHaveLength(0);
    server.back();
    await hub.beat('server');
    await server.until(() => server.messages.length === ids.length);
    expect(server.messages.map((message) => message.id)).toEqual(ids);
    expect(server.batches).toBeLessThan(10);
  });

  it('is stored once by the daemon when an acknowledgement was lost', async () => {
    server.losesAnswers = 1;
    const sent = await hub.send('laptop', { to: 'server/api' });
    await server.until(() => server.messages.length === 1);
    await hub.beat('server');
    await hub.untilState(sent.id, 'dispatched');
    expect(server.messages).toHaveLength(1);
  });

  it('large bodies go in requests that fit', async () => {
    server.away();
    const body = 'x'.repeat(250_000);
    for (let n = 0; n < 9; n += 1) await hub.send('laptop', { to: 'server/api', body });
    server.back();
    await hub.beat('server');
    await server.until(() => server.messages.length === 9);
    expect(server.batches).toBeGreaterThanOrEqual(3);
  });
});

describe('a daemon that will not take something', () => {
  it('fails that message with its reason and goes on with the next', async () => {
    const id = newId('message');
    server.refuses.set(id, 'project is not allowed here');
    const [refused, fine] = await hub.core.messaging.submitFromMachine('laptop', [
      hub.item({ id, to: 'server/api' }),
      hub.item({ to: 'server/api' }),
    ]);
    await hub.untilState(id, 'failed');
    expect((await hub.core.messaging.status(id)).reason).toContain('project is not allowed here');
    expect(refused?.ok).toBe(true);
    await hub.untilState(fine?.ok === true ? fine.status.id : '', 'dispatched');
    await laptop.until(() => laptop.stored.some((item) => item.item === 'status' && item.status.state === 'failed'));
  });

  it('finds the one item that it does not understand instead of stopping', async () => {
    const items = [0, 1, 2, 3].map(() => hub.item({ to: 'server/api' }));
    const bad = items[2]?.id ?? '';
    server.poison.add(bad);
    await hub.core.messaging.submitFromMachine('laptop', items);
    while ((await hub.core.messaging.status(bad)).state !== 'failed') {
      const { attempts } = server;
      await hub.beat('server');
      await Promise.race([server.until(() => server.attempts > attempts), hub.untilState(bad, 'failed')]);
    }
    await hub.untilState(bad, 'failed');
    await hub.untilState(items[3]?.id ?? '', 'dispatched');
    expect(server.messages.map((message) => message.id)).toEqual(
      items.filter((item) => item.id !== bad).map((item) => item.id),
    );
  });
});

describe('receipts', () => {
  it('move a message along the table of moves and nowhere else', async () => {
    server.away();
    const pairs = MESSAGE_STATES.flatMap((from) =>
      Receipt.shape.state.options.map((to) => ({ from, to, item: hub.item({ to: 'server/api' }) })),
    );
    await hub.core.messaging.submitFromMachine(
      'laptop',
      pairs.map(({ item }) => item),
    );
    await hub.store.write(async ({ db }) => {
      for (const { from, item } of pairs) {
        await db.updateTable('messages').set({ state: from }).where('id', '=', item.id).execute();
      }
    });
    for (const { from, to, item } of pairs) {
      const result = await hub.receipt('server', item.id, to);
      const now = (await hub.core.messaging.status(item.id)).state;
      const legal = canMove(from, to) && from !== 'held' && from !== 'submitted';
      if (from === to) expect([from, to, result, now]).toEqual([from, to, 'known', from]);
      else if (legal) expect([from, to, result, now]).toEqual([from, to, 'applied', to]);
      else expect([from, to, result, now]).toEqual([from, to, 'stale', from]);
    }
  });

  it('count only from the machine of the recipient', async () => {
    const sent = await hub.send('laptop', { to: 'server/api' });
    expect(await hub.receipt('laptop', sent.id, 'delivered')).toBe('unknown_message');
    expect(await hub.receipt('server', newId('message'), 'delivered')).toBe('unknown_message');
    await hub.untilState(sent.id, 'dispatched');
  });

  it('from a clock that is ahead do not date a step into the future', async () => {
    const sent = await hub.send('laptop', { to: 'server/api' });
    await hub.receipt('server', sent.id, 'delivered', { at: '2099-01-01T00:00:00.000Z' });
    expect((await hub.core.messaging.status(sent.id)).stateSince).toBe(new Date(hub.clock.now()).toISOString());
  });
});

describe('repeats', () => {
  it('of an id give the first message as it is now', async () => {
    const item = hub.item({ to: 'server/api' });
    await hub.core.messaging.submitFromMachine('laptop', [item, item]);
    await hub.untilState(item.id, 'dispatched');
    const [again] = await hub.core.messaging.submitFromMachine('laptop', [{ ...item, body: 'changed' }]);
    expect(again).toMatchObject({ ok: true, status: { id: item.id, state: 'dispatched' } });
    expect(server.messages).toHaveLength(1);
  });

  it('made under another id, because a daemon was killed before it could answer, leads to the first message', async () => {
    const first = await hub.send('laptop', { to: 'server/api', idempotencyKey: 'again' });
    const id = newId('message');
    await hub.send('laptop', { id, to: 'server/api', idempotencyKey: 'again' });
    expect((await hub.core.messaging.trace(id)).message.id).toBe(first.id);
    expect((await hub.core.messaging.status(id)).id).toBe(first.id);
  });

  it('of an idempotency key give the first message whatever its id; another agent may use the same key', async () => {
    const first = await hub.send('laptop', { to: 'server/api', idempotencyKey: 'k' });
    const second = await hub.send('laptop', { to: 'server/api', idempotencyKey: 'k' });
    const other = await hub.send('server', { fromProject: 'api', to: 'laptop/app', idempotencyKey: 'k' });
    expect(second.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
  });

  it("of another sender's id are refused", async () => {
    const first = await hub.send('laptop', { to: 'server/api' });
    await expect(hub.send('server', { id: first.id, fromProject: 'api', to: 'laptop/app' })).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});

describe('recipients', () => {
  it('a project is there as soon as a session in it was heard of, before the list that names it', async () => {
    await hub.core.registry.sessionsChanged('server', [sessionOf('cccc3333', 'new-one')]);
    expect((await hub.send('laptop', { to: 'server/new-one' })).state).not.toBe('failed');
  });

  it.each([
    ['nowhere/app', 'unknown_machine'],
    ['server/nothing', 'unknown_project'],
    ['server/api#ffff', 'unknown_session'],
    ['server/api#bbbb', 'ambiguous'],
    ['human:nobody', 'invalid_request'],
  ])('%s is refused as %s before anything is stored', async (to, code) => {
    const before = hub.heard.length;
    await expect(hub.send('laptop', { to })).rejects.toMatchObject({ code });
    expect((await hub.core.messaging.threads({ limit: 10 })).threads).toHaveLength(0);
    expect(hub.heard).toHaveLength(before);
  });

  it('a refused item harms no other of its batch', async () => {
    const results = await hub.core.messaging.submitFromMachine('laptop', [
      hub.item({ to: 'server/nothing' }),
      hub.item({ to: 'server/web/front' }),
    ]);
    expect(results.map((result) => result.ok)).toEqual([false, true]);
  });

  it('an unambiguous beginning of a session id is enough', async () => {
    expect((await hub.send('laptop', { to: 'server/api#bbbb2' })).to).toBe('server/api#bbbb2222');
  });

  it('a session that has ended is an error that names the project', async () => {
    await hub.core.registry.sessionsChanged('server', [{ ...sessionOf('bbbb2222', 'api'), state: 'ended' }]);
    await expect(hub.send('laptop', { to: 'server/api#bbbb2222' })).rejects.toMatchObject({ code: 'unknown_session' });
  });

  it('nobody writes to their own session', async () => {
    await expect(hub.send('laptop', { fromSession: 'aaaa1111', to: 'laptop/app#aaaa1111' })).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});

describe('threads', () => {
  it('a reply without `to` goes to the session that wrote, as long as it lives', async () => {
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask', fromSession: 'aaaa1111', body: 'ready?' });
    const reply = await hub.send('server', {
      fromProject: 'api',
      fromSession: 'bbbb1111',
      kind: 'reply',
      threadId: ask.threadId,
      body: 'yes',
    });
    expect(reply.to).toBe('laptop/app#aaaa1111');
    await laptop.until(() => laptop.messages.length === 1);
    expect(laptop.messages[0]).toMatchObject({ binding: 'preferred', inReplyTo: ask.id });
    await hub.untilState(ask.id, 'answered');
    expect((await hub.core.messaging.status(ask.id)).answer).toMatchObject({ id: reply.id, body: 'yes' });
    await laptop.until(() =>
      laptop.stored.some((item) => item.item === 'status' && item.status.answer?.body === 'yes'),
    );
  });

  it('seed: replies die on hub restart', async () => {
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask', fromSession: 'aaaa1111' });
    await hub.restart();
    const reply = await hub.send('server', { fromProject: 'api', kind: 'reply', threadId: ask.threadId });
    expect(reply.to).toBe('laptop/app#aaaa1111');
    expect((await hub.core.messaging.status(ask.id)).state).toBe('answered');
  });

  it('seed: 6-hex ids collide: a thread id of others opens nothing and tells nothing', async () => {
    const theirs = await hub.send('laptop', { to: 'server/api', body: 'secret plan' });
    await hub.machine('third', ['app']);
    await expect(hub.send('third', { to: 'server/api', threadId: theirs.threadId })).rejects.toMatchObject({
      code: 'unknown_thread',
    });
    await expect(hub.send('third', { kind: 'reply', inReplyTo: theirs.id })).rejects.toMatchObject({
      code: 'unknown_message',
    });
    await expect(
      hub.core.messaging.thread(theirs.threadId, { limit: 5 }, { machineId: 'third' }),
    ).rejects.toMatchObject({ code: 'unknown_thread' });
    await expect(hub.core.messaging.trace(theirs.id, { machineId: 'third' })).rejects.toMatchObject({
      code: 'unknown_message',
    });
  });

  it('a daemon may name a new thread that it made while the hub was away', async () => {
    const threadId = newId('thread');
    expect((await hub.send('laptop', { to: 'server/api', threadId })).threadId).toBe(threadId);
    await expect(hub.send('laptop', { threadId: newId('thread'), kind: 'reply' })).rejects.toMatchObject({
      code: 'unknown_thread',
    });
  });

  it('people take part: a message to them waits for being shown, and their answer goes back', async () => {
    const sent = await hub.send('laptop', { to: 'human', kind: 'ask', fromSession: 'aaaa1111', body: 'which colour?' });
    expect(sent.state).toBe('queued');
    await hub.core.messaging.shownToOperator(sent.id, 'telegram', 'message 12');
    await hub.core.messaging.shownToOperator(sent.id, 'web', 'shown twice');
    expect(await states(sent.id)).toEqual(['submitted', 'queued', 'delivered']);
    expect((await hub.core.messaging.operatorInbox({ limit: 5 })).messages.map((message) => message.id)).toEqual([
      sent.id,
    ]);
    const answer = await hub.core.messaging.submitFromOperator(OPERATOR, {
      threadId: sent.threadId,
      kind: 'reply',
      body: 'red',
      priority: 'normal',
    });
    expect(answer.to).toBe('laptop/app#aaaa1111');
    expect((await hub.core.messaging.status(sent.id)).state).toBe('answered');
    const { thread } = await hub.core.messaging.thread(sent.threadId, { limit: 5 });
    expect(thread.participants).toEqual(['laptop/app#aaaa1111', 'human', 'human:bob']);
  });

  it('a viewer writes nothing', async () => {
    await expect(
      hub.core.messaging.submitFromOperator(VIEWER, { to: 'server/api', kind: 'send', body: 'x', priority: 'normal' }),
    ).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('pages go backwards by id and say whether there is more', async () => {
    const first = await hub.send('laptop', { to: 'server/api', body: 'm0' });
    for (let n = 1; n < 5; n += 1)
      await hub.send('laptop', { to: 'server/api', threadId: first.threadId, body: `m${n}` });
    const page = await hub.core.messaging.thread(first.threadId, { limit: 2 });
    expect([page.messages.map((message) => message.body), page.more]).toEqual([['m3', 'm4'], true]);
    const older = await hub.core.messaging.thread(first.threadId, { limit: 3, before: page.messages[0]?.id ?? '' });
    expect([older.messages.map((message) => message.body), older.more]).toEqual([['m0', 'm1', 'm2'], false]);
  });
});

describe('ends', () => {
  it('a cancel takes back what has not left, and asks for the rest', async () => {
    server.away();
    const held = await hub.send('laptop', { to: 'server/api', requireApproval: 'always' });
    expect((await hub.core.messaging.cancel(held.id, { machineId: 'laptop' }, 'never mind')).state).toBe('cancelled');
    expect(await hub.pending()).toHaveLength(0);
    server.back();
    const sent = await hub.send('laptop', { to: 'server/api' });
    await hub.beat('server');
    await hub.untilState(sent.id, 'dispatched');
    expect((await hub.core.messaging.cancel(sent.id, OWNER, undefined)).state).toBe('dispatched');
    await server.until(() => server.stored.some((item) => item.item === 'cancel' && item.id === sent.id));
    expect(await hub.receipt('server', sent.id, 'cancelled')).toBe('applied');
    await expect(hub.core.messaging.cancel(held.id, { machineId: 'server' }, undefined)).rejects.toMatchObject({
      code: 'unknown_message',
    });
  });

  it('what was handed to an agent cannot be taken back', async () => {
    const sent = await hub.send('laptop', { to: 'server/api' });
    await hub.untilState(sent.id, 'dispatched');
    await hub.receipt('server', sent.id, 'written');
    await expect(hub.core.messaging.cancel(sent.id, OWNER, undefined)).rejects.toMatchObject({ code: 'conflict' });
  });

  it('a message that nobody got in time expires, also over a restart, and its sender is told', async () => {
    const kept = await hub.send('laptop', { to: 'human', expiresInSeconds: 60 });
    const other = await hub.send('laptop', { to: 'human', expiresInSeconds: 3600 });
    await hub.advance(61_000);
    await hub.untilState(kept.id, 'expired');
    expect((await hub.core.messaging.status(other.id)).state).toBe('queued');
    await hub.core.stop();
    hub.clock.advance(3_600_000);
    await hub.restart();
    expect((await hub.core.messaging.status(other.id)).state).toBe('expired');
    await laptop.until(() => laptop.stored.filter((item) => item.item === 'status').length === 2);
    await laptop.until(() =>
      laptop.messages.some((message) => message.kind === 'notice' && message.inReplyTo === other.id),
    );
  });

  it('what may be at a daemon does not expire behind its back, until that daemon is given up', async () => {
    const sent = await hub.send('laptop', { to: 'server/api', expiresInSeconds: 60 });
    await hub.untilState(sent.id, 'dispatched');
    await hub.advance(120_000);
    expect((await hub.core.messaging.status(sent.id)).state).toBe('dispatched');
    expect(await hub.receipt('server', sent.id, 'delivered')).toBe('applied');
    const lost = await hub.send('laptop', { to: 'server/api', expiresInSeconds: 60 });
    await hub.untilState(lost.id, 'dispatched');
    for (let hour = 0; hour < 25; hour += 1) {
      for (let minute = 0; minute < 60; minute += 1) hub.clock.advance(60_000);
      await hub.settled();
    }
    await hub.untilState(lost.id, 'expired');
  });

  it('its sender is told when the recipient stopped without answering a question', async () => {
    const ask = await hub.send('laptop', { to: 'server/api', kind: 'ask', fromSession: 'aaaa1111' });
    await hub.untilState(ask.id, 'dispatched');
    await hub.receipt('server', ask.id, 'seen', { session: 'bbbb1111' });
    await hub.advance(61_000);
    await laptop.until(() => laptop.messages.some((message) => message.kind === 'notice'));
    const notice = laptop.messages.find((message) => message.kind === 'notice');
    expect(notice?.body).toContain('stopped without answering');
    expect(notice?.session).toBe('aaaa1111');
    await hub.advance(600_000);
    expect(laptop.messages.filter((message) => message.kind === 'notice')).toHaveLength(1);
  });

  it('and when the session that has the question ends', async () => {
    const ask = await hub.send('laptop', { to: 'server/api#bbbb1111', kind: 'ask' });
    await hub.untilState(ask.id, 'dispatched');
    await hub.receipt('server', ask.id, 'delivered', { session: 'bbbb1111' });
    await hub.core.registry.sessionsChanged('server', [{ ...sessionOf('bbbb1111', 'api'), state: 'ended' }]);
    await hub.advance(61_000);
    await laptop.until(() => laptop.messages.some((message) => message.kind === 'notice'));
  });

  it('a notice never causes a notice', async () => {
    const ask = await hub.send('laptop', { to: 'human', expiresInSeconds: 120 });
    await hub.advance(121_000);
    await laptop.until(() => laptop.messages.length === 1);
    const notice = laptop.messages[0]?.id ?? '';
    await hub.untilState(notice, 'dispatched');
    const items = laptop.stored.length;
    await hub.receipt('laptop', notice, 'denied', { reason: 'refused at the terminal' });
    await hub.advance(120_000);
    expect(laptop.stored).toHaveLength(items);
    expect((await hub.core.messaging.status(ask.id)).state).toBe('expired');
  });

  it('a waiting status call ends with the move that it waits for', async () => {
    const sent = await hub.send('laptop', { to: 'human' });
    const waiting = hub.core.messaging.status(sent.id, {
      unless: ['queued'],
      waitMs: 25_000,
      signal: AbortSignal.timeout(5_000),
    });
    await hub.core.messaging.shownToOperator(sent.id, 'web', 'shown');
    expect((await waiting).state).toBe('delivered');
  });
});
