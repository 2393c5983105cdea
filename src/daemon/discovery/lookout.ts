/**
 * Looks for projects: at start, now and then, and soon after a watched directory changed.
 *
 * Invariants: one look at a time; a call while one runs makes it run once more; a bounded number of directories is watched, the slow look finds
 * the rest; a look that fails is logged and tried again.
 */
import { watch, type FSWatcher } from 'node:fs';
import { modifiedAt } from '../../platform/files.ts';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { realPath } from './git-root.ts';
import { scan, type ScanRules } from './scan.ts';

/** Directories that are watched. */
const WATCHED_MAX = 64;
const SETTLE_MS = 500;
/** The time in which a file system notes changes lags behind the clock's. */
const COARSE_MS = 50;

export type Found = Awaited<ReturnType<typeof scan>>;

export interface LookoutOptions {
  readonly discovery: ScanRules & { readonly enabled: boolean; readonly rescanSeconds: number };
  readonly clock: Clock;
  readonly log: Log;
  /** Takes in what was found; the next look waits for it. */
  readonly take: (found: Found) => Promise<void>;
}

export class Lookout {
  readonly #options: LookoutOptions;
  readonly #stopping = new AbortController();
  readonly #watchers = new Map<string, FSWatcher>();
  #looking: Promise<void> | undefined;
  #again = false;
  #cancelEvery: CancelTimer = () => undefined;
  #cancelSettle: CancelTimer = () => undefined;

  constructor(options: LookoutOptions) {
    this.#options = options;
  }

  /** Looks once, and goes on looking. */
  async start(): Promise<void> {
    await this.look();
    const { discovery, clock } = this.#options;
    this.#cancelEvery = clock.every(discovery.rescanSeconds * 1000, () => void this.look());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancelEvery();
    this.#cancelSettle();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#looking;
  }

  async look(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return this.#looking;
    }
    this.#looking = this.#look().catch((error: unknown) =>
      this.#options.log.warn({ err: error }, 'looking for projects failed; it is tried again'),
    );
    await this.#looking;
    this.#looking = undefined;
    if (this.#again) {
      this.#again = false;
      await this.look();
    }
  }

  async #look(): Promise<void> {
    const { discovery, clock, log, take } = this.#options;
    const begun = clock.now();
    const rules = { ...discovery, scanPaths: discovery.scanPaths.map(realPath) };
    const found = discovery.enabled
      ? await scan(rules, clock, this.#stopping.signal)
      : { found: [], entered: [], partial: undefined };
    if (this.#stopping.signal.aborted) return;
    if (found.partial !== undefined)
      log.warn({ why: found.partial }, 'not everything could be looked through for projects');
    await take(found);
    const fresh = this.#watch(found.entered);
    // What came after it was looked at, and before it was watched.
    const times = await Promise.all(fresh.map((path) => modifiedAt(path)));
    if (times.some((at) => at !== undefined && at >= begun - COARSE_MS)) this.#lookSoon();
  }

  /** Gives those that were not watched before. */
  #watch(entered: readonly string[]): readonly string[] {
    const wanted = new Set(entered.slice(0, WATCHED_MAX));
    for (const [path, watcher] of this.#watchers) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    const fresh = [...wanted].filter((path) => !this.#watchers.has(path));
    for (const path of fresh) this.#watchOne(path);
    return fresh;
  }

  #lookSoon(): void {
    this.#cancelSettle();
    this.#cancelSettle = this.#options.clock.after(SETTLE_MS, () => void this.look());
  }

  #watchOne(path: string): void {
    if (this.#stopping.signal.aborted) return;
    try {
      const watcher = watch(path, { persistent: false }, () => this.#lookSoon());
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(path);
      });
      this.#watchers.set(path, watcher);
    } catch {
      // No watches left, or the directory is gone: the slow look does it.
    }
  }
}
