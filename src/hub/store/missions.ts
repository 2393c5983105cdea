/** Rows of missions and of their logs. A mission is changed only by compare-and-set of its `version`. */
import { z } from 'zod';
import { isoTime } from '../../platform/clock.ts';
import {
  AgentOffer,
  Isolation,
  MissionLimits,
  MissionLogKind,
  MissionResult,
  type Mission,
  type MissionLogEntry,
} from '../../protocol/mission.ts';
import { MISSION_STATES, missionIsOver, type MissionState } from '../../protocol/mission-life.ts';
import { SessionId } from '../../protocol/address.ts';
import type { HubDb } from './hub-store.ts';
import type { MissionLogRow, MissionRow } from './mission-schema.ts';

const Flags = z.array(z.string());
const Offers = z.array(AgentOffer);
const OVER = MISSION_STATES.filter(missionIsOver);
const LIVE = MISSION_STATES.filter((state) => !missionIsOver(state));

/** What a run goes on with. */
export const Resume = z.object({ session: SessionId, text: z.string(), fork: z.boolean().default(false) });
export type Resume = z.infer<typeof Resume>;

export type NewMission = Omit<MissionRow, 'seq'>;

export async function insertMission(db: HubDb, row: NewMission): Promise<MissionRow> {
  const { insertId } = await db.insertInto('missions').values(row).executeTakeFirstOrThrow();
  return { ...row, seq: Number(insertId) };
}

/** False: it changed meanwhile. */
export async function updateMission(db: HubDb, row: MissionRow, version: number): Promise<boolean> {
  const { seq, id, ...fields } = row;
  const { numUpdatedRows } = await db
    .updateTable('missions')
    .set(fields)
    .where('seq', '=', seq)
    .where('id', '=', id)
    .where('version', '=', version)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export function missionById(db: HubDb, id: string): Promise<MissionRow | undefined> {
  return db.selectFrom('missions').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Those whose id begins so; two are enough to know that a prefix is ambiguous. */
export function missionsByPrefix(db: HubDb, prefix: string): Promise<MissionRow[]> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('id', '>=', prefix)
    .where('id', '<', `${prefix}\u{10ffff}`)
    .orderBy('id')
    .limit(2)
    .execute();
}

export function missionByKey(db: HubDb, requester: string, key: string): Promise<MissionRow | undefined> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('requester_agent', '=', requester)
    .where('idempotency_key', '=', key)
    .executeTakeFirst();
}

/** The mission that answers this question. */
export function missionAnswering(db: HubDb, messageId: string): Promise<MissionRow | undefined> {
  return db.selectFrom('missions').selectAll().where('answers', '=', messageId).executeTakeFirst();
}

/** The newest mission of a session. */
export function missionInSession(db: HubDb, machine: string, session: string): Promise<MissionRow | undefined> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('session', '=', session)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();
}

/** Missions of a project that are not over. */
export function liveMissionsIn(db: HubDb, machine: string, project: string): Promise<MissionRow[]> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('project', '=', project)
    .where('state', 'not in', OVER)
    .execute();
}

export function liveMissionsOn(db: HubDb, machine: string): Promise<MissionRow[]> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('state', 'not in', OVER)
    .orderBy('seq')
    .execute();
}

/** What agents of this machine asked for and nobody decided. */
export function undecidedMissionsOf(db: HubDb, requesterMachine: string): Promise<MissionRow[]> {
  return db
    .selectFrom('missions')
    .selectAll()
    .where('requester_machine', '=', requesterMachine)
    .where('state', '=', 'awaiting_approval')
    .execute();
}

export async function countLive(
  db: HubDb,
  of: { readonly machine: string } | { readonly requester: string },
): Promise<number> {
  let query = db
    .selectFrom('missions')
    .select((select) => select.fn.countAll<number>().as('n'))
    .where('state', 'not in', OVER);
  query =
    'machine' in of ? query.where('machine_id', '=', of.machine) : query.where('requester_agent', '=', of.requester);
  return (await query.executeTakeFirst())?.n ?? 0;
}

export async function missionCounts(db: HubDb): Promise<Map<MissionState, number>> {
  const rows = await db
    .selectFrom('missions')
    .select((select) => ['state', select.fn.countAll<number>().as('n')])
    .where('state', 'in', LIVE)
    .groupBy('state')
    .execute();
  return new Map(rows.map((row) => [row.state, row.n]));
}

export interface MissionPage {
  readonly limit: number;
  readonly beforeSeq: number | undefined;
  readonly state: MissionState | 'live' | 'over' | undefined;
  /** Only what this machine asked for or runs. */
  readonly machine: string | undefined;
}

export function missionPage(db: HubDb, page: MissionPage): Promise<MissionRow[]> {
  let query = db.selectFrom('missions').selectAll().orderBy('seq', 'desc').limit(page.limit);
  if (page.beforeSeq !== undefined) query = query.where('seq', '<', page.beforeSeq);
  if (page.state === 'live') query = query.where('state', 'not in', OVER);
  else if (page.state === 'over') query = query.where('state', 'in', OVER);
  else if (page.state !== undefined) query = query.where('state', '=', page.state);
  const { machine } = page;
  if (machine !== undefined) {
    query = query.where((where) =>
      where.or([where('machine_id', '=', machine), where('requester_machine', '=', machine)]),
    );
  }
  return query.execute();
}

// ── the log ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function bytesOf(entry: MissionLogEntry): number {
  return Buffer.byteLength(entry.label) + Buffer.byteLength(entry.detail ?? '') + 100;
}

