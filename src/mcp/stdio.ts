/**
 * JSON-RPC over stdin and stdout, one message a line, for the MCP SDK.
 *
 * Stricter than the SDK's own transport, because whatever starts us writes here: a line has a bound, a bad line gets an error answer and ends
 * nothing, reading stops while the reader of our answers does not read, and a caller learns when its answer has left this process.
 * Invariants: nothing but protocol messages is written to `output`; the end of `input` closes the transport once.
 */
import type { Readable, Writable } from 'node:stream';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { JSONRPCMessageSchema, isJSONRPCRequest } from '@modelcontextprotocol/sdk/types.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';

/** A message of the largest size (256 KiB), every character of it escaped as \uXXXX, and its frame. */
export const LINE_MAX = 2 * 1024 * 1024;
const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const NEWLINE = 0x0a;

export class StdioTransport implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #afterWrite = new Map<RequestId, () => void>();
  #parts: Buffer[] = [];
  #size = 0;
  /** Inside a line that is too long: everything up to its end is dropped. */
  #skipping = false;
  #closed = false;

  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
  }

  async start(): Promise<void> {
    this.#output.on('error', this.#onGone);
    this.#output.on('drain', this.#onDrain);
    this.#input.on('error', this.#onGone);
    this.#input.on('end', this.#onGone);
    this.#input.on('data', this.#onData);
  }

  /** Runs `task` once the answer to this request has been handed to the reader; never, if it is not written. */
  afterAnswer(id: RequestId, task: () => void): void {
    this.#afterWrite.set(id, task);
  }

  /** The request will get no answer (cancelled). */
  forget(id: RequestId): void {
    this.#afterWrite.delete(id);
  }

  send(message: JSONRPCMessage): Promise<void> {
    const id = 'method' in message ? undefined : message.id;
    const task = id === undefined ? undefined : this.#afterWrite.get(id);
    if (id !== undefined) this.#afterWrite.delete(id);
    return new Promise((resolve) => {
      this.#write(message, (written) => {
        if (written && task !== undefined && 'result' in message) task();
        // A reader that is gone is told by `close`, not by every answer that it will never read.
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#input.off('data', this.#onData);
    this.#input.pause();
    this.#parts = [];
    this.#afterWrite.clear();
    this.onclose?.();
  }

  #write(message: unknown, done?: (written: boolean) => void): void {
    if (this.#closed || !this.#output.writable) {
      done?.(false);
      return;
    }
    const more = this.#output.write(`${JSON.stringify(message)}\n`, (error) =>
      done?.(error === null || error === undefined),
    );
    if (!more) this.#input.pause();
  }

  readonly #onDrain = (): void => {
    if (!this.#closed) this.#input.resume();
  };

  readonly #onGone = (): void => void this.close();

  readonly #onData = (chunk: Buffer | string): void => {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#keep(bytes.subarray(start, end));
      this.#endLine();
      start = end + 1;
    }
    this.#keep(bytes.subarray(start));
  };

  #keep(part: Buffer): void {
    if (this.#skipping || part.length === 0) return;
    this.#size += part.length;
    if (this.#size > LINE_MAX) {
      this.#skipping = true;
      this.#parts = [];
      return;
    }
    this.#parts.push(part);
  }

  #endLine(): void {
    const skipped = this.#skipping;
    const line = Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#size = 0;
    this.#skipping = false;
    if (skipped)
      this.#refuse(INVALID_REQUEST, `A line is over ${LINE_MAX / 1024 / 1024} MiB. Send a path or a summary.`);
    else if (line.trim() !== '') this.#take(line);
  }

  #take(line: string): void {
    let json: unknown;
    try {
      json = JSON.parse(line);
    } catch {
      this.#refuse(PARSE_ERROR, 'A line is not JSON. Send one JSON-RPC message per line.');
      return;
    }
    const message = JSONRPCMessageSchema.safeParse(json);
    if (!message.success) {
      this.#refuse(INVALID_REQUEST, 'A line is not a JSON-RPC 2.0 message.', idOf(json));
      return;
    }
    try {
      this.onmessage?.(message.data);
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      if (isJSONRPCRequest(message.data))
        this.#refuse(INVALID_REQUEST, 'The request could not be read.', message.data.id);
    }
  }

  #refuse(code: number, message: string, id?: string | number): void {
    this.#write({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), error: { code, message } });
  }
}

function idOf(json: unknown): string | number | undefined {
  if (typeof json !== 'object' || json === null || !('id' in json) || !('method' in json)) return undefined;
  return typeof json.id === 'string' || typeof json.id === 'number' ? json.id : undefined;
}
