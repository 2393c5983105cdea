/** Rows of what operators prefer: one per operator who changed something. */
import { Preferences } from '../../protocol/attention.ts';
import type { HubDb } from './hub-store.ts';

export async function preferencesOf(db: HubDb, operator: string): Promise<Preferences> {
  const row = await db.selectFrom('preferences').select('json').where('operator', '=', operator).executeTakeFirst();
  return row === undefined ? Preferences.parse({}) : Preferences.parse(JSON.parse(row.json));
}

export async function savePreferences(db: HubDb, operator: string, preferences: Preferences): Promise<void> {
  const json = JSON.stringify(preferences);
  await db
    .insertInto('preferences')
    .values({ operator, json })
    .onConflict((conflict) => conflict.column('operator').doUpdateSet({ json }))
    .execute();
}

export async function allPreferences(db: HubDb): Promise<Map<string, Preferences>> {
  const rows = await db.selectFrom('preferences').selectAll().execute();
  return new Map(rows.map(({ operator, json }) => [operator, Preferences.parse(JSON.parse(json))]));
}
