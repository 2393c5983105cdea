/**
 * Makes what people see equal to what they should see: takes due items from the store, one API call at a time.
 *
 * Invariants:
 * - One call at a time for the whole bot, so a thread's topic has one maker and parts come in order. Answers to pressed buttons do not go
 *   through here; they overtake everything.
 * - An item is settled only after its last call was answered. A call whose answer was lost is made again: twice is better than never.
 * - No network is never a failure of an item: everything waits and goes on in order. Other refusals are counted per item; after ATTEMPTS_MAX
 *   the item is given up, with a log line and a notice.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { BotApi } from './bot-api.ts';
import { ItemCalls, type Destination } from './item-calls.ts';
import { failureOf, type TelegramFailure } from './failure.ts';
import { Pacer } from './pacer.ts';
import type { Item, ItemDraft, TelegramStore } from './ports.ts';

export const ATTEMPTS_MAX = 4;
const ATTEMPT_DELAYS_MS = [5_000, 30_000, 120_000] as const;
const NETWORK_FIRST_MS = 1_000;
const NETWORK_LONGEST_MS = 60_000;
/** How long a chat that takes nothing from us is left alone; anything heard from it ends that. */
const CHAT_REST_MS = 60_000;
/** Whoever needs to know what a call made waits this long for it. */
const CALL_WAIT_MS = 3_000;
const TOKEN_REST_MS = 300_000;
/** Items that may wait. Cards and answers are taken beyond that; mirrored messages are not. */
export const WAITING_MAX = 5_000;

