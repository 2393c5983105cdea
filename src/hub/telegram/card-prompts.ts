/**
 * Asks the person who pressed for a text, and takes the texts that people write as answers to cards and to these prompts.
 *
 * Invariants: a prompt carries in its key which approval and which question it is about, so the text in answer to it is for nothing else; only who pressed is asked.
 */
import type { Actor } from '../services.ts';
import { clip, escapeHtml, oneLine } from './html.ts';
import type { Outbox } from './outbox.ts';
import type { Item, PressAnswer } from './ports.ts';
import type { IncomingPress } from './wire.ts';

export interface Prompt {
  readonly approvalId: string;
  /** The question with this number; absent: the words of a denial. */
  readonly question: number | undefined;
}

const KEY = /^k:([a-z]{3}_[0-9A-Z]{26}):(?:w(\d{1,2})|r):/;

export function readPrompt(key: string): Prompt | undefined {
  const [, approvalId, question] = KEY.exec(key) ?? [];
  if (approvalId === undefined) return undefined;
  return { approvalId, question: question === undefined ? undefined : Number(question) };
}

export interface CardPromptsOptions {
  readonly outbox: Pick<Outbox, 'put'>;
}

export class CardPrompts {
  readonly #options: CardPromptsOptions;

  constructor(options: CardPromptsOptions) {
    this.#options = options;
  }

  async ask(
    { operator }: Actor,
    press: IncomingPress,
    card: Item,
    prompt: { readonly purpose: string; readonly words: string; readonly placeholder: string },
  ): Promise<PressAnswer> {
    const who = `<a href="tg://user?id=${press.from.id}">${escapeHtml(operator.name)}</a>`;
    const replyTo = card.sent[0]?.messageId;
    await this.#options.outbox.put({
      // An approval's card has the key `a:<id>`; each press asks anew.
      key: `k:${card.key.slice(2)}:${prompt.purpose}:${press.id}`,
      chatId: card.chatId,
      ...(card.threadId === undefined ? {} : { threadId: card.threadId }),
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(card.shownHash === undefined ? {} : { shownHash: card.shownHash }),
      lane: 0,
      content: {
        parts: [`✍️ ${who}, ${escapeHtml(oneLine(clip(prompt.words, 300), 300))}\n<i>Reply to this message.</i>`],
        ask: prompt.placeholder,
        silent: true,
      },
    });
    return { text: 'Write it as a reply to my message below.', alert: false };
  }
}
