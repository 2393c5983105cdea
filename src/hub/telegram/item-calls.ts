/**
 * Which call an item needs next, and how its particular refusals are mended (a topic that was deleted, a message that is gone, markup that
 * Telegram does not take).
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { BotApi } from './bot-api.ts';
import { fileOf } from './bot-api.ts';
import type { TelegramFailure } from './failure.ts';
import { plainOf } from './html.ts';
import type { CardButton, Content, Item, TelegramStore } from './ports.ts';

/** Where things go now. */
export interface Destination {
  home(): number | undefined;
  /** Topics can be made in the home chat. */
  hasTopics(): boolean;
  /** Making a topic was refused. */
  topicsRefused(failure: TelegramFailure): void;
}

interface Parts {
  readonly store: TelegramStore;
  readonly api: BotApi;
  readonly clock: Clock;
  readonly log: Log;
  readonly destination: Destination;
}

/** A topic that people delete is made again once; after that its messages go to General. */
const TOPICS_MADE_MAX = 2;

export class ItemCalls {
  readonly #parts: Parts;
  /** Items whose markup was refused: sent as plain text. */
  readonly #plain = new Set<string>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Makes the next call, or says that everything is shown. */
  async next(item: Item): Promise<'called' | 'complete'> {
    const { content } = item;
    if (content.reaction !== undefined) return this.#react(item, content.reaction);
    for (const [index, html] of content.parts.entries()) {
      const isLast = index === content.parts.length - 1;
      const buttons = isLast ? content.buttons : undefined;
      const hash = hashOf(html, buttons);
      const sent = item.sent[index];
      if (sent?.hash === hash) continue;
      if (sent !== undefined) {
        await this.#edit(item, index, html, buttons, hash, sent.messageId);
        return 'called';
      }
      const topic = await this.#topicFor(item);
      if (topic !== 'made') await this.#send(item, index, html, buttons, hash, topic);
      return 'called';
    }
    if (content.document === undefined || item.documentSent || content.document.text === '') return 'complete';
    const topic = await this.#topicFor(item);
    if (topic !== 'made') await this.#sendDocument(item, content.document, topic);
    return 'called';
  }

  /** True: the cause was removed, the item can be tried again at once. */
  async mend(item: Item, failure: TelegramFailure): Promise<boolean> {
    const { store, destination, log } = this.#parts;
    switch (failure.kind) {
      case 'topic_gone':
        if (item.threadId === undefined || item.topicId !== undefined) {
          await store.remove(item.key);
          return true;
        }
        log.info({ thread: item.threadId }, 'a Telegram topic was deleted');
        await store.topicGone(item.chatId, item.threadId);
        return true;
      case 'topic_closed':
        return this.#reopen(item);
      case 'no_forum':
        destination.topicsRefused(failure);
        return true;
      case 'message_gone':
        // A card must be seen; a message that people deleted need not come back for a changed state line.
        if (item.open) await store.forgetSent(item.key);
        else await store.drop(item.key);
        return true;
      case 'markup':
        if (this.#plain.has(item.key)) return false;
        log.error({ item: item.key, problem: failure.message }, 'Telegram did not take our markup; sent without it');
        if (this.#plain.size > 1_000) this.#plain.clear();
        this.#plain.add(item.key);
        return true;
      default:
        return false;
    }
  }

  async #topicFor(item: Item): Promise<number | undefined | 'made'> {
    const { store, api, destination } = this.#parts;
    if (item.topicId !== undefined) return item.topicId;
    const isHome = item.chatId === destination.home();
    if (item.threadId === undefined || !isHome || !destination.hasTopics()) return undefined;
    const topic = await store.topic(item.chatId, item.threadId);
    if (topic === undefined) return undefined;
    if (topic.topicId !== undefined) return topic.topicId;
    if (topic.made >= TOPICS_MADE_MAX) return undefined;
    const made = await api.call('createForumTopic', (raw) =>
      raw.createForumTopic({ chat_id: item.chatId, name: topic.name }),
    );
    await store.topicMade(item.chatId, item.threadId, made.message_thread_id);
    return 'made';
  }

  async #send(
    item: Item,
    index: number,
    html: string,
    buttons: Content['buttons'],
    hash: string,
    topic: number | undefined,
  ): Promise<void> {
    const { api, store, clock } = this.#parts;
    const answers = index === 0 ? item.replyTo : item.sent[0]?.messageId;
    const sent = await api.call('sendMessage', (raw) =>
      raw.sendMessage({
        chat_id: item.chatId,
        ...this.#text(item, html),
        link_preview_options: { is_disabled: true },
        disable_notification: item.content.silent,
        ...(topic === undefined ? {} : { message_thread_id: topic }),
        ...(answers === undefined
          ? {}
          : { reply_parameters: { message_id: answers, allow_sending_without_reply: true } }),
        ...markupOf(item.content, buttons),
      }),
    );
    await store.partSent(item.key, index, { messageId: sent.message_id, hash }, clock.now());
  }

