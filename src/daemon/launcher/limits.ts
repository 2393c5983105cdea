/** The limits of a run: which hold, and whether one is passed. Pure. */
import type { LauncherConfig } from '../../config/launcher.ts';
import type { MissionLimits } from '../../protocol/mission.ts';
import type { Ending, MissionRow } from '../store/mission-rows.ts';
import type { Tally } from './tally.ts';

/** Longer nobody and nothing is waited for. A provider's longest limit is a week. */
const PERSON_MS = 24 * 3_600_000;
const PROVIDER_MS = 8 * 24 * 3_600_000;
/** Clocks differ a little. */
const AFTER_RESET_MS = 2_000;
/** Without a time from the provider; then twice as long each time. */
const BACKOFF_MS = 5 * 60_000;
const BACKOFF_LONGEST_MS = 60 * 60_000;

export type EffectiveLimits = MissionLimits & {
  readonly maxDurationSeconds: number;
  readonly maxIdleSeconds: number;
};

/** The tighter of what is asked and what this machine allows. */
export function limitsOf(config: LauncherConfig, asked: MissionLimits): EffectiveLimits {
  const maxTurns = tighter(asked.maxTurns, config.maxTurns);
  const maxBudgetUsd = tighter(asked.maxBudgetUsd, config.maxBudgetUsd);
  return {
    maxDurationSeconds: Math.min(asked.maxDurationSeconds ?? Infinity, config.maxMissionDurationSeconds),
    maxIdleSeconds: Math.min(asked.maxIdleSeconds ?? Infinity, config.maxIdleSeconds),
    ...(maxTurns === undefined ? {} : { maxTurns }),
    ...(maxBudgetUsd === undefined ? {} : { maxBudgetUsd }),
  };
}

/** How a run has to end now, if a limit is passed. `idleMs`: since the last sign of work. What waits does not work, but not for ever. */
export function overLimit(
  row: MissionRow,
  tally: Tally,
  limits: EffectiveLimits,
  now: number,
  idleMs: number,
): Ending | undefined {
  const waits = now - row.stateSince;
  if (row.state === 'waiting_human') {
    if (waits <= PERSON_MS) return undefined;
    return { state: 'timed_out', reason: `Nobody answered it for ${spanWords(PERSON_MS / 1000)}.` };
  }
  if (row.state === 'rate_limited') {
    if (waits <= PROVIDER_MS) return undefined;
    return { state: 'timed_out', reason: `The model provider refused it for ${spanWords(PROVIDER_MS / 1000)}.` };
  }
  const worked = now - (row.facts.startedAt ?? now) - row.facts.heldMs;
  if (worked > limits.maxDurationSeconds * 1000) {
    const reason = `It worked for ${spanWords(limits.maxDurationSeconds)}, which is its limit.`;
    return { state: 'timed_out', reason };
  }
  if (idleMs > limits.maxIdleSeconds * 1000) {
    const reason = `It showed no sign of work for ${spanWords(limits.maxIdleSeconds)}, which is its limit.`;
    return { state: 'timed_out', reason };
  }
  if (limits.maxTurns !== undefined && tally.turns > limits.maxTurns) {
    return { state: 'failed', reason: `It took more than ${limits.maxTurns} turns, which is its limit.` };
  }
  if (limits.maxBudgetUsd !== undefined && tally.costUsd > limits.maxBudgetUsd) {
    const reason = `It cost $${tally.costUsd.toFixed(2)}; its budget is $${limits.maxBudgetUsd}.`;
    return { state: 'failed', reason };
  }
  return undefined;
}

/** When a run that the model provider refuses goes on, milliseconds. */
export function resumeTime(told: string | undefined, backoffs: number, now: number): number {
  const at = told === undefined ? Number.NaN : Date.parse(told);
  if (at > now) return at + AFTER_RESET_MS;
  // Just past: tried at once, but not again and again.
  if (!Number.isNaN(at) && backoffs === 0) return now + AFTER_RESET_MS;
  return now + Math.min(BACKOFF_LONGEST_MS, BACKOFF_MS * 2 ** Math.min(backoffs, 10));
}

function tighter(asked: number | undefined, own: number | undefined): number | undefined {
  if (asked === undefined || own === undefined) return asked ?? own;
  return Math.min(asked, own);
}

function spanWords(seconds: number): string {
  if (seconds < 120) return `${seconds} seconds`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3600)} hours`;
}
