/** That the hot queries are answered by an index whatever the number of rows, and that old things are forgotten in slices. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import SqliteDatabase from 'better-sqlite3';
import { join } from 'node:path';
import { newId } from '../../../src/protocol/ids.ts';
import { deleteEventsBefore } from '../../../src/hub/store/events.ts';
import { DEFAULT_RETENTION, Housekeeping } from '../../../src/hub/store/housekeeping.ts';
import {
  messagesToOperators,
  nextExpiry,
  nextWatch,
  overdue,
  threadMessages,
  unansweredIn,
  watchedUntil,
} from '../../../src/hub/store/messages.ts';
import { threadPage } from '../../../src/hub/store/threads.ts';
import {
  nextApprovalExpiry,
  overdueApprovals,
  approvalPage,
  pendingByPolicy,
} from '../../../src/hub/store/approvals.ts';
import { newestAnnouncements } from '../../../src/hub/store/announcements.ts';
import { openWait, waitPage } from '../../../src/hub/store/waits.ts';
import type { HubDb } from '../../../src/hub/store/hub-store.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { ALLOW_ALL, OPERATOR, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start(ALLOW_ALL);
  await hub.machine('laptop', ['app']);
  await hub.machine('server', ['api']);
});
afterEach(() => hub.close());

/** The statements that a function runs. */
async function statementsOf(run: (db: HubDb) => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  await hub.store.read(async (db) => {
    const plugged = db.withPlugin({
      transformQuery: ({ node }) => {
        seen.push(db.getExecutor().compileQuery(node, { queryId: 'q' }).sql);
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    await run(plugged);
  });
  return seen;
}

describe('first pages and due lists', () => {
  const now = Date.UTC(2026, 10, 21);
  it.each<[string, (db: HubDb) => Promise<unknown>]>([
    ['a thread', (db) => threadMessages(db, newId('thread'), 50)],
    ['the list of threads', (db) => threadPage(db, 50)],
    ['the inbox of the operators', (db) => messagesToOperators(db, 50)],
    ['what is overdue', (db) => overdue(db, now, 100)],
    ['the next expiry', (db) => nextExpiry(db, now)],
    ['watched questions', (db) => watchedUntil(db, now, 100)],
    ['the next watch', (db) => nextWatch(db)],
    ['questions of a session', (db) => unansweredIn(db, 'server', 'x', 100)],
    [
      'pending approvals',
      (db) => approvalPage(db, { state: 'pending', limit: 100, order: 'newest', after: undefined }),
    ],
    ['the next page of them', (db) => approvalPage(db, { state: 'pending', limit: 100, order: 'oldest', after: 7 })],
    ['what a new grant may answer', (db) => pendingByPolicy(db, 7, 25)],
    ['overdue approvals', (db) => overdueApprovals(db, now, 100)],
    ['the next approval to expire', (db) => nextApprovalExpiry(db)],
    ['the wait of a session', (db) => openWait(db, 'laptop', 'x')],
    ['waits', (db) => waitPage(db, { limit: 50, before: newId('wait'), project: undefined })],
    ['waits of a project', (db) => waitPage(db, { limit: 50, before: undefined, project: 'app' })],
    ['announcements', (db) => newestAnnouncements(db, 50)],
  ])('%s: an index, no scan of a table and no sorting', async (_name, run) => {
    const raw = new SqliteDatabase(join(hub.folder, 'hub.db'), { readonly: true });
    const sqls = await statementsOf(run);
    expect(sqls).not.toHaveLength(0);
    for (const sql of sqls) {
      const parameters = sql.match(/\?/g)?.map(() => 1) ?? [];
      const plan = raw.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters);
      const details = plan.map((row) => row.detail).join(' | ');
      expect(details).toMatch(/USING .*(INDEX|PRIMARY KEY)/);
      expect(details).not.toMatch(/SCAN \w+( \||$)|TEMP B-TREE/);
    }
    raw.close();
  });
});

describe('the event log', () => {
  it('gives what came after a number, whole, also after a restart; another epoch or a forgotten number is a gap', async () => {
    await hub.send('laptop', { to: 'human', body: 'a body that is stored once' });
    await hub.settled();
    const live = [...hub.heard];
    const { epoch } = hub.core.events;
    await hub.restart();
    const { events, gap } = await hub.core.events.after(epoch, 0, 1000);
    expect(gap).toBe(false);
    expect(events.slice(0, live.length)).toEqual(live);
    expect(hub.core.events.lastSeq).toBe(events.at(-1)?.seq);
    expect((await hub.core.events.after(epoch, 3, 2)).events.map((event) => event.seq)).toEqual([4, 5]);
    expect((await hub.core.events.after('another', 0, 10)).gap).toBe(true);
    expect((await hub.core.events.after(epoch, 1_000_000, 10)).gap).toBe(true);
    await hub.store.write(({ db }) => deleteEventsBefore(db, hub.clock.now() + 1, 3));
    expect((await hub.core.events.after(epoch, 2, 10)).gap).toBe(true);
    expect((await hub.core.events.after(epoch, 3, 1)).gap).toBe(false);
  });

  it('a listener that throws harms nobody', async () => {
    hub.core.events.subscribe(() => {
      throw new Error('broken surface');
    });
    const before = hub.heard.length;
    await hub.send('laptop', { to: 'human' });
    expect(hub.heard.length).toBe(before + 1);
  });
});

describe('housekeeping', () => {
  it('forgets old events and messages in slices, keeps what is under way and the numbering', async () => {
    const old = await hub.send('laptop', { to: 'human', body: 'old' });
    await hub.core.messaging.shownToOperator(old.id, 'web', 'shown');
    hub.clock.jump(400 * 24 * 3600_000);
    const fresh = await hub.send('laptop', { to: 'human', body: 'fresh' });
    const keeping = new Housekeeping(hub.store, hub.clock, silentLog(), DEFAULT_RETENTION);
    while (await keeping.forget());
    await expect(hub.core.messaging.status(old.id)).rejects.toMatchObject({ code: 'unknown_message' });
    expect((await hub.core.messaging.status(fresh.id)).state).toBe('queued');
    expect((await hub.core.messaging.threads({ limit: 10 })).threads.map((thread) => thread.lastText)).toEqual([
      'fresh',
    ]);
    const last = hub.core.events.lastSeq;
    await hub.restart();
    await hub.core.messaging.submitFromOperator(OPERATOR, {
      to: 'laptop/app',
      kind: 'send',
      body: 'x',
      priority: 'normal',
    });
    expect(hub.core.events.lastSeq).toBe(last + 1);
  });
});
