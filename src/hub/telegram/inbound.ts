/**
 * What people write to the bot.
 *
 * Invariants: nobody who is not in the allow-list gets any answer; other chats than the home and operators' private chats are ignored;
 * nothing here waits for Telegram: answers go through the outbox. A text is submitted once, however often its update comes.
 */
import { parseAddress } from '../../protocol/address.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { Message } from '../../protocol/model.ts';
import { OperatorSubmit } from '../../protocol/operator-api.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Actor, HubServices } from '../services.ts';
import type { CommandAnswer } from './attention-commands.ts';
import type { CardReplies } from './card-replies.ts';
import { answerCommand } from './commands.ts';
import type { TelegramConfig } from './config.ts';
import { messageKey, type Feed } from './feed.ts';
import { escapeHtml } from './html.ts';
import type { MissionDesk } from './mission-desk.ts';
import type { Outbox } from './outbox.ts';
import type { Content, Item, TelegramStore } from './ports.ts';
import type { IncomingMessage } from './wire.ts';
import { partyName, sentence } from './words.ts';

export interface InboundOptions {
  readonly services: HubServices;
  readonly store: TelegramStore;
  readonly outbox: Outbox;
  readonly feed: Feed;
  readonly replies: CardReplies;
  readonly desk: MissionDesk;
  readonly config: TelegramConfig;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: () => number | undefined;
  readonly botName: () => string;
}

const STRANGER_LOG_MS = 60_000;
/** How often the same person is told the same hint. */
const HINT_MS = 600_000;
const COMMAND = /^\/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+([\s\S]*))?$/;

