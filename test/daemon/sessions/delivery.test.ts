import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeliveryEngine } from '../../../src/daemon/sessions/delivery.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { silentLog } from '../../../src/platform/log.ts';
import type { DeliverMessage } from '../../../src/protocol/daemon-api.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { MessageState } from '../../../src/protocol/message-life.ts';
import type { DeliveryRung, Session } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { PaperAgent } from './paper-agent.ts';

let directory: string;
let clock: ManualClock;
let store: DaemonStore;
let agent: PaperAgent;
let book: LiveSessions;
let engine: DeliveryEngine;
let uuids: number;
let diskFull: boolean;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'ic-delivery-'));
  clock = new ManualClock();
  store = new DaemonStore({ file: join(directory, 'daemon.db'), clock, log: silentLog() });
  agent = new PaperAgent();
  uuids = 0;
  diskFull = false;
  await restart();
});

afterEach(async () => {
  engine.stop();
  await quiet();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A new daemon on the same store; what it knew of sessions is gone, and found again. */
async function restart(sessions: readonly Session[] = []): Promise<void> {
  book = new LiveSessions({ clock, log: silentLog() });
  for (const session of sessions) book.put(session);
  engine = new DeliveryEngine({
    store: {
      open: () => store.inbox.open(),
      get: (id) => store.inbox.get(id),
      onStored: (listener) => store.inbox.onStored(listener),
      move: async (id, from, move) => {
        if (diskFull) throw new IntercomError('storage_failed', 'The disk is full.');
        return store.inbox.move(id, from, move);
      },
    },
    book,
    ports: [agent],
    clock,
    log: silentLog(),
    uuid: () => `wake-${(uuids += 1)}`,
  });
  await engine.start();
}

/** SIGKILL: nothing is put in order. */
function crash(): void {
  engine.stop();
}

function session(id: string, fields: Partial<Session> = {}): Session {
  const at = new Date(clock.now()).toISOString();
  return {
    id,
    project: 'shop',
    agent: 'paper',
    cwd: '/shop',
    state: 'idle',
    stateSince: at,
    startedAt: at,
    managed: false,
    rung: 'inbox_socket',
    ...fields,
  };
}

function mail(fields: Partial<DeliverMessage> = {}): DeliverMessage {
  return {
    item: 'message',
    id: newId('message'),
    threadId: newId('thread'),
    kind: 'chat',
    from: 'laptop/api',
    project: 'shop',
    binding: 'exact',
    body: 'hello',
    priority: 'normal',
    approval: '',
    depth: 0,
    sentAt: new Date(clock.now()).toISOString(),
    expiresAt: new Date(clock.now() + 3_600_000).toISOString(),
    ...fields,
  };
}

/** Lets everything that is under way happen; time stands still. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 30; i += 1) await new Promise((resolve) => setImmediate(resolve));
  await store.inbox.open();
  for (let i = 0; i < 30; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Time goes on in small steps, with room for what each sets going. */
async function pass(ms: number): Promise<void> {
  const step = Math.min(1000, Math.max(10, ms / 4));
  for (let left = ms; left > 0; left -= step) {
    clock.advance(Math.min(left, step));
    await quiet();
  }
}

async function arrive(...messages: readonly DeliverMessage[]): Promise<void> {
  await store.inbox.accept(messages);
  await pass(20);
}

async function stateOf(message: DeliverMessage): Promise<MessageState | undefined> {
  return (await store.inbox.get(message.id))?.state;
}

function shownIn(id: string, ...messages: readonly DeliverMessage[]): number[] {
  return messages.map((message) => agent.conversation(id).split(`<intercom-message id="${message.id}"`).length - 1);
}

describe('the inbox socket', () => {
  it('a burst becomes one wake, in order, delivered by proof and seen when the turn ends', async () => {
    book.put(session('aaaa'));
    const messages = [mail(), mail({ from: 'desk/web' }), mail()];
    await arrive(...messages);
    expect(agent.wakes.map(({ wake }) => wake.sender)).toEqual(['intercom (2 senders)']);
    expect(shownIn('aaaa', ...messages)).toEqual([1, 1, 1]);
    const ids = [...agent.conversation('aaaa').matchAll(/id="(msg_[^"]+)"/g)].map(([, id]) => id);
    expect(ids).toEqual(messages.map(({ id }) => id));
    expect(await Promise.all(messages.map(stateOf))).toEqual(['delivered', 'delivered', 'delivered']);
    await engine.turnEnded('aaaa');
    expect(await Promise.all(messages.map(stateOf))).toEqual(['seen', 'seen', 'seen']);
  });

  it('written is not delivered; what comes meanwhile waits and goes together', async () => {
    book.put(session('aaaa', { state: 'working' }));
    agent.behaviour = 'queue';
    const [first, second, third] = [mail(), mail(), mail()];
    await arrive(first);
    await arrive(second);
    await arrive(third);
    expect(await Promise.all([first, second, third].map(stateOf))).toEqual(['written', 'dispatched', 'dispatched']);
    await pass(120_000);
    expect(await stateOf(first)).toBe('written');
    agent.behaviour = 'take';
    agent.takeUp('aaaa');
    await pass(100);
    expect(agent.wakes).toHaveLength(2);
    expect(shownIn('aaaa', first, second, third)).toEqual([1, 1, 1]);
  });

  it('the hook’s word about a prompt is proof as well', async () => {
    agent.readable = false;
    book.put(session('aaaa'));
    const message = mail();
    await arrive(message);
    expect(await stateOf(message)).toBe('written');
    await engine.promptEntered(session('aaaa'), agent.conversation('aaaa'));
    expect(await store.inbox.get(message.id)).toMatchObject({ state: 'delivered' });
  });

  it('stays inside the agent’s rate limit: no more than 24 wakes at once', async () => {
    book.put(session('aaaa'));
    const messages = Array.from({ length: 40 }, () => mail());
    for (const message of messages) {
      await store.inbox.accept([message]);
      clock.advance(10);
      await quiet();
    }
    expect(agent.wakes.length).toBeLessThanOrEqual(25);
    await pass(10_000);
    expect(shownIn('aaaa', ...messages)).toEqual(messages.map(() => 1));
  });

  it('what the agent lost goes by its hooks, once, and what follows keeps its place', async () => {
    book.put(session('aaaa'));
    agent.heard.add('aaaa');
    agent.behaviour = 'lose';
    const [first, second] = [mail(), mail()];
    await arrive(first);
    await pass(10_000);
    expect(await store.inbox.get(first.id)).toMatchObject({ state: 'dispatched', attempts: 1 });
    agent.behaviour = 'take';
    await arrive(second);
    expect(agent.wakes).toHaveLength(1);
    const offer = await engine.offerToHook(session('aaaa'));
    agent.enter('aaaa', offer?.text ?? '');
    await quiet();
    expect(await Promise.all([first, second].map(stateOf))).toEqual(['delivered', 'delivered']);
    expect(shownIn('aaaa', first, second)).toEqual([1, 1]);
  });

  it('nothing is written where there is no way in; it is tried again', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'closed';
    const message = mail();
    await arrive(message);
    await pass(3000);
    expect(await store.inbox.get(message.id)).toMatchObject({ state: 'dispatched', attempts: 0 });
    agent.behaviour = 'take';
    await pass(30_000);
    expect(await stateOf(message)).toBe('seen');
  });

  it('a terminal that cannot be typed into now is tried again, although its hooks were heard: idle, none of them comes by itself', async () => {
    book.put(session('aaaa', { rung: 'typed', state: 'idle' }));
    agent.heard.add('aaaa');
    agent.behaviour = 'closed';
    const message = mail();
    await arrive(message);
    await pass(3000);
    agent.behaviour = 'take';
    await pass(30_000);
    expect(agent.wakes).toHaveLength(1);
    expect(shownIn('aaaa', message)).toEqual([1]);
  });

  it('gives up, and says so, when the agent never shows what it takes', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const message = mail({ expiresAt: new Date(clock.now() + 9 * 3_600_000).toISOString() });
    await arrive(message);
    await pass(300_000);
    expect(await stateOf(message)).toBe('failed');
    expect(agent.wakes).toHaveLength(5);
    expect(new Set(agent.wakes.map(({ wake }) => wake.id)).size).toBe(5);
  });
});

