/**
 * Follows the hub's event stream over its WebSocket. Resumes after the last number it saw, backs off while the hub is away, and says when
 * events were missed instead of hiding it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { ErrorBody, IntercomError } from '../../protocol/errors.ts';
import { StreamFrame } from '../../protocol/events.ts';
import type { ClientFrame, HubEvent } from '../../protocol/events.ts';
import type { HubAccess } from './operator-client.ts';

export interface Follow {
  readonly access: HubAccess;
  /** `epoch:seq` of the last event that was seen. */
  readonly after: string;
  readonly signal: AbortSignal;
  readonly onEvent: (event: HubEvent, epoch: string) => void;
  /** Something that a person should know: reconnecting, a gap. */
  readonly onNote: (text: string) => void;
  /** Connected (again). `gap`: what was missed is not told; start from a snapshot. `say` speaks to the hub as long as this connection lasts. */
  readonly onHello?: (mode: 'fresh' | 'resumed' | 'gap', say: (frame: ClientFrame) => void) => void;
}

/** A frame is at most a message and its thread; the hub sends nothing larger. */
const FRAME_MAX = 8 * 1024 * 1024;
/** The hub pings every 20 s; more silence than this is a dead connection. */
const SILENCE_MS = 50_000;
const BACKOFF_MS = [500, 1_000, 2_000, 5_000, 10_000];

/** Ends when the signal aborts; throws when the hub refuses. */
export async function followEvents(follow: Follow): Promise<void> {
  let after = follow.after;
  const stopped = (): boolean => follow.signal.aborted;
  for (let attempt = 0; !stopped();) {
    const end = await connection(follow, after, (place) => {
      after = place;
      attempt = 0;
    });
    if (end instanceof IntercomError) throw end;
    if (stopped()) return;
    const pause = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 10_000;
    if (attempt === 0) follow.onNote(`… ${follow.access.label} is away; waiting for it`);
    attempt += 1;
    await sleep(pause, undefined, { signal: follow.signal }).catch(() => undefined);
  }
}

/** One connection from its start to its end; an error only when trying again cannot help. */
function connection(
  follow: Follow,
  after: string,
  onPlace: (place: string) => void,
): Promise<IntercomError | undefined> {
  const { access, signal } = follow;
  const path = `/api/operator/stream?after=${encodeURIComponent(after)}`;
  const url =
    access.socketPath === undefined
      ? `${access.origin.replace(/^http/, 'ws')}${path}`
      : `ws+unix:${access.socketPath}:${path}`;
  const socket = new WebSocket(url, {
    headers: { authorization: `Bearer ${access.token}` },
    maxPayload: FRAME_MAX,
    handshakeTimeout: 10_000,
  });
  let epoch = after.slice(0, after.lastIndexOf(':'));
  return new Promise((resolve) => {
    let refusal: IntercomError | undefined;
    let silence = setTimeout(() => socket.terminate(), SILENCE_MS);
    const stop = (): void => socket.close();
    signal.addEventListener('abort', stop, { once: true });
    socket.on('message', (data) => {
      clearTimeout(silence);
      silence = setTimeout(() => socket.terminate(), SILENCE_MS);
      const frame = readFrame(data);
      if (frame === undefined) return;
      if (frame.frame === 'hello') {
        if (frame.mode === 'gap') follow.onNote('… events were missed here; from now on they are complete again');
        epoch = frame.epoch;
        if (frame.mode !== 'resumed') onPlace(`${epoch}:${frame.seq}`);
        follow.onHello?.(frame.mode, (said) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(said));
        });
      } else if (frame.frame === 'event') {
        onPlace(`${epoch}:${frame.event.seq}`);
        follow.onEvent(frame.event, epoch);
      } else {
        socket.send(JSON.stringify({ frame: 'pong' }));
      }
    });
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text = (text + chunk.toString()).slice(0, 10_000)));
      response.on('end', () => {
        if ((response.statusCode ?? 0) < 500) refusal = refusalOf(text);
        socket.terminate();
      });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(silence);
      signal.removeEventListener('abort', stop);
      resolve(refusal);
    });
  });
}

function readFrame(data: WebSocket.RawData): StreamFrame | undefined {
  const text = Array.isArray(data) ? Buffer.concat(data).toString() : Buffer.isBuffer(data) ? data.toString() : '';
  const frame = StreamFrame.safeParse(parseQuietly(text));
  return frame.success ? frame.data : undefined;
}

function refusalOf(text: string): IntercomError {
  const body = ErrorBody.safeParse(parseQuietly(text));
  if (body.success) return IntercomError.fromWire(body.data.error);
  return new IntercomError('unauthorized', 'The hub refused the event stream.', {
    next: 'Sign in again with `intercom login`.',
  });
}

function parseQuietly(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
