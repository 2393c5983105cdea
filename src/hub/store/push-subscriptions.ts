/** Rows of push subscriptions: a browser of an operator. An endpoint belongs to whoever subscribed it last. */
import { PushSubscription } from '../../protocol/attention.ts';
import type { HubDb } from './hub-store.ts';

/** Browsers of one operator; the oldest go. */
const PER_OPERATOR = 20;

export async function saveSubscription(
  db: HubDb,
  operator: string,
  subscription: PushSubscription,
  now: number,
): Promise<void> {
  const json = JSON.stringify(subscription);
  await db
    .insertInto('push_subscriptions')
    .values({ endpoint: subscription.endpoint, operator, json, created_at: now })
    .onConflict((conflict) => conflict.column('endpoint').doUpdateSet({ operator, json, created_at: now }))
    .execute();
  const over = await db
    .selectFrom('push_subscriptions')
    .select('endpoint')
    .where('operator', '=', operator)
    .orderBy('created_at', 'desc')
    .orderBy('endpoint')
    .offset(PER_OPERATOR)
    .limit(PER_OPERATOR)
    .execute();
  for (const { endpoint } of over) await deleteSubscription(db, endpoint);
}

/** `operator`: only if it is theirs. */
export async function deleteSubscription(db: HubDb, endpoint: string, operator?: string): Promise<void> {
  const query = db.deleteFrom('push_subscriptions').where('endpoint', '=', endpoint);
  await (operator === undefined ? query : query.where('operator', '=', operator)).execute();
}

export async function subscriptionsOf(db: HubDb, operator: string): Promise<PushSubscription[]> {
  const rows = await db
    .selectFrom('push_subscriptions')
    .select('json')
    .where('operator', '=', operator)
    .orderBy('created_at')
    .execute();
  return rows.map(({ json }) => PushSubscription.parse(JSON.parse(json)));
}
