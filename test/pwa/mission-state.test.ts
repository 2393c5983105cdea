/** The page's missions: what events and pages make of the list and of an opened log. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  answerInto,
  boundedMissions,
  entriesInto,
  ENTRIES_MAX,
  holeAfter,
  OVER_MAX,
  pageInto,
  sortedEntries,
  sortedMissions,
  type Logs,
} from '../../pwa/src/core/mission-state.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { Mission, MissionLogEntry } from '../../src/protocol/mission.ts';
import type { MissionState } from '../../src/protocol/mission-life.ts';

const ID = newId('mission');

function entry(seq: number, extra: Partial<MissionLogEntry> = {}): MissionLogEntry {
  return { seq, run: 1, at: '2026-01-01T00:00:00.000Z', kind: 'text', label: `entry ${seq}`, ...extra };
}

function page(entries: readonly MissionLogEntry[], missing = 0) {
  return { entries: [...entries], missing, more: false, state: 'running' as const };
}

function mission(index: number, state: MissionState): Mission {
  return {
    id: newId('mission', 1_700_000_000_000 + index),
    machine: 'm',
    project: 'p',
    threadId: newId('thread'),
    agent: 'claude',
    runtime: 'terminal',
    text: 'do it',
    flags: [],
    isolation: 'none',
    limits: {},
    requestedBy: 'human:me',
    depth: 1,
    state,
    stateSince: '2026-01-01T00:00:00.000Z',
    place: 'm',
    run: 1,
    logSeq: 0,
    createdAt: new Date(1_700_000_000_000 + index).toISOString(),
  };
}

it('an answer that was overtaken by an event changes nothing', () => {
  const asked = mission(1, 'running');
  const known = new Map([[asked.id, asked]]);
  const newer = { ...asked, state: 'completed' as const };
  const now = new Map([[asked.id, newer]]);
  expect(answerInto(now, known, asked).get(asked.id)).toBe(newer);
  expect(answerInto(known, known, newer).get(asked.id)).toBe(newer);
  expect(answerInto(new Map(), undefined, asked).get(asked.id)).toBe(asked);
  expect(answerInto(known, new Map(), newer).get(asked.id)).toBe(asked);
});

describe('an opened log', () => {
  it('is the same whatever came by event and whatever by page, in any order and twice', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }), fc.nat(7), (order, cut) => {
        const opened: Logs = pageInto(new Map(), ID, page([]));
        const byEvent = entriesInto(
          opened,
          ID,
          order.slice(0, cut).map((seq) => entry(seq)),
        );
        const whole = pageInto(byEvent, ID, page([1, 2, 3, 4, 5, 6, 7, 8].map((seq) => entry(seq))));
        const log = whole.get(ID);
        expect(log === undefined ? [] : sortedEntries(log).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      }),
    );
  });

  it('takes nothing for a mission that is not open', () => {
    expect(entriesInto(new Map(), ID, [entry(1)]).size).toBe(0);
  });

  it('keeps the telling that has the details', () => {
    const full = pageInto(new Map(), ID, page([entry(1, { detail: 'the whole' })]));
    expect(
      entriesInto(full, ID, [entry(1)])
        .get(ID)
        ?.entries.get(1)?.detail,
    ).toBe('the whole');
  });

  it('says after which number something is missing', () => {
    const log = (numbers: readonly number[], missing = 0) => ({
      entries: new Map(numbers.map((seq) => [seq, entry(seq)])),
      missing,
    });
    expect(holeAfter(log([1, 2, 3]), 3)).toBeUndefined();
    expect(holeAfter(log([1, 2, 5]), 5)).toBe(2);
    expect(holeAfter(log([1, 2]), 9)).toBe(2);
    expect(holeAfter(log([4, 5], 3), 5)).toBeUndefined();
    expect(holeAfter(log([]), 0)).toBeUndefined();
  });

  it('is bounded, and what fell out counts as missing', () => {
    const many = Array.from({ length: ENTRIES_MAX + 10 }, (_none, index) => entry(index + 1));
    const log = pageInto(new Map(), ID, page(many)).get(ID);
    expect(log?.entries.size).toBe(ENTRIES_MAX);
    expect(log?.missing).toBe(10);
  });
});

describe('the list', () => {
  it('keeps all that live and the newest that are over', () => {
    const all = Array.from({ length: OVER_MAX + 20 }, (_none, index) => mission(index, 'completed'));
    const live = mission(0, 'running');
    const bounded = boundedMissions(new Map([live, ...all].map((one) => [one.id, one])));
    const sorted = sortedMissions(bounded);
    expect(sorted.live).toEqual([live]);
    expect(sorted.over).toHaveLength(OVER_MAX);
    expect(sorted.over[0]?.id).toBe(all.at(-1)?.id);
  });
});
