/** A small mesh in the app's memory, made as the app makes it: from a snapshot and events. */
import type { HubEvent, NewHubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Agent, Approval, Machine, Session } from '../../../src/protocol/model.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';
import { applyEvent, fromSnapshot, type MeshState } from '../../../pwa/src/core/state.ts';

export const T0 = Date.parse('2026-03-01T10:00:00.000Z');
export const time = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

export function machine(id: string, status: Machine['status'] = 'online'): Machine {
  return {
    id,
    displayName: `The ${id}`,
    description: '',
    status,
    version: '',
    daemonUrl: '',
    joinedAt: time(0),
    projects: 1,
    sessions: 1,
  };
}

export function session(id: string, state: Session['state'], over: Partial<Session> = {}): Session {
  return {
    id,
    project: 'shop',
    agent: 'claude',
    cwd: '/shop',
    state,
    stateSince: time(0),
    startedAt: time(0),
    managed: false,
    rung: 'hooks',
    ...over,
  };
}

export function agent(of: Machine, project: string, sessions: readonly Session[]): Agent {
  return {
    address: `${of.id}/${project}`,
    machine: of.id,
    machineName: of.displayName,
    machineStatus: of.status,
    project: {
      id: project,
      description: '',
      capabilities: [],
      tags: [],
      path: `/${project}`,
      agent: 'claude',
      source: 'discovered',
    },
    sessions: [...sessions],
  };
}

export function permission(from: string, at: number, over: Partial<Approval> = {}): Approval {
  return {
    id: newId('approval', T0 + at * 1000),
    kind: 'tool',
    state: 'pending',
    subject: {
      kind: 'tool',
      from,
      agent: 'claude',
      tool: 'Bash',
      summary: 'npm publish',
      input: 'npm publish',
      cut: false,
      cwd: '/shop',
      suggestions: [],
    },
    shownHash: 'a'.repeat(64),
    rule: 'default',
    scopes: ['once'],
    createdAt: time(at),
    expiresAt: time(9999),
    ...over,
  };
}

export function mesh(over: Partial<Snapshot> = {}): MeshState {
  return fromSnapshot({
    ...{ epoch: 'e', seq: 0, at: time(0), me: { name: 'nora', role: 'owner' } },
    ...{ machines: [], agents: [], approvals: [], pendingMore: 0, threads: [], grants: [], notices: [] },
    ...{ missions: [], usage: { sessions: [], machines: [] }, announcements: [] },
    ...over,
  });
}

export function numbered(state: MeshState, event: NewHubEvent): HubEvent {
  return { ...event, seq: state.seq + 1, at: time(state.seq) };
}

export function after(state: MeshState, event: NewHubEvent): MeshState {
  return applyEvent(state, numbered(state, event));
}
