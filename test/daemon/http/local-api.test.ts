import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;

beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  daemon = await startTestDaemon(home);
  await hub.until(() => hub.hellos.length > 0);
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

describe('the local API', () => {
  it('sends in the name of the directory, and of nobody else', async () => {
    const api = home.client({ cwd: home.directory('api') });
    const status = await api.submit({ to: 'desk/web', kind: 'send', body: 'hi' });
    expect(status.state).toBe('queued');
    expect([...hub.taken.values()]).toMatchObject([{ id: status.id, fromProject: 'api', to: 'desk/web', body: 'hi' }]);
    expect(await api.whoami()).toMatchObject({ address: 'laptop/api', hubReachable: true });
  });
});
