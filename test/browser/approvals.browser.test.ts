/** Sign-in and approvals in a real browser. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { Approval } from '../../src/protocol/model.ts';
import { launch } from './support/chromium.ts';
import { FakeOperator } from './support/fake-operator.ts';
import { anotherTab, openApp, signIn as signInWith, type AppPage } from './support/page.ts';
import { approvalOf, joinApproval, makeMessage, makeThread, past } from './support/scene.ts';

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
  app = await openApp(browser);
  page = app.page;
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
  await hub.stop();
});

const signIn = (): Promise<void> => signInWith(page, hub.signInLink());

function card(body: string, over: Partial<Approval> = {}): Approval {
  const message = makeMessage(newId('thread'), 'studio/infra', 'laptop/shop/web', body, {
    kind: 'send',
    state: 'held',
    createdAt: past(5),
  });
  return approvalOf(message, makeThread([message]), over);
}

function held(approval: Approval): Approval | undefined {
  return hub.scene.approvals.find((other) => other.id === approval.id);
}

const cardOf = (approval: Approval) => page.locator(`article[data-approval="${approval.id}"]`);
const decidedOf = (approval: Approval) => page.locator(`.decided-row[data-approval="${approval.id}"]`);

describe('signing in', () => {
  it('takes the code out of the address and the history before it is used, and keeps nothing for scripts', async () => {
    const link = hub.signInLink();
    await page.goto(link);
    await page.getByText('Nothing waits for you').waitFor();
    expect(page.url()).toBe(`${hub.url}/#/attention`);
    await page.goBack();
    expect(page.url()).not.toContain('sign-in');
    await page.goForward();
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await page.evaluate('JSON.stringify({ ...localStorage, ...sessionStorage })')).toBe('{}');
  }, 30_000);

  it('says what to do without a link, and with one that was used', async () => {
    await page.goto(hub.url);
    await page.getByText('intercom login --link').waitFor();
    await page.getByLabel('Or paste the link').fill(`${hub.url}/#/sign-in/used-before`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('Ask for a new one');
    await page.getByLabel('Or paste the link').fill(hub.signInLink());
    await page.keyboard.press('Enter');
    await page.getByText('Nothing waits for you').waitFor();
  }, 30_000);

  it('ends for good when the person signs out', async () => {
    await signIn();
    await page.getByRole('button', { name: 'Sign out nora' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  }, 30_000);
});

describe('an approval', () => {
  it('appears by itself with its whole text, who asks whom and why, and is counted', async () => {
    await signIn();
    const approval = hub.raise(card('Restart the staging host at 14:00?'));
    const view = cardOf(approval);
    await view.waitFor();
    const text = (await view.textContent()) ?? '';
    for (const part of ['Restart the staging host at 14:00?', 'infra', 'shop/web', 'rule 4', 'Expires in'])
      expect(text).toContain(part);
    await expect.poll(() => page.title()).toBe('(1) intercom');
    await expect.poll(() => page.getByRole('link', { name: 'Attention' }).textContent()).toContain('1');
  }, 30_000);

  it('is allowed with the hash of what was shown, and moves to Decided', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    await cardOf(approval).getByRole('button', { name: 'Allow in this conversation' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision).toMatchObject({ verdict: 'allow', scope: 'mission', via: 'web', by: 'nora' });
    await expect
      .poll(() => decidedOf(approval).textContent())
      .toContain('Allowed in this conversation by nora on the web page');
    await expect.poll(() => cardOf(approval).count()).toBe(0);
    await expect.poll(() => page.title()).toBe('intercom');
  }, 30_000);

  it('is denied with a reason for the sender', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    await cardOf(approval).getByRole('button', { name: 'Deny' }).click();
    await page.getByLabel('Reason, if you like').fill('use the tunnel');
    await page.getByRole('button', { name: 'Deny it' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision).toMatchObject({ verdict: 'deny', reason: 'use the tunnel' });
    await expect.poll(() => decidedOf(approval).textContent()).toContain('use the tunnel');
  }, 30_000);

  it('can be denied without a reason, and thought over', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    await cardOf(approval).getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('button', { name: 'Back' }).click();
    expect(held(approval)?.state).toBe('pending');
    await cardOf(approval).getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('button', { name: 'Deny it' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision?.reason).toBeUndefined();
  }, 30_000);

  it('has one winner when two tabs answer, and the other is told who it was', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    const other = await anotherTab(app);
    await other.page.goto(`${hub.url}/#/attention`);
    // The second tab's answer is on its way while the first one's arrives.
    let arrived = (): void => undefined;
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await other.page.route('**/decision', async (route) => {
      await first;
      await route.continue();
    });
    await other.page.getByRole('button', { name: 'Always allow' }).click();
    await other.page.getByText('Telling the hub…').waitFor();
    await cardOf(approval).getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('button', { name: 'Deny it' }).click();
    await decidedOf(approval).waitFor();
    arrived();
    await other.page.getByText(/nora denied it on the web page .*That answer counts\./).waitFor();
    expect(held(approval)?.state).toBe('denied');
    expect(await other.faults()).toEqual([]);
  }, 30_000);

  it('goes from the page when it was answered elsewhere, and says where', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    await cardOf(approval).waitFor();
    hub.decide(approval.id, { verdict: 'allow', scope: 'once', by: 'tom', via: 'telegram', at: past(0) });
    await decidedOf(approval).waitFor();
    await expect.poll(() => decidedOf(approval).textContent()).toContain('Allowed once by tom in Telegram');
  }, 30_000);

  it('seed: nothing is called done when it failed: the card stays, with the cause and what to do', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    hub.before = (method) => {
      if (method === 'POST')
        throw new IntercomError('storage_failed', 'The disk is full.', { next: 'Make room, then try again.' });
    };
    await cardOf(approval).getByRole('button', { name: 'Allow once' }).click();
    await expect
      .poll(() => cardOf(approval).getByRole('alert').textContent())
      .toBe('The disk is full. Make room, then try again.');
    await expect.poll(() => page.locator('.toast').count()).toBe(0);
    hub.before = () => undefined;
    await cardOf(approval).getByRole('button', { name: 'Allow once' }).click();
    await decidedOf(approval).waitFor();
  }, 30_000);

  it('is answered with the keyboard alone, and the focus does not get lost', async () => {
    await signIn();
    const approval = hub.raise(card('May I?'));
    await cardOf(approval).waitFor();
    const label = () => page.evaluate<string>('document.activeElement.textContent');
    for (let tabs = 0; tabs < 20 && (await label()) !== 'Allow once'; tabs += 1) await page.keyboard.press('Tab');
    expect(await label()).toBe('Allow once');
    await page.keyboard.press('Enter');
    await decidedOf(approval).waitFor();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('waiting-title');
  }, 30_000);

  it('folds a long text, says how long it is, and shows it whole', async () => {
    await signIn();
    const body = `${'a line of a long text\n'.repeat(60)}THE END`;
    const view = cardOf(hub.raise(card(body)));
    await view.waitFor();
    await expect.poll(() => view.textContent()).not.toContain('THE END');
    await view.getByRole('button', { name: `Show all ${body.length.toLocaleString('en')} characters` }).click();
    await expect.poll(() => view.textContent()).toContain('THE END');
  }, 30_000);

  it('stays text, whatever is in it', async () => {
    await signIn();
    const evil = '<img src=x onerror="window.__evil=1"><script>window.__evil=1</script><b>**bold**</b> \u202Eexe.txt';
    const view = cardOf(hub.raise(card(evil)));
    await view.waitFor();
    const text = (await view.locator('.quote').textContent()) ?? '';
    expect(text).toContain('<img src=x onerror="window.__evil=1"><script>window.__evil=1</script><b>**bold**</b>');
    expect(text).toContain('U+202E');
    expect(await page.evaluate('window.__evil')).toBeUndefined();
    await expect.poll(() => view.locator('img, script, b, strong').count()).toBe(0);
  }, 30_000);

  it('of a join shows the code to compare', async () => {
    await signIn();
    const approval = hub.raise(joinApproval());
    await expect.poll(() => cardOf(approval).locator('.join-code').textContent()).toBe('418-207');
    await cardOf(approval).getByRole('button', { name: 'Let it join' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.state).toBe('allowed');
  }, 30_000);

  it('can be read but not answered by a viewer', async () => {
    hub.role = 'viewer';
    await signIn();
    const view = cardOf(hub.raise(card('May I?')));
    await view.waitFor();
    await expect.poll(() => view.getByRole('button').count()).toBe(0);
    await page.getByText('your role is “viewer”').waitFor();
  }, 30_000);
});
