/** The language of Codex' hooks: what a payload says, and how an answer puts text into the conversation. */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { Deed } from '../../sessions/activity/observations.ts';
import type { HookFacts, HookMoment } from '../../sessions/agent-port.ts';
import { deedOf } from '../hook-deeds.ts';
import { askWords } from '../tool-words.ts';

const MOMENTS: Readonly<Record<string, HookMoment>> = {
  SessionStart: 'session_start',
  UserPromptSubmit: 'prompt',
  PostToolUse: 'tool_done',
  Stop: 'turn_end',
  Interrupt: 'turn_end',
  SessionEnd: 'session_end',
};

const Payload = z.looseObject({
  session_id: z.string().refine(isSessionId),
  cwd: z.string().max(4096).catch(''),
  transcript_path: z.string().max(4096).nullish().catch(undefined),
  permission_mode: z.string().max(60).optional().catch(undefined),
  agent_id: z.string().nullish().catch(undefined),
  prompt: z.string().optional().catch(undefined),
  source: z.string().max(60).optional().catch(undefined),
  reason: z.string().max(200).optional().catch(undefined),
  tool_name: z.string().max(500).optional().catch(undefined),
  tool_input: z.unknown().optional(),
  tool_use_id: z.string().max(200).optional().catch(undefined),
});

export function readHook(event: string, payload: unknown): HookFacts | undefined {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const moment = MOMENTS[event] ?? 'other';
  const deed = toolDeed(event, data) ?? deedOf({ moment, tool: undefined });
  return {
    moment,
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path ?? undefined,
    permissionMode: data.permission_mode,
    subagent: typeof data.agent_id === 'string',
    prompt: data.prompt,
    reason: data.reason ?? data.source,
    agentId: data.agent_id ?? undefined,
    ...(deed === undefined || (event === 'SessionStart' && data.source === 'compact') ? {} : { deed }),
  };
}

/** Which dialog a tool is about is told by the app-server, in its own words; hooks only say what runs, and what is asked where there is no server. */
function toolDeed(
  event: string,
  { tool_name, tool_input, tool_use_id, cwd }: z.infer<typeof Payload>,
): Deed | undefined {
  if (tool_name === undefined) return undefined;
  const call = { tool: tool_name, input: tool_input, id: tool_use_id };
  if (event === 'PreToolUse') return { does: 'begins_tool', call };
  if (event === 'PostToolUse') return { does: 'ends_tool', call };
  if (event !== 'PermissionRequest') return undefined;
  return { does: 'asks', wait: { kind: 'permission', what: askWords(tool_name, tool_input, cwd) }, call };
}

/** Seen in the model's next request for these events, on 0.169.0. */
export function renderContext(facts: HookFacts, text: string): string | undefined {
  if (facts.moment !== 'prompt' && facts.moment !== 'tool_done') return undefined;
  return JSON.stringify({ hookSpecificOutput: { hookEventName: facts.event, additionalContext: text } });
}
