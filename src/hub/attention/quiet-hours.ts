/**
 * Quiet hours: times of day in a time zone. Pure.
 *
 * Invariants: days on which the clocks are changed are right: an hour that is skipped ends what would end in it, an hour that comes twice counts twice. `from` and `to`
 * alike mean no time at all.
 */
import type { Preferences } from '../../protocol/attention.ts';

export type QuietHours = NonNullable<Preferences['quiet']>;

const MINUTE = 60_000;
const DAY = 24 * 60;
/** Clocks are changed at quarters of an hour everywhere. */
const QUARTER = 15 * MINUTE;

const formats = new Map<string, Intl.DateTimeFormat>();

export function isTimeZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

export function isQuiet({ from, to, timeZone }: QuietHours, at: number): boolean {
  const [begin, end, now] = [minutesOf(from), minutesOf(to), localMinutes(timeZone, at)];
  return begin <= end ? begin <= now && now < end : begin <= now || now < end;
}

/** The first moment after `at` that is not quiet, to the minute; `at` itself where it is not quiet. */
export function quietUntil(quiet: QuietHours, at: number): number {
  const end = minutesOf(quiet.to);
  let time = at;
  while (isQuiet(quiet, time)) {
    const minute = Math.floor(time / MINUTE) * MINUTE;
    const left = between(localMinutes(quiet.timeZone, time), end) || DAY;
    const there = minute + left * MINUTE;
    if (offset(quiet.timeZone, there) === offset(quiet.timeZone, time)) return there;
    // The clocks are changed on the way: closer, until that is behind.
    const quarter = (Math.floor(time / QUARTER) + 1) * QUARTER;
    if (there < quarter) return there;
    time = quarter;
  }
  return time;
}

/** The minute of the day there. */
function localMinutes(timeZone: string, at: number): number {
  return minutesOf(formatOf(timeZone).format(at));
}

function offset(timeZone: string, at: number): number {
  return between(Math.floor(at / MINUTE) % DAY, localMinutes(timeZone, at));
}

function between(from: number, to: number): number {
  return (to - from + DAY) % DAY;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return hours * 60 + minutes;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    formats.set(timeZone, format);
  }
  return format;
}
