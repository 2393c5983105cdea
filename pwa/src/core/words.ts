/** The words for states, scopes and surfaces, in one place, so that every screen says the same. */
import type { MessageState } from '../../../src/protocol/message-life.ts';
import type { MissionState } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionLimits } from '../../../src/protocol/mission.ts';
import type {
  Approval,
  ApprovalState,
  Decision,
  GrantScope,
  MessageKind,
  Session,
  SessionState,
  Surface,
} from '../../../src/protocol/model.ts';

/** wait: somebody has to do something · busy: on its way · good: arrived · bad: over, and not as wanted · calm: nothing to say. */
export type Tone = 'wait' | 'busy' | 'good' | 'bad' | 'calm';

const SCOPE_LABEL: Readonly<Record<GrantScope, string>> = {
  once: 'Allow once',
  mission: 'Allow in this conversation',
  session: 'Allow in this session',
  always: 'Always allow',
};

const SCOPE_RESULT: Readonly<Record<GrantScope, string>> = {
  once: 'Allowed once',
  mission: 'Allowed in this conversation',
  session: 'Allowed in this session',
  always: 'Always allowed',
};

/** What a button that allows says. */
export function allowLabel({ kind, subject }: Approval, scope: GrantScope): string {
  if (subject.kind === 'tool' && subject.plan === true && scope === 'once') return 'Go ahead';
  if (kind === 'join') return 'Let it join';
  if (kind === 'launch' && scope === 'once') return 'Start it';
  if (isOfMission(kind) && scope === 'mission') return 'Allow in this mission';
  return SCOPE_LABEL[scope];
}

function deniedWords({ subject }: Approval): string {
  if (subject.kind === 'question') return 'Declined';
  return subject.kind === 'tool' && subject.plan === true ? 'Sent back' : 'Denied';
}

function allowedWords({ kind, subject }: Approval, { scope, suggestion }: Decision): string {
  if (subject.kind === 'question') return 'Answered';
  const taken = subject.kind === 'tool' && suggestion !== undefined ? subject.suggestions[suggestion] : undefined;
  if (taken !== undefined) return `${taken}: allowed`;
  if (subject.kind === 'tool' && subject.plan === true && scope === 'once') return 'Plan taken';
  if (isOfMission(kind) && scope === 'mission') return 'Allowed in this mission';
  return SCOPE_RESULT[scope];
}

function isOfMission(kind: Approval['kind']): boolean {
  return kind === 'launch' || kind === 'tool';
}

const SURFACE_LABEL: Readonly<Record<Surface, string>> = {
  telegram: 'in Telegram',
  web: 'on the web page',
  cli: 'in a terminal',
  terminal: 'at the agent’s terminal',
  policy: 'by policy',
  hub: 'by the hub',
};

export function surfaceLabel(surface: Surface): string {
  return SURFACE_LABEL[surface];
}

/** "Allowed once by gilles in Telegram", without the time. */
export function decisionSentence(approval: Approval): string {
  const decision = approval.decision;
  if (decision === undefined) return APPROVAL_LABEL[approval.state].text;
  const how = decision.verdict === 'allow' ? allowedWords(approval, decision) : deniedWords(approval);
  return `${how} by ${decision.by} ${surfaceLabel(decision.via)}`;
}

export const APPROVAL_LABEL: Readonly<Record<ApprovalState, { readonly text: string; readonly tone: Tone }>> = {
  pending: { text: 'Waits for you', tone: 'wait' },
  allowed: { text: 'Allowed', tone: 'good' },
  denied: { text: 'Denied', tone: 'bad' },
  expired: { text: 'Expired, nobody answered', tone: 'calm' },
  withdrawn: { text: 'Withdrawn, no longer needed', tone: 'calm' },
  answered_elsewhere: { text: 'Answered elsewhere', tone: 'calm' },
};

/** The limits of a mission, as far as there are any. */
export function limitWords(limits: MissionLimits): string {
  const { maxDurationSeconds, maxIdleSeconds, maxTurns, maxBudgetUsd } = limits;
  return [
    ...(maxDurationSeconds === undefined ? [] : [`${Math.ceil(maxDurationSeconds / 60)} min`]),
    ...(maxIdleSeconds === undefined ? [] : [`${Math.ceil(maxIdleSeconds / 60)} min without work`]),
    ...(maxTurns === undefined ? [] : [`${maxTurns} ${maxTurns === 1 ? 'turn' : 'turns'}`]),
    ...(maxBudgetUsd === undefined ? [] : [`$${maxBudgetUsd}`]),
  ].join(', ');
}

