/**
 * What the scripted models have in common: an API on loopback that does what a test says.
 *
 * Rules are tried newest first; one that is used up (`times`) is passed over. Every request for the conversation is recorded; one that no rule knows is answered harmlessly and
 * remembered in `unknown`, so that a test can fail on it (`expectNoneUnknown`).
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** One request as a test looks at it. */
export interface ModelAsk {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The API key it came with, to tell several sessions apart. */
  readonly key: string;
  readonly tools: readonly string[];
  /** What is new in this request, after the model's last turn: prompt, tool results, added context. */
  readonly news: string;
  /** All texts of the whole conversation. */
  readonly everything: string;
  /** The tool results in `news`, by what their API tells them apart. */
  readonly toolResults: readonly string[];
}

export interface Saying {
  readonly say: string;
}

export type When<Ask> = string | RegExp | ((ask: Ask) => boolean);

export interface Rule<Ask, Reply> {
  /** A text or pattern in `news`, or a test of the whole request. */
  readonly when: When<Ask>;
  /** May be a promise: the model then thinks until the test lets it answer. */
  readonly reply: Reply | ((ask: Ask) => Reply | Promise<Reply>);
  readonly times?: number;
}

/** A call of the API, its body read. */
export interface ApiCall {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** `Reply`: what it can do beside saying something. */
export abstract class ModelServer<Ask extends ModelAsk, Reply> {
  readonly requests: Ask[] = [];
  readonly unknown: Ask[] = [];
  /** Calls of what the API does not have. */
  readonly refused: string[] = [];
  readonly #server: Server;
  readonly #rules: { readonly rule: Rule<Ask, Saying | Reply>; left: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #url = '';
  #count = 0;

  protected constructor() {
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error('not a request of this API'));
      });
    });
  }

  protected abstract serve(call: ApiCall, response: ServerResponse): Promise<void>;

  protected async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#url = `http://127.0.0.1:${address.port}`;
    return this;
  }

  get url(): string {
    return this.#url;
  }

  on(rule: Rule<Ask, Saying | Reply>): void {
    this.#rules.unshift({ rule, left: rule.times ?? Number.POSITIVE_INFINITY });
  }

  /** The first request (past or coming) after number `from` that fits. Fails by itself only when the test's own time is over. */
  async request(when: When<Ask>, from = 0): Promise<Ask> {
    for (;;) {
      const found = this.requests.slice(from).find((ask) => fits(when, ask));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Since it was asked last: what one test left behind is not the next one's fault. */
  expectNoneUnknown(): void {
    const [first] = this.unknown.splice(0);
    if (first !== undefined)
      throw new Error(`The model was asked something that no rule of the test knows: ${first.news.slice(0, 500)}`);
    const [call] = this.refused.splice(0);
    if (call !== undefined) throw new Error(`The model was asked for ${call}, which it does not have.`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** What the test says to a request for the conversation. */
  protected async answerTo(ask: Ask): Promise<Saying | Reply> {
    this.requests.push(ask);
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
    const known = this.#rules.find(({ rule, left }) => left > 0 && fits(rule.when, ask));
    if (known === undefined) {
      this.unknown.push(ask);
      return { say: 'No rule of the test knows this.' };
    }
    known.left -= 1;
    const { reply } = known.rule;
    return isFunction(reply) ? reply(ask) : reply;
  }

  /** A number that no other answer has. */
  protected next(): number {
    return (this.#count += 1);
  }

  async #take(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) if (Buffer.isBuffer(part)) parts.push(part);
    const { method = '', headers, url = '' } = incoming;
    const path = url.split('?')[0] ?? '';
    await this.serve({ method, path, headers, body: Buffer.concat(parts).toString('utf8') }, response);
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** The key behind `Bearer`. */
export function bearerKey({ headers }: ApiCall): string {
  return (headers.authorization ?? '').replace(/^Bearer /, '');
}

/** The key in a header of its own. */
export function headerKey({ headers }: ApiCall, name: string): string {
  return [headers[name]].flat()[0] ?? '';
}

function fits<Ask extends ModelAsk>(when: When<Ask>, ask: Ask): boolean {
  if (typeof when === 'string') return ask.news.includes(when);
  return when instanceof RegExp ? when.test(ask.news) : when(ask);
}

function isFunction<Ask, Reply>(
  reply: Reply | ((ask: Ask) => Reply | Promise<Reply>),
): reply is (ask: Ask) => Reply | Promise<Reply> {
  return typeof reply === 'function';
}
