/**
 * Passes the stream of a terminal on, from a daemon to an operator's page or command line and back: `/api/operator/terminals/:machine/:session`.
 *
 * Invariants: who watches is known, and may; only an operator who asked to write gets a byte through to the machine; a watcher that does not read
 * stops what is read from the machine for it (the runner then gives it a new picture instead of a backlog), so that nothing piles up here; when
 * one side goes, the other does, with the reason; who is signed out is cut off at the next ping.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { isMachineId, isSessionId } from '../../protocol/address.ts';
import { ErrorBody, IntercomError, toIntercomError } from '../../protocol/errors.ts';
import { INPUT_MAX } from '../../protocol/terminal-stream.ts';
import type { Terminals } from '../services.ts';
import { requireRole, type OperatorAuth } from './operator-auth.ts';
import { refuseUpgrade } from './refuse-upgrade.ts';

export const TERMINALS_PATH = '/api/operator/terminals/';
const WATCHERS_MAX = 200;
const WATCHERS_PER_OPERATOR = 30;
const PING_MS = 20_000;
const HANDSHAKE_MS = 8_000;
/** Bytes that wait for one side before the other is not read any more. */
const HIGH_WATER = 64 * 1024;
/** Input as JSON can be six times its text. */
const WATCHER_FRAME_MAX = 6 * INPUT_MAX + 1024;
const DAEMON_FRAME_MAX = 16 * 1024 * 1024;
const REFUSAL_MAX = 16 * 1024;

export interface TerminalRelayParts {
  readonly terminals: Terminals;
  readonly auth: OperatorAuth;
  readonly clock: Clock;
  readonly log: Log;
}

interface Target {
  readonly machine: string;
  readonly session: string;
  readonly operator: string;
  readonly write: boolean;
}

interface Watcher {
  readonly request: IncomingMessage;
  readonly operator: string;
  alive: boolean;
}

export class TerminalRelay {
  readonly #parts: TerminalRelayParts;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: WATCHER_FRAME_MAX, perMessageDeflate: false });
  readonly #watchers = new Map<WebSocket, Watcher>();
  readonly #stopPing: CancelTimer;

  constructor(parts: TerminalRelayParts) {
    this.#parts = parts;
    this.#stopPing = parts.clock.every(PING_MS, () => this.#ping());
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** Takes an upgrade request once the machine has taken the watcher; refuses it with the reason otherwise. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    this.#admit(request).then(
      ({ target, daemon }) => {
        if (socket.destroyed) daemon.terminate();
        else this.#server.handleUpgrade(request, socket, head, (client) => this.#join(client, daemon, target, request));
      },
      (error: unknown) => refuseUpgrade(socket, error, this.#parts.log, 'a terminal could not be watched'),
    );
  }

  close(): void {
    this.#stopPing();
    for (const client of this.#watchers.keys()) client.close(1001, 'the hub stops');
    this.#server.close();
  }

  async #admit(request: IncomingMessage): Promise<{ target: Target; daemon: WebSocket }> {
    const target = await this.#target(request);
    const own = [...this.#watchers.values()].filter((one) => one.operator === target.operator).length;
    if (this.#watchers.size >= WATCHERS_MAX || own >= WATCHERS_PER_OPERATOR) {
      throw new IntercomError('limit_reached', 'Too many terminals are watched.', {
        next: 'Close some of them and try again.',
      });
    }
    const { url, headers } = await this.#parts.terminals.door(target.machine, target.session, target);
    return { target, daemon: await opened(url, headers, target.machine) };
  }

  async #target(request: IncomingMessage): Promise<Target> {
    const text = `http://hub${request.url ?? '/'}`;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const parts = url?.pathname.slice(TERMINALS_PATH.length).split('/') ?? [];
    const [machine = '', session = ''] = parts.map(decoded);
    if (url === undefined || request.method !== 'GET' || parts.length !== 2) {
      throw new IntercomError('not_found', 'There is no such stream.', {
        next: `Terminals are at ${TERMINALS_PATH}<machine>/<session>.`,
      });
    }
    const { actor } = await this.#parts.auth.authenticate(request, true);
    const write = url.searchParams.get('write') === '1';
    if (write) requireRole(actor, 'operator');
    if (!isMachineId(machine)) throw new IntercomError('unknown_machine', 'That is not the id of a machine.');
    if (!isSessionId(session)) throw new IntercomError('unknown_session', 'That is not the id of a session.');
    return { machine, session, operator: actor.operator.name, write };
  }

