/**
 * One connection to a Codex app-server: JSON messages over a WebSocket over its unix socket.
 *
 * Invariants: only a socket of our own user in a directory that nobody else can write is spoken to; every answer is parsed by the schema that its caller hands in; a request has an
 * end (answer, refusal, time-out, or the connection's); what the program asks is handed on and answered at most once; nothing is sent before the handshake is done.
 */
import { lstat, realpath } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import WebSocket from 'ws';
import type { z } from 'zod';
import type { Clock } from '../../../platform/clock.ts';
import { errorCode } from '../../../platform/files.ts';
import type { Log } from '../../../platform/log.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import { Incoming, InitializeResponse } from './protocol/messages.ts';
import type { RequestId } from './protocol/messages.ts';

/** A thread's items may hold whole files; what is larger than this closes the connection, and it is made again. */
const MESSAGE_MAX = 32 * 1024 * 1024;
const REQUEST_MS = 10_000;
const HANDSHAKE_MS = 5000;
/** Requests of ours without an answer. */
const PENDING_MAX = 200;

/** A request of the program, which somebody has to answer. */
export interface ServerRequest {
  readonly id: RequestId;
  readonly method: string;
  readonly params: unknown;
}

export interface ConnectionListener {
  notification(method: string, params: unknown): void;
  request(request: ServerRequest): void;
  closed(): void;
}

export interface ConnectionOptions {
  readonly socket: string;
  readonly uid: number | undefined;
  /** Our version, for the program's log. */
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: ConnectionListener;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
}

/** A refusal by the program, in its own words. */
export class AppServerRefusal extends Error {
  readonly code: number;

  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** Where the socket really is (Codex puts a link in its place), and why it must not be used, if so. */
export async function verifySocket(
  path: string,
  uid: number | undefined,
): Promise<{ readonly path: string } | { readonly fault: string }> {
  try {
    // The link itself must be ours too: whoever can change it chooses to whom we speak.
    const fault = await directoryFault(dirname(path), uid);
    if (fault !== undefined) return { fault };
    const real = await realpath(path);
    const socket = await lstat(real);
    if (!socket.isSocket()) return { fault: 'its app-server path is not a socket' };
    if (uid !== undefined && socket.uid !== uid) return { fault: 'its app-server socket belongs to another user' };
    const realFault = await directoryFault(dirname(real), uid);
    return realFault === undefined ? { path: real } : { fault: realFault };
  } catch (error) {
    return {
      fault: errorCode(error) === 'ENOENT' ? 'no app-server runs' : 'its app-server socket cannot be looked at',
    };
  }
}

async function directoryFault(path: string, uid: number | undefined): Promise<string | undefined> {
  const directory = await lstat(path);
  if (!directory.isDirectory()) return 'the directory of its app-server socket is a link';
  if (uid !== undefined && directory.uid !== uid) return 'the directory of its app-server socket is another user’s';
  return (directory.mode & 0o022) === 0 ? undefined : 'others may write into the directory of its app-server socket';
}

export class AppServerConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: WebSocket;
  readonly #pending = new Map<number, Pending>();
  #count = 0;
  #userAgent: string | undefined;
  #closed = false;

  private constructor(options: ConnectionOptions, socket: WebSocket) {
    this.#options = options;
    this.#socket = socket;
    socket.on('message', (data: Buffer | ArrayBuffer | Buffer[]) => this.#heard(textOf(data)));
    socket.on('error', (error) => options.log.debug({ err: error }, 'an app-server connection failed'));
    socket.on('close', () => this.#ended());
  }

  /** Connects and shakes hands. Throws an IntercomError that says why it cannot. */
  static async open(options: ConnectionOptions): Promise<AppServerConnection> {
    const verified = await verifySocket(options.socket, options.uid);
    if ('fault' in verified) throw unreachable(verified.fault);
    const socket = new WebSocket('ws://localhost/', {
      createConnection: () => connect({ path: verified.path }),
      maxPayload: MESSAGE_MAX,
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
    });
    const connection = new AppServerConnection(options, socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', (error) => reject(unreachable(error.message, error)));
      socket.once('close', () => reject(unreachable('it closed the connection')));
    });
    try {
      const { userAgent } = await connection.request('initialize', InitializeResponse, {
        clientInfo: { name: 'intercom', title: 'intercom', version: options.version },
        // The queue of a thread is behind this; what we use of it is held against the program's own schema like all else.
        capabilities: { experimentalApi: true, requestAttestation: false },
      });
      connection.#userAgent = userAgent;
    } catch (error) {
      socket.terminate();
      throw error;
    }
    return connection;
  }

  /** What it calls itself, with its version: `codex-tui/0.169.0 (…)`. */
  get userAgent(): string {
    return this.#userAgent ?? '';
  }

  get open(): boolean {
    return !this.#closed && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Resolves with the parsed answer. Rejects with AppServerRefusal (it said no) or IntercomError (no answer that can be read). */
  async request<T>(method: string, schema: z.ZodType<T>, params: unknown): Promise<T> {
    if (!this.open) throw unreachable('the connection is closed');
    if (this.#pending.size >= PENDING_MAX) throw unreachable('too many requests wait for its answer');
    const id = (this.#count += 1);
    const result = await new Promise<unknown>((resolve, reject) => {
      const cancel = this.#options.clock.after(REQUEST_MS, () => {
        this.#pending.delete(id);
        reject(unreachable(`no answer to ${method} in time`));
      });
      this.#pending.set(id, { resolve, reject, cancel });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
    const parsed = schema.safeParse(result);
    if (parsed.success) return parsed.data;
    throw new IntercomError('failed', `Codex answered ${method} in a form that is not known.`, {
      next: 'This Codex may be newer than intercom knows: look at "intercom doctor".',
      cause: parsed.error,
    });
  }

  /** Answers a request of the program. */
  answer(id: RequestId, result: unknown): void {
    if (this.open) this.#socket.send(JSON.stringify({ id, result }));
  }

  close(): void {
    this.#socket.close();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { reject, cancel } of this.#pending.values()) {
      cancel();
      reject(unreachable('it closed the connection'));
    }
    this.#pending.clear();
    if (this.#userAgent !== undefined) this.#options.listener.closed();
  }

  #heard(text: string): void {
    const message = parse(text);
    if (message === undefined) return;
    const { id, method, params, result, error } = message;
    if (method !== undefined) {
      if (id === undefined) this.#options.listener.notification(method, params);
      else this.#options.listener.request({ id, method, params });
      return;
    }
    if (typeof id !== 'number') return;
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.cancel();
    if (error === undefined) pending.resolve(result);
    else pending.reject(new AppServerRefusal(error.message.slice(0, 500), error.code));
  }
}

function unreachable(why: string, cause?: unknown): IntercomError {
  return new IntercomError('unreachable', `Codex cannot be reached: ${why}.`, {
    next: 'Its messages wait until it can.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function textOf(data: Buffer | ArrayBuffer | Buffer[]): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.isBuffer(data) ? data.toString('utf8') : Buffer.from(data).toString('utf8');
}

function parse(text: string): z.infer<typeof Incoming> | undefined {
  try {
    const parsed = Incoming.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
