/** A mission on the page of a real hub; its machine is played by hand. */
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { StartMission } from '../../src/protocol/machine-api.ts';
import { startTestHub, type TestHub } from '../support/hub.ts';
import { MissionMachine } from '../support/mission-machine.ts';
import { launch } from './support/chromium.ts';
import { openApp, signIn, type AppPage } from './support/page.ts';

let browser: Browser;
let test: TestHub;
let studio: MissionMachine;
let app: AppPage;
let page: Page;

beforeAll(async () => {
  test = await startTestHub({ webFolder: fileURLToPath(new URL('../../dist/pwa', import.meta.url)) });
  studio = await MissionMachine.start(test, 'studio', ['shop', 'infra']);
  browser = await launch();
}, 60_000);
afterAll(async () => {
  await browser.close();
  await studio.stop();
  await test.stop();
});
beforeEach(async () => {
  app = await openApp(browser, { size: 'desk' });
  page = app.page;
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
});

async function as(name: string, route = '#/missions'): Promise<void> {
  const operator = (await test.hub.services.operators.list()).find((one) => one.name === name);
  if (operator === undefined) throw new Error(`no operator ${name}`);
  const { code } = await test.hub.services.operators.signInLink({ operator, via: 'web' });
  await signIn(page, `${test.url}/#/sign-in/${code}`);
  await page.goto(`${test.url}/${route}`);
}

async function ordered(count: number) {
  await expect.poll(() => studio.daemon.missions.length, { timeout: 20_000 }).toBe(count);
  return studio.ordered;
}

const view = () => page.locator('[data-mission-view]');

it('is started from the page, watched as it works, spoken to, stopped; its second run tells the result', async () => {
  await as('ada');
  await page.getByRole('button', { name: 'New mission' }).click();
  await page.getByLabel('Where').selectOption({ label: 'shop on studio' });
  await page.getByLabel('What the agent should do').fill('Mend the tests');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await view().waitFor();
  const mission = await ordered(1);
  expect(mission).toMatchObject({ requestedBy: 'human:ada', spec: { project: 'shop', text: 'Mend the tests' } });
  await studio.runs(mission);
  await view().getByText('Running', { exact: true }).waitFor();
  for (let step = 1; step <= 40; step += 1)
    await studio.works(mission, { kind: 'command', label: `step ${step} of 40` });
  await page.getByText('step 40 of 40').last().waitFor();
  const steps = async () => (await page.locator('.log-label').allTextContents()).filter((text) => / of 40$/.test(text));
  await expect.poll(steps).toHaveLength(40);
  expect(await steps()).toEqual(Array.from({ length: 40 }, (_, step) => `step ${step + 1} of 40`));

  await page.getByLabel('Say something to claude').fill('only the cart');
  await page.getByRole('button', { name: 'Send' }).click();
  await expect.poll(() => studio.daemon.messages[0]?.body, { timeout: 20_000 }).toBe('only the cart');

  await page.getByRole('button', { name: 'Stop it' }).click();
  await page.getByRole('button', { name: 'Really stop it' }).click();
  await expect
    .poll(() => studio.daemon.stored.find(({ item }) => item === 'mission_stop'), { timeout: 20_000 })
    .toMatchObject({ missionId: mission.missionId, how: 'cancel', by: 'ada' });
  await view().getByText('studio is asked to end it').waitFor();
  await studio.reports({ missionId: mission.missionId, run: 1, state: 'cancelled', reason: 'cancelled by ada' });
  await view().getByText('Cancelled', { exact: true }).waitFor();

  await page.getByLabel(/^Go on with it/).fill('now the others');
  await page.getByRole('button', { name: 'Send' }).click();
  const again = await ordered(2);
  expect(again).toMatchObject({ missionId: mission.missionId, run: 2, resume: { text: 'now the others' } });
  await studio.runs(again);
  await studio.completes(again, 'All **green** now.', { costUsd: 0.5, turns: 2 });
  await page.locator('.mission-result').getByText('green', { exact: true }).waitFor();
  await expect.poll(() => page.locator('.mission-result').textContent()).toContain('1 min 1 s · 2 turns · $0.50');
}, 90_000);

it('that an agent asks for waits as a card with all of it; Start it starts it', async () => {
  await as('ada', '#/attention');
  const before = studio.daemon.missions.length;
  const start = StartMission.parse({ fromProject: 'infra', machine: 'studio', project: 'shop', text: 'Add an index' });
  const asked = await test.hub.services.missions.startFromMachine('studio', start);
  expect(asked.state).toBe('awaiting_approval');
  const card = page.locator('article.approval').filter({ hasText: 'Add an index' });
  await card.getByText('/home/ada/shop').waitFor();
  await card.getByRole('button', { name: 'Start it' }).click();
  const mission = await ordered(before + 1);
  expect(mission).toMatchObject({ missionId: asked.id, approval: 'approved by ada' });
}, 60_000);

it('of which a viewer sees everything, and which the hub lets them do nothing with', async () => {
  await as('eve');
  await page.locator('.thread-row').filter({ hasText: 'Mend the tests' }).click();
  await page.locator('.log-label').first().waitFor();
  await expect.poll(() => view().getByRole('button').count()).toBe(0);
  const { missionId } = studio.ordered;
  const refused = await page.evaluate<number>(
    `fetch('/api/operator/missions/${missionId}/cancel', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }).then((answer) => answer.status)`,
  );
  expect(refused).toBe(403);
}, 60_000);
