/** Rows of usage: the newest report of each session, and of each agent program of a machine. They go with their machine. */
import { MachineUsage, SessionUsage } from '../../protocol/attention.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import type { UsageRow } from './attention-schema.ts';
import type { HubDb } from './hub-store.ts';
import { statement } from './statement.ts';

/** Sessions of one machine of which usage is kept; the oldest go. */
const PER_MACHINE = 4_000;
/** Sessions in a snapshot. */
const SHOWN_MAX = 2_000;
const PROGRAM = 'agent:';

const rowOf = statement((db, values: { machine: string; subject: string }) =>
  db
    .selectFrom('usage')
    .select(['json', 'at'])
    .where('machine_id', '=', values.machine)
    .where('subject', '=', values.subject),
);

/** Stores what is newer than what was known. `known`: it is not. */
export async function saveUsage(db: HubDb, row: UsageRow): Promise<'new' | 'newer' | 'known'> {
  const [known] = (await rowOf(db, { machine: row.machine_id, subject: row.subject })).rows;
  if (known !== undefined && (known.at > row.at || known.json === row.json)) return 'known';
  const { json, at } = row;
  await db
    .insertInto('usage')
    .values(row)
    .onConflict((conflict) => conflict.columns(['machine_id', 'subject']).doUpdateSet({ json, at }))
    .execute();
  return known === undefined ? 'new' : 'newer';
}

export function programSubject(agent: string): string {
  return `${PROGRAM}${agent}`;
}

/** Keeps a machine from filling the table. */
export async function boundUsage(db: HubDb, machine: string): Promise<void> {
  const over = await db
    .selectFrom('usage')
    .select('subject')
    .where('machine_id', '=', machine)
    .orderBy('at', 'desc')
    .offset(PER_MACHINE)
    .limit(1_000)
    .execute();
  for (const { subject } of over) {
    await db.deleteFrom('usage').where('machine_id', '=', machine).where('subject', '=', subject).execute();
  }
}

/** Of the sessions that live, and of all machines. */
export async function shownUsage(db: HubDb): Promise<Snapshot['usage']> {
  const sessions = await db
    .selectFrom('usage')
    .innerJoin('sessions', (join) =>
      join.onRef('sessions.machine_id', '=', 'usage.machine_id').onRef('sessions.id', '=', 'usage.subject'),
    )
    .select(['usage.machine_id as machine', 'usage.json as json'])
    .where('sessions.ended_at', 'is', null)
    .orderBy('usage.at', 'desc')
    .limit(SHOWN_MAX)
    .execute();
  const programs = await db
    .selectFrom('usage')
    .select(['machine_id as machine', 'json'])
    .where('subject', '>=', PROGRAM)
    .where('subject', '<', `${PROGRAM}\u{10ffff}`)
    .orderBy('machine_id')
    .orderBy('subject')
    .limit(SHOWN_MAX)
    .execute();
  return {
    sessions: sessions.map(({ machine, json }) => ({ ...SessionUsage.parse(JSON.parse(json)), machine })),
    machines: programs.map(({ machine, json }) => ({ ...MachineUsage.parse(JSON.parse(json)), machine })),
  };
}

/** Forgets what was last told before `before`, but of sessions that live: the weeks of machines are over by then. At most `limit`. */
export async function deleteUsageBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const old = await db
    .selectFrom('usage')
    .leftJoin('sessions', (join) =>
      join.onRef('sessions.machine_id', '=', 'usage.machine_id').onRef('sessions.id', '=', 'usage.subject'),
    )
    .select(['usage.machine_id as machine', 'usage.subject as subject'])
    .where('usage.at', '<', before)
    .where((where) => where.or([where('sessions.id', 'is', null), where('sessions.ended_at', 'is not', null)]))
    .limit(limit)
    .execute();
  for (const { machine, subject } of old) {
    await db.deleteFrom('usage').where('machine_id', '=', machine).where('subject', '=', subject).execute();
  }
  return old.length;
}
