/**
 * Approvals: the one state machine for everything that a person decides.
 *
 * Invariants: an approval leaves `pending` once, by compare-and-set, together with its event, the grants that it makes and what its kind
 * does with it (handlers run in the same transaction); the first answer wins and every later one is told who it was; time that runs out
 * never means yes; a decision names the hash of what was shown.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { isId, newId } from '../../protocol/ids.ts';
import type {
  Approval,
  ApprovalKind,
  ApprovalSubject,
  Decision,
  GrantScope,
  PolicyLevel,
} from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import type { EventAppender } from '../events.ts';
import { Deadlines } from '../messaging/deadlines.ts';
import type { Actor, Approvals, ApprovalsQuery } from '../services.ts';
import {
  approvalById,
  approvalPage,
  approvalsByPrefix,
  closeApproval,
  insertApproval,
  nextApprovalExpiry,
  noteEffect,
  overdueApprovals,
  toApproval,
} from '../store/approvals.ts';
import { insertGrant, toGrant } from '../store/grants.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import type { ApprovalRow } from '../store/schema.ts';
import { CoveredApprovals, type Evaluate } from './covered.ts';
import { answersOf } from './answers.ts';
import { grantsOf } from './grants-of.ts';
import { hashOf } from './shown-hash.ts';

/** What a kind of approval does when it is decided. Runs in the transaction of the decision; what it throws undoes the decision. */
export interface ApprovalHandler {
  /** Who may decide; `operator` unless told. */
  readonly role?: 'operator' | 'owner';
  onDecided(transaction: HubTransaction, approval: Approval, decision: Decision): Promise<void>;
  /** Nobody decided in time. */
  onExpired(transaction: HubTransaction, approval: Approval): Promise<void>;
}

export interface ApprovalDraft {
  readonly subject: ApprovalSubject;
  /** Why it is asked. */
  readonly rule: string;
  /** The policy level that asked, if one did. */
  readonly level?: PolicyLevel | undefined;
  readonly scopes: readonly GrantScope[];
  readonly expiresAt: number;
  readonly messageId?: string;
}

export interface ApprovalParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  /** What policy says now; a new grant answers what waits only where this says that it covers it. */
  readonly evaluate: Evaluate;
  readonly clock: Clock;
  readonly log: Log;
}

const LIST_MAX = 500;
const SLICE = 100;

export class StoredApprovals implements Approvals {
  readonly #parts: ApprovalParts;
  readonly #handlers = new Map<ApprovalKind, ApprovalHandler>();
  readonly #deadlines: Deadlines;
  readonly #covered: CoveredApprovals;

