/**
 * The current five hours and the week of one agent, from its hours.
 *
 * A block as the provider bills it begins with the first message after the one before has ended, counted from the beginning of that message's hour, and lasts five hours, whatever
 * happens in them. It does not slide: with the hour in which it began, its end is known. Where the provider itself tells when its span ends, that counts instead.
 */
import { isoTime } from '../../platform/clock.ts';
import type { UsageSpan } from '../../protocol/attention.ts';
import type { Counts, ProviderLimit } from './use.ts';

export const HOUR_MS = 3_600_000;
export const BLOCK_MS = 5 * HOUR_MS;
export const WEEK_MS = 7 * 24 * HOUR_MS;

export interface HourUse extends Counts {
  /** Its beginning, milliseconds. */
  readonly hour: number;
  readonly costUsd: number;
  /** Requests whose price is not known. */
  readonly unpriced: number;
}

export function hourOf(at: number): number {
  return Math.floor(at / HOUR_MS) * HOUR_MS;
}

/** Where the block that is under way began; undefined: none is. `hours` from the oldest to the newest. */
export function blockStart(hours: readonly Pick<HourUse, 'hour'>[], now: number): number | undefined {
  let start: number | undefined;
  for (const { hour } of hours) if (start === undefined || hour >= start + BLOCK_MS) start = hour;
  return start === undefined || now >= start + BLOCK_MS ? undefined : start;
}

export function blockOf(hours: readonly HourUse[], now: number, limit?: ProviderLimit): UsageSpan | undefined {
  if (limit !== undefined && limit.resetsAt > now) return span(hours, limit.resetsAt - BLOCK_MS, limit.resetsAt, limit);
  const start = blockStart(hours, now);
  return start === undefined ? undefined : span(hours, start, start + BLOCK_MS);
}

/** The provider's week, or the last seven days; undefined where nothing was used in them. */
export function weekOf(hours: readonly HourUse[], now: number, limit?: ProviderLimit): UsageSpan | undefined {
  if (limit !== undefined && limit.resetsAt > now) return span(hours, limit.resetsAt - WEEK_MS, limit.resetsAt, limit);
  const week = span(hours, now - WEEK_MS, now);
  return hours.some(({ hour }) => hour >= hourOf(now - WEEK_MS)) ? week : undefined;
}

/** A span that does not begin with an hour counts the whole of that hour. */
function span(hours: readonly HourUse[], start: number, end: number, limit?: ProviderLimit): UsageSpan {
  const within = hours.filter(({ hour }) => hour >= hourOf(start) && hour < end);
  const sum = (of: (hour: HourUse) => number) => within.reduce((total, hour) => total + of(hour), 0);
  const tokens = {
    input: sum(({ input }) => input),
    output: sum(({ output }) => output),
    cacheRead: sum(({ cacheRead }) => cacheRead),
    cacheWrite: sum(({ cacheWrite }) => cacheWrite),
  };
  return {
    start: isoTime(start),
    end: isoTime(end),
    tokens,
    // A sum that lacks a part would be a lie.
    ...(within.some(({ unpriced }) => unpriced > 0) ? {} : { costUsd: sum(({ costUsd }) => costUsd) }),
    ...(limit === undefined ? {} : { usedPercent: limit.usedPercent }),
  };
}
