/**
 * What `intercom doctor` asks Telegram itself: the bot token, the chat and the bot's rights there, the people who may decide. Changes nothing,
 * reads no updates, and is over in bounded time.
 */
import { BotApi } from './bot-api.ts';
import { getBot, lookAtChat, type Bot } from './chat-check.ts';
import { homeChat, type TelegramConfig } from './config.ts';
import { failureOf, TelegramFailure } from './failure.ts';
import { NOBODY, UNREACHABLE, WRONG_TOKEN, type Problem } from './trouble.ts';

export interface TelegramFinding {
  readonly name: 'bot' | 'chat' | 'people';
  readonly state: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly next?: string;
}

/** People who are asked about; more are hardly ever allowed. */
const PEOPLE_MAX = 20;
const PATIENCE_MS = 10_000;

/** Never throws. Nothing is found without a token. */
export async function checkTelegram(config: TelegramConfig): Promise<TelegramFinding[]> {
  const token = config.botToken;
  if (token === undefined) return [];
  const findings: TelegramFinding[] = [];
  const api = new BotApi(config, token);
  const giveUp = setTimeout(() => api.close(), PATIENCE_MS);
  try {
    const bot = await getBot(api);
    findings.push({ name: 'bot', state: 'ok', text: `Telegram takes the token of @${bot.username}` });
    findings.push(...(await chatFindings(api, config, bot)));
    findings.push(...(await peopleFindings(api, config, bot)));
  } catch (error) {
    const failure = failureOf(error, 'check', token);
    const problem = failure.kind === 'token' ? WRONG_TOKEN : UNREACHABLE;
    findings.push({ ...found('bot', problem), text: `${problem.text} (${failure.message})` });
  } finally {
    clearTimeout(giveUp);
    api.close();
  }
  return findings;
}

async function chatFindings(api: BotApi, config: TelegramConfig, bot: Bot): Promise<TelegramFinding[]> {
  const home = homeChat(config);
  if (home === undefined) return [];
  const chat = await lookAtChat(api, bot, home);
  if (chat.problem !== undefined) return [found('chat', chat.problem)];
  return [
    { name: 'chat', state: 'ok', text: `writes to ${chat.title}${chat.hasTopics ? ', and makes topics there' : ''}` },
  ];
}

/** Whoever is allowed and not in the group sees no card. */
async function peopleFindings(api: BotApi, config: TelegramConfig, bot: Bot): Promise<TelegramFinding[]> {
  const { allowedUsers, supergroupId } = config;
  if (allowedUsers.length === 0) return [found('people', NOBODY)];
  const wrong = allowedUsers.filter((id) => id === bot.id);
  const asked = supergroupId === undefined ? [] : allowedUsers.slice(0, PEOPLE_MAX);
  const absent: number[] = [];
  for (const user of asked) {
    if (!wrong.includes(user) && supergroupId !== undefined && !(await isMember(api, supergroupId, user)))
      absent.push(user);
  }
  if (wrong.length > 0) {
    const next = 'Put your own numeric user id there; @userinfobot tells it.';
    return [{ name: 'people', state: 'fail', text: `${bot.id} is the bot itself, not a person`, next }];
  }
  if (absent.length > 0) {
    return [
      {
        name: 'people',
        state: absent.length === allowedUsers.length ? 'fail' : 'warn',
        text: `${absent.join(', ')} ${absent.length === 1 ? 'is' : 'are'} allowed, but not in the group ${supergroupId ?? ''}`,
        next: 'Invite them to the group, or correct telegram.security.allowed_users (@userinfobot tells an id).',
      },
    ];
  }
  return [{ name: 'people', state: 'ok', text: `${allowedUsers.length} may use the bot` }];
}

async function isMember(api: BotApi, chatId: number, user: number): Promise<boolean> {
  try {
    const member = await api.call('getChatMember', (raw) => raw.getChatMember({ chat_id: chatId, user_id: user }));
    return member.status !== 'left' && member.status !== 'kicked';
  } catch (error) {
    // Telegram refuses the question for an id that it does not know there. What is not about this person is told elsewhere.
    if (error instanceof TelegramFailure && !['network', 'token', 'flood'].includes(error.kind)) return false;
    throw error;
  }
}

function found(name: TelegramFinding['name'], { level, text, next }: Problem): TelegramFinding {
  const state = level === 'error' ? 'fail' : level === 'warning' ? 'warn' : 'ok';
  return { name, state, text, next };
}