  constructor(parts: ApprovalParts) {
    this.#parts = parts;
    this.#covered = new CoveredApprovals({
      ...parts,
      allow: async (transaction, row, decision) => {
        await this.#settle(transaction, row, decision);
      },
    });
    this.#deadlines = new Deadlines(parts.clock, parts.log, {
      next: () => parts.store.read(nextApprovalExpiry),
      sweep: (now) => this.#expireSlice(now),
    });
  }

  /** Says what happens with approvals of these kinds. Before `start`. */
  register(kinds: readonly ApprovalKind[], handler: ApprovalHandler): void {
    for (const kind of kinds) this.#handlers.set(kind, handler);
  }

  start(): Promise<void> {
    return this.#deadlines.start();
  }

  async stop(): Promise<void> {
    await this.#covered.stop();
    await this.#deadlines.stop();
  }

  /** Asks for a decision, in the transaction that makes the thing that is decided. */
  async create(transaction: HubTransaction, draft: ApprovalDraft): Promise<Approval> {
    const row = this.#row(draft);
    await insertApproval(transaction.db, row);
    const approval = toApproval({ ...row, seq: 0 });
    await this.#parts.events.append(transaction, { type: 'approval.changed', approval });
    transaction.afterCommit(() => this.#deadlines.add(draft.expiresAt));
    return approval;
  }

  /** Writes down what was decided without asking anybody (by a rule, by a grant). What its kind does with it is for the caller. */
  async record(transaction: HubTransaction, draft: ApprovalDraft, decision: Decision): Promise<Approval> {
    const state = decision.verdict === 'allow' ? ('allowed' as const) : ('denied' as const);
    const row = { ...this.#row(draft), state, decision: JSON.stringify(decision) };
    await insertApproval(transaction.db, row);
    const approval = toApproval({ ...row, seq: 0 });
    await this.#parts.events.append(transaction, { type: 'approval.changed', approval });
    return approval;
  }

  /** It is no longer needed (cancelled), ran out with its message, or was decided where it was asked first. Nothing if it is over. */
  async close(
    transaction: HubTransaction,
    id: string,
    state: 'withdrawn' | 'expired' | 'answered_elsewhere',
    decision?: Decision,
  ): Promise<void> {
    if (!(await closeApproval(transaction.db, id, state, decision))) return;
    const row = await approvalById(transaction.db, id);
    if (row !== undefined) {
      await this.#parts.events.append(transaction, { type: 'approval.changed', approval: toApproval(row) });
    }
  }

  /** What came of a decision at the agent's side; the first word counts. */
  async effect(transaction: HubTransaction, id: string, effect: NonNullable<Approval['effect']>): Promise<void> {
    if (!(await noteEffect(transaction.db, id, effect))) return;
    const row = await approvalById(transaction.db, id);
    if (row !== undefined) {
      await this.#parts.events.append(transaction, { type: 'approval.changed', approval: toApproval(row) });
    }
  }

  list({ state, limit, order = 'newest', after }: ApprovalsQuery): Promise<Approval[]> {
    return this.#parts.store.read(async (db) => {
      const last = after === undefined ? undefined : await approvalById(db, after);
      if (after !== undefined && last === undefined) throw unknownApproval(after);
      const page = { state, limit: Math.max(1, Math.min(limit, LIST_MAX)), order, after: last?.seq };
      return (await approvalPage(db, page)).map(toApproval);
    });
  }

  get(idOrPrefix: string): Promise<Approval> {
    return this.#parts.store.read(async (db) => {
      const [first, second] = idOrPrefix.length < 5 ? [] : await approvalsByPrefix(db, idOrPrefix);
      if (first === undefined) throw unknownApproval(idOrPrefix);
      if (second !== undefined && first.id !== idOrPrefix) {
        throw new IntercomError('ambiguous', `More than one approval begins with "${idOrPrefix.slice(0, 64)}".`, {
          next: 'Give more of the id; `intercom approvals` lists them.',
        });
      }
      return toApproval(first);
    });
  }

  async decide(actor: Actor, id: string, request: DecisionRequest): Promise<Approval> {
    if (!isId('approval', id)) throw unknownApproval(id);
    // What is found may have to be written (an expiry) although the caller is refused, so a refusal is a value until the commit.
    const outcome = await this.#parts.store.write((transaction) => this.#decide(transaction, actor, id, request));
    if (outcome instanceof IntercomError) throw outcome;
    return outcome;
  }

  #row(draft: ApprovalDraft): Omit<ApprovalRow, 'seq'> {
    const now = this.#parts.clock.now();
    return {
      id: newId('approval', now),
      kind: draft.subject.kind,
      state: 'pending',
      subject: JSON.stringify(draft.subject),
      shown_hash: hashOf(draft.subject),
      rule: draft.rule,
      level: draft.level ?? null,
      scopes: JSON.stringify(draft.scopes),
      message_id: draft.messageId ?? null,
      created_at: now,
      expires_at: draft.expiresAt,
      decision: null,
      effect: null,
    };
  }

  async #decide(
    transaction: HubTransaction,
    actor: Actor,
    id: string,
    request: DecisionRequest,
  ): Promise<Approval | IntercomError> {
    const row = await approvalById(transaction.db, id);
    if (row === undefined) return unknownApproval(id);
    const handler = this.#handlers.get(row.kind);
    const refusal = mayDecide(actor, row, handler) ?? alreadyOver(row);
    if (refusal !== undefined) return refusal;
    const now = this.#parts.clock.now();
    if (row.expires_at <= now) {
      await this.#expire(transaction, row);
      return tooLate(row.expires_at);
    }
    const before = toApproval(row);
    if (request.shownHash !== row.shown_hash) return changedSinceShown();
    if (request.verdict === 'allow' && !scopeFits(before, request.scope)) return unfitScope(before, request.scope);

    const suggestion = suggestionOf(before, request);
    if (suggestion instanceof IntercomError) return suggestion;
    const answers = answersOf(before, request);
    if (answers instanceof IntercomError) return answers;
    const decision: Decision = {
      verdict: request.verdict,
      scope: request.verdict === 'allow' ? reachOf(row, request.scope) : 'once',
      by: actor.operator.name,
      via: actor.via,
      at: isoTime(now),
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...(suggestion === undefined ? {} : { suggestion }),
      ...(answers === undefined ? {} : { answers }),
    };
    const grants = grantsOf(before, decision, now);
    for (const grant of grants) {
      await insertGrant(transaction.db, grant);
      await this.#parts.events.append(transaction, { type: 'grant.changed', grant: toGrant(grant) });
    }
    const approval = await this.#settle(transaction, row, decision);
    if (grants.length > 0) transaction.afterCommit(() => this.#covered.look(grants.map((grant) => grant.id)));
    return approval;
  }

  /** A pending approval is decided: its state, its event, and what its kind does with it. */
  async #settle(transaction: HubTransaction, row: ApprovalRow, decision: Decision): Promise<Approval> {
    const state = decision.verdict === 'allow' ? 'allowed' : 'denied';
    await closeApproval(transaction.db, row.id, state, decision);
    const approval: Approval = { ...toApproval(row), state, decision };
    await this.#parts.events.append(transaction, { type: 'approval.changed', approval });
    await this.#handlers.get(row.kind)?.onDecided(transaction, approval, decision);
    return approval;
  }

  async #expireSlice(now: number): Promise<boolean> {
    return this.#parts.store.write(async (transaction) => {
      const due = await overdueApprovals(transaction.db, now, SLICE);
      for (const row of due) await this.#expire(transaction, row);
      return due.length === SLICE;
    });
  }

  async #expire(transaction: HubTransaction, row: ApprovalRow): Promise<void> {
    if (!(await closeApproval(transaction.db, row.id, 'expired', undefined))) return;
    const approval: Approval = { ...toApproval(row), state: 'expired' };
    await this.#parts.events.append(transaction, { type: 'approval.changed', approval });
    await this.#handlers.get(row.kind)?.onExpired(transaction, approval);
  }
}

