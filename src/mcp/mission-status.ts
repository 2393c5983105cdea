/**
 * How a mission stands, as an agent is told: never more than what is known, the result as the agent there gave it, its log in pages. What another
 * agent wrote is marked as such.
 */
import { z } from 'zod';
import { MISSION_STATES, missionIsOver, type MissionState } from '../protocol/mission-life.ts';
import type { Mission, MissionLogEntry } from '../protocol/mission.ts';
import { optional } from './tool.ts';
import type { ToolCall } from './tool.ts';
import { patiently } from './waiting.ts';
import { PEER_NOTE, TEXT_PAGE, pageOf, quoted } from './words.ts';

const ResultShape = z.object({
  text: z.string(),
  /** The text is longer: intercom_status with this offset gives the rest. */
  next_offset: z.number().optional(),
  is_error: z.boolean(),
  exit_code: z.number().optional(),
  cost_usd: z.number().optional(),
  turns: z.number().optional(),
  duration_ms: z.number(),
  branch: z.string().optional(),
  diff_stat: z.string().optional(),
});

/** What is known about one mission. */
export const MissionShape = z.object({
  mission_id: z.string(),
  thread_id: z.string(),
  to: z.string(),
  agent: z.string(),
  state: z.string(),
  since: z.string(),
  place: z.string(),
  run: z.number(),
  summary: z.string(),
  next: z.string().optional(),
  reason: z.string().optional(),
  rule: z.string().optional(),
  decided_by: z.string().optional(),
  position: z.number().optional(),
  session: z.string().optional(),
  latest: z.string().optional(),
  result: ResultShape.optional(),
});
export type MissionShape = z.infer<typeof MissionShape>;

export const LogShape = z.object({
  n: z.number(),
  at: z.string(),
  kind: z.string(),
  label: z.string(),
  detail: z.string().optional(),
  ok: z.boolean().optional(),
});

/** Characters of details in one page of a log. */
const DETAILS_MAX = 20_000;
const DETAIL_MAX = 1_000;

/** Of these states a mission moves on by itself. */
export const UNDER_WAY: readonly MissionState[] = MISSION_STATES.filter(
  (state) => !missionIsOver(state) && state !== 'paused',
);

/** Waits up to `seconds` until the mission is over (or paused by a person); the newest that was learned comes back. */
export function waitForMission(call: ToolCall, first: Mission, seconds: number): Promise<Mission> {
  return patiently(call, first, seconds, {
    isSettled: ({ state }) => !UNDER_WAY.includes(state),
    words: ({ id, state, latest }) => `${id}: ${state.replace('_', ' ')}${latest === undefined ? '' : ` · ${latest}`}`,
    next: ({ id }, slice) => call.client.mission(id, { seconds: slice, unless: UNDER_WAY, signal: call.signal }),
  });
}

export async function missionStatus(
  call: ToolCall,
  id: string,
  seconds: number,
  offset: number,
): Promise<{ structured: MissionShape; text: string }> {
  const mission = await waitForMission(call, await call.client.mission(id), seconds);
  return told(mission, offset);
}

/** The mission in words, with a page of its result. */
export function told(mission: Mission, offset = 0): { structured: MissionShape; text: string } {
  const structured = missionShape(mission, offset);
  const { result, next } = structured;
  const lines = [`${mission.id} on ${structured.to}: ${structured.summary}`];
  if (result !== undefined) lines.push(PEER_NOTE, quoted(result.text));
  if (result?.next_offset !== undefined) lines.push(`It goes on: intercom_status with offset ${result.next_offset}.`);
  if (result?.diff_stat !== undefined)
    lines.push(`Changes on ${result.branch ?? 'its branch'}:`, quoted(result.diff_stat));
  if (next !== undefined) lines.push(next);
  return { structured, text: lines.join('\n') };
}

export function missionShape(mission: Mission, offset = 0): MissionShape {
  const { session } = mission;
  const address = `${mission.machine}/${mission.project}`;
  return {
    mission_id: mission.id,
    thread_id: mission.threadId,
    to: address,
    agent: mission.agent,
    state: mission.state,
    since: mission.stateSince,
    place: mission.place,
    run: mission.run,
    summary: sentence(mission),
    ...optional('next', whatNext(mission)),
    ...optional('reason', mission.reason),
    ...optional('rule', mission.rule),
    ...optional('decided_by', mission.approvedBy),
    ...optional('position', mission.position),
    ...optional('session', session === undefined ? undefined : `${address}#${session}`),
    ...optional('latest', mission.latest),
    ...optional('result', resultShape(mission, offset)),
  };
}

function resultShape({ result }: Mission, offset: number): z.infer<typeof ResultShape> | undefined {
  if (result === undefined) return undefined;
  const page = pageOf(result.text, offset);
  return {
    text: page.text,
    ...optional('next_offset', page.next),
    is_error: result.isError,
    ...optional('exit_code', result.exitCode),
    ...optional('cost_usd', result.costUsd),
    ...optional('turns', result.turns),
    duration_ms: result.durationMs,
    ...optional('branch', result.branch),
    ...optional('diff_stat', result.diffStat?.slice(0, TEXT_PAGE)),
  };
}

