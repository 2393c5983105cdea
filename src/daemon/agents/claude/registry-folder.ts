/**
 * The folder in which Claude Code keeps its live sessions, watched: tells which of its records hold, whenever one changes.
 *
 * Invariants: one look at a time, and a call during one makes another follow; an event makes only the file that it names be read; a record is believed only while its process (pid and start time) lives; a file
 * that is being written at this moment says nothing, and so ends nothing.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import { readIfThere } from '../../../platform/files.ts';
import type { Log } from '../../../platform/log.ts';
import type { ProcessTable } from '../process-table.ts';
import { parseRecord } from './registry-record.ts';
import type { RegistryRecord } from './registry-record.ts';

/** Events tell of changes at once; this finds what they missed, and processes that were killed. */
const RESCAN_MS = 3000;
const RECORD_NAME = /^\d+\.json$/;

export interface RegistryLook {
  /** The processes whose files were looked at; absent: all there are. */
  readonly of?: ReadonlySet<number>;
  readonly live: readonly { readonly record: RegistryRecord; readonly start: string }[];
  /** Processes whose file cannot be read at this moment. */
  readonly unreadable: readonly number[];
}

export interface RegistryFolderOptions {
  readonly folder: string;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  readonly log: Log;
  readonly onLook: (look: RegistryLook) => Promise<void>;
}

export class RegistryFolder {
  readonly #options: RegistryFolderOptions;
  #watcher: FSWatcher | undefined;
  #cancelRescan: CancelTimer = () => undefined;
  #scanning: Promise<void> | undefined;
  /** What is to be looked at next: all of it, or the files that changed. */
  #wanted: 'all' | Set<string> = new Set();
  #stopped = false;

  constructor(options: RegistryFolderOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.scan();
    this.#cancelRescan = this.#options.clock.every(RESCAN_MS, () => void this.scan());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRescan();
    this.#watcher?.close();
    await this.#scanning;
  }

  /** Looks at all of it. Returns when a look that began after this call is done. Never rejects. */
  scan(): Promise<void> {
    this.#wanted = 'all';
    return this.#look();
  }

  #changed(name: string | null): Promise<void> {
    if (name === null) return this.scan();
    if (!RECORD_NAME.test(name)) return Promise.resolve();
    if (this.#wanted !== 'all') this.#wanted.add(name);
    return this.#look();
  }

  #look(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#scanning ??= (async () => {
      // Or it could be over before it is known that it is under way.
      await Promise.resolve();
      try {
        for (let wanted = this.#take(); wanted !== undefined; wanted = this.#take()) await this.#lookAt(wanted);
      } catch (err) {
        this.#options.log.warn({ err }, 'reading the registry of Claude Code failed');
      } finally {
        this.#scanning = undefined;
      }
    })();
    return this.#scanning;
  }

  #take(): 'all' | Set<string> | undefined {
    const wanted = this.#wanted;
    if (this.#stopped || (wanted !== 'all' && wanted.size === 0)) return undefined;
    this.#wanted = new Set();
    return wanted;
  }

  async #lookAt(wanted: 'all' | Set<string>): Promise<void> {
    const { folder, processes, onLook } = this.#options;
    // First the watch, then the look: what changes in between is not missed.
    this.#watch();
    const live: { record: RegistryRecord; start: string }[] = [];
    const unreadable: number[] = [];
    const names = wanted === 'all' ? ((await readdir(folder).catch(() => undefined)) ?? []) : [...wanted];
    for (const name of names) {
      if (!RECORD_NAME.test(name)) continue;
      const text = await readIfThere(join(folder, name)).catch(() => '');
      // Gone, or replaced at this moment: the folder says which.
      if (text === undefined && wanted !== 'all') this.#wanted = 'all';
      const record = parseRecord(text ?? '');
      if (record === undefined) {
        unreadable.push(Number.parseInt(name, 10));
        continue;
      }
      if (`${record.pid}.json` !== name) continue;
      const start = await processes.startOf(record.pid);
      if (start === undefined || (record.procStart !== undefined && record.procStart !== start)) continue;
      live.push({ record, start });
    }
    const of = wanted === 'all' ? {} : { of: new Set(names.map((name) => Number.parseInt(name, 10))) };
    await onLook({ ...of, live, unreadable });
  }

  #watch(): void {
    if (this.#watcher !== undefined || this.#stopped) return;
    try {
      this.#watcher = watch(this.#options.folder, { persistent: false }, (_event, name) => void this.#changed(name));
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch (err) {
      this.#options.log.debug(
        { err },
        'the registry of Claude Code cannot be watched now; it is read every few seconds',
      );
    }
  }
}
