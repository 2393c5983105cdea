/**
 * Which session gets a message. A message for a session waits for that one; one for a project goes to exactly one session of it.
 */
import type { DeliverMessage } from '../../protocol/daemon-api.ts';
import type { Session, SessionState } from '../../protocol/model.ts';
import { isChannel } from './proof-desk.ts';

/** Idle ones are asked first: they take it up at once and are not disturbed. */
const STATE_ORDER: Readonly<Record<SessionState, number>> = {
  idle: 0,
  working: 1,
  thinking: 1,
  starting: 2,
  waiting: 3,
  unknown: 4,
  ended: 9,
};

/** Sessions that mail can be brought to; the others take it when they ask. */
export function canReceive(session: Session): boolean {
  return session.state !== 'ended' && (isChannel(session.rung) || session.rung === 'hooks');
}

/**
 * The session for `message` among the live ones, or undefined while there is none. `lastOfThread` is the session that got the thread's
 * message before: while it lives, the thread stays with it, so that a conversation is not torn apart.
 */
export function chooseSession(
  message: DeliverMessage,
  sessions: readonly Session[],
  lastOfThread: string | undefined,
): Session | undefined {
  if (message.session !== undefined) {
    const meant = sessions.find((session) => session.id === message.session);
    if (meant !== undefined) return canReceive(meant) ? meant : undefined;
    if (message.binding === 'exact') return undefined;
  }
  const able = sessions.filter((session) => session.project === message.project && canReceive(session));
  return able.find((session) => session.id === lastOfThread) ?? able.sort(byReadiness)[0];
}

/** Idle first; among equals the one that was active last. */
function byReadiness(a: Session, b: Session): number {
  const state = STATE_ORDER[a.state] - STATE_ORDER[b.state];
  if (state !== 0) return state;
  if (a.stateSince !== b.stateSince) return a.stateSince < b.stateSince ? 1 : -1;
  if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}