/** A level of `mission` or `session` asks once for that reach: any Allow gives at least that. */
function reachOf(row: ApprovalRow, scope: GrantScope): GrantScope {
  if (scope !== 'once') return scope;
  return row.level === 'mission' || row.level === 'session' ? row.level : 'once';
}

/** Which of the agent's own "always" is taken: the one that was named, or its first where Always was said. */
function suggestionOf(approval: Approval, request: DecisionRequest): number | undefined | IntercomError {
  const offered = approval.subject.kind === 'tool' ? approval.subject.suggestions.length : 0;
  if (request.verdict === 'deny') return undefined;
  if (request.suggestion === undefined) return request.scope === 'always' && offered > 0 ? 0 : undefined;
  if (request.suggestion < offered) return request.suggestion;
  return new IntercomError('invalid_request', `The agent offers no suggestion with the number ${request.suggestion}.`, {
    field: 'suggestion',
    next: offered === 0 ? 'Leave it out.' : `Choose one from 0 to ${offered - 1}, or leave it out.`,
  });
}

function scopeFits(approval: Approval, scope: GrantScope): boolean {
  return scope === 'once' || approval.scopes.includes(scope);
}

function mayDecide(actor: Actor, row: ApprovalRow, handler: ApprovalHandler | undefined): IntercomError | undefined {
  const { role, name } = actor.operator;
  if (role === 'owner') return undefined;
  if (role === 'operator' && handler?.role !== 'owner') return undefined;
  const who = handler?.role === 'owner' ? 'An owner' : 'An operator';
  return new IntercomError(
    'forbidden',
    `${name} is ${role === 'viewer' ? 'a viewer' : 'not an owner'} and cannot decide this.`,
    {
      next: `${who} must decide ${row.kind === 'join' ? 'who joins' : 'it'}.`,
    },
  );
}

function alreadyOver(row: ApprovalRow): IntercomError | undefined {
  if (row.state === 'pending') return undefined;
  if (row.state === 'expired') return tooLate(row.expires_at);
  const { decision } = toApproval(row);
  if (row.state === 'withdrawn' || decision === undefined) {
    return new IntercomError('conflict', 'This is no longer needed: what it was about was taken back.', {
      next: 'Nothing needs to be done.',
      details: { state: row.state },
    });
  }
  const verb = decision.verdict === 'allow' ? 'allowed' : 'denied';
  return new IntercomError('conflict', `${decision.by} ${verb} this already (${decision.via}, ${decision.at}).`, {
    next: 'Nothing needs to be done; the first answer counts.',
    details: { decision, state: row.state },
  });
}

function tooLate(expiresAt: number): IntercomError {
  return new IntercomError('expired', `Nobody decided until ${isoTime(expiresAt)}; that counts as no.`, {
    next: 'The sender can ask again.',
  });
}

function changedSinceShown(): IntercomError {
  return new IntercomError('changed_since_shown', 'What you saw is not what is to be decided.', {
    next: 'Look at it again, then decide.',
  });
}

function unfitScope(approval: Approval, scope: GrantScope): IntercomError {
  return new IntercomError('invalid_request', `"${scope}" does not fit this approval.`, {
    field: 'scope',
    next: `Choose one of: ${[...new Set<GrantScope>(['once', ...approval.scopes])].join(', ')}.`,
  });
}

function unknownApproval(id: string): IntercomError {
  return new IntercomError('unknown_approval', `There is no approval "${id.slice(0, 64)}".`, {
    next: '`intercom approvals` lists those that wait.',
  });
}
