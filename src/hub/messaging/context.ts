/** What the flows of messaging share: the parts they are handed, and the limits that they keep. */
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Waiters } from '../../platform/waiters.ts';
import type { AgentAddress } from '../../protocol/address.ts';
import type { Grant, GrantScope, PolicyLevel, PolicyVerdict } from '../../protocol/model.ts';
import type { StoredApprovals } from '../approvals/approvals.ts';
import type { PolicyQuestion } from '../approvals/policy.ts';
import type { EventAppender } from '../events.ts';
import type { DeliverItem, DeliverResponse } from '../../protocol/daemon-api.ts';
import type { HubDb, HubStore, HubTransaction } from '../store/hub-store.ts';
import type { OutboxRow } from '../store/schema.ts';

/** The policy engine, as messaging needs it: synchronous and without effects. */
export interface PolicyPort {
  evaluate(question: PolicyQuestion, grants: readonly Grant[], nowMs: number): PolicyVerdict;
  scopesOf(level: PolicyLevel): GrantScope[];
}

/** What messaging asks about machines on its hot path: answered from memory. */
export interface MachineDirectory {
  /** `revoked` and `unknown` machines get no mail. */
  standing(machineId: string): 'member' | 'revoked' | 'unknown';
  isAway(machineId: string): boolean;
}

/** Items of the outbox that are about no message: they travel in the same order, and their owners say what they hold. */
export interface OtherItems {
  /** What goes over the wire, by the row's number; a row that is left out has nothing to say any more. */
  bodies(db: HubDb, rows: readonly OutboxRow[]): Promise<Map<number, DeliverItem>>;
  /** The daemon's answer, in the transaction that takes the row out of the outbox. */
  arrived(
    transaction: HubTransaction,
    machineId: string,
    row: OutboxRow,
    result: DeliverResponse['results'][number],
  ): Promise<void>;
}

/** A question to a project in which nobody works. */
export interface QuestionToLaunch {
  readonly from: AgentAddress;
  readonly to: AgentAddress;
  readonly text: string;
  readonly threadId: string;
  readonly messageId: string;
}

export interface PlannedLaunch {
  /** The launch must be decided by a person. */
  readonly asks: boolean;
  readonly rule: string;
  /** `approvalId`: of the question, which the launch waits for too. Gives the approval that decides about both, if there is one. */
  store(
    transaction: HubTransaction,
    approvalId: string | undefined,
  ): Promise<{ readonly missionId: string; readonly approvalId: string | null }>;
}

/** Missions, as questions need them. Each call is part of the transaction that it is given. */
export interface LaunchPort {
  /** Undefined: no agent can or may be started for it. */
  plan(db: HubDb, question: QuestionToLaunch): Promise<PlannedLaunch | undefined>;
  /** The question was let pass. True: a mission answers it, so it is not sent to a session. */
  passed(transaction: HubTransaction, messageId: string, by: string | undefined): Promise<boolean>;
  /** The question ended without an answer. */
  ended(transaction: HubTransaction, messageId: string, reason: string): Promise<void>;
  /** Whether a mission answers it. */
  answers(db: HubDb, messageId: string): Promise<boolean>;
}

export interface MessagingLimits {
  readonly messageExpirySeconds: number;
  readonly approvalExpirySeconds: number;
  readonly repliesPerMessage: number;
  readonly messagesPerPairPerMinute: number;
  readonly askDepth: number;
  /** How long a recipient that stopped may still answer a question before its asker is told, milliseconds. */
  readonly answerGraceMs: number;
  /** News that comes later than this after the submit also goes into the sender's session, milliseconds. */
  readonly noticeAfterMs: number;
  /** What a daemon has not reported this long after a message's expiry counts as expired, milliseconds. */
  readonly lostAfterMs: number;
}

export const DEFAULT_LIMITS: MessagingLimits = {
  messageExpirySeconds: 7 * 24 * 3600,
  approvalExpirySeconds: 24 * 3600,
  repliesPerMessage: 5,
  messagesPerPairPerMinute: 30,
  askDepth: 4,
  answerGraceMs: 60_000,
  noticeAfterMs: 60_000,
  lostAfterMs: 24 * 3600_000,
};

export interface MessagingParts {
  readonly store: HubStore;
  readonly events: EventAppender;
  readonly approvals: StoredApprovals;
  readonly policy: PolicyPort;
  readonly directory: MachineDirectory;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: MessagingLimits;
  /** Missions are made after messaging, so they are asked for when they are needed. */
  readonly launches?: () => LaunchPort | undefined;
  /** False for a name that no operator has. Everybody is known if absent. */
  readonly knowsOperator?: (name: string) => boolean;
}

/** What a transaction of messaging sets off after its commit. */
export interface Aftermath {
  /** There is something in the outbox of this machine. */
  kick(machineId: string): void;
  /** A message expires, or must be looked at, at this time. */
  deadline(at: number): void;
  /** Told the id of every message that moved. */
  readonly moved: Waiters<true>;
}
