/**
 * A model that does what a test says: the part of the OpenAI chat completions API that opencode uses with a provider of the person's own, on
 * loopback, as server-sent events.
 *
 * Rules are tried newest first; one that is used up (`times`) is passed over. Every request is recorded. A request for the conversation that no
 * rule knows is answered harmlessly and remembered in `unknown`, so that a test can fail on it (`expectNoneUnknown`). Side requests (titles,
 * summaries: they offer no tools) are answered without a rule. What is not `POST /v1/chat/completions` is refused with 404.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';

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

/** One request as a test looks at it. */
export interface OpencodeRequest {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The API key it came with, to tell several sessions apart. */
  readonly key: string;
  readonly model: string;
  readonly tools: readonly string[];
  /** What is new in this request, after the model's last turn: prompt, tool results, added context. */
  readonly news: string;
  /** All texts of all messages. */
  readonly everything: string;
  /** The call ids of the tool results in `news`. */
  readonly toolResults: readonly string[];
}

/** A refusal of the service, as the real one words it. */
export interface OpencodeRefusal {
  /** The HTTP status: 429, 500, … */
  readonly code: number;
  readonly error: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export type OpencodeReply =
  | { readonly say: string }
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  | { readonly refuse: OpencodeRefusal };

export interface OpencodeRule {
  /** A text or pattern in `news`, or a test of the whole request. */
  readonly when: string | RegExp | ((request: OpencodeRequest) => boolean);
  /** May be a promise: the model then thinks until the test lets it answer. */
  readonly reply: OpencodeReply | ((request: OpencodeRequest) => OpencodeReply | Promise<OpencodeReply>);
  readonly times?: number;
}

export class OpencodeModel {
  readonly requests: OpencodeRequest[] = [];
  readonly unknown: OpencodeRequest[] = [];
  /** Paths that were asked for and are none of the API's. */
  readonly refused: string[] = [];
  readonly #server: Server;
  readonly #rules: { rule: OpencodeRule; left: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #url = '';
  #count = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('not a request of the chat completions API'));
      });
    });
  }

  static async start(): Promise<OpencodeModel> {
    const model = new OpencodeModel();
    await new Promise<void>((resolve) => model.#server.listen(0, '127.0.0.1', resolve));
    const address = model.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    model.#url = `http://127.0.0.1:${address.port}`;
    return model;
  }

  get url(): string {
    return this.#url;
  }

  on(rule: OpencodeRule): void {
    this.#rules.unshift({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  /** The first request (past or coming) after number `from` that fits. Fails by itself only when the test's own time is over. */
  async request(when: OpencodeRule['when'], from = 0): Promise<OpencodeRequest> {
    for (;;) {
      const found = this.requests.slice(from).find((request) => fits(when, request));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  expectNoneUnknown(): void {
    const [first] = this.unknown;
    if (first !== undefined)
      throw new Error(`The model was asked something that no rule of the test knows: ${first.news.slice(0, 500)}`);
    const [path] = this.refused;
    if (path !== undefined) throw new Error(`The model was asked for ${path}, which it does not have.`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (incoming.url ?? '').split('?')[0] ?? '';
    const body = await readAll(incoming);
    if (incoming.method !== 'POST' || path !== '/v1/chat/completions') {
      this.refused.push(`${incoming.method ?? ''} ${path}`);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"not here"}}');
      return;
    }
    const key = (incoming.headers.authorization ?? '').replace(/^Bearer /, '');
    const request = describe(ApiRequest.parse(JSON.parse(body)), key);
    const reply = await this.#replyTo(request);
    if ('refuse' in reply) {
      response.writeHead(reply.refuse.code, { 'content-type': 'application/json', ...reply.refuse.headers });
      response.end(JSON.stringify({ error: reply.refuse.error }));
    } else send(response, reply, (this.#count += 1), request.model);
  }

  async #replyTo(request: OpencodeRequest): Promise<OpencodeReply> {
    if (request.tools.length === 0) return { say: 'A title' };
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

function fits(when: OpencodeRule['when'], request: OpencodeRequest): boolean {
  if (typeof when === 'string') return request.news.includes(when);
  return when instanceof RegExp ? when.test(request.news) : when(request);
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

async function readAll(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
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
