/**
 * The one live connection to the hub: `/api/operator/stream?after=epoch:seq` over a WebSocket.
 *
 * Invariants: at most one socket; events are handed on in order and only when nothing is missing before them. After `fresh` or `gap` the
 * events that arrive while a snapshot is fetched wait for it. A line that says nothing for 50 s is taken as dead. Lost lines come back with
 * growing, spread-out pauses; a page that nobody sees for five minutes lets go of its line and takes it up when it is looked at again.
 */
import { z } from 'zod';
import type { ClientFrame, HubEvent } from '../../../src/protocol/events.ts';
import { StreamFrame } from '../../../src/protocol/events.ts';
import type { IntercomError } from '../../../src/protocol/errors.ts';

/** The hub pings every 20 s; two lost pings and some patience, ms. */
export const SILENCE_MAX = 50_000;
/** A line that was not greeted by now goes nowhere, ms. */
export const GREETING_MAX = 10_000;
export const BACKOFF_FIRST = 500;
export const BACKOFF_MAX = 30_000;
/** A hidden page keeps its count in the tab title for this long, ms; then it saves the battery. */
export const HIDDEN_PAUSE = 5 * 60_000;
/** A page that is looked at again after this silence asks anew instead of waiting for the watchdog, ms. */
export const FOREGROUND_SILENCE = 25_000;
/** Events that wait for a snapshot; more means that starting over is cheaper. */
const WAITING_MAX = 5000;

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Lost; the next try is at `retryAt` (ms). */
  | { readonly state: 'lost'; readonly since: number; readonly retryAt: number }
  | { readonly state: 'paused' }
  | { readonly state: 'off' };

/** The part of a WebSocket that is used here. */
export interface Socket {
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: (() => void) | null;
  close(): void;
  send(text: string): void;
}

export interface Timers {
  now(): number;
  set(action: () => void, ms: number): number;
  clear(id: number): void;
}

/** Where the stream's news go. */
export interface StreamSink {
  /** What we have, or undefined when a snapshot is needed first. */
  position(): { readonly epoch: string; readonly seq: number } | undefined;
  /** Fetches and takes a snapshot. Rejects with an IntercomError. */
  refresh(): Promise<void>;
  /** `hole` when events before it are missing. */
  event(event: HubEvent): 'taken' | 'hole';
  /** An event of a newer hub that this app cannot read; only its number counts. */
  unreadable(seq: number): 'taken' | 'hole';
  connection(now: Connection): void;
  /** The line failed before the hub greeted us: is it the network, or are we signed out? True: go on trying. */
  mayRetry(): Promise<boolean>;
  failed(error: unknown): IntercomError;
}

export interface StreamDeps {
  readonly open: (path: string) => Socket;
  readonly timers: Timers;
  /** 0 … 1. */
  readonly random: () => number;
  readonly hidden: () => boolean;
  /** A person looks at this page. */
  readonly looking: () => boolean;
}

type Item = { readonly seq: number; readonly event: HubEvent | undefined };
const UnknownEvent = z.object({ frame: z.literal('event'), event: z.object({ seq: z.number().int().positive() }) });

export class EventStream {
  private readonly deps: StreamDeps;
  private readonly sink: StreamSink;
  private socket: Socket | undefined;
  private greeted = false;
  private refreshing = false;
  private waiting: Item[] = [];
  private failures = 0;
  private lostSince = 0;
  private heardAt = 0;
  private retryTimer: number | undefined;
  private watchdog: number | undefined;
  private hideTimer: number | undefined;
  private mode: 'off' | 'on' | 'paused' = 'off';

  constructor(deps: StreamDeps, sink: StreamSink) {
    this.deps = deps;
    this.sink = sink;
  }

  start(): void {
    if (this.mode !== 'off') return;
    this.mode = 'on';
    this.failures = 0;
    this.connect();
  }

  stop(): void {
    this.mode = 'off';
    this.drop();
    this.clearTimer('retryTimer');
    this.clearTimer('hideTimer');
    this.sink.connection({ state: 'off' });
  }

  /** The person asks, or the network came back: no more waiting. */
  retryNow(): void {
    if (this.mode !== 'on' || this.socket !== undefined) return;
    this.failures = 0;
    this.connect();
  }

  /** Called whenever the page is shown or hidden. */
  visibilityChanged(): void {
    if (this.mode === 'off') return;
    this.clearTimer('hideTimer');
    if (this.deps.hidden()) {
      this.hideTimer = this.deps.timers.set(() => this.pause(), HIDDEN_PAUSE);
      return;
    }
    if (this.mode === 'paused') {
      this.mode = 'on';
      this.connect();
    } else if (this.socket === undefined) {
      this.retryNow();
    } else if (this.deps.timers.now() - this.heardAt > FOREGROUND_SILENCE) {
      this.drop();
      this.connect();
    }
  }

