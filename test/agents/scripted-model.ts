/**
 * A model that does what a test says: the part of the Anthropic Messages API that Claude Code uses, on loopback, as server-sent events.
 *
 * Rules are tried newest first; one that is used up (`times`) is passed over. Every request is recorded. A request for the
 * conversation that no rule knows is answered harmlessly and remembered in `unknown`, so that a test can fail on it
 * (`expectNoneUnknown`). Side requests (session titles, topic checks: they carry no tools) are answered without a rule.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';

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

/** One request as a test looks at it. */
export interface ModelRequest {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The API key it came with, to tell several sessions apart. */
  readonly key: string;
  readonly tools: readonly string[];
  /** What is new in this request, after the model's last turn: prompt, tool results, added context. */
  readonly news: string;
  /** All texts of all messages. */
  readonly everything: string;
  /** The ids of the tool results in `news`. */
  readonly toolResults: readonly string[];
}

export type ModelReply =
  | { readonly say: string }
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  /** Several tools at once. */
  | { readonly tools: readonly ToolUse[] };

interface ToolUse {
  readonly tool: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface ModelRule {
  /** A text or pattern in `news`, or a test of the whole request. */
  readonly when: string | RegExp | ((request: ModelRequest) => boolean);
  /** May be a promise: the model then thinks until the test lets it answer. */
  readonly reply: ModelReply | ((request: ModelRequest) => ModelReply | Promise<ModelReply>);
  readonly times?: number;
}

export class ScriptedModel {
  readonly requests: ModelRequest[] = [];
  readonly unknown: ModelRequest[] = [];
  readonly #server: Server;
  readonly #rules: { rule: ModelRule; left: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #url = '';
  #count = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('not a request of the Messages API'));
      });
    });
  }

  static async start(): Promise<ScriptedModel> {
    const model = new ScriptedModel();
    await new Promise<void>((resolve) => model.#server.listen(0, '127.0.0.1', resolve));
    const address = model.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    model.#url = `http://127.0.0.1:${address.port}`;
    return model;
  }

  get url(): string {
    return this.#url;
  }

  on(rule: ModelRule): void {
    this.#rules.unshift({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  /** The first request (past or coming) after number `from` that fits. Fails by itself only when the test's own time is over. */
  async request(when: ModelRule['when'], from = 0): Promise<ModelRequest> {
    for (;;) {
      const found = this.requests.slice(from).find((request) => fits(when, request));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  expectNoneUnknown(): void {
    const first = this.unknown[0];
    if (first === undefined) return;
    throw new Error(`The model was asked something that no rule of the test knows: ${first.news.slice(0, 500)}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (incoming.url ?? '').split('?')[0] ?? '';
    if (incoming.method === 'HEAD' || incoming.method === 'GET') {
      response.writeHead(200).end();
      return;
    }
    const body = await readAll(incoming);
    if (path.endsWith('/count_tokens')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":10}');
      return;
    }
    if (path !== '/v1/messages') {
      response.writeHead(404).end();
      return;
    }
    const parsed = ApiRequest.parse(JSON.parse(body));
    const key = incoming.headers['x-api-key'];
    const request = describe(parsed, typeof key === 'string' ? key : '');
    const reply = await this.#replyTo(request);
    send(response, parsed.model, reply, (this.#count += 1), parsed.stream !== false);
  }

  async #replyTo(request: ModelRequest): Promise<ModelReply> {
    if (request.tools.length === 0) return { say: '{"title": "test", "isNewTopic": false}' };
    this.requests.push(request);
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
    const known = this.#rules.find(({ rule, left }) => left > 0 && fits(rule.when, request));
    if (known === undefined) {
      this.unknown.push(request);
      return { say: 'No rule of the test knows this.' };
    }
    known.left -= 1;
    return typeof known.rule.reply === 'function' ? known.rule.reply(request) : known.rule.reply;
  }
}

function fits(when: ModelRule['when'], request: ModelRequest): boolean {
  if (typeof when === 'string') return request.news.includes(when);
  return when instanceof RegExp ? when.test(request.news) : when(request);
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

async function readAll(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
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
