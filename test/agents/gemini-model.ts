/**
 * A model that does what a test says: the part of the Gemini API that Gemini CLI uses, as server-sent events.
 * Side requests (routing, summaries, next speaker: they offer no tools) are answered without a rule. What is not one of the API's own calls is refused with 404.
 */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { headerKey, ModelServer, sendJson } from './model-server.ts';
import type { ApiCall, ModelAsk, Rule, Saying } from './model-server.ts';

const Part = z.looseObject({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  functionCall: z.looseObject({ name: z.string() }).optional(),
  functionResponse: z.looseObject({ id: z.string().optional(), name: z.string(), response: z.unknown() }).optional(),
});
const Content = z.looseObject({ role: z.string().optional(), parts: z.array(Part) });
const ApiRequest = z.looseObject({
  contents: z.array(Content),
  tools: z
    .array(z.looseObject({ functionDeclarations: z.array(z.looseObject({ name: z.string() })).optional() }))
    .optional(),
});

/** Its tool results are known by their tools' names. */
export interface GeminiRequest extends ModelAsk {
  readonly model: string;
}

/** A refusal of the service, as the real one words it. */
export interface GeminiRefusal {
  /** The HTTP status: 429, 500, … */
  readonly code: number;
  /** RESOURCE_EXHAUSTED, INTERNAL, … */
  readonly status: string;
  readonly message: string;
  readonly details?: readonly Readonly<Record<string, unknown>>[];
}

type GeminiDeed =
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  | { readonly refuse: GeminiRefusal };
export type GeminiReply = Saying | GeminiDeed;
export type GeminiRule = Rule<GeminiRequest, GeminiReply>;

/** The daily quota is used up: Google says in how long it is there again. */
export function quotaExhausted(retryDelay: string): GeminiRefusal {
  return {
    code: 429,
    status: 'RESOURCE_EXHAUSTED',
    message: `You exceeded your current quota. Please retry in ${retryDelay}.`,
    details: [
      {
        '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
        violations: [
          {
            quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_requests',
            quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
          },
        ],
      },
      { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
    ],
  };
}

export class GeminiModel extends ModelServer<GeminiRequest, GeminiDeed> {
  static start(): Promise<GeminiModel> {
    return new GeminiModel().listen();
  }

  protected async serve(api: ApiCall, response: ServerResponse): Promise<void> {
    const call = /^\/v1(?:beta)?\/models\/([^/:]+):(streamGenerateContent|generateContent|countTokens)$/.exec(api.path);
    const [, model = '', method = ''] = call ?? [];
    if (api.method !== 'POST' || call === null) {
      this.refused.push(`${api.method} ${api.path}`);
      sendJson(response, 404, { error: { code: 404, message: 'not here', status: 'NOT_FOUND' } });
      return;
    }
    if (method === 'countTokens') {
      sendJson(response, 200, { totalTokens: 10 });
      return;
    }
    const request = describe(ApiRequest.parse(JSON.parse(api.body)), headerKey(api, 'x-goog-api-key'), model);
    const speaker = { say: '{"next_speaker": "user", "reasoning": "test"}' };
    const reply = request.tools.length === 0 ? speaker : await this.answerTo(request);
    if ('refuse' in reply) sendJson(response, reply.refuse.code, { error: reply.refuse });
    else if (method === 'generateContent') sendJson(response, 200, answer(reply, model));
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify(answer(reply, model))}\r\n\r\n`);
    }
  }
}

function describe(request: z.infer<typeof ApiRequest>, key: string, model: string): GeminiRequest {
  const fresh = request.contents.slice(request.contents.findLastIndex(({ role }) => role === 'model') + 1);
  return {
    at: Date.now(),
    key,
    model,
    tools: (request.tools ?? []).flatMap((tool) => tool.functionDeclarations ?? []).map(({ name }) => name),
    news: fresh.map(textOf).join('\n'),
    everything: request.contents.map(textOf).join('\n'),
    toolResults: fresh.flatMap(({ parts }) =>
      parts.flatMap(({ functionResponse }) => (functionResponse === undefined ? [] : [functionResponse.name])),
    ),
  };
}

function textOf(content: z.infer<typeof Content>): string {
  return content.parts
    .map(({ text, functionResponse }) =>
      functionResponse === undefined ? (text ?? '') : strings(functionResponse.response),
    )
    .join('\n');
}

/** The texts in a tool's result, as they are (not as JSON writes them). */
function strings(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value).map(strings).join('\n');
}

function answer(reply: Exclude<GeminiReply, { readonly refuse: GeminiRefusal }>, model: string): unknown {
  const parts: Record<string, unknown>[] = [];
  if (reply.say !== undefined) parts.push({ text: reply.say });
  if ('tool' in reply) parts.push({ functionCall: { name: reply.tool, args: reply.input } });
  return {
    candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
    modelVersion: model,
  };
}
