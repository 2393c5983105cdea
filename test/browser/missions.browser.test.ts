/** Missions in a real browser: what a person sees of them in every state, and what they may do. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import type { Mission } from '../../src/protocol/mission.ts';
import type { Approval } from '../../src/protocol/model.ts';
import { launch } from './support/chromium.ts';
import { makeMission } from './support/fake-missions.ts';
import { FakeOperator } from './support/fake-operator.ts';
import { addMissions, launchApproval, toolApproval } from './support/mission-scene.ts';
import { faintTexts, openApp, overflow, signIn, smallTargets, type AppPage, type PageOptions } from './support/page.ts';
import { fullScene, makeAgent, makeMachine, past } from './support/scene.ts';

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
  const studio = makeMachine('studio', { displayName: 'Studio' });
  hub.scene.machines.push(studio);
  hub.scene.agents.push(makeAgent(studio, 'shop/api', []), makeAgent(studio, 'infra', []));
  await hub.start();
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
  await hub.stop();
});

async function open(route: string, options: PageOptions = {}): Promise<void> {
  app = await openApp(browser, options);
  page = app.page;
  await signIn(page, hub.signInLink());
  await page.goto(`${hub.url}/${route}`);
}

const rowOf = (mission: Mission) => page.locator(`[data-mission="${mission.id}"]`);
const view = () => page.locator('[data-mission-view]');
const routeOf = (mission: Mission) => `#/missions/${mission.id}`;
const labels = () => page.locator('.log-label').allTextContents();

describe('starting one', () => {
  it('takes place, text and limits, and opens the mission', async () => {
    await open('#/missions', { size: 'desk' });
    await page.getByText('No missions yet').waitFor();
    await page.getByRole('button', { name: 'New mission' }).click();
    await page.getByLabel('Where').selectOption({ label: 'shop/api on Studio' });
    await page.getByLabel('What the agent should do').fill('Mend the tests,\nthen tell me');
    await page.getByText('More', { exact: true }).click();
    await page.getByLabel('Ends after, minutes').fill('30');
    await page.getByLabel(/git worktree/).check();
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await view().getByText('Queued').waitFor();
    expect(hub.missions.asked).toEqual(['start studio/shop/api: Mend the tests,\nthen tell me']);
    expect(hub.scene.missions[0]).toMatchObject({ isolation: 'worktree', limits: { maxDurationSeconds: 1800 } });
    await expect.poll(() => view().locator('.quote').textContent()).toBe('Mend the tests,\nthen tell me');
  }, 30_000);

  it('a lost answer starts no second one', async () => {
    await open('#/missions');
    let lost = 1;
    await page.route('**/api/operator/missions', async (route) => {
      if (route.request().method() !== 'POST' || lost === 0) return route.continue();
      lost -= 1;
      await route.fetch();
      return route.abort();
    });
    await page.getByRole('button', { name: 'New mission' }).click();
    await page.getByLabel('What the agent should do').fill('once');
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await page.getByRole('alert').waitFor();
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    await view().waitFor();
    expect(hub.scene.missions).toHaveLength(1);
  }, 30_000);
});

describe('one that works', () => {
  it('shows its log as it grows, once each, and its state as it moves', async () => {
    const mission = makeMission({ session: 'c0ffee00', startedAt: past(20) });
    hub.scene.missions.push(mission);
    hub.scene.logs.set(mission.id, [{ seq: 1, run: 1, at: past(20), kind: 'state', label: 'running' }]);
    await open('#/missions', { size: 'desk' });
    await rowOf(mission).click();
    await page.getByText('What it does').waitFor();
    for (let line = 1; line <= 30; line += 1) {
      hub.missions.works(mission.id, {
        kind: 'tool',
        label: `step ${line}`,
        ...(line === 7 ? { detail: 'all of it' } : {}),
      });
    }
    await expect.poll(labels).toEqual(['running', ...Array.from({ length: 30 }, (_, line) => `step ${line + 1}`)]);
    await page.locator('.log-entry').filter({ hasText: 'step 7' }).locator('summary').click();
    await page.getByText('all of it').waitFor();
    hub.missions.move(mission.id, { state: 'waiting_human', reason: 'Bash: npm test' });
    await view().getByText('Waits for you').waitFor();
    await rowOf(mission).getByText('Bash: npm test').waitFor();
  }, 30_000);

  it('what was missed while the line was lost is fetched', async () => {
    const mission = makeMission({ session: 'c0ffee00' });
    hub.scene.missions.push(mission);
    await open(routeOf(mission));
    hub.missions.works(mission.id, { kind: 'text', label: 'before' });
    await page.getByText('before').waitFor();
    await hub.stop();
    await page.getByText('The line to the hub is lost').waitFor();
    for (const label of ['one', 'two']) hub.missions.works(mission.id, { kind: 'text', label });
    hub.forgotten = hub.events.length;
    await hub.start();
    await expect.poll(labels, { timeout: 30_000 }).toEqual(['before', 'one', 'two']);
  }, 60_000);

  it('is spoken to; paused, resumed; stopped only when asked twice', async () => {
    const mission = makeMission({ session: 'c0ffee00', startedAt: past(20) });
    hub.scene.missions.push(mission);
    await open(routeOf(mission));
    await page.getByLabel('Say something to claude').fill('also the docs');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Sent. Its thread shows').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await view().getByText('Paused', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Go on' }).click();
    await view().getByText('Queued').waitFor();
    hub.missions.move(mission.id, { state: 'running' });
    await page.getByRole('button', { name: 'Stop it' }).click();
    expect(hub.missions.asked).toEqual(['say also the docs', 'pause', 'resume']);
    await page.getByRole('button', { name: 'Really stop it' }).click();
    await view().getByText('is asked to end it').waitFor();
    expect(hub.missions.asked.at(-1)).toBe('cancel');
  }, 30_000);
});

