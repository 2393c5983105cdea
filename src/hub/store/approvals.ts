/** Rows of approvals. The state machine is in approvals/approvals.ts; here a row leaves `pending` only by compare-and-set. */
import { z } from 'zod';
import { isoTime } from '../../platform/clock.ts';
import {
  Approval as ApprovalSchema,
  ApprovalSubject,
  Decision,
  GrantScope,
  type Approval,
  type ApprovalState,
} from '../../protocol/model.ts';
import type { HubDb } from './hub-store.ts';
import type { ApprovalRow } from './schema.ts';

const Effect = ApprovalSchema.shape.effect.unwrap();
const Scopes = z.array(GrantScope);

export async function insertApproval(db: HubDb, row: Omit<ApprovalRow, 'seq'>): Promise<void> {
  await db.insertInto('approvals').values(row).execute();
}

/** Moves a pending approval. False: it was not pending any more. */
export async function closeApproval(
  db: HubDb,
  id: string,
  state: Exclude<ApprovalState, 'pending'>,
  decision: Decision | undefined,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('approvals')
    .set({ state, decision: decision === undefined ? null : JSON.stringify(decision) })
    .where('id', '=', id)
    .where('state', '=', 'pending')
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Notes what came of a decision, once. False: it is noted already, or nothing was decided. */
export async function noteEffect(db: HubDb, id: string, effect: NonNullable<Approval['effect']>): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('approvals')
    .set({ effect: JSON.stringify(effect) })
    .where('id', '=', id)
    .where('state', 'in', ['allowed', 'denied'])
    .where('effect', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export function approvalById(db: HubDb, id: string): Promise<ApprovalRow | undefined> {
  return db.selectFrom('approvals').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Those whose id begins so; two are enough to know that a prefix is ambiguous. */
export function approvalsByPrefix(db: HubDb, prefix: string): Promise<ApprovalRow[]> {
  return db
    .selectFrom('approvals')
    .selectAll()
    .where('id', '>=', prefix)
    .where('id', '<', `${prefix}\u{10ffff}`)
    .orderBy('id')
    .limit(2)
    .execute();
}

export interface ApprovalPage {
  readonly state: ApprovalState | undefined;
  readonly limit: number;
  readonly order: 'newest' | 'oldest';
  /** The number of the last one of the page before. */
  readonly after: number | undefined;
}

export function approvalPage(db: HubDb, { state, limit, order, after }: ApprovalPage): Promise<ApprovalRow[]> {
  const oldest = order === 'oldest';
  let query = db
    .selectFrom('approvals')
    .selectAll()
    .orderBy('seq', oldest ? 'asc' : 'desc')
    .limit(limit);
  if (state !== undefined) query = query.where('state', '=', state);
  if (after !== undefined) query = query.where('seq', oldest ? '>' : '<', after);
  return query.execute();
}

/** Messages and asks that wait because policy asks, oldest first, after this number. */
export function pendingByPolicy(db: HubDb, after: number, limit: number): Promise<ApprovalRow[]> {
  return db
    .selectFrom('approvals')
    .selectAll()
    .where('state', '=', 'pending')
    .where('kind', 'in', ['message', 'ask'])
    .where('level', 'is not', null)
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute();
}

/** Pending ones whose time is over. */
export function overdueApprovals(db: HubDb, now: number, limit: number): Promise<ApprovalRow[]> {
  return db
    .selectFrom('approvals')
    .selectAll()
    .where('state', '=', 'pending')
    .where('expires_at', '<=', now)
    .orderBy('expires_at')
    .limit(limit)
    .execute();
}

export async function nextApprovalExpiry(db: HubDb): Promise<number | undefined> {
  const row = await db
    .selectFrom('approvals')
    .select('expires_at')
    .where('state', '=', 'pending')
    .orderBy('expires_at')
    .limit(1)
    .executeTakeFirst();
  return row?.expires_at;
}

export async function pendingCount(db: HubDb): Promise<number> {
  const row = await db
    .selectFrom('approvals')
    .select((select) => select.fn.countAll<number>().as('n'))
    .where('state', '=', 'pending')
    .executeTakeFirst();
  return row?.n ?? 0;
}

/** Deletes at most `limit` decided approvals made before `before`, the oldest first. */
export async function deleteApprovalsBefore(db: HubDb, before: number, limit: number): Promise<number> {
  const old = await db
    .selectFrom('approvals')
    .select(['seq', 'created_at', 'state'])
    .orderBy('seq')
    .limit(limit)
    .execute();
  const over = old.filter((row) => row.created_at < before && row.state !== 'pending').map((row) => row.seq);
  if (over.length === 0) return 0;
  await db.deleteFrom('approvals').where('seq', 'in', over).execute();
  return over.length;
}

/** The wire form. */
export function toApproval(row: ApprovalRow): Approval {
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    subject: ApprovalSubject.parse(JSON.parse(row.subject)),
    shownHash: row.shown_hash,
    rule: row.rule,
    scopes: Scopes.parse(JSON.parse(row.scopes)),
    createdAt: isoTime(row.created_at),
    expiresAt: isoTime(row.expires_at),
    ...(row.decision === null ? {} : { decision: Decision.parse(JSON.parse(row.decision)) }),
    ...(row.effect === null ? {} : { effect: Effect.parse(JSON.parse(row.effect)) }),
  };
}
