import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiscoverResponse, HealthResponse } from '../../../src/protocol/machine-api.ts';
import { HubStatus, Me, PolicyView, Snapshot } from '../../../src/protocol/operator-api.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
});
afterAll(() => hub.stop());

describe('a hub', () => {
  it('answers openly what it is, and everything else to the owner on its socket', async () => {
    const open = hub.client();
    expect(await open.call({ method: 'GET', path: '/api/health' }, HealthResponse)).toEqual({
      status: 'ok',
      version: '9.9.9',
      mode: 'hub',
    });
    expect(await open.call({ method: 'GET', path: '/api/discover' }, DiscoverResponse)).toMatchObject({ hub: true });
    expect(await hub.operator.call({ method: 'GET', path: '/api/operator/me' }, Me)).toMatchObject({
      operator: { name: 'ada', role: 'owner' },
    });
    const status = await hub.operator.call({ method: 'GET', path: '/api/operator/status' }, HubStatus);
    expect(status).toMatchObject({ urls: [hub.url], telegram: { state: 'off' }, store: { state: 'ok' } });
    const snapshot = await hub.operator.call({ method: 'GET', path: '/api/operator/snapshot' }, Snapshot);
    expect(snapshot).toMatchObject({ me: { name: 'ada' }, approvals: [], threads: [] });
  });

  it('refuses a second one on the same home, and leaves the first one alone', async () => {
    await expect(startTestHub({ home: hub.home })).rejects.toThrow('already runs here');
    await hub.client().call({ method: 'GET', path: '/api/health' }, HealthResponse);
  });

  it('keeps epoch, members and sessions over a restart', async () => {
    const cookie = await hub.cookieOf('ada');
    const before = await hub.machine('laptop');
    const epoch = hub.hub.services.events.epoch;
    hub = await hub.restart();
    expect(hub.hub.services.events.epoch).toBe(epoch);
    expect((await hub.machine('laptop')).secret).toBe(before.secret);
    const me = await fetch(`${hub.url}/api/operator/me`, { headers: { cookie } });
    expect(me.status).toBe(200);
  });

  it('listens on the tailnet too, as soon as there is one, and on nothing else', async () => {
    const other = await startTestHub({ listen: ['auto'], tailscaleIp: '127.0.0.2' });
    await other.hub.settled;
    expect(other.hub.urls.map((url) => new URL(url).hostname)).toEqual(['127.0.0.1', '127.0.0.2']);
    const answer = await fetch(`${other.hub.urls[1] ?? ''}/api/health`);
    expect(answer.status).toBe(200);
    await other.stop();
  });

  it('a port that is taken is said in words', async () => {
    const { port } = new URL(hub.url);
    await expect(startTestHub({ listen: [`127.0.0.1:${port}`] })).rejects.toThrow(`127.0.0.1:${port} is in use`);
  });

  it('a store that another program holds is a state that is shown, and over by itself', async () => {
    const health = () => hub.client().call({ method: 'GET', path: '/api/health' }, HealthResponse);
    const status = () => hub.operator.call({ method: 'GET', path: '/api/operator/status' }, HubStatus);
    const thief = new SqliteDatabase(hub.paths.hubDatabase);
    thief.exec('BEGIN IMMEDIATE');
    const raise = () => hub.hub.services.notices.raise({ key: 'test', level: 'info', text: 'a test' });
    let ended = false;
    const waiting = raise().finally(() => (ended = true));
    waiting.catch(() => undefined);
    // Who only reads does not wait with it.
    expect(await health()).toMatchObject({ status: 'ok' });
    expect(ended).toBe(false);
    await expect(waiting).rejects.toThrow('another program holds the store locked');
    expect(await health()).toMatchObject({ status: 'degraded' });
    const { store, notices } = await status();
    expect(store).toMatchObject({ state: 'degraded' });
    expect(notices).toMatchObject([{ key: 'store.fault', level: 'error' }]);
    thief.exec('ROLLBACK');
    thief.close();
    await raise();
    expect(await health()).toMatchObject({ status: 'ok' });
    await hub.hub.services.notices.clear('test');
  }, 30_000);

  it('reads policies.yml again when it is replaced, keeps the old rules on a fault, and shows the fault', async () => {
    const { events } = hub.hub.services;
    const changed = () =>
      new Promise<string | undefined>((resolve) => {
        const stop = events.subscribe((event) => {
          if (event.type !== 'policy.changed') return;
          stop();
          resolve(event.fault);
        });
      });
    const view = () => hub.operator.call({ method: 'GET', path: '/api/operator/policy' }, PolicyView);
    await mkdir(hub.paths.config, { recursive: true });
    const faulty = async (): Promise<void> => {
      const { rules, fault } = await view();
      expect(rules).toMatchObject([{ label: 'no' }]);
      expect(fault).toContain('maybe');
    };
    const first = changed();
    await writeFile(hub.paths.policyFile, 'rules: [{ from: "a/*", to: "b/*", approval: deny, label: no }]\n');
    expect(await first).toBeUndefined();
    expect((await view()).rules).toMatchObject([{ approval: 'deny', label: 'no' }]);

    const second = changed();
    await writeFile(hub.paths.policyFile, 'rules: [{ approval: maybe }]\n');
    expect(await second).toContain('policies.yml:1 rule 1, approval: "maybe" is not valid');
    await faulty();

    hub = await hub.restart();
    await faulty();
    expect(await hub.hub.services.notices.live()).toMatchObject([{ key: 'policy.fault' }]);

    const third = new Promise<string | undefined>((resolve) => {
      const stop = hub.hub.services.events.subscribe((event) => {
        if (event.type !== 'policy.changed') return;
        stop();
        resolve(event.fault);
      });
    });
    await writeFile(join(hub.paths.config, 'policies.yml'), 'rules: []\n');
    expect(await third).toBeUndefined();
    expect((await view()).rules).toEqual([]);
  });
});
