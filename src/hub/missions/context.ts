/** What the flows of missions share: the parts they are handed, and the limits that they keep. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Waiters } from '../../platform/waiters.ts';
import type { StoredApprovals } from '../approvals/approvals.ts';
import type { EventAppender } from '../events.ts';
import type { MachineDirectory, PolicyPort } from '../messaging/context.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import type { MissionRow } from '../store/mission-schema.ts';

export interface MissionLimitsOfHub {
  /** How many agents in a row may start agents. An operator's own mission counts 0. */
  readonly depth: number;
  /** Missions that one agent asked for and that are not over. */
  readonly livePerAgent: number;
  /** Missions for one machine that are not over. */
  readonly livePerMachine: number;
  readonly approvalExpirySeconds: number;
}

export const DEFAULT_MISSION_LIMITS: MissionLimitsOfHub = {
  depth: 3,
  livePerAgent: 10,
  livePerMachine: 500,
  approvalExpirySeconds: 24 * 3600,
};

/** Messaging, as missions need it. */
export interface MissionMail {
  /** Something lies in the outbox of this machine. */
  kick(machineId: string): void;
  /** Whether an outbox row may be with the daemon already. */
  mayHaveLeft(machineId: string, seq: number): boolean;
  /** A mission that answers a question moved: the question follows. Nothing, for a mission that answers none. */
  missionMoved(transaction: HubTransaction, mission: MissionRow): Promise<void>;
}

export interface MissionParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly approvals: StoredApprovals;
  readonly policy: PolicyPort;
  readonly directory: MachineDirectory;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: MissionLimitsOfHub;
  readonly mail: MissionMail;
}

/** What a transaction of missions sets off after its commit. */
export interface MissionAftermath {
  /** Told the id of every mission that changed. */
  readonly moved: Waiters<true>;
  /** There are log entries that no event has told yet. */
  logGrew(missionId: string): void;
}
