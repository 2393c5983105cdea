/**
 * Whether a message may go: policy with the grants of its pair, then the loop guard, then the sender's own wish to be asked about.
 *
 * Invariants: nothing turns a `deny` of policy into anything else; nothing lets pass what policy or the guard holds; a message that a person must
 * decide is refused instead when too many wait already.
 */
import type { Address } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Grant, GrantScope, MessageKind, PolicyLevel } from '../../protocol/model.ts';
import { pendingCount } from '../store/approvals.ts';
import { liveGrants } from '../store/grants.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import { LoopGuard } from './loop-guard.ts';
import { agentTextOf, isSameParty } from './participants.ts';
import type { MessageUnit } from './unit.ts';

/** Messages of one thread that may wait for a person. */
const HELD_PER_THREAD = 50;
/** Approvals of the whole mesh that may wait. */
const PENDING_MAX = 2_000;

export interface Candidate {
  readonly from: Address;
  readonly to: Address;
  readonly kind: Exclude<MessageKind, 'notice'>;
  readonly body: string;
  readonly threadId: string;
  readonly depth: number;
  readonly original: MessageRow | undefined;
  readonly requireApproval: 'auto' | 'always';
}

export interface Admission {
  readonly outcome: 'pass' | 'hold' | 'deny';
  readonly rule: string;
  /** Why it is held or denied, in words. */
  readonly reason?: string;
  readonly level?: PolicyLevel;
  readonly scopes: readonly GrantScope[];
  /** The grant that let it pass. */
  readonly grantId?: string;
}

export class Gate {
  readonly #parts: MessagingParts;
  readonly #guard: LoopGuard;

  constructor(parts: MessagingParts) {
    this.#parts = parts;
    this.#guard = new LoopGuard(parts.limits);
  }

  async decide(unit: MessageUnit, grants: GrantCache, candidate: Candidate): Promise<Admission> {
    const { from, to, original } = candidate;
    const answers = original !== undefined && mayBeAnswered(original, from, to) ? original.id : undefined;
    const verdict = this.#parts.policy.evaluate(
      {
        from,
        to,
        type: candidate.kind,
        message: candidate.body,
        threadId: candidate.threadId,
        ...(answers === undefined ? {} : { answers }),
      },
      await grants.of(unit, agentTextOf(from), agentTextOf(to)),
      unit.now,
    );
    const guarded = this.#guardReason(unit, candidate);
    if (verdict.outcome === 'deny') {
      return { outcome: 'deny', rule: verdict.rule, reason: `forbidden by policy (${verdict.rule})`, scopes: [] };
    }
    if (guarded !== undefined) return this.#hold(unit, candidate, { rule: guarded, scopes: ['once'] });
    // Before what policy says: a grant given elsewhere must not answer what its sender wants a person to see.
    if (candidate.requireApproval === 'always' && from.kind === 'agent' && to.kind === 'agent') {
      return this.#hold(unit, candidate, { rule: 'the sender asks for approval', scopes: ['once'] });
    }
    if (verdict.outcome === 'ask') {
      const scopes = this.#parts.policy
        .scopesOf(verdict.level)
        .filter((scope) => scope !== 'session' || hasSession(from));
      return this.#hold(unit, candidate, { rule: verdict.rule, level: verdict.level, scopes });
    }
    const grantId = /^grant (\S+)/.exec(verdict.rule)?.[1];
    return { outcome: 'pass', rule: verdict.rule, scopes: [], ...(grantId === undefined ? {} : { grantId }) };
  }

  #guardReason(unit: MessageUnit, candidate: Candidate): string | undefined {
    const { from, to, kind, depth, original } = candidate;
    if (from.kind === 'human') return undefined;
    const perMinute = this.#guard.count(agentTextOf(from), agentTextOf(to), unit.now);
    if (to.kind === 'human') {
      // Asking a person whether they want to be written to would be one more message to them.
      if (perMinute <= this.#parts.limits.messagesPerPairPerMinute) return undefined;
      throw new IntercomError('limit_reached', `${perMinute} messages to people within a minute are too many.`, {
        next: 'Wait a minute, then send one message that says it all.',
        details: { retryAfterSeconds: 60 },
      });
    }
    return this.#guard.reason({ kind, depth, perMinute, replies: original?.replies ?? 0 });
  }

  async #hold(
    unit: MessageUnit,
    candidate: Candidate,
    held: Pick<Admission, 'rule' | 'level' | 'scopes'>,
  ): Promise<Admission> {
    const thread = await unit.thread(candidate.threadId);
    const full = (thread?.held ?? 0) >= HELD_PER_THREAD || (await pendingCount(unit.db)) >= PENDING_MAX;
    if (full) {
      throw new IntercomError('limit_reached', 'Too many messages wait for a decision already.', {
        next: 'Wait until an operator has decided about them.',
      });
    }
    return { outcome: 'hold', reason: 'waits for an operator', ...held };
  }
}

/** The grants of each pair, read once per transaction. */
export class GrantCache {
  readonly #known = new Map<string, Grant[]>();

  async of(unit: MessageUnit, from: string, to: string): Promise<Grant[]> {
    const key = `${from}\n${to}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const grants = await liveGrants(unit.db, from, to);
    this.#known.set(key, grants);
    return grants;
  }
}

/** Its recipient may answer it without being asked about: it was let through, is no reply itself, and has no answer yet. */
function mayBeAnswered(original: MessageRow, from: Address, to: Address): boolean {
  if (original.kind === 'reply' || original.kind === 'notice' || original.replies > 0) return false;
  // Only its recipient, and only back to its sender: an id lets nobody else through.
  if (!isSameParty(original.recipient_agent, from) || !isSameParty(original.sender_agent, to)) return false;
  return ['queued', 'dispatched', 'written', 'held_at_terminal', 'delivered', 'seen'].includes(original.state);
}

function hasSession(address: Address): boolean {
  return address.kind === 'agent' && address.session !== undefined;
}
