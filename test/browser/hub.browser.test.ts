/**
 * The main job with the web page as the place of approval: a real hub and daemons as processes, a real browser, agents that use the local
 * API of their daemon.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { Presence } from '../../src/protocol/attention.ts';
import type { MessageStatus } from '../../src/protocol/machine-api.ts';
import { Approval } from '../../src/protocol/model.ts';
import { SignInLink } from '../../src/protocol/operator-api.ts';
import { Mesh } from '../support/mesh.ts';
import { launch } from './support/chromium.ts';
import { openApp, signIn, type AppPage } from './support/page.ts';

let browser: Browser;
let mesh: Mesh;
let app: AppPage;
let page: Page;
let desk: string;
let shop: string;

beforeAll(async () => {
  mesh = await Mesh.start({ machines: ['laptop', 'studio'], policy: 'defaults: { require_approval: once }\n' });
  desk = await project('laptop', 'desk');
  shop = await project('studio', 'shop');
  await mesh
    .daemon('studio')
    .local({ cwd: shop })
    .putSession({ id: 'shop-session', agent: 'paper', pid: process.pid, cwd: shop });
  browser = await launch();
}, 120_000);
afterAll(async () => {
  await browser.close();
  await mesh.stop();
});
beforeEach(async () => {
  app = await openApp(browser);
  page = app.page;
  const { url } = await mesh.operator.call('POST', '/sign-in/links', SignInLink, {});
  await signIn(page, url);
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
});

async function project(machine: string, name: string): Promise<string> {
  const path = join(mesh.root, 'projects', machine, name);
  await mkdir(path, { recursive: true });
  return path;
}

const sender = () => mesh.daemon('laptop').local({ cwd: desk });
const receiver = () => mesh.daemon('studio').local({ cwd: shop, session: 'shop-session', agent: 'paper' });

/** An agent on the laptop writes to the one in the studio; resolves when it is accepted. */
function write(body: string): Promise<MessageStatus> {
  return sender().submit({ kind: 'send', to: 'studio/shop', body });
}

/** The card of a text. */
const cardOf = (body: string) => page.locator('article.approval').filter({ hasText: body });
const decidedOf = (body: string) => page.locator('.decided-row').filter({ hasText: body });

