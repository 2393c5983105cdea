/**
 * Sessions in the order in which a person wants to see them, and the list of everything that waits for that person. Pure.
 *
 * Invariants: whatever waits is in the list of what waits, always: there is no way to put it away but to answer it. Oldest first, so that a new
 * one moves nothing that a finger is about to touch. Sessions that do not wait are ordered by name inside their group: a state that changes
 * back and forth moves no row.
 */
import type { Agent, Approval, Session } from '../../../src/protocol/model.ts';
import { sessionKeyOf } from './addresses.ts';
import { sessionKey } from './session-key.ts';
import { pendingApprovals, type MeshState } from './state.ts';

/**
 * waiting: for a person · stalled: said to work and silent · limited: of its provider, until a time · working, idle: as said · unknown: nobody
 * can say · away: its machine is away, and what was heard last may be old.
 */
export const SESSION_GROUPS = ['waiting', 'stalled', 'limited', 'working', 'idle', 'unknown', 'away'] as const;
export type SessionGroup = (typeof SESSION_GROUPS)[number];

export interface SessionRow {
  /** `machine#session`. */
  readonly key: string;
  /** The agent address, `machine/project`. */
  readonly address: string;
  readonly machine: string;
  readonly machineName: string;
  readonly session: Session;
  readonly group: SessionGroup;
}

export type WaitingItem =
  | {
      readonly kind: 'approval';
      readonly id: string;
      readonly since: string;
      readonly approval: Approval;
      /** The session that asks, where one does and it is here. */
      readonly row: SessionRow | undefined;
    }
  /** It waits, and nothing from afar can answer it. */
  | { readonly kind: 'session'; readonly id: string; readonly since: string; readonly row: SessionRow };

export type Grouping = 'state' | 'project' | 'machine';

export interface SessionPart {
  readonly key: string;
  readonly title: string;
  readonly rows: readonly SessionRow[];
  /** How many of this part wait; they are shown above, with their cards. */
  readonly waiting: number;
}

/** The live sessions of the mesh. */
export function sessionRows(state: MeshState): SessionRow[] {
  const rows: SessionRow[] = [];
  for (const agent of state.agents.values()) {
    if (agent.machineStatus === 'revoked') continue;
    for (const session of agent.sessions) {
      if (session.state === 'ended') continue;
      rows.push({
        key: sessionKey(agent.machine, session.id),
        address: agent.address,
        machine: agent.machine,
        machineName: agent.machineName,
        session,
        group: groupOf(agent, session),
      });
    }
  }
  return rows.sort(byName);
}

function groupOf(agent: Agent, session: Session): SessionGroup {
  if (agent.machineStatus !== 'online') return 'away';
  switch (session.state) {
    case 'waiting':
      return session.waiting?.kind === 'rate_limit' ? 'limited' : 'waiting';
    case 'starting':
    case 'working':
    case 'thinking':
      return session.stalledSince === undefined ? 'working' : 'stalled';
    case 'idle':
      return 'idle';
    case 'unknown':
    case 'ended':
      return 'unknown';
  }
}

/** Everything that waits for a person, oldest first: all approvals, and the sessions that wait without one. */
export function waitingItems(state: MeshState, rows: readonly SessionRow[]): WaitingItem[] {
  const byKey = new Map(rows.map((row) => [row.key, row]));
  const asked = new Set<string>();
  const items: WaitingItem[] = pendingApprovals(state).map((approval) => {
    const key = askingSession(approval);
    if (key !== undefined) asked.add(key);
    const row = key === undefined ? undefined : byKey.get(key);
    return { kind: 'approval', id: approval.id, since: approval.createdAt, approval, row };
  });
  for (const row of rows) {
    if (row.group !== 'waiting' || asked.has(row.key)) continue;
    items.push({ kind: 'session', id: row.key, since: row.session.stateSince, row });
  }
  return items.sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : a.id < b.id ? -1 : 1));
}

/** How many things wait, also those whose cards are not here yet. */
export function waitingCount(state: MeshState): number {
  return waitingItems(state, sessionRows(state)).length + (state.unlisted?.count ?? 0);
}

/** The session that waits for this approval: it asks about itself. Messages and launches are not waits of a session. */
export function askingSession({ subject }: Approval): string | undefined {
  return subject.kind === 'tool' || subject.kind === 'question' ? sessionKeyOf(subject.from) : undefined;
}

const GROUP_TITLE: Readonly<Record<SessionGroup, string>> = {
  waiting: 'Waiting',
  stalled: 'Silent',
  limited: 'At a limit',
  working: 'At work',
  idle: 'Idle',
  unknown: 'State unknown',
  away: 'Machine away',
};

/** The sessions that do not wait, in parts with a title each. */
export function sessionParts(rows: readonly SessionRow[], grouping: Grouping): SessionPart[] {
  const parts = new Map<string, { title: string; rows: SessionRow[]; waiting: number }>();
  const place = (row: SessionRow): [string, string] => {
    if (grouping === 'state') return [row.group, GROUP_TITLE[row.group]];
    if (grouping === 'machine') return [row.machine, row.machineName];
    return [row.session.project, row.session.project];
  };
  for (const row of rows) {
    const [key, title] = place(row);
    const part = parts.get(key) ?? { title, rows: [], waiting: 0 };
    parts.set(key, part);
    if (row.group === 'waiting') part.waiting += 1;
    else part.rows.push(row);
  }
  const all = [...parts].map(([key, part]) => ({ key, ...part, rows: part.rows.sort(byGroup) }));
  if (grouping !== 'state') return all.sort((a, b) => a.title.localeCompare(b.title) || (a.key < b.key ? -1 : 1));
  const rank = (key: string) => SESSION_GROUPS.findIndex((group) => group === key);
  return all.filter((part) => part.rows.length > 0).sort((a, b) => rank(a.key) - rank(b.key));
}

function byGroup(a: SessionRow, b: SessionRow): number {
  return SESSION_GROUPS.indexOf(a.group) - SESSION_GROUPS.indexOf(b.group) || byName(a, b);
}

function byName(a: SessionRow, b: SessionRow): number {
  return a.address < b.address ? -1 : a.address > b.address ? 1 : a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
