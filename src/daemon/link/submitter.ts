/**
 * Brings the messages of this machine's agents to the hub.
 *
 * Straight through while the hub answers: what is handed in while one batch is under way goes out together in the next. Into the outbox, in
 * order, as soon as it does not; and behind everything that waits there until it is empty.
 *
 * Invariants: one batch under way at a time, so order is kept; a message has one id for life, so an answer that was lost never doubles it;
 * what was answered `submitted` is on disk here; nothing leaves the outbox without a status that its sender can read.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { OrderedPump } from '../../platform/ordered-pump.ts';
import { IntercomError, toIntercomError, type ErrorCode, type WireError } from '../../protocol/errors.ts';
import { BATCH_MAX, DEFAULT_EXPIRY_SECONDS, HTTP_BODY_MAX } from '../../protocol/limits.ts';
import { MessageStatus, SubmitResponse, type SubmitItem, type SubmitResult } from '../../protocol/machine-api.ts';
import type { MessageState } from '../../protocol/message-life.ts';
import { messageOfProvisional, provisionalThread, type Outbox, type OutboxEntry } from '../store/outbox.ts';
import type { HubClient } from './hub-client.ts';
import type { HubState } from './hub-state.ts';
import type { StatusDesk } from './status-desk.ts';

/** Longer than this the sender is not kept waiting: the message is stored here and goes out later. */
const ANSWER_MS = 5_000;
const OUTBOX_MAX = 20_000;
/** Bytes of the items in one batch, with room for JSON around them. */
const BATCH_BYTES = HTTP_BODY_MAX - 64 * 1024;
/** Times that the hub may fail on the same message before it is given up, so that the others can go on. */
const HEAD_TRIES_MAX = 30;
const ALIASES_MAX = 5_000;

/** Failures after which the same request can succeed: the message waits here. `revoked` and faults of the request are none. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  'unreachable',
  'timeout',
  'internal',
  'storage_failed',
  'limit_reached',
  'unavailable',
  'unknown_machine',
  'bad_signature',
  'unsigned',
  'unauthorized',
  'replayed',
  'clock_skew',
  'unsupported_version',
  'cancelled',
]);

export interface SubmitterOptions {
  readonly client: HubClient;
  readonly state: HubState;
  readonly outbox: Outbox;
  readonly desk: StatusDesk;
  readonly clock: Clock;
  readonly log: Log;
  readonly machineId: string;
  /** A message that was accepted here has come to nothing later: its sender must be told. */
  readonly onLateFailure: (item: SubmitItem, status: MessageStatus) => Promise<void>;
}

interface Pending {
  readonly item: SubmitItem;
  readonly resolve: (status: MessageStatus) => void;
  readonly reject: (error: unknown) => void;
}

export class Submitter {
  readonly #options: SubmitterOptions;
  readonly #pump: OrderedPump<OutboxEntry>;
  readonly #aliases = new Map<string, string>();
  #pending: Pending[] = [];
  #sending = false;
  #count = 0;
  #headFailures = { id: '', count: 0 };
  /** Why the hub, which answers, takes nothing now (its disk is full). */
  #hubProblem: string | undefined;

