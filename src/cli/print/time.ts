/** Times as a person says them. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "now", "3 min ago", "in 2 h"; a date when it is more than a month away. `time` is ISO or milliseconds. */
export function relative(time: string | number, now: number): string {
  const then = typeof time === 'number' ? time : Date.parse(time);
  if (Number.isNaN(then)) return 'unknown';
  const seconds = Math.round((now - then) / 1000);
  const size = Math.abs(seconds);
  if (size < 5) return 'now';
  if (size > 31 * DAY) return new Date(then).toISOString().slice(0, 10);
  return seconds > 0 ? `${span(size)} ago` : `in ${span(size)}`;
}

/** "45 s", "3 min", "2 h", "5 d". */
export function span(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * MINUTE) return `${Math.round(seconds / MINUTE)} min`;
  if (seconds < 36 * HOUR) return `${Math.round(seconds / HOUR)} h`;
  return `${Math.round(seconds / DAY)} d`;
}

/** Clock time of today, day and time otherwise; local. */
export function clockTime(time: string, now: number): string {
  const then = new Date(time);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const clock = `${pad(then.getHours())}:${pad(then.getMinutes())}:${pad(then.getSeconds())}`;
  if (new Date(now).toDateString() === then.toDateString()) return clock;
  return `${then.getFullYear()}-${pad(then.getMonth() + 1)}-${pad(then.getDate())} ${clock}`;
}

/** "1.2 GiB". */
export function bytes(size: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`;
}
