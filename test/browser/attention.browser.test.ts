/** The first screen in a real browser: who waits, answered right there; all sessions; what is good to know beside them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { newId } from '../../src/protocol/ids.ts';
import type { Approval, Session } from '../../src/protocol/model.ts';
import {
  makeQuestion,
  makeUsage,
  makeWait,
  questionApproval,
  QUESTIONS,
  toolApproval,
} from './support/attention-scene.ts';
import { launch } from './support/chromium.ts';
import { FakeOperator } from './support/fake-operator.ts';
import { anotherTab, openApp, signIn, type AppPage } from './support/page.ts';
import { makeAgent, makeMachine, makeSession, past } from './support/scene.ts';

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
  hub.scene.agents.push(
    makeAgent(studio, 'shop/api', [makeSession('5f2c9a10-aaaa', 'shop/api', { name: 'release 42' })]),
    makeAgent(studio, 'infra', [makeSession('c41d22ee-cccc', 'infra')]),
  );
  await hub.start();
  app = await openApp(browser);
  page = app.page;
});
afterEach(async () => {
  expect(await app.faults()).toEqual([]);
  await app.context.close();
  await hub.stop();
});

const open = (): Promise<void> => signIn(page, hub.signInLink());
const cardOf = (approval: Approval) => page.locator(`article[data-approval="${approval.id}"]`);
const decidedOf = (approval: Approval) => page.locator(`.decided-row[data-approval="${approval.id}"]`);
const held = (approval: Approval) => hub.scene.approvals.find((other) => other.id === approval.id);
const rowOf = (id: string) => page.locator(`.row[data-session="${id}"]`);

function moves(id: string, project: string, over: Partial<Session>): void {
  hub.attention.session('studio', makeSession(id, project, { stateSince: past(0), ...over }));
}

describe('a permission', () => {
  it('stands on the first screen at once, with the session that asks, the whole command, and what the agent offers', async () => {
    hub.scene.usage.sessions.push({ machine: 'studio', ...makeUsage('5f2c9a10-aaaa') });
    await open();
    moves('5f2c9a10-aaaa', 'shop/api', {
      state: 'waiting',
      waiting: { kind: 'permission', what: 'Bash: npm publish' },
      name: 'release 42',
    });
    const approval = hub.raise(toolApproval());
    const card = cardOf(approval);
    await card.waitFor();
    const text = (await card.textContent()) ?? '';
    for (const part of [
      'Permission',
      'shop/api',
      'release 42',
      'Studio',
      'opus-4-1',
      '62 %',
      '$1.84',
      'npm publish --tag next',
    ])
      expect(text).toContain(part);
    await expect.poll(() => page.title()).toBe('(1) intercom');
    await expect.poll(() => page.locator('.at-terminal').count()).toBe(0);
    await card.getByRole('button', { name: 'Always allow npm publish in this project' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision).toMatchObject({ verdict: 'allow', scope: 'once', suggestion: 0 });
    await page.getByText('Allowed. claude is told.').waitFor();
  }, 30_000);

  it('of an edit shows what goes and what comes', async () => {
    await open();
    const card = cardOf(
      hub.raise(toolApproval({ tool: 'Edit', input: 'src/a.ts\n\n- let <b>a</b>;\n+ const a\u202E;' })),
    );
    await card.waitFor();
    await expect.poll(() => card.locator('.diff-removed').textContent()).toBe('- let <b>a</b>;\n');
    await expect.poll(() => card.locator('.diff-added').textContent()).toBe('+ const aU+202E;\n');
    await expect.poll(() => card.locator('.diff b').count()).toBe(0);
  }, 30_000);

  it('seed: what was allowed and did not come to be is said, on the card’s row and in words', async () => {
    await open();
    const approval = hub.raise(toolApproval());
    await cardOf(approval).getByRole('button', { name: 'Allow once' }).click();
    await decidedOf(approval).waitFor();
    const effect = { state: 'failed', reason: 'the screen had changed', at: past(0) } as const;
    const decided = held(approval);
    if (decided === undefined) throw new Error('the card is gone');
    hub.emit({ type: 'approval.changed', approval: { ...decided, effect } });
    await decidedOf(approval).getByText('Not done: the screen had changed').waitFor();
    await page.locator('.toast').getByText('Not done: the screen had changed').waitFor();
  }, 30_000);

  it('that only its own terminal can answer says so, and where', async () => {
    await open();
    moves('c41d22ee-cccc', 'infra', {
      state: 'waiting',
      waiting: { kind: 'trust', what: 'Do you trust this folder?' },
    });
    const card = page.locator('[data-waiting="c41d22ee-cccc"]');
    await card.getByText('Answer at its terminal on Studio.').waitFor();
    await expect.poll(() => card.textContent()).toContain('Do you trust this folder?');
    await expect.poll(() => card.getByRole('button').count()).toBe(0);
    await expect.poll(() => page.title()).toBe('(1) intercom');
    moves('c41d22ee-cccc', 'infra', { state: 'working' });
    await card.waitFor({ state: 'detached' });
    await rowOf('c41d22ee-cccc').getByText('Working').waitFor();
  }, 30_000);
});

describe('questions', () => {
  it('are answered together in one decision, with long labels whole and in the order of the options', async () => {
    await open();
    const approval = hub.raise(questionApproval(QUESTIONS));
    const card = cardOf(approval);
    const [first] = QUESTIONS;
    const [long] = first?.options ?? [];
    await card.getByText(long?.label ?? '', { exact: true }).click();
    await expect.poll(() => card.textContent()).toContain(long?.description);
    await card.getByLabel('A dry run of the migration on the staging copy').check();
    await card.getByLabel('Unit tests').check();
    await card.getByLabel('More, in your own words: your own words').fill('and `npm audit`');
    await card.getByRole('button', { name: 'Answer' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision).toMatchObject({
      verdict: 'allow',
      answers: [
        { id: 'q1', options: [long?.label] },
        {
          id: 'q2',
          options: ['Unit tests', 'A dry run of the migration on the staging copy'],
          text: 'and `npm audit`',
        },
      ],
    });
    await expect.poll(() => decidedOf(approval).textContent()).toContain('Answered by nora on the web page');
  }, 30_000);

  it('are not sent while one of them lacks an answer; the page says which and goes there', async () => {
    await open();
    const approval = hub.raise(questionApproval(QUESTIONS));
    await cardOf(approval).getByLabel('Unit tests').check();
    await cardOf(approval).getByRole('button', { name: 'Answer' }).click();
    await expect
      .poll(() => cardOf(approval).locator('.question').first().getByRole('alert').textContent())
      .toBe('Please choose an answer.');
    await expect.poll(() => page.evaluate('document.activeElement.type')).toBe('radio');
    expect(held(approval)?.state).toBe('pending');
  }, 30_000);

  it('seed: a redraw destroys nothing: what was begun outlives other events, other cards, and a change of screen', async () => {
    await open();
    const approval = hub.raise(
      questionApproval([makeQuestion('q', { options: [{ label: 'Now' }, { label: 'Later' }] })]),
    );
    const own = cardOf(approval).getByLabel('Something else: your own words');
    await own.pressSequentially('Half a sen');
    hub.raise(toolApproval({ from: 'studio/infra#c41d22ee-cccc' }));
    hub.emit({
      type: 'usage.changed',
      machineId: 'studio',
      usage: { sessions: [makeUsage('c41d22ee-cccc')], machine: [] },
    });
    moves('c41d22ee-cccc', 'infra', { state: 'working' });
    await rowOf('c41d22ee-cccc').getByText('Working').waitFor();
    await own.pressSequentially('tence');
    await expect.poll(() => own.inputValue()).toBe('Half a sentence');
    await expect.poll(() => page.evaluate('document.activeElement.tagName')).toBe('TEXTAREA');
    await page.getByRole('link', { name: 'Threads' }).click();
    await page.getByRole('heading', { name: 'Threads' }).waitFor();
    await page.getByRole('link', { name: /^Attention/ }).click();
    await expect.poll(() => own.inputValue()).toBe('Half a sentence');
    await cardOf(approval).getByRole('button', { name: 'Answer' }).click();
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision?.answers).toEqual([{ id: 'q', options: [], text: 'Half a sentence' }]);
  }, 30_000);

  it('can be declined with a reason', async () => {
    await open();
    const approval = hub.raise(questionApproval([makeQuestion('q')]));
    await cardOf(approval).getByRole('button', { name: 'Decline' }).click();
    await page.getByLabel('Reason, if you like. The agent reads it.').fill('ask tom');
    await page.keyboard.press('Enter');
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision).toMatchObject({ verdict: 'deny', reason: 'ask tom' });
    await expect.poll(() => decidedOf(approval).textContent()).toContain('Declined by nora');
  }, 30_000);

  it('have one winner, and the other page is told who it was', async () => {
    await open();
    const approval = hub.raise(questionApproval([makeQuestion('q')]));
    const other = await anotherTab(app);
    await other.page.goto(`${hub.url}/#/attention`);
    let arrived = (): void => undefined;
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await other.page.route('**/decision', async (route) => {
      await first;
      await route.continue();
    });
    await other.page.getByLabel('Your answer').fill('No.');
    await other.page.getByRole('button', { name: 'Answer' }).click();
    await other.page.getByText('Telling the hub…').waitFor();
    await page.getByLabel('Your answer').fill('Yes.');
    await page.getByRole('button', { name: 'Answer' }).click();
    await decidedOf(approval).waitFor();
    arrived();
    await other.page.getByText(/nora answered it on the web page .*That answer counts\./).waitFor();
    expect(held(approval)?.decision?.answers).toEqual([{ id: 'q', options: [], text: 'Yes.' }]);
    expect(await other.faults()).toEqual([]);
  }, 30_000);

  it('are answered with the keyboard alone', async () => {
    await open();
    const approval = hub.raise(
      questionApproval([makeQuestion('q', { options: [{ label: 'Now' }, { label: 'Later' }] })]),
    );
    await cardOf(approval).getByLabel('Now').focus();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await decidedOf(approval).waitFor();
    expect(held(approval)?.decision?.answers).toEqual([{ id: 'q', options: ['Later'] }]);
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe('waiting-title');
  }, 30_000);
});

