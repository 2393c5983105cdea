import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
