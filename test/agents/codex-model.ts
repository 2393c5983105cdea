/**
 * A model that does what a test says: the part of the OpenAI Responses API that Codex uses, on loopback, as server-sent events.
 *
 * Rules are tried newest first; one that is used up (`times`) is passed over. Every request is recorded. A request for the conversation that no
 * rule knows is answered harmlessly and remembered in `unknown`, so that a test can fail on it (`expectNoneUnknown`). Side requests (titles and
 * the like: they offer no shell) are answered without a rule. What is not `POST /v1/responses` or `GET /v1/models` is refused with 404.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';

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

/** One request as a test looks at it. */
export interface CodexRequest {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The API key it came with, to tell several sessions apart. */
  readonly key: string;
  readonly tools: readonly string[];
  /** What is new in this request, after the model's last turn: prompt, tool results, added context. */
  readonly news: string;
  /** All texts of all items. */
  readonly everything: string;
  /** The call ids of the tool results in `news`. */
  readonly toolResults: readonly string[];
}

/** A refusal of the service, as the real one words it. */
export interface CodexRefusal {
  readonly status: number;
  readonly error: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type CodexReply =
  | { readonly say: string }
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

export interface CodexRule {
  /** A text or pattern in `news`, or a test of the whole request. */
  readonly when: string | RegExp | ((request: CodexRequest) => boolean);
  /** May be a promise: the model then thinks until the test lets it answer. */
  readonly reply: CodexReply | ((request: CodexRequest) => CodexReply | Promise<CodexReply>);
  readonly times?: number;
}

export class CodexModel {
  readonly requests: CodexRequest[] = [];
  readonly unknown: CodexRequest[] = [];
  readonly #server: Server;
  readonly #rules: { rule: CodexRule; left: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #url = '';
  #count = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('not a request of the Responses API'));
      });
    });
  }

  static async start(): Promise<CodexModel> {
    const model = new CodexModel();
    await new Promise<void>((resolve) => model.#server.listen(0, '127.0.0.1', resolve));
    const address = model.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    model.#url = `http://127.0.0.1:${address.port}`;
    return model;
  }

  get url(): string {
    return this.#url;
  }

  on(rule: CodexRule): void {
    this.#rules.unshift({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  /** The first request (past or coming) after number `from` that fits. Fails by itself only when the test's own time is over. */
  async request(when: CodexRule['when'], from = 0): Promise<CodexRequest> {
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
    const body = await readAll(incoming);
    if (incoming.method === 'GET' && path === '/v1/models') {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"object":"list","data":[]}');
      return;
    }
    if (incoming.method !== 'POST' || path !== '/v1/responses') {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"not here"}}');
      return;
    }
    const parsed = ApiRequest.parse(JSON.parse(body));
    const request = describe(parsed, (incoming.headers.authorization ?? '').replace(/^Bearer /, ''));
    const reply = await this.#replyTo(request);
    if ('refuse' in reply) refuse(response, reply.refuse);
    else send(response, reply, (this.#count += 1), parsed.model);
  }

  async #replyTo(request: CodexRequest): Promise<CodexReply> {
    if (!request.tools.some((name) => SHELLS.has(name))) return { say: '{"title":"test"}' };
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

function fits(when: CodexRule['when'], request: CodexRequest): boolean {
  if (typeof when === 'string') return request.news.includes(when);
  return when instanceof RegExp ? when.test(request.news) : when(request);
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

async function readAll(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function refuse(response: ServerResponse, refusal: CodexRefusal): void {
  response.writeHead(refusal.status, { 'content-type': 'application/json', ...refusal.headers });
  response.end(JSON.stringify({ error: refusal.error }));
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
