/** Threads, machines, the live line, and how everything looks, in a real browser. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { newId } from '../../src/protocol/ids.ts';
import type { Message } from '../../src/protocol/model.ts';
import { addAttention } from './support/attention-scene.ts';
import { launch, SIZES } from './support/chromium.ts';
import { FakeOperator } from './support/fake-operator.ts';
import { faintTexts, openApp, overflow, signIn, smallTargets, type AppPage, type PageOptions } from './support/page.ts';
import {
  approvalOf,
  emptyScene,
  fullScene,
  makeAgent,
  makeMachine,
  makeMessage,
  makeSession,
  makeThread,
  past,
} from './support/scene.ts';

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

async function open(route = '#/attention', options: PageOptions = {}): Promise<void> {
  app = await openApp(browser, options);
  page = app.page;
  await signIn(page, hub.signInLink());
  await page.goto(`${hub.url}/${route}`);
}

/** A conversation that is already there. */
function talk(...bodies: string[]): Message[] {
  const threadId = newId('thread');
  const messages = bodies.map((body, index) =>
    makeMessage(
      threadId,
      index % 2 === 0 ? 'laptop/shop/web' : 'studio/infra',
      index % 2 === 0 ? 'studio/infra' : 'laptop/shop/web',
      body,
      {
        createdAt: past(600 - index),
        state: index === 0 ? 'answered' : 'delivered',
        place: 'studio',
        proof: 'UserPromptSubmit hook',
      },
    ),
  );
  for (const message of messages) hub.tell(message);
  return messages;
}

const first = (messages: Message[]): Message => {
  const [message] = messages;
  if (message === undefined) throw new Error('no message');
  return message;
};

describe('a thread', () => {
  it('is read as a conversation that goes on live, each message with its state and its way', async () => {
    const messages = talk('Is the gateway up?', 'It is.');
    await open('#/threads');
    await page.getByRole('link', { name: /Is the gateway up/ }).click();
    const opened = page.locator(`[data-message="${first(messages).id}"]`);
    await opened.waitFor();
    await expect.poll(() => opened.textContent()).toContain('Answered');
    const next = makeMessage(first(messages).threadId, 'laptop/shop/web', 'studio/infra', 'Since when?', {
      state: 'held',
      createdAt: past(0),
    });
    hub.tell(next);
    const view = page.locator(`[data-message="${next.id}"]`);
    await view.waitFor();
    hub.tell({
      ...next,
      state: 'held_at_terminal',
      place: 'studio',
      stateSince: past(-1),
      reason: 'It asks its person; 25 min are left.',
    });
    await view.getByText('Held at the terminal of studio').waitFor();
    await expect.poll(() => view.textContent()).toContain('25 min are left');
    await opened.getByRole('button', { name: /Answered/ }).click();
    const way = page.getByRole('dialog');
    await way.locator('.trace-step').first().waitFor();
    await expect.poll(() => way.textContent()).toContain('that is proven');
    await page.keyboard.press('Escape');
    await way.waitFor({ state: 'detached' });
    await view.click();
    await page.getByRole('dialog').waitFor();
  }, 30_000);

  it('tells the hub once what the operator saw', async () => {
    const [question] = talk('Is the gateway up?');
    const id = question?.threadId ?? '';
    const make = (to: string, body: string) =>
      makeMessage(id, 'studio/infra', to, body, { state: 'queued', createdAt: past(0) });
    const mine = make('human', 'Shall I restart it?');
    const other = make('laptop/shop/web', 'Not for you.');
    hub.tell(mine);
    hub.tell(other);
    await open(`#/threads/${id}`);
    await page
      .locator(`[data-message="${mine.id}"]`)
      .getByText(/^Delivered/)
      .waitFor();
    hub.tell(make('laptop/shop/web', 'One more.'));
    await page.locator('.message').filter({ hasText: 'One more.' }).waitFor();
    expect(hub.calls.filter((call) => call.endsWith('/shown'))).toEqual([
      `POST /api/operator/messages/${mine.id}/shown`,
    ]);
  }, 30_000);

  it('draws light Markdown by elements and nothing else', async () => {
    const [message] = talk('Use `npm ci`, **never** <i>npm i</i>.\n```sh\nnpm ci\n```\n[x](javascript:alert(1))');
    await open(`#/threads/${message?.threadId ?? ''}`);
    const view = page.locator('.message');
    await view.waitFor();
    await expect.poll(() => view.locator('strong').textContent()).toBe('never');
    await expect.poll(() => view.locator('pre').textContent()).toBe('npm ci');
    await expect.poll(() => view.locator('i, .agent-text a').count()).toBe(0);
    await expect.poll(() => view.textContent()).toContain('<i>npm i</i>');
  }, 30_000);

  it('is answered by the operator, and a lost answer does not make a second message', async () => {
    const messages = talk('Is the gateway up?', 'It is.');
    await open(`#/threads/${first(messages).threadId}`);
    const box = page.getByLabel(/^Write to/);
    await page.getByLabel('To', { exact: true }).selectOption('laptop/shop/web');
    await box.fill('Thank you both.');
    const keys: unknown[] = [];
    let lose = true;
    await page.route('**/api/operator/messages', async (route) => {
      keys.push(JSON.parse(route.request().postData() ?? '{}'));
      const answer = await route.fetch();
      if (lose) await route.abort('connectionreset');
      else await route.fulfill({ response: answer });
    });
    await page.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('The hub does not answer');
    await expect.poll(() => box.inputValue()).toBe('Thank you both.');
    lose = false;
    await page.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => box.inputValue()).toBe('');
    expect(keys).toHaveLength(2);
    expect(keys[0]).toEqual(keys[1]);
    expect(keys[0]).toMatchObject({ to: 'laptop/shop/web', kind: 'reply', threadId: first(messages).threadId });
    await expect.poll(() => page.locator('.message').filter({ hasText: 'Thank you both.' }).count()).toBe(1);
  }, 30_000);

  it('that nobody knows is said to be unknown', async () => {
    await open('#/threads/thr_nothing');
    await expect.poll(() => page.getByRole('alert').textContent()).toContain('There is no such thread');
  }, 30_000);
});

