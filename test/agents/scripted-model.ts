/**
 * A model that does what a test says: the part of the Anthropic Messages API that Claude Code uses, as server-sent events.
 * Side requests (session titles, topic checks: they carry no tools) are answered without a rule.
 */
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { headerKey, ModelServer, sendJson } from './model-server.ts';
import type { ApiCall, ModelAsk, Saying } from './model-server.ts';

const ContentBlock = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  name: z.string().optional(),
  tool_use_id: z.string().optional(),
  content: z.unknown().optional(),
});
const ApiMessage = z.object({ role: z.string(), content: z.union([z.string(), z.array(ContentBlock)]) });
const ApiRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  messages: z.array(ApiMessage),
  system: z.unknown().optional(),
  tools: z.array(z.looseObject({ name: z.string() })).optional(),
});

export type ModelRequest = ModelAsk;

type Deed =
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  /** Several tools at once. */
  | { readonly tools: readonly ToolUse[] };
export type ModelReply = Saying | Deed;

interface ToolUse {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export class ScriptedModel extends ModelServer<ModelRequest, Deed> {
  static start(): Promise<ScriptedModel> {
    return new ScriptedModel().listen();
  }

  protected async serve(call: ApiCall, response: ServerResponse): Promise<void> {
    if (call.method === 'HEAD' || call.method === 'GET') {
      response.writeHead(200).end();
      return;
    }
    if (call.path.endsWith('/count_tokens')) {
      sendJson(response, 200, { input_tokens: 10 });
      return;
    }
    if (call.path !== '/v1/messages') {
      response.writeHead(404).end();
      return;
    }
    const parsed = ApiRequest.parse(JSON.parse(call.body));
    const request = describe(parsed, headerKey(call, 'x-api-key'));
    const title = { say: '{"title": "test", "isNewTopic": false}' };
    const reply = request.tools.length === 0 ? title : await this.answerTo(request);
    send(response, parsed.model, reply, this.next(), parsed.stream !== false);
  }
}

function describe(request: z.infer<typeof ApiRequest>, key: string): ModelRequest {
  const fresh = request.messages.slice(request.messages.findLastIndex((message) => message.role === 'assistant') + 1);
  const blocks = fresh.flatMap((message) => (typeof message.content === 'string' ? [] : message.content));
  return {
    at: Date.now(),
    key,
    tools: (request.tools ?? []).map((tool) => tool.name),
    news: fresh.map((message) => textOf(message.content)).join('\n'),
    everything: request.messages.map((message) => textOf(message.content)).join('\n'),
    toolResults: blocks.flatMap((block) => (block.type === 'tool_result' ? [block.tool_use_id ?? ''] : [])),
  };
}

function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((item: unknown) => {
      const block = ContentBlock.safeParse(item);
      if (!block.success) return '';
      return block.data.type === 'tool_result' ? textOf(block.data.content) : (block.data.text ?? '');
    })
    .join('\n');
}

/** The reply as the events of a stream, or as one JSON body. */
function send(response: ServerResponse, model: string, reply: ModelReply, count: number, stream: boolean): void {
  const usage = { input_tokens: 10, output_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const id = `msg_test_${count}`;
  const text = 'tools' in reply ? undefined : reply.say;
  const tools = 'tools' in reply ? reply.tools : 'tool' in reply ? [reply] : [];
  const content = [
    ...(text === undefined ? [] : [{ type: 'text', text }]),
    ...tools.map(({ tool, input }, at) => ({
      type: 'tool_use',
      id: `toolu_test_${count}${at === 0 ? '' : `and${at}`}`,
      name: tool,
      input,
    })),
  ];
  const stop = tools.length > 0 ? 'tool_use' : 'end_turn';
  const message = { id, type: 'message', role: 'assistant', model, stop_sequence: null, usage };
  if (!stream) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...message, content, stop_reason: stop }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': id });
  const event = (data: { readonly type: string } & Record<string, unknown>) =>
    response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
  event({ type: 'message_start', message: { ...message, content: [], stop_reason: null } });
  for (const [index, block] of content.entries()) {
    const isText = 'text' in block;
    event({
      type: 'content_block_start',
      index,
      content_block: isText ? { type: 'text', text: '' } : { ...block, input: {} },
    });
    event({
      type: 'content_block_delta',
      index,
      delta: isText
        ? { type: 'text_delta', text: block.text }
        : { type: 'input_json_delta', partial_json: JSON.stringify('input' in block ? block.input : {}) },
    });
    event({ type: 'content_block_stop', index });
  }
  event({ type: 'message_delta', delta: { stop_reason: stop, stop_sequence: null }, usage });
  event({ type: 'message_stop' });
  response.end();
}