  #join(client: WebSocket, daemon: WebSocket, target: Target, request: IncomingMessage): void {
    const watcher: Watcher = { request, operator: target.operator, alive: true };
    this.#watchers.set(client, watcher);
    pass(daemon, client);
    if (target.write) pass(client, daemon);
    else client.on('message', () => client.close(4403, 'you may look, not type: ask for write=1'));
    client.on('pong', () => (watcher.alive = true));
    client.on('error', () => client.terminate());
    client.on('close', () => {
      this.#watchers.delete(client);
      daemon.terminate();
    });
    daemon.on('error', (error) => this.#parts.log.debug({ err: error }, 'a watched terminal'));
    daemon.on('close', (code) => {
      // Paused it would never hear that it is over.
      client.resume();
      const clean = code === 1000;
      client.close(clean ? 1000 : 1011, clean ? 'the terminal has ended' : `${target.machine} went away`);
    });
    // Frames that came while the client was let in.
    daemon.resume();
  }

  #ping(): void {
    for (const [client, watcher] of this.#watchers) {
      if (!watcher.alive) {
        client.terminate();
        continue;
      }
      watcher.alive = false;
      client.ping();
      this.#parts.auth.authenticate(watcher.request, true).catch((error: unknown) => {
        if (error instanceof IntercomError && error.code !== 'storage_failed') client.close(4401, 'signed out');
      });
    }
  }
}

/** An open stream to a daemon, not read yet; or its refusal as it said it. */
function opened(url: string, headers: Record<string, string>, machine: string): Promise<WebSocket> {
  const daemon = new WebSocket(url, {
    headers,
    perMessageDeflate: false,
    maxPayload: DAEMON_FRAME_MAX,
    handshakeTimeout: HANDSHAKE_MS,
  });
  return new Promise((resolve, reject) => {
    daemon.once('open', () => {
      daemon.pause();
      resolve(daemon);
    });
    daemon.once('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= REFUSAL_MAX) chunks.push(chunk);
        else response.destroy();
      });
      response.once('close', () => {
        daemon.on('error', () => undefined);
        daemon.terminate();
        reject(refusalOf(Buffer.concat(chunks).toString('utf8'), machine));
      });
    });
    daemon.once('error', (error) => reject(unreachable(machine, error)));
  });
}

function refusalOf(text: string, machine: string): IntercomError {
  try {
    const body = ErrorBody.safeParse(JSON.parse(text));
    if (body.success) return IntercomError.fromWire(body.data.error);
  } catch (error) {
    return unreachable(machine, toIntercomError(error));
  }
  return unreachable(machine, undefined);
}

function unreachable(machine: string, cause: unknown): IntercomError {
  return new IntercomError('unreachable', `The daemon of ${machine} did not let the terminal be watched.`, {
    next: `Is intercom running on ${machine}, and of the same version?`,
    cause,
  });
}

/** One direction: a reader that is slow stops what is read for it. */
function pass(from: WebSocket, to: WebSocket): void {
  from.on('message', (data: RawData, isBinary: boolean) => {
    if (to.readyState !== WebSocket.OPEN) return;
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    to.send(bytes, { binary: isBinary }, () => {
      if (from.isPaused && to.bufferedAmount < HIGH_WATER) from.resume();
    });
    if (to.bufferedAmount >= HIGH_WATER) from.pause();
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