describe('receipts of the agent', () => {
  it.each([
    ['held', 'held_at_terminal'],
    ['denied', 'denied'],
    ['expired', 'expired'],
    ['refused', 'failed'],
    ['released', 'delivered'],
  ] as const)('%s → %s', async (status, state) => {
    book.put(session('aaaa'));
    agent.behaviour = 'queue';
    const message = mail();
    await arrive(message);
    const wake = agent.wakes[0]?.wake;
    if (wake !== undefined) agent.tell(wake, status);
    await quiet();
    expect(await stateOf(message)).toBe(state);
    await pass(120_000);
    expect(agent.wakes).toHaveLength(1);
  });

  it('what is held frees the way for the next, and is not lost while its session lives', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const [first, second] = [mail(), mail()];
    await arrive(first);
    const wake = agent.wakes[0]?.wake;
    if (wake !== undefined) agent.tell(wake, 'held');
    await quiet();
    agent.behaviour = 'take';
    await arrive(second);
    await pass(200_000);
    expect(await Promise.all([first, second].map(stateOf))).toEqual(['held_at_terminal', 'seen']);
    agent.behaviour = 'closed';
    book.end('aaaa', 'gone');
    await pass(1000);
    expect(await stateOf(first)).toBe('dispatched');
  });

  it('a dropped one is brought again', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const message = mail();
    await arrive(message);
    agent.behaviour = 'take';
    const wake = agent.wakes[0]?.wake;
    if (wake !== undefined) agent.tell(wake, 'dropped');
    await pass(100);
    expect(await stateOf(message)).toBe('delivered');
    expect(shownIn('aaaa', message)).toEqual([1]);
  });
});

