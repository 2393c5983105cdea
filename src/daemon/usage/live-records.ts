/**
 * Notices that the records of live sessions grow: by the hooks of these sessions and by watching their directories, never by looking again and again.
 *
 * Invariants: a burst of writes is told once; a directory is watched as long as a live session writes there. What a watch misses (it may fail, and a subagent's directory has none), the next
 * hook of the session or the sweep finds.
 */
import { watch, type FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Session } from '../../protocol/model.ts';
import type { SessionBook, Unsubscribe } from '../ports.ts';
import type { RecordSource } from './use.ts';

/** An answer is written in several lines; after this they are mostly all there. */
const SETTLE_MS = 250;

export interface LiveRecordsOptions {
  readonly sources: readonly RecordSource[];
  readonly book: SessionBook;
  readonly onGrowth: (path: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface Watched {
  readonly watcher: FSWatcher;
  readonly sessions: Set<string>;
}

export class LiveRecords {
  readonly #options: LiveRecordsOptions;
  /** The own record of each live session, as far as it was found. */
  readonly #records = new Map<string, string>();
  readonly #watched = new Map<string, Watched>();
  readonly #grown = new Set<string>();
  #cancelSettle: CancelTimer | undefined;
  #unsubscribe: Unsubscribe = () => undefined;
  #stopped = false;

  constructor(options: LiveRecordsOptions) {
    this.#options = options;
  }

  start(): void {
    const { book } = this.#options;
    this.#unsubscribe = book.onChange((session) => this.changed(session));
    for (const session of book.list()) this.changed(session);
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelSettle?.();
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  /** Something of this session changed: it may have written. */
  changed({ id, agent, state }: Pick<Session, 'id' | 'agent' | 'state'>): void {
    this.#look(id, agent, state === 'ended').catch((err: unknown) =>
      this.#options.log.debug({ err, session: id }, 'the record of a session was not found'),
    );
  }

  async #look(id: string, agent: string, hasEnded: boolean): Promise<void> {
    const source = this.#options.sources.find((one) => one.agent === agent);
    if (source === undefined || this.#stopped) return;
    const files = await source.filesOf(id, this.#records.get(id));
    for (const path of files) this.#note(path);
    const [own] = files;
    if (hasEnded) this.#forget(id);
    else if (own !== undefined && !this.#records.has(id)) {
      this.#records.set(id, own);
      this.#watch(dirname(own), source, id);
    }
  }

  #watch(directory: string, source: RecordSource, id: string): void {
    const known = this.#watched.get(directory);
    if (known !== undefined) {
      known.sessions.add(id);
      return;
    }
    if (this.#stopped) return;
    try {
      const watcher = watch(directory, { persistent: false }, (_event, name) => {
        if (name === null) return;
        const path = join(directory, name);
        const session = source.sessionOf(path);
        if (session !== undefined && this.#records.has(session)) this.#note(path);
      });
      watcher.on('error', () => {
        watcher.close();
        this.#watched.delete(directory);
      });
      this.#watched.set(directory, { watcher, sessions: new Set([id]) });
    } catch (err) {
      this.#options.log.debug({ err, directory }, 'a directory of records cannot be watched; hooks and the sweep tell');
    }
  }

  #forget(id: string): void {
    this.#records.delete(id);
    for (const [directory, { watcher, sessions }] of this.#watched) {
      if (!sessions.delete(id) || sessions.size > 0) continue;
      watcher.close();
      this.#watched.delete(directory);
    }
  }

  #note(path: string): void {
    this.#grown.add(path);
    this.#cancelSettle ??= this.#options.clock.after(SETTLE_MS, () => {
      this.#cancelSettle = undefined;
      const paths = [...this.#grown];
      this.#grown.clear();
      for (const one of paths) this.#options.onGrowth(one);
    });
  }
}