  async #edit(
    item: Item,
    index: number,
    html: string,
    buttons: Content['buttons'],
    hash: string,
    messageId: number,
  ): Promise<void> {
    const { api, store, clock } = this.#parts;
    try {
      await api.call('editMessageText', (raw) =>
        raw.editMessageText({
          chat_id: item.chatId,
          message_id: messageId,
          ...this.#text(item, html),
          link_preview_options: { is_disabled: true },
          ...(buttons === undefined ? {} : { reply_markup: keyboardOf(buttons) }),
        }),
      );
    } catch (error) {
      if (!isUnchanged(error)) throw error;
    }
    await store.partEdited(item.key, index, { messageId, hash }, clock.now());
  }

  async #sendDocument(
    item: Item,
    document: NonNullable<Content['document']>,
    topic: number | undefined,
  ): Promise<void> {
    const { api, store } = this.#parts;
    const answers = item.sent.at(-1)?.messageId;
    const sent = await api.call('sendDocument', (raw) =>
      raw.sendDocument({
        chat_id: item.chatId,
        document: fileOf(document.name, document.text),
        caption: document.caption,
        parse_mode: 'HTML',
        disable_notification: true,
        ...(topic === undefined ? {} : { message_thread_id: topic }),
        ...(answers === undefined
          ? {}
          : { reply_parameters: { message_id: answers, allow_sending_without_reply: true } }),
      }),
    );
    await store.documentSent(item.key, sent.message_id);
  }

  async #react(item: Item, reaction: string): Promise<'called' | 'complete'> {
    const { api, store, clock } = this.#parts;
    const target = item.replyTo;
    const hash = hashOf(reaction, undefined);
    if (target === undefined || item.sent[0]?.hash === hash) return 'complete';
    const emoji = REACTIONS.find((known) => known === reaction);
    if (emoji === undefined) return 'complete';
    try {
      await api.call('setMessageReaction', (raw) =>
        raw.setMessageReaction({ chat_id: item.chatId, message_id: target, reaction: [{ type: 'emoji', emoji }] }),
      );
    } catch (error) {
      if (!isUnchanged(error)) throw error;
    }
    await store.partSent(item.key, 0, { messageId: target, hash }, clock.now());
    return 'called';
  }

  async #reopen(item: Item): Promise<boolean> {
    const { api, store } = this.#parts;
    const topic =
      item.topicId ??
      (item.threadId === undefined ? undefined : (await store.topic(item.chatId, item.threadId))?.topicId);
    if (topic === undefined) return false;
    try {
      await api.call('reopenForumTopic', (raw) =>
        raw.reopenForumTopic({ chat_id: item.chatId, message_thread_id: topic }),
      );
      return true;
    } catch {
      return false;
    }
  }

  #text(item: Item, html: string): { text: string; parse_mode?: 'HTML' } {
    return this.#plain.has(item.key) ? { text: plainOf(html) } : { text: html, parse_mode: 'HTML' };
  }
}

/** Reactions that a bot may give. */
const REACTIONS = ['👀', '👌', '🤔', '👍'] as const;

function isUnchanged(error: unknown): boolean {
  return error instanceof Error && 'kind' in error && error.kind === 'unchanged';
}

/** People see this item as it is now; nothing of it waits to be sent or edited. */
export function isShown({ content, sent }: Item): boolean {
  return content.parts.every((html, index) => {
    const buttons = index === content.parts.length - 1 ? content.buttons : undefined;
    return sent[index]?.hash === hashOf(html, buttons);
  });
}

function markupOf({ ask }: Content, buttons: Content['buttons']) {
  if (ask !== undefined) {
    return { reply_markup: { force_reply: true as const, selective: true, input_field_placeholder: ask.slice(0, 64) } };
  }
  return buttons === undefined ? {} : { reply_markup: keyboardOf(buttons) };
}

function keyboardOf(buttons: readonly (readonly CardButton[])[]) {
  return {
    inline_keyboard: buttons.map((row) =>
      row.map((button) =>
        'url' in button
          ? { text: button.text, url: button.url }
          : {
              text: button.text,
              callback_data: button.data,
              ...(button.style === undefined ? {} : { style: button.style }),
            },
      ),
    ),
  };
}

function hashOf(html: string, buttons: Content['buttons']): string {
  return createHash('sha256')
    .update(JSON.stringify([html, buttons ?? null]))
    .digest('hex')
    .slice(0, 16);
}
