/**
 * The language of Gemini CLI's hooks: what a payload says, and how an answer puts text into the conversation.
 *
 * Invariants: what is put in as context is escaped once more than it came, because Gemini CLI turns `<` and `>` into entities but leaves `&` alone: without that a
 * body's escaped tag and our own would read the same; the end of a turn is only prolonged with mail, never for anything else.
 */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { HookFacts, HookMoment } from '../../sessions/agent-port.ts';

const MOMENTS: Readonly<Record<string, HookMoment>> = {
  SessionStart: 'session_start',
  BeforeAgent: 'prompt',
  AfterTool: 'tool_done',
  AfterAgent: 'turn_end',
  SessionEnd: 'session_end',
};

const text = z.string().optional().catch(undefined);
export const GeminiHook = z.looseObject({
  session_id: z.string().refine(isSessionId),
  cwd: z.string().max(4096).catch(''),
  transcript_path: z.string().max(4096).optional().catch(undefined),
  prompt: text,
  prompt_response: text,
  stop_hook_active: z.boolean().optional().catch(undefined),
  source: text,
  reason: text,
  tool_name: text,
  tool_input: z.unknown().optional(),
  tool_response: z
    .looseObject({ error: z.unknown().optional(), returnDisplay: z.unknown().optional() })
    .optional()
    .catch(undefined),
  notification_type: text,
  message: text,
  details: z.unknown().optional(),
});
export type GeminiHook = z.infer<typeof GeminiHook>;

export function readHook(event: string, payload: unknown): HookFacts | undefined {
  const parsed = GeminiHook.safeParse(payload);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  return {
    moment: MOMENTS[event] ?? 'other',
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path,
    permissionMode: undefined,
    // Nothing in a payload says so (0.61.0).
    subagent: false,
    prompt: data.prompt,
    reason: (data.reason ?? data.source)?.slice(0, 200),
  };
}

export function renderContext(facts: HookFacts, given: string): string | undefined {
  switch (facts.moment) {
    case 'prompt':
    case 'tool_done':
      return JSON.stringify({
        hookSpecificOutput: { hookEventName: facts.event, additionalContext: given.replaceAll('&', '&amp;') },
      });
    // The turn goes on with the mail as its next prompt, as it is: no escaping of theirs here.
    case 'turn_end':
      return JSON.stringify({ decision: 'deny', reason: given });
    case 'session_start':
    case 'session_end':
    case 'other':
      return undefined;
  }
}
