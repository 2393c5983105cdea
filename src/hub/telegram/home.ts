/**
 * The chat where everything is shown: which one it is, whether topics can be made there, and whether it takes what we write. Looks again
 * when rights change, and now and then while something is missing.
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { BotApi } from './bot-api.ts';
import { getBot, lookAtChat, notThere, type Bot } from './chat-check.ts';
import { homeChat, type TelegramConfig } from './config.ts';
import type { TelegramFailure } from './failure.ts';
import type { Destination } from './item-calls.ts';
import type { TelegramStore } from './ports.ts';
import { NOBODY, type Trouble } from './trouble.ts';

const LOOK_AGAIN_MS = 600_000;
const MOVED = 'moved';

export interface HomeOptions {
  readonly config: TelegramConfig;
  readonly api: BotApi;
  readonly store: TelegramStore;
  readonly trouble: Trouble;
  readonly clock: Clock;
  readonly log: Log;
}

export class Home implements Destination {
  readonly #options: HomeOptions;
  #chatId: number | undefined;
  #hasTopics = false;
  #isWell = true;
  #bot: Bot | undefined;
  #lookedAt = 0;

  constructor(options: HomeOptions) {
    this.#options = options;
    this.#chatId = homeChat(options.config);
  }

  /** Applies an earlier move of the group, so that nothing is sent to its old id. */
  async load(): Promise<void> {
    const moved = readMove(await this.#options.store.getMeta(MOVED));
    if (moved !== undefined && moved.from === this.#chatId) this.#chatId = moved.to;
  }

  home(): number | undefined {
    return this.#chatId;
  }

  hasTopics(): boolean {
    return this.#hasTopics;
  }

  get bot(): Bot | undefined {
    return this.#bot;
  }

  topicsRefused(failure: TelegramFailure): void {
    this.#options.log.warn({ problem: failure.message }, 'Telegram lets us make no topic; messages come without');
    this.#hasTopics = false;
    this.#isWell = false;
  }

  /** Who the bot is and what the chat allows. Throws TelegramFailure when Telegram cannot be asked. */
  async look(): Promise<void> {
    const { api, config, trouble, clock } = this.#options;
    this.#bot = await getBot(api);
    trouble.over('token');
    if (config.allowedUsers.length === 0) trouble.raise(NOBODY);
    else trouble.over('nobody');
    this.#lookedAt = clock.monotonic();
    if (this.#chatId === undefined) return;
    const facts = await lookAtChat(api, this.#bot, this.#chatId);
    this.#hasTopics = facts.hasTopics;
    this.#isWell = facts.problem === undefined;
    for (const key of ['chat', 'topics'] as const) {
      if (facts.problem?.key === key) trouble.raise(facts.problem);
      else trouble.over(key);
    }
  }

  /** Looks again if something was missing and some time has passed, or at once when `now`. Never throws. */
  async lookAgain(now: boolean): Promise<void> {
    const { clock, log } = this.#options;
    if (!now && (this.#isWell || clock.monotonic() - this.#lookedAt < LOOK_AGAIN_MS)) return;
    await this.look().catch((error: unknown) => log.info({ err: error }, 'the chat could not be looked at'));
  }

  chatRefused(): void {
    if (this.#chatId === undefined) return;
    this.#isWell = false;
    this.#options.trouble.raise(notThere(this.#bot, this.#chatId));
  }

  /** The group became a supergroup: everything goes on there. */
  async movedTo(to: number): Promise<void> {
    const { store, log } = this.#options;
    const from = this.#chatId;
    if (from === undefined || from === to) return;
    this.#chatId = to;
    await store.moveChat(from, to);
    await store.setMeta(MOVED, `${homeChat(this.#options.config) ?? from}>${to}`);
    log.warn({ from, to }, 'the Telegram group became a supergroup; put the new id into telegram.supergroup_id');
  }
}

function readMove(text: string | undefined): { from: number; to: number } | undefined {
  const [from, to] = (text ?? '').split('>').map(Number);
  return from === undefined || to === undefined || Number.isNaN(from) || Number.isNaN(to) ? undefined : { from, to };
}
