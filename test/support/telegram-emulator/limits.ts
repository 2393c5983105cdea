/** Telegram's flood limits: one message a second in a chat, twenty a minute in a group. */

export class FloodLimits {
  readonly #calls = new Map<number, number[]>();

  /** Seconds to wait, or 0 if the call is taken (and counted). */
  take(chatId: number, nowMs: number): number {
    const calls = (this.#calls.get(chatId) ?? []).filter((at) => at > nowMs - 60_000);
    this.#calls.set(chatId, calls);
    const last = calls.at(-1);
    if (last !== undefined && nowMs - last < 1_000) return 1;
    const oldest = calls[0];
    if (chatId < 0 && oldest !== undefined && calls.length >= 20) return Math.ceil((oldest + 60_000 - nowMs) / 1_000);
    calls.push(nowMs);
    return 0;
  }
}
