/** What machines say: any news in any order never break the table of moves, repeats change nothing, logs keep their numbers and their bounds. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EVENT_ENTRIES } from '../../../src/hub/missions/log-feed.ts';
import { LOG_BYTES_MAX, LOG_ENTRIES_MAX } from '../../../src/hub/missions/unit.ts';
import { MISSION_STATES, missionCanMove, missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { HubEvent } from '../../../src/protocol/events.ts';
import type { Mission, MissionLogEntry, MissionNews } from '../../../src/protocol/mission.ts';
import { OPERATOR, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('server', ['app']);
});
afterEach(() => hub.close());

const begin = (): Promise<Mission> =>
  hub.core.missions.startFromOperator(OPERATOR, {
    ...{ machine: 'server', project: 'app', text: 'work', flags: [], isolation: 'none', limits: {} },
  });
const told = (): MissionLogEntry[] =>
  hub.heard.flatMap((event: HubEvent) => (event.type === 'mission.log' ? event.entries : []));
const read = (id: string, after = 0) => hub.core.missions.log(id, { after, limit: 500 });

describe('news of a mission', () => {
  it('any reports: every state that was told came by a move of the table, and a repeat is known or stale', async () => {
    const states = MISSION_STATES.filter((state) => state !== 'awaiting_approval' && state !== 'denied');
    const report = fc.record({
      state: fc.constantFrom(...states, undefined),
      run: fc.constantFrom(1, 1, 1, 2),
      position: fc.constantFrom(1, 2, undefined),
      reason: fc.constantFrom('because', undefined),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(report, { maxLength: 12 }), async (reports) => {
        const mission = await begin();
        for (const [index, given] of reports.entries()) {
          const { state, run, position, reason } = given;
          const full: MissionNews = {
            ...{
              news: 'report',
              missionId: mission.id,
              run,
              number: index + 1,
              at: new Date(hub.clock.now()).toISOString(),
            },
            ...(state === undefined ? {} : { state }),
            ...(position === undefined ? {} : { position }),
            ...(reason === undefined ? {} : { reason }),
          };
          await hub.core.missions.applyNews('server', [full]);
          const [again] = await hub.core.missions.applyNews('server', [full]);
          expect(['known', 'stale']).toContain(again);
        }
        const way = hub.heard.flatMap((event) =>
          event.type === 'mission.changed' && event.mission.id === mission.id ? [event.mission] : [],
        );
        way.forEach((now, index) => {
          const before = way[index - 1];
          if (before !== undefined && before.state !== now.state) {
            expect([before.state, now.state, missionCanMove(before.state, now.state)]).toEqual([
              before.state,
              now.state,
              true,
            ]);
          }
          expect(now.endedAt !== undefined).toBe(missionIsOver(now.state));
          expect(now.run).toBe(index === 0 ? 0 : 1);
        });
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('reports that come again, their answers lost, move nothing back', async () => {
    const mission = await begin();
    const waits = { number: 2, state: 'waiting_human', reason: 'permission: rm' } as const;
    await hub.report('server', mission, { number: 1, state: 'running' });
    await hub.report('server', mission, waits);
    expect(await hub.report('server', mission, { number: 1, state: 'running' })).toBe('known');
    expect(await hub.core.missions.get(mission.id)).toMatchObject({ state: 'waiting_human', reason: 'permission: rm' });
    expect(await hub.report('server', mission, waits)).toBe('known');
    expect(await hub.report('server', mission, { number: 3, state: 'running' })).toBe('applied');
  });

  it('a log keeps its order whatever is repeated, and says what is missing', async () => {
    const mission = await begin();
    const first = mission.logSeq + 1;
    const send = (...seqs: number[]) =>
      hub.logNews(
        'server',
        mission,
        seqs.map((seq) => ({ seq, label: `n${seq}` })),
      );
    expect(await send(first, first + 1)).toBe('applied');
    expect(await send(first, first + 1)).toBe('known');
    expect(await send(first + 1, first + 2)).toBe('applied');
    await send(first + 6);
    const { entries } = await read(mission.id, mission.logSeq);
    expect(entries.map((entry) => [entry.seq - first, entry.kind, entry.label])).toEqual([
      [0, 'text', `n${first}`],
      [1, 'text', `n${first + 1}`],
      [2, 'text', `n${first + 2}`],
      [3, 'gap', '3 entries are missing here'],
      [6, 'text', `n${first + 6}`],
    ]);
    expect(await hub.core.missions.get(mission.id)).toMatchObject({ latest: `n${first + 6}`, logSeq: first + 6 });
  });

  it('a flood in one log floods nobody: few events, short ones, the newest entries, and the rest in the log', async () => {
    const mission = await begin();
    await hub.settled();
    const before = hub.heard.length;
    let seq = mission.logSeq;
    for (let batch = 0; batch < 20; batch += 1) {
      const entries = Array.from({ length: 100 }, () => {
        seq += 1;
        return { seq, label: `n${seq}`, detail: 'd'.repeat(2_000) };
      });
      await hub.logNews('server', mission, entries);
    }
    await hub.advance(500);
    await hub.until((event) => event.type === 'mission.log' && event.entries.at(-1)?.seq === seq);
    const events = hub.heard.slice(before).filter((event) => event.type === 'mission.log');
    expect(events.length).toBeLessThanOrEqual(3);
    for (const event of events) {
      expect(event.entries.length).toBeLessThanOrEqual(EVENT_ENTRIES);
      expect(event.entries.every((entry) => entry.detail === undefined)).toBe(true);
    }
    expect((await read(mission.id, seq - 1)).entries[0]?.detail).toHaveLength(2_000);
  });

  it('a log stays within its caps, and a reader is told how much is gone', async () => {
    const mission = await begin();
    let seq = mission.logSeq;
    const detail = 'x'.repeat(8_000);
    for (let batch = 0; batch < 8; batch += 1) {
      const entries = Array.from({ length: 100 }, () => ({ seq: (seq += 1), label: 'big', detail }));
      await hub.logNews('server', mission, entries);
    }
    const page = await read(mission.id);
    const kept = seq - (page.entries[0]?.seq ?? 0) + 1;
    expect(kept * 8_000).toBeLessThanOrEqual(LOG_BYTES_MAX);
    expect(kept).toBeLessThan(LOG_ENTRIES_MAX);
    expect(page.missing).toBe((page.entries[0]?.seq ?? 0) - 1);
    expect(page.missing).toBeGreaterThan(0);
  });

  it('a crash between log and event tells what was left untold', async () => {
    const mission = await begin();
    await hub.logNews('server', mission, [{ seq: mission.logSeq + 1, label: 'before' }]);
    await hub.settled();
    // Within the pause: stored, not told.
    await hub.logNews('server', mission, [{ seq: mission.logSeq + 2, label: 'untold' }]);
    expect(told().some((entry) => entry.label === 'untold')).toBe(false);
    await hub.restart();
    await hub.until((event) => event.type === 'mission.log' && event.entries.some((entry) => entry.label === 'untold'));
    expect(told().filter((entry) => entry.label === 'before')).toHaveLength(1);
  });

  it('events of a mission are read again whole: its text and its result are kept once', async () => {
    const text = 'long '.repeat(10_000);
    const mission = await hub.core.missions.startFromOperator(OPERATOR, {
      ...{ machine: 'server', project: 'app', text, flags: [], isolation: 'none', limits: {} },
    });
    await hub.report('server', mission, {
      state: 'completed',
      result: { text: 'r'.repeat(50_000), cut: false, isError: false, durationMs: 1, diff: 'd'.repeat(1_000) },
    });
    const { epoch } = hub.core.events;
    const { events } = await hub.core.events.after(epoch, 0, 100);
    const ofMission = events.flatMap((event) => (event.type === 'mission.changed' ? [event.mission] : []));
    expect(ofMission.every((one) => one.text === text)).toBe(true);
    expect(ofMission.at(-1)?.result).toMatchObject({ text: 'r'.repeat(50_000), diff: 'd'.repeat(1_000) });
    const stored = await hub.store.read((db) =>
      db.selectFrom('events').select('json').where('type', '=', 'mission.changed').execute(),
    );
    expect(Math.max(...stored.map((row) => row.json.length))).toBeLessThan(5_000);
  });
});
