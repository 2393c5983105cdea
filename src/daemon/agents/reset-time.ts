/**
 * When a provider's limit ends, out of the notice that Claude Code prints: "… limit reached|1763690400", "resets 3pm (Europe/Paris)", "resets at 3:30pm",
 * "resets Nov 24, 9am". Pure: what a clock time means follows from the moment of the notice.
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAY_MS = 24 * 3600 * 1000;

/** As an ISO time; undefined where the notice does not say it. `at` is when the notice was given. */
export function resetTime(notice: string, at: string): string | undefined {
  const seconds = /limit reached\|(\d{9,11})\b/.exec(notice)?.[1];
  if (seconds !== undefined) return new Date(Number(seconds) * 1000).toISOString();
  const found =
    /resets?(?: at)?\s+(?:([A-Za-z]{3})[a-z]* (\d{1,2})(?:,| at)?\s*)?(?:(\d{1,2})(?::(\d{2}))?\s*([ap])\.?m\.?|(\d{1,2}):(\d{2}))(?:\s*\(([A-Za-z0-9_+/-]+)\))?/i.exec(
      notice,
    );
  if (found === null) return undefined;
  const [, monthName, day, hour12, minute12, half, hour24, minute24, zone] = found;
  const hour = hour24 === undefined ? (Number(hour12) % 12) + (half?.toLowerCase() === 'p' ? 12 : 0) : Number(hour24);
  const minute = Number(minute12 ?? minute24 ?? 0);
  if (hour > 23 || minute > 59) return undefined;
  const month = monthName === undefined ? undefined : MONTHS.indexOf(monthName.toLowerCase());
  if (month === -1) return undefined;
  const date = day === undefined || month === undefined ? undefined : { month, day: Number(day) };
  return nextMoment(Date.parse(at), { hour, minute, date, zone });
}

interface Wanted {
  readonly hour: number;
  readonly minute: number;
  readonly date: { readonly month: number; readonly day: number } | undefined;
  readonly zone: string | undefined;
}

/** The first moment after `from` at which a clock in that zone shows what is wanted. */
function nextMoment(from: number, wanted: Wanted): string | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      ...(wanted.zone === undefined ? {} : { timeZone: wanted.zone }),
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    });
  } catch {
    return undefined;
  }
  const minuteStart = Math.floor(from / 60_000) * 60_000;
  const days = wanted.date === undefined ? 2 : 370;
  for (let day = 0; day < days; day += 1) {
    // The clock's distance to the wanted time, seen from this day; summer time can move it, so it is looked at once more.
    let moment = minuteStart + day * DAY_MS;
    for (let look = 0; look < 2; look += 1) {
      const seen = parts(format, moment);
      moment += ((wanted.hour - seen.hour) * 60 + (wanted.minute - seen.minute)) * 60_000;
    }
    const seen = parts(format, moment);
    const fits = seen.hour === wanted.hour && seen.minute === wanted.minute;
    const onDate = wanted.date === undefined || (seen.month === wanted.date.month + 1 && seen.day === wanted.date.day);
    if (fits && onDate && moment > from) return new Date(moment).toISOString();
  }
  return undefined;
}

function parts(format: Intl.DateTimeFormat, moment: number) {
  const found = new Map(format.formatToParts(moment).map(({ type, value }) => [type, Number(value)]));
  const part = (name: Intl.DateTimeFormatPartTypes): number => found.get(name) ?? 0;
  return { month: part('month'), day: part('day'), hour: part('hour'), minute: part('minute') };
}