/** One sentence: how it stands, and no more than that. */
function sentence(mission: Mission): string {
  const why = mission.reason === undefined ? '' : ` (${mission.reason})`;
  const by = mission.approvedBy === undefined ? '' : ` by ${mission.approvedBy}`;
  switch (mission.state) {
    case 'awaiting_approval':
      return `A person has to approve it first${why}. Nothing was started yet.`;
    case 'queued':
      if (mission.place === 'hub')
        return `Allowed${by}; it waits for the machine ${mission.machine}${why}. Nothing was started yet.`;
      return mission.position === undefined
        ? `Allowed${by}; ${mission.machine} has it and starts it in its turn${why}.`
        : `Allowed${by}; it is number ${mission.position} in the queue of ${mission.machine}${why}.`;
    case 'starting':
      return `${mission.agent} is being started${why}.`;
    case 'running':
      return `${mission.agent} works on it${why}.`;
    case 'waiting_human':
      return `${mission.agent} waits for a person${why}.`;
    case 'rate_limited':
      return `The model's provider refuses for now${mission.resetAt === undefined ? '' : ` until ${mission.resetAt}`}${why}; it goes on by itself.`;
    case 'paused':
      return `A person paused it${why}.`;
    case 'completed':
      return mission.result?.isError === true
        ? `It ended, and ${mission.agent} says that it failed${why}.`
        : `Completed${why}.`;
    case 'failed':
      return `Failed${why}.`;
    case 'cancelled':
      return `Cancelled${why}.`;
    case 'timed_out':
      return `It took too long and was ended${why}.`;
    case 'denied':
      return `Denied${by}${why}. Nothing was started.`;
    case 'lost':
      return `Its agent is gone, and nobody saw how it ended${why}.`;
  }
}

function whatNext(mission: Mission): string | undefined {
  const { id, state } = mission;
  if (state === 'denied')
    return 'A person or a rule said no. Do not ask again in other words; go on without it or ask your user.';
  if (state === 'completed') return undefined;
  if (missionIsOver(state)) return `intercom_history with ${id} shows what it did.`;
  if (state === 'paused') return 'Only a person can let it go on.';
  const comes = mission.notify === true ? 'You will be told when it is over; ' : '';
  return `Do not start it again. ${comes}intercom_wait with ${id} waits for the result; intercom_cancel ends it.`;
}

export interface HistoryAnswer {
  readonly structured: {
    readonly thread_id: string;
    readonly mission_id: string;
    readonly messages: never[];
    readonly entries: z.infer<typeof LogShape>[];
    readonly more: boolean;
    readonly next_offset?: number;
    readonly note: string;
  };
  readonly text: string;
}

/** A page of a mission's log: the newest entries, or those after the number `offset`. */
export async function missionHistory(
  call: ToolCall,
  id: string,
  page: { readonly limit: number; readonly offset: number },
): Promise<HistoryAnswer> {
  const mission = await call.client.mission(id);
  const after = page.offset > 0 ? page.offset : Math.max(0, mission.logSeq - page.limit);
  const log = await call.client.missionLog(id, { after, limit: page.limit });
  const entries = shortened(log.entries);
  const last = entries.at(-1)?.n;
  const missing = log.missing === 0 ? [] : [`${log.missing} entries before these are not shown.`];
  const more = log.more && last !== undefined ? [`Newer ones: offset ${last}.`] : [];
  return {
    structured: {
      thread_id: mission.threadId,
      mission_id: id,
      messages: [],
      entries,
      more: log.more,
      ...(log.more && last !== undefined ? { next_offset: last } : {}),
      note: PEER_NOTE,
    },
    text: [
      `${id} on ${mission.machine}/${mission.project}, ${mission.state}. ${PEER_NOTE}`,
      ...missing,
      ...entries.map(line),
      ...more,
    ].join('\n'),
  };
}

function shortened(entries: readonly MissionLogEntry[]): z.infer<typeof LogShape>[] {
  let room = DETAILS_MAX;
  return entries.map((entry) => {
    const detail = entry.detail?.slice(0, Math.min(DETAIL_MAX, Math.max(0, room)));
    room -= detail?.length ?? 0;
    return {
      n: entry.seq,
      at: entry.at,
      kind: entry.kind,
      label: entry.label,
      ...optional('detail', detail === '' ? undefined : detail),
      ...optional('ok', entry.ok),
    };
  });
}

function line(entry: z.infer<typeof LogShape>): string {
  const failed = entry.ok === false ? ' (failed)' : '';
  const detail = entry.detail === undefined ? '' : `\n${quoted(entry.detail)}`;
  return `${entry.n} ${entry.at} ${entry.kind}: ${entry.label}${failed}${detail}`;
}
