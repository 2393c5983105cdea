/**
 * What this machine offers to start: its agents, in the runtimes in which its own limits can be held, or why none is. Pure.
 *
 * Invariant: the hub refuses by it before anybody is asked; checks.ts refuses the same again, whatever the hub knew.
 */
import type { LauncherConfig } from '../../config/launcher.ts';
import { limitWords, unheldLimits } from '../../protocol/mission-limits.ts';
import type { AgentOffer, MissionLimits } from '../../protocol/mission.ts';
import { limitsOf } from './limits.ts';

export function offersOf(config: LauncherConfig, offers: readonly AgentOffer[]): readonly AgentOffer[] {
  const limits = limitsOf(config, {});
  return offers.map((offer) => (config.maxConcurrent === 0 ? nothing(offer) : within(offer, limits)));
}

function nothing(offer: AgentOffer): AgentOffer {
  return { ...offer, problem: 'no agents are started on this machine (agent_launcher.max_concurrent: 0)' };
}

function within(offer: AgentOffer, limits: MissionLimits): AgentOffer {
  const runtimes = offer.runtimes.filter((runtime) => unheldLimits(offer, runtime, limits).length === 0);
  if (runtimes.length > 0 || offer.runtimes.length === 0) return { ...offer, runtimes };
  const missing = [...new Set(offer.runtimes.flatMap((runtime) => unheldLimits(offer, runtime, limits)))];
  const problem = `this machine sets ${limitWords(missing)}, and it cannot be held to that (agent_launcher.max_turns, max_budget_usd)`;
  return { ...offer, problem: offer.problem ?? problem };
}
