/** States and names as a person reads them on a terminal. */
import type { MissionLimits } from '../../protocol/mission.ts';
import type { MessageState } from '../../protocol/message-life.ts';
import type { Approval, MachineStatus, Session } from '../../protocol/model.ts';
import { safe } from './style.ts';
import type { Style } from './style.ts';

const STATE_WORDS: Readonly<Record<MessageState, string>> = {
  submitted: 'accepted',
  held: 'waits for approval',
  queued: 'waits for the machine',
  dispatched: 'at the machine',
  written: 'handed over, not yet proven',
  held_at_terminal: 'held at the terminal',
  delivered: 'delivered',
  seen: 'seen',
  answered: 'answered',
  denied: 'denied',
  expired: 'expired',
  cancelled: 'cancelled',
  failed: 'failed',
};

export function stateWords(state: MessageState): string {
  return STATE_WORDS[state];
}

export function paintState(state: string, style: Style): (text: string) => string {
  if (['delivered', 'seen', 'answered', 'online', 'allowed', 'idle', 'working'].includes(state)) return style.green;
  if (['denied', 'expired', 'cancelled', 'failed', 'revoked'].includes(state)) return style.red;
  if (['held', 'held_at_terminal', 'waiting', 'pending', 'away', 'unreachable'].includes(state)) return style.yellow;
  return style.blue;
}

export function machineMark(status: MachineStatus, style: Style): string {
  if (status === 'online') return style.green('●');
  return status === 'away' ? style.yellow('○') : style.red('✗');
}

/** What a session does, and what it waits for. */
export function sessionWords(session: Session): string {
  if (session.state === 'waiting') return `waits: ${safe(session.waiting?.what ?? 'for its person')}`;
  if (session.stalledSince !== undefined) return `${session.state}, but silent`;
  return session.state === 'unknown' ? 'state unknown' : session.state;
}

/** The kind, the number that a person can type, and who asks whom: one line. */
export function approvalTitle(approval: Approval): string {
  const { subject } = approval;
  if (subject.kind === 'join') return `${safe(subject.displayName)} (${safe(subject.machineId)}) wants to join`;
  if (subject.kind === 'tool' && subject.plan === true) return `${safe(subject.from)} wants to go ahead with its plan`;
  if (subject.kind === 'tool') return `${safe(subject.from)} wants to use ${safe(subject.tool)}`;
  if (subject.kind === 'question') return `${safe(subject.from)} asks: ${safe(subject.summary)}`;
  if (subject.kind === 'launch') return `${safe(subject.from)} wants to start an agent at ${safe(subject.to)}`;
  return `${safe(subject.from)} → ${safe(subject.to)}`;
}

/** The limits of a mission, as far as there are any. */
export function limitWords(limits: MissionLimits): string {
  const { maxDurationSeconds, maxIdleSeconds, maxTurns, maxBudgetUsd } = limits;
  return [
    ...(maxDurationSeconds === undefined ? [] : [`${Math.ceil(maxDurationSeconds / 60)} min`]),
    ...(maxIdleSeconds === undefined ? [] : [`${Math.ceil(maxIdleSeconds / 60)} min without work`]),
    ...(maxTurns === undefined ? [] : [plural(maxTurns, 'turn')]),
    ...(maxBudgetUsd === undefined ? [] : [`$${maxBudgetUsd}`]),
  ].join(', ');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Text set in by two columns, every line. */
export function indent(text: string, by = '  '): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : by + line))
    .join('\n');
}