describe('a plan', () => {
  const plan = () =>
    toolApproval(
      {
        tool: 'ExitPlanMode',
        plan: true,
        input: '## Steps\n\n1. **Read**\n2. Write',
        suggestions: ['Go ahead and accept edits'],
      },
      { scopes: ['once'] },
    );

  it('reads as a text, and is told to go ahead', async () => {
    await open();
    const approval = hub.raise(plan());
    await expect.poll(() => cardOf(approval).locator('.plan strong').allTextContents()).toEqual(['Steps', 'Read']);
    await cardOf(approval).getByRole('button', { name: 'Go ahead', exact: true }).click();
    await decidedOf(approval).getByText('Plan taken by nora').waitFor();
  }, 30_000);

  it('is sent back with what to think over', async () => {
    await open();
    const approval = hub.raise(plan());
    await cardOf(approval).getByRole('button', { name: 'Think again' }).click();
    await page.getByLabel(/What should it think over/).fill('write first');
    await page.getByRole('button', { name: 'Send it back' }).click();
    await decidedOf(approval).getByText('Sent back by nora').waitFor();
    expect(held(approval)?.decision).toMatchObject({ verdict: 'deny', reason: 'write first' });
  }, 30_000);
});

describe('the list of sessions', () => {
  it('says how each stands, tells more when pressed, and lets the ended ones go', async () => {
    await open();
    moves('5f2c9a10-aaaa', 'shop/api', {
      state: 'working',
      stalledSince: past(420),
      stateSource: 'registry',
      confidence: 'guess',
    });
    await rowOf('5f2c9a10-aaaa').getByText('Silent').waitFor();
    await expect.poll(() => rowOf('5f2c9a10-aaaa').textContent()).toContain('a guess');
    await rowOf('5f2c9a10-aaaa').locator('.row-head').click();
    await rowOf('5f2c9a10-aaaa').getByText('a guess, told by its own list of sessions').waitFor();
    moves('c41d22ee-cccc', 'infra', {
      state: 'waiting',
      waiting: { kind: 'rate_limit', what: '5-hour limit', resetAt: past(-5400) },
    });
    await rowOf('c41d22ee-cccc')
      .getByText(/^Limit ends in 1 h (29|30) min$/)
      .waitFor();
    await expect.poll(() => page.title()).toBe('intercom');
    moves('c41d22ee-cccc', 'infra', { state: 'ended' });
    await rowOf('c41d22ee-cccc').waitFor({ state: 'detached' });
  }, 30_000);

  it('is grouped as the person likes it, also next time', async () => {
    await open();
    await page.getByRole('button', { name: 'By project' }).click();
    await expect.poll(() => page.locator('.part-title').allTextContents()).toEqual(['infra1', 'shop/api1']);
    await page.reload();
    await page.locator('.part-title').first().waitFor();
    await expect.poll(() => page.locator('.part-title').allTextContents()).toEqual(['infra1', 'shop/api1']);
  }, 30_000);

  it('of 300 sessions draws only what changed', async () => {
    for (let index = 0; index < 20; index += 1) {
      const machine = makeMachine(`m${index}`);
      hub.scene.machines.push(machine);
      const sessions = Array.from({ length: 15 }, (_, at) => makeSession(`s${index}-${at}-aaaa`, `p${index}`));
      hub.scene.agents.push(makeAgent(machine, `p${index}`, sessions));
    }
    await open();
    await rowOf('s19-14-aaaa').waitFor();
    await expect.poll(() => page.locator('.row').count()).toBe(302);
    await page.evaluate(`
      window.__changed = new Set();
      new MutationObserver((all) => {
        for (const { target } of all) {
          const element = target.nodeType === 1 ? target : target.parentElement;
          // The ages grow by themselves.
          if (element.closest('time') === null) window.__changed.add(element.closest('[data-session]')?.dataset.session ?? element.className);
        }
      }).observe(document.querySelector('.sessions'), { subtree: true, childList: true, characterData: true, attributes: true });
    `);
    hub.attention.session('m7', makeSession('s7-7-aaaa', 'p7', { permissionMode: 'plan', name: 'renamed' }));
    hub.emit({ type: 'usage.changed', machineId: 'm3', usage: { sessions: [makeUsage('s3-3-aaaa')], machine: [] } });
    await rowOf('s7-7-aaaa').getByText('renamed').waitFor();
    await rowOf('s3-3-aaaa').locator('.meter').waitFor();
    expect(await page.evaluate('[...window.__changed].sort()')).toEqual(['s3-3-aaaa', 's7-7-aaaa']);
  }, 60_000);
});