describe('the web page of a real hub', () => {
  it('shows a card at once; Allow lets the message through to the other agent', async () => {
    const sent = await write('Is the till free?');
    await cardOf('Is the till free?').getByRole('button', { name: 'Allow once' }).click();
    await decidedOf('Is the till free?')
      .getByText(/^Allowed once by .* on the web page$/)
      .waitFor();
    const status = await sender().message(sent.id, { seconds: 20, for: 'decision' });
    expect(['queued', 'dispatched', 'written', 'delivered']).toContain(status.state);
    await expect
      .poll(
        async () => {
          const taken = await receiver().takeInbox();
          if (taken.offer !== undefined) await receiver().acknowledge(taken.offer);
          return taken.messages.map((message) => message.body);
        },
        { timeout: 20_000 },
      )
      .toEqual(['Is the till free?']);
    await page.goto(`${mesh.hubUrl}/#/threads/${sent.threadId}`);
    await page.getByRole('button', { name: /^Delivered/ }).click();
    await page.getByRole('dialog').getByText('Held for approval').waitFor();
  });

  it('Deny reaches the sender with its reason', async () => {
    const sent = await write('May I delete the archive?');
    await cardOf('May I delete the archive?').getByRole('button', { name: 'Deny' }).click();
    await page.getByLabel('Reason, if you like').fill('we still need it');
    await page.keyboard.press('Enter');
    await decidedOf('May I delete the archive?').waitFor();
    const status = await sender().message(sent.id, { seconds: 20, for: 'decision' });
    expect(status.state).toBe('denied');
    expect(status.reason).toContain('we still need it');
  });

  it('a double answer has one winner, and the page says kindly who it was', async () => {
    await write('Who is first?');
    const card = cardOf('Who is first?');
    await card.waitFor();
    // The page's answer is on its way while another one arrives from the command line's side.
    let release = (): void => undefined;
    const elsewhere = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route('**/decision', async (route) => {
      await elsewhere;
      await route.continue();
    });
    await card.getByRole('button', { name: 'Allow once' }).click();
    const [pending] = (await mesh.operator.pending()).filter(
      (one) => one.subject.kind === 'message' && one.subject.body === 'Who is first?',
    );
    if (pending === undefined) throw new Error('the card is gone');
    await mesh.operator.decide(pending, 'deny', { reason: 'too early' });
    release();
    await page.getByText(/denied it in a terminal .*That answer counts\./).waitFor();
    expect((await mesh.operator.call('GET', `/approvals/${pending.id}`, Approval)).state).toBe('denied');
    await decidedOf('Who is first?').waitFor();
  });

  it('comes back after kill -9 of the hub, with what waits, once', async () => {
    await write('before the kill');
    await cardOf('before the kill').waitFor();
    await mesh.hub.kill();
    await page.getByText('The line to the hub is lost').waitFor();
    // Accepted by the sender's own daemon while the hub is away.
    const kept = write('while it was away');
    await mesh.hub.start();
    await kept;
    await page.getByText('Live', { exact: true }).waitFor({ timeout: 40_000 });
    await cardOf('while it was away').waitFor({ timeout: 40_000 });
    await write('after it');
    await cardOf('after it').waitFor();
    await expect
      .poll(() => page.locator('article.approval .quote').allTextContents())
      .toEqual(['before the kill', 'while it was away', 'after it']);
  });

  it('lists the machines with what works there, and renames one', async () => {
    await page.goto(`${mesh.hubUrl}/#/machines`);
    const studio = page.locator('[data-machine="studio"]');
    await studio.locator('[data-agent="studio/shop"]').getByText('Reads messages only when it asks').waitFor();
    await studio.getByText('Manage').click();
    await studio.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel(/Name that people see/).fill('The studio');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'The studio', exact: true }).waitFor();
  });

  it('writes to an agent as the operator', async () => {
    await page.goto(`${mesh.hubUrl}/#/machines`);
    await page.getByRole('button', { name: 'Write to shop' }).click();
    await page.getByLabel('Your message').fill('Good morning from the page.');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('.message').filter({ hasText: 'Good morning from the page.' }).waitFor();
    await expect
      .poll(
        async () => {
          const taken = await receiver().takeInbox();
          if (taken.offer !== undefined) await receiver().acknowledge(taken.offer);
          return taken.messages.map((message) => message.from);
        },
        { timeout: 20_000 },
      )
      .toEqual([expect.stringMatching(/^human:/)]);
    await page.getByRole('button', { name: /^Delivered/ }).waitFor();
  });

  it('answers the questions of an agent, which gets what was chosen and written', async () => {
    const { ref } = await receiver().askPerson({
      key: 'till',
      expiresInSeconds: 600,
      questions: [
        { id: 'when', text: 'Wann soll die Kasse schließen?', options: [{ label: 'Um acht' }, { label: 'Gar nicht' }] },
        { id: 'why', text: 'Why?', options: [], optional: true },
      ],
    });
    const card = page.locator('article.approval').filter({ hasText: 'Wann soll die Kasse schließen?' });
    await card.getByLabel('Gar nicht').check();
    await card.getByLabel('Your answer').fill('It is summer.');
    await card.getByRole('button', { name: 'Answer' }).click();
    await page
      .locator('.decided-row')
      .getByText(/^Answered by .* on the web page$/)
      .waitFor();
    const state = await receiver().question(ref, { seconds: 20 });
    expect(state).toMatchObject({
      state: 'allowed',
      decision: {
        answers: [
          { id: 'when', options: ['Gar nicht'] },
          { id: 'why', options: [], text: 'It is summer.' },
        ],
      },
    });
  });

  it('is known as looked at, shows what agents announce, and keeps how the person wants to be told', async () => {
    const presence = () => mesh.operator.call('GET', '/attention/presence', Presence);
    await expect.poll(async () => (await presence()).operators.length).toBe(1);
    const { listeners } = await receiver().announce({ text: 'The till is **closed**.' });
    expect(listeners).toBe(1);
    await page.locator('[data-announcement]').getByText('closed', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Notices' }).click();
    const plans = page.getByRole('checkbox', { name: 'A plan: Telegram' });
    await plans.click();
    await page.getByText('Saved.').waitFor();
    await page.getByRole('button', { name: 'Silence for 1 h' }).click();
    await page.getByText('Nothing rings until').waitFor();
    await page.reload();
    await page.getByText('Nothing rings until').waitFor();
    await expect.poll(() => plans.isChecked()).toBe(false);
    await expect.poll(() => page.getByRole('checkbox', { name: 'A plan: Devices' }).isChecked()).toBe(true);
  });
});
