/**
 * What a session does, folded from everything that is seen of it. Pure: the same observations give the same state.
 *
 * Invariants: per source the newer observation counts, whatever their order of arrival; `since` and `source` stay what they were while the state (and what is waited
 * for) stays; an ended session stays ended; everything that is kept is bounded. Which source is believed stands in verdict.ts.
 */
import { isoTime } from '../../../platform/clock.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import { resetTime } from '../../agents/reset-time.ts';
import { oneLine } from '../../agents/tool-words.ts';
import type { Activity, ActivityState, RunningTool } from './known.ts';
import type { EventSeen, Observation, RecordSeen, ToolCall } from './observations.ts';
import { verdict } from './verdict.ts';
import { afterRecord, asked, inputMark, withoutAgent, withoutCall, withoutUnnamed } from './waits.ts';

/** Calls that run at once; more are forgotten, the oldest first. */
const TOOLS_MAX = 100;

/** A session of which nothing is known but that its process lives. */
export function unseen(now: number, tellsTools = false): Activity {
  return {
    firstSeen: now,
    tellsTools,
    word: undefined,
    tools: [],
    waits: [],
    answeredAt: undefined,
    limit: undefined,
    record: undefined,
    screen: undefined,
    heartbeat: undefined,
    ended: undefined,
    now: { state: 'starting', since: now, source: 'process', confidence: 'guess' },
  };
}

/** Takes an observation in. The same object comes back where it says nothing new. */
export function observe(before: Activity, seen: Observation, now: number): Activity {
  const after = take(before, seen);
  return after === before ? before : settled(after, now);
}

/** Looks again after time has passed (verdict.ts says when that can change something). */
export function look(before: Activity, now: number): Activity {
  return settled(before, now);
}

/** The wall clock was set back: what lies in its future happened just now. */
export function notAfter(activity: Activity, now: number): Activity {
  const past = <T extends { readonly at: number } | undefined>(seen: T): T =>
    seen === undefined || seen.at <= now ? seen : { ...seen, at: now };
  const { word, record, screen, heartbeat, limit, waits, now: state } = activity;
  return {
    ...activity,
    firstSeen: Math.min(activity.firstSeen, now),
    word: past(word),
    record: past(record),
    screen: past(screen),
    heartbeat: past(heartbeat),
    limit: past(limit),
    waits: waits.map(past),
    now: { ...state, since: Math.min(state.since, now) },
  };
}

function settled(activity: Activity, now: number): Activity {
  const { now: before } = activity;
  const next = verdict(activity, now);
  const stays = next.state === before.state && sameWait(next.waiting, before.waiting);
  const kept = stays ? { ...next, since: before.since, source: before.source } : next;
  return same(kept, before) ? activity : { ...activity, now: kept };
}

export function same(a: ActivityState, b: ActivityState): boolean {
  return (
    a.state === b.state &&
    a.since === b.since &&
    a.source === b.source &&
    a.confidence === b.confidence &&
    sameWait(a.waiting, b.waiting)
  );
}

export function sameWait(a: SessionWait | undefined, b: SessionWait | undefined): boolean {
  return a?.kind === b?.kind && a?.what === b?.what && a?.resetAt === b?.resetAt;
}

function take(activity: Activity, seen: Observation): Activity {
  switch (seen.kind) {
    case 'event':
      return takeEvent(activity, seen);
    case 'record':
      return takeRecord(activity, seen);
    case 'screen':
      return seen.at < (activity.screen?.at ?? 0) ? activity : { ...activity, screen: seen };
    case 'heartbeat': {
      const { at, says } = activity.heartbeat ?? {};
      return seen.at < (at ?? 0) || (seen.at === at && seen.says === says)
        ? activity
        : { ...activity, heartbeat: seen };
    }
  }
}

function takeRecord(activity: Activity, seen: RecordSeen): Activity {
  const before = activity.record;
  if (before !== undefined && seen.at < before.at) return activity;
  if (before?.at === seen.at && before.says === seen.says && sameWait(before.wait, seen.wait)) return activity;
  const waits = afterRecord(activity.waits, seen);
  // A turn that runs again shows that the limit is over.
  const limit = seen.says === 'busy' && seen.at > (activity.limit?.at ?? 0) ? undefined : activity.limit;
  const tools = seen.says === 'idle' ? [] : activity.tools;
  return { ...activity, record: seen, waits, limit, tools };
}

// ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

