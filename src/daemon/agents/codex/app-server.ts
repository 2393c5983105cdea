/**
 * One running Codex app-server, seen as a second client of it: which threads it has loaded, what they do, and how to say something into one.
 *
 * Invariants: we subscribe to a thread only while it works or while something of ours is under way in it, because the server keeps a thread loaded for its subscribers and a
 * session that its person left must be able to end; threads of subagents and of the program's own side work are never sessions; a text is started as a turn when the thread is
 * idle, steered with the turn that we saw when it works, and put into the thread's own queue when that turn is over meanwhile.
 */
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import type { Log } from '../../../platform/log.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import { AppServerConnection, AppServerRefusal } from './connection.ts';
import type { ServerRequest } from './connection.ts';
import type { z } from 'zod';
import * as wire from './protocol/messages.ts';

/** Threads of one server that are followed. */
const THREADS_MAX = 500;
/** A new thread can be subscribed to as soon as its file is there. */
const SUBSCRIBE_RETRY_MS = 150;
const SUBSCRIBE_TRIES = 20;
/** How a turn ended is told just after its thread went idle. */
const SETTLE_MS = 1500;

export interface ThreadView {
  readonly thread: wire.Thread;
  readonly status: wire.ThreadStatus;
  /** Since when its status is that, milliseconds since 1970. */
  readonly since: number;
  /** The turn that runs, where it was seen. */
  readonly turn: string | undefined;
}

export interface AppServerListener {
  changed(view: ThreadView): void;
  gone(threadId: string, reason: string): void;
  userMessage(threadId: string, item: { readonly id: string; readonly clientId: string; readonly text: string }): void;
  turnCompleted(threadId: string, turn: wire.Turn): void;
  /** `item`: what was told of the item that it is about. */
  asked(request: ServerRequest, item: unknown): void;
  resolved(requestId: wire.RequestId): void;
  closed(): void;
}

export interface AppServerOptions {
  readonly socket: string;
  readonly uid: number | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly listener: AppServerListener;
}

interface Followed {
  thread: wire.Thread;
  status: wire.ThreadStatus;
  since: number;
  turn: string | undefined;
  subscribed: boolean;
  subscribing: Promise<void> | undefined;
  /** Hand-outs of ours that are under way. */
  holds: number;
  retry: CancelTimer;
  settle: CancelTimer;
  /** Items that an approval may be asked for; only file changes, which the question itself does not show. */
  readonly items: Map<string, unknown>;
}

export class AppServer {
  readonly #options: AppServerOptions;
  readonly #threads = new Map<string, Followed>();
  #connection: AppServerConnection | undefined;
  /** What is told while threads are first looked at must not get lost. */
  readonly #adopting = new Map<string, Promise<void>>();

  readonly #news: Readonly<Partial<Record<string, (params: unknown) => void>>>;

