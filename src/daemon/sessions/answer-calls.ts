/** Local calls that wait for the answer to a message. The first one that waits gets it. */
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import type { Unsubscribe } from '../ports.ts';

export type OnAnswer = (reply: DeliverMessage, offer: string) => void;

export class AnswerCalls {
  readonly #waiting = new Map<string, Set<OnAnswer>>();

  add(messageId: string, onAnswer: OnAnswer): Unsubscribe {
    const calls = this.#waiting.get(messageId) ?? new Set();
    this.#waiting.set(messageId, calls);
    // Wrapped, so that the same function given twice is two calls.
    const own: OnAnswer = (reply, offer) => onAnswer(reply, offer);
    calls.add(own);
    return () => {
      calls.delete(own);
      if (calls.size === 0 && this.#waiting.get(messageId) === calls) this.#waiting.delete(messageId);
    };
  }

  /** The call that gets this message, if one waits for it. Notices are news about a message, no answers to it. */
  for(message: DeliverMessage): OnAnswer | undefined {
    if (message.inReplyTo === undefined || message.kind === 'notice') return undefined;
    const [first] = this.#waiting.get(message.inReplyTo) ?? [];
    return first;
  }
}
