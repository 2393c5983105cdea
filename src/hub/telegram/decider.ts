/**
 * Decisions that are made in Telegram, whichever way: a button, a command, a text.
 *
 * Invariants: a decision carries the full hash of what that card showed, and decides nothing else; the first one wins, and who comes second is told who was first; after
 * a failure the card is drawn as things are.
 */
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import type { Approval } from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import type { Log } from '../../platform/log.ts';
import type { Actor, HubServices } from '../services.ts';
import { decidedToast, settledWords } from './cards.ts';
import type { Feed } from './feed.ts';
import type { PressAnswer } from './ports.ts';
import { sentence } from './words.ts';

export interface DeciderOptions {
  readonly services: Pick<HubServices, 'approvals'>;
  readonly feed: Pick<Feed, 'showApproval'>;
  readonly log: Log;
}

/** What a person saw when they acted. */
export interface Seen {
  readonly approvalId: string;
  /** Of the card as we sent it. */
  readonly shownHash: string | undefined;
  /** The beginning of the hash that the button carries. */
  readonly hash8?: string;
}

export const CHANGED: PressAnswer = {
  text: 'This has changed since the card was shown. Look again, then decide.',
  alert: true,
};

export class Decider {
  readonly #options: DeciderOptions;

  constructor(options: DeciderOptions) {
    this.#options = options;
  }

  /** Does this with the approval that a person saw, if it is still that; an error becomes the answer. */
  async with(seen: Seen, work: (approval: Approval) => Promise<PressAnswer>): Promise<PressAnswer> {
    const { services, feed, log } = this.#options;
    try {
      const approval = await services.approvals.get(seen.approvalId);
      const { shownHash, hash8 } = seen;
      if (shownHash !== approval.shownHash || (hash8 !== undefined && hash8 !== shownHash.slice(0, 8))) {
        await feed.showApproval(approval, 0);
        return CHANGED;
      }
      return await work(approval);
    } catch (error) {
      const failure = toIntercomError(error);
      if (failure.code === 'internal')
        log.error({ err: error, approval: seen.approvalId }, 'a decision from Telegram failed');
      // The card may still have buttons although the decision was made elsewhere: show it as it is.
      const now = await services.approvals.get(seen.approvalId).catch(() => undefined);
      if (now !== undefined) await feed.showApproval(now, 0);
      if (failure.code === 'changed_since_shown') return CHANGED;
      return { text: sentence(failure), alert: true };
    }
  }

  async decide(
    actor: Actor,
    seen: Seen,
    request: Pick<DecisionRequest, 'verdict'> & Partial<Omit<DecisionRequest, 'shownHash'>>,
  ): Promise<PressAnswer> {
    return this.with(seen, async ({ id, shownHash }) => {
      const { approvals } = this.#options.services;
      const decided = await approvals.decide(actor, id, { scope: 'once', ...request, shownHash });
      return { text: decidedToast(decided), alert: false };
    });
  }

  /** Throws what `decide` would, before anything is asked of a person. */
  mustBeOpen(approval: Approval): void {
    if (approval.state !== 'pending') throw new IntercomError('conflict', settledWords(approval));
  }
}
