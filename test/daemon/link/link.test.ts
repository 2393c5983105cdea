import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { systemClock, type Clock } from '../../../src/platform/clock.ts';
import { JsonClient } from '../../../src/platform/http/client.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import type { LocalStatus } from '../../../src/protocol/local-api.ts';
import { HealthResponse } from '../../../src/protocol/machine-api.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon | undefined;

beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
});
afterEach(async () => {
  await daemon?.stop();
  daemon = undefined;
  await hub.stop();
  home.remove();
});

async function start(clock?: Clock): Promise<Daemon> {
  daemon = await startTestDaemon(home, clock);
  return daemon;
}

/** Waits until the daemon says so. */
async function reaches(one: Daemon, state: LocalStatus['hub']['state']): Promise<LocalStatus> {
  for (;;) {
    const status = await one.status();
    if (status.hub.state === state) return status;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function startOnline(): Promise<Daemon> {
  const one = await start();
  await reaches(one, 'online');
  return one;
}

const bodies = () => [...hub.taken.values()].map(({ body }) => body);

describe('registration', () => {
  it('seed: a hub that was down when the daemon booted never saw it', async () => {
    await hub.goAway();
    const one = await start();
    expect((await one.status()).hub).toMatchObject({ state: 'unreachable' });
    await hub.comeBack();
    await reaches(one, 'online');
    expect(hub.hellos).toHaveLength(1);
  });

  it('seed: registration happened once, so a hub that lost its memory never knew the machine again', async () => {
    hub.heartbeatSeconds = 1;
    await startOnline();
    hub.resync = true;
    await hub.until(() => hub.hellos.length === 2);
    hub.epoch = 'epoch-2';
    await hub.until(() => hub.hellos.length === 3);
    // Its own call tells of a new epoch at once, too.
    hub.epoch = 'epoch-3';
    await hub.deliver(hub.mail());
    await hub.until(() => hub.hellos.length === 4);
    expect(new Set(hub.hellos.map(({ epoch }) => epoch)).size).toBe(1);
  });

  it('says hello at once after the machine slept', async () => {
    let slept = 0;
    let check: () => void = () => undefined;
    const clock: Clock = {
      ...systemClock,
      now: () => systemClock.now() + slept,
      every(ms, task) {
        if (ms === 5_000) check = task;
        return systemClock.every(ms, task);
      },
    };
    await reaches(await start(clock), 'online');
    check();
    slept = 45_000;
    check();
    await hub.until(() => hub.hellos.length === 2);
  });

  it('tells of a project that came while the hub took a hello', async () => {
    hub.heartbeatSeconds = 1;
    await startOnline();
    hub.onHello = async () => {
      hub.onHello = undefined;
      await home.client({ cwd: home.directory('late') }).whoami();
    };
    hub.resync = true;
    await hub.until(() => hub.projects.some((list) => list.some(({ id }) => id === 'late')));
  });

  it('tells changed sessions and projects as they change', async () => {
    await startOnline();
    const cwd = home.directory('tool');
    const program = { id: 'demo-0001', agent: 'demo', pid: process.pid, cwd };
    await home.client().putSession(program);
    await hub.until(() => hub.sessions.some(({ id }) => id === 'demo-0001'));
    await hub.until(() => hub.projects.some((list) => list.some(({ id }) => id === 'tool')));
    await home.client().endSession('demo-0001');
    await hub.until(() => hub.sessions.some(({ id, state }) => id === 'demo-0001' && state === 'ended'));
  });
});

describe('messages while the hub is away', () => {
  it('are accepted here and say so, go out in order, and nothing overtakes them', async () => {
    const one = await startOnline();
    const api = home.client();
    await api.submit({ to: 'desk/web', kind: 'send', body: '1' });
    await hub.goAway();
    const queued = [];
    for (const body of ['2', '3', '4']) queued.push(await api.submit({ to: 'desk/web', kind: 'chat', body }));
    expect(queued[0]).toMatchObject({
      state: 'submitted',
      place: 'laptop',
      reason: 'queued at this machine: the hub cannot be reached',
    });
    expect(await one.status()).toMatchObject({ outbox: 3, hub: { state: 'unreachable' } });
    const id = queued[0]?.id ?? '';
    expect(await api.trace(id)).toMatchObject({ message: { place: 'laptop' }, steps: [{ state: 'submitted' }] });
    const decided = api.message(id, { seconds: 20, for: 'decision' });
    await hub.comeBack();
    expect((await decided).state).toBe('queued');
    await api.submit({ to: 'desk/web', kind: 'send', body: '5' });
    await hub.until(() => hub.taken.size === 5);
    expect(bodies()).toEqual(['1', '2', '3', '4', '5']);
    expect((await one.status()).outbox).toBe(0);
  });

  it('outlive a restart of the daemon, and their thread keeps its name', async () => {
    const one = await startOnline();
    await hub.goAway();
    const api = home.client();
    const first = await api.submit({ to: 'desk/web', kind: 'chat', body: 'first' });
    await one.stop();
    const again = await start();
    expect(await again.status()).toMatchObject({ outbox: 1 });
    const second = await api.submit({ kind: 'reply', threadId: first.threadId, body: 'second' });
    expect(second).toMatchObject({ threadId: first.threadId, to: 'desk/web' });
    await hub.comeBack();
    await hub.until(() => hub.taken.size === 2);
    expect([...hub.taken.values()].map(({ threadId }) => threadId)).toEqual([first.threadId, first.threadId]);
    await expect(api.submit({ kind: 'reply', threadId: first.threadId, body: 'third' })).resolves.toMatchObject({
      threadId: first.threadId,
    });
  });

  it('are not doubled by an answer that was lost', async () => {
    const one = await startOnline();
    hub.losesAnswers = 1;
    const status = await home.client().submit({ to: 'desk/web', kind: 'send', body: 'once' });
    expect(status.state).toBe('submitted');
    await hub.until(() => hub.batches.length >= 2);
    await reaches(one, 'online');
    expect(hub.batches.slice(0, 2)).toEqual([[status.id], [status.id]]);
    expect(bodies()).toEqual(['once']);
  });

  it('can be taken back: at once if they never left, else by the hub before anything else', async () => {
    await startOnline();
    const api = home.client();
    hub.losesAnswers = 1;
    await hub.until(() => true);
    const left = await api.submit({ to: 'desk/web', kind: 'send', body: 'may be there' });
    await hub.goAway();
    const kept = await api.submit({ to: 'desk/web', kind: 'send', body: 'never left' });
    expect(await api.cancel(kept.id, 'changed my mind')).toMatchObject({ state: 'cancelled' });
    const undecided = await api.cancel(left.id);
    await hub.comeBack();
    if (undecided.state === 'submitted') await hub.until(() => hub.cancelled.includes(left.id));
    expect(bodies()).toEqual(['may be there']);
    expect((await api.message(kept.id)).state).toBe('cancelled');
  });

  it('tells the session when one of them comes to nothing later', async () => {
    await startOnline();
    await hub.goAway();
    const api = home.client({ cwd: home.directory('api') });
    const status = await api.submit({ to: 'desk/web', kind: 'send', body: 'bad news' });
    const fine = await api.submit({ to: 'desk/web', kind: 'send', body: 'good news' });
    const denied = new IntercomError('denied_by_policy', 'Rule 3 forbids it.', { next: 'Ask the operator.' });
    hub.refuses.set('bad news', denied.toWire());
    await hub.comeBack();
    await hub.until(() => hub.taken.has(fine.id));
    const told = await api.message(status.id, { seconds: 20, for: 'decision' });
    expect(told.state).toBe('denied');
    expect(told.reason).toContain('Rule 3 forbids it.');
    const { messages } = await api.takeInbox();
    expect(messages).toMatchObject([{ kind: 'notice', inReplyTo: status.id }]);
    expect(messages[0]?.body).toContain('denied');
  });

  it('with one key are one message, and an unknown thread is not accepted', async () => {
    await startOnline();
    await hub.goAway();
    const api = home.client();
    const submit = { to: 'desk/web', kind: 'send', body: 'x', idempotencyKey: 'key 1' } as const;
    const first = await api.submit(submit);
    expect(await api.submit(submit)).toEqual(first);
    expect((await api.submit({ ...submit, idempotencyKey: 'key 2' })).id).not.toBe(first.id);
    await expect(api.submit({ kind: 'reply', body: 'x', threadId: hub.mail().threadId })).rejects.toThrow(
      'does not know that thread',
    );
  });
});

describe('messages while the hub answers', () => {
  it('that are handed in together go out together, in the order of each sender', async () => {
    await startOnline();
    const senders = Array.from({ length: 8 }, (_, sender) => async () => {
      const api = home.client();
      for (let number = 0; number < 10; number += 1) {
        await api.submit({ to: 'desk/web', kind: 'send', body: `${sender}:${number}` });
      }
    });
    await Promise.all(senders.map((run) => run()));
    expect(hub.taken.size).toBe(80);
    for (let sender = 0; sender < 8; sender += 1) {
      const own = bodies().filter((body) => body.startsWith(`${sender}:`));
      expect(own).toEqual(Array.from({ length: 10 }, (_, number) => `${sender}:${number}`));
    }
    expect(hub.batches.length).toBeLessThan(80);
  });

  it('are refused one by one', async () => {
    await startOnline();
    hub.refuses.set('no', new IntercomError('denied_by_policy', 'No.', { next: 'Do not.' }).toWire());
    const api = home.client();
    const results = await Promise.allSettled(
      ['a', 'no', 'b'].map((body) => api.submit({ to: 'desk/web', kind: 'send', body })),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'denied_by_policy', next: 'Do not.' } });
  });

  it('end a wait at once when the hub has news', async () => {
    await startOnline();
    const api = home.client();
    const { id } = await api.submit({ to: 'desk/web', kind: 'send', body: 'x' });
    const item = hub.taken.get(id);
    if (item === undefined) throw new Error('it was taken');
    const wait = api.message(id, { seconds: 25, for: 'answer' });
    await hub.deliver({ item: 'status', status: hub.statusOf(item, { state: 'denied', decidedBy: 'gilles' }) });
    expect(await wait).toMatchObject({ state: 'denied', decidedBy: 'gilles' });
  });
});

