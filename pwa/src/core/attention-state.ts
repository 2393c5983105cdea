/**
 * The part of the app's state that is about attention: what sessions and machines used, what agents announced, which waits began or ended. Pure.
 *
 * Invariants: a session's and a machine's figures are replaced whole, never added up here; every collection has a bound and drops the oldest.
 */
import type { Announcement, MachineUsage, SessionUsage, UsageReport, Wait } from '../../../src/protocol/attention.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';
import { sessionKey } from './session-key.ts';

/** Sessions whose figures stay in memory; the ones that were told of longest ago go first. */
export const USED_MAX = 2_000;
export const ANNOUNCED_MAX = 50;
/** Waits that events told of and that the history may show without asking. */
export const WAITS_MAX = 200;

export interface AttentionState {
  /** By `machine#session`. */
  readonly sessions: ReadonlyMap<string, SessionUsage>;
  /** By machine, one per agent program. */
  readonly machines: ReadonlyMap<string, readonly MachineUsage[]>;
  /** Newest first. */
  readonly announcements: readonly Announcement[];
  /** By id, in the order of their news. */
  readonly waits: ReadonlyMap<string, Wait>;
}

export function attentionOf({ usage, announcements }: Snapshot): AttentionState {
  const machines = new Map<string, readonly MachineUsage[]>();
  for (const { machine, ...used } of usage.machines) {
    machines.set(machine, withAgent(machines.get(machine) ?? [], used));
  }
  return {
    sessions: bounded(new Map(usage.sessions.map((used) => [sessionKey(used.machine, used.session), used])), USED_MAX),
    machines,
    announcements: announcements.slice(0, ANNOUNCED_MAX),
    waits: new Map(),
  };
}

export function usageInto(state: AttentionState, machine: string, report: UsageReport): AttentionState {
  const sessions = new Map(state.sessions);
  for (const used of report.sessions) put(sessions, sessionKey(machine, used.session), used);
  if (report.machine.length === 0) return { ...state, sessions: bounded(sessions, USED_MAX) };
  const machines = new Map(state.machines);
  machines.set(machine, report.machine.reduce(withAgent, machines.get(machine) ?? []));
  return { ...state, sessions: bounded(sessions, USED_MAX), machines };
}

export function announcementInto(state: AttentionState, announcement: Announcement): AttentionState {
  const others = state.announcements.filter(({ id }) => id !== announcement.id);
  return { ...state, announcements: [announcement, ...others].slice(0, ANNOUNCED_MAX) };
}

export function waitInto(state: AttentionState, wait: Wait): AttentionState {
  const waits = new Map(state.waits);
  put(waits, wait.id, wait);
  return { ...state, waits: bounded(waits, WAITS_MAX) };
}

/** A page of waits with what events told since; newest first. Of two tellings of one wait the one that knows its end stays. */
export function newestWaits(page: readonly Wait[], told: ReadonlyMap<string, Wait>): Wait[] {
  const merged = new Map(page.map((wait) => [wait.id, wait]));
  for (const [id, wait] of told) if (merged.get(id)?.until === undefined) merged.set(id, wait);
  return [...merged.values()].sort((a, b) => (a.since < b.since ? 1 : a.since > b.since ? -1 : a.id < b.id ? 1 : -1));
}

function withAgent(all: readonly MachineUsage[], used: MachineUsage): readonly MachineUsage[] {
  return [...all.filter(({ agent }) => agent !== used.agent), used].sort((a, b) => (a.agent < b.agent ? -1 : 1));
}

/** Puts it last, also when it is there already. */
function put<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}

function bounded<T>(map: Map<string, T>, max: number): ReadonlyMap<string, T> {
  for (const oldest of map.keys()) {
    if (map.size <= max) break;
    map.delete(oldest);
  }
  return map;
}
