/** What kind of chat the home is, and what is missing there. Shared by the running surface and by `intercom doctor`. */
import type { BotApi } from './bot-api.ts';
import { TelegramFailure } from './failure.ts';
import type { Problem } from './trouble.ts';

export interface Bot {
  readonly id: number;
  readonly username: string;
  /** Privacy mode is off: it sees what people write in groups even when it is not an administrator. */
  readonly readsGroups: boolean;
}

export interface ChatFacts {
  readonly hasTopics: boolean;
  readonly title: string;
  readonly problem: Problem | undefined;
}

export async function getBot(api: BotApi): Promise<Bot> {
  const me = await api.call('getMe', (raw) => raw.getMe());
  return { id: me.id, username: me.username, readsGroups: me.can_read_all_group_messages };
}

/** Looks at the chat. Throws TelegramFailure only for what is not the chat's fault (network, token, flood). */
export async function lookAtChat(api: BotApi, bot: Bot, chatId: number): Promise<ChatFacts> {
  try {
    const chat = await api.call('getChat', (raw) => raw.getChat({ chat_id: chatId }));
    if (chat.type === 'private') return { hasTopics: false, title: 'your private chat', problem: undefined };
    const title = chat.title;
    if (chat.type === 'channel') return { hasTopics: false, title, problem: isChannel(chatId) };
    return await lookAtRights(api, bot, chatId, title, chat.type === 'supergroup' && chat.is_forum === true);
  } catch (error) {
    if (!(error instanceof TelegramFailure) || error.kind !== 'chat') throw error;
    return { hasTopics: false, title: String(chatId), problem: notThere(bot, chatId) };
  }
}

async function lookAtRights(
  api: BotApi,
  bot: Bot,
  chatId: number,
  title: string,
  isForum: boolean,
): Promise<ChatFacts> {
  const member = await api.call('getChatMember', (raw) => raw.getChatMember({ chat_id: chatId, user_id: bot.id }));
  if (member.status === 'left' || member.status === 'kicked') {
    return { hasTopics: false, title, problem: notThere(bot, chatId) };
  }
  const isAdministrator = member.status === 'administrator';
  const mayMakeTopics = isAdministrator && member.can_manage_topics === true;
  if (!isForum) return { hasTopics: false, title, problem: noForum(title, isAdministrator || bot.readsGroups) };
  if (!mayMakeTopics) return { hasTopics: false, title, problem: noRights(title, isAdministrator || bot.readsGroups) };
  return { hasTopics: true, title, problem: undefined };
}

function isChannel(chatId: number): Problem {
  return {
    key: 'chat',
    level: 'error',
    text: `telegram.supergroup_id ${chatId} is a channel; nobody can answer there.`,
    next: 'Make a group with Topics switched on, add the bot to it and use the id of that group.',
  };
}

export function notThere(bot: Bot | undefined, chatId: number): Problem {
  const name = bot === undefined ? 'the bot' : `@${bot.username}`;
  return chatId > 0
    ? {
        key: 'chat',
        level: 'error',
        text: `The bot may not write to Telegram user ${chatId} yet.`,
        next: `Open a chat with ${name} in Telegram and press Start.`,
      }
    : {
        key: 'chat',
        level: 'error',
        text: `The bot is not in the Telegram group ${chatId}, may not write there, or the id is wrong.`,
        next: `Add ${name} to the group as an administrator with the right to manage topics; the id of a supergroup begins with -100.`,
      };
}

function noForum(title: string, canRead: boolean): Problem {
  return {
    key: 'topics',
    level: canRead ? 'info' : 'warning',
    text: `The Telegram group "${title}" has no topics, so all conversations come into one chat.${deaf(canRead)}`,
    next: canRead
      ? "Switch on Topics in the group's settings if you want one topic per conversation."
      : "Switch on Topics in the group's settings and make the bot an administrator with the right to manage topics.",
  };
}

function noRights(title: string, canRead: boolean): Problem {
  return {
    key: 'topics',
    level: 'warning',
    text: `The bot may not manage topics in the Telegram group "${title}", so all conversations come into General.${deaf(canRead)}`,
    next: 'Make the bot an administrator of the group with the right to manage topics.',
  };
}

function deaf(canRead: boolean): string {
  return canRead ? '' : ' It also does not see what you write there, except commands and replies to it.';
}
