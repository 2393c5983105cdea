/**
 * A model that does what a test says: the part of the OpenAI chat completions API that opencode uses with a provider of the person's own, as server-sent events.
 * Side requests (titles, summaries: they offer no tools) are answered without a rule. What is not `POST /v1/chat/completions` is refused with 404.
 */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { bearerKey, ModelServer, sendJson } from './model-server.ts';
import type { ApiCall, ModelAsk, Saying } from './model-server.ts';

const Message = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]).nullish(),
  tool_call_id: z.string().optional(),
});
const ApiRequest = z.looseObject({
  model: z.string(),
  stream: z.literal(true),
  messages: z.array(Message),
  tools: z.array(z.looseObject({ function: z.looseObject({ name: z.string() }) })).optional(),
});

export interface OpencodeRequest extends ModelAsk {
  readonly model: string;
}

/** A refusal of the service, as the real one words it. */
export interface OpencodeRefusal {
  /** The HTTP status: 429, 500, … */
  readonly code: number;
  readonly error: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

type OpencodeDeed =
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  | { readonly refuse: OpencodeRefusal };
export type OpencodeReply = Saying | OpencodeDeed;

export class OpencodeModel extends ModelServer<OpencodeRequest, OpencodeDeed> {
  static start(): Promise<OpencodeModel> {
    return new OpencodeModel().listen();
  }

  protected async serve(call: ApiCall, response: ServerResponse): Promise<void> {
    if (call.method !== 'POST' || call.path !== '/v1/chat/completions') {
      this.refused.push(`${call.method} ${call.path}`);
      sendJson(response, 404, { error: { message: 'not here' } });
      return;
    }
    const request = describe(ApiRequest.parse(JSON.parse(call.body)), bearerKey(call));
    const reply = request.tools.length === 0 ? { say: 'A title' } : await this.answerTo(request);
    if ('refuse' in reply) {
      const { code, error, headers } = reply.refuse;
      sendJson(response, code, { error }, headers);
    } else send(response, reply, this.next(), request.model);
  }
}

function describe(request: z.infer<typeof ApiRequest>, key: string): OpencodeRequest {
  const { messages } = request;
  const fresh = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  return {
    at: Date.now(),
    key,
    model: request.model,
    tools: (request.tools ?? []).map((tool) => tool.function.name),
    news: fresh
      .filter(({ role }) => role !== 'system')
      .map(textOf)
      .join('\n'),
    everything: messages.map(textOf).join('\n'),
    toolResults: fresh.flatMap(({ tool_call_id }) => (tool_call_id === undefined ? [] : [tool_call_id])),
  };
}

function textOf({ content }: z.infer<typeof Message>): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(({ text }) => text ?? '').join('\n');
}

function send(
  response: ServerResponse,
  reply: Exclude<OpencodeReply, { readonly refuse: OpencodeRefusal }>,
  count: number,
  model: string,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta: Readonly<Record<string, unknown>>, finish: string | null, more = {}) => {
    const choices = [{ index: 0, delta, finish_reason: finish }];
    const data = { id: `chatcmpl-test-${count}`, object: 'chat.completion.chunk', created: 1, model, choices, ...more };
    response.write(`data: ${JSON.stringify(data)}\n\n`);
  };
  chunk({ role: 'assistant', content: reply.say ?? '' }, null);
  if ('tool' in reply) {
    const call = { name: reply.tool, arguments: JSON.stringify(reply.input) };
    chunk({ tool_calls: [{ index: 0, id: `call_test_${count}`, type: 'function', function: call }] }, null);
  }
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
  chunk({}, 'tool' in reply ? 'tool_calls' : 'stop', { usage });
  response.end('data: [DONE]\n\n');
}