  /** Tells the hub whether a person looks at this page; at every greeting, and when it changes. */
  lookingChanged(): void {
    if (this.greeted) this.say({ frame: 'looking', looking: this.deps.looking() });
  }

  private say(frame: ClientFrame): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private pause(): void {
    this.mode = 'paused';
    this.drop();
    this.clearTimer('retryTimer');
    this.sink.connection({ state: 'paused' });
  }

  private connect(): void {
    this.clearTimer('retryTimer');
    this.drop();
    if (this.failures === 0) this.sink.connection({ state: 'connecting' });
    const position = this.sink.position();
    const after = position === undefined ? '' : `?after=${encodeURIComponent(`${position.epoch}:${position.seq}`)}`;
    let socket: Socket;
    try {
      socket = this.deps.open(`/api/operator/stream${after}`);
    } catch {
      this.lost();
      return;
    }
    this.socket = socket;
    this.greeted = false;
    this.heard();
    // Callbacks of a socket that is no longer ours are late news and ignored.
    socket.onmessage = (event) => {
      if (this.socket === socket) this.frame(event.data);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.closed();
    };
  }

  private frame(data: unknown): void {
    this.heard();
    const value = typeof data === 'string' ? parseJson(data) : undefined;
    const parsed = StreamFrame.safeParse(value);
    if (!parsed.success) {
      const unknown = UnknownEvent.safeParse(value);
      if (unknown.success) this.take({ seq: unknown.data.event.seq, event: undefined });
      return;
    }
    const frame = parsed.data;
    switch (frame.frame) {
      case 'hello':
        this.greeted = true;
        this.heard();
        this.lookingChanged();
        if (frame.mode === 'resumed') this.live();
        else this.refresh();
        return;
      case 'event':
        this.take({ seq: frame.event.seq, event: frame.event });
        return;
      case 'ping':
        this.say({ frame: 'pong' });
        return;
    }
  }

  private take(item: Item): void {
    if (this.refreshing) {
      this.waiting.push(item);
      if (this.waiting.length > WAITING_MAX) this.closed();
      return;
    }
    const result = item.event === undefined ? this.sink.unreadable(item.seq) : this.sink.event(item.event);
    if (result === 'hole') {
      this.waiting.push(item);
      this.refresh();
    }
  }

  private refresh(): void {
    if (this.refreshing) return;
    this.refreshing = true;
    const socket = this.socket;
    this.sink.refresh().then(
      () => {
        if (this.socket !== socket) return;
        this.refreshing = false;
        const waiting = this.waiting;
        this.waiting = [];
        this.live();
        for (const item of waiting) this.take(item);
      },
      (error: unknown) => {
        if (this.socket !== socket) return;
        this.sink.failed(error);
        this.closed();
      },
    );
  }

  private live(): void {
    this.failures = 0;
    this.sink.connection({ state: 'live' });
  }

  /** The line is gone. Before a greeting that may mean that we are signed out, which only an HTTP call can tell. */
  private closed(): void {
    const greeted = this.greeted;
    this.drop();
    if (this.mode !== 'on') return;
    this.lost();
    if (greeted) return;
    void this.sink.mayRetry().then((may) => {
      if (!may && this.mode === 'on') this.stop();
    });
  }

  private lost(): void {
    const now = this.deps.timers.now();
    if (this.failures === 0) this.lostSince = now;
    const step = Math.min(BACKOFF_MAX, BACKOFF_FIRST * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    const wait = step / 2 + (step / 2) * this.deps.random();
    this.sink.connection({ state: 'lost', since: this.lostSince, retryAt: now + wait });
    this.retryTimer = this.deps.timers.set(() => this.connect(), wait);
  }

  private heard(): void {
    this.heardAt = this.deps.timers.now();
    this.clearTimer('watchdog');
    this.watchdog = this.deps.timers.set(() => this.closed(), this.greeted ? SILENCE_MAX : GREETING_MAX);
  }

  private drop(): void {
    this.clearTimer('watchdog');
    this.refreshing = false;
    this.waiting = [];
    const socket = this.socket;
    this.socket = undefined;
    if (socket === undefined) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  private clearTimer(name: 'retryTimer' | 'watchdog' | 'hideTimer'): void {
    const timer = this[name];
    if (timer !== undefined) this.deps.timers.clear(timer);
    this[name] = undefined;
  }
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}
