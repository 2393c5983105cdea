/**
 * Reads what was added to the agents' records: what live sessions write at once, everything else in the background, newest first.
 *
 * Invariants: one file at a time, in slices; a file of a live session waits for one read of another at most. What is read is stored with its cursor before it is told, so that a daemon that ends in the
 * middle goes on from there. The background rests twice as long as it works.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { errorCode } from '../../platform/files.ts';
import type { Log } from '../../platform/log.ts';
import type { UsageStore } from '../store/usage.ts';
import { AppendedLines } from './appended.ts';
import { grownFiles, type FoundFile } from './discover.ts';
import type { ProviderLimits, RecordReader, RecordSource, Use } from './use.ts';

/** Of one file, before what was read is stored: everything else waits while that is done, so it is little at a time. */
const SLICE_BYTES = 32 * 1024 * 1024;
const SLICE_USES = 200;
/** How much longer the background rests than it works; shorter rests than this are saved up. */
const REST = 2;
const REST_LEAST_MS = 4;
/** Files that no live session writes are looked at this often. */
const SWEEP_MS = 600_000;

export interface ScannerOptions {
  readonly sources: readonly RecordSource[];
  readonly store: UsageStore;
  readonly clock: Clock;
  readonly log: Log;
  /** What was stored: these sessions of this agent used something, or their context changed. */
  readonly onUse: (agent: string, sessions: readonly string[]) => void;
  readonly onLimits: (agent: string, at: number, limits: ProviderLimits) => void;
  /** The first look through everything is over, or has begun. */
  readonly onProgress: () => void;
}

interface Progress {
  read: number;
  readonly total: number;
  /** Files that are not through. */
  files: number;
}

export class UsageScanner {
  readonly #options: ScannerOptions;
  readonly #urgent = new Set<string>();
  #backlog: FoundFile[] = [];
  readonly #progress = new Map<string, Progress>();
  #first = true;
  #running: Promise<void> | undefined;
  #stopped = false;
  #busyMs = 0;
  #wake: () => void = () => undefined;
  #cancelSweep: CancelTimer = () => undefined;

  constructor(options: ScannerOptions) {
    this.#options = options;
  }

  /** Begins; everything goes on in the background. */
  start(): void {
    this.#cancelSweep = this.#options.clock.every(SWEEP_MS, () => void this.sweep());
    void this.sweep();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelSweep();
    this.#wake();
    await this.#running;
  }

  /** How far the first look is; undefined: it is through. */
  scanning(agent: string): { readonly read: number; readonly total: number } | undefined {
    const progress = this.#progress.get(agent);
    return progress === undefined
      ? undefined
      : { read: Math.min(progress.read, progress.total), total: progress.total };
  }

  /** This file may have grown. */
  touch(path: string): void {
    this.#urgent.add(path);
    this.#wake();
    this.#kick();
  }

