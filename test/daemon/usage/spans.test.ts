import { describe, expect, it } from 'vitest';
import { blockOf, blockStart, hourOf, HOUR_MS, weekOf, type HourUse } from '../../../src/daemon/usage/spans.ts';

const NOON = Date.UTC(2026, 10, 21, 12);
const at = (hours: number) => NOON + hours * HOUR_MS;
const used = (hour: number, more: Partial<HourUse> = {}): HourUse => ({
  hour: at(hour),
  input: 1,
  output: 0,
  cacheRead: 0,
  cacheWrite: 0,
  costUsd: 0.5,
  unpriced: 0,
  ...more,
});

describe('the five-hour block', () => {
  it.each([
    ['nothing was used', [], 0, undefined],
    ['it begins with the hour of its first message', [0], 0.9, 0],
    ['it does not move while it is used', [0, 1, 2, 3, 4], 4.9, 0],
    ['it is over after five hours, whatever was used in them', [0, 4], 5, undefined],
    ['the next begins with the first message after its end', [0, 4, 5], 5.5, 5],
    ['a pause does not end it early', [0, 4], 4.5, 0],
    ['a message in its last hour begins none', [0, 4, 7, 11], 11.5, 7],
    ['and after that one a new one', [0, 4, 7, 11, 12], 12.5, 12],
  ])('%s', (_what, hours, now, start) => {
    expect(
      blockStart(
        hours.map((hour) => ({ hour: at(hour) })),
        at(now),
      ),
    ).toBe(start === undefined ? undefined : at(start));
  });

  it('seed: the block slid along with the time; now its end stays where it is', () => {
    const hours = [used(0), used(3), used(4)];
    const ends = [4.1, 4.5, 4.99].map((now) => blockOf(hours, at(now))?.end);
    expect(new Set(ends)).toEqual(new Set([new Date(at(5)).toISOString()]));
  });

  it('sums what is in it, and says no cost where a part of it is not known', () => {
    const before = used(-5);
    expect(blockOf([before, used(0), used(2)], at(3))).toMatchObject({ tokens: { input: 2 }, costUsd: 1 });
    expect(blockOf([used(0), used(2, { unpriced: 1 })], at(3))).not.toHaveProperty('costUsd');
  });

  it('is what the provider says, where it says it', () => {
    const limit = { usedPercent: 42, resetsAt: at(4.5) };
    expect(blockOf([used(-1), used(0)], at(1), limit)).toMatchObject({
      start: new Date(at(-0.5)).toISOString(),
      end: new Date(at(4.5)).toISOString(),
      usedPercent: 42,
      tokens: { input: 2 },
    });
    // A limit that was reset since says nothing.
    expect(blockOf([used(-1), used(0)], at(5), limit)).toBeUndefined();
  });
});

describe('the week', () => {
  it('is the last seven days, or the provider’s', () => {
    const hours = [used(-24 * 8), used(-24 * 6), used(0)];
    expect(weekOf(hours, at(0.5))).toMatchObject({ tokens: { input: 2 }, costUsd: 1 });
    expect(weekOf(hours, at(0.5), { usedPercent: 7, resetsAt: at(24) })).toMatchObject({
      usedPercent: 7,
      tokens: { input: 1 + 1 },
    });
    expect(weekOf([used(-24 * 8)], at(0))).toBeUndefined();
  });
});

it('an hour is the hour of its times', () => {
  expect(hourOf(at(0.99))).toBe(NOON);
});
