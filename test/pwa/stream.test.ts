/** The live line: resume, gap, holes, silence, back-off, pause. With a clock and sockets that the test holds. */
import { describe, expect, it } from 'vitest';
import { IntercomError, toIntercomError } from '../../src/protocol/errors.ts';
import type { StreamFrame } from '../../src/protocol/events.ts';
import {
  BACKOFF_FIRST,
  BACKOFF_MAX,
  EventStream,
  GREETING_MAX,
  HIDDEN_PAUSE,
  SILENCE_MAX,
  type Connection,
  type Socket,
} from '../../pwa/src/core/stream.ts';
import { TestTimers } from './support/timers.ts';

class TestSocket implements Socket {
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  closed = false;
  readonly sent: string[] = [];
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
  close(): void {
    this.closed = true;
  }
  send(text: string): void {
    this.sent.push(text);
  }
  frame(frame: StreamFrame): void {
    this.text(JSON.stringify(frame));
  }
  text(data: string): void {
    this.onmessage?.({ data });
  }
}

function notice(seq: number): StreamFrame {
  const at = '2026-03-01T10:00:00.000Z';
  return {
    frame: 'event',
    event: { seq, at, type: 'system.notice', notice: { key: 'k', level: 'info', text: 't', since: at } },
  };
}

function setUp() {
  const timers = new TestTimers();
  const sockets: TestSocket[] = [];
  const states: Connection[] = [];
  const seen: number[] = [];
  const world = {
    hidden: false,
    looking: true,
    seq: 0,
    snapshotSeq: 0,
    refreshes: 0,
    unreadable: 0,
    mayRetry: true,
    refuse: false,
  };
  let position: { epoch: string; seq: number } | undefined;
  let answer: (() => void) | undefined;
  const take = (seq: number) => {
    if (position === undefined || seq > position.seq + 1) return 'hole' as const;
    if (seq === position.seq + 1) {
      position = { epoch: 'e', seq };
      seen.push(seq);
    }
    return 'taken' as const;
  };
  const stream = new EventStream(
    {
      open: (path) => {
        const socket = new TestSocket(path);
        sockets.push(socket);
        return socket;
      },
      timers,
      random: () => 1,
      hidden: () => world.hidden,
      looking: () => world.looking,
    },
    {
      position: () => position,
      refresh: () =>
        new Promise<void>((resolve, reject) => {
          world.refreshes += 1;
          answer = () => {
            if (world.refuse) reject(new IntercomError('unreachable', 'no'));
            else {
              position = { epoch: 'e', seq: world.snapshotSeq };
              resolve();
            }
          };
        }),
      event: (event) => take(event.seq),
      unreadable: (seq) => {
        world.unreadable += 1;
        return take(seq);
      },
      connection: (now) => states.push(now),
      mayRetry: () => Promise.resolve(world.mayRetry),
      failed: toIntercomError,
    },
  );
  const last = () => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  };
  /** The snapshot arrives. */
  const snapshot = async (seq: number) => {
    world.snapshotSeq = seq;
    answer?.();
    await Promise.resolve();
    await Promise.resolve();
  };
  const startAt = (seq: number) => {
    position = { epoch: 'e', seq };
    stream.start();
    last().frame({ frame: 'hello', mode: 'resumed', epoch: 'e', seq });
  };
  return { timers, sockets, states, seen, world, stream, last, snapshot, startAt };
}

describe('presence', () => {
  it('is told at every greeting and whenever it changes, not before', () => {
    const { stream, last, world, startAt, sockets } = setUp();
    const said = () => last().sent.filter((text) => text.includes('looking'));
    startAt(3);
    expect(said()).toEqual(['{"frame":"looking","looking":true}']);
    world.looking = false;
    stream.lookingChanged();
    expect(said().at(-1)).toBe('{"frame":"looking","looking":false}');
    last().onclose?.();
    stream.retryNow();
    expect(sockets).toHaveLength(2);
    world.looking = true;
    stream.lookingChanged();
    expect(said()).toEqual([]);
    last().frame({ frame: 'hello', mode: 'resumed', epoch: 'e', seq: 3 });
    expect(said()).toEqual(['{"frame":"looking","looking":true}']);
  });
});

