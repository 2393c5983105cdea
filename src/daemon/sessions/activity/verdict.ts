/**
 * Which of the sources is believed about a session. Pure.
 *
 * The agent's own word comes first: its events and its own record, the newer of both. What it asked stands until it is over. The screen is only a witness: it shows at once what
 * no event tells (trust, login, a limit of the plan), it takes back a "works" that nobody took back (its prompt is free, unchanged for some seconds, and no event since), and a
 * spinner on it means that its person is not waited for. Only where nothing else ever spoke does it decide alone. A heartbeat file and a bare process are guesses.
 */
import type { Confidence, SessionWait, StateSource } from '../../../protocol/attention.ts';
import type { SessionState } from '../../../protocol/model.ts';
import type { Activity, ActivityState } from './known.ts';
import { oldestOpen } from './waits.ts';

/** A free prompt, unchanged for this long, takes back a "works". */
export const STALE_MS = 5000;
/** A screen is told up to half a second late: what it shows counts against an event only when it shows it this much later. */
export const LATE_MS = 1000;
/** A dialog that was answered from here is drawn for a moment all the same, and the record tells of it. */
export const ANSWERED_MS = 2000;
/** A process that says nothing for this long does something that we cannot know. */
export const STARTING_MS = 60_000;

/** The agent's own newest word, of its events or of its record. */
interface Word {
  readonly says: 'idle' | 'busy' | 'background' | 'waiting';
  readonly at: number;
  readonly source: StateSource;
  readonly wait?: SessionWait | undefined;
  readonly isStart?: boolean;
}

export function verdict(activity: Activity, now: number): ActivityState {
  const { ended } = activity;
  if (ended !== undefined) return told('ended', ended.at, ended.source, 'certain');
  return (
    openWait(activity, now) ??
    limit(activity, now) ??
    witnessed(activity, now) ??
    ofWord(activity, now) ??
    unspoken(activity, now)
  );
}

