/** Times as people say them. Pure but for `useNow`, the one shared clock that makes ages grow. */
import { createStore, useStore } from './store.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const clock = createStore(Date.now());
/** The longest an age on screen is behind, ms. */
const TICK = 5000;
let ticking = false;

/** The time now (ms), renewed every few seconds for every component that uses it. */
export function useNow(): number {
  if (!ticking) {
    ticking = true;
    setInterval(() => clock.set(Date.now()), TICK);
  }
  return useStore(clock);
}

function span(ms: number): string {
  if (ms < 45 * 1000) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (ms < HOUR) return `${Math.max(1, Math.round(ms / MINUTE))} min`;
  if (ms < DAY) return `${Math.round(ms / HOUR)} h`;
  const days = Math.round(ms / DAY);
  return days === 1 ? '1 day' : `${days} days`;
}

/** "just now", "3 min ago". A clock that runs before ours is not worth a negative number. */
export function ago(time: string, now: number): string {
  const ms = now - Date.parse(time);
  return ms < 5000 ? 'just now' : `${span(ms)} ago`;
}

/** "in 23 h", or undefined when it is over. */
export function until(time: string, now: number): string | undefined {
  const ms = Date.parse(time) - now;
  return ms <= 0 ? undefined : `in ${span(ms)}`;
}

/** "in 1 h 29 min": to the minute while that counts; undefined when it is over. */
export function untilReset(time: string, now: number): string | undefined {
  const ms = Date.parse(time) - now;
  if (ms <= 0 || ms >= DAY) return until(time, now);
  const minutes = Math.max(1, Math.round(ms / MINUTE));
  if (minutes < 60) return `in ${minutes} min`;
  return minutes % 60 === 0 ? `in ${minutes / 60} h` : `in ${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The clock time, with the day where it is not today's. */
export function clockTime(time: string, now: number): string {
  const date = new Date(time);
  const sameDay = date.toDateString() === new Date(now).toDateString();
  return date.toLocaleString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    ...(sameDay ? {} : { day: 'numeric', month: 'short' }),
  });
}

/** The clock time of a line in a list of many, short: today's without the day, and always in 24 hours. */
export function logTime(time: string): string {
  const date = new Date(time);
  const sameDay = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(undefined, {
    ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
    ...(sameDay ? {} : { day: 'numeric', month: 'short' }),
  });
}

/** "12 s", "5 min 1 s", "2 h 4 min": how long something took. */
export function longSpan(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Made once: a formatter costs a thousand times what it formats, and every age on screen has one of these behind it. */
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

export function fullTime(time: string): string {
  return FULL.format(new Date(time));
}

/** The next redraw sees this moment; for times that were just set. */
export function touchClock(): void {
  clock.set(Date.now());
}
