/** What a program's table says about its limits, as the launcher and the hub ask for it: which it cannot hold. What the table leaves out it cannot. Pure. */
import { AgentLimit, type AgentOffer } from '../../protocol/mission.ts';
import type { AgentProgram, LimitNote } from './program.ts';

export function limitNote(
  { limits }: Pick<AgentProgram, 'limits'>,
  { runtime, limit }: Pick<LimitNote, 'runtime' | 'limit'>,
): Pick<LimitNote, 'holds' | 'note'> {
  return limits.find((one) => one.runtime === runtime && one.limit === limit) ?? { holds: 'no' };
}

export function cannotHold(program: Pick<AgentProgram, 'limits' | 'runtimes'>): NonNullable<AgentOffer['cannotHold']> {
  const all = program.runtimes.flatMap((runtime) => AgentLimit.options.map((limit) => ({ runtime, limit })));
  return all.filter((one) => limitNote(program, one).holds === 'no');
}