describe('one that is over', () => {
  it('shows the result before the log, with what it took and what changed; goes on with words', async () => {
    const mission = makeMission({ session: 'c0ffee00', startedAt: past(400), state: 'running' });
    hub.scene.missions.push(mission);
    hub.scene.logs.set(mission.id, [{ seq: 1, run: 1, at: past(20), kind: 'text', label: 'the last word' }]);
    await open(routeOf(mission));
    const result = { text: 'All **green**.', cut: false, isError: false, turns: 4, costUsd: 0.25, durationMs: 301_000 };
    hub.missions.move(mission.id, {
      state: 'completed',
      result: { ...result, branch: 'intercom/x', worktreeKept: true, diffStat: 'a.ts | 2 +-', diff: '-a\n+b' },
    });
    const outcome = page.locator('.mission-result');
    await outcome.getByText('green').waitFor();
    for (const part of ['5 min 1 s · 4 turns · $0.25', 'intercom/x', 'its worktree is kept']) {
      await expect.poll(() => outcome.textContent()).toContain(part);
    }
    const first = await page.evaluate<string>("document.querySelector('.mission-result, .mission-log').className");
    expect(first).toContain('mission-result');
    await outcome.getByText('What changed').click();
    await outcome.getByText('+b').waitFor();
    await page.getByLabel(/^Go on with it/).fill('and the docs');
    await page.keyboard.press('Control+Enter');
    await view().getByText('Queued').waitFor();
    expect(hub.missions.asked).toEqual(['resume and the docs']);
  }, 30_000);

  it('an error that the agent tells is no success; a failure says why', async () => {
    const bad = { text: 'Credit balance is too low', cut: false, isError: true, durationMs: 900 };
    const mission = makeMission({ state: 'completed', endedAt: past(5), result: bad });
    const failed = makeMission({ state: 'failed', endedAt: past(5), reason: 'exit status 1', text: 'another' });
    hub.scene.missions.push(mission, failed);
    await open(routeOf(mission));
    await page.getByRole('heading', { name: 'It ended with an error' }).waitFor();
    await expect.poll(() => view().locator('.chip').textContent()).toContain('error');
    await page.goto(`${hub.url}/${routeOf(failed)}`);
    await view().getByText('exit status 1').waitFor();
    await page.getByRole('button', { name: 'Run again' }).click();
    await expect.poll(() => hub.missions.asked).toEqual(['rerun', 'start studio/shop/api: another']);
    await view().getByText('Queued').waitFor();
  }, 30_000);

  it('older ones are fetched when asked for', async () => {
    for (let number = 1; number <= 70; number += 1) {
      hub.scene.missions.push(
        makeMission({
          text: `number ${number}`,
          state: 'completed',
          createdAt: past(10 * number),
          endedAt: past(10 * number),
        }),
      );
    }
    await open('#/missions');
    await page.getByText('number 50', { exact: true }).waitFor();
    await expect.poll(() => page.getByText('number 51', { exact: true }).count()).toBe(0);
    await page.getByRole('button', { name: 'Show older missions' }).click();
    await page.getByText('number 70', { exact: true }).waitFor();
    await expect.poll(() => page.locator('[data-mission]').count()).toBe(70);
  }, 30_000);
});

