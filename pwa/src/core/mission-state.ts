/**
 * The part of the app's state that is about missions: their list, and the logs of the opened ones. Pure.
 *
 * Invariants: a mission is replaced whole; a log is a map by number, so an entry that comes twice (by event and by page) is one entry, and the telling with more in
 * it stays; what is missing between two numbers is said on the screen and fetched, never guessed. Both are bounded.
 */
import { missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionLogEntry, MissionLogPage } from '../../../src/protocol/mission.ts';

/** Missions that are over and stay in memory; older ones are the hub's to tell. */
export const OVER_MAX = 200;
/** Opened missions whose logs stay in memory, and entries of each. */
const LOGS_MAX = 6;
export const ENTRIES_MAX = 3_000;

export interface OpenedLog {
  readonly entries: ReadonlyMap<number, MissionLogEntry>;
  /** Entries at the beginning that the hub keeps no more. */
  readonly missing: number;
}

export type Missions = ReadonlyMap<string, Mission>;
export type Logs = ReadonlyMap<string, OpenedLog>;

export function withMission(missions: Missions, mission: Mission): Missions {
  const changed = new Map(missions);
  changed.set(mission.id, mission);
  return boundedMissions(changed);
}

/** What an answer of the hub tells of a mission; what an event told of it since it was asked is at least as new, and stays. */
export function answerInto(missions: Missions, whenAsked: Missions | undefined, mission: Mission): Missions {
  return missions.get(mission.id) === whenAsked?.get(mission.id) ? withMission(missions, mission) : missions;
}

export function boundedMissions(missions: Missions): Missions {
  const over = [...missions.values()].filter(({ state }) => missionIsOver(state));
  if (over.length <= OVER_MAX) return missions;
  const drop = new Set(
    over
      .sort(newestFirst)
      .slice(OVER_MAX)
      .map(({ id }) => id),
  );
  return new Map([...missions].filter(([id]) => !drop.has(id)));
}

/** From now on what events bring is kept; the pages that are fetched meanwhile meet it there. */
export function openLog(logs: Logs, id: string): Logs {
  return logs.has(id) ? logs : put(logs, id, [], 0);
}

/** A page of the log, or what an event brought; only of missions whose log is open. */
export function entriesInto(logs: Logs, id: string, entries: readonly MissionLogEntry[]): Logs {
  const known = logs.get(id);
  return known === undefined ? logs : put(logs, id, entries, known.missing);
}

export function pageInto(logs: Logs, id: string, page: MissionLogPage): Logs {
  const known = logs.get(id);
  const first = page.entries[0]?.seq ?? 1;
  const isBeginning = known === undefined || [...known.entries.keys()].every((seq) => seq >= first);
  return put(logs, id, page.entries, isBeginning ? page.missing : known.missing);
}

/** The log in order. */
export function sortedEntries(log: OpenedLog): MissionLogEntry[] {
  return [...log.entries.values()].sort((a, b) => a.seq - b.seq);
}

/** The number after which entries are missing although the mission has them; undefined when there are none. */
export function holeAfter(log: OpenedLog, last: number): number | undefined {
  let before = log.missing;
  for (const { seq } of sortedEntries(log)) {
    if (seq > before + 1) return before;
    before = Math.max(before, seq);
  }
  return before < last ? before : undefined;
}

/** Live ones first, each part newest first. */
export function sortedMissions(missions: Missions): { readonly live: Mission[]; readonly over: Mission[] } {
  const all = [...missions.values()].sort(newestFirst);
  return {
    live: all.filter(({ state }) => !missionIsOver(state)),
    over: all.filter(({ state }) => missionIsOver(state)),
  };
}

function put(logs: Logs, id: string, entries: readonly MissionLogEntry[], missing: number): Logs {
  const merged = new Map(logs.get(id)?.entries);
  for (const entry of entries) {
    const known = merged.get(entry.seq);
    if (known?.detail === undefined || entry.detail !== undefined) merged.set(entry.seq, entry);
  }
  const numbers = [...merged.keys()].sort((a, b) => a - b);
  const dropped = numbers.slice(0, Math.max(0, numbers.length - ENTRIES_MAX));
  for (const seq of dropped) merged.delete(seq);
  const changed = new Map(logs);
  changed.delete(id);
  changed.set(id, { entries: merged, missing: Math.max(missing, dropped.at(-1) ?? 0) });
  for (const oldest of changed.keys()) {
    if (changed.size <= LOGS_MAX) break;
    changed.delete(oldest);
  }
  return changed;
}

function newestFirst(a: Mission, b: Mission): number {
  return a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : a.id < b.id ? 1 : -1;
}
