/** System notices of this surface: each said once while it lasts, with what to do, and taken back when it is over. */
import type { SystemNotice } from '../../protocol/model.ts';
import type { Log } from '../../platform/log.ts';
import type { Notices } from '../services.ts';

export type TroubleKey = 'token' | 'nobody' | 'network' | 'conflict' | 'chat' | 'topics' | 'dropped' | 'full';

export interface Problem {
  readonly key: TroubleKey;
  readonly level: SystemNotice['level'];
  readonly text: string;
  readonly next: string;
}

export class Trouble {
  readonly #notices: Notices;
  readonly #log: Log;
  readonly #live = new Map<TroubleKey, Problem>();
  /** Keys that were never cleared in this process: a notice of an earlier run may be live. */
  readonly #unsure = new Set<TroubleKey>([
    'token',
    'nobody',
    'network',
    'conflict',
    'chat',
    'topics',
    'dropped',
    'full',
  ]);

  constructor(notices: Notices, log: Log) {
    this.#notices = notices;
    this.#log = log;
  }

  raise(problem: Problem): void {
    if (this.#live.get(problem.key)?.text === problem.text) return;
    this.#live.set(problem.key, problem);
    this.#log.warn({ problem: problem.text, next: problem.next }, 'Telegram');
    this.#tell(this.#notices.raise({ ...problem, key: `telegram.${problem.key}` }));
  }

  over(key: TroubleKey): void {
    const wasLive = this.#live.delete(key);
    const wasUnsure = this.#unsure.delete(key);
    if (wasLive || wasUnsure) this.#tell(this.#notices.clear(`telegram.${key}`));
  }

  /** The worst live problem's text. */
  worst(): Problem | undefined {
    const live = [...this.#live.values()];
    return live.find((problem) => problem.level === 'error') ?? live.find((problem) => problem.level === 'warning');
  }

  #tell(done: Promise<void>): void {
    done.catch((error: unknown) => this.#log.error({ err: error }, 'a notice could not be stored'));
  }
}

export const WRONG_TOKEN: Problem = {
  key: 'token',
  level: 'error',
  text: 'Telegram refuses the bot token.',
  next: 'Take the right one from @BotFather (/mybots, API Token), put it into telegram.bot_token or TELEGRAM_BOT_TOKEN and restart the hub.',
};
export const CONFLICT: Problem = {
  key: 'conflict',
  level: 'error',
  text: "Another program reads this bot's updates, so buttons and texts from Telegram may not arrive here.",
  next: 'Stop the other program (an older hub?), or give this hub a bot of its own from @BotFather.',
};
export const NOBODY: Problem = {
  key: 'nobody',
  level: 'warning',
  text: 'No Telegram user is allowed to use the bot.',
  next: 'Put your numeric user id (@userinfobot tells it) into telegram.security.allowed_users or TELEGRAM_OWNER_ID and restart the hub.',
};
export const UNREACHABLE: Problem = {
  key: 'network',
  level: 'warning',
  text: 'Telegram cannot be reached. Everything goes on without it; cards wait and come later.',
  next: 'Look at the network of the hub; until then decide on the web page or with `intercom approvals`.',
};
export const OVERFLOW: Problem = {
  key: 'full',
  level: 'warning',
  text: 'More messages wait for Telegram than it takes; some were left out there. Cards still come.',
  next: 'The web page and `intercom inbox` have them all.',
};
