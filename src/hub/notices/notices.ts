/**
 * System notices: what a person should know about the hub itself, one live notice per key.
 *
 * Invariants: the same notice again changes nothing and makes no event; the state of the store is a notice too, and that one lives in
 * memory, because it is needed most when nothing can be written.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { IntercomError } from '../../protocol/errors.ts';
import type { SystemNotice } from '../../protocol/model.ts';
import type { EventAppender } from '../events.ts';
import type { Notices, Unsubscribe } from '../services.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { deleteClearedNotices, liveNotices, noticeOf, putNotice } from '../store/notices.ts';
import type { NoticeRow } from '../store/schema.ts';

const LIVE_MAX = 100;
const KEEP_CLEARED_MS = 30 * 24 * 3600 * 1000;
export const STORE_NOTICE = 'store.fault';

type Raised = Parameters<Notices['raise']>[0];

export class StoredNotices implements Notices {
  readonly #store: HubStore;
  readonly #events: EventAppender;
  readonly #clock: Clock;
  readonly #faults = new Emitter<SystemNotice | undefined>((error) => {
    // The store, which tells the fault, logs what comes of it.
    throw error;
  });
  #storeFault: SystemNotice | undefined;

  constructor(store: HubStore, events: EventAppender, clock: Clock) {
    this.#store = store;
    this.#events = events;
    this.#clock = clock;
  }

  async raise(notice: Raised): Promise<void> {
    const key = notice.key.slice(0, 100);
    const text = notice.text.slice(0, 1000);
    const next = notice.next?.slice(0, 500) ?? null;
    await this.#store.write(async (transaction) => {
      const present = await noticeOf(transaction.db, key);
      const live = present !== undefined && present.cleared_at === null;
      if (live && present.level === notice.level && present.text === text && present.next === next) return;
      const since = this.#clock.now();
      await this.#put(transaction, { key, level: notice.level, text, next, since, cleared_at: null });
    });
  }

  async clear(key: string): Promise<void> {
    await this.#store.write(async (transaction) => {
      const present = await noticeOf(transaction.db, key);
      if (present?.cleared_at !== null) return;
      const now = this.#clock.now();
      await this.#put(transaction, { ...present, cleared_at: now });
      await deleteClearedNotices(transaction.db, now - KEEP_CLEARED_MS);
    });
  }

  async live(): Promise<SystemNotice[]> {
    const own = this.#storeFault === undefined ? [] : [this.#storeFault];
    try {
      const rows = await this.#store.read((db) => liveNotices(db, LIVE_MAX));
      return [...own, ...rows.map(noticeFrom)];
    } catch (error) {
      if (own.length > 0) return own;
      throw error;
    }
  }

  /** What is wrong with the store now, or undefined when it is well again. */
  storeState(fault: IntercomError | undefined): void {
    if (fault === undefined) {
      this.#storeFault = undefined;
      this.#faults.emit(undefined);
      return;
    }
    this.#storeFault = {
      key: STORE_NOTICE,
      level: 'error',
      text: `Nothing can be written: ${fault.message}`.slice(0, 1000),
      ...(fault.next === undefined ? {} : { next: fault.next.slice(0, 500) }),
      since: this.#storeFault?.since ?? isoTime(this.#clock.now()),
    };
    this.#faults.emit(this.#storeFault);
  }

  onStoreFault(listener: (fault: SystemNotice | undefined) => void): Unsubscribe {
    return this.#faults.subscribe(listener);
  }

  get storeFault(): SystemNotice | undefined {
    return this.#storeFault;
  }

  async #put(transaction: HubTransaction, row: NoticeRow): Promise<void> {
    await putNotice(transaction.db, row);
    await this.#events.append(transaction, { type: 'system.notice', notice: noticeFrom(row) });
  }
}

function noticeFrom(row: NoticeRow): SystemNotice {
  return {
    key: row.key,
    level: row.level,
    text: row.text,
    since: isoTime(row.since),
    ...(row.next === null ? {} : { next: row.next }),
    ...(row.cleared_at === null ? {} : { clearedAt: isoTime(row.cleared_at) }),
  };
}
