/**
 * The event log: what every surface is drawn from.
 *
 * Invariants: `append` is part of the transaction that changes the thing, so there is no change without its event and no event without its
 * change; listeners are told after the commit, in the order of the numbers; numbers have no gaps while they are kept.
 */
import type { Clock } from '../platform/clock.ts';
import { isoTime } from '../platform/clock.ts';
import { Emitter } from '../platform/emitter.ts';
import type { Log } from '../platform/log.ts';
import { HubEvent, type NewHubEvent } from '../protocol/events.ts';
import type { Mission } from '../protocol/mission.ts';
import type { EventLog, Unsubscribe } from './services.ts';
import { eventBounds, eventsAfter, insertEvent, type StoredEvent } from './store/events.ts';
import type { HubStore, HubTransaction } from './store/hub-store.ts';
import { resultOf } from './store/missions.ts';

const PAGE_MAX = 1_000;

/** What other parts of the hub need to write events. */
export interface EventAppender {
  append(transaction: HubTransaction, event: NewHubEvent): Promise<void>;
}

export class StoredEventLog implements EventLog, EventAppender {
  readonly epoch: string;
  readonly #store: HubStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #emitter: Emitter<HubEvent>;
  #lastSeq: number;

  static async open(store: HubStore, clock: Clock, log: Log): Promise<StoredEventLog> {
    const { last } = await store.read(eventBounds);
    return new StoredEventLog(store, clock, log, last);
  }

  private constructor(store: HubStore, clock: Clock, log: Log, lastSeq: number) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
    this.#lastSeq = lastSeq;
    this.epoch = store.epoch;
    this.#emitter = new Emitter((error) => log.error({ err: error }, 'a listener of the event log failed'));
  }

  /** The number of the newest event that listeners were told of. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  subscribe(listener: (event: HubEvent) => void): Unsubscribe {
    return this.#emitter.subscribe(listener);
  }

  async append(transaction: HubTransaction, event: NewHubEvent): Promise<void> {
    const at = this.#clock.now();
    const seq = await insertEvent(transaction.db, event, at);
    transaction.afterCommit(() => {
      this.#lastSeq = seq;
      this.#emitter.emit({ ...event, seq, at: isoTime(at) });
    });
  }

  async after(epoch: string, seq: number, limit: number): Promise<{ events: HubEvent[]; gap: boolean }> {
    if (epoch !== this.epoch || !Number.isSafeInteger(seq) || seq < 0) return { events: [], gap: true };
    return this.#store.read(async (db) => {
      const { first, last } = await eventBounds(db);
      if (seq < first - 1 || seq > last) return { events: [], gap: true };
      const rows = await eventsAfter(db, seq, Math.max(1, Math.min(limit, PAGE_MAX)));
      const events: HubEvent[] = [];
      for (const row of rows) {
        const event = this.#read(row);
        // An event that cannot be read any more must not be skipped in silence.
        if (event === undefined) return { events: [], gap: true };
        events.push(event);
      }
      return { events, gap: false };
    });
  }

  #read(row: StoredEvent): HubEvent | undefined {
    const stored: unknown = JSON.parse(row.json);
    const parsed = HubEvent.safeParse({ ...Object(stored), seq: row.seq, at: isoTime(row.at) });
    if (!parsed.success) {
      this.#log.error({ seq: row.seq, issues: parsed.error.issues.slice(0, 3) }, 'an event of the log cannot be read');
      return undefined;
    }
    const event = parsed.data;
    if (event.type === 'mission.changed') return { ...event, mission: withTexts(event.mission, row) };
    if (event.type !== 'message.changed') return event;
    return { ...event, message: { ...event.message, body: row.body ?? '' } };
  }
}

/** The mission of an event with what is stored only once (store/events.ts). */
function withTexts(mission: Mission, row: StoredEvent): Mission {
  const result = mission.result === undefined ? undefined : resultOf(row.mission_result);
  return { ...mission, text: row.mission_text ?? '', ...(result === undefined ? {} : { result }) };
}
