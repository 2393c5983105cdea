/** Machines and agents as people and other machines see them: the store's rows with what is known of them now. */
import { IntercomError } from '../../protocol/errors.ts';
import type { Agent, Machine, MachineStatus } from '../../protocol/model.ts';
import type { HubDb } from '../store/hub-store.ts';
import { allMachines, machineById, projectsOf, sessionsOf, toMachine } from '../store/machines.ts';
import type { MachineRow } from '../store/schema.ts';
import { agentsOf } from './agents-of.ts';
import { unknownMachine } from './refusals.ts';

/** What is known of a machine now. */
export interface Now {
  isOnline(machineId: string): boolean;
  problem(machineId: string): string | undefined;
}

export async function viewMachines(db: HubDb, now: Now): Promise<Machine[]> {
  const projects = await projectsOf(db);
  const sessions = await sessionsOf(db);
  return (await allMachines(db)).map((row) =>
    shown(row, now, projects.get(row.id)?.length ?? 0, sessions.get(row.id)?.length ?? 0),
  );
}

export async function viewMachine(db: HubDb, now: Now, id: string): Promise<Machine> {
  const row = await machineById(db, id);
  if (row === undefined) throw unknownMachine(id);
  const projects = (await projectsOf(db, id)).get(id)?.length ?? 0;
  const sessions = (await sessionsOf(db, id)).get(id)?.length ?? 0;
  return shown(row, now, projects, sessions);
}

/** `filter`: all, online or machine:<id>. */
export async function viewAgents(db: HubDb, now: Now, filter: string): Promise<Agent[]> {
  const only = filter.startsWith('machine:') ? filter.slice('machine:'.length) : undefined;
  if (only === undefined && filter !== 'all' && filter !== 'online') {
    throw new IntercomError('invalid_request', `"${filter.slice(0, 60)}" is not a filter.`, {
      field: 'filter',
      next: 'Use all, online or machine:<id>.',
    });
  }
  const all = await allMachines(db);
  if (only !== undefined && !all.some((row) => row.id === only)) throw unknownMachine(only);
  const rows = all.filter(
    (row) =>
      row.revoked_at === null &&
      (only === undefined || row.id === only) &&
      (filter !== 'online' || now.isOnline(row.id)),
  );
  return agentsOf(rows, (row) => statusOf(row, now), await projectsOf(db, only), await sessionsOf(db, only));
}

function shown(row: MachineRow, now: Now, projects: number, sessions: number): Machine {
  const unreachable = now.problem(row.id);
  return {
    ...toMachine(row, statusOf(row, now), projects, sessions),
    ...(unreachable === undefined ? {} : { unreachable }),
  };
}

function statusOf(row: MachineRow, now: Now): MachineStatus {
  if (row.revoked_at !== null) return 'revoked';
  return now.isOnline(row.id) ? 'online' : 'away';
}
