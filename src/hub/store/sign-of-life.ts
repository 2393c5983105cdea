/** Until when the hub that had this store before was at work: the newest thing that it wrote down, whatever that was. */
import type { HubDb } from './hub-store.ts';
import { getValue, setValue } from './values.ts';

const STOPPED = 'stopped_at';

/** Undefined: there was none. A hub that was killed knows it to one heartbeat of its machines. */
export async function lastSignOfLife(db: HubDb): Promise<number | undefined> {
  const event = await db.selectFrom('events').select('at').orderBy('seq', 'desc').limit(1).executeTakeFirst();
  const machine = await db
    .selectFrom('machines')
    .select((select) => select.fn.max('last_seen').as('at'))
    .executeTakeFirst();
  const signs = [event?.at, machine?.at, Number((await getValue(db, STOPPED)) ?? 0)];
  const newest = Math.max(...signs.map((at) => at ?? 0));
  return newest === 0 ? undefined : newest;
}

export function noteStop(db: HubDb, now: number): Promise<void> {
  return setValue(db, STOPPED, String(now));
}
