/** What an event of a run's fold says that its session does. Pure. */
import type { SessionWait } from '../../protocol/attention.ts';
import type { Deed, ToolCall } from '../sessions/activity/observations.ts';
import { UNNAMED } from '../sessions/activity/waits.ts';
import type { AgentEvent } from './program.ts';
import { oneLine } from './tool-words.ts';

export function deedOfEvent(event: AgentEvent): Deed | undefined {
  switch (event.kind) {
    case 'turn_started':
      return { does: 'takes_prompt' };
    case 'text':
      return { does: 'is_answered', call: call(UNNAMED) };
    case 'tool':
      return { does: 'begins_tool', call: call(event.tool) };
    case 'tool_done':
      return { does: 'ends_tool', call: call(event.tool) };
    case 'waiting':
      return { does: 'asks', wait: waitOf(event.for), call: call(UNNAMED) };
    case 'rate_limited':
      return { does: 'meets_limit', notice: event.text, resetAt: event.resetAt };
    case 'turn_ended':
      return { does: 'ends_turn', background: event.background };
    case 'session':
    case 'ended':
      return undefined;
  }
}

/** Events name no call: those of one tool are told apart by their order. */
function call(tool: string): ToolCall {
  return { tool, input: undefined, id: undefined };
}

/** The folds' words: "permission: Run: npm test", "an answer to its question". */
function waitOf(words: string): SessionWait {
  const asked = /^permission: (.+)$/s.exec(words)?.[1];
  const kind = asked !== undefined ? 'permission' : /\b(?:question|answer)\b/.test(words) ? 'question' : 'dialog';
  return { kind, what: oneLine(asked ?? words, 500) || 'its person' };
}
