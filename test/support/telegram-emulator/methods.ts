/** What the methods of the Bot API do to the chats, and everything they refuse. */
import { bad, Refusal, type ChatState, type ShownButton, type ShownMessage } from './chats.ts';
import { MarkupError, parseHtml, type Parsed } from './entities.ts';
import type { FloodLimits } from './limits.ts';
import { isRecord } from './spec.ts';

export interface World {
  readonly chats: Map<number, ChatState>;
  readonly limits: FloodLimits;
  now(): number;
  monotonic(): number;
  readonly commands: { value: unknown };
  /** Pressed and not answered yet. */
  readonly pressed: Map<string, (answer: { text: string; alert: boolean }) => void>;
}

export const BOT = { id: 7_000_001, is_bot: true, first_name: 'intercom', username: 'intercom_test_bot' } as const;

type Params = Readonly<Record<string, unknown>>;

export function run(world: World, method: string, params: Params): unknown {
  switch (method) {
    case 'getMe':
      return { ...BOT, can_join_groups: true, can_read_all_group_messages: false, supports_inline_queries: false };
    case 'deleteWebhook':
    case 'sendChatAction':
      return true;
    case 'setMyCommands':
      world.commands.value = params.commands;
      return true;
    case 'getChat':
      return chatView(chatOf(world, params));
    case 'getChatMember':
      return memberView(chatOf(world, params), params.user_id);
    case 'sendMessage':
      return messageView(sendMessage(world, params), writable(world, params));
    case 'sendDocument':
      return messageView(sendDocument(world, params), writable(world, params));
    case 'editMessageText':
    case 'editMessageReplyMarkup':
      return edit(world, method, params);
    case 'createForumTopic':
      return createTopic(world, params);
    case 'editForumTopic':
    case 'closeForumTopic':
    case 'reopenForumTopic':
    case 'deleteForumTopic':
      return changeTopic(world, method, params);
    case 'setMessageReaction':
      return react(world, params);
    case 'answerCallbackQuery':
      return answer(world, params);
    case 'getFile':
      throw bad('wrong file_id or the file is temporarily unavailable');
    default:
      throw bad(`the emulator does not know how to do ${method}`);
  }
}

function chatOf(world: World, params: Params): ChatState {
  const chat = typeof params.chat_id === 'number' ? world.chats.get(params.chat_id) : undefined;
  if (chat === undefined || (chat.type === 'private' && chat.bot === 'left')) throw bad('chat not found');
  if (chat.movedTo !== undefined) {
    throw new Refusal(400, 'Bad Request: group chat was upgraded to a supergroup chat', {
      migrate_to_chat_id: chat.movedTo,
    });
  }
  return chat;
}

function writable(world: World, params: Params): ChatState {
  const chat = chatOf(world, params);
  if (chat.bot === 'left') throw new Refusal(403, `Forbidden: bot was kicked from the ${chat.type} chat`);
  return chat;
}

function paced(world: World, chat: ChatState): void {
  const wait = world.limits.take(chat.id, world.monotonic());
  if (wait > 0) throw new Refusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait });
}

function sendMessage(world: World, params: Params): ShownMessage {
  const chat = writable(world, params);
  const content = readContent(params.text, params.parse_mode, 4096);
  if (content.text.trim() === '') throw bad('message text is empty');
  return post(world, chat, params, content, undefined);
}

function sendDocument(world: World, params: Params): ShownMessage {
  const chat = writable(world, params);
  const content = readContent(params.caption ?? '', params.parse_mode, 1024);
  const file = params.document;
  if (!(file instanceof Uint8Array) || file.length === 0) throw bad('file must be non-empty');
  const name = typeof params['document:name'] === 'string' ? params['document:name'] : 'file';
  return post(world, chat, params, content, { name, text: Buffer.from(file).toString('utf8') });
}

