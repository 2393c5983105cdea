/** What `intercom doctor` asks about Telegram. */
import { BotApi } from './bot-api.ts';
import { getBot, lookAtChat } from './chat-check.ts';
import { homeChat, type TelegramConfig } from './config.ts';
import { failureOf } from './failure.ts';
import { NOBODY, UNREACHABLE, WRONG_TOKEN } from './trouble.ts';

export interface Finding {
  readonly ok: boolean;
  readonly text: string;
  readonly next?: string;
}

/** Tries token, chat and rights without changing anything. Never throws. */
export async function checkTelegram(config: TelegramConfig): Promise<Finding[]> {
  const token = config.botToken;
  if (token === undefined)
    return [{ ok: true, text: 'Telegram is not configured; the web page and the CLI do everything.' }];
  const findings: Finding[] = [];
  const api = new BotApi(config, token);
  try {
    const bot = await getBot(api);
    findings.push({ ok: true, text: `Telegram takes the bot token: @${bot.username}.` });
    if (config.allowedUsers.length === 0) findings.push({ ok: false, text: NOBODY.text, next: NOBODY.next });
    const home = homeChat(config);
    if (home === undefined) return findings;
    const chat = await lookAtChat(api, bot, home);
    findings.push(
      chat.problem === undefined
        ? { ok: true, text: `The bot can write to ${chat.title}${chat.hasTopics ? ' and make topics there' : ''}.` }
        : { ok: chat.problem.level === 'info', text: chat.problem.text, next: chat.problem.next },
    );
  } catch (error) {
    const failure = failureOf(error, 'check', token);
    const problem = failure.kind === 'token' ? WRONG_TOKEN : UNREACHABLE;
    findings.push({ ok: false, text: `${problem.text} (${failure.message})`, next: problem.next });
  }
  return findings;
}
