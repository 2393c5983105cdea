/** Quiet hours in every time zone and on the days on which clocks are changed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isQuiet, isTimeZone, quietUntil } from '../../../src/hub/attention/quiet-hours.ts';

const at = (text: string): number => Date.parse(text);

describe('quiet hours', () => {
  it.each([
    ['2026-06-01T20:30:00Z', '22:00', '07:00', 'Europe/Paris', '2026-06-02T05:00:00Z'],
    ['2026-06-02T04:59:00Z', '22:00', '07:00', 'Europe/Paris', '2026-06-02T05:00:00Z'],
    ['2026-01-10T12:10:30Z', '12:00', '13:00', 'UTC', '2026-01-10T13:00:00Z'],
    // Clocks go forward at 02:00: the night is an hour shorter.
    ['2026-03-28T22:00:00Z', '22:00', '07:00', 'Europe/Paris', '2026-03-29T05:00:00Z'],
    // 02:30 does not exist that night: it is 03:00 at once.
    ['2026-03-29T00:15:00Z', '01:00', '02:30', 'Europe/Paris', '2026-03-29T01:00:00Z'],
    // Clocks go back at 03:00: the night is an hour longer.
    ['2026-10-24T21:00:00Z', '22:00', '07:00', 'Europe/Paris', '2026-10-25T06:00:00Z'],
    ['2026-06-01T18:00:00Z', '23:30', '06:15', 'Asia/Kathmandu', '2026-06-02T00:30:00Z'],
  ])('from %s (%s to %s in %s) until %s', (now, from, to, timeZone, end) => {
    const quiet = { from, to, timeZone };
    expect(isQuiet(quiet, at(now))).toBe(true);
    expect(new Date(quietUntil(quiet, at(now))).toISOString()).toBe(new Date(at(end)).toISOString());
  });

  it('are not outside of them, nor where they begin and end at once', () => {
    expect(isQuiet({ from: '22:00', to: '07:00', timeZone: 'UTC' }, at('2026-06-01T07:00:00Z'))).toBe(false);
    expect(isQuiet({ from: '08:00', to: '08:00', timeZone: 'UTC' }, at('2026-06-01T08:00:00Z'))).toBe(false);
  });

  it('end at the first minute that is not quiet, whatever the zone and the time', () => {
    const clock = fc
      .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
      .map((parts) => parts.map((part) => String(part).padStart(2, '0')).join(':'));
    const zones = [
      'UTC',
      'Europe/Paris',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'Pacific/Chatham',
    ];
    const changes = [
      '2026-03-29T01:00Z',
      '2026-10-25T01:00Z',
      '2026-03-08T07:00Z',
      '2026-11-01T06:00Z',
      '2026-04-04T15:00Z',
    ];
    const moment = fc
      .tuple(fc.constantFrom(...changes), fc.integer({ min: -26 * 60, max: 3 * 60 }))
      .map(([change, minutes]) => at(change) + minutes * 60_000);
    fc.assert(
      fc.property(clock, clock, fc.constantFrom(...zones), moment, (from, to, timeZone, now) => {
        const quiet = { from, to, timeZone };
        const end = quietUntil(quiet, now);
        if (isQuiet(quiet, end)) return false;
        // Every third minute before it, and the last one.
        for (let minute = now; minute < end; minute += 180_000) if (!isQuiet(quiet, minute)) return false;
        if (end > now && !isQuiet(quiet, end - 1)) return false;
        return true;
      }),
      { numRuns: 60 },
    );
  });

  it('know which time zones there are', () => {
    expect(['Europe/Paris', 'UTC', 'Mars/Olympus', ''].map(isTimeZone)).toEqual([true, true, false, false]);
  });
});