  constructor(options: SubmitterOptions) {
    this.#options = options;
    this.#pump = new OrderedPump<OutboxEntry>({
      clock: options.clock,
      load: () => this.#load(),
      send: (entries) => this.#sendOutbox(entries),
      onFailure: (error, inARow) => {
        if (inARow === 1) options.log.warn({ err: error }, 'the outbox could not be sent');
      },
      longestDelayMs: 5_000,
    });
  }

  /** Takes up what was left from before. */
  async start(): Promise<void> {
    this.#count = await this.#options.outbox.count();
    this.kick();
  }

  async stop(): Promise<void> {
    await this.#pump.stop();
  }

  /** Messages that the hub has not taken yet. */
  get waiting(): number {
    return this.#count;
  }

  /** The hub may answer again. */
  kick(): void {
    if (this.#count > 0 && this.#options.state.online) this.#pump.kick();
  }

  /** `to`: the recipient as far as it is known here; needed only when the message has to wait. */
  async submit(item: SubmitItem, to: () => Promise<string>): Promise<MessageStatus> {
    if (this.#count > 0 || !this.#options.state.online) {
      // Counted at once, so that nothing that comes now can overtake.
      this.#count += 1;
      return this.#store(item, to, false);
    }
    try {
      return await new Promise<MessageStatus>((resolve, reject) => {
        this.#pending.push({ item, resolve, reject });
        if (!this.#sending) void this.#sendPending();
      });
    } catch (error) {
      if (!(error instanceof Unsent)) throw error;
      return this.#store(item, to, error.tried);
    }
  }

  /** The id of a thread that a message opened here, if the hub knew that message before and has its thread under another. */
  async realThread(threadId: string): Promise<string> {
    const alias = this.#aliases.get(threadId);
    if (alias !== undefined) return alias;
    const first = await this.#options.outbox.sent(messageOfProvisional(threadId));
    return first === undefined ? threadId : first.status.threadId;
  }

  // ── straight through ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #sendPending(): Promise<void> {
    this.#sending = true;
    while (this.#pending.length > 0) {
      // Whoever found the hub away has left the order to the outbox: nothing may overtake it.
      if (this.#count > 0 || !this.#options.state.online) {
        for (const pending of this.#pending.splice(0)) this.#unsent(pending, false);
        break;
      }
      const batch = this.#pending.splice(0, prefix(this.#pending.map(({ item }) => item)));
      await this.#sendBatch(batch);
    }
    this.#sending = false;
  }

  /** Never throws: every one of the batch is answered. */
  async #sendBatch(batch: readonly Pending[]): Promise<void> {
    try {
      const results = await this.#post(batch.map(({ item }) => item));
      batch.forEach((pending, index) => {
        const result = results[index];
        if (result === undefined) pending.reject(shortAnswer());
        else if (result.ok) pending.resolve(this.#options.desk.note(result.status));
        else pending.reject(IntercomError.fromWire(result.error));
      });
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (PASSING.has(error.code)) {
        for (const pending of batch) this.#unsent(pending, true);
      } else if (batch.length === 1 || error.code === 'revoked') {
        for (const pending of batch) pending.reject(error);
      } else {
        // One of them makes the hub refuse the whole request: alone, only that one is refused.
        for (const pending of batch) await this.#sendBatch([pending]);
      }
    }
  }

  #unsent(pending: Pending, tried: boolean): void {
    this.#count += 1;
    pending.reject(new Unsent(tried));
  }

  async #post(items: readonly SubmitItem[]): Promise<readonly SubmitResult[]> {
    const request = { method: 'POST', path: '/api/machine/messages', body: { items }, timeoutMs: ANSWER_MS } as const;
    try {
      const { results } = await this.#options.client.call(request, SubmitResponse);
      const refused = results.find((result) => !result.ok && result.error.retry);
      this.#hubProblem = refused === undefined || refused.ok ? undefined : refused.error.message;
      return results;
    } catch (error) {
      const { code, message } = toIntercomError(error);
      this.#hubProblem = code === 'storage_failed' ? message : undefined;
      throw error;
    }
  }

  // ── the outbox ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The message is counted already. */
  async #store(item: SubmitItem, to: () => Promise<string>, tried: boolean): Promise<MessageStatus> {
    const { outbox, desk, state } = this.#options;
    try {
      if (this.#count > OUTBOX_MAX) {
        throw new IntercomError('limit_reached', `${OUTBOX_MAX} messages already wait here for the hub.`, {
          next: `The hub cannot be reached: ${state.problem ?? 'unknown why'}. Send again once it can be.`,
        });
      }
      const status = this.#localStatus(item, await to());
      const seconds = item.expiresInSeconds ?? DEFAULT_EXPIRY_SECONDS;
      await outbox.add({ item, status, tried, expiresAt: Date.parse(item.submittedAt) + seconds * 1000 });
      return desk.note(status);
    } catch (error) {
      this.#count -= 1;
      throw error;
    } finally {
      this.kick();
    }
  }

  #localStatus(item: SubmitItem, to: string): MessageStatus {
    const { state, machineId, clock } = this.#options;
    const busy =
      this.#hubProblem === undefined ? 'earlier messages wait for the hub' : `the hub says: ${this.#hubProblem}`;
    const why = state.online ? busy : 'the hub cannot be reached';
    return {
      id: item.id,
      threadId: item.threadId ?? provisionalThread(item.id),
      to,
      state: 'submitted',
      stateSince: isoTime(clock.now()),
      place: machineId,
      reason: `queued at this machine: ${why}`,
    };
  }

  async #load(): Promise<OutboxEntry[]> {
    if (!this.#options.state.online) return [];
    const entries = await this.#options.outbox.next(BATCH_MAX);
    const now = this.#options.clock.now();
    const kind = (entry: OutboxEntry) =>
      isExpired(entry, now) ? 'expired' : entry.cancel === undefined ? 'send' : 'cancel';
    const [first] = entries;
    if (first === undefined) return [];
    if (kind(first) !== 'send') return [first];
    // A message into a thread that an earlier one of this batch opens must wait until the hub has named the thread.
    const opened = new Set<string>();
    const run: OutboxEntry[] = [];
    for (const entry of entries) {
      if (kind(entry) !== 'send' || (entry.item.threadId !== undefined && opened.has(entry.item.threadId))) break;
      opened.add(provisionalThread(entry.item.id));
      run.push(entry);
    }
    return run.slice(0, prefix(run.map(({ item }) => item)));
  }

  async #sendOutbox(entries: readonly OutboxEntry[]): Promise<void> {
    const [first] = entries;
    if (first === undefined) return;
    if (isExpired(first, this.#options.clock.now())) {
      await this.#over(first, 'expired', 'the hub could not be reached before it expired');
    } else if (first.cancel !== undefined) {
      await this.#sendCancel(first, first.cancel);
    } else {
      await this.#options.outbox.tried(entries.filter(({ tried }) => !tried).map(({ seq }) => seq));
      await this.#sendEntries(entries);
    }
  }

  async #sendEntries(entries: readonly OutboxEntry[]): Promise<void> {
    const items = await Promise.all(entries.map(({ item }) => this.#withRealThread(item)));
    let results: readonly SubmitResult[];
    try {
      results = await this.#post(items);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (PASSING.has(error.code) || error.code === 'revoked') throw error;
      if (entries.length > 1) {
        for (const entry of entries) await this.#sendEntries([entry]);
        return;
      }
      results = [{ ok: false, error: error.toWire() }];
    }
    await this.#settle(entries, results);
  }

  async #withRealThread(item: SubmitItem): Promise<SubmitItem> {
    if (item.threadId === undefined) return item;
    return { ...item, threadId: await this.realThread(item.threadId) };
  }

  /** Up to the first one that the hub wants to see again: it and the rest stay. */
  async #settle(entries: readonly OutboxEntry[], results: readonly SubmitResult[]): Promise<void> {
    const done: { item: SubmitItem; status: MessageStatus; late: boolean }[] = [];
    let again: WireError | undefined;
    for (const [index, entry] of entries.entries()) {
      const result = results[index] ?? { ok: false as const, error: shortAnswer().toWire() };
      if (!result.ok && result.error.retry && this.#mayTryAgain(entry.item.id)) {
        again = result.error;
        break;
      }
      const status = result.ok ? result.status : this.#failedStatus(entry, result.error);
      done.push({ item: entry.item, status, late: !result.ok });
    }
    await this.#leave(done);
    if (again !== undefined) throw IntercomError.fromWire(again);
  }

  #mayTryAgain(id: string): boolean {
    const count = this.#headFailures.id === id ? this.#headFailures.count + 1 : 1;
    this.#headFailures = { id, count };
    return count < HEAD_TRIES_MAX;
  }

  async #leave(done: readonly { item: SubmitItem; status: MessageStatus; late: boolean }[]): Promise<void> {
    if (done.length === 0) return;
    for (const { item, status, late } of done) if (late) await this.#options.onLateFailure(item, status);
    await this.#options.outbox.settle(done);
    this.#count -= done.length;
    for (const { item, status } of done) {
      this.#remember(provisionalThread(item.id), status.threadId);
      this.#options.desk.note(status);
      if (status.id !== item.id) this.#options.desk.note(status, item.id);
    }
  }

  #remember(provisional: string, real: string): void {
    if (provisional === real) return;
    this.#aliases.set(provisional, real);
    if (this.#aliases.size > ALIASES_MAX) {
      const oldest = this.#aliases.keys().next().value;
      if (oldest !== undefined) this.#aliases.delete(oldest);
    }
  }

  #failedStatus(entry: OutboxEntry, error: WireError): MessageStatus {
    const state: MessageState =
      error.code === 'denied' || error.code === 'denied_by_policy'
        ? 'denied'
        : error.code === 'expired'
          ? 'expired'
          : 'failed';
    const reason = `the hub did not take it: ${error.message}${error.next === undefined ? '' : ` ${error.next}`}`;
    return { ...entry.status, state, stateSince: isoTime(this.#options.clock.now()), place: 'hub', reason };
  }

  async #over(entry: OutboxEntry, state: MessageState, reason: string): Promise<void> {
    const stateSince = isoTime(this.#options.clock.now());
    await this.#leave([
      { item: entry.item, status: { ...entry.status, state, stateSince, reason }, late: state === 'expired' },
    ]);
  }

  // ── taking back ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Undefined: it is not in the outbox. */
  async cancel(id: string, reason: string | undefined): Promise<MessageStatus | undefined> {
    const { outbox, clock, desk } = this.#options;
    const entry = await outbox.get(id);
    if (entry === undefined) return undefined;
    const words = reason === undefined ? 'taken back by its sender' : `taken back by its sender: ${reason}`;
    const cancelled = { ...entry.status, state: 'cancelled' as const, stateSince: isoTime(clock.now()), reason: words };
    const result = await outbox.cancel(id, reason ?? '', cancelled);
    if (result === 'absent') return undefined;
    if (result === 'removed') {
      this.#count -= 1;
      return desk.note(cancelled);
    }
    this.kick();
    return {
      ...entry.status,
      reason: 'the hub may have it already; it is taken back as soon as the hub can be reached',
    };
  }

  async #sendCancel(entry: OutboxEntry, reason: string): Promise<void> {
    const path = `/api/machine/messages/${entry.item.id}/cancel`;
    try {
      const body = reason === '' ? {} : { reason };
      const status = await this.#options.client.call({ method: 'POST', path, body }, MessageStatus);
      await this.#leave([{ item: entry.item, status, late: false }]);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (PASSING.has(error.code) || error.code === 'revoked') throw error;
      // The hub never had it (or it is over there): then it ends here.
      await this.#over(entry, 'cancelled', 'taken back by its sender');
    }
  }
}

/** Not taken by the hub: to be stored here. */
class Unsent extends Error {
  readonly tried: boolean;

  constructor(tried: boolean) {
    super('not sent');
    this.tried = tried;
  }
}

function isExpired(entry: OutboxEntry, now: number): boolean {
  return !entry.tried && entry.expiresAt <= now;
}

/** How many of the first items fit into one request. */
function prefix(items: readonly SubmitItem[]): number {
  let bytes = 0;
  let count = 0;
  for (const item of items) {
    // JSON at worst doubles a plain text.
    bytes += 2 * Buffer.byteLength(item.body) + 2048;
    if (count > 0 && (bytes > BATCH_BYTES || count === BATCH_MAX)) break;
    count += 1;
  }
  return count;
}

function shortAnswer(): IntercomError {
  return new IntercomError('internal', 'The hub answered with fewer results than it was asked for.', {
    next: 'Are hub and daemon of the same version?',
  });
}
