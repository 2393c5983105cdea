/**
 * JSON over HTTP to one server, by TCP or unix socket, on kept connections. Answers are parsed by schema; every failure is an
 * IntercomError: the server's own refusal as it came, `unreachable` when nothing answered, `timeout` when it took too long.
 */
import { Agent, request as send, type Dispatcher } from 'undici';
import type { z } from 'zod';
import { ErrorBody, IntercomError, parseWith } from '../../protocol/errors.ts';
import { signRequest } from '../../protocol/signing.ts';

/** Answers larger than this are refused; pages are bounded well below. */
const ANSWER_MAX = 32 * 1024 * 1024;

export interface OutgoingRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Path with query, as it goes on the wire. */
  readonly path: string;
  readonly body?: unknown;
  /** Milliseconds for the whole exchange; 15 s unless told. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Adds headers to a request that is about to go: a signature, a bearer. */
export type Authorize = (request: {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}) => Record<string, string>;

export interface ClientOptions {
  /** `http://host:port`; for a socket any host, for example `http://daemon`. */
  readonly origin: string;
  readonly socketPath?: string;
  readonly authorize?: Authorize;
  /** What the errors call the other side: "the hub", "the daemon of laptop". */
  readonly peer: string;
  /** What to do when it cannot be reached. */
  readonly unreachableNext: string;
  readonly connections?: number;
}

export class JsonClient {
  readonly #options: ClientOptions;
  readonly #agent: Agent;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#agent = new Agent({
      connections: options.connections ?? 16,
      keepAliveTimeout: 60_000,
      connect: { timeout: 5_000, ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }) },
    });
  }

  /** Sends and reads the answer by `schema`. */
  async call<T>(request: OutgoingRequest, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.#exchange(request);
    const text = await answer.text();
    if (answer.status >= 400) throw refusal(answer.status, text, this.#options.peer);
    return parseWith(
      schema,
      text === '' ? undefined : parseJson(text, this.#options.peer),
      `answer of ${this.#options.peer}`,
    );
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #exchange(request: OutgoingRequest): Promise<{ status: number; text: () => Promise<string> }> {
    const body = request.body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(request.body));
    const timeout = AbortSignal.timeout(request.timeoutMs ?? 15_000);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    const options = {
      method: request.method,
      headers: {
        accept: 'application/json',
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...request.headers,
        ...this.#options.authorize?.({ method: request.method, path: request.path, body }),
      },
      body: request.body === undefined ? null : body,
      signal,
      dispatcher: this.#agent,
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    try {
      const answer = await send(`${this.#options.origin}${request.path}`, options);
      return { status: answer.statusCode, text: () => this.#bounded(answer.body, timeout, request.signal) };
    } catch (error) {
      throw this.#failure(error, timeout, request.signal);
    }
  }

  async #bounded(
    body: Dispatcher.ResponseData['body'],
    timeout: AbortSignal,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body) {
        const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
        size += bytes.length;
        if (size > ANSWER_MAX) {
          body.destroy();
          throw new IntercomError('too_large', `The answer of ${this.#options.peer} is too large.`, {
            next: 'Ask for a smaller page.',
          });
        }
        chunks.push(bytes);
      }
    } catch (error) {
      throw this.#failure(error, timeout, signal);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #failure(error: unknown, timeout: AbortSignal, signal: AbortSignal | undefined): unknown {
    if (error instanceof IntercomError) return error;
    if (signal?.aborted === true) return new IntercomError('cancelled', 'The call was given up.', { cause: error });
    if (timeout.aborted) {
      return new IntercomError('timeout', `${capital(this.#options.peer)} did not answer in time.`, {
        next: this.#options.unreachableNext,
        cause: error,
      });
    }
    return new IntercomError('unreachable', `${capital(this.#options.peer)} cannot be reached.`, {
      next: this.#options.unreachableNext,
      cause: error,
    });
  }
}

/** Signs each request as `machine` (or as the hub) with the secret of the moment. */
export function signing(machine: string, secret: () => string, now: () => number = Date.now): Authorize {
  return (request) => signRequest(secret(), machine, request, now());
}

export function bearer(token: () => string): Authorize {
  return () => ({ authorization: `Bearer ${token()}` });
}

function refusal(status: number, text: string, peer: string): IntercomError {
  const parsed = ErrorBody.safeParse(parseQuietly(text));
  if (parsed.success) return IntercomError.fromWire(parsed.data.error);
  return new IntercomError('unreachable', `${capital(peer)} answered with HTTP ${status} and no reason.`, {
    next: 'Is another program listening there?',
  });
}

function parseJson(text: string, peer: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch (error) {
    throw new IntercomError('unreachable', `${capital(peer)} did not answer with JSON.`, {
      next: 'Is another program listening there?',
      cause: error,
    });
  }
}

function parseQuietly(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