describe('after a crash', () => {
  it('what the record shows is delivered and never written again', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const message = mail();
    await arrive(message);
    crash();
    agent.behaviour = 'take';
    agent.enter('aaaa', agent.wakes[0]?.wake.text ?? '');
    await restart([session('aaaa')]);
    await pass(60_000);
    expect(await stateOf(message)).toBe('seen');
    expect(agent.wakes).toHaveLength(1);
  });

  it('a hand-out whose acknowledgement was cut off is given again, before anything newer, and delivered once', async () => {
    book.put(session('aaaa', { rung: 'pull' }));
    const [first, second] = [mail(), mail()];
    await arrive(first);
    const cutOff = await engine.take('aaaa', 'shop');
    crash();
    await restart([session('aaaa', { rung: 'pull' })]);
    await arrive(second);
    const again = await engine.take('aaaa', 'shop');
    expect(again).toEqual({ ...cutOff, more: 0 });
    await engine.acknowledge(again.offer ?? '', 'taken from the inbox');
    expect(await stateOf(first)).toBe('delivered');
    expect((await engine.take('aaaa', 'shop')).messages.map((item) => item.id)).toEqual([second.id]);
  });

  it('what lies in the agent’s own queue is waited for', async () => {
    book.put(session('aaaa', { state: 'working' }));
    agent.behaviour = 'queue';
    const message = mail();
    await arrive(message);
    crash();
    await restart([session('aaaa', { state: 'idle' })]);
    await pass(60_000);
    expect(await stateOf(message)).toBe('written');
    agent.takeUp('aaaa');
    await quiet();
    expect(await stateOf(message)).toBe('delivered');
    expect(agent.wakes).toHaveLength(1);
  });

  it('what never arrived is brought once more', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const message = mail();
    await arrive(message);
    crash();
    agent.behaviour = 'take';
    await restart([session('aaaa')]);
    await pass(60_000);
    expect(await stateOf(message)).toBe('seen');
    expect(shownIn('aaaa', message)).toEqual([1]);
  });

  it('a session that is gone gives its unproven mail back to its project (seed: orphans)', async () => {
    book.put(session('aaaa'));
    agent.behaviour = 'lose';
    const message = mail();
    await arrive(message);
    crash();
    agent.behaviour = 'take';
    await restart([session('bbbb')]);
    await pass(60_000);
    expect(shownIn('aaaa', message)).toEqual([0]);
    expect(shownIn('bbbb', message)).toEqual([1]);
  });
});

