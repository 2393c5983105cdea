/**
 * An agent's permission request as a hook of our own runner, and the decision as the option that the agent is given.
 *
 * The hook speaks the one dialect that permission hooks have here (`PermissionRequest`: tool_name, tool_input, permission_suggestions; answered by
 * `hookSpecificOutput.decision`), so that whoever decides needs not know the agent. Invariant: only an `allow` that can be read allows.
 */
import { z } from 'zod';
import type { PermissionAnswer, PermissionAsk } from '../../sessions/agent-port.ts';
import { detailOf } from './words.ts';
import type { PermissionOption, PermissionRequest, ToolCall } from './words.ts';

const Answer = z.looseObject({
  hookSpecificOutput: z.looseObject({
    decision: z.looseObject({
      behavior: z.enum(['allow', 'deny']),
      message: z.string().optional(),
      interrupt: z.boolean().optional(),
      updatedPermissions: z.array(z.looseObject({ optionId: z.string().optional() })).optional(),
    }),
  }),
});

/** The payload, as a journal holds it. */
export const PermissionHook = z.looseObject({
  cwd: z.string().catch(''),
  tool_name: z.string(),
  tool_input: z.unknown().optional(),
  permission_suggestions: z.array(z.looseObject({ optionId: z.string(), name: z.string() })).catch([]),
});

export function toPermissionHook(request: z.infer<typeof PermissionRequest>, cwd: string): unknown {
  const { toolCall } = request;
  return {
    session_id: request.sessionId,
    cwd,
    hook_event_name: 'PermissionRequest',
    tool_name: toolCall.kind ?? 'tool',
    tool_use_id: toolCall.toolCallId,
    tool_input: inputOf(toolCall),
    permission_suggestions: request.options
      .filter(({ kind }) => kind === 'allow_always')
      .map(({ optionId, name }) => ({ type: 'option', optionId, name })),
  };
}

const RawInput = z.record(z.string(), z.unknown());

/** All that the agent shows of what it wants to do: its tool's own input where it gives that, with what it shows besides. */
function inputOf(call: ToolCall): Record<string, unknown> {
  const given = RawInput.safeParse(call.rawInput).data ?? {};
  const title = call.title ?? '';
  const paths = (call.locations ?? []).map(({ path }) => path);
  const [edit, ...more] = (call.content ?? []).filter(({ type }) => type === 'diff');
  const shown = detailOf({
    ...call,
    content: (call.content ?? []).filter(({ type }) => type !== 'diff' || more.length > 0),
  });
  return {
    ...(call.kind === 'execute' ? { command: title } : { title }),
    ...(paths.length === 0 ? {} : { paths }),
    ...(edit === undefined || more.length > 0
      ? {}
      : { file_path: edit.path ?? '', old_string: edit.oldText ?? '', new_string: edit.newText ?? '' }),
    ...(shown === undefined ? {} : { shown }),
    ...given,
  };
}

/** The daemon's side of the same hook: what is asked for. */
export function readPermission(event: string, payload: unknown): PermissionAsk | undefined {
  const asked = event === 'PermissionRequest' ? PermissionHook.safeParse(payload).data : undefined;
  if (asked === undefined) return undefined;
  return {
    tool: asked.tool_name,
    input: asked.tool_input,
    intent: undefined,
    suggestions: asked.permission_suggestions.map(({ name }) => name),
  };
}

/** What the bridge is answered. */
export function renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
  const asked = PermissionHook.safeParse(payload).data;
  if (asked === undefined) return undefined;
  const chosen =
    answer.verdict === 'allow' && answer.suggestion !== undefined
      ? asked.permission_suggestions[answer.suggestion]
      : undefined;
  const decision =
    answer.verdict === 'deny'
      ? { behavior: 'deny', message: answer.message }
      : { behavior: 'allow', ...(chosen === undefined ? {} : { updatedPermissions: [chosen] }) };
  return JSON.stringify({ hookSpecificOutput: { hookEventName: event, decision } });
}

export interface Choice {
  /** The protocol's answer. */
  readonly result: unknown;
  /** End the turn too. */
  readonly interrupt: boolean;
  readonly note: string | undefined;
}

/** `answer`: the hook's output; absent or unreadable: refused. */
export function selectOption(options: readonly PermissionOption[], answer: string | undefined): Choice {
  const decision = read(answer);
  if (decision === undefined) {
    return { result: refusal(options), interrupt: false, note: 'Nobody could be asked for a permission: refused.' };
  }
  if (decision.behavior === 'deny') {
    return {
      result: refusal(options),
      interrupt: decision.interrupt === true,
      note: decision.message === undefined ? undefined : `Refused: ${decision.message}`,
    };
  }
  const wanted = (decision.updatedPermissions ?? []).map(({ optionId }) => optionId);
  const always = options.find(({ kind, optionId }) => kind === 'allow_always' && wanted.includes(optionId));
  const chosen = always ?? options.find(({ kind }) => kind === 'allow_once');
  if (chosen === undefined) {
    return { result: refusal(options), interrupt: false, note: 'It offers no way to allow this once: refused.' };
  }
  return { result: selected(chosen), interrupt: false, note: undefined };
}

export function refusal(options: readonly PermissionOption[]): unknown {
  const no = options.find(({ kind }) => kind === 'reject_once');
  return no === undefined ? { outcome: { outcome: 'cancelled' } } : selected(no);
}

function selected({ optionId }: PermissionOption): unknown {
  return { outcome: { outcome: 'selected', optionId } };
}

function read(answer: string | undefined) {
  if (answer === undefined || answer === '') return undefined;
  try {
    return Answer.safeParse(JSON.parse(answer)).data?.hookSpecificOutput.decision;
  } catch {
    return undefined;
  }
}