function post(
  world: World,
  chat: ChatState,
  params: Params,
  content: Parsed,
  document: ShownMessage['document'],
): ShownMessage {
  const topic = typeof params.message_thread_id === 'number' ? params.message_thread_id : undefined;
  if (topic !== undefined) {
    const state = chat.topics.get(topic);
    if (!chat.isForum || state === undefined) throw bad('message thread not found');
    if (state.closed && !chat.mayManageTopics) throw bad('TOPIC_CLOSED');
  }
  const reply = isRecord(params.reply_parameters) ? params.reply_parameters : undefined;
  const target = typeof reply?.message_id === 'number' ? chat.messages.get(reply.message_id) : undefined;
  if (reply !== undefined && target === undefined && reply.allow_sending_without_reply !== true) {
    throw bad('message to be replied not found');
  }
  const buttons = readButtons(params.reply_markup);
  const asks = readForceReply(params.reply_markup);
  paced(world, chat);
  const message: ShownMessage = {
    id: ++chat.lastId,
    from: 'bot',
    topic,
    replyTo: target?.id,
    date: world.now(),
    content,
    buttons,
    ...(document === undefined ? {} : { document }),
    silent: params.disable_notification === true,
    edits: 0,
    reaction: undefined,
    ...(asks === undefined ? {} : { asks }),
  };
  chat.messages.set(message.id, message);
  return message;
}

function edit(world: World, method: string, params: Params): unknown {
  const chat = writable(world, params);
  const message = typeof params.message_id === 'number' ? chat.messages.get(params.message_id) : undefined;
  if (message === undefined) throw bad('message to edit not found');
  // Neither what others wrote, nor a message with a markup that is no inline keyboard.
  if (message.from !== 'bot' || message.asks !== undefined) throw bad("message can't be edited");
  if (isRecord(params.reply_markup) && !Array.isArray(params.reply_markup.inline_keyboard)) {
    throw bad('inline keyboard expected');
  }
  const content = method === 'editMessageText' ? readContent(params.text, params.parse_mode, 4096) : message.content;
  if (content.text.trim() === '') throw bad('message text is empty');
  const buttons = readButtons(params.reply_markup);
  if (JSON.stringify([content, buttons]) === JSON.stringify([message.content, message.buttons])) {
    throw bad(
      'message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message',
    );
  }
  paced(world, chat);
  message.content = content;
  message.buttons = buttons;
  message.edits += 1;
  return messageView(message, chat);
}

function createTopic(world: World, params: Params): unknown {
  const chat = writable(world, params);
  requireForum(chat);
  const name = typeof params.name === 'string' ? params.name : '';
  if (name.length < 1 || name.length > 128) throw bad('TOPIC_NAME_INVALID');
  paced(world, chat);
  const id = ++chat.lastId;
  chat.topics.set(id, { id, name, closed: false });
  return { message_thread_id: id, name, icon_color: 7322096 };
}

function changeTopic(world: World, method: string, params: Params): unknown {
  const chat = writable(world, params);
  requireForum(chat);
  const topic = typeof params.message_thread_id === 'number' ? chat.topics.get(params.message_thread_id) : undefined;
  if (topic === undefined) throw bad('TOPIC_ID_INVALID');
  if (method === 'deleteForumTopic') chat.topics.delete(topic.id);
  if (method === 'closeForumTopic') topic.closed = true;
  if (method === 'reopenForumTopic') topic.closed = false;
  if (method === 'editForumTopic' && typeof params.name === 'string') topic.name = params.name;
  return true;
}

function requireForum(chat: ChatState): void {
  if (!chat.isForum) throw bad('the chat is not a forum');
  if (chat.bot !== 'administrator' || !chat.mayManageTopics) throw bad('not enough rights to create a topic');
}

// From the Bot API's list of reactions; only those that are likely here.
const REACTIONS = new Set(['👍', '👎', '👌', '👀', '🤔', '🔥', '🎉', '🙏', '🤝', '✍', '🫡', '💔', '😢', '💯', '⚡']);

function react(world: World, params: Params): unknown {
  const chat = writable(world, params);
  const message = typeof params.message_id === 'number' ? chat.messages.get(params.message_id) : undefined;
  if (message === undefined) throw bad('message to react not found');
  const first: unknown = Array.isArray(params.reaction) ? params.reaction[0] : undefined;
  const emoji = isRecord(first) && typeof first.emoji === 'string' ? first.emoji : undefined;
  if (emoji !== undefined && !REACTIONS.has(emoji)) throw bad('REACTION_INVALID');
  message.reaction = emoji;
  return true;
}

function answer(world: World, params: Params): unknown {
  const id = typeof params.callback_query_id === 'string' ? params.callback_query_id : '';
  const told = world.pressed.get(id);
  if (told === undefined) throw bad('query is too old and response timeout expired or query ID is invalid');
  const text = typeof params.text === 'string' ? params.text : '';
  if (text.length > 200) throw bad('MESSAGE_TOO_LONG');
  world.pressed.delete(id);
  told({ text, alert: params.show_alert === true });
  return true;
}

