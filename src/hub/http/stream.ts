/**
 * The event stream: one WebSocket per web page or `events --follow`, `/api/operator/stream?after=epoch:seq`.
 *
 * Invariants: the first frame is `hello`; what a client missed comes before what is new, in the order of the numbers, without a hole; a client
 * that does not read is cut off before it costs memory, and resumes from its number; who is signed out is cut off at the next ping; a client is looked at
 * only from when it says so until it says otherwise or its connection ends, and one that does not answer a ping is ended at the next.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer, type RawData } from 'ws';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { ClientFrame, type HubEvent, type StreamFrame } from '../../protocol/events.ts';
import type { Attention, EventLog } from '../services.ts';
import type { OperatorAuth } from './operator-auth.ts';
import { positionOf } from './queries.ts';
import { refuseUpgrade } from './refuse-upgrade.ts';

const PATH = '/api/operator/stream';
const STREAMS_MAX = 200;
const STREAMS_PER_OPERATOR = 30;
const PING_MS = 20_000;
/** Clients say little: `pong`, and whether they are looked at. */
const CLIENT_FRAME_MAX = 1_024;
const CLIENT_FRAMES_PER_PING = 50;
/** Bytes that may wait for a slow client. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
const REPLAY_PAGE = 200;
/** Events that may wait while a client catches up. */
const WAITING_EVENTS_MAX = 5_000;

export interface StreamParts {
  readonly events: EventLog;
  /** Who looks. */
  readonly attention: Pick<Attention, 'page'>;
  readonly auth: OperatorAuth;
  readonly clock: Clock;
  readonly log: Log;
}

interface Stream {
  readonly socket: WebSocket;
  /** What the socket writes to. */
  readonly connection: Duplex;
  /** Frames of this moment go out together. */
  corked: boolean;
  readonly operator: string;
  readonly request: IncomingMessage;
  /** Events that wait until the replay is through; undefined once it is live. */
  waiting: HubEvent[] | undefined;
  lastSent: number;
  alive: boolean;
  heard: number;
}

