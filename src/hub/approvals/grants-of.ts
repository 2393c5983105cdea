/**
 * The grants that an Allow makes, by its scope.
 *
 * Invariants: only messages and asks make grants, so no grant ever covers a launch, a tool or a join; a grant for messages does not cover
 * asks, nor the other way round; `once` makes none.
 */
import { agentOf, formatAddress, parseAddress } from '../../protocol/address.ts';
import { newId } from '../../protocol/ids.ts';
import type { Approval, Decision } from '../../protocol/model.ts';
import type { GrantRow } from '../store/schema.ts';

export function grantsOf(approval: Approval, decision: Decision, now: number): GrantRow[] {
  const { subject } = approval;
  if (decision.verdict !== 'allow' || decision.scope === 'once') return [];
  if (subject.kind !== 'message' && subject.kind !== 'ask') return [];
  const from = parseAddress(subject.from);
  const sender = formatAddress(from.kind === 'agent' ? agentOf(from) : from);
  const to = parseAddress(subject.to);
  const recipient = formatAddress(to.kind === 'agent' ? agentOf(to) : to);
  const grant: GrantRow = {
    id: newId('grant', now),
    covers: subject.kind,
    scope: decision.scope,
    sender,
    recipient,
    bound_to: null,
    by: decision.by,
    created_at: now,
    expires_at: null,
    approval_id: approval.id,
    revoked_at: null,
    uses: 0,
  };
  switch (decision.scope) {
    case 'always':
      return [grant];
    case 'session':
      // Without a session of the sender there is nothing to bind it to.
      return from.kind === 'agent' && from.session !== undefined ? [{ ...grant, bound_to: from.session }] : [];
    case 'mission': {
      const forth: GrantRow = { ...grant, bound_to: subject.threadId };
      // A conversation goes both ways; what comes back are messages, also where a question opened it.
      const back: GrantRow = {
        ...forth,
        id: newId('grant', now),
        covers: 'message',
        sender: recipient,
        recipient: sender,
      };
      return [forth, back];
    }
  }
}
