/** Takes a picture of every screen in both themes and sizes; run by scripts/shots.mjs. */
import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { addAttention } from './attention-scene.ts';
import { SIZES } from './chromium.ts';
import { FakeOperator } from './fake-operator.ts';
import { addMissions, RUNNING } from './mission-scene.ts';
import { emptyScene, fullScene } from './scene.ts';

type Shot = (name: string, full?: boolean) => Promise<void>;

export async function takeShots(browser: Browser, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const hub = new FakeOperator();
      hub.scene = fullScene();
      addAttention(hub.scene);
      addMissions(hub.scene);
      await hub.start();
      const context = await browser.newContext({
        viewport,
        colorScheme,
        deviceScaleFactor: 1,
      });
      await context.addInitScript('delete Navigator.prototype.serviceWorker');
      const page = await context.newPage();
      const shot: Shot = async (name, full = false) => {
        await page.evaluate('document.fonts.ready');
        await page.screenshot({
          path: `${folder}/${size}-${colorScheme}-${name}.png`,
          fullPage: full,
          animations: 'disabled',
        });
      };
      await walk(page, hub, shot);
      await context.close();
      await hub.stop();
    }
  }
}

async function walk(page: Page, hub: FakeOperator, shot: Shot): Promise<void> {
  await page.goto(hub.url);
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await shot('01-sign-in');
  await page.goto(`${hub.url}/#/sign-in/used-up-code`);
  await page.getByRole('alert').waitFor();
  await shot('02-sign-in-problem');
  await page.goto(hub.signInLink());
  await page.getByRole('heading', { name: 'Attention' }).waitFor();
  await shot('03-attention');
  await shot('04-attention-full', true);
  await page.getByRole('button', { name: 'Deny' }).first().click();
  await shot('05-deny');
  await attention(page, hub, shot);
  await page.goto(`${hub.url}/#/threads`);
  await page.getByRole('heading', { name: 'Threads' }).waitFor();
  await shot('06-threads');
  await page.locator('.thread-row').filter({ hasText: 'total_cents' }).click();
  await page.locator('.message').first().waitFor();
  await shot('07-thread');
  await shot('08-thread-full', true);
  await page.locator('.state-button').first().click();
  await page.locator('.trace-step').first().waitFor();
  await shot('09-trace');
  await page.keyboard.press('Escape');
  await page.goto(`${hub.url}/#/machines`);
  await page.getByRole('heading', { name: 'Machines', exact: true }).waitFor();
  await shot('10-machines');
  await shot('11-machines-full', true);
  await page.getByText('Manage').first().click();
  await page.getByRole('button', { name: 'Revoke' }).first().click();
  await shot('12-revoke');
  await page.keyboard.press('Escape');
  await page
    .getByRole('button', { name: /^Write/ })
    .first()
    .click();
  await shot('13-write');
  await page.keyboard.press('Escape');
  await missions(page, hub, shot);
  hub.emit({
    type: 'system.notice',
    notice: {
      key: 'telegram.token',
      level: 'warning',
      text: 'Telegram refuses the bot’s token.',
      next: 'Ask BotFather for a new one and write it into config.yml.',
      since: new Date().toISOString(),
    },
  });
  await page.getByText('refuses the bot').waitFor();
  await page.goto(`${hub.url}/#/attention`);
  await page.getByRole('button', { name: 'Allow once' }).last().click();
  await page.locator('.toast').waitFor();
  await hub.stop();
  await page.getByText('The line to the hub is lost').waitFor();
  await shot('14-lost');
  hub.scene = emptyScene();
  await hub.start();
  await page.reload();
  await page.getByText('Nothing waits for you').waitFor();
  await shot('15-empty-attention');
  await page.goto(`${hub.url}/#/threads`);
  await shot('16-empty-threads');
  await page.goto(`${hub.url}/#/machines`);
  await shot('17-empty-machines');
  await page.goto(`${hub.url}/#/missions`);
  await shot('18-empty-missions');
}

async function attention(page: Page, hub: FakeOperator, shot: Shot): Promise<void> {
  const row = page.locator('.row-head').filter({ hasText: 'flaky tests' });
  await row.click();
  await row.scrollIntoViewIfNeeded();
  await shot('30-session-open');
  await page.getByRole('button', { name: 'By machine' }).click();
  await shot('31-by-machine-full', true);
  await page.goto(`${hub.url}/#/waits`);
  await page.locator('[data-wait]').first().waitFor();
  await shot('32-waits');
  await page.goto(`${hub.url}/#/settings`);
  await page.getByRole('heading', { name: 'What rings where' }).waitFor();
  await page.getByText('Every day nothing rings').click();
  await page.getByLabel('In the time of').waitFor();
  await shot('33-settings');
  await shot('34-settings-full', true);
}

async function missions(page: Page, hub: FakeOperator, shot: Shot): Promise<void> {
  await page.goto(`${hub.url}/#/missions`);
  await page.getByRole('heading', { name: 'Missions' }).waitFor();
  await shot('20-missions');
  await shot('21-missions-full', true);
  await page.locator('.thread-row').filter({ hasText: RUNNING }).click();
  await page.locator('.log-entry').first().waitFor();
  await shot('22-mission');
  await shot('23-mission-full', true);
  await page.goto(`${hub.url}/#/missions`);
  await page.locator('.thread-row').filter({ hasText: 'Mend what the cart page' }).click();
  await page.locator('.mission-result').waitFor();
  await shot('24-mission-over');
  await shot('25-mission-over-full', true);
  await page.goto(`${hub.url}/#/missions`);
  await page.locator('.thread-row').filter({ hasText: 'Renew the certificate' }).click();
  await page.locator('.mission-body article').waitFor();
  await shot('27-mission-waits');
  await page.goto(`${hub.url}/#/missions`);
  await page.getByRole('button', { name: 'New mission' }).click();
  await page.getByText('More', { exact: true }).click();
  await shot('26-new-mission');
  await page.keyboard.press('Escape');
}
