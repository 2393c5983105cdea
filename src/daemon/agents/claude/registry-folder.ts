/**
 * The folder in which Claude Code keeps its live sessions, watched: tells which of its records hold, whenever one changes.
 *
 * Invariants: one look at a time, and a call during one makes another follow; a record is believed only while its process (pid and start time) lives; a file
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

export interface RegistryLook {
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
  #again = false;
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

  /** Returns when a look that began after this call is done. Never rejects. */
  scan(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    if (this.#scanning !== undefined) {
      this.#again = true;
      return this.#scanning;
    }
    this.#scanning = (async () => {
      try {
        for (let wanted = true; wanted; wanted = this.#wantsScan()) await this.#scanOnce();
      } catch (err) {
        this.#options.log.warn({ err }, 'reading the registry of Claude Code failed');
      } finally {
        this.#scanning = undefined;
      }
    })();
    return this.#scanning;
  }

  #wantsScan(): boolean {
    const wanted = this.#again && !this.#stopped;
    this.#again = false;
    return wanted;
  }

  async #scanOnce(): Promise<void> {
    const { folder, processes, onLook } = this.#options;
    // First the watch, then the look: what changes in between is not missed.
    this.#watch();
    const live: { record: RegistryRecord; start: string }[] = [];
    const unreadable: number[] = [];
    for (const name of (await readdir(folder).catch(() => undefined)) ?? []) {
      if (!/^\d+\.json$/.test(name)) continue;
      const record = parseRecord((await readIfThere(join(folder, name)).catch(() => undefined)) ?? '');
      if (record === undefined) {
        unreadable.push(Number.parseInt(name, 10));
        continue;
      }
      if (`${record.pid}.json` !== name) continue;
      const start = await processes.startOf(record.pid);
      if (start === undefined || (record.procStart !== undefined && record.procStart !== start)) continue;
      live.push({ record, start });
    }
    await onLook({ live, unreadable });
  }

  #watch(): void {
    if (this.#watcher !== undefined || this.#stopped) return;
    try {
      this.#watcher = watch(this.#options.folder, { persistent: false }, () => void this.scan());
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
