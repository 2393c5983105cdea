/**
 * Lets watchers reach the terminals of this machine's runners: one WebSocket each, passed on frame by frame, in both directions.
 *
 * Invariants: who may watch is decided before a runner hears of it; a watcher that does not read holds up only its own connection to the runner (which
 * then gives it a new picture instead of a backlog), so that nothing piles up here; when one side goes, the other does.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { z } from 'zod';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError, parseWith, toIntercomError, type ErrorBody } from '../../protocol/errors.ts';
import { INPUT_MAX } from '../../protocol/terminal-stream.ts';
import type { MissionDesk } from '../ports.ts';

const WATCHERS_MAX = 64;
const PING_MS = 20_000;
/** Bytes that wait for one side before the other is not read any more. */
const HIGH_WATER = 64 * 1024;
/** Input as JSON can be six times its text. */
const WATCHER_FRAME_MAX = 6 * INPUT_MAX + 1024;
const RUNNER_FRAME_MAX = 16 * 1024 * 1024;

const Query = z.object({
  as: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9 ._:@#/-]*$/)
    .default(''),
  write: z.enum(['0', '1']).default('0'),
});

export interface TerminalRelayOptions {
  /** `/local/terminals/` or `/api/hub/terminals/`; the session follows. */
  readonly path: string;
  readonly terminals: Pick<MissionDesk, 'terminalOf'>;
  /** Throws the refusal. */
  readonly authenticate: (request: IncomingMessage) => void;
  /** Who a watcher is that does not say so. */
  readonly as: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class TerminalRelay {
  readonly #options: TerminalRelayOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: WATCHER_FRAME_MAX,
    perMessageDeflate: false,
  });
  readonly #watchers = new Map<WebSocket, { alive: boolean }>();
  readonly #cancelPing: CancelTimer;

  constructor(options: TerminalRelayOptions) {
    this.#options = options;
    this.#cancelPing = options.clock.every(PING_MS, () => this.#ping());
  }

  readonly upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy());
    try {
      const target = this.#target(request);
      this.#server.handleUpgrade(request, socket, head, (watcher) => this.#join(watcher, target));
    } catch (error) {
      this.#refuse(socket, error);
    }
  };

  close(): void {
    this.#cancelPing();
    for (const watcher of this.#watchers.keys()) watcher.close(1001, 'the daemon stops');
    this.#server.close();
  }

  #target(request: IncomingMessage): { readonly url: string; readonly key: string } {
    const { path, terminals, authenticate } = this.#options;
    const url = URL.canParse(request.url ?? '', 'http://daemon')
      ? new URL(request.url ?? '', 'http://daemon')
      : undefined;
    if (url === undefined || request.method !== 'GET' || !url.pathname.startsWith(path)) {
      throw new IntercomError('not_found', 'There is no such stream.', { next: `Terminals are at ${path}<session>.` });
    }
    authenticate(request);
    const query = parseWith(Query, Object.fromEntries(url.searchParams), 'query');
    if (this.#watchers.size >= WATCHERS_MAX) {
      throw new IntercomError('limit_reached', 'Too many terminals of this machine are watched.', {
        next: 'Close some of them and try again.',
      });
    }
    const { socket, key } = terminals.terminalOf(decoded(url.pathname.slice(path.length)));
    const as = encodeURIComponent(query.as === '' ? this.#options.as : query.as);
    return { url: `ws+unix://${socket}:/terminal?as=${as}&write=${query.write}`, key };
  }

  #join(watcher: WebSocket, target: { readonly url: string; readonly key: string }): void {
    const runner = new WebSocket(target.url, {
      headers: { authorization: `Bearer ${target.key}` },
      perMessageDeflate: false,
      maxPayload: RUNNER_FRAME_MAX,
      handshakeTimeout: 5_000,
    });
    this.#watchers.set(watcher, { alive: true });
    // What is typed before the runner answers waits in the socket.
    watcher.pause();
    runner.on('open', () => watcher.resume());
    pass(runner, watcher);
    pass(watcher, runner);
    watcher.on('pong', () => {
      const state = this.#watchers.get(watcher);
      if (state !== undefined) state.alive = true;
    });
    watcher.on('error', () => watcher.terminate());
    runner.on('error', (error) => this.#options.log.debug({ err: error }, 'a watched terminal'));
    watcher.on('close', () => {
      this.#watchers.delete(watcher);
      runner.terminate();
    });
    runner.on('close', (code) => {
      // Paused it would never hear that it is over.
      watcher.resume();
      watcher.close(code === 1000 ? 1000 : 1011, 'the terminal is gone');
    });
  }

  #ping(): void {
    for (const [watcher, state] of this.#watchers) {
      if (!state.alive) watcher.terminate();
      state.alive = false;
      watcher.ping();
    }
  }

  #refuse(socket: Duplex, thrown: unknown): void {
    const error = toIntercomError(thrown);
    if (error.code === 'internal') this.#options.log.error({ err: thrown }, 'a terminal could not be joined');
    const body = JSON.stringify({ error: error.toWire() } satisfies ErrorBody);
    const head = [
      `HTTP/1.1 ${error.status} Refused`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.end([...head, '', body].join('\r\n'));
  }
}

/** One direction: a reader that is slow stops what is read for it. */
function pass(from: WebSocket, to: WebSocket): void {
  from.on('message', (data: RawData, isBinary: boolean) => {
    if (to.readyState !== WebSocket.OPEN) return;
    to.send(bytesOf(data), { binary: isBinary }, () => {
      if (from.isPaused && to.bufferedAmount < HIGH_WATER) from.resume();
    });
    if (to.bufferedAmount >= HIGH_WATER) from.pause();
  });
}

function bytesOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