const MISSION_LABEL: Readonly<Record<MissionState, { readonly text: string; readonly tone: Tone }>> = {
  queued: { text: 'Queued', tone: 'busy' },
  awaiting_approval: { text: 'Waits for approval', tone: 'wait' },
  starting: { text: 'Starting', tone: 'busy' },
  running: { text: 'Running', tone: 'busy' },
  waiting_human: { text: 'Waits for you', tone: 'wait' },
  rate_limited: { text: 'Rate limited', tone: 'calm' },
  paused: { text: 'Paused', tone: 'calm' },
  completed: { text: 'Completed', tone: 'good' },
  failed: { text: 'Failed', tone: 'bad' },
  cancelled: { text: 'Cancelled', tone: 'calm' },
  timed_out: { text: 'Out of time', tone: 'bad' },
  denied: { text: 'Denied', tone: 'bad' },
  lost: { text: 'Lost', tone: 'bad' },
};

export function missionStateLabel(mission: Mission): { readonly text: string; readonly tone: Tone } {
  if (mission.state === 'queued' && mission.position !== undefined) {
    return { text: `Queued, number ${mission.position}`, tone: 'busy' };
  }
  // The agent ended its turn, and itself said that it was for an error.
  if (mission.state === 'completed' && mission.result?.isError === true) {
    return { text: 'Ended with an error', tone: 'bad' };
  }
  return MISSION_LABEL[mission.state];
}

export const KIND_LABEL: Readonly<Record<MessageKind, string>> = {
  send: 'Note',
  ask: 'Question',
  chat: 'Conversation',
  reply: 'Reply',
  notice: 'Notice of the hub',
};

/** A message's state in words. `machine` is the name of the place where it is. */
export function messageStateLabel(
  state: MessageState,
  machine: string,
): { readonly text: string; readonly tone: Tone } {
  switch (state) {
    case 'submitted':
      return { text: 'Accepted', tone: 'busy' };
    case 'held':
      return { text: 'Waits for approval', tone: 'wait' };
    case 'queued':
      return { text: 'Queued', tone: 'busy' };
    case 'dispatched':
      return { text: `On ${machine}`, tone: 'busy' };
    case 'written':
      return { text: 'Handed over, not yet proven', tone: 'busy' };
    case 'held_at_terminal':
      return { text: `Held at the terminal of ${machine}`, tone: 'wait' };
    case 'delivered':
      return { text: 'Delivered', tone: 'good' };
    case 'seen':
      return { text: 'Seen', tone: 'good' };
    case 'answered':
      return { text: 'Answered', tone: 'good' };
    case 'denied':
      return { text: 'Denied', tone: 'bad' };
    case 'expired':
      return { text: 'Expired', tone: 'bad' };
    case 'cancelled':
      return { text: 'Cancelled', tone: 'calm' };
    case 'failed':
      return { text: 'Failed', tone: 'bad' };
  }
}

/** The same for a step that is over: nothing waits there any more. */
export function pastStateLabel(state: MessageState, machine: string): string {
  if (state === 'held') return 'Held for approval';
  if (state === 'written') return 'Handed over';
  return messageStateLabel(state, machine).text;
}

/** A title without the marks of Markdown, which say nothing in one line. */
export function plainTitle(title: string): string {
  return title.replace(/\*\*|`/g, '');
}

const SESSION_LABEL: Readonly<Record<SessionState, { readonly text: string; readonly tone: Tone }>> = {
  starting: { text: 'Starting', tone: 'busy' },
  working: { text: 'Working', tone: 'busy' },
  thinking: { text: 'Thinking', tone: 'busy' },
  idle: { text: 'Idle', tone: 'good' },
  waiting: { text: 'Waits for its person', tone: 'wait' },
  unknown: { text: 'State unknown', tone: 'calm' },
  ended: { text: 'Ended', tone: 'calm' },
};

export function sessionStateLabel(session: Session): { readonly text: string; readonly tone: Tone } {
  if (session.state === 'waiting' && session.waiting !== undefined) {
    // Nobody owes a limit of the provider an answer.
    if (session.waiting.kind === 'rate_limit') return { text: session.waiting.what, tone: 'calm' };
    return { text: `Waits: ${session.waiting.what}`, tone: 'wait' };
  }
  if (session.stalledSince !== undefined) return { text: 'Silent', tone: 'bad' };
  return SESSION_LABEL[session.state];
}

export const RUNG_LABEL: Readonly<Record<Session['rung'], string>> = {
  inbox_socket: 'Messages go straight in',
  app_server: 'Messages go straight in',
  stream: 'Messages go straight in',
  typed: 'Messages are typed when its prompt is free',
  hooks: 'Messages come with its hooks',
  pull: 'Reads messages only when it asks',
  none: 'Messages cannot reach it',
};
