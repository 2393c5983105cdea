/** Rows of sign-in codes and of the tokens they are exchanged for. Only hashes are kept; both kinds are bounded per operator. */
import type { Insertable, Selectable } from 'kysely';
import type { HubDb } from './hub-store.ts';
import type { SignInCodeTable, TokenTable } from './schema.ts';

export type SignInCodeRow = Selectable<SignInCodeTable>;
export type TokenRow = Selectable<TokenTable>;

/** Stores a code and forgets those that have expired, and the oldest ones of this operator over `keep`. */
export async function insertCode(
  db: HubDb,
  row: Insertable<SignInCodeTable>,
  forgetBefore: number,
  keep: number,
): Promise<void> {
  await db.deleteFrom('sign_in_codes').where('expires_at', '<', forgetBefore).execute();
  await db.insertInto('sign_in_codes').values(row).execute();
  const surplus = await db
    .selectFrom('sign_in_codes')
    .select('hash')
    .where('operator', '=', row.operator)
    .orderBy('created_at', 'desc')
    .offset(keep)
    .limit(1_000)
    .execute();
  if (surplus.length === 0) return;
  const hashes = surplus.map((one) => one.hash);
  await db.deleteFrom('sign_in_codes').where('hash', 'in', hashes).execute();
}

export function codeOf(db: HubDb, hash: string): Promise<SignInCodeRow | undefined> {
  return db.selectFrom('sign_in_codes').selectAll().where('hash', '=', hash).executeTakeFirst();
}

/** True for the one who spends it. */
export async function spendCode(db: HubDb, hash: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('sign_in_codes')
    .set({ spent_at: now })
    .where('hash', '=', hash)
    .where('spent_at', 'is', null)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Stores a token and forgets expired ones, and the least used ones of this operator over `keep`. */
export async function insertToken(db: HubDb, row: Insertable<TokenTable>, keep: number): Promise<void> {
  await db.deleteFrom('tokens').where('expires_at', '<', row.created_at).execute();
  await db.insertInto('tokens').values(row).execute();
  const surplus = await db
    .selectFrom('tokens')
    .select('hash')
    .where('operator', '=', row.operator)
    .orderBy('last_used_at', 'desc')
    .offset(keep)
    .limit(1_000)
    .execute();
  if (surplus.length === 0) return;
  const hashes = surplus.map((one) => one.hash);
  await db.deleteFrom('tokens').where('hash', 'in', hashes).execute();
}

export function tokenOf(db: HubDb, hash: string): Promise<TokenRow | undefined> {
  return db.selectFrom('tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
}

export async function tokenUsed(db: HubDb, hash: string, at: number, expiresAt: number): Promise<void> {
  await db.updateTable('tokens').set({ last_used_at: at, expires_at: expiresAt }).where('hash', '=', hash).execute();
}

export async function deleteToken(db: HubDb, hash: string): Promise<void> {
  await db.deleteFrom('tokens').where('hash', '=', hash).execute();
}
