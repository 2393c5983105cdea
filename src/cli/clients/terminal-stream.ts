/**
 * The stream of one session's terminal (protocol/terminal-stream.ts): through the daemon of this machine where the session is of this machine, otherwise through the hub.
 *
 * Invariants: the daemon's key is sent only to a socket of this user; frames are parsed; what is no frame ends the connection.
 */
import { lstat, readFile } from 'node:fs/promises';
import { WebSocket } from 'ws';
import type { RawData } from 'ws';
import type { Paths } from '../../platform/paths.ts';
import { ErrorBody, IntercomError } from '../../protocol/errors.ts';
import { TerminalFrame } from '../../protocol/terminal-stream.ts';
import type { WatcherFrame } from '../../protocol/terminal-stream.ts';
import type { HubAccess } from './operator-client.ts';

/** A snapshot with its scrollback. */
const FRAME_MAX = 16 * 1024 * 1024;
const OPEN_MS = 10_000;

export interface StreamAddress {
  readonly url: string;
  readonly token: string;
}

export interface StreamHandlers {
  readonly frame: (frame: TerminalFrame) => void;
  readonly output: (bytes: Uint8Array) => void;
  /** The end of the connection, with the reason in words. */
  readonly closed: (reason: string) => void;
}

export interface TerminalStream {
  send(frame: WatcherFrame): void;
  close(): void;
}

/** A terminal of this machine. Undefined: no daemon of this user runs here. */
export async function localTerminal(paths: Paths, session: string, write: boolean): Promise<StreamAddress | undefined> {
  try {
    const found = await lstat(paths.daemonSocket);
    const uid = process.getuid?.();
    if (!found.isSocket() || (uid !== undefined && found.uid !== uid)) return undefined;
    const token = (await readFile(paths.daemonKey, 'utf8')).trim();
    return {
      url: `ws+unix:${paths.daemonSocket}:/local/terminals/${encodeURIComponent(session)}?${query(write)}`,
      token,
    };
  } catch {
    return undefined;
  }
}

/** A terminal of any machine, through the hub. */
export function hubTerminal(access: HubAccess, machine: string, session: string, write: boolean): StreamAddress {
  const path = `/api/operator/terminals/${encodeURIComponent(machine)}/${encodeURIComponent(session)}?${query(write)}`;
  const url =
    access.socketPath === undefined
      ? `${access.origin.replace(/^http/, 'ws')}${path}`
      : `ws+unix:${access.socketPath}:${path}`;
  return { url, token: access.token };
}

/** Connects; rejects with the refusal as it came. */
export function openTerminal(address: StreamAddress, handlers: StreamHandlers): Promise<TerminalStream> {
  const socket = new WebSocket(address.url, {
    headers: { authorization: `Bearer ${address.token}` },
    maxPayload: FRAME_MAX,
    handshakeTimeout: OPEN_MS,
    perMessageDeflate: false,
  });
  socket.on('message', (data, binary) => {
    if (binary) {
      if (Buffer.isBuffer(data) && data.length > 8) handlers.output(data.subarray(8));
      return;
    }
    const frame = parsed(data);
    if (frame === undefined) socket.close(4002, 'not a frame of this protocol');
    else handlers.frame(frame);
  });
  return new Promise((resolve, reject) => {
    socket.once('open', () =>
      resolve({ send: (frame) => socket.send(JSON.stringify(frame)), close: () => socket.close() }),
    );
    socket.on('unexpected-response', (_request, response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => reject(refusal(response.statusCode ?? 0, Buffer.concat(parts).toString('utf8'))));
    });
    socket.on('error', (error) => reject(unreachable(error.message)));
    socket.on('close', (_code, reason) => handlers.closed(reason.toString('utf8')));
  });
}

function query(write: boolean): string {
  return write ? 'write=1' : 'write=0';
}

function parsed(data: RawData): TerminalFrame | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '');
    return TerminalFrame.parse(json);
  } catch {
    return undefined;
  }
}

function refusal(status: number, text: string): IntercomError {
  try {
    const json: unknown = JSON.parse(text);
    return IntercomError.fromWire(ErrorBody.parse(json).error);
  } catch {
    return unreachable(`status ${status}`);
  }
}

function unreachable(why: string): IntercomError {
  return new IntercomError('unreachable', `The terminal cannot be reached (${why.slice(0, 100)}).`, {
    next: '`intercom sessions` shows what runs; `intercom doctor` looks for the cause.',
  });
}
