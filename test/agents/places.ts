/**
 * The three places in which a person is asked: Telegram (emulated), the page in a real browser, the command line of the hub; and that each shows the whole of what is asked, and
 * who answered it elsewhere.
 */
import type { Browser, Locator } from 'playwright-core';
import { expect } from 'vitest';
import { systemClock } from '../../src/platform/clock.ts';
import { Approval } from '../../src/protocol/model.ts';
import { SignInLink } from '../../src/protocol/operator-api.ts';
import { launch } from '../browser/support/chromium.ts';
import { openApp, signIn, type AppPage } from '../browser/support/page.ts';
import type { Mesh } from '../support/mesh.ts';
import type { ShownMessage } from '../support/telegram-emulator/chats.ts';
import { TelegramEmulator } from '../support/telegram-emulator/emulator.ts';
import { until } from './mission-rig.ts';

/** The operators' forum, and the owner. */
export const CHAT = -1_001_234_567_890;
export const USER = 4242;

/** Telegram with the operators' forum, and what a hub has to be told to use it. */
export async function operatorsTelegram(): Promise<{ telegram: TelegramEmulator; hubEnv: NodeJS.ProcessEnv }> {
  const telegram = await TelegramEmulator.start(systemClock);
  telegram.addForum(CHAT);
  telegram.addPrivate(USER);
  const hubEnv = {
    TELEGRAM_BOT_TOKEN: TelegramEmulator.TOKEN,
    TELEGRAM_API_ROOT: telegram.root,
    TELEGRAM_SUPERGROUP_ID: String(CHAT),
    TELEGRAM_OWNER_ID: String(USER),
  };
  return { telegram, hubEnv };
}

export class Places {
  readonly telegram: TelegramEmulator;
  readonly app: AppPage;
  readonly #mesh: Mesh;
  readonly #browser: Browser;

  /** Opens the page, signed in. */
  static async open(mesh: Mesh, telegram: TelegramEmulator): Promise<Places> {
    const browser = await launch();
    const app = await openApp(browser);
    const { url } = await mesh.operator.call('POST', '/sign-in/links', SignInLink, {});
    await signIn(app.page, url);
    return new Places(mesh, telegram, browser, app);
  }

  private constructor(mesh: Mesh, telegram: TelegramEmulator, browser: Browser, app: AppPage) {
    this.#mesh = mesh;
    this.telegram = telegram;
    this.#browser = browser;
    this.app = app;
  }

  /** Also holds the page to having had no fault. */
  async close(): Promise<void> {
    expect(await this.app.faults()).toEqual([]);
    await this.#browser.close();
  }

  /** The card that waits and has this text anywhere. */
  pending(kind: Approval['kind'], text: string): Promise<Approval> {
    return until(async () =>
      (await this.#mesh.operator.pending()).find(
        (one) => one.kind === kind && JSON.stringify(one.subject).includes(text),
      ),
    );
  }

  /** Waits until it was decided. */
  decided(id: string): Promise<Approval> {
    return until(async () => {
      const now = await this.#mesh.operator.call('GET', `/approvals/${id}`, Approval);
      return now.state === 'pending' ? undefined : now;
    });
  }

  onPage(id: string): Locator {
    return this.app.page.locator(`article[data-approval="${id}"]`);
  }

  decidedOnPage(id: string): Locator {
    return this.app.page.locator(`.decided-row[data-approval="${id}"]`);
  }

  /** The newest message of the bot with this text that has buttons. */
  inTelegram(text: string): Promise<ShownMessage> {
    return until(async () =>
      this.telegram.messages(CHAT).findLast((one) => one.content.text.includes(text) && one.buttons.length > 0),
    );
  }

  /** Waits until a message has lost its buttons and tells this. */
  afterwards(messageId: number, what: RegExp): Promise<ShownMessage> {
    return until(async () =>
      this.telegram
        .messages(CHAT)
        .find((one) => one.id === messageId && one.buttons.length === 0 && what.test(one.content.text)),
    );
  }

  /** As the owner, under a card. */
  reply(to: ShownMessage, text: string): void {
    this.telegram.write(CHAT, USER, text, {
      replyTo: to.id,
      ...(to.topic === undefined ? {} : { topic: to.topic }),
    });
  }

  async press(message: ShownMessage, button: string): Promise<void> {
    expect((await this.telegram.press(CHAT, message.id, USER, button)).alert).toBe(false);
  }

  /** `intercom approvals …` on the hub. */
  async shell(...words: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.#mesh.hub.cli(['approvals', ...words]);
    expect([exitCode, stderr]).toEqual([0, '']);
  }

  /** All three show the whole of it; the message in Telegram. */
  async everywhere(card: Approval, text: string): Promise<ShownMessage> {
    const shown = await this.inTelegram(text);
    await this.onPage(card.id).waitFor();
    expect(await this.onPage(card.id).textContent()).toContain(text);
    const { stdout } = await this.#mesh.hub.cli(['approvals', 'show', card.id]);
    expect(stdout.replace(/\s+(│ )?/g, '')).toContain(text.replace(/\s+/g, ''));
    return shown;
  }

  /** No place asks any more, and each tells who answered where. */
  async closed(card: Approval, shown: ShownMessage, how: RegExp): Promise<void> {
    await this.afterwards(shown.id, how);
    await this.decidedOnPage(card.id).waitFor();
    const { stdout } = await this.#mesh.hub.cli(['approvals', 'list']);
    expect(stdout).not.toContain(card.id);
  }
}