describe('a store that cannot be written', () => {
  it('nothing is handed out that is not noted, and nothing is lost', async () => {
    book.put(session('aaaa'));
    diskFull = true;
    const message = mail();
    await arrive(message);
    await pass(10_000);
    expect(agent.wakes).toEqual([]);
    diskFull = false;
    await pass(5000);
    expect(shownIn('aaaa', message)).toEqual([1]);
  });

  it('a proof that comes meanwhile is noted later', async () => {
    book.put(session('aaaa', { state: 'working' }));
    agent.behaviour = 'queue';
    const message = mail();
    await arrive(message);
    diskFull = true;
    agent.takeUp('aaaa');
    await pass(10_000);
    expect(await stateOf(message)).toBe('written');
    diskFull = false;
    await pass(5000);
    expect(await stateOf(message)).toBe('delivered');
    expect(agent.wakes).toHaveLength(1);
  });
});

describe('whose mail it is', () => {
  it('mail for a project goes to exactly one of its sessions, an idle one first (seed: inbox theft)', async () => {
    book.put(session('busy', { state: 'working' }));
    book.put(session('idle'));
    book.put(session('else', { project: 'other' }));
    const message = mail();
    await arrive(message);
    expect(['busy', 'idle', 'else'].map((id) => shownIn(id, message)[0])).toEqual([0, 1, 0]);
  });

  it('a thread stays with the session that has it', async () => {
    book.put(session('aaaa'));
    const first = mail();
    await arrive(first);
    book.put(session('bbbb'));
    book.put(session('aaaa', { state: 'working' }));
    const second = mail({ threadId: first.threadId });
    await arrive(second);
    expect(shownIn('aaaa', first, second)).toEqual([1, 1]);
  });

  it('exact waits for its session; preferred goes on to the project once that session has ended', async () => {
    book.put(session('aaaa'));
    const exact = mail({ session: 'gone' });
    const preferred = mail({ session: 'gone', binding: 'preferred' });
    book.put(session('gone', { rung: 'pull' }));
    await arrive(exact, preferred);
    expect(await Promise.all([exact, preferred].map(stateOf))).toEqual(['dispatched', 'dispatched']);
    book.end('gone', 'ended');
    await pass(100);
    expect(await Promise.all([exact, preferred].map(stateOf))).toEqual(['dispatched', 'delivered']);
    book.put(session('gone'));
    await pass(100);
    expect(shownIn('gone', exact)).toEqual([1]);
  });

  it('expires what nobody takes, with a reason', async () => {
    const message = mail({ expiresAt: new Date(clock.now() + 5000).toISOString() });
    await arrive(message);
    await pass(4000);
    expect(await stateOf(message)).toBe('dispatched');
    await pass(3000);
    expect(await stateOf(message)).toBe('expired');
  });

  it('what was cancelled meanwhile falls out', async () => {
    const message = mail();
    await arrive(message);
    await store.inbox.move(message.id, ['dispatched'], { to: 'cancelled', reason: 'by its sender' });
    book.put(session('aaaa'));
    await pass(100);
    expect(agent.wakes).toEqual([]);
    expect(await stateOf(message)).toBe('cancelled');
  });
});