  /** Looks at the sizes of all files, and reads what has grown. Resolves when that is known, not when it is read. */
  async sweep(): Promise<void> {
    const { sources, store, clock, log } = this.#options;
    const first = this.#first;
    this.#first = false;
    try {
      const found: FoundFile[] = [];
      for (const source of sources) {
        const grown = await grownFiles(source, store, clock.now());
        const total = grown.reduce((bytes, { unread }) => bytes + unread, 0);
        if (first && total > 0) this.#progress.set(source.agent, { read: 0, total, files: 0 });
        this.#recount(source.agent, grown.length);
        found.push(...grown);
      }
      this.#backlog = found.sort((a, b) => a.changedAt - b.changedAt);
      if (this.#progress.size > 0) this.#options.onProgress();
    } catch (err) {
      log.warn({ err }, 'looking for records of usage failed; it is tried again later');
    }
    this.#kick();
  }

  /** Resolves when everything that is known to have grown was read. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #kick(): void {
    if (this.#running !== undefined || this.#stopped) return;
    if (this.#urgent.size === 0 && this.#backlog.length === 0) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#kick();
    });
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const [urgent] = this.#urgent;
      if (urgent !== undefined) {
        this.#urgent.delete(urgent);
        if (await this.#slice(urgent, false)) this.#urgent.add(urgent);
        continue;
      }
      const next = this.#backlog.at(-1);
      if (next === undefined) break;
      const more = await this.#slice(next.path, true);
      if (!more) this.#done(next);
    }
  }

  #done(file: FoundFile): void {
    // A sweep may have put another list in its place.
    if (this.#backlog.at(-1) !== file) return;
    this.#backlog.pop();
    const { agent } = file.source;
    this.#recount(agent, (this.#progress.get(agent)?.files ?? 1) - 1);
  }

  #recount(agent: string, files: number): void {
    const progress = this.#progress.get(agent);
    if (progress === undefined) return;
    progress.files = files;
    if (files > 0) return;
    this.#progress.delete(agent);
    this.#options.onProgress();
  }

  /** Reads a part of a file and stores it. True: there is more. What cannot be read is left for the next sweep. */
  async #slice(path: string, isBackground: boolean): Promise<boolean> {
    const { sources, store, log } = this.#options;
    const source = sources.find((one) => one.sessionOf(path) !== undefined);
    const session = source?.sessionOf(path);
    if (source === undefined || session === undefined) return false;
    try {
      const before = await store.file(path);
      const lines = await AppendedLines.open(path, before?.cursor);
      try {
        const goesOn = lines.cursor.offset > 0;
        const reader = source.reader(session, goesOn ? before?.memory : undefined);
        return await this.#read(source, path, lines, reader, isBackground);
      } finally {
        await lines.close();
      }
    } catch (err) {
      if (errorCode(err) !== 'ENOENT') log.warn({ err, path }, 'a record of usage cannot be read now');
      return false;
    }
  }

  async #read(
    source: RecordSource,
    path: string,
    lines: AppendedLines,
    reader: RecordReader,
    isBackground: boolean,
  ): Promise<boolean> {
    const { store, clock, onUse, onLimits } = this.#options;
    const uses: Use[] = [];
    const { passed } = lines.cursor;
    let bytes = 0;
    let more = true;
    const gives = () => this.#stopped || (isBackground && this.#urgent.size > 0);
    while (more && bytes < SLICE_BYTES && uses.length < SLICE_USES && !gives()) {
      const from = lines.position;
      const piece = await lines.next();
      const began = clock.monotonic();
      for (const line of piece.lines) {
        const use = reader.read(line);
        if (use !== undefined) uses.push(use);
      }
      bytes += lines.position - from;
      more = piece.more;
      if (isBackground) {
        const progress = this.#progress.get(source.agent);
        if (progress !== undefined) progress.read += lines.position - from;
        await this.#rest(clock.monotonic() - began);
      }
    }
    const { cursor } = lines;
    if (cursor.passed > passed)
      this.#options.log.info({ path, lines: cursor.passed }, 'lines too long to hold usage were passed over');
    const batch = {
      agent: source.agent,
      path,
      size: lines.position,
      born: lines.facts.born,
      cursor,
      memory: reader.memory,
      uses,
    };
    const began = clock.monotonic();
    const sessions = await store.add(batch, clock.now());
    if (isBackground) await this.#rest(clock.monotonic() - began);
    if (sessions.length > 0) onUse(source.agent, sessions);
    if (reader.limits !== undefined) onLimits(source.agent, reader.limits.at, reader.limits.limits);
    return more;
  }

  /** The background's rest after work; a file that is urgent ends it. */
  async #rest(busyMs: number): Promise<void> {
    this.#busyMs += busyMs;
    const restMs = this.#busyMs * REST;
    if (restMs < REST_LEAST_MS || this.#urgent.size > 0 || this.#stopped) return;
    this.#busyMs = 0;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(restMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
