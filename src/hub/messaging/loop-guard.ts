/**
 * Stops agents that talk without end: a cap on messages per pair and minute, on replies to one message, and on the depth of questions that led
 * to questions. What hits a cap is not lost: it waits for an operator, with the reason.
 *
 * Invariant: bounded memory; the counts per minute are an estimate over two windows and start anew with the hub.
 */
import type { MessageKind } from '../../protocol/model.ts';
import type { MessagingLimits } from './context.ts';

const WINDOW_MS = 60_000;
const PAIRS_MAX = 20_000;

interface Window {
  start: number;
  count: number;
  before: number;
}

export class LoopGuard {
  readonly #limits: MessagingLimits;
  readonly #pairs = new Map<string, Window>();

  constructor(limits: MessagingLimits) {
    this.#limits = limits;
  }

  /** Counts one message of a pair. Gives how many it was in the last minute. */
  count(from: string, to: string, now: number): number {
    const key = `${from}\n${to}`;
    const known = this.#pairs.get(key);
    const window = known === undefined ? { start: now, count: 0, before: 0 } : advance(known, now);
    window.count += 1;
    if (known === undefined && this.#pairs.size >= PAIRS_MAX) this.#forget(now);
    this.#pairs.set(key, window);
    const rest = 1 - (now - window.start) / WINDOW_MS;
    return window.count + Math.floor(window.before * rest);
  }

  /** Why this message must wait for a person, if it must. */
  reason(message: {
    readonly kind: MessageKind;
    readonly depth: number;
    /** Of this pair in the last minute, this one included. */
    readonly perMinute: number;
    /** Replies that the message which it answers already had. */
    readonly replies: number;
  }): string | undefined {
    const { askDepth, messagesPerPairPerMinute, repliesPerMessage } = this.#limits;
    if (message.kind === 'ask' && message.depth > askDepth) {
      return `loop guard: this question is the ${message.depth}th in a row that led to the next (limit ${askDepth})`;
    }
    if (message.replies >= repliesPerMessage) {
      return `loop guard: the message that it answers already has ${message.replies} replies (limit ${repliesPerMessage})`;
    }
    if (message.perMinute > messagesPerPairPerMinute) {
      return `loop guard: ${message.perMinute} messages of this pair within a minute (limit ${messagesPerPairPerMinute})`;
    }
    return undefined;
  }

  #forget(now: number): void {
    for (const [key, window] of this.#pairs) {
      if (now - window.start > 2 * WINDOW_MS) this.#pairs.delete(key);
    }
    // All of them are young: the oldest tenth goes.
    let surplus = this.#pairs.size - Math.floor(PAIRS_MAX * 0.9);
    for (const key of this.#pairs.keys()) {
      if (surplus <= 0) break;
      this.#pairs.delete(key);
      surplus -= 1;
    }
  }
}

function advance(window: Window, now: number): Window {
  const passed = now - window.start;
  if (passed >= 0 && passed < WINDOW_MS) return window;
  if (passed >= WINDOW_MS && passed < 2 * WINDOW_MS)
    return { start: window.start + WINDOW_MS, count: 0, before: window.count };
  return { start: now, count: 0, before: 0 };
}
