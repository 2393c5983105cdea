/**
 * A model that does what a test says: the part of the OpenAI Responses API that Codex uses, as server-sent events.
 * Side requests (titles and the like: they offer no shell) are answered without a rule. What is not `POST /v1/responses` or `GET /v1/models` is refused with 404.
 */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { bearerKey, ModelServer, sendJson } from './model-server.ts';
import type { ApiCall, ModelAsk, Saying } from './model-server.ts';

const InputItem = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: z.unknown().optional(),
  output: z.unknown().optional(),
  call_id: z.string().optional(),
});
const ApiRequest = z.looseObject({
  model: z.string(),
  stream: z.literal(true),
  input: z.array(InputItem),
  instructions: z.string().optional(),
  tools: z.array(z.looseObject({ type: z.string(), name: z.string().optional() })).optional(),
});

/** A refusal of the service, as the real one words it. */
export interface CodexRefusal {
  readonly status: number;
  readonly error: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type CodexRequest = ModelAsk;

type CodexDeed =
  /** A function tool; `input` becomes its JSON arguments. `namespace` for the tools of an MCP server. */
  | {
      readonly tool: string;
      readonly input: Readonly<Record<string, unknown>>;
      readonly namespace?: string;
      readonly say?: string;
    }
  /** A free-form tool such as `apply_patch`. */
  | { readonly custom: string; readonly text: string }
  | { readonly refuse: CodexRefusal };
export type CodexReply = Saying | CodexDeed;

export class CodexModel extends ModelServer<CodexRequest, CodexDeed> {
  static start(): Promise<CodexModel> {
    return new CodexModel().listen();
  }

  protected async serve(call: ApiCall, response: ServerResponse): Promise<void> {
    if (call.method === 'GET' && call.path === '/v1/models') {
      sendJson(response, 200, { object: 'list', data: [] });
      return;
    }
    if (call.method !== 'POST' || call.path !== '/v1/responses') {
      sendJson(response, 404, { error: { message: 'not here' } });
      return;
    }
    const parsed = ApiRequest.parse(JSON.parse(call.body));
    const request = describe(parsed, bearerKey(call));
    const isSession = request.tools.some((name) => SHELLS.has(name));
    const reply = isSession ? await this.answerTo(request) : { say: '{"title":"test"}' };
    if ('refuse' in reply) {
      const { status, error, headers } = reply.refuse;
      sendJson(response, status, { error }, headers);
    } else send(response, reply, this.next(), parsed.model);
  }
}

/** The session itself is always offered one of them. */
const SHELLS = new Set(['exec_command', 'shell_command', 'shell', 'local_shell']);

/** The model's own items: what comes after the last of them is news. */
const OWN = new Set(['function_call', 'custom_tool_call', 'reasoning', 'local_shell_call']);

function describe(request: z.infer<typeof ApiRequest>, key: string): CodexRequest {
  const own = (item: z.infer<typeof InputItem>) => item.role === 'assistant' || OWN.has(item.type ?? '');
  const fresh = request.input.slice(request.input.findLastIndex(own) + 1);
  return {
    at: Date.now(),
    key,
    tools: (request.tools ?? []).map((tool) => tool.name ?? tool.type),
    news: fresh.map(textOf).join('\n'),
    everything: request.input.map(textOf).join('\n'),
    toolResults: fresh.flatMap((item) => (item.type?.endsWith('_output') === true ? [item.call_id ?? ''] : [])),
  };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return value.map(textOf).join('\n');
  if (typeof value !== 'object' || value === null) return '';
  if ('text' in value && typeof value.text === 'string') return value.text;
  if ('output' in value) return textOf(value.output);
  return 'content' in value ? textOf(value.content) : '';
}

function send(
  response: ServerResponse,
  reply: Exclude<CodexReply, { readonly refuse: CodexRefusal }>,
  count: number,
  model: string,
): void {
  const id = `resp_test_${count}`;
  const call = `call_test_${count}`;
  const text = 'say' in reply ? reply.say : undefined;
  const items: Record<string, unknown>[] = [];
  if (text !== undefined) {
    const content = [{ type: 'output_text', text, annotations: [] }];
    items.push({ type: 'message', id: `msg_test_${count}`, role: 'assistant', status: 'completed', content });
  }
  if ('tool' in reply) {
    const { tool: name, namespace, input } = reply;
    const named = namespace === undefined ? { name } : { name, namespace };
    items.push({
      type: 'function_call',
      id: `fc_test_${count}`,
      call_id: call,
      ...named,
      arguments: JSON.stringify(input),
    });
  }
  if ('custom' in reply) {
    items.push({
      type: 'custom_tool_call',
      id: `ctc_test_${count}`,
      call_id: call,
      name: reply.custom,
      input: reply.text,
    });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (data: { readonly type: string } & Record<string, unknown>) =>
    response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  event({ type: 'response.created', response: { id, object: 'response', model, status: 'in_progress', output: [] } });
  for (const [index, item] of items.entries()) {
    event({ type: 'response.output_item.added', output_index: index, item });
    event({ type: 'response.output_item.done', output_index: index, item });
  }
  const usage = {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  };
  event({
    type: 'response.completed',
    response: { id, object: 'response', model, status: 'completed', output: items, usage },
  });
  response.end();
}
