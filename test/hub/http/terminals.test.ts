/** Terminals through the hub: operators watch and type, viewers watch, nobody else gets in, a slow watcher holds up nobody, and every end has a reason. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import { PROTOCOL_VERSION } from '../../../src/protocol/limits.ts';
import { HelloRequest } from '../../../src/protocol/machine-api.ts';
import { NonceMemory, readSignatureHeaders, verifySignature } from '../../../src/protocol/signing.ts';
import { projectOf, sessionOf } from '../../support/hub-core.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';

const SNAPSHOT = JSON.stringify({ frame: 'snapshot', cols: 80, rows: 24, seq: 0, screen: 'hello' });

function textOf(data: RawData): string {
  return Array.isArray(data) ? Buffer.concat(data).toString() : Buffer.from(new Uint8Array(data)).toString();
}

/** A daemon's side of the stream: it checks the signature as the real one does. */
class TerminalDaemon {
  readonly sockets = new WebSocketServer({ noServer: true });
  readonly server: Server = createServer();
  readonly asked: string[] = [];
  readonly heard: string[] = [];
  readonly open: WebSocket[] = [];
  readonly #nonces = new NonceMemory();
  refusal: string | undefined;

  constructor(secret: () => string) {
    this.server.on('upgrade', (request: IncomingMessage, socket, head) => {
      const header = (name: string): string | undefined => String(request.headers[name.toLowerCase()] ?? '');
      const signed = { method: 'GET', path: request.url ?? '', body: new Uint8Array() };
      verifySignature(readSignatureHeaders(header), signed, [secret()], this.#nonces, Date.now());
      this.asked.push(request.url ?? '');
      if (this.refusal !== undefined) {
        const body = JSON.stringify({ error: { code: 'unknown_session', message: this.refusal, retry: false } });
        socket.end(
          `HTTP/1.1 404 Refused\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
        );
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (client) => {
        this.open.push(client);
        client.on('message', (data) => void this.heard.push(textOf(data)));
        client.send(SNAPSHOT);
      });
    });
  }

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const address = this.server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  async close(): Promise<void> {
    for (const client of this.open) client.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }
}

let hub: TestHub;
let daemon: TerminalDaemon;
const clients: WebSocket[] = [];
beforeEach(async () => {
  hub = await startTestHub();
  const { secret } = await hub.machine('laptop');
  daemon = new TerminalDaemon(() => secret);
  const hello = HelloRequest.parse({
    protocol: PROTOCOL_VERSION,
    version: '1',
    epoch: 'e',
    displayName: 'laptop',
    daemonUrl: await daemon.listen(),
    projects: [projectOf('app')],
    sessions: [{ ...sessionOf('sess-0001'), managed: true }],
  });
  await hub.hub.services.registry.hello('laptop', hello);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.terminate();
  await daemon.close();
  await hub.stop();
});

interface Watching {
  readonly socket: WebSocket;
  readonly frames: string[];
  readonly next: (fits: (text: string) => boolean) => Promise<string>;
  readonly closed: Promise<{ code: number; reason: string }>;
}

async function watch(name: string, path = 'laptop/sess-0001', origin = hub.url): Promise<Watching> {
  const headers = { cookie: await hub.cookieOf(name), origin };
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/operator/terminals/${path}`, { headers });
  clients.push(socket);
  const frames: string[] = [];
  const waiting: { fits: (text: string) => boolean; resolve: (text: string) => void }[] = [];
  socket.on('message', (data) => {
    const text = textOf(data);
    frames.push(text);
    for (const one of waiting) if (one.fits(text)) one.resolve(text);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('unexpected-response', (_request, response) => {
      response.resume();
      reject(new Error(`refused with ${response.statusCode ?? 0}`));
    });
    socket.on('error', () => undefined);
  });
  const next = (fits: (text: string) => boolean): Promise<string> => {
    const found = frames.find(fits);
    return found === undefined ? new Promise((resolve) => waiting.push({ fits, resolve })) : Promise.resolve(found);
  };
  return { socket, frames, next, closed };
}

describe('a terminal through the hub', () => {
  it('an operator watches and types, under their name', async () => {
    const one = await watch('bob', 'laptop/sess-0001?write=1');
    expect(await one.next(() => true)).toBe(SNAPSHOT);
    expect(daemon.asked).toEqual(['/api/hub/terminals/sess-0001?as=bob&write=1']);
    one.socket.send(JSON.stringify({ frame: 'input', data: 'ls\r' }));
    daemon.open[0]?.send(Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 104, 105]), { binary: true });
    expect(await one.next((text) => text.endsWith('hi'))).toContain('hi');
    await expect.poll(() => daemon.heard).toEqual([JSON.stringify({ frame: 'input', data: 'ls\r' })]);
  });

  it('a viewer watches; asking to type is refused, and typing all the same ends the watch', async () => {
    await expect(watch('eve', 'laptop/sess-0001?write=1')).rejects.toThrow('403');
    const one = await watch('eve');
    await one.next(() => true);
    expect(daemon.asked).toEqual(['/api/hub/terminals/sess-0001?as=eve']);
    one.socket.send(JSON.stringify({ frame: 'input', data: 'rm -rf /\r' }));
    expect((await one.closed).code).toBe(4403);
    expect(daemon.heard).toEqual([]);
  });

  it('lets nobody in from another page, nor without a name; says what is unknown or away', async () => {
    await expect(watch('bob', 'laptop/sess-0001', 'http://evil.example')).rejects.toThrow('403');
    await expect(watch('bob', 'laptop/nowhere1')).rejects.toThrow('404');
    await expect(watch('bob', 'nowhere/sess-0001')).rejects.toThrow('404');
    await expect(watch('bob', 'laptop')).rejects.toThrow('404');
    daemon.refusal = 'no terminal of ours';
    await expect(watch('bob')).rejects.toThrow('404');
    await daemon.close();
    await expect(watch('bob')).rejects.toThrow('503');
  });

  it('ends on both sides when one goes', async () => {
    const one = await watch('bob');
    await one.next(() => true);
    daemon.open[0]?.close(1000);
    expect(await one.closed).toEqual({ code: 1000, reason: 'the terminal has ended' });
    const two = await watch('bob');
    await two.next(() => true);
    daemon.open[1]?.terminate();
    expect(await two.closed).toEqual({ code: 1011, reason: 'laptop went away' });
    const three = await watch('bob');
    await three.next(() => true);
    const gone = once(daemon.open[2] ?? new WebSocket(null), 'close');
    three.socket.terminate();
    await gone;
  });

  it('a watcher that does not read stops what is read for it; another one goes on', async () => {
    const slow = await watch('bob');
    const quick = await watch('ada');
    await Promise.all([slow.next(() => true), quick.next(() => true)]);
    slow.socket.pause();
    const [toSlow, toQuick] = daemon.open;
    const block = Buffer.alloc(64 * 1024, 'x');
    // Far more than the hub and the sockets in between may hold.
    for (let sent = 0; sent < 600; sent += 1) toSlow?.send(block, { binary: true });
    for (let sent = 0; sent < 20; sent += 1) toQuick?.send(block, { binary: true });
    toQuick?.send('the end');
    await quick.next((text) => text === 'the end');
    expect(toSlow?.bufferedAmount).toBeGreaterThan(8 * 1024 * 1024);
    slow.socket.resume();
    toSlow?.send('caught up');
    await slow.next((text) => text === 'caught up');
    expect(toSlow?.bufferedAmount).toBe(0);
  });
});