describe('the live line', () => {
  it('starts without a number, and hands on the events that came while the snapshot was fetched, once and in order', async () => {
    const { stream, last, seen, states, snapshot } = setUp();
    stream.start();
    expect(last().path).toBe('/api/operator/stream');
    last().frame({ frame: 'hello', mode: 'fresh', epoch: 'e', seq: 4 });
    last().frame(notice(5));
    last().frame(notice(6));
    expect(seen).toEqual([]);
    await snapshot(5);
    last().frame(notice(7));
    expect(seen).toEqual([6, 7]);
    expect(states.at(-1)).toEqual({ state: 'live' });
  });

  it('comes back with its number and gets only what it missed', () => {
    const { timers, last, sockets, seen, startAt, states } = setUp();
    startAt(10);
    last().frame(notice(11));
    last().onclose?.();
    expect(states.at(-1)?.state).toBe('lost');
    timers.pass(BACKOFF_FIRST);
    expect(sockets).toHaveLength(2);
    expect(last().path).toBe('/api/operator/stream?after=e%3A11');
    last().frame({ frame: 'hello', mode: 'resumed', epoch: 'e', seq: 12 });
    last().frame(notice(11));
    last().frame(notice(12));
    expect(seen).toEqual([11, 12]);
    expect(states.at(-1)?.state).toBe('live');
  });

  it('fetches a snapshot when the hub says gap, and when a number is missing', async () => {
    const { last, world, seen, startAt, snapshot } = setUp();
    startAt(3);
    last().frame({ frame: 'hello', mode: 'gap', epoch: 'f', seq: 40 });
    expect(world.refreshes).toBe(1);
    await snapshot(40);
    last().frame(notice(43));
    expect(world.refreshes).toBe(2);
    await snapshot(42);
    expect(seen).toEqual([43]);
  });

  it('counts an event of a newer hub instead of stumbling over its number', () => {
    const { last, world, seen, startAt } = setUp();
    startAt(3);
    last().text(JSON.stringify({ frame: 'event', event: { seq: 4, at: 'x', type: 'mission.changed' } }));
    last().text('not json');
    last().frame(notice(5));
    expect([world.unreadable, world.refreshes, seen]).toEqual([1, 0, [4, 5]]);
  });

  it('seed: a half-open line does not look connected: silence is noticed and a new line taken', () => {
    const { timers, last, sockets, states, startAt } = setUp();
    startAt(1);
    timers.pass(SILENCE_MAX - 1);
    last().frame({ frame: 'ping', seq: 1 });
    expect(last().sent.at(-1)).toBe(JSON.stringify({ frame: 'pong' }));
    timers.pass(SILENCE_MAX - 1);
    expect(states.at(-1)?.state).toBe('live');
    timers.pass(1);
    expect(states.at(-1)?.state).toBe('lost');
    expect(sockets[0]?.closed).toBe(true);
  });

  it('does not wait for ever to be greeted', () => {
    const { timers, sockets, states, stream } = setUp();
    stream.start();
    timers.pass(GREETING_MAX - 1);
    expect(states.at(-1)?.state).toBe('connecting');
    timers.pass(1);
    expect(states.at(-1)?.state).toBe('lost');
    timers.pass(BACKOFF_MAX);
    expect(sockets.length).toBeGreaterThan(1);
  });

  it('waits longer each time up to a bound, and at once when asked to', () => {
    const { timers, last, sockets, states, stream, startAt } = setUp();
    startAt(1);
    const waits: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      last().onclose?.();
      const now = states.at(-1);
      if (now?.state !== 'lost') throw new Error('not lost');
      waits.push(now.retryAt - timers.time);
      timers.pass(now.retryAt - timers.time);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    last().onclose?.();
    const before = sockets.length;
    stream.retryNow();
    expect(sockets).toHaveLength(before + 1);
  });

  it('goes on trying when the snapshot fails, and drops what waited for it', async () => {
    const { timers, stream, last, world, seen, snapshot, sockets } = setUp();
    stream.start();
    last().frame({ frame: 'hello', mode: 'fresh', epoch: 'e', seq: 4 });
    last().frame(notice(5));
    world.refuse = true;
    await snapshot(4);
    timers.pass(BACKOFF_FIRST);
    expect(sockets).toHaveLength(2);
    expect(seen).toEqual([]);
  });

  it('stops when the hub does not know us any more', async () => {
    const { timers, last, world, sockets, states, stream } = setUp();
    stream.start();
    world.mayRetry = false;
    last().onclose?.();
    await Promise.resolve();
    await Promise.resolve();
    timers.pass(10 * BACKOFF_MAX);
    expect(sockets).toHaveLength(1);
    expect(states.at(-1)?.state).toBe('off');
  });

  it('lets go of the line when nobody looks for a while, and takes it up when somebody does', () => {
    const { timers, last, world, sockets, states, stream, startAt } = setUp();
    startAt(1);
    world.hidden = true;
    stream.visibilityChanged();
    for (let passed = 0; passed < HIDDEN_PAUSE; passed += 20_000) {
      timers.pass(20_000);
      last().frame({ frame: 'ping', seq: 1 });
    }
    expect(states.at(-1)?.state).toBe('paused');
    expect(sockets[0]?.closed).toBe(true);
    timers.pass(10 * HIDDEN_PAUSE);
    expect(sockets).toHaveLength(1);
    world.hidden = false;
    stream.visibilityChanged();
    expect(sockets).toHaveLength(2);
  });

  it('ignores late news of a line that it has left', () => {
    const { last, seen, startAt, stream } = setUp();
    startAt(1);
    const left = last();
    const listener = left.onmessage;
    stream.stop();
    listener?.({ data: JSON.stringify(notice(2)) });
    expect(seen).toEqual([]);
  });
});
