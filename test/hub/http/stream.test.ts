import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { StreamFrame, type HubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { SubmitItem } from '../../../src/protocol/machine-api.ts';
import { signRequest } from '../../../src/protocol/signing.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';

let hub: TestHub;
let cookie: string;
const open: WebSocket[] = [];

beforeEach(async () => {
  hub = await startTestHub();
  cookie = await hub.cookieOf('eve');
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.terminate();
  await hub.stop();
});

/** A client that remembers every frame and can wait for what it needs. */
class Client {
  readonly socket: WebSocket;
  readonly frames: StreamFrame[] = [];
  readonly closed: Promise<number>;
  #changed: () => void = () => undefined;

  constructor(after?: string, headers: Record<string, string> = { cookie, origin: hub.url }) {
    const query = after === undefined ? '' : `?after=${encodeURIComponent(after)}`;
    this.socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/operator/stream${query}`, { headers });
    open.push(this.socket);
    this.socket.on('message', (data: Buffer) => {
      this.frames.push(StreamFrame.parse(JSON.parse(data.toString())));
      this.#changed();
    });
    this.closed = new Promise((resolve) => this.socket.on('close', (code) => resolve(code)));
    this.socket.on('error', () => undefined);
  }

  async until(test: (frames: readonly StreamFrame[]) => boolean): Promise<void> {
    while (!test(this.frames)) await new Promise<void>((resolve) => (this.#changed = resolve));
  }

  get events(): HubEvent[] {
    return this.frames.flatMap((frame) => (frame.frame === 'event' ? [frame.event] : []));
  }

  get hello(): Extract<StreamFrame, { frame: 'hello' }> {
    const [first] = this.frames;
    if (first?.frame !== 'hello') throw new Error('the first frame was not hello');
    return first;
  }
}

const raise = (n: number): Promise<void> =>
  hub.hub.services.notices.raise({ key: `test.${n}`, level: 'info', text: `notice ${n}` });

/** The HTTP status with which an upgrade is refused. */
function refusal(headers: Record<string, string>, path = '/api/operator/stream'): Promise<number> {
  const socket = new WebSocket(`${hub.url.replace('http', 'ws')}${path}`, { headers });
  open.push(socket);
  return new Promise((resolve, reject) => {
    socket.on('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0);
      response.resume();
    });
    socket.on('open', () => reject(new Error('it was let in')));
    socket.on('error', () => undefined);
  });
}

function longMessage(i: number): SubmitItem {
  return {
    id: newId('message'),
    fromProject: `project-${i}`,
    to: 'human',
    kind: 'send',
    body: 'long '.repeat(40_000),
    priority: 'normal',
    requireApproval: 'auto',
    launch: 'never',
    depth: 0,
    submittedAt: new Date().toISOString(),
  };
}

describe('the event stream', () => {
  it('begins fresh, and tells what comes', async () => {
    const client = new Client();
    await client.until((frames) => frames.length > 0);
    expect(client.hello).toMatchObject({ mode: 'fresh', epoch: hub.hub.services.events.epoch });
    await raise(1);
    await client.until(() => client.events.length > 0);
    expect(client.events[0]).toMatchObject({ type: 'system.notice', notice: { text: 'notice 1' } });
  });

  it('resumes after a number without a hole or a repeat, while more is coming', async () => {
    const { events } = hub.hub.services;
    for (let i = 0; i < 450; i += 1) await raise(i);
    const from = events.lastSeq - 400;
    const writing = Promise.all(Array.from({ length: 100 }, (_, i) => raise(1000 + i)));
    const client = new Client(`${events.epoch}:${from}`);
    await writing;
    await client.until(() => client.events.length >= 500);
    expect(client.hello).toMatchObject({ mode: 'resumed', seq: from });
    expect(client.events.map((event) => event.seq)).toEqual(Array.from({ length: 500 }, (_, i) => from + 1 + i));
  });

  it.each([['another:5'], ['epoch'], ['epoch:99999999'], [''], [`${'x'.repeat(500)}:1`]])(
    'says gap for the place %s',
    async (place) => {
      const { events } = hub.hub.services;
      const client = new Client(place.replace('epoch', events.epoch));
      await client.until((frames) => frames.length > 0);
      expect(client.hello).toMatchObject({ mode: 'gap', seq: events.lastSeq });
    },
  );

  it('says gap after the numbers were lost with the store', async () => {
    await raise(1);
    const place = `lost-${hub.hub.services.events.epoch}:1`;
    const client = new Client(place);
    await client.until((frames) => frames.length > 0);
    expect(client.hello.mode).toBe('gap');
  });

  it('is closed to everybody who is not signed in here', async () => {
    const secret = (await hub.machine('laptop')).secret;
    const path = '/api/operator/stream';
    expect(await refusal({})).toBe(401);
    expect(await refusal({ origin: hub.url })).toBe(401);
    expect(await refusal({ cookie })).toBe(403);
    expect(await refusal({ cookie, origin: 'http://evil.example' })).toBe(403);
    expect(await refusal({ cookie, origin: 'http://evil.example', host: 'evil.example' })).toBe(403);
    expect(await refusal(signRequest(secret, 'laptop', { method: 'GET', path, body: new Uint8Array() }))).toBe(401);
    expect(await refusal({ cookie, origin: hub.url }, '/api/operator/other')).toBe(404);
  });

  it.each([['not json'], ['{"frame":"decide"}'], ['{}'], [Buffer.from([1, 2, 3])]])(
    'ends with a client that says %j',
    async (text) => {
      const client = new Client();
      await client.until((frames) => frames.length > 0);
      client.socket.send(text);
      expect(await client.closed).toBe(1008);
    },
  );

  it('ends with a client that says too much at once', async () => {
    const client = new Client();
    await client.until((frames) => frames.length > 0);
    client.socket.send(JSON.stringify({ frame: 'pong', more: 'x'.repeat(2_000) }));
    expect(await client.closed).toBe(1009);
  });

  it('takes a pong', async () => {
    const client = new Client();
    await client.until((frames) => frames.length > 0);
    client.socket.send('{"frame":"pong"}');
    await raise(1);
    await client.until(() => client.events.length > 0);
    expect(client.socket.readyState).toBe(WebSocket.OPEN);
  });

  it('cuts off a client that does not read, which then resumes where it was', async () => {
    const { messaging, events } = hub.hub.services;
    const slow = new Client();
    await slow.until((frames) => frames.length > 0);
    const from = slow.hello.seq;
    slow.socket.pause();
    await hub.machine('laptop');
    for (let i = 0; i < 120; i += 1) await messaging.submitFromMachine('laptop', [longMessage(i)]);
    slow.socket.resume();
    expect(await slow.closed).toBe(1006);
    const place = `${events.epoch}:${slow.events.at(-1)?.seq ?? from}`;
    const again = new Client(place);
    await again.until(() => again.events.at(-1)?.seq === events.lastSeq);
    const all = [...slow.events, ...again.events].map((event) => event.seq);
    expect(all).toEqual(Array.from({ length: events.lastSeq - from }, (_, i) => from + 1 + i));
  });

  it('bounds the pages of one person', async () => {
    const clients = Array.from({ length: 31 }, () => new Client());
    const ended = await Promise.race(clients.map((client) => client.closed));
    expect(ended).toBe(1006);
  });

  it('says goodbye when the hub stops', async () => {
    const client = new Client();
    await client.until((frames) => frames.length > 0);
    const stopping = hub.stop();
    expect(await client.closed).toBe(1001);
    await stopping;
    hub = await startTestHub();
  });
});