export interface OutboxOptions {
  readonly store: TelegramStore;
  readonly api: BotApi;
  readonly clock: Clock;
  readonly log: Log;
  readonly destination: Destination;
  /** A call failed in a way that concerns more than one item. */
  readonly onTrouble: (failure: TelegramFailure) => void;
  /** A call to this chat succeeded. */
  readonly onSuccess: (chatId: number) => void;
  readonly onDropped: (item: Item, why: string) => void;
  /** Everything of this item is shown. May be told twice. */
  readonly onShown: (item: Item) => Promise<void>;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #pacer = new Pacer();
  readonly #calls: ItemCalls;
  readonly #resting = new Set<number>();
  #started = false;
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();
  #wake: (() => void) | undefined;
  #woken = false;
  #networkFailures = 0;
  #pausedUntil = 0;
  #underWay: string | undefined;
  #call: Promise<void> = Promise.resolve();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#calls = new ItemCalls(options);
  }

  /** Begins to send. Before, items are only kept. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#kick();
    await this.#loop;
  }

  /** Shows this, as soon as the pace allows. */
  async put(draft: ItemDraft): Promise<void> {
    const { store, clock } = this.#options;
    await store.put(draft, clock.now());
    this.#kick();
  }

  /** Too much waits already to add what nobody waits for. */
  async isFull(): Promise<boolean> {
    return (await this.#options.store.dueCount()) >= WAITING_MAX;
  }

  /** The network or this chat is there again: do not wait for the back-off. */
  heard(chatId?: number): void {
    if (this.#networkFailures > 0) this.#pausedUntil = 0;
    if (chatId !== undefined && this.#resting.delete(chatId)) this.#pacer.unblock(chatId);
    this.#kick();
  }

  /** A call for this item is being made: people may see it in a moment. */
  isUnderWay(key: string): boolean {
    return this.#underWay === key;
  }

  /** Resolves when the call that is under way (if one is) was answered and noted, or takes too long. */
  async callDone(): Promise<void> {
    let cancel: CancelTimer = () => undefined;
    const enough = new Promise<void>((resolve) => (cancel = this.#options.clock.after(CALL_WAIT_MS, resolve)));
    await Promise.race([this.#call, enough]);
    cancel();
  }

  get networkFailures(): number {
    return this.#networkFailures;
  }

  #kick(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#woken = false;
      try {
        const waitMs = await this.#step();
        if (waitMs > 0) await this.#sleep(waitMs);
      } catch (error) {
        // The store failed; nothing was lost, it is read again.
        this.#options.log.error({ err: error }, 'the Telegram outbox could not be read');
        await this.#sleep(5_000);
      }
    }
  }

  /** Makes one call, or says how long there is nothing to do. */
  async #step(): Promise<number> {
    const { store, clock } = this.#options;
    const mono = clock.monotonic();
    if (mono < this.#pausedUntil) return this.#pausedUntil - mono;
    let waitMs = 600_000;
    for (const chatId of await store.dueChats(clock.now())) {
      const readyIn = this.#pacer.readyIn(chatId, mono);
      if (readyIn > 0) {
        waitMs = Math.min(waitMs, readyIn);
        continue;
      }
      const item = await store.nextDue(chatId, clock.now());
      if (item === undefined) continue;
      this.#call = this.#work(item);
      await this.#call;
      return 0;
    }
    const next = await store.nextDueAt(clock.now());
    return next === undefined ? waitMs : Math.max(1, Math.min(waitMs, next - clock.now()));
  }

  async #work(item: Item): Promise<void> {
    const { store, clock } = this.#options;
    this.#underWay = item.key;
    try {
      const outcome = await this.#calls.next(item);
      if (outcome === 'called') {
        this.#pacer.took(item.chatId, clock.monotonic());
        this.#networkFailures = 0;
        this.#options.onSuccess(item.chatId);
        return;
      }
      await this.#options.onShown(item);
      if (!(await store.settle(item.key, item.version))) return;
      if (item.key.startsWith('n:')) await store.remove(item.key);
    } catch (error) {
      await this.#failed(item, failureOf(error, 'outbox', ''));
    } finally {
      this.#underWay = undefined;
    }
  }

  async #failed(item: Item, failure: TelegramFailure): Promise<void> {
    const { clock, log, onTrouble } = this.#options;
    const mono = clock.monotonic();
    this.#pacer.took(item.chatId, mono);
    if (failure.kind !== 'network') this.#networkFailures = 0;
    switch (failure.kind) {
      case 'network': {
        this.#networkFailures += 1;
        const delay = Math.min(NETWORK_LONGEST_MS, NETWORK_FIRST_MS * 2 ** Math.min(this.#networkFailures - 1, 10));
        this.#pausedUntil = mono + delay;
        break;
      }
      case 'flood':
        log.info({ method: failure.method, waitMs: failure.retryAfterMs }, 'Telegram asks to slow down');
        this.#pacer.block(item.chatId, mono + failure.retryAfterMs + 250);
        return;
      case 'token':
      case 'conflict':
        this.#pausedUntil = mono + TOKEN_REST_MS;
        break;
      case 'chat':
        this.#resting.add(item.chatId);
        this.#pacer.block(item.chatId, mono + CHAT_REST_MS);
        if (await this.#isPassing(item)) return;
        break;
      case 'moved':
        break;
      default:
        if (await this.#calls.mend(item, failure)) return;
        await this.#countFailure(item, failure);
        return;
    }
    onTrouble(failure);
  }

  /** Answers to a chat that is not the home are not worth waiting for. */
  async #isPassing(item: Item): Promise<boolean> {
    if (item.chatId === this.#options.destination.home()) return false;
    await this.#options.store.remove(item.key);
    return true;
  }

  async #countFailure(item: Item, failure: TelegramFailure): Promise<void> {
    const { store, clock, log, onDropped } = this.#options;
    const delay = ATTEMPT_DELAYS_MS[item.attempts] ?? 300_000;
    const attempts = await store.postpone(item.key, clock.now() + delay);
    log.warn({ item: item.key, attempts, problem: failure.message }, 'Telegram refused a call');
    if (attempts < ATTEMPTS_MAX) return;
    await store.drop(item.key);
    log.error({ item: item.key, problem: failure.message }, 'given up showing this in Telegram');
    onDropped(item, failure.message);
  }

  #sleep(ms: number): Promise<void> {
    if (this.#woken || this.#stopped) return Promise.resolve();
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
