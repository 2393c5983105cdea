/** The language of Codex' hooks: what a payload says, and how an answer puts text into the conversation. */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { HookFacts, HookMoment } from '../../sessions/agent-port.ts';

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
});

export function readHook(event: string, payload: unknown): HookFacts | undefined {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  return {
    moment: MOMENTS[event] ?? 'other',
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path ?? undefined,
    permissionMode: data.permission_mode,
    subagent: typeof data.agent_id === 'string',
    prompt: data.prompt,
    reason: data.reason ?? data.source,
  };
}

/** Seen in the model's next request for these events, on 0.169.0. */
export function renderContext(facts: HookFacts, text: string): string | undefined {
  if (facts.moment !== 'prompt' && facts.moment !== 'tool_done') return undefined;
  return JSON.stringify({ hookSpecificOutput: { hookEventName: facts.event, additionalContext: text } });
}