export class Inbound {
  readonly #options: InboundOptions;
  #strangerLoggedAt = -STRANGER_LOG_MS;
  readonly #hinted = new Map<string, number>();

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  async message(message: IncomingMessage, isEdit: boolean): Promise<void> {
    const actor = this.#actorOf(message);
    if (actor === undefined) return;
    if (isEdit) {
      if (message.text !== undefined) {
        await this.#hint(message, 'edit', 'Changes to a message do not reach the agent. Please send a new one.');
      }
      return;
    }
    if (message.text === undefined) {
      if (message.isMedia) {
        await this.#hint(
          message,
          'media',
          'Only text goes through for now. Please write it, or name the path of a file.',
        );
      }
      return;
    }
    const command = COMMAND.exec(message.text);
    if (command !== null) await this.#command(actor, message, command);
    else await this.#write(actor, message, message.text);
  }

  /** The operator who wrote this, if they and the chat are ours. */
  #actorOf(message: IncomingMessage): Actor | undefined {
    const { services, config, log, clock } = this.#options;
    if (message.from === undefined || message.from.is_bot) return undefined;
    const isHome = message.chat.id === this.#options.home();
    const isPrivate = message.chat.type === 'private' && message.chat.id === message.from.id;
    if (!isHome && !isPrivate) return undefined;
    if (!isHome && (config.restrictToSupergroup || config.ignorePrivateMessages)) return undefined;
    const operator = services.operators.byTelegramId(message.from.id);
    if (operator !== undefined) return { operator, via: 'telegram' };
    if (clock.monotonic() - this.#strangerLoggedAt >= STRANGER_LOG_MS) {
      this.#strangerLoggedAt = clock.monotonic();
      log.warn(
        { telegramUser: message.from.id },
        'a Telegram user who is not in telegram.security.allowed_users was ignored',
      );
    }
    return undefined;
  }

  async #command(actor: Actor, message: IncomingMessage, match: RegExpExecArray): Promise<void> {
    const [, rawName = '', addressee, args = ''] = match;
    if (addressee !== undefined && addressee.toLowerCase() !== this.#options.botName().toLowerCase()) return;
    const name = rawName.toLowerCase();
    if (name === 'deny') {
      await this.#deny(actor, message, args);
      return;
    }
    const { services, store, clock } = this.#options;
    try {
      const context = {
        services,
        store,
        actor,
        now: clock.now(),
        chatId: message.chat.id,
        isPrivate: message.chat.type === 'private',
      };
      const place = {
        chatId: message.chat.id,
        messageId: message.id,
        topicId: message.topicId,
        replyTo: message.replyTo,
      };
      const lines = await this.#options.desk.command(name, actor, place, args);
      const answer = lines === undefined ? await answerCommand(name, args, context) : { lines };
      const unknown = { lines: [`I do not know /${escapeHtml(name)}. /help lists what I know.`] };
      await this.#note(message, contentOf(answer ?? unknown));
    } catch (error) {
      await this.#failed(message, error);
    }
  }

  async #deny(actor: Actor, message: IncomingMessage, args: string): Promise<void> {
    const card =
      message.replyTo === undefined
        ? undefined
        : await this.#options.store.itemByMessage(message.chat.id, message.replyTo);
    const answer = await this.#options.replies.denied(actor, args, card);
    if (answer === undefined) {
      await this.#answer(message, [
        'Reply to a card with <code>/deny reason</code>, so that I know which one you mean.',
      ]);
      return;
    }
    // A decision that was made shows on the card.
    if (answer.alert) await this.#answer(message, [escapeHtml(answer.text)]);
  }

  /** A text for an agent. */
  async #write(actor: Actor, message: IncomingMessage, text: string): Promise<void> {
    const { store } = this.#options;
    const answered =
      message.replyTo === undefined ? undefined : await store.itemByMessage(message.chat.id, message.replyTo);
    if (answered !== undefined && (await this.#answersCard(actor, message, text, answered))) return;
    const threadId =
      answered?.threadId ??
      (message.topicId === undefined ? undefined : await store.threadOfTopic(message.chat.id, message.topicId));
    if (threadId === undefined && answered?.key.startsWith('a:') === true) {
      await this.#hint(
        message,
        'card',
        'Press a button on the card. To say why not, reply to it with /deny and the reason.',
      );
      return;
    }
    if (threadId === undefined) {
      await this.#hint(
        message,
        'where',
        message.topicId === undefined
          ? "To write to an agent, write in its conversation's topic or reply to one of its messages. /agents lists who is there."
          : 'This topic is not one of my conversations. /help tells how it works.',
      );
      return;
    }
    if (actor.operator.role === 'viewer') {
      await this.#answer(message, ['As a viewer you may read, but not write to agents.']);
      return;
    }
    try {
      await this.#submit(actor, message, text, threadId, answered);
    } catch (error) {
      await this.#failed(message, error);
    }
  }

  /** A text in answer to a card or a prompt of ours. */
  async #answersCard(actor: Actor, message: IncomingMessage, text: string, answered: Item): Promise<boolean> {
    const answer = await this.#options.replies.written(actor, text, message.id, answered);
    if (answer === undefined) return false;
    if (answer.alert) await this.#answer(message, [escapeHtml(answer.text)]);
    else await this.#note(message, { parts: [], silent: true, reaction: '👌' });
    return true;
  }

  async #submit(
    actor: Actor,
    message: IncomingMessage,
    text: string,
    threadId: string,
    answered: Item | undefined,
  ): Promise<void> {
    const { services, store, desk } = this.#options;
    // Its update came before: it was said already.
    if ((await store.itemByMessage(message.chat.id, message.id)) !== undefined) return;
    const said = await desk.say(actor, text, { chatId: message.chat.id, threadId, answered });
    if (said !== undefined) {
      await this.#taken(message, threadId, said.id);
      return;
    }
    const { thread, messages } = await services.messaging.thread(threadId, { limit: 50 });
    const { to, inReplyTo } = recipientOf(messages, thread.participants, answered?.messageId);
    if (to === undefined) {
      await this.#answer(message, ['There is no agent in this conversation any more to send it to.']);
      return;
    }
    const submit = OperatorSubmit.safeParse({
      to,
      threadId,
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      kind: 'reply',
      body: text,
      idempotencyKey: `telegram:${message.chat.id}:${message.id}`,
    });
    if (!submit.success) {
      const problem = submit.error.issues[0]?.message ?? 'it is not valid';
      await this.#answer(message, [`This text cannot be sent: ${escapeHtml(problem)}.`]);
      return;
    }
    const status = await services.messaging.submitFromOperator(actor, submit.data);
    await this.#taken(message, threadId, status.id);
    const agents = new Set(thread.participants.filter(isAgent).map((address) => address.split('#')[0]));
    if (agents.size > 1) await this.#answer(message, [`→ <code>${escapeHtml(partyName(status.to))}</code>`]);
  }

  /** What a person wrote is on its way as this message: a reaction tells how it fares. */
  async #taken(message: IncomingMessage, threadId: string, messageId: string): Promise<void> {
    const { store, outbox, clock } = this.#options;
    const place = { chatId: message.chat.id, threadId, topicId: message.topicId, replyTo: message.id };
    const draft = {
      key: messageKey(messageId),
      ...withoutUndefined(place),
      messageId,
      lane: 0 as const,
      content: { parts: [], silent: true, reaction: 'none' },
    };
    // First known as what the person wrote, so that no event mirrors it; then the reaction.
    await store.adopt(draft, message.id, clock.now());
    await outbox.put({ ...draft, content: { ...draft.content, reaction: '👀' } });
  }

  async #failed(message: IncomingMessage, error: unknown): Promise<void> {
    const failure = toIntercomError(error);
    if (failure.code === 'internal')
      this.#options.log.error({ err: error }, 'a text from Telegram could not be handled');
    await this.#answer(message, [`❌ ${escapeHtml(sentence(failure))}`]);
  }

  async #hint(message: IncomingMessage, kind: string, text: string): Promise<void> {
    const now = this.#options.clock.monotonic();
    const key = `${kind}:${message.chat.id}:${message.topicId ?? 0}:${message.from?.id ?? 0}`;
    const last = this.#hinted.get(key);
    if (last !== undefined && now - last < HINT_MS) return;
    if (this.#hinted.size >= 1_000) this.#hinted.clear();
    this.#hinted.set(key, now);
    await this.#answer(message, [escapeHtml(text)]);
  }

  #answer(message: IncomingMessage, lines: readonly string[]): Promise<void> {
    return this.#note(message, contentOf({ lines }));
  }

  async #note(message: IncomingMessage, content: Content): Promise<void> {
    const place = { chatId: message.chat.id, topicId: message.topicId, replyTo: message.id };
    await this.#options.outbox.put({
      key: `n:${message.chat.id}:${message.id}:${this.#count++}`,
      ...withoutUndefined(place),
      lane: 0,
      content,
    });
  }

  /** Two answers to one message are two notes; the number need not outlive the process, notes of an earlier one are only added to. */
  #count = 0;
}