describe('machines', () => {
  function place(): void {
    const studio = makeMachine('studio', { displayName: 'Studio' });
    hub.scene.machines.push(studio);
    hub.scene.agents.push(makeAgent(studio, 'infra', [makeSession('sess-0001', 'infra')]));
  }

  it('show their sessions as they change', async () => {
    place();
    await open('#/machines');
    const agent = page.locator('[data-agent="studio/infra"]');
    await agent.getByText('Idle').waitFor();
    hub.emit({
      type: 'session.changed',
      machineId: 'studio',
      session: makeSession('sess-0001', 'infra', {
        state: 'waiting',
        waiting: { kind: 'permission', what: 'permission prompt' },
      }),
    });
    await agent.getByText('Waits: permission prompt').waitFor();
    hub.emit({
      type: 'session.changed',
      machineId: 'studio',
      session: makeSession('sess-0001', 'infra', { state: 'ended' }),
    });
    await agent.getByText('No session runs').waitFor();
    hub.emit({ type: 'machine.changed', machine: makeMachine('studio', { displayName: 'Studio', status: 'away' }) });
    await page.getByText('Away', { exact: true }).waitFor();
  }, 30_000);

  it('take a first message to an agent', async () => {
    place();
    await open('#/machines');
    await page.getByRole('button', { name: 'Write to infra' }).click();
    await page.getByLabel('Your message').fill('Good morning.');
    await page.keyboard.press('Control+Enter');
    await page.locator('.message').filter({ hasText: 'Good morning.' }).waitFor();
    expect(hub.scene.messages[0]).toMatchObject({ to: 'studio/infra', kind: 'chat', body: 'Good morning.' });
  }, 30_000);

  it('are renamed, revoked and removed by the owner, after a question', async () => {
    place();
    await open('#/machines');
    await page.getByText('Manage').click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel(/Name that people see/).fill('Big desk');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('.machine').getByRole('heading', { name: 'Big desk', exact: true }).waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('button', { name: 'Keep it as it is' }).click();
    expect(hub.scene.machines[0]?.status).toBe('online');
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.getByRole('button', { name: 'Revoke it' }).click();
    await page.getByText('Revoked', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove it' }).click();
    await page.getByText('No machine has joined yet').waitFor();
  }, 30_000);

  it('cannot be managed by an operator who is not the owner', async () => {
    place();
    hub.role = 'operator';
    await open('#/machines');
    await page.getByRole('button', { name: 'Write to infra' }).waitFor();
    await expect.poll(() => page.getByText('Manage').count()).toBe(0);
  }, 30_000);
});

describe('the list of threads', () => {
  it('goes on with older ones when asked', async () => {
    for (let index = 0; index < 60; index += 1) {
      hub.tell(
        makeMessage(newId('thread'), 'laptop/shop/web', 'studio/infra', `Note ${index}`, {
          kind: 'send',
          createdAt: past(9000 - index),
        }),
      );
    }
    await open('#/threads');
    await page.locator('.thread-row').first().waitFor();
    await expect.poll(() => page.locator('.thread-row').count()).toBe(50);
    await page.getByRole('button', { name: 'Show older threads' }).click();
    await page.getByText('Note 0', { exact: true }).waitFor();
    await expect.poll(() => page.locator('.thread-row').count()).toBe(60);
    await expect.poll(() => page.getByRole('button', { name: 'Show older threads' }).count()).toBe(0);
  }, 30_000);
});

describe('the live line', () => {
  const pending = (body: string) => {
    const message = makeMessage(newId('thread'), 'studio/infra', 'laptop/shop/web', body, {
      kind: 'send',
      state: 'held',
    });
    return approvalOf(message, makeThread([message]));
  };

  it('comes back after a restart of the hub with what happened meanwhile, once, and without starting over', async () => {
    await open();
    hub.raise(pending('before'));
    await page.getByText('before', { exact: true }).waitFor();
    await hub.stop();
    await page.getByText('The line to the hub is lost').waitFor();
    hub.raise(pending('meanwhile'));
    await hub.start();
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 2000 })
      .catch(() => undefined);
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText('meanwhile', { exact: true }).waitFor();
    hub.raise(pending('after'));
    await page.getByText('after', { exact: true }).waitFor();
    await expect
      .poll(() => page.locator('article.approval .quote').allTextContents())
      .toEqual(['before', 'meanwhile', 'after']);
    expect(hub.calls.filter((call) => call.endsWith('/snapshot'))).toHaveLength(1);
    await expect.poll(() => page.getByText('The line to the hub is lost').count()).toBe(0);
  }, 30_000);

  it('starts over from a snapshot when the hub no longer has the number', async () => {
    await open();
    hub.raise(pending('before'));
    await page.getByText('before', { exact: true }).waitFor();
    await hub.stop();
    hub.epoch = 'restored';
    hub.scene = emptyScene();
    hub.scene.approvals.push(pending('from the backup'));
    await hub.start();
    await page.getByText('from the backup', { exact: true }).waitFor();
    await expect.poll(() => page.getByText('before', { exact: true }).count()).toBe(0);
  }, 30_000);

  it('shows the notices of the hub while they hold', async () => {
    await open();
    const notice = {
      key: 'store.full',
      level: 'error',
      text: 'The disk is full.',
      next: 'Make room.',
      since: past(0),
    } as const;
    hub.emit({ type: 'system.notice', notice });
    await page.getByText('The disk is full.').waitFor();
    hub.emit({ type: 'system.notice', notice: { ...notice, clearedAt: past(0) } });
    await page.getByText('The disk is full.').waitFor({ state: 'detached' });
  }, 30_000);
});

