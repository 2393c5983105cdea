/**
 * Pressed buttons and /deny: decisions made in Telegram.
 *
 * Invariants: who presses is looked up in the allow-list and their role is checked now, not when the card was sent; a decision carries the
 * full hash of what that card showed; every press is answered.
 */
import { toIntercomError } from '../../protocol/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Actor, HubServices } from '../services.ts';
import { decidedToast, readPress, type Press } from './cards.ts';
import { approvalKey, type Feed } from './feed.ts';
import { missionKey, readMissionPress } from './mission-cards.ts';
import type { MissionDesk } from './mission-desk.ts';
import type { PressAnswer, TelegramStore } from './ports.ts';
import type { IncomingPress } from './wire.ts';
import { sentence } from './words.ts';

export interface PressOptions {
  readonly services: HubServices;
  readonly store: TelegramStore;
  readonly feed: Feed;
  readonly desk: MissionDesk;
  readonly log: Log;
}

const NOT_ALLOWED: PressAnswer = { text: 'You are not allowed to decide here.', alert: true };
const CHANGED: PressAnswer = {
  text: 'This has changed since the card was shown. Look again, then decide.',
  alert: true,
};

export class Presses {
  readonly #options: PressOptions;

  constructor(options: PressOptions) {
    this.#options = options;
  }

  async pressed(press: IncomingPress): Promise<PressAnswer> {
    const { services, store } = this.#options;
    const operator = services.operators.byTelegramId(press.from.id);
    if (operator === undefined) return NOT_ALLOWED;
    if (operator.role === 'viewer') return { text: 'As a viewer you may look, but not decide.', alert: true };
    const onMission = press.data === undefined ? undefined : readMissionPress(press.data);
    if (onMission !== undefined && press.message !== undefined) {
      const card = await store.itemByMessage(press.message.chat.id, press.message.message_id);
      if (card?.key === missionKey(onMission.missionId)) {
        return this.#options.desk.pressed({ operator, via: 'telegram' }, onMission);
      }
      return { text: 'This card is not known here any more. Send /missions to see what is at work.', alert: true };
    }
    const read = press.data === undefined ? undefined : readPress(press.data);
    if (read === undefined || press.message === undefined) {
      return { text: 'This button is too old. Send /approvals to see what waits.', alert: true };
    }
    // The card that was pressed must be the one that we sent for this approval: a button copied elsewhere decides nothing.
    const card = await store.itemByMessage(press.message.chat.id, press.message.message_id);
    if (card?.key !== approvalKey(read.approvalId)) {
      return { text: 'This card is not known here any more. Send /approvals to see what waits.', alert: true };
    }
    return this.#decide({ operator, via: 'telegram' }, read, card.shownHash, undefined);
  }

  /** `/deny reason` as an answer to a card. */
  async deny(actor: Actor, approvalId: string, shownHash: string | undefined, reason: string): Promise<PressAnswer> {
    const press: Press = { verdict: 'deny', approvalId, hash8: (shownHash ?? '').slice(0, 8) };
    return this.#decide(actor, press, shownHash, reason === '' ? undefined : reason);
  }

  async #decide(
    actor: Actor,
    press: Press,
    shownHash: string | undefined,
    reason: string | undefined,
  ): Promise<PressAnswer> {
    const { services, feed, log } = this.#options;
    try {
      const approval = await services.approvals.get(press.approvalId);
      if (shownHash === undefined || press.hash8 !== shownHash.slice(0, 8) || shownHash !== approval.shownHash) {
        await feed.showApproval(approval, 0);
        return CHANGED;
      }
      const decided = await services.approvals.decide(actor, approval.id, {
        verdict: press.verdict,
        scope: press.verdict === 'allow' ? press.scope : 'once',
        shownHash,
        ...(press.verdict === 'allow' && press.suggestion !== undefined ? { suggestion: press.suggestion } : {}),
        ...(reason === undefined ? {} : { reason }),
      });
      return { text: decidedToast(decided), alert: false };
    } catch (error) {
      const failure = toIntercomError(error);
      if (failure.code === 'internal')
        log.error({ err: error, approval: press.approvalId }, 'a decision from Telegram failed');
      // The card may still have buttons although the decision was made elsewhere: show it as it is.
      const now = await services.approvals.get(press.approvalId).catch(() => undefined);
      if (now !== undefined) await feed.showApproval(now, 0);
      if (failure.code === 'changed_since_shown') return CHANGED;
      return { text: sentence(failure), alert: true };
    }
  }
}