function readContent(text: unknown, mode: unknown, max: number): Parsed {
  if (typeof text !== 'string') return { text: '', entities: [] };
  if (mode !== undefined && mode !== 'HTML') throw bad('unsupported parse_mode');
  if (/[\ud800-\udfff]/u.test(text)) throw bad('strings must be encoded in UTF-8');
  try {
    const parsed = mode === 'HTML' ? parseHtml(text) : { text, entities: [] };
    if (parsed.text.length > max) throw bad(max === 4096 ? 'message is too long' : 'message caption is too long');
    return parsed;
  } catch (error) {
    if (error instanceof MarkupError) throw bad(error.message);
    throw error;
  }
}

function readButtons(markup: unknown): ShownButton[][] {
  if (!isRecord(markup) || !Array.isArray(markup.inline_keyboard)) return [];
  return markup.inline_keyboard.map((row: unknown) => (Array.isArray(row) ? row.map(readButton) : []));
}

/** The words in the empty field of whoever is asked for a reply. */
function readForceReply(markup: unknown): string | undefined {
  if (!isRecord(markup) || markup.force_reply !== true) return undefined;
  const words = typeof markup.input_field_placeholder === 'string' ? markup.input_field_placeholder : ' ';
  if (words.length < 1 || words.length > 64) throw bad('BUTTON_PLACEHOLDER_INVALID');
  return words;
}

const STYLES = ['danger', 'success', 'primary'] as const;

function readButton(button: unknown): ShownButton {
  if (!isRecord(button) || typeof button.text !== 'string') throw bad("can't parse inline keyboard button");
  if (typeof button.url === 'string') {
    if (button.callback_data !== undefined) throw bad("can't parse inline keyboard button: too many fields");
    mustBeWebAddress(button.url);
    return { text: button.text, data: '', url: button.url };
  }
  const data = typeof button.callback_data === 'string' ? button.callback_data : '';
  const bytes = Buffer.byteLength(data);
  if (bytes < 1 || bytes > 64) throw bad('BUTTON_DATA_INVALID');
  if (button.style !== undefined && !STYLES.some((style) => style === button.style)) {
    throw bad('BUTTON_STYLE_INVALID');
  }
  return { text: button.text, data, ...(typeof button.style === 'string' ? { style: button.style } : {}) };
}

/** Telegram opens only what looks like an address of the web: no loopback, no host without a dot. */
function mustBeWebAddress(url: string): void {
  const host = /^(?:https?|tg):\/\/([^/?#:]+)/.exec(url)?.[1] ?? '';
  if (!host.includes('.') && !url.startsWith('tg://')) {
    throw bad(`inline keyboard button URL '${url}' is invalid: Wrong HTTP URL`);
  }
}

export function chatView(chat: ChatState): Record<string, unknown> {
  const base = { id: chat.id, type: chat.type };
  if (chat.type === 'private') return { ...base, first_name: chat.title };
  return { ...base, title: chat.title, ...(chat.isForum ? { is_forum: true } : {}) };
}

function memberView(chat: ChatState, user: unknown): unknown {
  if (user !== BOT.id) {
    // An administrator is told about anybody; a bot that is none may be refused.
    if (chat.bot === 'left') throw bad('chat not found');
    return { status: chat.absent.has(Number(user)) ? 'left' : 'member', user: { id: user, is_bot: false } };
  }
  if (chat.bot === 'administrator') {
    return { status: 'administrator', user: BOT, can_manage_topics: chat.mayManageTopics };
  }
  return { status: chat.bot, user: BOT };
}

export function messageView(message: ShownMessage, chat: ChatState): Record<string, unknown> {
  const replied = message.replyTo === undefined ? undefined : chat.messages.get(message.replyTo);
  // A message in a topic formally answers the service message that made the topic.
  const service =
    message.topic === undefined
      ? {}
      : { reply_to_message: { message_id: message.topic, chat: chatView(chat), forum_topic_created: { name: '' } } };
  return {
    message_id: message.id,
    from: message.from === 'bot' ? BOT : { id: message.from, is_bot: false, first_name: 'User' },
    chat: chatView(chat),
    date: Math.floor(message.date / 1000),
    ...(message.document === undefined ? { text: message.content.text } : { caption: message.content.text }),
    ...(message.topic === undefined ? {} : { message_thread_id: message.topic, is_topic_message: true }),
    ...(replied === undefined ? service : { reply_to_message: messageView({ ...replied, replyTo: undefined }, chat) }),
  };
}
