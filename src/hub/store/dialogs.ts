/** Rows of dialogs: which open question of which session an approval is about, by the daemon's own name for it. */
import type { DialogRow } from './attention-schema.ts';
import type { HubDb } from './hub-store.ts';
import type { ApprovalRow } from './schema.ts';

/** Dialogs that one session has open at once (its subagents ask too). */
const OPEN_MAX = 50;

/** A `ref` that is asked about again belongs to the newer approval. */
export async function saveDialog(db: HubDb, row: DialogRow): Promise<void> {
  await db
    .insertInto('dialogs')
    .values(row)
    .onConflict((conflict) => conflict.columns(['machine_id', 'ref']).doUpdateSet(row))
    .execute();
}

export function dialogByRef(db: HubDb, machine: string, ref: string): Promise<DialogRow | undefined> {
  return db
    .selectFrom('dialogs')
    .selectAll()
    .where('machine_id', '=', machine)
    .where('ref', '=', ref)
    .executeTakeFirst();
}

export function dialogOfApproval(db: HubDb, approvalId: string): Promise<DialogRow | undefined> {
  return db.selectFrom('dialogs').selectAll().where('approval_id', '=', approvalId).executeTakeFirst();
}

/** Dialogs of a machine whose approval is pending; of one session, if given. */
export function openDialogs(db: HubDb, machine: string, session?: string): Promise<DialogRow[]> {
  let query = db
    .selectFrom('dialogs')
    .innerJoin('approvals', 'approvals.id', 'dialogs.approval_id')
    .selectAll('dialogs')
    .where('dialogs.machine_id', '=', machine)
    .where('approvals.state', '=', 'pending');
  if (session !== undefined) query = query.where('dialogs.session', '=', session);
  return query.execute();
}

export async function deleteDialogsBefore(db: HubDb, before: number): Promise<void> {
  await db.deleteFrom('dialogs').where('created_at', '<', before).execute();
}

/** Pending approvals among the newest dialogs of a session, oldest first: as many as a session can have open, whatever it asked before. */
export function pendingInSession(db: HubDb, machine: string, session: string): Promise<ApprovalRow[]> {
  return db
    .selectFrom((from) =>
      from
        .selectFrom('dialogs')
        .select('approval_id')
        .where('machine_id', '=', machine)
        .where('session', '=', session)
        .orderBy('created_at', 'desc')
        .limit(OPEN_MAX)
        .as('newest'),
    )
    .innerJoin('approvals', 'approvals.id', 'newest.approval_id')
    .selectAll('approvals')
    .where('approvals.state', '=', 'pending')
    .orderBy('approvals.seq')
    .execute();
}
