/** The words of the Agent Client Protocol (version 1) that we read, as far as we need them. Whatever else an agent sends is passed over. */
import { z } from 'zod';
import { MissionUsage } from '../../../protocol/mission.ts';

export const ACP_VERSION = 1;

export const InitializeResult = z.looseObject({
  protocolVersion: z.number(),
  agentCapabilities: z.looseObject({ loadSession: z.boolean().catch(false) }).optional(),
});
export const NewSessionResult = z.looseObject({
  sessionId: z.string().optional(),
  models: z.looseObject({ currentModelId: z.string().optional() }).nullish().catch(undefined),
});

const Text = z.looseObject({ type: z.literal('text'), text: z.string() });
const ToolContent = z.looseObject({
  type: z.string(),
  content: z.looseObject({ type: z.string(), text: z.string().optional() }).optional().catch(undefined),
  path: z.string().optional().catch(undefined),
  oldText: z.string().nullish().catch(undefined),
  newText: z.string().nullish().catch(undefined),
});
export const ToolCall = z.looseObject({
  toolCallId: z.string(),
  title: z.string().nullish().catch(undefined),
  kind: z.string().nullish().catch(undefined),
  status: z.string().nullish().catch(undefined),
  content: z.array(ToolContent).nullish().catch(undefined),
  locations: z
    .array(z.looseObject({ path: z.string() }))
    .nullish()
    .catch(undefined),
  rawInput: z.unknown().optional(),
});
export type ToolCall = z.infer<typeof ToolCall>;

export const SessionUpdate = z.looseObject({
  sessionId: z.string(),
  update: z.union([
    z.looseObject({ sessionUpdate: z.literal('agent_message_chunk'), content: Text }),
    ToolCall.extend({ sessionUpdate: z.enum(['tool_call', 'tool_call_update']) }),
    z.looseObject({
      sessionUpdate: z.literal('usage_update'),
      cost: z.looseObject({ amount: z.number().nonnegative(), currency: z.string() }).nullish().catch(undefined),
    }),
    z.looseObject({ sessionUpdate: z.string() }).transform(() => ({ sessionUpdate: 'other' as const })),
  ]),
});

export const PermissionOption = z.looseObject({ optionId: z.string(), name: z.string(), kind: z.string() });
export type PermissionOption = z.infer<typeof PermissionOption>;
export const PermissionRequest = z.looseObject({
  sessionId: z.string(),
  toolCall: ToolCall,
  options: z.array(PermissionOption),
});

const Count = z.number().int().nonnegative().optional().catch(undefined);
const PromptResult = z.looseObject({
  stopReason: z.string(),
  usage: z
    .looseObject({ inputTokens: Count, outputTokens: Count, cachedReadTokens: Count, cachedWriteTokens: Count })
    .nullish()
    .catch(undefined),
  _meta: z
    .looseObject({
      quota: z
        .looseObject({ token_count: z.looseObject({ input_tokens: Count, output_tokens: Count }) })
        .optional()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
});

/** Why a turn ended and what it used: the protocol's own field, else Gemini's. */
export function readPromptResult(result: unknown): {
  readonly stop: string;
  readonly usage: z.infer<typeof MissionUsage> | undefined;
} {
  const parsed = PromptResult.safeParse(result);
  if (!parsed.success) return { stop: 'unknown', usage: undefined };
  const { stopReason, usage, _meta } = parsed.data;
  const tokens = _meta?.quota?.token_count;
  if (usage !== undefined && usage !== null) {
    return {
      stop: stopReason,
      usage: MissionUsage.parse({
        inputTokens: usage.inputTokens,
        outputTokens: usage.outputTokens,
        cacheReadTokens: usage.cachedReadTokens,
        cacheWriteTokens: usage.cachedWriteTokens,
      }),
    };
  }
  if (tokens === undefined) return { stop: stopReason, usage: undefined };
  return { stop: stopReason, usage: { inputTokens: tokens.input_tokens, outputTokens: tokens.output_tokens } };
}

/** What a tool call shows of itself, in one text. */
export function detailOf(call: ToolCall): string | undefined {
  const texts = (call.content ?? []).flatMap((item) => {
    if (item.type === 'diff') return [`${item.path ?? ''}\n${item.newText ?? ''}`];
    return item.content?.text === undefined ? [] : [item.content.text];
  });
  const text = texts.join('\n').trim();
  return text === '' ? undefined : text;
}