describe('the secret', () => {
  it('is replaced by the hub, is on disk before the answer, and outlives a restart', async () => {
    const one = await startOnline();
    const old = hub.secret;
    const next = 'a-new-secret-for-the-laptop-abcdef';
    await hub.rotate(next);
    const file = join(home.paths.state, 'machine.secret');
    expect(statSync(file).mode & 0o077).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain(next);
    // Our answer was lost: the hub still signs with the old one, and tries once more.
    await expect(hub.ping()).resolves.toMatchObject({ machineId: 'laptop' });
    await hub.rotate(next);
    hub.secret = next;
    await hub.ping();
    await home.client().submit({ to: 'desk/web', kind: 'send', body: 'signed anew' });
    expect(bodies()).toEqual(['signed anew']);
    await one.stop();
    await reaches(await start(), 'online');
    // A new join goes over everything that was rotated before.
    await daemon?.stop();
    hub.secret = 'secret-of-another-join-0123456789';
    home.configure(hub);
    await reaches(await start(), 'online');
    expect(old).not.toBe(hub.secret);
  });

  it('that is wrong is said in words, and so is a clock that is off', async () => {
    hub.secret = 'secret-that-the-hub-alone-knows-1';
    writeFileSync(
      home.paths.configFile,
      readFileSync(home.paths.configFile, 'utf8').replace(/token: .*/, 'token: another-secret'),
    );
    const one = await start();
    expect((await reaches(one, 'refused')).hub.problem).toContain('signature does not fit');
    await one.stop();
    home.configure(hub);
    const behind: Clock = { ...systemClock, now: () => systemClock.now() - 120_000 };
    const status = await reaches(await start(behind), 'refused');
    expect(status.hub.problem).toMatch(/The clocks differ by 12\d seconds\./);
    expect(await home.client().submit({ to: 'desk/web', kind: 'send', body: 'x' })).toMatchObject({
      state: 'submitted',
    });
  });

  it('that was revoked stops everything, and that is remembered', async () => {
    const one = await startOnline();
    await hub.revoke();
    expect(await one.status()).toMatchObject({ hub: { state: 'revoked' } });
    const submit = { to: 'desk/web', kind: 'send', body: 'x' } as const;
    await expect(home.client().submit(submit)).rejects.toMatchObject({ code: 'revoked' });
    await expect(hub.ping()).rejects.toMatchObject({ code: 'revoked' });
    await one.stop();
    hub.refusal = new IntercomError('revoked', 'This machine is out.', { next: 'Join again.' });
    const again = await start();
    expect(await again.status()).toMatchObject({ hub: { state: 'revoked' } });
    await expect(home.client().submit(submit)).rejects.toMatchObject({ code: 'revoked' });
  });
});

