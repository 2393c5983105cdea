/**
 * A model that does what a test says: the part of the Gemini API that Gemini CLI uses, on loopback, as server-sent events.
 *
 * Rules are tried newest first; one that is used up (`times`) is passed over. Every request is recorded. A request for the conversation that no
 * rule knows is answered harmlessly and remembered in `unknown`, so that a test can fail on it (`expectNoneUnknown`). Side requests (routing,
 * summaries, next speaker: they offer no tools) are answered without a rule. What is not one of the API's own calls is refused with 404.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { z } from 'zod';

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

/** One request as a test looks at it. */
export interface GeminiRequest {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The API key it came with, to tell several sessions apart. */
  readonly key: string;
  readonly model: string;
  readonly tools: readonly string[];
  /** What is new in this request, after the model's last turn: prompt, tool results, added context. */
  readonly news: string;
  /** All texts of all contents. */
  readonly everything: string;
  /** The names of the tools whose results are in `news`. */
  readonly toolResults: readonly string[];
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

export type GeminiReply =
  | { readonly say: string }
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>>; readonly say?: string }
  | { readonly refuse: GeminiRefusal };

export interface GeminiRule {
  /** A text or pattern in `news`, or a test of the whole request. */
  readonly when: string | RegExp | ((request: GeminiRequest) => boolean);
  /** May be a promise: the model then thinks until the test lets it answer. */
  readonly reply: GeminiReply | ((request: GeminiRequest) => GeminiReply | Promise<GeminiReply>);
  readonly times?: number;
}

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

export class GeminiModel {
  readonly requests: GeminiRequest[] = [];
  readonly unknown: GeminiRequest[] = [];
  /** Paths that were asked for and are none of the API's. */
  readonly refused: string[] = [];
  readonly #server: Server;
  readonly #rules: { rule: GeminiRule; left: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #url = '';

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('not a request of the Gemini API'));
      });
    });
  }

  static async start(): Promise<GeminiModel> {
    const model = new GeminiModel();
    await new Promise<void>((resolve) => model.#server.listen(0, '127.0.0.1', resolve));
    const address = model.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    model.#url = `http://127.0.0.1:${address.port}`;
    return model;
  }

  get url(): string {
    return this.#url;
  }

  on(rule: GeminiRule): void {
    this.#rules.unshift({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  /** The first request (past or coming) after number `from` that fits. Fails by itself only when the test's own time is over. */
  async request(when: GeminiRule['when'], from = 0): Promise<GeminiRequest> {
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
    const call = /^\/v1(?:beta)?\/models\/([^/:]+):(streamGenerateContent|generateContent|countTokens)$/.exec(path);
    const [, model = '', method = ''] = call ?? [];
    const body = await readAll(incoming);
    if (incoming.method !== 'POST' || call === null) {
      this.refused.push(`${incoming.method ?? ''} ${path}`);
      json(response, 404, { error: { code: 404, message: 'not here', status: 'NOT_FOUND' } });
      return;
    }
    if (method === 'countTokens') {
      json(response, 200, { totalTokens: 10 });
      return;
    }
    const key = [incoming.headers['x-goog-api-key']].flat()[0] ?? '';
    const request = describe(ApiRequest.parse(JSON.parse(body)), key, model);
    const reply = await this.#replyTo(request);
    if ('refuse' in reply) json(response, reply.refuse.code, { error: reply.refuse });
    else if (method === 'generateContent') json(response, 200, answer(reply, model));
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify(answer(reply, model))}\r\n\r\n`);
    }
  }

  async #replyTo(request: GeminiRequest): Promise<GeminiReply> {
    if (request.tools.length === 0) return { say: '{"next_speaker": "user", "reasoning": "test"}' };
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

function fits(when: GeminiRule['when'], request: GeminiRequest): boolean {
  if (typeof when === 'string') return request.news.includes(when);
  return when instanceof RegExp ? when.test(request.news) : when(request);
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

async function readAll(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
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
