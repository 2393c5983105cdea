/** The language of Claude Code's hooks: what a payload says, and how an answer puts text into the conversation. */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { HookFacts, HookMoment, PermissionAnswer, PermissionAsk } from '../../sessions/agent-port.ts';
import { suggestionWords } from './permission-words.ts';

const MOMENTS: Readonly<Record<string, HookMoment>> = {
  SessionStart: 'session_start',
  UserPromptSubmit: 'prompt',
  PostToolUse: 'tool_done',
  Stop: 'turn_end',
  SessionEnd: 'session_end',
};

const Payload = z.looseObject({
  session_id: z.string().refine(isSessionId),
  cwd: z.string().max(4096).catch(''),
  transcript_path: z.string().max(4096).optional().catch(undefined),
  permission_mode: z.string().max(60).optional().catch(undefined),
  /** Both versions that were looked at put it on every event inside a subagent, and on no other. */
  agent_id: z.string().optional().catch(undefined),
  prompt: z.string().optional().catch(undefined),
  source: z.string().max(60).optional().catch(undefined),
  reason: z.string().max(200).optional().catch(undefined),
  tool_name: z.string().max(500).optional().catch(undefined),
  tool_input: z.unknown().optional(),
  tool_use_id: z.string().max(200).optional().catch(undefined),
});

const PHASES: Readonly<Record<string, NonNullable<HookFacts['tool']>['phase']>> = {
  PreToolUse: 'begins',
  PostToolUse: 'over',
  PostToolUseFailure: 'over',
  PermissionDenied: 'refused',
};

const PermissionPayload = z.looseObject({
  tool_name: z.string().min(1),
  tool_input: z.unknown().optional(),
  permission_suggestions: z.array(z.unknown()).catch([]),
});
/** A question with choices: an Allow would answer it with nothing. Its dialog stays with the person at the terminal. */
const QUESTIONS = new Set(['AskUserQuestion']);
const Described = z.looseObject({ description: z.string().optional().catch(undefined) });

export function readHook(event: string, payload: unknown): HookFacts | undefined {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const phase = PHASES[event];
  return {
    moment: MOMENTS[event] ?? 'other',
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path,
    permissionMode: data.permission_mode,
    subagent: data.agent_id !== undefined,
    prompt: data.prompt,
    reason: data.reason ?? data.source,
    agentId: data.agent_id,
    ...(phase === undefined || data.tool_name === undefined
      ? {}
      : { tool: { name: data.tool_name, input: data.tool_input, id: data.tool_use_id, phase } }),
  };
}

/** Plain stdout of PostToolUse does not reach the model; this form does, for each of these events. */
export function renderContext(facts: HookFacts, text: string): string | undefined {
  if (facts.moment !== 'prompt' && facts.moment !== 'tool_done' && facts.moment !== 'session_start') return undefined;
  return JSON.stringify({ hookSpecificOutput: { hookEventName: facts.event, additionalContext: text } });
}

export function readPermission(event: string, payload: unknown): PermissionAsk | undefined {
  const parsed = event === 'PermissionRequest' ? PermissionPayload.safeParse(payload).data : undefined;
  if (parsed === undefined || QUESTIONS.has(parsed.tool_name)) return undefined;
  return {
    tool: parsed.tool_name,
    input: parsed.tool_input,
    intent: Described.safeParse(parsed.tool_input).data?.description,
    suggestions: parsed.permission_suggestions.map(suggestionWords),
  };
}

export function renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
  const parsed = PermissionPayload.safeParse(payload).data;
  if (parsed === undefined) return undefined;
  if (answer.verdict === 'deny') return decision(event, { behavior: 'deny', message: answer.message });
  const chosen = answer.suggestion === undefined ? undefined : parsed.permission_suggestions[answer.suggestion];
  return decision(event, {
    behavior: 'allow',
    ...(chosen === undefined ? {} : { updatedPermissions: [chosen] }),
  });
}

function decision(event: string, given: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ hookSpecificOutput: { hookEventName: event, decision: given } });
}