/**
 * Who a text in a conversation is for: the agent whose message it answers; else the agent that wrote last; else one that takes part. Without
 * an explicit answer it answers that agent's last message to a person, if there is one.
 */
export function recipientOf(
  messages: readonly Message[],
  participants: readonly string[],
  answeredId: string | undefined,
): { to: string | undefined; inReplyTo: string | undefined } {
  const newestFirst = [...messages].sort((a, b) => (a.id < b.id ? 1 : -1));
  const answered = newestFirst.find((message) => message.id === answeredId);
  if (answered !== undefined) {
    const other = [answered.from, answered.to].find(isAgent);
    if (other !== undefined) return { to: other, inReplyTo: answered.id };
  }
  const last = newestFirst.find((message) => isAgent(message.from));
  const to = last?.from ?? participants.find(isAgent);
  const forPerson = newestFirst.find((message) => message.from === to && !isAgent(message.to));
  return { to, inReplyTo: forPerson?.id };
}

function isAgent(address: string): boolean {
  return parseAddress(address).kind === 'agent';
}

function contentOf({ lines, buttons = [] }: CommandAnswer): Content {
  return { parts: chunks(lines), ...(buttons.length === 0 ? {} : { buttons }), silent: false };
}

/** Lines of HTML in texts of at most 3,500 units; a line is never cut. */
function chunks(lines: readonly string[]): string[] {
  const texts: string[] = [];
  let text = '';
  for (const line of lines) {
    if (text !== '' && text.length + line.length > 3_500) {
      texts.push(text);
      text = '';
    }
    text = text === '' ? line : `${text}\n${line}`;
  }
  return text.trim() === '' ? texts : [...texts, text];
}

interface Place {
  readonly chatId: number;
  readonly threadId?: string;
  readonly topicId: number | undefined;
  readonly replyTo: number;
}

function withoutUndefined(place: Place): { chatId: number; threadId?: string; topicId?: number; replyTo: number } {
  return {
    chatId: place.chatId,
    replyTo: place.replyTo,
    ...(place.threadId === undefined ? {} : { threadId: place.threadId }),
    ...(place.topicId === undefined ? {} : { topicId: place.topicId }),
  };
}
