/** Web push from a real hub to a push service that judges every request, and browsers that decrypt what they get. */
import { readFile, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DecisionRequest } from '../../../src/protocol/operator-api.ts';
import { Ok, RaiseApproval, ApprovalRaised } from '../../../src/protocol/machine-api.ts';
import { sessionOf } from '../../support/hub-core.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { PushService, type Browser } from '../../support/push-service.ts';

let hub: TestHub;
let service: PushService;
let phone: Browser;
let machine: Awaited<ReturnType<TestHub['machine']>>['client'];

beforeEach(async () => {
  service = await PushService.start();
  hub = await startTestHub({ config: { push: { allow_private: true, contact: 'mailto:ada@example.org' } } });
  machine = (await hub.machine('laptop')).client;
  await machine.call({ method: 'POST', path: '/api/machine/sessions', body: { sessions: [sessionOf('sess-1')] } }, Ok);
  phone = await subscribed();
});
afterEach(async () => {
  await hub.stop();
  await service.close();
});

async function subscribed(): Promise<Browser> {
  const browser = service.browser(hub.hub.services.push.publicKey);
  const path = '/api/operator/push/subscriptions';
  await hub.operator.call({ method: 'POST', path, body: browser.subscription }, Ok);
  return browser;
}

let count = 0;
function dialog(summary: string, input = summary): Promise<{ id: string }> {
  count += 1;
  const tool = { kind: 'tool', from: 'laptop/app', agent: 'claude', tool: 'Bash', cwd: '/home/x/app' };
  const body = RaiseApproval.parse({ ref: `dialog-${count}`, session: 'sess-1', subject: { ...tool, summary, input } });
  return machine.call({ method: 'POST', path: '/api/machine/approvals', body }, ApprovalRaised);
}

async function allow(id: string): Promise<void> {
  const { shownHash } = await hub.hub.services.approvals.get(id);
  const decision = DecisionRequest.parse({ verdict: 'allow', shownHash });
  await hub.hub.services.approvals.decide({ operator: { name: 'ada', role: 'owner' }, via: 'web' }, id, decision);
}

describe('a browser', () => {
  it('is shown what is asked, with what it needs to answer, and the notice goes when it is answered', async () => {
    const { id } = await dialog('npm publish');
    await phone.until(() => phone.pushed.length === 1);
    const { shownHash } = await hub.hub.services.approvals.get(id);
    expect(phone.pushed[0]).toMatchObject({
      message: {
        ...{ do: 'show', tag: id, title: 'laptop/app asks for permission', body: 'Bash: npm publish', renotify: false },
        ...{ path: `/#/approvals/${id}`, approval: { id, shownHash } },
      },
      ...{ urgency: 'high', claims: { aud: service.origin, sub: 'mailto:ada@example.org' } },
    });
    expect(phone.pushed[0]?.ttl).toBeGreaterThan(3_000);
    await allow(id);
    await phone.until(() => phone.pushed.length === 2);
    expect(phone.pushed[1]).toMatchObject({ message: { do: 'close', tag: id }, topic: phone.pushed[0]?.topic });
  });

  it('gets a long text in a hard script cut, and whole letters', async () => {
    await dialog('한국어 👩‍👩‍👧 '.repeat(40), 'x');
    await phone.until(() => phone.pushed.length === 1);
    expect(phone.statuses).toEqual([201]);
  });

  it('that is gone is forgotten, and the others are told', async () => {
    const other = await subscribed();
    phone.answers.push({ status: 410 });
    await dialog('npm test');
    await Promise.all([phone.until(() => phone.statuses.length === 1), other.until(() => other.pushed.length === 1)]);
    await dialog('npm publish');
    await other.until(() => other.pushed.length === 2);
    expect(phone.statuses).toEqual([410]);
  });

  it('whose service is busy is tried again when that says so; what came meanwhile takes its place', async () => {
    phone.answers.push({ status: 429, retryAfter: '0' }, { status: 503, retryAfter: '0' });
    await dialog('npm test');
    await phone.until(() => phone.pushed.length === 1);
    expect(phone.statuses).toEqual([429, 503, 201]);
  });

  it('is not told after it was unsubscribed, and by nobody else', async () => {
    const path = '/api/operator/push/subscriptions/remove';
    const body = { endpoint: phone.subscription.endpoint };
    const other = await subscribed();
    await hub.hub.services.push.unsubscribe('bob', phone.subscription.endpoint);
    await dialog('npm test');
    await phone.until(() => phone.pushed.length === 1);
    await hub.operator.call({ method: 'POST', path, body }, Ok);
    await dialog('npm publish');
    await other.until(() => other.pushed.length === 2);
    expect(phone.pushed).toHaveLength(1);
  });

  it('is told to take away what it was shown before the hub was started anew', async () => {
    const { id } = await dialog('npm publish');
    await phone.until(() => phone.pushed.length === 1);
    hub = await hub.restart();
    await allow(id);
    await phone.until(() => phone.pushed.length === 2);
    expect(phone.pushed[1]?.message).toEqual({ do: 'close', tag: id });
  });
});

describe('the keys', () => {
  it('are made once, and nobody else reads them', async () => {
    const { publicKey } = hub.hub.services.push;
    expect((await stat(hub.paths.pushKeys)).mode & 0o777).toBe(0o600);
    const [kept, again] = [await readFile(hub.paths.pushKeys, 'utf8'), await hub.restart()];
    hub = again;
    expect(hub.hub.services.push.publicKey).toBe(publicKey);
    expect(await readFile(hub.paths.pushKeys, 'utf8')).toBe(kept);
  });
});