describe('beside it', () => {
  it('announcements come by themselves, and usage with its limits and resets', async () => {
    const span = { start: past(9000), end: past(-5400), tokens: makeUsage('x').tokens };
    hub.scene.usage.machines.push({
      machine: 'studio',
      agent: 'claude',
      block: { ...span, usedPercent: 86 },
      at: past(0),
    });
    await open();
    const usage = page.locator('.attention-aside [data-usage="claude"]');
    await expect.poll(() => usage.textContent()).toMatch(/86 %resets in 1 h (29|30) min/);
    hub.emit({
      type: 'usage.changed',
      machineId: 'studio',
      usage: { sessions: [], machine: [{ agent: 'codex', scanning: { read: 1, total: 4 }, at: past(0) }] },
    });
    await page.locator('[data-usage="codex"]').getByText('Reading its transcripts for the first time: 25 %').waitFor();
    const said = { id: newId('announcement'), from: 'studio/infra#c41d22ee-cccc', text: 'The cluster is **new**.' };
    hub.attention.announce({ ...said, category: 'milestone', priority: 'normal', at: past(0) });
    await expect.poll(() => page.locator('[data-announcement] strong').textContent()).toBe('new');
    await page.goto(`${hub.url}/#/machines`);
    await page.locator('[data-machine="studio"] [data-usage="claude"]').waitFor();
  }, 30_000);

  it('how long agents waited, per kind and one by one, goes on live', async () => {
    const wait = makeWait('permission', 'Bash: npm test', {
      since: past(100),
      until: past(40),
      end: 'answered',
      by: 'nora',
    });
    hub.scene.waits.push(wait);
    await open();
    await page.getByRole('link', { name: 'How long agents waited' }).click();
    const line = page.locator('tr[data-kind="permission"]');
    await expect.poll(() => line.textContent()).toBe('Permission11 min1 min');
    await page.locator(`[data-wait="${wait.id}"]`).getByText('answered by nora').waitFor();
    const next = makeWait('permission', 'Bash: ls', { since: past(5) });
    hub.attention.wait(next);
    await page.locator(`[data-wait="${next.id}"]`).getByText('waits now').waitFor();
    await line.getByText('1 open').waitFor();
    hub.attention.wait({ ...next, until: past(0), end: 'at_terminal' });
    await page.locator(`[data-wait="${next.id}"]`).getByText('answered at its terminal').waitFor();
    await expect.poll(() => line.textContent()).not.toContain('open');
  }, 30_000);
});

describe('who looks at another screen', () => {
  it('is told in a line that leads to the card, and that goes when it was answered', async () => {
    await open();
    await page.goto(`${hub.url}/#/machines`);
    const approval = hub.raise(toolApproval());
    const toast = page.locator('.toast').filter({ hasText: 'shop/api: npm publish --tag next' });
    await toast.waitFor();
    hub.decide(approval.id, { verdict: 'allow', scope: 'once', by: 'tom', via: 'telegram', at: past(0) });
    await toast.waitFor({ state: 'detached' });
    const other = hub.raise(toolApproval({ summary: 'make certs' }));
    await page.locator('.toast').filter({ hasText: 'make certs' }).getByRole('link', { name: 'Open' }).click();
    await cardOf(other).waitFor();
  }, 30_000);

  it('is known to the hub as looking, and as not looking while the page is hidden', async () => {
    await open();
    await expect.poll(() => hub.looking).toEqual([true]);
    await page.evaluate(`
      Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    `);
    await expect.poll(() => hub.looking).toEqual([true, false]);
    await page.evaluate(`
      delete document.visibilityState;
      document.dispatchEvent(new Event('visibilitychange'));
    `);
    await expect.poll(() => hub.looking).toEqual([true, false, true]);
  }, 30_000);
});