describe('hooks and tool calls', () => {
  const hooks = (id: string, rung: DeliveryRung = 'hooks') => session(id, { rung, state: 'working' });

  it('hands out at most 50, with a digest of the rest, and nothing twice to hooks that run in parallel', async () => {
    book.put(hooks('aaaa'));
    const messages = Array.from({ length: 60 }, () => mail());
    await arrive(...messages);
    expect(engine.hookMail(hooks('aaaa'))).toMatchObject({ count: 60, oldest: messages[0]?.id });
    const [one, two] = await Promise.all([engine.offerToHook(hooks('aaaa')), engine.offerToHook(hooks('aaaa'))]);
    expect([one, two].filter((offer) => offer !== undefined)).toHaveLength(1);
    const text = (one ?? two)?.text ?? '';
    expect(text.match(/<intercom-message /g)).toHaveLength(50);
    expect(text).toContain('10 more messages wait (laptop/api: 10)');
    agent.enter('aaaa', text);
    await quiet();
    const rest = await engine.offerToHook(hooks('aaaa'));
    expect(rest?.text.match(/<intercom-message /g)).toHaveLength(10);
  });

  it('printed and not in the record: offered again (seed: marked read before it was shown)', async () => {
    book.put(hooks('aaaa'));
    const message = mail();
    await arrive(message);
    const first = await engine.offerToHook(hooks('aaaa'));
    engine.printed(first?.offer ?? '', 'printed by its hook');
    await pass(60_000);
    expect(await stateOf(message)).toBe('dispatched');
    const second = await engine.offerToHook(hooks('aaaa'));
    expect(second?.text).toContain(message.id);
  });

  it('where the record cannot be read, the hook’s acknowledgement is the proof', async () => {
    agent.readable = false;
    book.put(hooks('aaaa'));
    const message = mail();
    await arrive(message);
    const offer = await engine.offerToHook(hooks('aaaa'));
    await pass(5000);
    expect(await stateOf(message)).toBe('written');
    engine.printed(offer?.offer ?? '', 'printed by its hook');
    await quiet();
    expect(await stateOf(message)).toBe('delivered');
  });

  it('a tool call takes its own session’s mail only; without acknowledgement it comes back', async () => {
    book.put(hooks('aaaa', 'pull'));
    book.put(hooks('bbbb'));
    const [mine, other] = [mail({ session: 'aaaa' }), mail({ session: 'bbbb' })];
    await arrive(mine, other);
    const taken = await engine.take('aaaa', 'shop');
    expect(taken.messages.map(({ id }) => id)).toEqual([mine.id]);
    expect((await engine.take('aaaa', 'shop')).messages).toEqual([]);
    await pass(200_000);
    const again = await engine.take('aaaa', 'shop');
    expect(again.messages.map(({ id }) => id)).toEqual([mine.id]);
    await engine.acknowledge(again.offer ?? '', 'tool result');
    expect(await stateOf(mine)).toBe('delivered');
  });

  it('the answer that a call waits for goes to that call, and into the session if the call does not take it', async () => {
    book.put(session('aaaa'));
    const asked = newId('message');
    const answers: string[] = [];
    const offers: string[] = [];
    engine.awaitAnswer(asked, (reply, offer) => {
      answers.push(reply.id);
      offers.push(offer);
    });
    const [taken, dropped] = [1, 2].map(() => mail({ kind: 'reply', inReplyTo: asked, session: 'aaaa' }));
    if (taken === undefined || dropped === undefined) return;
    await arrive(taken);
    await engine.acknowledge(offers[0] ?? '', 'given to the call');
    expect(await stateOf(taken)).toBe('delivered');
    await arrive(dropped);
    expect(answers).toEqual([taken.id, dropped.id]);
    await pass(200_000);
    expect(shownIn('aaaa', taken, dropped)).toEqual([0, 1]);
  });
});
