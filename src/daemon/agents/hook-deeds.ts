/** What a hook says that its session does, where all agents mean the same by it. Pure. */
import type { Deed, EventSeen } from '../sessions/activity/observations.ts';
import type { HookFacts } from '../sessions/agent-port.ts';

export function deedOf({ moment, tool }: Pick<HookFacts, 'moment' | 'tool'>): Deed | undefined {
  if (tool !== undefined) {
    const { name, input, id, phase } = tool;
    return { does: phase === 'begins' ? 'begins_tool' : 'ends_tool', call: { tool: name, input, id } };
  }
  switch (moment) {
    case 'session_start':
      return { does: 'starts' };
    case 'prompt':
      return { does: 'takes_prompt' };
    case 'turn_end':
      return { does: 'ends_turn', background: false };
    case 'session_end':
      return { does: 'ends' };
    case 'tool_done':
    case 'other':
      return undefined;
  }
}

/** The hook as the fold takes it; undefined: it says nothing about the state. */
export function hookSeen({ deed, agentId }: HookFacts, at: number): EventSeen | undefined {
  return deed === undefined ? undefined : { kind: 'event', source: 'hook', at, deed, agentId };
}

/** What the hook asked is over: answered through it, or its caller is gone (an answer at the terminal). */
export function overSeen({ deed, agentId }: HookFacts, answered: boolean, at: number): EventSeen | undefined {
  if (deed?.does !== 'asks') return undefined;
  const over: Deed = { does: answered ? 'is_answered' : 'closes_dialog', call: deed.call };
  return { kind: 'event', source: 'hook', at, deed: over, agentId };
}