  constructor(options: AppServerOptions) {
    this.#options = options;
    const item = this.#on(wire.ItemNews, (news) => this.#item(news.threadId, news.item));
    this.#news = {
      'thread/started': this.#on(wire.ThreadStarted, ({ thread }) => this.#follow(thread)),
      'thread/status/changed': this.#on(wire.ThreadStatusChanged, (news) => this.#status(news.threadId, news.status)),
      'thread/closed': this.#on(wire.ThreadClosed, ({ threadId }) => this.#drop(threadId)),
      'thread/name/updated': this.#on(wire.ThreadNameUpdated, (news) => this.#named(news.threadId, news.threadName)),
      'turn/started': this.#on(wire.TurnStarted, ({ threadId, turn }) => this.#turn(threadId, turn.id)),
      'turn/completed': this.#on(wire.TurnCompleted, ({ threadId, turn }) => {
        this.#turn(threadId, undefined);
        options.listener.turnCompleted(threadId, turn);
      }),
      'item/started': item,
      'item/completed': item,
      'serverRequest/resolved': this.#on(wire.ServerRequestResolved, (news) =>
        options.listener.resolved(news.requestId),
      ),
    };
  }

  /** Connects and finds the threads. Throws an IntercomError that says why it cannot. */
  async connect(): Promise<void> {
    this.#connection = await AppServerConnection.open({
      ...this.#options,
      listener: {
        notification: (method, params) => this.#told(method, params),
        request: (request) => this.#asked(request),
        closed: () => this.#closed(),
      },
    });
    let cursor: string | null = null;
    do {
      const page: z.infer<typeof wire.ThreadLoadedListResponse> = await this.#request(
        'thread/loaded/list',
        wire.ThreadLoadedListResponse,
        wire.ThreadLoadedListParams.parse({ cursor }),
      );
      for (const id of page.data) await this.#adopt(id);
      cursor = page.nextCursor ?? null;
    } while (cursor !== null && this.#threads.size < THREADS_MAX);
  }

  get open(): boolean {
    return this.#connection?.open === true;
  }

  /** The program's version, as it names itself at the handshake. */
  get programVersion(): string | undefined {
    return /\/(\d+\.\d+\.\d+)/.exec(this.#connection?.userAgent ?? '')?.[1];
  }

  threads(): readonly ThreadView[] {
    return [...this.#threads.values()];
  }

  thread(id: string): ThreadView | undefined {
    return this.#threads.get(id);
  }

  close(): void {
    for (const followed of this.#threads.values()) stopTimers(followed);
    this.#connection?.close();
  }

  // ── saying something ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Hears a thread's items until the returned function is called. */
  hold(threadId: string): () => void {
    const followed = this.#threads.get(threadId);
    if (followed === undefined) return () => undefined;
    followed.holds += 1;
    void this.#subscribe(followed);
    let done = false;
    return () => {
      if (done) return;
      done = true;
      followed.holds -= 1;
      this.#settle(followed);
    };
  }

  /** Resolves when the server has the text; it is in the conversation only when its user message appears. */
  async say(threadId: string, clientId: string, text: string): Promise<'started' | 'steered' | 'queued'> {
    const followed = this.#threads.get(threadId);
    if (followed === undefined) throw notLoaded();
    await this.#subscribe(followed);
    const params = saying(threadId, clientId, text);
    if (followed.status.type !== 'active') {
      await this.#request('turn/start', wire.TurnStartResponse, params);
      return 'started';
    }
    if (followed.turn !== undefined && (await this.#steer(threadId, followed.turn, clientId, text))) return 'steered';
    await this.#request('thread/queue/add', wire.ThreadQueueAddResponse, wire.ThreadQueueAddParams.parse(params));
    return 'queued';
  }

  /** Says something into this turn alone. Rejects when that is over, or takes nothing. */
  async tell(threadId: string, turnId: string, clientId: string, text: string): Promise<void> {
    const params = wire.TurnSteerParams.parse({ ...saying(threadId, clientId, text), expectedTurnId: turnId });
    await this.#request('turn/steer', wire.TurnSteerResponse, params);
  }

  /** False: that turn is over, or takes nothing. */
  async #steer(threadId: string, turnId: string, clientId: string, text: string): Promise<boolean> {
    try {
      await this.tell(threadId, turnId, clientId, text);
      return true;
    } catch (error) {
      if (error instanceof AppServerRefusal) return false;
      throw error;
    }
  }

  /** The texts that wait in the thread's own queue. */
  async queued(threadId: string): Promise<readonly string[]> {
    const { data } = await this.#request(
      'thread/queue/list',
      wire.ThreadQueueListResponse,
      wire.ThreadQueueListParams.parse({ threadId, cursor: null }),
    );
    return data.map(({ input }) => JSON.stringify(input));
  }

  /** Ends the turn that runs, if one does. */
  async interrupt(threadId: string): Promise<void> {
    const turnId = this.#threads.get(threadId)?.turn ?? '';
    await this.#request(
      'turn/interrupt',
      wire.TurnInterruptResponse,
      wire.TurnInterruptParams.parse({ threadId, turnId }),
    );
  }

  answer(id: wire.RequestId, result: unknown): void {
    this.#connection?.answer(id, result);
  }

  // ── what it tells ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #told(method: string, params: unknown): void {
    const on = this.#news[method];
    if (on !== undefined) on(params);
  }

  #on<T>(schema: z.ZodType<T>, then: (data: T) => void): (value: unknown) => void {
    return (value) => {
      const parsed = schema.safeParse(value);
      if (parsed.success) then(parsed.data);
      else this.#options.log.debug('Codex told something in a form that is not known');
    };
  }

  #item(threadId: string, item: { readonly type: string }): void {
    const message = wire.UserMessageItem.safeParse(item);
    if (message.success) {
      const { id, clientId, content } = message.data;
      const text = content.map((part) => part.text ?? '').join('\n');
      this.#options.listener.userMessage(threadId, { id, clientId: clientId ?? '', text });
      return;
    }
    const change = wire.FileChangeItem.safeParse(item);
    const items = this.#threads.get(threadId)?.items;
    if (change.success && change.data.status === 'inProgress') items?.set(change.data.id, change.data);
    else if (change.success) items?.delete(change.data.id);
  }

  #asked(request: ServerRequest): void {
    const about = wire.FileApprovalParams.safeParse(request.params);
    const item = about.success ? this.#threads.get(about.data.threadId)?.items.get(about.data.itemId) : undefined;
    this.#options.listener.asked(request, item);
  }

  #status(threadId: string, status: wire.ThreadStatus): void {
    const followed = this.#threads.get(threadId);
    if (status.type === 'notLoaded') {
      this.#drop(threadId);
      return;
    }
    if (followed === undefined) {
      void this.#adopt(threadId);
      return;
    }
    followed.since = this.#options.clock.now();
    followed.status = status;
    if (status.type === 'active') void this.#subscribe(followed);
    else {
      followed.turn = undefined;
      this.#settle(followed);
    }
    this.#options.listener.changed(followed);
  }

  #turn(threadId: string, turn: string | undefined): void {
    const followed = this.#threads.get(threadId);
    if (followed !== undefined) followed.turn = turn;
  }

  #named(threadId: string, name: string | null | undefined): void {
    const followed = this.#threads.get(threadId);
    if (followed === undefined) return;
    followed.thread = { ...followed.thread, name: name ?? null };
    this.#options.listener.changed(followed);
  }

  // ── following ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #adopt(threadId: string): Promise<void> {
    const under = this.#adopting.get(threadId);
    if (under !== undefined || this.#threads.has(threadId)) return under ?? Promise.resolve();
    const adopting = this.#readThread(threadId).finally(() => this.#adopting.delete(threadId));
    this.#adopting.set(threadId, adopting);
    return adopting;
  }

  async #readThread(threadId: string): Promise<void> {
    try {
      const params = wire.ThreadReadParams.parse({ threadId, includeTurns: false });
      const { thread } = await this.#request('thread/read', wire.ThreadReadResponse, params);
      this.#follow(thread);
    } catch (err) {
      // It was closed in the meantime, or is side work that cannot be read.
      this.#options.log.debug({ err, thread: threadId }, 'a thread of Codex cannot be read');
    }
  }

  #follow(thread: wire.Thread): void {
    const isOwn = !thread.ephemeral && typeof thread.parentThreadId !== 'string';
    const isSession = isOwn && thread.status.type !== 'notLoaded';
    if (!isSession || this.#threads.has(thread.id) || this.#threads.size >= THREADS_MAX) return;
    const followed: Followed = {
      thread,
      status: thread.status,
      since: this.#options.clock.now(),
      turn: undefined,
      subscribed: false,
      subscribing: undefined,
      holds: 0,
      retry: () => undefined,
      settle: () => undefined,
      items: new Map(),
    };
    this.#threads.set(thread.id, followed);
    if (thread.status.type === 'active') void this.#subscribe(followed);
    this.#options.listener.changed(followed);
  }

  #drop(threadId: string): void {
    const followed = this.#threads.get(threadId);
    if (followed === undefined) return;
    stopTimers(followed);
    this.#threads.delete(threadId);
    this.#options.listener.gone(threadId, 'Codex closed the session.');
  }

  /** Never rejects: without a subscription its status is still told, only its items are not. */
  #subscribe(followed: Followed, tries = SUBSCRIBE_TRIES): Promise<void> {
    if (followed.subscribed) return Promise.resolve();
    followed.subscribing ??= this.#resume(followed, tries).finally(() => {
      followed.subscribing = undefined;
      this.#settle(followed);
    });
    return followed.subscribing;
  }

  async #resume(followed: Followed, tries: number): Promise<void> {
    followed.retry();
    try {
      const params = wire.ThreadResumeParams.parse({
        threadId: followed.thread.id,
        excludeTurns: true,
        initialTurnsPage: { limit: 1, sortDirection: 'desc', itemsView: 'notLoaded' },
      });
      // Before the answer: dialogs that are open already are asked again right behind it.
      followed.subscribed = true;
      const { thread, initialTurnsPage } = await this.#request('thread/resume', wire.ThreadResumeResponse, params);
      followed.thread = thread;
      const [last] = initialTurnsPage?.data ?? [];
      if (last?.status === 'inProgress' && followed.status.type === 'active') followed.turn ??= last.id;
    } catch (err) {
      followed.subscribed = false;
      this.#options.log.debug({ err, thread: followed.thread.id }, 'a thread of Codex cannot be subscribed to');
      // A new thread has no file before its first message.
      if (tries > 1 && this.#wanted(followed) && followed.status.type === 'active') {
        followed.retry = this.#options.clock.after(SUBSCRIBE_RETRY_MS, () => void this.#subscribe(followed, tries - 1));
      }
    }
  }

  #wanted(followed: Followed): boolean {
    return followed.holds > 0 || followed.status.type === 'active';
  }

  #settle(followed: Followed): void {
    followed.settle();
    followed.settle = this.#options.clock.after(SETTLE_MS, () => void this.#unsubscribe(followed));
  }

  async #unsubscribe(followed: Followed): Promise<void> {
    if (this.#wanted(followed) || !followed.subscribed || followed.subscribing !== undefined || !this.open) return;
    followed.subscribed = false;
    const params = wire.ThreadUnsubscribeParams.parse({ threadId: followed.thread.id });
    await this.#request('thread/unsubscribe', wire.ThreadUnsubscribeResponse, params).catch((err: unknown) =>
      this.#options.log.debug({ err }, 'a thread of Codex could not be unsubscribed from'),
    );
  }

  #closed(): void {
    for (const followed of this.#threads.values()) stopTimers(followed);
    this.#options.listener.closed();
  }

  #request<T>(method: string, schema: z.ZodType<T>, params: unknown): Promise<T> {
    if (this.#connection === undefined) throw notLoaded();
    return this.#connection.request(method, schema, params);
  }
}

function stopTimers({ retry, settle }: Followed): void {
  retry();
  settle();
}

function saying(threadId: string, clientUserMessageId: string, text: string): z.infer<typeof wire.TurnStartParams> {
  const input = [{ type: 'text', text, text_elements: [] }];
  return wire.TurnStartParams.parse({ threadId, clientUserMessageId, input });
}

function notLoaded(): IntercomError {
  return new IntercomError('unreachable', 'The Codex session is not loaded in its app-server.', {
    next: 'Its messages wait until it is resumed.',
  });
}