describe('the look', () => {
  const SCREENS = ['#/attention', '#/threads', '#/machines', '#/waits', '#/settings'] as const;
  const kinds = (['phone', 'desk'] as const).flatMap((size) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ size, colorScheme })),
  );

  it.each(kinds)(
    'has contrast, room for fingers, and nothing beside the screen: $size, $colorScheme',
    async (kind) => {
      hub.scene = fullScene();
      addAttention(hub.scene);
      const thread = hub.scene.threads[0]?.id ?? '';
      await open('#/attention', kind);
      for (const route of [...SCREENS, `#/threads/${thread}`]) {
        await page.goto(`${hub.url}/${route}`);
        await page
          .locator(route.includes('thr_') ? '.message' : 'h1')
          .first()
          .waitFor();
        expect(await overflow(page), route).toBe(0);
        expect(await faintTexts(page), route).toEqual([]);
        expect(await smallTargets(page), route).toEqual([]);
      }
      await page.locator('.state-button').first().click();
      await page.locator('.trace-step').first().waitFor();
      expect(await faintTexts(page)).toEqual([]);
    },
    60_000,
  );

  it('follows the choice of colours and remembers it', async () => {
    await open('#/attention', { colorScheme: 'light' });
    const ground = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const light = await ground();
    await page.getByRole('button', { name: /^Colours: as the system/ }).click();
    await page.getByRole('button', { name: /^Colours: light/ }).click();
    const dark = await ground();
    expect(dark).not.toBe(light);
    await page.reload();
    await page.getByRole('button', { name: /^Colours: dark/ }).waitFor();
    expect(await ground()).toBe(dark);
  }, 30_000);

  it('stands a screen of 320 pixels and very long names', async () => {
    const machine = makeMachine('m'.repeat(64), {
      displayName: 'An extraordinarily long name for a machine in the attic',
    });
    hub.scene.machines.push(machine);
    hub.scene.agents.push(makeAgent(machine, `deep/${'project'.repeat(15)}`, []));
    const message = makeMessage(
      newId('thread'),
      `${machine.id}/deep/${'project'.repeat(15)}`,
      `${machine.id}/x`,
      'y'.repeat(400),
      { kind: 'send', state: 'held' },
    );
    hub.scene.approvals.push(approvalOf(message, makeThread([message])));
    await open();
    await page.setViewportSize({ ...SIZES.phone, width: 320 });
    for (const route of SCREENS) {
      await page.goto(`${hub.url}/${route}`);
      await page.locator('h1').waitFor();
      expect(await overflow(page), route).toBe(0);
    }
  }, 30_000);
});