export class EventStreams {
  readonly #parts: StreamParts;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: CLIENT_FRAME_MAX, perMessageDeflate: false });
  readonly #streams = new Set<Stream>();
  readonly #stopPing: CancelTimer;
  readonly #unsubscribe: () => void;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.#stopPing = parts.clock.every(PING_MS, () => this.#ping());
    this.#unsubscribe = parts.events.subscribe((event) => this.#tell(event));
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Takes an upgrade request, or refuses it in the form of every other refusal. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    this.#admit(request).then(
      (operator) =>
        this.#server.handleUpgrade(request, socket, head, (client) => {
          this.#start({
            socket: client,
            connection: socket,
            corked: false,
            operator,
            request,
            waiting: [],
            lastSent: 0,
            alive: true,
            heard: 0,
          });
        }),
      (error: unknown) => refuseUpgrade(socket, error, this.#parts.log, 'a stream could not be opened'),
    );
  }

  /** Ends all streams; clients come back by themselves. */
  close(): void {
    this.#stopPing();
    this.#unsubscribe();
    for (const stream of this.#streams) stream.socket.close(1001, 'the hub stops');
    this.#server.close();
  }

  async #admit(request: IncomingMessage): Promise<string> {
    const url = urlOf(request);
    if (url?.pathname !== PATH || request.method !== 'GET') {
      throw new IntercomError('not_found', 'There is no such stream.', { next: `The stream is at ${PATH}.` });
    }
    const { actor } = await this.#parts.auth.authenticate(request, true);
    const own = [...this.#streams].filter((stream) => stream.operator === actor.operator.name).length;
    if (this.#streams.size >= STREAMS_MAX || own >= STREAMS_PER_OPERATOR) {
      throw new IntercomError('limit_reached', 'Too many pages are open.', {
        next: 'Close some of them and try again.',
      });
    }
    return actor.operator.name;
  }

  #start(stream: Stream): void {
    this.#streams.add(stream);
    const { socket } = stream;
    const page = this.#parts.attention.page(stream.operator);
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      this.#streams.delete(stream);
      page.close();
    });
    socket.on('pong', () => {
      stream.alive = true;
    });
    socket.on('message', (data, isBinary) => {
      stream.alive = true;
      stream.heard += 1;
      const frame = isBinary ? undefined : clientFrame(data);
      if (stream.heard > CLIENT_FRAMES_PER_PING) socket.close(1008, 'too many frames');
      else if (frame === undefined) socket.close(1008, 'this frame is not understood');
      else if (frame.frame === 'looking') page.looking(frame.looking);
    });
    this.#replay(stream).catch((error: unknown) => {
      this.#parts.log.warn({ err: error }, 'a stream could not be replayed');
      socket.close(1011, 'try again');
    });
  }

  /** Hello, then what was missed, then what came meanwhile; from there on #tell. */
  async #replay(stream: Stream): Promise<void> {
    const { events } = this.#parts;
    const after = urlOf(stream.request)?.searchParams.get('after') ?? undefined;
    const from = after === undefined ? undefined : positionOf(after);
    let page = from === undefined ? undefined : await events.after(from.epoch, from.seq, REPLAY_PAGE);
    const mode = after === undefined ? 'fresh' : page === undefined || page.gap ? 'gap' : 'resumed';
    // A fresh page starts from a snapshot that is taken after this number was read, so nothing can be missing in between.
    stream.lastSent = mode === 'resumed' && from !== undefined ? from.seq : events.lastSeq;
    await this.#send(stream, { frame: 'hello', mode, epoch: events.epoch, seq: stream.lastSent });
    while (mode === 'resumed' && page !== undefined && page.events.length > 0) {
      for (const event of page.events) await this.#sendEvent(stream, event);
      page = await events.after(events.epoch, stream.lastSent, REPLAY_PAGE);
      // Retention overtook a slow client: it starts anew.
      if (page.gap) {
        stream.socket.close(1013, 'start anew');
        return;
      }
    }
    const waiting = stream.waiting ?? [];
    for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
      if (event.seq > stream.lastSent) await this.#sendEvent(stream, event);
    }
    stream.waiting = undefined;
  }

  #tell(event: HubEvent): void {
    if (this.#streams.size === 0) return;
    const text = JSON.stringify({ frame: 'event', event } satisfies StreamFrame);
    for (const stream of this.#streams) {
      if (stream.waiting !== undefined) {
        stream.waiting.push(event);
        if (stream.waiting.length > WAITING_EVENTS_MAX) stream.socket.terminate();
      } else if (event.seq > stream.lastSent) {
        stream.lastSent = event.seq;
        this.#write(stream, text);
      }
    }
  }

  #write(stream: Stream, text: string): void {
    if (stream.socket.bufferedAmount > WAITING_BYTES_MAX) stream.socket.terminate();
    else if (stream.socket.readyState === WebSocket.OPEN) {
      cork(stream);
      stream.socket.send(text);
    }
  }

  async #sendEvent(stream: Stream, event: HubEvent): Promise<void> {
    stream.lastSent = event.seq;
    await this.#send(stream, { frame: 'event', event });
  }

  /** Resolves when the frame is out, which is what holds the replay of a slow client back. */
  #send(stream: Stream, frame: StreamFrame): Promise<void> {
    return new Promise((resolve, reject) => {
      stream.socket.send(JSON.stringify(frame), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  #ping(): void {
    const text = JSON.stringify({ frame: 'ping', seq: this.#parts.events.lastSeq } satisfies StreamFrame);
    for (const stream of this.#streams) {
      if (!stream.alive) {
        stream.socket.terminate();
        continue;
      }
      stream.alive = false;
      stream.heard = 0;
      stream.socket.ping();
      this.#write(stream, text);
      this.#parts.auth.authenticate(stream.request, true).catch((error: unknown) => {
        if (error instanceof IntercomError && error.code !== 'storage_failed') stream.socket.close(4401, 'signed out');
      });
    }
  }
}

/** The events of one commit come at once: one write to the socket for all of them instead of one for each. */
function cork(stream: Stream): void {
  if (stream.corked) return;
  stream.corked = true;
  stream.connection.cork();
  process.nextTick(() => {
    stream.corked = false;
    stream.connection.uncork();
  });
}

function clientFrame(data: RawData): ClientFrame | undefined {
  try {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    return ClientFrame.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function urlOf(request: IncomingMessage): URL | undefined {
  const text = `http://hub${request.url ?? '/'}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}
