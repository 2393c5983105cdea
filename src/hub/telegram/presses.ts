/**
 * Pressed buttons.
 *
 * Invariants: who presses is looked up in the allow-list and their role is checked now, not when the card was sent; a button decides only the card that it stands on;
 * every press is answered.
 */
import type { Actor, HubServices } from '../services.ts';
import { WAY } from './attention-commands.ts';
import type { CardPrompts } from './card-prompts.ts';
import { OLDER_CARD } from './card-replies.ts';
import { readPress, type Press } from './cards.ts';
import type { Decider } from './decider.ts';
import { approvalKey, olderKey } from './feed.ts';
import { missionKey, readMissionPress } from './mission-cards.ts';
import type { MissionDesk } from './mission-desk.ts';
import type { Outbox } from './outbox.ts';
import type { Item, PressAnswer, TelegramStore } from './ports.ts';
import { readQuestionPress } from './question-cards.ts';
import type { QuestionDesk } from './question-desk.ts';
import type { IncomingPress } from './wire.ts';

export interface PressOptions {
  readonly services: HubServices;
  readonly store: TelegramStore;
  readonly outbox: Pick<Outbox, 'put' | 'callDone'>;
  readonly decider: Decider;
  readonly prompts: CardPrompts;
  readonly questions: QuestionDesk;
  readonly desk: MissionDesk;
}

const NOT_ALLOWED: PressAnswer = { text: 'You are not allowed to decide here.', alert: true };
export class Presses {
  readonly #options: PressOptions;

  constructor(options: PressOptions) {
    this.#options = options;
  }

  async pressed(press: IncomingPress): Promise<PressAnswer> {
    const { services } = this.#options;
    const operator = services.operators.byTelegramId(press.from.id);
    if (operator === undefined) return NOT_ALLOWED;
    if (press.data?.startsWith(WAY) === true) return this.#lead(press, press.data.slice(WAY.length));
    if (operator.role === 'viewer') return { text: 'As a viewer you may look, but not decide.', alert: true };
    const onMission = press.data === undefined ? undefined : readMissionPress(press.data);
    if (onMission !== undefined && press.message !== undefined) {
      const card = await this.#cardAt(press.message.chat.id, press.message.message_id);
      if (card?.key === missionKey(onMission.missionId)) {
        return this.#options.desk.pressed({ operator, via: 'telegram' }, onMission);
      }
      return { text: 'This card is not known here any more. Send /missions to see what is at work.', alert: true };
    }
    const question = press.data === undefined ? undefined : readQuestionPress(press.data);
    const plain = press.data === undefined ? undefined : readPress(press.data);
    const read = question ?? plain;
    if (read === undefined || press.message === undefined) {
      return { text: 'This button is too old. Send /attention to see what waits.', alert: true };
    }
    // The card that was pressed must be the one that we sent for this approval: a button copied elsewhere decides nothing.
    const card = await this.#cardAt(press.message.chat.id, press.message.message_id);
    if (card?.key.startsWith(olderKey(read.approvalId)) === true) return OLDER_CARD;
    if (card?.key !== approvalKey(read.approvalId)) {
      return { text: 'This card is not known here any more. Send /attention to see what waits.', alert: true };
    }
    const actor = { operator, via: 'telegram' } as const;
    if (question !== undefined) return this.#options.questions.pressed(actor, press, question, card);
    return plain === undefined ? NOT_ALLOWED : this.#decide(actor, press, plain, card);
  }

  /** The card of a message. One that was sent this moment is pressed before its number is noted. */
  async #cardAt(chatId: number, messageId: number): Promise<Item | undefined> {
    const { store, outbox } = this.#options;
    const known = await store.itemByMessage(chatId, messageId);
    if (known !== undefined) return known;
    await outbox.callDone();
    return store.itemByMessage(chatId, messageId);
  }

  /** To a card, where messages have no address: a message that answers it is pressed to get there. */
  async #lead(press: IncomingPress, key: string): Promise<PressAnswer> {
    const item = await this.#options.store.item(key);
    const replyTo = item?.sent[0]?.messageId;
    if (item === undefined || replyTo === undefined || item.chatId !== press.message?.chat.id || !item.open) {
      return { text: 'That does not wait any more. Send /attention to see what does.', alert: true };
    }
    await this.#options.outbox.put({
      ...{ key: `n:${item.chatId}:${press.id}`, chatId: item.chatId, replyTo, lane: 0 },
      content: { parts: ['⤴️ Here it is.'], silent: true },
    });
    return { text: 'Press the quote in my message to get there.', alert: false };
  }

  async #decide(actor: Actor, press: IncomingPress, on: Press, card: Item): Promise<PressAnswer> {
    const { decider, prompts } = this.#options;
    const seen = { approvalId: on.approvalId, shownHash: card.shownHash, hash8: on.hash8 };
    if (on.verdict === 'allow') {
      const suggestion = on.suggestion === undefined ? {} : { suggestion: on.suggestion };
      return decider.decide(actor, seen, { verdict: 'allow', scope: on.scope, ...suggestion });
    }
    if (on.verdict === 'reason') {
      return decider.with(seen, async (approval) => {
        decider.mustBeOpen(approval);
        const isPlan = approval.subject.kind === 'tool' && approval.subject.plan === true;
        const words = isPlan ? 'what should it change?' : 'why not? The agent reads it.';
        return prompts.ask(actor, press, card, {
          purpose: 'r',
          words,
          placeholder: isPlan ? 'What to change' : 'Why not',
        });
      });
    }
    return decider.decide(actor, seen, { verdict: 'deny' });
  }
}
