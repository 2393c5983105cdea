/**
 * One approval, three places at once: Telegram (emulated), the page in a real browser, the command line. Answered once, all three show who
 * decided, where and when; a second answer from each other place is told who was first, and changes nothing.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser } from 'playwright-core';
import { systemClock } from '../../src/platform/clock.ts';
import { Approval } from '../../src/protocol/model.ts';
import { newId } from '../../src/protocol/ids.ts';
import { SignInLink } from '../../src/protocol/operator-api.ts';
import { Mesh } from '../support/mesh.ts';
import type { ShownMessage } from '../support/telegram-emulator/chats.ts';
import { TelegramEmulator } from '../support/telegram-emulator/emulator.ts';
import { launch } from './support/chromium.ts';
import { openApp, signIn, type AppPage } from './support/page.ts';

const CHAT = -1_001_234_567_890;
const USER = 4242;
const TIME = 120_000;

/** A place where a person decides about the card of one message. */
interface Place {
  readonly name: string;
  /** Waits until the card is shown here; from then on it can be answered as it was shown. */
  shows(): Promise<void>;
  deny(): Promise<void>;
  /** Begins to answer the card as it is shown; what comes back lets the answer arrive, and resolves with what this place says to it. */
  allowLate(): Promise<() => Promise<string>>;
  /** Waits until the decision is shown here; resolves with the words. */
  decided(): Promise<string>;
}

let browser: Browser;
let telegram: TelegramEmulator;
let mesh: Mesh;
let app: AppPage;

beforeAll(async () => {
  telegram = await TelegramEmulator.start(systemClock);
  telegram.addForum(CHAT);
  telegram.addPrivate(USER);
  mesh = await Mesh.start({
    machines: ['laptop', 'studio'],
    policy: 'defaults: { require_approval: once }\n',
    hubEnv: {
      TELEGRAM_BOT_TOKEN: TelegramEmulator.TOKEN,
      TELEGRAM_API_ROOT: telegram.root,
      TELEGRAM_SUPERGROUP_ID: String(CHAT),
      TELEGRAM_OWNER_ID: String(USER),
    },
  });
  browser = await launch();
  app = await openApp(browser);
  const { url } = await mesh.operator.call('POST', '/sign-in/links', SignInLink, {});
  await signIn(app.page, url);
}, TIME);
afterAll(async () => {
  expect(await app.faults()).toEqual([]);
  await browser.close();
  await mesh.stop();
  await telegram.stop();
});

describe('one approval in three places', () => {
  it.each([
    ['Telegram', /\(Telegram\)/, 'telegram'],
    ['the page', /\(web page\)/, 'web'],
    ['the command line', /\(command line\)/, 'cli'],
  ])(
    'denied in %s: everybody sees it, and nobody can answer it again',
    { timeout: TIME },
    async (winner, words, via) => {
      // Unlike any other, also when this test is tried again.
      const body = `May I sweep after ${winner}? ${newId('log')}`;
      const sender = mesh.daemon('laptop').local({ cwd: await project('laptop', 'desk') });
      const receiver = mesh.daemon('studio').local({ cwd: await project('studio', 'shop') });
      await receiver.whoami();
      const { id } = await sender.submit({ kind: 'send', to: 'studio/shop', body });
      const card = await pending(body);
      const places = [inTelegram(body), onPage(card.id), onCommandLine(card.id, body)];
      for (const place of places) await place.shows();
      const first = places.find((place) => place.name === winner);
      const others = places.filter((place) => place !== first);
      if (first === undefined) throw new Error(`no place ${winner}`);

      const second = await Promise.all(others.map((place) => place.allowLate()));
      await first.deny();
      const decision = await decidedOn(card.id);
      expect(decision).toMatchObject({ verdict: 'deny', via, by: 'owner' });

      expect(await places[0]?.decided()).toMatch(new RegExp(`Denied by owner ${words.source}, .*[0-9]{2}:[0-9]{2}`));
      expect(await places[1]?.decided()).toMatch(new RegExp(`Denied by owner ${IN_PAGE_WORDS[via] ?? ''}`));
      expect(await places[2]?.decided()).toMatch(new RegExp(`denied by owner via ${via}, (now|[0-9]+ s ago)`));

      for (const [index, place] of others.entries()) {
        const told = await second[index]?.();
        if (place.name === 'the page') expect(told).toMatch(/^owner denied it .*(now|ago)\. That answer counts\.$/);
        else expect(told).toMatch(new RegExp(`owner denied this already \\(${via}, ${decision.at}\\)`));
      }
      expect(await decidedOn(card.id)).toEqual(decision);
      expect((await sender.message(id, { seconds: 20, for: 'decision' })).state).toBe('denied');
      expect((await receiver.takeInbox()).messages).toEqual([]);
    },
  );
});

