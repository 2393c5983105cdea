/**
 * A new grant also answers what waits already, where it covers it.
 *
 * Invariants: only messages and asks that policy itself asked about are looked at (never a launch, a tool, a join, or what the loop guard or
 * the sender's own wish holds); the rules as they are now and the grant as it is now decide, so a rule that denies and a grant that was taken
 * back let nothing pass; each one is decided and recorded for itself, oldest first; a failure leaves the card to the person.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { parseAddress } from '../../protocol/address.ts';
import type { Decision, Grant, PolicyVerdict } from '../../protocol/model.ts';
import { pendingByPolicy, toApproval } from '../store/approvals.ts';
import { countUse, grantsByIds } from '../store/grants.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import type { ApprovalRow } from '../store/schema.ts';
import type { PolicyQuestion } from './policy.ts';

/** Cards of one transaction: nobody's message waits long behind a person's Always. */
const SLICE = 25;

/** Says what happens to a question; without effects. */
export type Evaluate = (question: PolicyQuestion, grants: readonly Grant[], nowMs: number) => PolicyVerdict;

export interface CoveredParts {
  readonly store: HubStore;
  readonly evaluate: Evaluate;
  readonly clock: Clock;
  readonly log: Log;
  /** Decides one pending approval, with its event and what follows from it. */
  readonly allow: (transaction: HubTransaction, row: ApprovalRow, decision: Decision) => Promise<void>;
}

export class CoveredApprovals {
  readonly #parts: CoveredParts;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: CoveredParts) {
    this.#parts = parts;
  }

  /** Looks, in the background, for what these grants (just stored) cover. */
  look(grantIds: readonly string[]): void {
    this.#work = this.#work.then(() => this.#all(grantIds));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  async #all(grantIds: readonly string[]): Promise<void> {
    const { store, log } = this.#parts;
    let after: number | undefined = 0;
    try {
      while (after !== undefined && !this.#stopped) {
        const from: number = after;
        after = await store.write((transaction) => this.#slice(transaction, grantIds, from));
      }
    } catch (error) {
      log.error({ err: error }, 'what a new grant covers could not be answered; it waits for a person');
    }
  }

  /** The number to go on after; undefined at the end. */
  async #slice(transaction: HubTransaction, grantIds: readonly string[], after: number): Promise<number | undefined> {
    const { clock, allow } = this.#parts;
    const now = clock.now();
    const grants = await grantsByIds(transaction.db, grantIds);
    const rows = await pendingByPolicy(transaction.db, after, SLICE);
    for (const row of rows) {
      const grant = row.expires_at > now ? this.#covering(row, grants, now) : undefined;
      if (grant === undefined) continue;
      await countUse(transaction.db, grant.id);
      await allow(transaction, row, {
        verdict: 'allow',
        scope: 'once',
        by: grant.by,
        via: 'policy',
        at: isoTime(now),
        reason: `grant ${grant.id} (${grant.scope}) covers it`,
      });
    }
    return rows.length < SLICE ? undefined : rows.at(-1)?.seq;
  }

  #covering(row: ApprovalRow, grants: readonly Grant[], now: number): Grant | undefined {
    const { subject } = toApproval(row);
    if (subject.kind !== 'message' && subject.kind !== 'ask') return undefined;
    if (subject.messageKind === 'notice') return undefined;
    const { rule, outcome } = this.#parts.evaluate(
      {
        from: parseAddress(subject.from),
        to: parseAddress(subject.to),
        type: subject.messageKind,
        message: subject.body,
        threadId: subject.threadId,
      },
      grants,
      now,
    );
    return outcome === 'allow' ? grants.find((grant) => rule === `grant ${grant.id}`) : undefined;
  }
}
