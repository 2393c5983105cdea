/** The language of Claude Code's hooks: what a payload says, and how an answer puts text into the conversation. */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import type { Deed } from '../../sessions/activity/observations.ts';
import type { HookFacts, HookMoment, PermissionAnswer, PermissionAsk } from '../../sessions/agent-port.ts';
import { FORM_EVENT, readForm, renderForm } from './elicitation.ts';
import { deedOf } from '../hook-deeds.ts';
import { askWords, oneLine } from '../tool-words.ts';
import { suggestionWords } from './permission-words.ts';
import {
  answeredInput,
  PLAN_TOOL,
  plannedInput,
  QUESTION_TOOL,
  questionsIn,
  readPlan,
  readQuestions,
} from './questions.ts';

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
  /** Of a turn that ended: what goes on behind it (Stop), why it failed (StopFailure), and its last words. */
  background_tasks: z.array(z.unknown()).catch([]),
  error: z.string().max(200).optional().catch(undefined),
  last_assistant_message: z.string().optional().catch(undefined),
  /** Of a form of an MCP server (Elicitation). */
  mcp_server_name: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
});
type Payload = z.infer<typeof Payload>;

const Questions = z.looseObject({ questions: z.array(z.looseObject({ question: z.string() })).min(1) });
const Plan = z.looseObject({ plan: z.string() });

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
const Described = z.looseObject({ description: z.string().optional().catch(undefined) });

export function readHook(event: string, payload: unknown): HookFacts | undefined {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const phase = PHASES[event];
  const tool =
    phase === undefined || data.tool_name === undefined
      ? undefined
      : { name: data.tool_name, input: data.tool_input, id: data.tool_use_id, phase };
  const moment = MOMENTS[event] ?? 'other';
  const deed = doneBy(event, data) ?? deedOf({ moment, tool });
  return {
    moment,
    event,
    session: data.session_id,
    cwd: data.cwd,
    transcript: data.transcript_path,
    permissionMode: data.permission_mode,
    subagent: data.agent_id !== undefined,
    prompt: data.prompt,
    reason: data.reason ?? data.source,
    agentId: data.agent_id,
    ...(tool === undefined ? {} : { tool }),
    // A conversation that was compacted goes on with what it did.
    ...(deed === undefined || (event === 'SessionStart' && data.source === 'compact') ? {} : { deed }),
  };
}

/** What only Claude Code's own events say. */
function doneBy(event: string, hook: Payload): Deed | undefined {
  const words = hook.last_assistant_message ?? '';
  switch (event) {
    case 'PermissionRequest': {
      const tool = hook.tool_name ?? 'a tool';
      const call = { tool, input: hook.tool_input, id: hook.tool_use_id };
      return { does: 'asks', wait: waitOf(tool, hook.tool_input, hook.cwd), call };
    }
    // The event's name stands for the tool of a form: what ends it names none.
    case FORM_EVENT: {
      const what = oneLine(`${hook.mcp_server_name ?? 'an MCP server'}: ${hook.message ?? 'a form'}`, 500);
      return {
        does: 'asks',
        wait: { kind: 'question', what },
        call: { tool: FORM_EVENT, input: undefined, id: undefined },
      };
    }
    case 'ElicitationResult':
      return { does: 'is_answered', call: { tool: FORM_EVENT, input: undefined, id: undefined } };
    case 'Stop':
      return { does: 'ends_turn', background: hook.background_tasks.length > 0 };
    case 'StopFailure':
      return hook.error === 'rate_limit'
        ? { does: 'meets_limit', notice: words }
        : { does: 'ends_turn', background: false };
    case 'SubagentStop':
      return { does: 'ends_subagent' };
    default:
      return undefined;
  }
}

function waitOf(tool: string, input: unknown, cwd: string): SessionWait {
  if (tool === QUESTION_TOOL) {
    const [first, ...more] = Questions.safeParse(input).data?.questions ?? [];
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
    return { kind: 'question', what: oneLine(`${first?.question ?? 'a question'}${others}`, 500) || 'a question' };
  }
  if (tool === PLAN_TOOL) {
    const heading =
      Plan.safeParse(input)
        .data?.plan.split('\n')
        .find((line) => line.trim() !== '') ?? '';
    const title = oneLine(heading.replace(/^[#\s]+/, ''), 400);
    return { kind: 'plan', what: title === '' ? 'its plan' : `its plan: ${title}` };
  }
  return { kind: 'permission', what: askWords(tool, input, cwd) };
}

/** Plain stdout of PostToolUse does not reach the model; this form does, for each of these events. */
export function renderContext(facts: HookFacts, text: string): string | undefined {
  if (facts.moment !== 'prompt' && facts.moment !== 'tool_done' && facts.moment !== 'session_start') return undefined;
  return JSON.stringify({ hookSpecificOutput: { hookEventName: facts.event, additionalContext: text } });
}

export function readPermission(event: string, payload: unknown): PermissionAsk | undefined {
  if (event === FORM_EVENT) return readForm(payload);
  const parsed = event === 'PermissionRequest' ? PermissionPayload.safeParse(payload).data : undefined;
  if (parsed === undefined) return undefined;
  const { tool_name: tool, tool_input: input } = parsed;
  const ask = {
    tool,
    input,
    intent: Described.safeParse(input).data?.description,
    suggestions: parsed.permission_suggestions.map(suggestionWords),
  };
  if (tool === QUESTION_TOOL) {
    const question = readQuestions(input);
    return question === undefined ? undefined : { ...ask, question, identify: questionsIn };
  }
  // Only one plan at a time, and 2.1.329 leaves its text out of the result.
  return tool === PLAN_TOOL ? { ...ask, plan: readPlan(input) ?? '', identify: () => PLAN_TOOL } : ask;
}

export function renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
  if (event === FORM_EVENT) return renderForm(payload, answer);
  const parsed = PermissionPayload.safeParse(payload).data;
  if (parsed === undefined) return undefined;
  if (answer.verdict === 'deny') return decision(event, { behavior: 'deny', message: answer.message });
  const { tool_name: tool, tool_input: input } = parsed;
  if (tool === QUESTION_TOOL) {
    const updatedInput = answeredInput(input, answer.answers ?? []);
    return updatedInput === undefined ? undefined : decision(event, { behavior: 'allow', updatedInput });
  }
  const chosen = answer.suggestion === undefined ? undefined : parsed.permission_suggestions[answer.suggestion];
  return decision(event, {
    behavior: 'allow',
    ...(tool === PLAN_TOOL ? { updatedInput: plannedInput(input) } : {}),
    ...(chosen === undefined ? {} : { updatedPermissions: [chosen] }),
  });
}

function decision(event: string, given: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ hookSpecificOutput: { hookEventName: event, decision: given } });
}
