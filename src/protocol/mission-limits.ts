/** Which of a mission's limits an agent can hold: where it cannot, such a mission is refused instead of running without. Pure; hub and daemon ask the same. */
import type { AgentLimit, AgentOffer, MissionLimits, MissionRuntime } from './mission.ts';

/** Those of `limits` that nobody could hold in this runtime. */
export function unheldLimits(
  { cannotHold = [] }: Pick<AgentOffer, 'cannotHold'>,
  runtime: MissionRuntime,
  limits: MissionLimits,
): readonly AgentLimit[] {
  return cannotHold.flatMap((one) => (one.runtime === runtime && limits[one.limit] !== undefined ? one.limit : []));
}

/** "a budget in dollars and a cap on turns". */
export function limitWords(limits: readonly AgentLimit[]): string {
  const words: Readonly<Record<AgentLimit, string>> = {
    maxTurns: 'a cap on turns',
    maxBudgetUsd: 'a budget in dollars',
  };
  return limits.map((limit) => words[limit]).join(' and ');
}