/** When time alone can change the verdict; undefined: never. */
export function nextLook(activity: Activity, now: number): number | undefined {
  const { screen, limit: limited, ended, firstSeen, answeredAt } = activity;
  if (ended !== undefined) return undefined;
  const resetAt = limited?.wait.resetAt ?? screen?.wait?.resetAt;
  const word = newestWord(activity);
  const times = [
    ...(answeredAt === undefined ? [] : [answeredAt + ANSWERED_MS]),
    firstSeen + STARTING_MS,
    ...(screen === undefined ? [] : [screen.at + LATE_MS, screen.at + STALE_MS]),
    ...(screen?.shows === 'dialog' && word !== undefined ? [word.at + LATE_MS] : []),
    ...(resetAt === undefined ? [] : [Date.parse(resetAt)]),
  ].filter((time) => time > now);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** What it asked, and nobody has answered. What a subagent asks may not be on the screen yet. */
function openWait(activity: Activity, now: number): ActivityState | undefined {
  const open = oldestOpen(activity.waits);
  if (open === undefined) return undefined;
  const isGone = spins(activity, open.at) || isFree(activity, open.at + LATE_MS, now);
  return isGone && open.agentId === undefined ? undefined : waits(open.wait, open.at, open.source, 'certain');
}

function limit({ limit: limited, screen, word, record }: Activity, now: number): ActivityState | undefined {
  if (limited !== undefined && !isPast(limited.wait, now)) {
    return waits(limited.wait, limited.at, limited.source, 'certain');
  }
  // The notice stays on the screen until the next turn.
  const newest = Math.max(word?.at ?? 0, record?.at ?? 0);
  if (screen?.shows !== 'limit' || screen.wait === undefined || screen.at < newest || isPast(screen.wait, now)) {
    return undefined;
  }
  return waits(screen.wait, screen.at, 'screen', 'likely');
}

function isPast({ resetAt }: SessionWait, now: number): boolean {
  return resetAt !== undefined && Date.parse(resetAt) <= now;
}

/** Where the screen speaks against the agent's word, or shows what that cannot. */
function witnessed(activity: Activity, now: number): ActivityState | undefined {
  const { screen } = activity;
  const word = newestWord(activity);
  if (screen === undefined || word === undefined) return undefined;
  switch (screen.shows) {
    case 'dialog': {
      const isOwn = screen.menu === true && word.says !== 'busy';
      // Some start their session behind their own dialog (Gemini CLI, behind the one about trust): what stands there when it has begun was not answered.
      const isLater =
        (screen.at > word.at || word.isStart === true) && now - word.at >= LATE_MS && now - screen.at >= LATE_MS;
      if (screen.wait === undefined || isOwn || !isLater || word.says === 'waiting') return undefined;
      return waits(screen.wait, screen.at, 'screen', 'likely');
    }
    case 'prompt':
      if (word.says !== 'busy' || !isFree(activity, word.at, now)) return undefined;
      return told('idle', screen.at, 'screen', 'likely');
    case 'working':
      if (word.says !== 'waiting' || !spins(activity, word.at)) return undefined;
      return told('working', screen.at, 'screen', 'likely');
    case 'limit':
    case 'unclear':
      return undefined;
  }
}

function ofWord(activity: Activity, now: number): ActivityState | undefined {
  const word = newestWord(activity);
  if (word === undefined) return undefined;
  const { at, source, wait } = word;
  switch (word.says) {
    case 'idle':
      return told('idle', at, source, spins(activity, at) ? 'likely' : 'certain');
    case 'waiting':
      if (now - (activity.answeredAt ?? -Infinity) < ANSWERED_MS) return told('working', at, source, 'likely');
      return waits(wait ?? { kind: 'dialog', what: 'its person' }, at, source, 'certain');
    case 'background':
      return told('working', at, source, 'certain');
    case 'busy':
      return told(isThinking(activity) ? 'thinking' : 'working', at, source, 'certain');
  }
}

/** Only where it would be told that a tool begins does it follow that none runs. */
function isThinking({ tellsTools, tools, word }: Activity): boolean {
  return tellsTools && tools.length === 0 && word !== undefined;
}

/** The agent says nothing of itself. */
function unspoken({ screen, heartbeat, firstSeen }: Activity, now: number): ActivityState {
  switch (screen?.shows) {
    case 'prompt':
      return told('idle', screen.at, 'screen', 'likely');
    case 'working':
      return told('working', screen.at, 'screen', 'likely');
    case 'dialog':
      return waits(screen.wait ?? { kind: 'dialog', what: 'a dialog' }, screen.at, 'screen', 'likely');
    case 'limit':
      return told('idle', screen.at, 'screen', 'likely');
    case 'unclear':
    case undefined:
  }
  if (heartbeat !== undefined) {
    return told(heartbeat.says === 'busy' ? 'working' : 'idle', heartbeat.at, 'heartbeat', 'guess');
  }
  const state = now - firstSeen < STARTING_MS ? 'starting' : 'unknown';
  return told(state, state === 'starting' ? firstSeen : firstSeen + STARTING_MS, 'process', 'guess');
}

function newestWord({ word, record }: Activity): Word | undefined {
  return record === undefined || (word !== undefined && word.at >= record.at) ? word : record;
}

/** Its prompt is free, later than that and unchanged for some seconds. */
function isFree({ screen }: Activity, at: number, now: number): boolean {
  return screen?.shows === 'prompt' && screen.at > at && now - screen.at >= STALE_MS;
}

/** The screen shows a turn that runs, and began to do so after that. */
function spins({ screen }: Activity, at: number): boolean {
  return screen?.shows === 'working' && screen.at - at >= LATE_MS;
}

function told(state: SessionState, since: number, source: StateSource, confidence: Confidence): ActivityState {
  return { state, since, source, confidence };
}

function waits(waiting: SessionWait, since: number, source: StateSource, confidence: Confidence): ActivityState {
  return { state: 'waiting', since, source, confidence, waiting };
}
