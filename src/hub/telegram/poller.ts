/**
 * The way in: connects, then reads updates by long polling until stopped. Only this decides whether the bot is online.
 *
 * Invariants: one poll at a time; an update is handed on before its number is acknowledged, so none is lost (handlers take repeats); a
 * failure never ends the loop, only `stop` does.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { POLL_SECONDS, type BotApi } from './bot-api.ts';
import { failureOf, type TelegramFailure } from './failure.ts';
import { ALLOWED_UPDATES, IncomingUpdate } from './wire.ts';

const LONGEST_MS = 60_000;
const TOKEN_REST_MS = 300_000;
const CONFLICT_REST_MS = 15_000;

export interface PollerOptions {
  /** Its own connections: `stop` ends the poll that waits. */
  readonly api: BotApi;
  readonly clock: Clock;
  readonly log: Log;
  /** Identifies the bot and looks at the chat. Throws TelegramFailure. */
  readonly connect: () => Promise<void>;
  readonly onUpdate: (update: IncomingUpdate) => Promise<void>;
  readonly onPolled: () => void;
  readonly onFailure: (failure: TelegramFailure, inARow: number) => void;
}

export class Poller {
  readonly #options: PollerOptions;
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();
  #failures = 0;
  #offset = 0;
  #wake: (() => void) | undefined;

  constructor(options: PollerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.api.close();
    this.#wake?.();
    await this.#loop;
  }

  // A function, because it changes while a call is awaited.
  #isStopped(): boolean {
    return this.#stopped;
  }

  async #run(): Promise<void> {
    let connected = false;
    while (!this.#isStopped()) {
      try {
        if (!connected) await this.#options.connect();
        connected = true;
        await this.#poll();
        this.#failures = 0;
      } catch (error) {
        if (this.#isStopped()) return;
        await this.#failed(failureOf(error, 'getUpdates', ''));
      }
    }
  }

  async #poll(): Promise<void> {
    const { api, onUpdate, onPolled, log } = this.#options;
    const updates: readonly unknown[] = await api.call('getUpdates', (raw) =>
      raw.getUpdates({ offset: this.#offset, timeout: POLL_SECONDS, limit: 100, allowed_updates: ALLOWED_UPDATES }),
    );
    onPolled();
    // An empty answer means that all before is confirmed. Numbers may start anew after a quiet week, so none is carried on.
    if (updates.length === 0) this.#offset = 0;
    for (const raw of updates) {
      const id = updateId(raw);
      const update = IncomingUpdate.safeParse(raw);
      if (update.success) await this.#handed(onUpdate(update.data));
      else log.warn({ update: id }, 'an update of Telegram is not understood and was skipped');
      if (id !== undefined) this.#offset = id + 1;
      if (this.#isStopped()) return;
    }
  }

  async #handed(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#options.log.error({ err: error }, 'an update of Telegram could not be handled');
    }
  }

  async #failed(failure: TelegramFailure): Promise<void> {
    this.#failures += 1;
    this.#options.onFailure(failure, this.#failures);
    const backoff = Math.min(LONGEST_MS, 1_000 * 2 ** Math.min(this.#failures - 1, 10));
    switch (failure.kind) {
      case 'token':
        return this.#sleep(TOKEN_REST_MS);
      case 'conflict':
        return this.#sleep(CONFLICT_REST_MS);
      case 'flood':
        return this.#sleep(failure.retryAfterMs);
      default:
        return this.#sleep(backoff);
    }
  }

  #sleep(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      let cancel: CancelTimer = () => undefined;
      const done = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
      this.#wake = done;
      cancel = this.#options.clock.after(ms, done);
    });
  }
}

function updateId(raw: unknown): number | undefined {
  if (typeof raw !== 'object' || raw === null || !('update_id' in raw)) return undefined;
  return typeof raw.update_id === 'number' ? raw.update_id : undefined;
}
