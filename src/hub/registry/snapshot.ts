/** Everything that the first screen of a surface needs. The event number is taken first: what changes meanwhile comes again as an event. */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import type { Actor, Approvals, EventLog, Messaging, Notices, Policy, Registry } from '../services.ts';

const DECIDED_SHOWN = 30;
const PENDING_SHOWN = 500;
const THREADS_SHOWN = 50;

export interface SnapshotParts {
  readonly events: EventLog;
  readonly messaging: Messaging;
  readonly approvals: Approvals;
  readonly registry: Registry;
  readonly policy: Pick<Policy, 'grants'>;
  readonly notices: Pick<Notices, 'live'>;
  readonly clock: Clock;
}

export async function takeSnapshot(parts: SnapshotParts, actor: Actor): Promise<Snapshot> {
  const seq = parts.events.lastSeq;
  const [machines, agents, pending, newest, { threads }, grants, notices] = await Promise.all([
    parts.registry.machines(),
    parts.registry.agents('all'),
    parts.approvals.list({ state: 'pending', limit: PENDING_SHOWN }),
    parts.approvals.list({ limit: DECIDED_SHOWN }),
    parts.messaging.threads({ limit: THREADS_SHOWN }),
    parts.policy.grants(),
    parts.notices.live(),
  ]);
  return {
    epoch: parts.events.epoch,
    seq,
    at: isoTime(parts.clock.now()),
    me: actor.operator,
    machines,
    agents,
    approvals: [...pending, ...newest.filter((approval) => approval.state !== 'pending')],
    threads,
    grants,
    notices,
  };
}
