/**
 * The grants that an Allow makes, by its scope.
 *
 * Invariants: a grant covers only its own kind (messages, asks, launches, one tool), and a join makes none; a grant for a launch comes only
 * from a card that showed the plain agent of its project (scopes other than `once` are offered for nothing else); `once` makes none; where an
 * agent offers an "always" of its own, that one is taken and no grant is made.
 */
import { agentOf, formatAddress, parseAddress } from '../../protocol/address.ts';
import { newId } from '../../protocol/ids.ts';
import type { Approval, Decision, LaunchSubject, ToolSubject } from '../../protocol/model.ts';
import type { GrantRow } from '../store/schema.ts';

export function grantsOf(approval: Approval, decision: Decision, now: number): GrantRow[] {
  const { subject } = approval;
  if (decision.verdict !== 'allow' || decision.scope === 'once') return [];
  if (subject.kind === 'launch') return launchGrants(subject, approval, decision, now);
  if (subject.kind === 'tool') return toolGrants(subject, approval, decision, now);
  if (subject.kind !== 'message' && subject.kind !== 'ask') return [];
  const from = parseAddress(subject.from);
  const sender = bare(subject.from);
  const recipient = bare(subject.to);
  const grant = grantRow(approval, decision, now, { covers: subject.kind, sender, recipient });
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

/** Who may start agents there again: this mission's agent, this session, or always this agent. */
function launchGrants(subject: LaunchSubject, approval: Approval, decision: Decision, now: number): GrantRow[] {
  const from = parseAddress(subject.from);
  const grant = grantRow(approval, decision, now, {
    covers: 'launch',
    sender: bare(subject.from),
    recipient: bare(subject.to),
  });
  const session = from.kind === 'agent' ? from.session : undefined;
  return bound(grant, decision.scope, { mission: subject.parent, session });
}

/** This tool, whatever its input, for the agent of this project: in this mission, in this session, or always. */
function toolGrants(subject: ToolSubject, approval: Approval, decision: Decision, now: number): GrantRow[] {
  if (decision.suggestion !== undefined) return [];
  const from = parseAddress(subject.from);
  const agent = bare(subject.from);
  const grant = grantRow(approval, decision, now, { covers: 'tool', sender: agent, recipient: agent });
  const session = from.kind === 'agent' ? from.session : undefined;
  return bound({ ...grant, tool: subject.tool }, decision.scope, { mission: subject.missionId, session });
}

/** The grant with what its scope binds it to; none, where there is nothing to bind it to. */
function bound(
  grant: GrantRow,
  scope: Decision['scope'],
  to: { readonly mission: string | undefined; readonly session: string | undefined },
): GrantRow[] {
  if (scope === 'always') return [grant];
  const boundTo = scope === 'mission' ? to.mission : scope === 'session' ? to.session : undefined;
  return boundTo === undefined ? [] : [{ ...grant, bound_to: boundTo }];
}

function bare(address: string): string {
  const parsed = parseAddress(address);
  return formatAddress(parsed.kind === 'agent' ? agentOf(parsed) : parsed);
}

function grantRow(
  approval: Approval,
  decision: Decision,
  now: number,
  what: Pick<GrantRow, 'covers' | 'sender' | 'recipient'>,
): GrantRow {
  return {
    id: newId('grant', now),
    ...what,
    scope: decision.scope,
    bound_to: null,
    by: decision.by,
    created_at: now,
    expires_at: null,
    approval_id: approval.id,
    revoked_at: null,
    uses: 0,
    tool: null,
  };
}
