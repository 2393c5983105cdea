/** Machines, projects, sessions and presence. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ALLOW_ALL, OPERATOR, OWNER, projectOf, sessionOf, TestHub } from '../../support/hub-core.ts';
import type { FakeDaemon } from '../../support/fake-daemon.ts';

let hub: TestHub;
let laptop: FakeDaemon;
beforeEach(async () => {
  hub = await TestHub.start(ALLOW_ALL);
  laptop = await hub.machine('laptop', ['app'], [sessionOf('aaaa1111')]);
});
afterEach(() => hub.close());

const status = async (id = 'laptop') => (await hub.core.registry.machine(id)).status;

describe('presence', () => {
  it('seed: a dead machine stays online for ever: here it is away after 45 s and comes back by itself', async () => {
    await hub.advance(40_000);
    expect(await status()).toBe('online');
    await hub.advance(15_000);
    expect(await status()).toBe('away');
    expect(hub.heard.at(-1)).toMatchObject({ type: 'machine.changed', machine: { id: 'laptop', status: 'away' } });
    expect((await hub.core.registry.agents('all'))[0]?.sessions).toHaveLength(1);
    await hub.beat('laptop');
    expect(await status()).toBe('online');
    expect(hub.heard.at(-1)).toMatchObject({ type: 'machine.changed', machine: { status: 'online' } });
  });

  it('a hub that slept gives everybody the full time again', async () => {
    hub.clock.jump(3_600_000);
    await hub.advance(44_000);
    expect(await status()).toBe('online');
    await hub.advance(20_000);
    expect(await status()).toBe('away');
  });

  it('a wall clock that is set back changes nothing', async () => {
    hub.clock.jump(-7_200_000);
    await hub.advance(40_000);
    expect(await status()).toBe('online');
    await hub.advance(20_000);
    expect(await status()).toBe('away');
  });

  it('a restart of the hub calls nobody away who was just heard', async () => {
    await hub.advance(10_000);
    await hub.restart();
    expect(await status()).toBe('online');
    await hub.advance(50_000);
    expect(await status()).toBe('away');
  });

  it('a heartbeat of another start of the daemon, or of a hub with another store, asks for hello', async () => {
    expect(await hub.beat('laptop')).toMatchObject({ resync: false });
    expect(await hub.beat('laptop', 'another')).toMatchObject({ resync: true });
    await hub.hello('laptop');
    expect(await hub.beat('laptop')).toMatchObject({ resync: false });
  });

  it('keeps how far the clock of a machine is off', async () => {
    const time = new Date(hub.clock.now() + 90_000).toISOString();
    await hub.core.registry.heartbeat('laptop', { epoch: 'daemon-epoch', time, outbox: 3 });
    expect((await hub.core.registry.machine('laptop')).clockOffsetSeconds).toBe(90);
  });

  it('who says goodbye is away at once', async () => {
    await hub.core.registry.leave('laptop');
    expect(await status()).toBe('away');
    await hub.restart();
    expect(await status()).toBe('away');
  });
});

describe('what a machine tells', () => {
  it('nothing a daemon says makes a machine', async () => {
    await expect(hub.beat('ghost')).rejects.toMatchObject({ code: 'unknown_machine' });
    await expect(hub.hello('ghost')).rejects.toMatchObject({ code: 'unknown_machine' });
    expect(() => hub.core.registry.secretsOf('ghost')).toThrow(expect.objectContaining({ code: 'unknown_machine' }));
  });

  it('removed projects disappear; the same list again is no news', async () => {
    await hub.core.registry.projectsChanged('laptop', [projectOf('b'), projectOf('a')]);
    const before = hub.heard.length;
    await hub.core.registry.projectsChanged('laptop', [projectOf('a'), projectOf('b')]);
    expect(hub.heard).toHaveLength(before);
    expect((await hub.core.registry.agents('machine:laptop')).map((agent) => agent.project.id)).toEqual([
      'a',
      'b',
      'app',
    ]);
    await hub.core.registry.sessionsChanged('laptop', [{ ...sessionOf('aaaa1111'), state: 'ended' }]);
    expect((await hub.core.registry.agents('online')).map((agent) => agent.address)).toEqual(['laptop/a', 'laptop/b']);
  });

  it('sessions that a hello does not name have ended', async () => {
    await hub.hello('laptop', ['app'], [sessionOf('cccc1111')]);
    const ended = hub.heard.filter((event) => event.type === 'session.changed' && event.session.state === 'ended');
    expect(ended).toMatchObject([{ session: { id: 'aaaa1111' } }]);
    expect((await hub.core.registry.agents('all'))[0]?.sessions.map((session) => session.id)).toEqual(['cccc1111']);
  });

  it('a daemon of another protocol is told so', async () => {
    const hello = {
      version: '9',
      epoch: 'e',
      displayName: 'l',
      description: '',
      daemonUrl: 'http://x',
      projects: [],
      sessions: [],
      missions: [],
      agents: [],
      dialogs: [],
    };
    await expect(hub.core.registry.hello('laptop', { protocol: 99, ...hello })).rejects.toMatchObject({
      code: 'unsupported_version',
    });
  });

  it('a filter that is none is an error', async () => {
    await expect(hub.core.registry.agents('away')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(hub.core.registry.agents('machine:ghost')).rejects.toMatchObject({ code: 'unknown_machine' });
  });
});

describe('owners', () => {
  it('seed: partial updates wipe fields: what is not named stays, also after a hello', async () => {
    const before = await hub.core.registry.machine('laptop');
    await hub.core.registry.update(OWNER, 'laptop', { displayName: 'The laptop' });
    await hub.hello('laptop', ['app'], [sessionOf('aaaa1111')]);
    expect(await hub.core.registry.machine('laptop')).toEqual({ ...before, displayName: 'The laptop' });
    expect(hub.core.registry.secretsOf('laptop')).toEqual([laptop.secret]);
  });

  it('only they change machines', async () => {
    await expect(hub.core.registry.revoke(OPERATOR, 'laptop')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(hub.core.registry.rotate(OPERATOR, 'laptop')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(hub.core.registry.update(OPERATOR, 'laptop', {})).rejects.toMatchObject({ code: 'forbidden' });
    await expect(hub.core.registry.remove(OPERATOR, 'laptop')).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('seed: revoked machines come back by heartbeat: here the secret is worthless at once and nothing brings it back', async () => {
    const server = await hub.machine('server', ['api']);
    laptop.away();
    const waiting = await hub.send('server', { fromProject: 'api', to: 'laptop/app' });
    const asked = await hub.send('laptop', { to: 'server/api', requireApproval: 'always' });
    await hub.core.registry.revoke(OWNER, 'laptop');
    expect(() => hub.core.registry.secretsOf('laptop')).toThrow(expect.objectContaining({ code: 'revoked' }));
    await expect(hub.beat('laptop')).rejects.toMatchObject({ code: 'revoked' });
    await expect(hub.hello('laptop')).rejects.toMatchObject({ code: 'revoked' });
    expect(await status()).toBe('revoked');
    expect(await hub.core.messaging.status(waiting.id)).toMatchObject({
      state: 'failed',
      reason: 'laptop was revoked by ada',
    });
    expect((await hub.core.messaging.status(asked.id)).state).toBe('failed');
    expect(await hub.pending()).toHaveLength(0);
    await server.until(() => server.stored.some((item) => item.item === 'status' && item.status.state === 'failed'));
    await laptop.until(() => laptop.revoked);
    await hub.restart();
    expect(await status()).toBe('revoked');
    expect(await hub.core.registry.agents('machine:laptop')).toEqual([]);
    await expect(hub.send('server', { fromProject: 'api', to: 'laptop/app' })).rejects.toMatchObject({
      code: 'revoked',
    });
  });

  it('a machine that joins again is let in with its new secret only', async () => {
    const old = laptop.secret;
    await hub.core.registry.revoke(OWNER, 'laptop');
    await hub.store.write((transaction) =>
      hub.core.registry.admit(transaction, {
        id: 'laptop',
        displayName: 'x',
        daemonUrl: laptop.url,
        secret: 'a new secret',
      }),
    );
    expect(hub.core.registry.secretsOf('laptop')).toEqual(['a new secret']);
    expect(hub.core.registry.secretsOf('laptop')).not.toContain(old);
  });

  it('rotation: both secrets are valid until the daemon has the new one, and the old one no longer than a minute', async () => {
    const old = laptop.secret;
    laptop.away();
    await hub.core.registry.rotate(OWNER, 'laptop');
    const [first, next] = hub.core.registry.secretsOf('laptop');
    expect(first).toBe(old);
    expect(next).toMatch(/^ict_[A-Za-z0-9_-]{43}$/);
    await hub.restart();
    expect(hub.core.registry.secretsOf('laptop')).toEqual([old, next]);
    laptop.back();
    laptop.losesAnswers = 1;
    await hub.core.registry.rotate(OWNER, 'laptop');
    expect(laptop.secret).toBe(next);
    expect(hub.core.registry.secretsOf('laptop')).toEqual([old, next]);
    await hub.core.registry.rotate(OWNER, 'laptop');
    expect(hub.core.registry.secretsOf('laptop')).toEqual([next, old]);
    await hub.advance(60_001);
    expect(hub.core.registry.secretsOf('laptop')).toEqual([next]);
    const machines = JSON.stringify([await hub.core.registry.machines(), hub.heard]);
    expect(machines).not.toContain(next);
    expect(machines).not.toContain(old);
  });

  it('a removed machine is gone, with its mail failed', async () => {
    await hub.machine('server', ['api']);
    laptop.away();
    const sent = await hub.send('server', { fromProject: 'api', to: 'laptop/app' });
    await hub.core.registry.remove(OWNER, 'laptop');
    expect(hub.heard.at(-1)).toMatchObject({ type: 'machine.removed', machineId: 'laptop' });
    expect((await hub.core.messaging.status(sent.id)).state).toBe('failed');
    await expect(hub.core.registry.machine('laptop')).rejects.toMatchObject({ code: 'unknown_machine' });
  });
});