describe('what a person decides', () => {
  const held = (approval: Approval) => hub.scene.approvals.find(({ id }) => id === approval.id);
  const cardOf = (approval: Approval) => page.locator(`article[data-approval="${approval.id}"]`);

  it('a launch shows everything that is started, and is started', async () => {
    await open('#/attention');
    const approval = hub.raise(launchApproval());
    const text = (await cardOf(approval).textContent()) ?? '';
    const shown = [
      'Add an index',
      'claude, in a terminal',
      '/home/ada/code/shop/api',
      '--model sonnet',
      '30 min',
      '$1.5',
    ];
    for (const part of [...shown, 'a git worktree and branch of its own']) expect(text).toContain(part);
    await cardOf(approval).getByRole('button', { name: 'Start it' }).click();
    await expect.poll(() => held(approval)?.decision).toMatchObject({ verdict: 'allow', scope: 'once' });
  }, 30_000);

  it('a permission of a mission is decided in the mission; what the agent offers brings no wide grant', async () => {
    const mission = makeMission({ state: 'waiting_human', session: 'c0ffee00', reason: 'Bash: make certs' });
    hub.scene.missions.push(mission);
    await open(routeOf(mission));
    const approval = hub.raise(toolApproval(mission.id));
    await view().getByRole('heading', { name: 'infra wants to use Bash' }).waitFor();
    await expect
      .poll(() => cardOf(approval).getByRole('button').allTextContents())
      .toEqual([
        'Allow once',
        'Deny',
        'Always allow Bash(make certs:*) for this project',
        'Switch to the mode "accept edits" for this session',
        'Allow in this mission',
        'Allow in this session',
      ]);
    await cardOf(approval).getByRole('button', { name: 'Always allow Bash' }).click();
    await expect.poll(() => held(approval)?.decision).toMatchObject({ suggestion: 0, scope: 'once' });
    await expect.poll(() => cardOf(approval).count()).toBe(0);
    // The focus does not fall out of the page with the card.
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('mission-title');
  }, 30_000);

  it('answered at the terminal, the card goes and says so', async () => {
    await open('#/attention');
    const approval = hub.raise(toolApproval(undefined));
    await cardOf(approval).waitFor();
    const decision = { verdict: 'allow', scope: 'once', by: 'the person at the terminal', via: 'terminal' } as const;
    hub.emit({
      type: 'approval.changed',
      approval: { ...approval, state: 'answered_elsewhere', decision: { ...decision, at: past(0) } },
    });
    await page.locator('.decided-row').getByText('by the person at the terminal at the agent’s terminal').waitFor();
    await expect.poll(() => cardOf(approval).count()).toBe(0);
  }, 30_000);
});

it('a viewer sees everything and may do nothing', async () => {
  hub.role = 'viewer';
  const mission = makeMission({ session: 'c0ffee00', state: 'waiting_human' });
  hub.scene.missions.push(mission);
  hub.raise(toolApproval(mission.id));
  await open('#/missions', { size: 'desk' });
  await rowOf(mission).waitFor();
  await expect.poll(() => page.getByRole('button', { name: 'New mission' }).count()).toBe(0);
  await rowOf(mission).click();
  await page.getByText('What it does').waitFor();
  await view().getByRole('heading', { name: 'infra wants to use Bash' }).waitFor();
  await expect.poll(() => view().getByRole('button').count()).toBe(0);
  await expect.poll(() => view().getByRole('textbox').count()).toBe(0);
}, 30_000);

describe('for everybody', () => {
  const kinds: PageOptions[] = (['phone', 'desk'] as const).flatMap((size) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ size, colorScheme })),
  );
  it.each(kinds)(
    'nothing sticks out, is faint or too small for a finger: $size, $colorScheme',
    async (kind) => {
      hub.scene = fullScene();
      addMissions(hub.scene);
      await open('#/missions', kind);
      const looked = async (what: string) => {
        expect(await overflow(page), what).toBe(0);
        expect(await faintTexts(page), what).toEqual([]);
        expect(await smallTargets(page), what).toEqual([]);
      };
      await page.locator('[data-mission]').first().waitFor();
      await looked('the list');
      for (const mission of hub.scene.missions) {
        await page.goto(`${hub.url}/${routeOf(mission)}`);
        await page.locator(`[data-mission-view="${mission.id}"] .mission-log`).waitFor();
        await looked(mission.state);
      }
      await page.goto(`${hub.url}/#/attention`);
      await page.getByRole('button', { name: 'Start it' }).waitFor();
      await looked('approvals');
      await page.goto(`${hub.url}/#/missions`);
      await page.getByRole('button', { name: 'New mission' }).click();
      await page.getByText('More', { exact: true }).click();
      await looked('a new mission');
    },
    60_000,
  );

  it('a screen of 320 pixels and words that never end', async () => {
    const word = 'x'.repeat(300);
    const mission = makeMission({
      ...{ text: word, agent: 'y'.repeat(60), project: 'deep/'.repeat(30) + 'z', latest: word, reason: word },
      ...{ path: `/${word}`, state: 'completed', endedAt: past(3) },
      result: { text: word, cut: false, isError: false, durationMs: 5, branch: word, diffStat: word },
    });
    hub.scene.missions.push(mission);
    hub.scene.logs.set(mission.id, [{ seq: 1, run: 1, at: past(9), kind: 'command', label: word, detail: word }]);
    await open('#/missions');
    await page.setViewportSize({ width: 320, height: 640 });
    await rowOf(mission).waitFor();
    expect(await overflow(page)).toBe(0);
    await rowOf(mission).click();
    await page.locator('.mission-log').waitFor();
    expect(await overflow(page)).toBe(0);
  }, 30_000);
});
