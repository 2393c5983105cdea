/**
 * What the agents of this machine use, put together: their records are read as they grow, summed in the store, and told to the hub.
 *
 * Where the figures come from and how true each is: docs/usage.md.
 */
import { z } from 'zod';
import { isoTime, type CancelTimer, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { MachineUsage, UsageReport } from '../../protocol/attention.ts';
import type { SessionBook } from '../ports.ts';
import type { DaemonStore } from '../store/store.ts';
import { LiveRecords } from './live-records.ts';
import { UsageReporter } from './reporter.ts';
import { UsageScanner } from './scanner.ts';
import { blockOf, weekOf } from './spans.ts';
import { readStatusLine } from './status-line.ts';
import type { ProviderLimits, RecordSource } from './use.ts';

/** Blocks end, and weeks go on, also when nothing is used; and a first look is followed. */
const LOOK_AGAIN_MS = 60_000;
const PROGRESS_MS = 5_000;

const Limit = z.object({ usedPercent: z.number().min(0).max(1000), resetsAt: z.number() }).optional();
const KnownLimits = z.object({ at: z.number(), block: Limit, week: Limit });
type KnownLimits = z.infer<typeof KnownLimits>;

export interface UsageOptions {
  readonly sources: readonly RecordSource[];
  readonly store: Pick<DaemonStore, 'usage' | 'facts'>;
  readonly book: SessionBook;
  readonly isOnline: () => boolean;
  readonly send: (report: UsageReport) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Usage {
  readonly scanner: UsageScanner;
  readonly reporter: UsageReporter;
  readonly #options: UsageOptions;
  readonly #live: LiveRecords;
  readonly #limits = new Map<string, KnownLimits>();
  readonly #timers: CancelTimer[] = [];

  constructor(options: UsageOptions) {
    const { sources, store, book, clock, log } = options;
    this.#options = options;
    this.reporter = new UsageReporter({
      ...options,
      sessionSum: (session) => store.usage.session(session),
      machine: (agent) => this.#machine(agent),
    });
    this.scanner = new UsageScanner({
      sources,
      store: store.usage,
      clock,
      log,
      onUse: (agent, sessions) => this.reporter.note(agent, sessions),
      onLimits: (agent, at, limits) => this.#keepLimits(agent, at, limits),
      onProgress: () => this.#noteAll(),
    });
    this.#live = new LiveRecords({ sources, book, onGrowth: (path) => this.scanner.touch(path), clock, log });
  }

  async start(): Promise<void> {
    const { sources, store, book, clock } = this.#options;
    for (const { agent } of sources) {
      const known = await store.facts.get(limitsFact(agent), KnownLimits);
      if (known !== undefined) this.#limits.set(agent, known);
    }
    this.#timers.push(
      clock.every(LOOK_AGAIN_MS, () => this.#noteAll()),
      clock.every(PROGRESS_MS, () => this.#noteScanning()),
      book.onChange((session) => {
        if (session.state === 'ended') this.reporter.forget(session.id);
        else this.reporter.note(session.agent, [session.id]);
      }),
    );
    this.#live.start();
    this.scanner.start();
    this.#noteAll();
  }

  async stop(): Promise<void> {
    for (const cancel of this.#timers.splice(0)) cancel();
    this.#live.stop();
    this.reporter.stop();
    await this.scanner.stop();
  }

  /** A hook of this session was heard: what it has just done stands in its record. */
  noteHook(agent: string, session: string): void {
    this.#live.changed({ id: session, agent, state: 'working' });
  }

  /** What Claude Code told its status line. */
  async noteStatusLine(payload: unknown): Promise<void> {
    const { store, book, clock } = this.#options;
    const told = readStatusLine(payload);
    const session = told === undefined ? undefined : book.get(told.session);
    if (told === undefined || session === undefined) return;
    if (told.window !== undefined) await store.usage.tellWindow(session.agent, session.id, told.window, clock.now());
    if (told.limits !== undefined) this.#keepLimits(session.agent, clock.now(), told.limits);
    this.reporter.note(session.agent, [session.id]);
  }

  async #machine(agent: string): Promise<MachineUsage> {
    const now = this.#options.clock.now();
    const hours = await this.#options.store.usage.hours(agent);
    const limits = this.#limits.get(agent);
    const block = blockOf(hours, now, limits?.block);
    const week = weekOf(hours, now, limits?.week);
    const scanning = this.scanner.scanning(agent);
    return {
      agent,
      ...(block === undefined ? {} : { block }),
      ...(week === undefined ? {} : { week }),
      ...(scanning === undefined ? {} : { scanning }),
      at: isoTime(now),
    };
  }

  /** A limit that is told alone leaves the other as it was. */
  #keepLimits(agent: string, at: number, { block, week }: ProviderLimits): void {
    const before = this.#limits.get(agent);
    if (before !== undefined && before.at >= at) return;
    const known = { at, block: block ?? before?.block, week: week ?? before?.week };
    this.#limits.set(agent, known);
    this.reporter.note(agent);
    this.#options.store.facts
      .set(limitsFact(agent), known)
      .catch((err: unknown) => this.#options.log.warn({ err }, 'the limits of a provider were not kept'));
  }

  #noteAll(): void {
    for (const { agent } of this.#options.sources) this.reporter.note(agent);
  }

  #noteScanning(): void {
    for (const { agent } of this.#options.sources)
      if (this.scanner.scanning(agent) !== undefined) this.reporter.note(agent);
  }
}

function limitsFact(agent: string): string {
  return `usage.limits.${agent}`;
}
