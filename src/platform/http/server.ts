/**
 * HTTP servers on several addresses at once (loopback, the Tailscale address, a unix socket) with one app, bounded in time and connections,
 * and stopped without cutting off what is being answered.
 */
import { chmod, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import { IntercomError } from '../../protocol/errors.ts';
import { errorCode, ownDirectory } from '../files.ts';
import { shortRuntimeRoot } from '../paths.ts';

export type ListenAddress = { readonly host: string; readonly port: number } | { readonly socket: string };

export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface Listening {
  readonly address: ListenAddress;
  /** The port that was taken (for port 0), or 0 for a socket. */
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a server. Throws `conflict` when the address is taken, in words. */
export async function listen(
  address: ListenAddress,
  listener: RequestListener,
  onUpgrade?: UpgradeListener,
): Promise<Listening> {
  const server = createServer(
    {
      requestTimeout: 60_000,
      headersTimeout: 15_000,
      keepAliveTimeout: 75_000,
      maxHeaderSize: 16 * 1024,
      connectionsCheckingInterval: 15_000,
    },
    listener,
  );
  server.maxConnections = 2_000;
  if (onUpgrade !== undefined) server.on('upgrade', onUpgrade);
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else socket.destroy();
  });
  if ('socket' in address) await prepareSocket(address.socket);
  await start(server, address);
  if ('socket' in address) await chmod(address.socket, 0o600);
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return { address, port, close: () => stop(server) };
}

function start(server: Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address)));
    const started = () => resolve();
    if ('socket' in address) server.listen(address.socket, started);
    else server.listen(address.port, address.host, started);
  });
}

/** A socket file that nobody answers on is left over from a crash; one that answers belongs to a running program. */
async function prepareSocket(path: string): Promise<void> {
  const folder = dirname(path);
  // Before the inner one: who owns the outer one can put another in its place.
  if (dirname(folder) === shortRuntimeRoot()) await ownDirectory(shortRuntimeRoot());
  await ownDirectory(folder);
  if (await answers(path)) {
    throw new IntercomError('conflict', `Another intercom already runs here (${path} is in use).`, {
      next: 'Stop it first, or set INTERCOM_HOME to run a second one beside it.',
    });
  }
  await unlink(path).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

async function stop(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    // Long-polls and streams end with their connections; nothing waits for a client that does not go.
    setTimeout(() => server.closeAllConnections(), 500).unref();
  });
}

function listenError(error: Error, address: ListenAddress): Error {
  const where = 'socket' in address ? address.socket : `${address.host}:${address.port}`;
  const code = errorCode(error);
  if (code === 'EADDRINUSE') {
    return new IntercomError('conflict', `${where} is in use by another program.`, {
      next: 'Stop the other program, or choose another port in the configuration (hub.listen, hub.daemon_port).',
      cause: error,
    });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'EACCES') {
    return new IntercomError('invalid_config', `${where} cannot be listened on.`, {
      next: 'Give an address of this machine and a port above 1023.',
      cause: error,
    });
  }
  return error;
}
