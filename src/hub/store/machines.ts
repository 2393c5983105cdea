/** Rows of machines, their projects and their sessions. A change names its columns: what is not named stays as it is. */
import type { Updateable } from 'kysely';
import { isoTime } from '../../platform/clock.ts';
import { Project, Session, type Machine, type MachineStatus } from '../../protocol/model.ts';
import type { HubDb } from './hub-store.ts';
import type { MachineRow, MachineTable } from './schema.ts';
import { statement } from './statement.ts';

const projectKnown = statement((db, values: { machine: string; project: string }) =>
  db.selectFrom('projects').select('id').where('machine_id', '=', values.machine).where('id', '=', values.project),
);

export function machineById(db: HubDb, id: string): Promise<MachineRow | undefined> {
  return db.selectFrom('machines').selectAll().where('id', '=', id).executeTakeFirst();
}

export function allMachines(db: HubDb): Promise<MachineRow[]> {
  return db.selectFrom('machines').selectAll().orderBy('id').execute();
}

export type NewMachine = Pick<MachineRow, 'id' | 'display_name' | 'daemon_url' | 'secret' | 'joined_at'>;

/** A machine that joined; one that is known gets the new secret and address, and is no longer revoked. */
export async function admitMachine(db: HubDb, machine: NewMachine): Promise<void> {
  await db
    .insertInto('machines')
    .values({ ...machine, description: '', version: '' })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet({
        daemon_url: machine.daemon_url,
        secret: machine.secret,
        next_secret: null,
        epoch: null,
        joined_at: machine.joined_at,
        revoked_at: null,
        left_at: null,
      }),
    )
    .execute();
}

export async function changeMachine(db: HubDb, id: string, change: Updateable<MachineTable>): Promise<void> {
  await db.updateTable('machines').set(change).where('id', '=', id).execute();
}

export async function deleteMachine(db: HubDb, id: string): Promise<void> {
  await db.deleteFrom('machines').where('id', '=', id).execute();
}

/** It is on the machine's list, or a session runs in it: news of a session may come before the list that names its project. */
export async function hasProject(db: HubDb, machine: string, project: string): Promise<boolean> {
  if ((await projectKnown(db, { machine, project })).rows.length > 0) return true;
  const session = await db
    .selectFrom('sessions')
    .select('id')
    .where('machine_id', '=', machine)
    .where('project', '=', project)
    .where('ended_at', 'is', null)
    .limit(1)
    .executeTakeFirst();
  return session !== undefined;
}

export async function projectsOf(db: HubDb, machine?: string): Promise<Map<string, Project[]>> {
  let query = db.selectFrom('projects').selectAll().orderBy('machine_id').orderBy('id');
  if (machine !== undefined) query = query.where('machine_id', '=', machine);
  return grouped(await query.execute(), (row) => [row.machine_id, Project.parse(JSON.parse(row.json))]);
}

/** Makes the list of a machine's projects exactly this one. */
export async function replaceProjects(db: HubDb, machine: string, projects: readonly Project[]): Promise<void> {
  await db.deleteFrom('projects').where('machine_id', '=', machine).execute();
  for (const project of projects) {
    await db
      .insertInto('projects')
      .values({ machine_id: machine, id: project.id, json: JSON.stringify(project) })
      .onConflict((conflict) => conflict.columns(['machine_id', 'id']).doNothing())
      .execute();
  }
}

/** Live sessions; of all machines, or of one. */
export async function sessionsOf(db: HubDb, machine?: string): Promise<Map<string, Session[]>> {
  let query = db.selectFrom('sessions').selectAll().where('ended_at', 'is', null).orderBy('machine_id').orderBy('id');
  if (machine !== undefined) query = query.where('machine_id', '=', machine);
  return grouped(await query.execute(), (row) => [row.machine_id, Session.parse(JSON.parse(row.json))]);
}

/** Sessions of a project whose id begins so, ended ones included; three are enough to know that a prefix is ambiguous. */
export async function sessionsByPrefix(db: HubDb, machine: string, prefix: string): Promise<Session[]> {
  const rows = await db
    .selectFrom('sessions')
    .select('json')
    .where('machine_id', '=', machine)
    .where('id', '>=', prefix)
    .where('id', '<', `${prefix}\u{10ffff}`)
    .orderBy('ended_at')
    .limit(20)
    .execute();
  return rows.map((row) => Session.parse(JSON.parse(row.json)));
}

export async function sessionById(db: HubDb, machine: string, id: string): Promise<Session | undefined> {
  const row = await db
    .selectFrom('sessions')
    .select('json')
    .where('machine_id', '=', machine)
    .where('id', '=', id)
    .executeTakeFirst();
  return row === undefined ? undefined : Session.parse(JSON.parse(row.json));
}

export async function saveSession(db: HubDb, machine: string, session: Session, endedAt: number | null): Promise<void> {
  const json = JSON.stringify(session);
  await db
    .insertInto('sessions')
    .values({ machine_id: machine, id: session.id, project: session.project, json, ended_at: endedAt })
    .onConflict((conflict) =>
      conflict.columns(['machine_id', 'id']).doUpdateSet({ project: session.project, json, ended_at: endedAt }),
    )
    .execute();
}

/** Forgets sessions that ended before `before`, at most `limit`. */
export async function deleteSessionsBefore(db: HubDb, before: number, limit: number): Promise<void> {
  const old = await db
    .selectFrom('sessions')
    .select(['machine_id', 'id'])
    .where('ended_at', 'is not', null)
    .where('ended_at', '<', before)
    .limit(limit)
    .execute();
  for (const { machine_id, id } of old) {
    await db.deleteFrom('sessions').where('machine_id', '=', machine_id).where('id', '=', id).execute();
  }
}

/** The wire form. Never holds a secret. */
export function toMachine(row: MachineRow, status: MachineStatus, projects: number, sessions: number): Machine {
  return {
    id: row.id,
    displayName: row.display_name,
    description: row.description,
    status,
    ...(row.last_seen === null ? {} : { lastSeen: isoTime(row.last_seen) }),
    version: row.version,
    daemonUrl: row.daemon_url,
    ...(row.clock_offset_ms === null ? {} : { clockOffsetSeconds: Math.round(row.clock_offset_ms / 100) / 10 }),
    joinedAt: isoTime(row.joined_at),
    projects,
    sessions,
  };
}

function grouped<Row, V>(rows: readonly Row[], entry: (row: Row) => [string, V]): Map<string, V[]> {
  const groups = new Map<string, V[]>();
  for (const row of rows) {
    const [key, value] = entry(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
