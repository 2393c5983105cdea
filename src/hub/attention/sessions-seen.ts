/**
 * Sessions as the notifier sees them: what each asks for now, and whether that was told or dealt with already. In memory, of live sessions only. Knows nothing of operators.
 *
 * Invariants: where an approval of a session is pending, that speaks and the session is silent; a wait whose approval was decided stays silent although its session has not
 * gone on yet, unless the decision failed there; another wait is another thing.
 */
import type { Wait } from '../../protocol/attention.ts';
import type { Session } from '../../protocol/model.ts';
import type { Notice } from '../services.ts';
import { noticeOfDone, noticeOfStall, noticeOfWaiting } from './notice-words.ts';

export interface SessionSeen {
  readonly machine: string;
  session: Session;
  /** The id of its open wait. */
  wait: string | undefined;
  /** Its pending approvals. */
  readonly approvals: Set<string>;
  /** The thing whose approval was decided. */
  decided: string | undefined;
  /** The thing that was shown last, as its content and beginning: a machine that comes back does not ring for it again. */
  told: string | undefined;
  /** It has ended its work, and nobody gave it other. */
  done: boolean;
}

export function firstSight(machine: string, session: Session): SessionSeen {
  const nothing = { wait: undefined, decided: undefined, told: undefined };
  return { machine, session, approvals: new Set(), done: false, ...nothing };
}

/** The session is as told now. */
export function seeSession(seen: SessionSeen, session: Session): void {
  const before = seen.session.state;
  // A prompt that is left for the input line was left by a person who is there.
  const worked = before === 'working' || before === 'thinking';
  seen.done = session.state === 'idle' && (worked || seen.done);
  seen.session = session;
  if (session.state !== 'waiting') seen.decided = undefined;
}

export function seeWait(seen: SessionSeen, wait: Wait): void {
  if (wait.until === undefined) seen.wait = wait.id;
  else if (seen.wait === wait.id) seen.wait = undefined;
}

/** What it is that the session waits for, apart from how exactly it is told. */
export function thingOf(seen: SessionSeen): string {
  return seen.wait ?? contentOf(seen);
}

export function contentOf({ session }: SessionSeen): string {
  const { waiting, stalledSince, stateSince } = session;
  return [waiting?.kind, waiting?.what, stalledSince, stateSince].join('|');
}

export interface Wanted {
  readonly notice: Notice;
  readonly thing: string;
  /** It was told before its machine went away. */
  readonly quietly: boolean;
}

/** What is to be told of it now; undefined: nothing. */
export function wantedOf(seen: SessionSeen): Wanted | undefined {
  const { machine, session } = seen;
  const { state, stalledSince } = session;
  const quietly = seen.told === contentOf(seen);
  if (state === 'waiting') {
    const thing = thingOf(seen);
    if (seen.approvals.size > 0 || seen.decided === thing) return undefined;
    return { notice: noticeOfWaiting(machine, session), thing, quietly };
  }
  if ((state === 'working' || state === 'thinking') && stalledSince !== undefined) {
    return { notice: noticeOfStall(machine, session, stalledSince), thing: `stall ${stalledSince}`, quietly };
  }
  if (seen.done) {
    return { notice: noticeOfDone(machine, session), thing: `done ${session.stateSince}`, quietly };
  }
  return undefined;
}
