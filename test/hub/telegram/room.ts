/** A hub with the Telegram surface, an emulated Telegram, and time in hand. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { pino } from 'pino';
import { HubStore } from '../../../src/hub/store/hub-store.ts';
import { SqliteTelegramStore } from '../../../src/hub/store/telegram.ts';
import type { TelegramConfig } from '../../../src/hub/telegram/config.ts';
import { startTelegram, type Telegram } from '../../../src/hub/telegram/telegram.ts';
import { silentLog } from '../../../src/platform/log.ts';
import type { ShownMessage } from '../../support/telegram-emulator/chats.ts';
import { TelegramEmulator, type PressResult } from '../../support/telegram-emulator/emulator.ts';
import { FakeHub } from './fake-hub.ts';
import { ManualClock } from '../../support/manual-clock.ts';

export const GROUP = -1001234567890;
export const ANN = 11;
export const BOB = 12;
export const VIEWER = 13;
export const STRANGER = 66;

export class Room {
  readonly clock: ManualClock;
  readonly hub: FakeHub;
  readonly telegram: TelegramEmulator;
  readonly logged: string[] = [];
  readonly #directory: string;
  #store: HubStore;
  #surface: Telegram | undefined;
  config: TelegramConfig;
  pageUrl: string | undefined;

  static async open(): Promise<Room> {
    const clock = new ManualClock();
    const directory = mkdtempSync(join(tmpdir(), 'intercom-telegram-'));
    const store = await HubStore.open({ file: join(directory, 'hub.db'), log: silentLog() });
    return new Room(clock, directory, store, await TelegramEmulator.start(clock));
  }

  private constructor(clock: ManualClock, directory: string, store: HubStore, telegram: TelegramEmulator) {
    this.clock = clock;
    this.#directory = directory;
    this.#store = store;
    this.telegram = telegram;
    this.hub = new FakeHub(clock);
    this.hub.operators.set(ANN, { name: 'ann', role: 'owner' });
    this.hub.operators.set(BOB, { name: 'bob', role: 'operator' });
    this.hub.operators.set(VIEWER, { name: 'vera', role: 'viewer' });
    this.hub.machineNames.set('laptop', "Ann's laptop");
    this.hub.machineNames.set('server', 'server');
    this.config = {
      botToken: TelegramEmulator.TOKEN,
      supergroupId: GROUP,
      apiRoot: telegram.root,
      allowedUsers: [ANN, BOB, VIEWER],
      restrictToSupergroup: false,
      ignorePrivateMessages: false,
    };
  }

  start(): Telegram {
    const log = pino({ level: 'debug' }, { write: (line: string) => void this.logged.push(line) });
    const store = new SqliteTelegramStore(this.#store.database);
    this.#surface = startTelegram({
      services: this.hub.services(),
      config: this.config,
      store,
      clock: this.clock,
      log,
      pageUrl: () => this.pageUrl,
    });
    return this.#surface;
  }

  async stop(): Promise<void> {
    await this.#surface?.stop();
    this.#surface = undefined;
  }

  /** The hub is started anew on the same store. */
  async restart(): Promise<Telegram> {
    await this.stop();
    await this.#store.close();
    this.#store = await HubStore.open({ file: join(this.#directory, 'hub.db'), log: silentLog() });
    return this.start();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.telegram.stop();
    await this.#store.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  store(): SqliteTelegramStore {
    return new SqliteTelegramStore(this.#store.database);
  }

  /** Puts that many notes into the outbox. */
  async fill(count: number): Promise<void> {
    const store = this.store();
    const draft = { chatId: GROUP, lane: 1, content: { parts: ['x'], silent: true } } as const;
    await Promise.all(
      Array.from({ length: count }, (_, number) => store.put({ ...draft, key: `n:${number}` }, this.clock.now())),
    );
  }

  status() {
    if (this.#surface === undefined) throw new Error('the surface is not started');
    return this.#surface.status();
  }

  /** Lets time pass, in small steps between which everything that can happen does, until `done`. */
  async until(done: () => boolean | Promise<boolean>, what = 'what was expected'): Promise<void> {
    for (let step = 0; step < 4_000; step += 1) {
      if (await done()) return;
      for (let turn = 0; turn < 3; turn += 1) await breathe();
      this.clock.advance(step < 200 ? 20 : 200);
    }
    throw new Error(
      `${what} did not happen.\nRefusals: ${this.telegram.refusals().slice(-5).join('\n')}\nLog: ${this.logged.slice(-8).join('')}`,
    );
  }

  /** Every event and update so far is handled, and everything is shown. */
  async settled(): Promise<void> {
    const store = this.store();
    await this.until(async () => {
      const { epoch, log } = this.hub;
      if ((await store.getMeta('cursor')) !== `${epoch}:${log.length}`) return false;
      if (this.telegram.unconfirmed > 0) return false;
      for (const id of this.hub.attention.told) {
        const isOpen = this.hub.approvals.get(id)?.state === 'pending';
        if (isOpen && (await store.item(`a:${id}`)) === undefined) return false;
      }
      const { state, outbox } = await this.status();
      return state !== 'starting' && outbox === 0;
    }, 'that everything is shown');
  }

  /** The newest message with these words. */
  found(words: string): ShownMessage {
    const message = this.telegram.messages(GROUP).findLast(({ content }) => content.text.includes(words));
    if (message !== undefined) return message;
    throw new Error(`nobody shows "${words}": ${this.telegram.texts(GROUP).join('\n---\n')}`);
  }

  /** Presses a button by its words, and waits until the person was answered. */
  async press(message: ShownMessage, user: number, words: string): Promise<PressResult> {
    const before = this.telegram.callsOf('answerCallbackQuery').length;
    const pressed = this.telegram.press(GROUP, message.id, user, words);
    await this.until(() => this.telegram.callsOf('answerCallbackQuery').length > before);
    return pressed;
  }

  /** Passes time without waiting for anything. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(500);
      for (let turn = 0; turn < 3; turn += 1) await breathe();
    }
  }
}