describe('the service worker', () => {
  it('tells of a newer app after the hub came back, and takes it when the person says so', async () => {
    await open('#/attention', { serviceWorker: true });
    await page.evaluate('navigator.serviceWorker.ready');
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    await hub.stop();
    await page.getByText('The line to the hub is lost').waitFor();
    hub.newerApp = '\n// newer';
    await hub.start();
    await page.getByText('A new version of this page is ready').waitFor();
    const reloaded = page.waitForEvent('load');
    await page.getByRole('button', { name: 'Reload' }).click();
    await reloaded;
    await page.getByText('Live', { exact: true }).waitFor();
    await expect.poll(() => page.getByText('A new version of this page is ready').count()).toBe(0);
  }, 60_000);

  it('keeps the shell for when the hub is away, and never an answer of the API', async () => {
    await open('#/attention', { serviceWorker: true });
    await page.evaluate('navigator.serviceWorker.ready');
    const kept = await page.evaluate<string[]>(
      'caches.keys().then((names) => Promise.all(names.map((name) => caches.open(name).then((cache) => cache.keys())))).then((lists) => lists.flat().map((request) => new URL(request.url).pathname))',
    );
    expect(kept).toContain('/');
    expect(kept.filter((path) => path.startsWith('/assets/')).length).toBeGreaterThan(2);
    expect(kept.filter((path) => path.startsWith('/api/'))).toEqual([]);
    await page.reload();
    await page.getByText('Live', { exact: true }).waitFor();
    await hub.stop();
    await page.reload();
    await page.getByText('The hub does not answer').waitFor();
    await hub.start();
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByText('Nothing waits for you').waitFor();
  }, 60_000);
});
