/**
 * How fast a chat may be written to: one call in 1.1 s, in groups also at most 20 in a minute; and not at all while Telegram said to wait.
 * Pure: the time is handed in (monotonic milliseconds).
 */

export const GAP_MS = 1_100;
export const GROUP_PER_MINUTE = 20;
const MINUTE_MS = 60_000;

interface ChatPace {
  readonly calls: number[];
  blockedUntil: number;
}

export class Pacer {
  readonly #chats = new Map<number, ChatPace>();

  /** Milliseconds until this chat may be written to. */
  readyIn(chatId: number, now: number): number {
    const pace = this.#chats.get(chatId);
    if (pace === undefined) return 0;
    const last = pace.calls.at(-1);
    const gap = last === undefined ? 0 : last + GAP_MS - now;
    return Math.max(0, gap, pace.blockedUntil - now, this.#windowWait(chatId, pace, now));
  }

  took(chatId: number, now: number): void {
    const pace = this.#paceOf(chatId);
    pace.calls.push(now);
    while (pace.calls.length > GROUP_PER_MINUTE) pace.calls.shift();
  }

  block(chatId: number, until: number): void {
    const pace = this.#paceOf(chatId);
    pace.blockedUntil = Math.max(pace.blockedUntil, until);
  }

  unblock(chatId: number): void {
    this.#paceOf(chatId).blockedUntil = 0;
  }

  #windowWait(chatId: number, pace: ChatPace, now: number): number {
    const isGroup = chatId < 0;
    const oldest = pace.calls[0];
    if (!isGroup || oldest === undefined || pace.calls.length < GROUP_PER_MINUTE) return 0;
    return oldest + MINUTE_MS - now;
  }

  #paceOf(chatId: number): ChatPace {
    const known = this.#chats.get(chatId);
    if (known !== undefined) return known;
    // Chats are the home and the private chats of operators: few. Forgetting a pace costs at most one 429.
    if (this.#chats.size >= 1_000) this.#chats.clear();
    const fresh: ChatPace = { calls: [], blockedUntil: 0 };
    this.#chats.set(chatId, fresh);
    return fresh;
  }
}
