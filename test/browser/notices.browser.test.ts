/** How a person wants to be told, and notices while the page is closed, in a real browser with a real service worker. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, CDPSession, Page, Worker } from 'playwright-core';
import type { PushMessage } from '../../src/protocol/attention.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import type { Approval } from '../../src/protocol/model.ts';
import { toolApproval } from './support/attention-scene.ts';
import { launch } from './support/chromium.ts';
import { FakeOperator } from './support/fake-operator.ts';
import { openApp, signIn, type AppPage } from './support/page.ts';

let browser: Browser;
let hub: FakeOperator;
let app: AppPage;
let page: Page;

beforeAll(async () => {
  browser = await launch();
}, 60_000);
afterAll(async () => {
  await browser.close();
});
beforeEach(async () => {
  hub = new FakeOperator();
  await hub.start();
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
  await hub.stop();
});

async function open(serviceWorker = false, script?: string): Promise<void> {
  app = await openApp(browser, { serviceWorker });
  page = app.page;
  if (script !== undefined) await app.context.addInitScript(script);
  await signIn(page, hub.signInLink());
}

const settings = async (): Promise<void> => {
  await page.getByRole('link', { name: 'Notices' }).click();
  await page.getByRole('heading', { name: 'What rings where' }).waitFor();
};

describe('what rings where', () => {
  it('is shown as it is, and a change is saved with everything else as it was', async () => {
    hub.attention.preferences = { channels: { stall: ['push'] }, mutes: [{ pattern: 'shed/*' }], digestMinutes: 60 };
    await open();
    await settings();
    const tick = (name: string) => page.getByRole('checkbox', { name, exact: true });
    await expect.poll(() => tick('Silence for minutes while at work: Telegram').isChecked()).toBe(false);
    await expect.poll(() => tick('A permission to use a tool: Telegram').isChecked()).toBe(true);
    await tick('A permission to use a tool: Telegram').click();
    await page.getByText('Saved.').waitFor();
    await expect.poll(() => tick('A permission to use a tool: Telegram').isChecked()).toBe(false);
    expect(hub.attention.preferences).toEqual({
      channels: { stall: ['push'], permission: ['push'] },
      mutes: [{ pattern: 'shed/*' }],
      digestMinutes: 60,
    });
  }, 30_000);

  it('seed: a change that the hub refused goes back and says why; nothing is called saved', async () => {
    await open();
    await settings();
    hub.before = (method) => {
      if (method === 'PATCH') throw new IntercomError('storage_failed', 'The disk is full.', { next: 'Make room.' });
    };
    const tick = page.getByRole('checkbox', { name: 'A plan: Devices' });
    await tick.click();
    await expect.poll(() => page.getByRole('alert').textContent()).toBe('The disk is full. Make room.');
    await expect.poll(() => tick.isChecked()).toBe(true);
    await expect.poll(() => page.getByText('Saved.').count()).toBe(0);
    hub.before = () => undefined;
    await tick.click();
    await page.getByText('Saved.').waitFor();
    await expect.poll(() => tick.isChecked()).toBe(false);
  }, 30_000);

  it('can be silenced for an hour, at night, for some agents, and gathered', async () => {
    await open();
    await settings();
    await page.getByRole('button', { name: 'Silence for 1 h' }).click();
    await page.getByText('Nothing rings until').waitFor();
    const until = Date.parse(hub.attention.preferences.muteUntil ?? '');
    expect(Math.abs(until - Date.now() - 3_600_000)).toBeLessThan(60_000);
    await page.getByRole('button', { name: 'Ring again now' }).click();
    await page.getByRole('button', { name: 'Until tomorrow, 8:00' }).waitFor();
    expect(hub.attention.preferences.muteUntil).toBeUndefined();
    await page.getByLabel(/Every day nothing rings/).click();
    await page.getByLabel('From').fill('23:30');
    await page.getByLabel('From').blur();
    await expect.poll(() => hub.attention.preferences.quiet?.from).toBe('23:30');
    await page.getByLabel('In the time of').selectOption('Asia/Tokyo');
    await expect
      .poll(() => hub.attention.preferences.quiet)
      .toEqual({ from: '23:30', to: '07:00', timeZone: 'Asia/Tokyo' });
    await page.getByLabel(/Everything but permissions/).selectOption('240');
    await expect.poll(() => hub.attention.preferences.digestMinutes).toBe(240);
    await page.getByLabel(/An agent, or many/).fill('laptop/*');
    await page.getByRole('button', { name: 'Silence it' }).click();
    await page.getByRole('button', { name: 'Remove the silence of laptop/*' }).click();
    await expect.poll(() => hub.attention.preferences.mutes).toEqual([]);
  }, 30_000);
});

describe('notices on this device', () => {
  it('are said to be impossible where the browser has none, and what helps instead', async () => {
    await open();
    await settings();
    await page.locator('[data-push="unsupported"]').getByText('This browser has no Web Push.').waitFor();
  }, 30_000);

  it('are asked for only after a press, and are on only when the hub has the subscription', async () => {
    // The push service of a browser without a network: everything else is the real one.
    await open(
      true,
      `
      const held = { endpoint: 'https://push.example/1', options: { applicationServerKey: null }, unsubscribe: async () => { current = null; return true; },
        toJSON: () => ({ endpoint: 'https://push.example/1', expirationTime: null, keys: { p256dh: 'p'.repeat(87), auth: 'a'.repeat(22) } }) };
      let current = null;
      window.__asked = 0;
      Object.defineProperty(Notification, 'permission', { get: () => (window.__asked === 0 ? 'default' : 'granted') });
      Notification.requestPermission = async () => { window.__asked += 1; return 'granted'; };
      PushManager.prototype.getSubscription = async () => current;
      PushManager.prototype.subscribe = async (options) => { window.__key = options.applicationServerKey; current = held; return held; };
    `,
    );
    await page.evaluate('navigator.serviceWorker.ready');
    await settings();
    const button = page.getByRole('button', { name: 'Switch on notices here' });
    await button.waitFor();
    expect(await page.evaluate('window.__asked')).toBe(0);
    hub.before = (_method, path) => {
      if (path.endsWith('/subscriptions')) throw new IntercomError('storage_failed', 'The disk is full.');
    };
    await button.click();
    await page.locator('[data-push="off"]').getByText('The disk is full.').waitFor();
    hub.before = () => undefined;
    await button.click();
    await page.locator('[data-push="on"]').waitFor();
    expect(hub.attention.subscriptions.map(({ endpoint }) => endpoint)).toEqual(['https://push.example/1']);
    await page.getByRole('button', { name: 'Switch off here' }).click();
    await page.locator('[data-push="off"]').waitFor();
    expect(hub.attention.subscriptions).toEqual([]);
  }, 30_000);
});

describe('the installed app', () => {
  it('seed: can be installed: a manifest without faults, icons, and a service worker that has the whole site', async () => {
    await open(true);
    expect(await page.evaluate('navigator.serviceWorker.ready.then(({ scope }) => new URL(scope).pathname)')).toBe('/');
    const cdp = await app.context.newCDPSession(page);
    const manifest = await cdp.send('Page.getAppManifest');
    expect(manifest.errors).toEqual([]);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    // The tests’ own windows are private ones.
    expect(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito')).toEqual([]);
  }, 30_000);
});

describe('a push', () => {
  let cdp: CDPSession;
  let worker: Worker;
  let registrationId: string;

  async function ready(): Promise<void> {
    await open(true);
    await app.context.grantPermissions(['notifications'], { origin: hub.url });
    await page.evaluate('navigator.serviceWorker.ready');
    cdp = await app.context.newCDPSession(page);
    const registered = new Promise<string>((resolve) => {
      cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
        const ours = registrations.find(({ scopeURL }) => scopeURL === `${hub.url}/`);
        if (ours !== undefined) resolve(ours.registrationId);
      });
    });
    await cdp.send('ServiceWorker.enable');
    registrationId = await registered;
    const [first] = app.context.serviceWorkers();
    worker = first ?? (await app.context.waitForEvent('serviceworker'));
  }

  const push = async (message: PushMessage): Promise<void> => {
    await cdp.send('ServiceWorker.deliverPushMessage', {
      origin: hub.url,
      registrationId,
      data: JSON.stringify(message),
    });
  };
  /** What is shown now, as `tag: body [actions]`. */
  const tray = () =>
    worker.evaluate<string[]>(
      'self.registration.getNotifications().then((all) => all.map((one) => `${one.tag}: ${one.body} [${(one.actions ?? []).map(({ action }) => action)}]`))',
    );
  /** Somebody presses the notice, or a button of it. The event is made here; what handles it is the worker. */
  const press = (action: string) =>
    worker.evaluate(
      `self.registration.getNotifications().then(([notification]) => self.dispatchEvent(new NotificationEvent('notificationclick', { notification, action: ${JSON.stringify(action)} })))`,
    );
  const notice = (approval: Approval | undefined): Extract<PushMessage, { do: 'show' }> => ({
    do: 'show',
    tag: 'session studio#5f2c9a10',
    title: 'shop/api',
    body: 'Bash: npm publish',
    path: '/#/attention',
    renotify: true,
    ...(approval === undefined ? {} : { approval: { id: approval.id, shownHash: approval.shownHash } }),
  });

  it('shows one notice per session, with Allow and Deny where that is enough, and goes when it was answered', async () => {
    await ready();
    const approval = hub.raise(toolApproval());
    await push(notice(undefined));
    await push(notice(approval));
    await expect.poll(tray).toEqual(['session studio#5f2c9a10: Bash: npm publish [allow,deny]']);
    await push({ do: 'close', tag: 'session studio#5f2c9a10' });
    await expect.poll(tray).toEqual([]);
  }, 60_000);

  it('is answered on the notice itself, in the name of the person who is signed in', async () => {
    await ready();
    const approval = hub.raise(toolApproval());
    await push(notice(approval));
    await expect.poll(tray).toHaveLength(1);
    await press('deny');
    await page.locator(`.decided-row[data-approval="${approval.id}"]`).getByText('Denied by nora').waitFor();
    expect(hub.scene.approvals.find(({ id }) => id === approval.id)?.decision).toMatchObject({ verdict: 'deny' });
    await expect.poll(tray).toEqual([]);
  }, 60_000);

  it('seed: says that nothing was decided when somebody else was first', async () => {
    await ready();
    const approval = hub.raise(toolApproval());
    await push(notice(approval));
    await expect.poll(tray).toHaveLength(1);
    hub.decide(approval.id, { verdict: 'deny', scope: 'once', by: 'tom', via: 'cli', at: new Date().toISOString() });
    await press('allow');
    await expect.poll(tray).toEqual(['session studio#5f2c9a10: Not done: tom was first. []']);
    expect(hub.scene.approvals.find(({ id }) => id === approval.id)?.decision?.by).toBe('tom');
  }, 60_000);

  it('brings the open page to the right place when it is pressed', async () => {
    await ready();
    const [approval] = [toolApproval(), toolApproval(), toolApproval()].map((one) => hub.raise(one)).reverse();
    await page.goto(`${hub.url}/#/machines`);
    await push({ ...notice(undefined), path: `/#/approvals/${approval?.id}` });
    await expect.poll(tray).toHaveLength(1);
    await press('');
    await page.getByRole('heading', { name: 'Attention' }).waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe(approval?.id);
  }, 60_000);
});