function takeEvent(activity: Activity, event: EventSeen): Activity {
  const { deed, at, source } = event;
  if (activity.ended !== undefined) return activity;
  if (at < (activity.word?.at ?? 0)) return takeLate(activity, event);
  switch (deed.does) {
    case 'ends':
      return { ...activity, ended: { at, source }, waits: [], tools: [], limit: undefined };
    case 'starts':
      return { ...activity, ...turnOver(activity, event), word: { says: 'idle', at, source, isStart: true } };
    case 'takes_prompt':
      return { ...activity, ...turnOver(activity, event), limit: undefined, word: { says: 'busy', at, source } };
    case 'ends_turn':
      return endTurn(activity, event, deed.background);
    case 'meets_limit':
      return meetLimit(activity, event, deed);
    case 'ends_subagent':
      return { ...activity, ...turnOver(activity, event) };
    case 'asks':
      return busy({ ...activity, waits: asked(activity.waits, event, deed.wait, deed.call, activity.record) }, event);
    case 'is_answered':
      return busy({ ...activity, answeredAt: at, waits: withoutCall(activity.waits, deed.call, event.agentId) }, event);
    case 'closes_dialog':
      return { ...activity, waits: withoutCall(activity.waits, deed.call, event.agentId) };
    case 'begins_tool':
      return beginTool(activity, event, deed.call);
    case 'ends_tool':
      return endTool(activity, event, deed.call);
  }
}

/** It was overtaken by a newer one: it can only end what that one does not know of. */
function takeLate(activity: Activity, event: EventSeen): Activity {
  const { deed } = event;
  if (deed.does !== 'ends_tool' && deed.does !== 'is_answered' && deed.does !== 'closes_dialog') return activity;
  const waits = withoutCall(activity.waits, deed.call, event.agentId);
  const tools = withoutTool(activity.tools, deed.call, event.agentId);
  const isSame = waits === activity.waits && tools === activity.tools;
  return isSame ? activity : { ...activity, waits, tools };
}

/** A subagent's doing says nothing about its parent's turn: that can be over. */
function busy(activity: Activity, { at, source, agentId }: EventSeen): Activity {
  if (agentId !== undefined && activity.word !== undefined) return activity;
  return { ...activity, word: { says: 'busy', at, source } };
}

function beginTool(activity: Activity, event: EventSeen, { tool, id, input }: ToolCall): Activity {
  const call = { agentId: event.agentId, tool, id, input: inputMark(input) };
  const tools = [...activity.tools, call].slice(-TOOLS_MAX);
  const waits = withoutUnnamed(activity.waits, event.agentId);
  return busy({ ...activity, waits, tools, tellsTools: true, limit: undefined }, event);
}

function endTool(activity: Activity, event: EventSeen, call: ToolCall): Activity {
  const waits = withoutCall(activity.waits, call, event.agentId);
  return busy({ ...activity, waits, tools: withoutTool(activity.tools, call, event.agentId) }, event);
}

function withoutTool(
  tools: readonly RunningTool[],
  call: ToolCall,
  agentId: string | undefined,
): readonly RunningTool[] {
  const own = tools.filter((one) => one.agentId === agentId && one.tool === call.tool);
  const byId = call.id === undefined ? undefined : own.find(({ id }) => id === call.id);
  const input = byId === undefined ? inputMark(call.input) : '';
  const over = byId ?? own.find((one) => one.input === input) ?? (call.id === undefined ? own[0] : undefined);
  return over === undefined ? tools : tools.filter((one) => one !== over);
}

function turnOver({ waits, tools }: Activity, { agentId }: EventSeen): Pick<Activity, 'waits' | 'tools'> {
  return { waits: withoutAgent(waits, agentId), tools: tools.filter((one) => one.agentId !== agentId) };
}

function endTurn(activity: Activity, event: EventSeen, background: boolean): Activity {
  const over = { ...activity, ...turnOver(activity, event) };
  if (event.agentId !== undefined) return over;
  const { at, source } = event;
  return { ...over, word: { says: background ? 'background' : 'idle', at, source } };
}

function meetLimit(
  activity: Activity,
  event: EventSeen,
  { notice, resetAt }: { readonly notice: string; readonly resetAt?: string | undefined },
): Activity {
  const until = resetAt ?? resetTime(notice, isoTime(event.at));
  const wait: SessionWait = {
    kind: 'rate_limit',
    what: oneLine(notice, 500) || 'a limit of its provider',
    ...(until === undefined ? {} : { resetAt: until }),
  };
  const { at, source } = event;
  return { ...endTurn(activity, event, false), limit: { at, source, wait } };
}