const IN_PAGE_WORDS: Readonly<Record<string, string>> = {
  telegram: 'in Telegram',
  web: 'on the web page',
  cli: 'in a terminal',
};

function inTelegram(body: string): Place {
  let shown: ShownMessage | undefined;
  let allow = '';
  const find = async (fits: (message: ShownMessage) => boolean): Promise<ShownMessage> => {
    for (;;) {
      const found = telegram.messages(CHAT).findLast((one) => one.content.text.includes(body) && fits(one));
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };
  return {
    name: 'Telegram',
    shows: async () => {
      shown = await find((one) => one.buttons.length > 0);
      allow = shown.buttons.flat().find((button) => button.text.includes('Allow once'))?.data ?? '';
    },
    deny: async () => {
      const { text, alert } = await telegram.press(CHAT, shown?.id ?? 0, USER, 'Deny');
      expect({ text, alert }).toEqual({ text: 'Denied.', alert: false });
    },
    // The button as it was, pressed on a phone that has not heard of the change yet.
    allowLate: () =>
      Promise.resolve(async () => {
        const { text, alert } = await telegram.pressData(CHAT, shown?.id ?? 0, USER, allow);
        expect(alert).toBe(true);
        return text;
      }),
    decided: async () => {
      const decided = await find((one) => one.buttons.length === 0);
      expect(decided.id).toBe(shown?.id);
      return decided.content.text;
    },
  };
}

function onPage(approvalId: string): Place {
  const { page } = app;
  const card = page.locator(`article[data-approval="${approvalId}"]`);
  return {
    name: 'the page',
    shows: () => card.waitFor(),
    deny: async () => {
      await card.getByRole('button', { name: 'Deny' }).click();
      await card.getByRole('button', { name: 'Deny it' }).click();
    },
    // Pressed while the card had its buttons; the answer is still on its way to the hub.
    allowLate: async () => {
      let release = (): void => undefined;
      const mayGo = new Promise<void>((resolve) => {
        release = resolve;
      });
      const onItsWay = new Promise<void>((resolve) => {
        void page.route('**/decision', async (route) => {
          resolve();
          await mayGo;
          await route.continue();
        });
      });
      // What an earlier answer was told may still stand there.
      const toasts = page.locator('.toast');
      while ((await toasts.count()) > 0) await toasts.first().getByRole('button').click();
      await card.getByRole('button', { name: 'Allow once' }).click();
      await onItsWay;
      return async () => {
        release();
        const told = page.getByText(/That answer counts\./);
        await told.waitFor();
        await page.unroute('**/decision');
        return (await told.textContent())?.trim() ?? '';
      };
    },
    decided: async () => {
      const row = page.locator(`.decided-row[data-approval="${approvalId}"]`);
      await row.waitFor();
      // When: the age of the decision, with its exact time behind it.
      await expect.poll(() => row.locator('.decided-age time').getAttribute('datetime')).toMatch(/^20\d\d-/);
      return (await row.locator('.decided-what').textContent()) ?? '';
    },
  };
}

function onCommandLine(approvalId: string, body: string): Place {
  return {
    name: 'the command line',
    shows: async () => {
      const { stdout } = await mesh.hub.cli(['approvals', 'list']);
      expect(stdout).toContain(approvalId);
      expect(stdout).toContain(body);
    },
    deny: async () => {
      expect((await mesh.hub.cli(['approvals', 'deny', approvalId])).exitCode).toBe(0);
    },
    allowLate: () =>
      Promise.resolve(async () => {
        const { exitCode, stderr } = await mesh.hub.cli(['approvals', 'allow', approvalId]);
        expect(exitCode).toBe(7);
        return stderr;
      }),
    decided: async () => (await mesh.hub.cli(['approvals', 'show', approvalId])).stdout,
  };
}

async function project(machine: string, name: string): Promise<string> {
  const path = join(mesh.root, 'projects', machine, name);
  await mkdir(path, { recursive: true });
  return path;
}

async function pending(body: string): Promise<Approval> {
  const found = (await mesh.operator.pending()).find((one) => 'body' in one.subject && one.subject.body === body);
  if (found === undefined) throw new Error('the message did not raise a card');
  return found;
}

/** The decision, once there is one. */
async function decidedOn(approvalId: string): Promise<NonNullable<Approval['decision']>> {
  for (;;) {
    const { decision } = await mesh.operator.call('GET', `/approvals/${approvalId}`, Approval);
    if (decision !== undefined) return decision;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}