describe('a machine that has not joined', () => {
  it('works locally and says so', async () => {
    home.configure();
    const one = await start();
    expect(await one.status()).toMatchObject({ hub: { state: 'not_joined', url: '' } });
    const api = home.client();
    expect(await api.whoami()).toMatchObject({ hubReachable: false, address: 'laptop/home' });
    await expect(api.submit({ to: 'desk/web', kind: 'send', body: 'x' })).rejects.toMatchObject({
      code: 'unreachable',
      message: 'This machine has not joined a mesh yet.',
    });
    const network = new JsonClient({ origin: one.url, peer: 'it', unreachableNext: 'none' });
    const health = await network.call({ method: 'GET', path: '/api/health' }, HealthResponse);
    expect(health).toMatchObject({ status: 'ok', mode: 'daemon' });
    await network.close();
  });
});

describe('one home', () => {
  it('has one daemon: a second one is refused before it touches anything', async () => {
    const one = await startOnline();
    await expect(startTestDaemon(home)).rejects.toMatchObject({ code: 'conflict' });
    expect(await one.status()).toMatchObject({ hub: { state: 'online' } });
    await expect(home.client().whoami()).resolves.toMatchObject({ machine: 'laptop' });
  });

  it('whose store is damaged starts nothing, says so, and leaves nothing behind', async () => {
    mkdirSync(home.paths.state, { recursive: true });
    writeFileSync(home.paths.daemonDatabase, 'this is no database, whatever its name says '.repeat(200));
    await expect(startTestDaemon(home)).rejects.toMatchObject({ code: 'storage_failed' });
    rmSync(home.paths.daemonDatabase);
    await expect(startOnline()).resolves.toBeDefined();
  });
});
