/**
 * The runner's socket: WS /control for the daemon, WS /terminal for watchers, both only with the record's key.
 *
 * Invariants: one daemon at a time, the newest; frames are parsed, and one that is none ends the connection; how much a peer may send and how many may
 * watch is bounded; nothing waits for the daemon.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { z } from 'zod';
import { listen } from '../../platform/http/server.ts';
import type { Listening } from '../../platform/http/server.ts';
import { DaemonFrame } from '../../protocol/runner-api.ts';
import type { RunnerFrame } from '../../protocol/runner-api.ts';
import { INPUT_MAX, WatcherFrame } from '../../protocol/terminal-stream.ts';
import type { TerminalFrame } from '../../protocol/terminal-stream.ts';

const CONTROL_FRAME_MAX = 8 * 1024 * 1024;
const WATCHERS_MAX = 64;
/** A daemon that does not read this much is taken for hung, and its connection ended. */
const CONTROL_WAITING_MAX = 32 * 1024 * 1024;
const PING_MS = 15_000;
const CLOSE_MS = 300;

/** The daemon's connection. */
export interface ControlLink {
  send(frame: RunnerFrame): void;
  /** A frame that is JSON already. */
  sendText(text: string, sent: () => void): void;
}

export interface WatcherLink {
  readonly name: string;
  readonly mayType: boolean;
  frame(frame: TerminalFrame): void;
  output(bytes: Uint8Array, sent: () => void): void;
  waiting(): number;
}

export interface ControlHandlers {
  /** A daemon has come; what it is told with. */
  connected(link: ControlLink): void;
  frame(frame: DaemonFrame, link: ControlLink): void;
  lost(link: ControlLink): void;
  /** Undefined: there is no terminal. */
  watch(watcher: WatcherLink): { frame(frame: WatcherFrame): void; gone(): void } | undefined;
}

export class ControlSocket {
  readonly #key: string;
  readonly #handlers: ControlHandlers;
  readonly #control = new WebSocketServer({ noServer: true, maxPayload: CONTROL_FRAME_MAX, perMessageDeflate: false });
  readonly #terminal = new WebSocketServer({ noServer: true, maxPayload: INPUT_MAX * 4, perMessageDeflate: false });
  #listening: Listening | undefined;
  #daemon: WebSocket | undefined;

  constructor(key: string, handlers: ControlHandlers) {
    this.#key = key;
    this.#handlers = handlers;
  }

  async start(path: string): Promise<void> {
    this.#listening = await listen(
      { socket: path },
      (_request, response) => void response.writeHead(404, { connection: 'close' }).end(),
      (request, socket, head) => this.#upgrade(request, socket, head),
    );
  }

  async stop(): Promise<void> {
    const sockets = [...this.#control.clients, ...this.#terminal.clients];
    for (const socket of sockets) socket.close(1001);
    // What was sent before is read first; one that does not answer is not waited for.
    const timer = setTimeout(() => {
      for (const socket of sockets) socket.terminate();
    }, CLOSE_MS);
    await this.#listening?.close();
    clearTimeout(timer);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const url = new URL(request.url ?? '/', 'http://runner');
    if (!this.#mayCome(request)) {
      refuse(socket, '401 Unauthorized');
      return;
    }
    if (url.pathname === '/control') {
      this.#control.handleUpgrade(request, socket, head, (ws) => this.#daemonCame(ws));
    } else if (url.pathname === '/terminal') {
      if (this.#terminal.clients.size >= WATCHERS_MAX) {
        refuse(socket, '429 Too Many Requests');
        return;
      }
      this.#terminal.handleUpgrade(request, socket, head, (ws) => this.#watcherCame(ws, url.searchParams));
    } else refuse(socket, '404 Not Found');
  }

  #mayCome(request: IncomingMessage): boolean {
    const given = Buffer.from(request.headers.authorization ?? '');
    const right = Buffer.from(`Bearer ${this.#key}`);
    return given.length === right.length && timingSafeEqual(given, right);
  }

  #daemonCame(ws: WebSocket): void {
    this.#daemon?.close(4001, 'another daemon came');
    this.#daemon = ws;
    const link: ControlLink = {
      send: (frame) => link.sendText(JSON.stringify(frame), () => undefined),
      sendText: (text, sent) => {
        if (ws.readyState !== ws.OPEN) return;
        if (ws.bufferedAmount > CONTROL_WAITING_MAX) ws.terminate();
        else ws.send(text, () => sent());
      },
    };
    const stopPings = pinging(ws);
    ws.on('message', (data) => {
      const frame = parsed(DaemonFrame, data);
      if (frame === undefined) ws.close(4002, 'not a frame of this protocol');
      else this.#handlers.frame(frame, link);
    });
    ws.on('close', () => {
      stopPings();
      if (this.#daemon === ws) this.#daemon = undefined;
      this.#handlers.lost(link);
    });
    this.#handlers.connected(link);
  }

  #watcherCame(ws: WebSocket, query: URLSearchParams): void {
    const name = (query.get('as') ?? 'somebody').replace(/[\p{C}]/gu, '').slice(0, 100);
    const stopPings = pinging(ws);
    const watching = this.#handlers.watch({
      name: name === '' ? 'somebody' : name,
      mayType: query.get('write') === '1',
      frame: (frame) => {
        if (ws.readyState === ws.OPEN) ws.send(JSON.stringify(frame));
      },
      output: (bytes, sent) => {
        if (ws.readyState === ws.OPEN) ws.send(bytes, { binary: true }, () => sent());
      },
      waiting: () => ws.bufferedAmount,
    });
    if (watching === undefined) {
      const frame: TerminalFrame = {
        frame: 'ended',
        reason: 'This agent has no terminal; its log tells what it does.',
      };
      ws.send(JSON.stringify(frame));
      ws.close(1000);
    }
    ws.on('message', (data) => {
      const frame = parsed(WatcherFrame, data);
      if (frame === undefined) ws.close(4002, 'not a frame of this protocol');
      else watching?.frame(frame);
    });
    ws.on('close', () => {
      stopPings();
      watching?.gone();
    });
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function parsed<T>(schema: z.ZodType<T>, data: RawData): T | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '');
    return schema.parse(json);
  } catch {
    return undefined;
  }
}

/** Ends a connection whose other side answers no more. Also keeps faults of it from ending the runner. */
function pinging(ws: WebSocket): () => void {
  let answered = true;
  ws.on('error', () => ws.terminate());
  ws.on('pong', () => (answered = true));
  const timer = setInterval(() => {
    if (!answered) ws.terminate();
    answered = false;
    if (ws.readyState === ws.OPEN) ws.ping();
  }, PING_MS);
  timer.unref();
  return () => clearInterval(timer);
}
