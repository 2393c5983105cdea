/**
 * What machines say about their missions.
 *
 * Invariants: only the machine that has a mission says anything about it; only news of the newest run count; a state moves only along the table
 * of moves, so a repeat changes nothing and nothing runs backwards; log entries follow their numbers: those that are there are dropped, and a
 * hole is said.
 */
import type { z } from 'zod';
import { isoTime } from '../../platform/clock.ts';
import { missionCanMove, missionIsLive } from '../../protocol/mission-life.ts';
import type { MissionLogEntry, MissionLogNews, MissionNews, MissionReport } from '../../protocol/mission.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { missionById } from '../store/missions.ts';
import type { MissionChange, MissionUnit } from './unit.ts';

export type NewsResult = 'applied' | 'known' | 'stale' | 'unknown_mission';

const GLANCE: readonly MissionLogEntry['kind'][] = ['text', 'tool', 'file', 'command', 'result'];

export async function applyNews(unit: MissionUnit, machineId: string, news: MissionNews): Promise<NewsResult> {
  const row = await missionById(unit.db, news.missionId);
  // A machine learns nothing about missions that are not its own, not even that they exist.
  if (row === undefined || row.machine_id !== machineId) return 'unknown_mission';
  return news.news === 'log' ? applyLog(unit, row, news) : applyReport(unit, row, news);
}

async function applyReport(unit: MissionUnit, row: MissionRow, report: MissionReport): Promise<NewsResult> {
  const waitsHere = row.state === 'awaiting_approval' || row.state === 'denied' || row.run === 0;
  if (report.run !== row.run || waitsHere) return 'stale';
  // Its answer was lost, and it comes again behind what followed it.
  if (report.number <= row.report_number) return 'known';
  const state = report.state ?? row.state;
  if (state !== row.state && !missionCanMove(row.state, state)) return 'stale';
  const change = changeOf(row, report, state, unit.now);
  const nothingNew = Object.entries(change).every(([key, value]) => Reflect.get(row, key) === value);
  if (nothingNew && state === row.state) return 'known';
  await unit.change(row, { ...change, report_number: report.number, at: Date.parse(report.at) });
  return 'applied';
}

function changeOf(row: MissionRow, report: MissionReport, state: MissionRow['state'], now: number): MissionChange {
  const moves = state !== row.state;
  const begins = row.started_at === null && (missionIsLive(state) || state === 'completed');
  return {
    state,
    place: row.machine_id,
    placed_at: row.placed_at ?? now,
    // A reason belongs to the state that it was said with.
    reason: report.reason ?? (moves ? null : row.reason),
    position: state === 'queued' ? (report.position ?? (moves ? null : row.position)) : null,
    reset_at: state === 'rate_limited' ? timeOf(report.resetAt, moves ? null : row.reset_at) : null,
    session: report.session ?? row.session,
    path: report.path ?? row.path,
    agent: report.agent ?? row.agent,
    runtime: report.runtime ?? row.runtime,
    started_at: begins ? Math.min(Date.parse(report.at), now) : row.started_at,
    result: report.result === undefined ? row.result : JSON.stringify(report.result),
  };
}

async function applyLog(unit: MissionUnit, row: MissionRow, news: z.infer<typeof MissionLogNews>): Promise<NewsResult> {
  if (row.run === 0) return 'stale';
  const fresh: MissionLogEntry[] = [];
  let last = row.log_seq;
  for (const entry of news.entries) {
    if (entry.seq <= last) continue;
    if (entry.seq > last + 1) fresh.push(gap(entry, last + 1));
    fresh.push(entry);
    last = entry.seq;
  }
  if (fresh.length === 0) return 'known';
  const latest = fresh.findLast((entry) => GLANCE.includes(entry.kind))?.label;
  const grown = await unit.append(row, fresh);
  await unit.touch(row, { ...grown, placed_at: row.placed_at ?? unit.now, latest: latest ?? row.latest });
  return 'applied';
}

function gap(next: MissionLogEntry, from: number): MissionLogEntry {
  const count = next.seq - from;
  return {
    seq: from,
    run: next.run,
    at: next.at,
    kind: 'gap',
    label: `${count} ${count === 1 ? 'entry is' : 'entries are'} missing here`,
    detail: `Numbers ${from} to ${next.seq - 1} never came from the machine (${isoTime(Date.parse(next.at))}).`,
  };
}

function timeOf(text: string | undefined, otherwise: number | null): number | null {
  return text === undefined ? otherwise : Date.parse(text);
}