export async function insertLogEntry(db: HubDb, mission: string, entry: MissionLogEntry): Promise<void> {
  await db
    .insertInto('mission_log')
    .values({
      mission_id: mission,
      seq: entry.seq,
      run: entry.run,
      at: Date.parse(entry.at),
      kind: entry.kind,
      label: entry.label,
      detail: entry.detail ?? null,
      ok: entry.ok === undefined ? null : Number(entry.ok),
      bytes: bytesOf(entry),
    })
    .execute();
}

/** Entries after `after`, oldest first. */
export async function logEntries(db: HubDb, mission: string, after: number, limit: number): Promise<MissionLogEntry[]> {
  const rows = await db
    .selectFrom('mission_log')
    .selectAll()
    .where('mission_id', '=', mission)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map(toEntry);
}

/** The oldest entries, for the caps. */
export async function oldestLogEntries(
  db: HubDb,
  mission: string,
  limit: number,
): Promise<{ seq: number; bytes: number }[]> {
  return db
    .selectFrom('mission_log')
    .select(['seq', 'bytes'])
    .where('mission_id', '=', mission)
    .orderBy('seq')
    .limit(limit)
    .execute();
}

export async function deleteLogThrough(db: HubDb, mission: string, seq: number): Promise<void> {
  await db.deleteFrom('mission_log').where('mission_id', '=', mission).where('seq', '<=', seq).execute();
}

/** Missions with entries that were not told as an event yet. */
export async function untoldMissions(db: HubDb, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('missions')
    .select('id')
    .where((where) => where('told_seq', '<', where.ref('log_seq')))
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/** Says that the log was told so far. No part of the mission's life, so its version stays. */
export async function setTold(db: HubDb, id: string, seq: number): Promise<void> {
  await db.updateTable('missions').set({ told_seq: seq }).where('id', '=', id).execute();
}

/** Deletes at most `limit` missions (with their logs) that ended before `before`. */
export async function deleteMissionsBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const old = await db
    .selectFrom('missions')
    .select('seq')
    .where('ended_at', 'is not', null)
    .where('ended_at', '<', before)
    .where('state', 'in', OVER)
    .limit(limit)
    .execute();
  if (old.length === 0) return 0;
  const seqs = old.map((row) => row.seq);
  await db.deleteFrom('missions').where('seq', 'in', seqs).execute();
  return old.length;
}

// ── what machines can start ──────────────────────────────────────────────────────────────────────────────────────────────

export async function saveOffers(db: HubDb, machine: string, offers: readonly AgentOffer[]): Promise<void> {
  const json = JSON.stringify(offers);
  await db
    .insertInto('offers')
    .values({ machine_id: machine, json })
    .onConflict((conflict) => conflict.column('machine_id').doUpdateSet({ json }))
    .execute();
}

export async function offersOf(db: HubDb, machine: string): Promise<AgentOffer[]> {
  const row = await db.selectFrom('offers').select('json').where('machine_id', '=', machine).executeTakeFirst();
  return row === undefined ? [] : Offers.parse(JSON.parse(row.json));
}

// ── wire forms ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export function limitsOf(row: MissionRow): MissionLimits {
  return MissionLimits.parse(JSON.parse(row.limits));
}

export function flagsOf(row: MissionRow): string[] {
  return Flags.parse(JSON.parse(row.flags));
}

export function resultOf(json: string | null): MissionResult | undefined {
  return json === null ? undefined : MissionResult.parse(JSON.parse(json));
}

export function resumeOf(row: MissionRow): Resume | undefined {
  return row.resume === null ? undefined : Resume.parse(JSON.parse(row.resume));
}

export function toMission(row: MissionRow): Mission {
  const time = (ms: number | null): string | undefined => (ms === null ? undefined : isoTime(ms));
  return {
    id: row.id,
    machine: row.machine_id,
    project: row.project,
    threadId: row.thread_id,
    agent: row.agent,
    runtime: row.runtime,
    text: row.text,
    flags: flagsOf(row),
    isolation: Isolation.parse(row.isolation),
    limits: limitsOf(row),
    requestedBy: row.requested_by,
    depth: row.depth,
    state: row.state,
    stateSince: isoTime(row.state_since),
    place: row.place,
    run: row.run,
    logSeq: row.log_seq,
    createdAt: isoTime(row.created_at),
    ...given('parent', row.parent),
    ...given('answers', row.answers),
    ...given('notify', row.notify === 1 ? true : undefined),
    ...given('from', row.from_id),
    ...given('reason', row.reason),
    ...given('position', row.position),
    ...given('resetAt', time(row.reset_at)),
    ...given('session', row.session),
    ...given('path', row.path),
    ...given('approvalId', row.approval_id),
    ...given('approvedBy', row.approved_by),
    ...given('rule', row.rule),
    ...given('latest', row.latest),
    ...given('startedAt', time(row.started_at)),
    ...given('endedAt', time(row.ended_at)),
    ...given('result', resultOf(row.result)),
  };
}

/** `{ [name]: value }`, or nothing: absent fields are absent. */
function given<K extends string, T>(name: K, value: T | null | undefined): Partial<Record<K, T>>;
function given(name: string, value: unknown): Record<string, unknown> {
  return value === null || value === undefined ? {} : { [name]: value };
}

function toEntry(row: MissionLogRow): MissionLogEntry {
  return {
    seq: row.seq,
    run: row.run,
    at: isoTime(row.at),
    kind: MissionLogKind.parse(row.kind),
    label: row.label,
    ...(row.detail === null ? {} : { detail: row.detail }),
    ...(row.ok === null ? {} : { ok: row.ok === 1 }),
  };
}
