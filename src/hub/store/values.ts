/** Single values of the hub that need no table of their own. */
import type { HubDb } from './hub-store.ts';

export async function getValue(db: HubDb, key: string): Promise<string | undefined> {
  return (await db.selectFrom('kv').select('value').where('key', '=', key).executeTakeFirst())?.value;
}

/** Undefined takes the value away. */
export async function setValue(db: HubDb, key: string, value: string | undefined): Promise<void> {
  if (value === undefined) {
    await db.deleteFrom('kv').where('key', '=', key).execute();
    return;
  }
  await db
    .insertInto('kv')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}
