/**
 * That nothing can be written, said to Telegram at once: the outbox lives in the very store that fails, so this post goes past it.
 *
 * Invariants: one post per fault, edited when it is over; a fault that comes back soon edits the same post; only the newest state is shown; a
 * call that fails is made again a few times at most (the web page and `intercom status` say the same).
 */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { SystemNotice } from '../../protocol/model.ts';
import type { BotApi } from './bot-api.ts';
import { TelegramFailure } from './failure.ts';
import { noticeHtml } from './notice-posts.ts';

const SAME_MS = 15 * 60_000;
const TRIES = 5;
const AGAIN_MS = 10_000;

export interface DirectPostOptions {
  readonly api: Pick<BotApi, 'call'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: () => number | undefined;
}

export class DirectPost {
  readonly #options: DirectPostOptions;
  #sent: { readonly chatId: number; readonly messageId: number; readonly at: number } | undefined;
  #shown: string | undefined;
  #wanted: { readonly html: string; readonly isOver: boolean } | undefined;
  #running: Promise<void> | undefined;
  #wake: () => void = () => undefined;
  #stopped = false;

  constructor(options: DirectPostOptions) {
    this.#options = options;
  }

  /** The fault now, or undefined when it is over. */
  changed(fault: SystemNotice | undefined): void {
    const html = fault === undefined ? '✓ <i>over: the store can be written again</i>' : noticeHtml(fault);
    this.#wanted = { html, isOver: fault === undefined };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let tries = 0; tries < TRIES && !this.#stopped;) {
      const wanted = this.#wanted;
      if (wanted === undefined) return;
      try {
        await this.#show(wanted.html, wanted.isOver);
        if (this.#wanted === wanted) return;
      } catch (error) {
        tries += 1;
        this.#options.log.warn({ err: error, tries }, 'the fault of the store could not be posted');
        const isFlood = error instanceof TelegramFailure && error.kind === 'flood';
        await this.#pause(isFlood ? error.retryAfterMs + 250 : AGAIN_MS);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
      if (this.#stopped) this.#wake();
    });
  }

  async #show(html: string, isOver: boolean): Promise<void> {
    const { api, clock } = this.#options;
    const chatId = this.#options.home();
    if (chatId === undefined || html === this.#shown) return;
    const sent = this.#sent;
    const now = clock.monotonic();
    if (sent?.chatId === chatId && (isOver || now - sent.at < SAME_MS)) {
      await api.call('editMessageText', (raw) =>
        raw.editMessageText({ chat_id: chatId, message_id: sent.messageId, text: html, parse_mode: 'HTML' }),
      );
      this.#shown = html;
      return;
    }
    // What nobody was told of need not be told to be over.
    if (isOver) return;
    const message = await api.call('sendMessage', (raw) =>
      raw.sendMessage({ chat_id: chatId, text: html, parse_mode: 'HTML' }),
    );
    this.#sent = { chatId, messageId: message.message_id, at: now };
    this.#shown = html;
  }
}
