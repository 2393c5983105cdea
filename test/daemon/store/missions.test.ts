/** The news of missions while the hub is away: bounded, in order, and what did not fit is said. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DaemonStore } from '../../../src/daemon/store/store.ts';
import { systemClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { MissionNews, type MissionLogEntry } from '../../../src/protocol/mission.ts';
import { missionItem } from '../launcher/rig.ts';

let root: string;
let store: DaemonStore;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mission-news-'));
  store = new DaemonStore({ file: join(root, 'daemon.db'), clock: systemClock, log: silentLog() });
});
afterEach(async () => {
  await store.close();
  rmSync(root, { recursive: true, force: true });
});

/** Everything that is owed to the hub, taken as the hub takes it. */
async function taken(): Promise<MissionLogEntry[]> {
  const owed = await store.missions.news(100_000);
  const last = owed.at(-1);
  if (last !== undefined) await store.missions.taken(last.seq);
  const news = owed.map((one) => MissionNews.parse(JSON.parse(one.news)));
  return news.flatMap((one) => (one.news === 'log' ? one.entries : []));
}

it('over 5,000 entries that nobody took: numbers without holes, the gap told once, and how it moved never left out', async () => {
  const item = missionItem('talk');
  await store.missions.accept([item]);
  const before = (await taken()).length;
  const says = (count: number, what: string) =>
    Array.from({ length: count }, (_, at) => ({
      at: new Date(0).toISOString(),
      kind: 'text' as const,
      label: `${what} ${at}`,
    }));
  const change = (more: Parameters<typeof store.missions.change>[2]) => store.missions.change(item.missionId, 1, more);
  await change({ to: 'starting' });
  await change({ to: 'running', log: says(4_000, 'early') });
  await change({ log: says(1_100, 'late') });
  await change({ log: says(7, 'lost') });
  await change({ to: 'waiting_human', reason: 'may I?' });
  await change({ log: says(5, 'lost too') });

  const first = await taken();
  expect(first.map(({ seq }) => seq)).toEqual(first.map((_, at) => before + at + 1));
  const texts = first.filter(({ kind }) => kind === 'text');
  expect(first.at(-1)).toMatchObject({ kind: 'state' });
  expect(first.at(-2)).toMatchObject({ kind: 'gap', label: `${5_107 - texts.length} entries are missing` });
  expect(first.slice(0, -2).length).toBe(5_000);

  await change({ log: says(1, 'after') });
  const [gap, after, ...rest] = await taken();
  expect(gap).toMatchObject({ seq: before + first.length + 1, kind: 'gap', label: '5 entries are missing' });
  expect([after?.label, rest]).toEqual(['after 0', []]);
});
