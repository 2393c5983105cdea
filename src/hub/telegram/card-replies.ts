/**
 * Texts in answer to a card or to one of our prompts: an answer to its question, or why not.
 *
 * Invariants: a text decides only the card that it answers; viewers decide nothing; who comes too late is told who was first, and the text goes nowhere else.
 */
import type { Actor, HubServices } from '../services.ts';
import { readPrompt } from './card-prompts.ts';
import type { Decider, Seen } from './decider.ts';
import { approvalKey } from './feed.ts';
import { clip } from './html.ts';
import type { Item, PressAnswer, TelegramStore } from './ports.ts';
import type { QuestionDesk } from './question-desk.ts';

export interface CardRepliesOptions {
  readonly services: Pick<HubServices, 'approvals'>;
  readonly store: TelegramStore;
  readonly decider: Decider;
  readonly questions: QuestionDesk;
}

const REASON_MAX = 500;
export const OLDER_CARD: PressAnswer = {
  text: 'This card is an older one; what is asked has changed. Look at the newer card below.',
  alert: true,
};
const VIEWER: PressAnswer = { text: 'As a viewer you may look, but not decide.', alert: true };

export class CardReplies {
  readonly #options: CardRepliesOptions;

  constructor(options: CardRepliesOptions) {
    this.#options = options;
  }

  /** What comes of a text that answers `answered`; undefined: that is no card that takes texts. */
  async written(actor: Actor, text: string, messageId: number, answered: Item): Promise<PressAnswer | undefined> {
    if (answered.key.startsWith('o:')) return OLDER_CARD;
    const prompt = readPrompt(answered.key);
    const approvalId = prompt?.approvalId ?? (answered.key.startsWith('a:') ? answered.key.slice(2) : undefined);
    if (approvalId === undefined) return undefined;
    const seen = { approvalId, shownHash: answered.shownHash };
    const { services, store, questions } = this.#options;
    const approval = await services.approvals.get(approvalId).catch(() => undefined);
    const isQuestion = approval?.subject.kind === 'question';
    const isPlan = approval?.subject.kind === 'tool' && approval.subject.plan === true;
    if (prompt === undefined && !isQuestion && !isPlan) return undefined;
    if (actor.operator.role === 'viewer') return VIEWER;
    if (!isQuestion) return this.#deny(actor, seen, text);
    const card = prompt === undefined ? answered : await store.item(approvalKey(approvalId));
    if (card === undefined) return OLDER_CARD;
    return questions.written(actor, text, { card, seen, messageId, question: prompt?.question });
  }

  /** `/deny reason`. Undefined: that is no card. */
  async denied(actor: Actor, reason: string, answered: Item | undefined): Promise<PressAnswer | undefined> {
    const key = answered?.key ?? '';
    const approvalId = readPrompt(key)?.approvalId ?? (key.startsWith('a:') ? key.slice(2) : undefined);
    if (answered === undefined || approvalId === undefined) return undefined;
    if (actor.operator.role === 'viewer') return VIEWER;
    return this.#deny(actor, { approvalId, shownHash: answered.shownHash }, reason);
  }

  async #deny(actor: Actor, seen: Seen, text: string): Promise<PressAnswer> {
    const { decider } = this.#options;
    return decider.with(seen, async (approval) => {
      decider.mustBeOpen(approval);
      const words = text.replace(/\s+/g, ' ').trim();
      const answer = await decider.decide(actor, seen, {
        verdict: 'deny',
        ...(words === '' ? {} : { reason: clip(words, REASON_MAX) }),
      });
      if (answer.alert || words.length <= REASON_MAX) return answer;
      return {
        text: `${answer.text} Only the first ${REASON_MAX} characters of your words were passed on.`,
        alert: true,
      };
    });
  }
}
