/**
 * The language of Gemini CLI's hooks: what a payload says, and how an answer puts text into the conversation.
 *
 * Invariants: what is put in as context is escaped once more than it came, because Gemini CLI turns `<` and `>` into entities but leaves `&` alone: without that a
 * body's escaped tag and our own would read the same; the end of a turn is only prolonged with mail, never for anything else.
 */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import type { Deed } from '../../sessions/activity/observations.ts';
import type { HookFacts, HookMoment } from '../../sessions/agent-port.ts';
import { UNNAMED } from '../../sessions/activity/waits.ts';
import { deedOf } from '../hook-deeds.ts';
import { oneLine } from '../tool-words.ts';

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
  const moment = MOMENTS[event] ?? 'other';
  const deed = doneBy(event, data) ?? deedOf({ moment, tool: undefined });
  return {
    moment,
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path,
    permissionMode: undefined,
    // Nothing in a payload says so (0.61.0).
    subagent: false,
    prompt: data.prompt,
    reason: (data.reason ?? data.source)?.slice(0, 200),
    ...(deed === undefined ? {} : { deed }),
  };
}

/** A notification says that a dialog opens, after BeforeTool; an answer at the terminal is told only by what follows: AfterTool, or nothing where it was refused. */
function doneBy(event: string, hook: GeminiHook): Deed | undefined {
  const call = { tool: hook.tool_name ?? UNNAMED, input: hook.tool_input, id: undefined };
  if (event === 'BeforeTool') return { does: 'begins_tool', call };
  if (event === 'AfterTool') return { does: 'ends_tool', call };
  if (event !== 'Notification' || hook.notification_type !== 'ToolPermission') return undefined;
  return { does: 'asks', wait: waitOf(hook), call: { tool: UNNAMED, input: undefined, id: undefined } };
}

const Details = z.looseObject({
  type: text,
  title: text,
  command: text,
  filePath: text,
  fileName: text,
  serverName: text,
  toolName: text,
  questions: z
    .array(z.looseObject({ question: z.string() }))
    .optional()
    .catch(undefined),
});

function waitOf({ details, message }: GeminiHook): SessionWait {
  const { type, title, command, filePath, fileName, serverName, toolName, questions } =
    Details.safeParse(details).data ?? {};
  const line = (given: string) => oneLine(given, 500) || 'a tool';
  if (type === 'ask_user') return { kind: 'question', what: line(questions?.[0]?.question ?? title ?? 'a question') };
  if (type === 'exit_plan_mode') return { kind: 'plan', what: 'its plan' };
  if (command !== undefined) return { kind: 'permission', what: line(`Shell: ${command}`) };
  const file = filePath ?? fileName;
  if (file !== undefined) return { kind: 'permission', what: line(`Edit: ${file}`) };
  if (toolName !== undefined) return { kind: 'permission', what: line(`${serverName ?? 'MCP'}: ${toolName}`) };
  return { kind: 'permission', what: line(title ?? message ?? '') };
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
