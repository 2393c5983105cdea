/**
 * JSON-RPC 2.0 over lines, from the side of the one that started the other. Knows nothing of what is said.
 *
 * Invariants: a line may be of any length; what cannot be read is skipped and told; when the other side is gone every open request rejects; a request of the
 * other side is always answered, with an error where it is not known or fails.
 */
import { z } from 'zod';

const Id = z.union([z.string(), z.number()]);
const RpcError = z.looseObject({ code: z.number(), message: z.string(), data: z.unknown().optional() });
const Incoming = z.looseObject({
  id: Id.optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
  result: z.unknown().optional(),
  error: RpcError.optional(),
});
type Incoming = z.infer<typeof Incoming>;

/** The other side's own words for why it refused. */
export class RpcFailure extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = 'RpcFailure';
    this.code = code;
    this.data = data;
  }
}

export interface RpcOptions {
  write(line: string): void;
  /** Answers a request of the other side; undefined: no such method. */
  onRequest(method: string, params: unknown): Promise<unknown> | undefined;
  onNotification(method: string, params: unknown): void;
  /** A line that is no JSON-RPC. */
  onNoise(line: string): void;
}

interface Open {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

const METHOD_NOT_FOUND = -32601;
const INTERNAL = -32603;

export class RpcPeer {
  readonly #options: RpcOptions;
  readonly #open = new Map<number, Open>();
  #next = 0;
  #closed: Error | undefined;

  constructor(options: RpcOptions) {
    this.#options = options;
  }

  request(method: string, params: unknown): Promise<unknown> {
    const { promise, resolve, reject } = newPromise();
    if (this.#closed !== undefined) {
      reject(this.#closed);
      return promise;
    }
    const id = (this.#next += 1);
    this.#open.set(id, { resolve, reject });
    this.#send({ id, method, params });
    return promise;
  }

  notify(method: string, params: unknown): void {
    if (this.#closed === undefined) this.#send({ method, params });
  }

  /** One line of the other side. */
  take(line: string): void {
    if (line.trim() === '') return;
    const message = parse(line);
    if (message === undefined) this.#options.onNoise(line);
    else if (message.method === undefined) this.#answered(message);
    else if (message.id === undefined) this.#options.onNotification(message.method, message.params);
    else void this.#serve(message.id, message.method, message.params);
  }

  close(reason: Error): void {
    this.#closed ??= reason;
    for (const { reject } of this.#open.values()) reject(reason);
    this.#open.clear();
  }

  #answered(message: Incoming): void {
    const open = typeof message.id === 'number' ? this.#open.get(message.id) : undefined;
    if (open === undefined || typeof message.id !== 'number') return;
    this.#open.delete(message.id);
    if (message.error === undefined) open.resolve(message.result);
    else open.reject(new RpcFailure(message.error.code, message.error.message, message.error.data));
  }

  async #serve(id: string | number, method: string, params: unknown): Promise<void> {
    try {
      const answer = this.#options.onRequest(method, params);
      if (answer === undefined) {
        this.#send({ id, error: { code: METHOD_NOT_FOUND, message: `There is no ${method} here.` } });
        return;
      }
      this.#send({ id, result: (await answer) ?? {} });
    } catch (error) {
      this.#send({ id, error: { code: INTERNAL, message: error instanceof Error ? error.message : 'It failed.' } });
    }
  }

  #send(message: Readonly<Record<string, unknown>>): void {
    if (this.#closed === undefined) this.#options.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }
}

function parse(line: string): Incoming | undefined {
  try {
    return Incoming.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function newPromise(): { promise: Promise<unknown> } & Open {
  let resolve: Open['resolve'] = () => undefined;
  let reject: Open['reject'] = () => undefined;
  const promise = new Promise<unknown>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { promise, resolve, reject };
}

/** Cuts a stream of bytes into lines; a line's end may come in any later chunk, a character may be cut in two. */
export class Lines {
  readonly #decoder = new TextDecoder();
  readonly #onLine: (line: string) => void;
  #parts: string[] = [];

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const pieces = this.#decoder.decode(chunk, { stream: true }).split('\n');
    const rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      this.#parts.push(piece);
      const line = this.#parts.join('');
      this.#parts = [];
      this.#onLine(line);
    }
    if (rest !== '') this.#parts.push(rest);
  }

  /** What came without its end. */
  end(): void {
    const line = this.#parts.join('');
    this.#parts = [];
    if (line !== '') this.#onLine(line);
  }
}
