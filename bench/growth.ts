/** What a long history costs: inbox check and first history page with 1,000 and with 1,000,000 stored messages. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { ThreadPage } from '../src/protocol/machine-api.ts';
import { MessagesPage, ThreadsPage } from '../src/protocol/operator-api.ts';
import { freePort, Node, Operator } from '../test/support/mesh.ts';
import { samples, timed, type Figure } from './figures.ts';

const THREAD = 'thr_01JD0000000000000000000000';

/** One thread in a hundred messages is the one whose page is read; one in ten is for the operators. */
const FILL = `
  WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
  INSERT INTO messages (id, thread_id, kind, sender, recipient, sender_agent, recipient_agent, sender_machine, recipient_machine, binding,
    body, priority, depth, state, state_since, version, place, replies, created_at, expires_at)
  SELECT printf('msg_01JD%022d', i), CASE WHEN i % 100 = 0 THEN '${THREAD}' ELSE printf('thr_01JE%022d', i / 100) END, 'send', 'alpha/desk',
    CASE WHEN i % 10 = 0 THEN 'human' ELSE 'beta/work' END, 'alpha/desk', CASE WHEN i % 10 = 0 THEN 'human' ELSE 'beta/work' END, 'alpha',
    CASE WHEN i % 10 = 0 THEN NULL ELSE 'beta' END, 'exact', 'A message of ordinary length, as agents write them to each other. ' || i, 'normal', 0,
    'seen', 1700000000000 + i, 3, 'beta', 0, 1700000000000 + i, 1700600000000 + i
  FROM n`;
const FILL_THREADS = `
  WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? / 100)
  INSERT INTO threads SELECT printf('thr_01JE%022d', i), 'a thread', '["alpha/desk","beta/work"]', 99, 1700000000000 + i, 1700000000000 + i, i * 100, 'the last text',
    'alpha/desk', 0 FROM n`;

async function pages(root: string, count: number): Promise<{ inbox: number; history: number; threads: number }> {
  const hub = new Node(join(root, `hub-${count}`), 'hub');
  await mkdir(hub.paths.config, { recursive: true });
  await writeFile(hub.paths.configFile, `mode: hub\nhub:\n  port: ${await freePort()}\n  listen: 127.0.0.1\n`);
  await hub.start();
  await hub.stop();
  const database = new SqliteDatabase(hub.paths.hubDatabase);
  database.prepare(FILL_THREADS).run(count);
  database
    .prepare(
      `INSERT INTO threads VALUES ('${THREAD}', 'the thread', '["alpha/desk","beta/work"]', ?, 1700000000000, 1700000000000, ?, 'x', 'alpha/desk', 0)`,
    )
    .run(count / 100, count + 1);
  database.prepare(FILL).run(count);
  database.close();
  await hub.start();
  const operator = await Operator.of(hub);
  const median = async (task: () => Promise<unknown>) => {
    const values: number[] = [];
    for (let round = 0; round < 200; round += 1) values.push(await timed(task));
    return samples(values.slice(20)).p50;
  };
  const figures = {
    inbox: await median(() => operator.call('GET', '/inbox?limit=50', MessagesPage)),
    history: await median(() => operator.call('GET', `/threads/${THREAD}?limit=10`, ThreadPage)),
    threads: await median(() => operator.call('GET', '/threads?limit=50', ThreadsPage)),
  };
  await operator.close();
  await hub.stop();
  return figures;
}

export async function growthFigures(quick: boolean): Promise<Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'bench-'));
  const large = quick ? 20_000 : 1_000_000;
  try {
    const before = await pages(root, 1_000);
    const after = await pages(root, large);
    const name = large.toLocaleString('en');
    return [
      {
        what: `inbox, first page: ${name} messages against 1,000`,
        budget: 2,
        value: after.inbox / before.inbox,
        unit: '×',
      },
      {
        what: `a thread, first page: ${name} against 1,000`,
        budget: 2,
        value: after.history / before.history,
        unit: '×',
      },
      {
        what: `list of threads, first page: ${name} against 1,000`,
        budget: 2,
        value: after.threads / before.threads,
        unit: '×',
      },
      { what: `inbox, first page, with ${name} messages`, value: after.inbox, unit: 'ms' },
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
