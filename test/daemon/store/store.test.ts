import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';
import type { DeliverMessage } from '../../../src/protocol/daemon-api.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { MessageStatus, SubmitItem } from '../../../src/protocol/machine-api.ts';
import { provisionalThread } from '../../../src/daemon/store/outbox.ts';

const DAY = 24 * 3600 * 1000;
let directory: string;
let now: number;
let store: DaemonStore;

const open = () =>
  new DaemonStore({ file: join(directory, 'daemon.db'), clock: { ...systemClock, now: () => now }, log: silentLog() });

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'daemon-store-'));
  now = Date.now();
  store = open();
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function mail(changes: Partial<DeliverMessage> = {}): DeliverMessage {
  return {
    item: 'message',
    id: newId('message'),
    threadId: newId('thread'),
    kind: 'send',
    from: 'desk/api',
    project: 'web',
    binding: 'exact',
    body: 'hello',
    priority: 'normal',
    approval: 'allowed by rule 1',
    depth: 0,
    sentAt: new Date(now).toISOString(),
    expiresAt: new Date(now + 7 * DAY).toISOString(),
    ...changes,
  };
}

describe('Inbox', () => {
  it('keeps mail over a restart, in order, and drops repeats, also inside one batch', async () => {
    const [a, b, c] = [mail(), mail(), mail()];
    const told: string[] = [];
    store.inbox.onStored((entries) => told.push(...entries.map((entry) => entry.message.id)));
    expect(await store.inbox.accept([a, b, a])).toEqual(['stored', 'stored', 'known']);
    expect(await store.inbox.accept([b, c])).toEqual(['known', 'stored']);
    expect(told).toEqual([a.id, b.id, c.id]);
    await store.close();
    store = open();
    expect(await store.inbox.accept([a, b, c])).toEqual(['known', 'known', 'known']);
    expect((await store.inbox.open()).map((entry) => entry.message)).toEqual([a, b, c]);
  });

  it('moves by compare-and-set, and a move and its receipt are there together or not at all', async () => {
    const message = mail();
    await store.inbox.accept([message]);
    const write = () =>
      store.inbox.move(message.id, ['dispatched'], {
        to: 'written',
        session: 'sess-1',
        rung: 'hooks',
        offer: newId('offer'),
        attempt: true,
      });
    expect(await Promise.all([write(), write()])).toEqual([true, false]);
    const proof = `hook\u001b[31m ${'x'.repeat(400)}`;
    expect(await store.inbox.move(message.id, ['written'], { to: 'delivered', proof })).toBe(true);
    expect(await store.inbox.move(message.id, ['dispatched', 'written'], { to: 'failed', reason: 'no' })).toBe(false);
    // A state that cannot come before is not in the question, whatever the caller lists.
    expect(await store.inbox.move(message.id, ['delivered'], { to: 'dispatched' })).toBe(false);
    const owed = await store.receipts.next(10);
    expect(owed.map(({ receipt }) => [receipt.state, receipt.session])).toEqual([
      ['written', 'sess-1'],
      ['delivered', 'sess-1'],
    ]);
    expect(owed[1]?.receipt.proof).toMatch(/^hook \[31m x+…$/);
    const entry = await store.inbox.get(message.id);
    expect(entry).toMatchObject({ state: 'delivered', session: 'sess-1', attempts: 1, offer: undefined });
    await store.receipts.taken(owed[0]?.seq ?? 0);
    expect((await store.receipts.next(10)).map(({ receipt }) => receipt.state)).toEqual(['delivered']);
  });

  it('takes back only what nobody has, and says what the rest is', async () => {
    const [waiting, written] = [mail(), mail()];
    await store.inbox.accept([waiting, written]);
    await store.inbox.move(written.id, ['dispatched'], { to: 'written', session: 'sess-1', rung: 'hooks' });
    const absent = newId('message');
    for (const id of [waiting.id, written.id, absent]) await store.inbox.cancel(id, 'not needed');
    const owed = (await store.receipts.next(10)).slice(1).map(({ receipt }) => [receipt.messageId, receipt.state]);
    expect(owed).toEqual([
      [waiting.id, 'cancelled'],
      [written.id, 'written'],
      [absent, 'cancelled'],
    ]);
  });

  it('knows how deep in asks a session is, until its turn ended', async () => {
    const ask = mail({ kind: 'ask', depth: 2, session: 'sess-1' });
    await store.inbox.accept([ask, mail({ depth: 7, session: 'sess-2' })]);
    expect(await store.inbox.depthOf('sess-1')).toBe(0);
    await store.inbox.move(ask.id, ['dispatched'], { to: 'delivered', session: 'sess-1', rung: 'hooks' });
    expect(await store.inbox.depthOf('sess-1')).toBe(2);
    await store.inbox.move(ask.id, ['delivered'], { to: 'seen' });
    expect(await store.inbox.depthOf('sess-1')).toBe(0);
    expect(await store.inbox.waiting()).toBe(1);
  });

  it('forgets bodies after a week, but an id not before a month is over', async () => {
    const message = mail({ body: 'secret plan' });
    await store.inbox.accept([message]);
    await store.inbox.move(message.id, ['dispatched'], { to: 'delivered', session: 'sess-1' });
    now += 3 * DAY;
    await store.inbox.prune();
    expect(await store.inbox.open()).toEqual([]);
    now += 8 * DAY;
    await store.inbox.prune();
    expect((await store.inbox.get(message.id))?.message.body).toBe('');
    now += 25 * DAY;
    await store.inbox.prune();
    expect(await store.inbox.accept([message])).toEqual(['known']);
    now += 30 * DAY;
    await store.inbox.prune();
    expect(await store.inbox.get(message.id)).toBeUndefined();
  });

  it('seed: the inbox file was rewritten in place; here the store is private and a second writer cannot tear it', async () => {
    expect(statSync(join(directory, 'daemon.db')).mode & 0o077).toBe(0);
    const messages = Array.from({ length: 300 }, () => mail());
    await Promise.all(messages.map((message) => store.inbox.accept([message])));
    expect((await store.inbox.open()).map((entry) => entry.message.id)).toEqual(messages.map(({ id }) => id));
  });
});

describe('Outbox', () => {
  function outgoing(): { item: SubmitItem; status: MessageStatus; tried: boolean; expiresAt: number } {
    const id = newId('message');
    const at = new Date(now).toISOString();
    return {
      item: {
        id,
        fromProject: 'web',
        fromSession: 'sess-1',
        to: 'desk/api',
        kind: 'send',
        body: 'x',
        priority: 'normal',
        requireApproval: 'auto',
        launch: 'never',
        depth: 0,
        submittedAt: at,
        idempotencyKey: `key ${id}`,
      },
      status: {
        id,
        threadId: provisionalThread(id),
        to: 'desk/api',
        state: 'submitted',
        stateSince: at,
        place: 'here',
      },
      tried: false,
      expiresAt: now + DAY,
    };
  }

  it('keeps order over a restart; what leaves it leaves its status', async () => {
    const entries = [outgoing(), outgoing(), outgoing()];
    for (const entry of entries) await store.outbox.add(entry);
    await store.close();
    store = open();
    const kept = await store.outbox.next(10);
    expect(kept.map(({ item }) => item)).toEqual(entries.map(({ item }) => item));
    const [first] = entries;
    if (first === undefined) throw new Error('three were made');
    const status = { ...first.status, state: 'queued' as const, threadId: newId('thread') };
    await store.outbox.settle([{ item: first.item, status }]);
    expect(await store.outbox.count()).toBe(2);
    expect(await store.outbox.sent(first.item.id)).toEqual({ status, project: 'web', session: 'sess-1' });
    // News from the hub changes the status, not whose message it is.
    await store.outbox.keep([{ ...status, state: 'delivered' }]);
    expect(await store.outbox.sent(first.item.id)).toMatchObject({ status: { state: 'delivered' }, session: 'sess-1' });
  });

  it('takes a message back for sure only while it was never sent', async () => {
    const [fresh, tried] = [outgoing(), outgoing()];
    await store.outbox.add(fresh);
    await store.outbox.add(tried);
    await store.outbox.tried((await store.outbox.next(10)).slice(1).map(({ seq }) => seq));
    const cancelled = (entry: { status: MessageStatus }) => ({ ...entry.status, state: 'cancelled' as const });
    expect(await store.outbox.cancel(fresh.item.id, '', cancelled(fresh))).toBe('removed');
    expect(await store.outbox.cancel(tried.item.id, 'wrong', cancelled(tried))).toBe('asked');
    expect(await store.outbox.cancel(newId('message'), '', cancelled(fresh))).toBe('absent');
    expect(await store.outbox.next(10)).toMatchObject([{ item: tried.item, tried: true, cancel: 'wrong' }]);
    expect((await store.outbox.sent(fresh.item.id))?.status.state).toBe('cancelled');
  });

  it('finds a repeated hand-in by its key, of the same sender only', async () => {
    const entry = outgoing();
    await store.outbox.add(entry);
    const key = entry.item.idempotencyKey ?? '';
    expect((await store.outbox.byKey('web', 'sess-1', key))?.item.id).toBe(entry.item.id);
    expect(await store.outbox.byKey('web', 'sess-2', key)).toBeUndefined();
    expect(await store.outbox.byKey('api', 'sess-1', key)).toBeUndefined();
  });
});
