/**
 * The usage in Codex' rollout files (`sessions/<year>/<month>/<day>/rollout-…-<thread>.jsonl`), as 0.169.0 writes them.
 *
 * Invariants: `token_usage_record` names the response and its thread, so that a fork's copy of it is known for what it is. Versions that write only `token_count` are read by that: then the
 * running total names the request. `token_count` also tells the window and the limits of the account.
 */
import { basename, join, sep } from 'node:path';
import { z } from 'zod';
import { isSessionId } from '../../protocol/address.ts';
import { findRollout } from '../agents/codex/rollout.ts';
import { costOf } from './models.ts';
import type { Counts, ProviderLimit, ProviderLimits, RecordReader, RecordSource, Use } from './use.ts';

const tokens = z.number().int().nonnegative().default(0);
const Usage = z.looseObject({
  input_tokens: tokens,
  cached_input_tokens: tokens,
  cache_write_input_tokens: tokens,
  output_tokens: tokens,
  total_tokens: tokens,
});
const Limit = z
  .looseObject({
    used_percent: z.number().min(0).max(1000),
    window_minutes: z.number().positive(),
    /** Seconds since 1970. */
    resets_at: z.number().positive(),
  })
  .nullish()
  .catch(undefined);

const Line = z.looseObject({ timestamp: z.iso.datetime({ offset: true }), type: z.string(), payload: z.unknown() });
const Turn = z.looseObject({ model: z.string().min(1).max(100) });
const UsageRecord = z.looseObject({ thread_id: z.string(), response_id: z.string().max(200), usage: Usage });
const TokenCount = z.looseObject({
  type: z.literal('token_count'),
  info: z
    .looseObject({
      total_token_usage: Usage,
      last_token_usage: Usage,
      model_context_window: z.number().int().positive().nullish(),
    })
    .nullish(),
  rate_limits: z.looseObject({ primary: Limit, secondary: Limit }).nullish().catch(undefined),
});

const Memory = z.object({
  model: z.string().optional(),
  window: z.number().optional(),
  /** This file has records of single responses. */
  records: z.boolean().default(false),
});

const WORDS = ['"token_count"', '"token_usage_record"', '"turn_context"'].map((word) => Buffer.from(word));
/** All three stand near the beginning of their line. */
const WORD_WITHIN = 400;
/** A limit over a day or more is the week. */
const DAY_MINUTES = 24 * 60;

export class CodexRecordReader implements RecordReader {
  limits: { readonly at: number; readonly limits: ProviderLimits } | undefined;
  readonly #session: string;
  readonly #memory: z.infer<typeof Memory>;

  constructor(session: string, memory: string | undefined) {
    this.#session = session;
    this.#memory = Memory.parse(memory === undefined ? {} : JSON.parse(memory));
  }

  get memory(): string {
    return JSON.stringify(this.#memory);
  }

  read(line: Buffer): Use | undefined {
    const beginning = line.subarray(0, WORD_WITHIN);
    if (!WORDS.some((word) => beginning.includes(word))) return undefined;
    const entry = parse(line);
    if (entry === undefined) return undefined;
    const at = Date.parse(entry.timestamp);
    switch (entry.type) {
      case 'turn_context':
        this.#memory.model = Turn.safeParse(entry.payload).data?.model ?? this.#memory.model;
        return undefined;
      case 'token_usage_record':
        return this.#record(UsageRecord.safeParse(entry.payload).data, at);
      case 'event_msg':
        return this.#count(TokenCount.safeParse(entry.payload).data, at);
      default:
        return undefined;
    }
  }

  #record(record: z.infer<typeof UsageRecord> | undefined, at: number): Use | undefined {
    if (record === undefined) return undefined;
    this.#memory.records = true;
    const owner = isSessionId(record.thread_id) ? record.thread_id : this.#session;
    return this.#use(record.response_id, owner, record.usage, at);
  }

  #count(event: z.infer<typeof TokenCount> | undefined, at: number): Use | undefined {
    const limits = limitsOf(event?.rate_limits);
    if (limits !== undefined) this.limits = { at, limits };
    const info = event?.info;
    if (info === undefined || info === null) return undefined;
    this.#memory.window = info.model_context_window ?? this.#memory.window;
    if (this.#memory.records) return undefined;
    return this.#use(
      `${this.#session} ${info.total_token_usage.total_tokens}`,
      this.#session,
      info.last_token_usage,
      at,
    );
  }

  #use(key: string, session: string, usage: z.infer<typeof Usage>, at: number): Use {
    const { model, window } = this.#memory;
    const counts = countsOf(usage);
    const price = { ...counts, cacheWrite1h: 0, webSearches: 0, usOnly: false, fast: false };
    return {
      ...counts,
      key,
      session,
      at,
      model,
      costUsd: model === undefined ? undefined : costOf(model, price),
      context: session === this.#session ? { tokens: usage.input_tokens + usage.output_tokens, window } : undefined,
    };
  }
}

/** Here the input holds what was read from the cache and written to it. */
function countsOf(usage: z.infer<typeof Usage>): Counts {
  const cacheRead = Math.min(usage.cached_input_tokens, usage.input_tokens);
  const cacheWrite = Math.min(usage.cache_write_input_tokens, usage.input_tokens - cacheRead);
  return { input: usage.input_tokens - cacheRead - cacheWrite, output: usage.output_tokens, cacheRead, cacheWrite };
}

function limitsOf(told: z.infer<typeof TokenCount>['rate_limits']): ProviderLimits | undefined {
  const given = [told?.primary, told?.secondary].flatMap((limit) =>
    limit === undefined || limit === null ? [] : [limit],
  );
  if (given.length === 0) return undefined;
  const of = (long: boolean): ProviderLimit | undefined => {
    const limit = given.find(({ window_minutes: minutes }) => minutes >= DAY_MINUTES === long);
    return limit === undefined ? undefined : { usedPercent: limit.used_percent, resetsAt: limit.resets_at * 1000 };
  };
  return { block: of(false), week: of(true) };
}

function parse(line: Buffer): z.infer<typeof Line> | undefined {
  try {
    return Line.safeParse(JSON.parse(line.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

const NAME = /^rollout-.*-([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.jsonl$/;

export function codexRecords(codexHome: string): RecordSource {
  const root = join(codexHome, 'sessions');
  return {
    agent: 'codex',
    root,
    sessionOf: (path) => (path.startsWith(root + sep) ? NAME.exec(basename(path))?.[1] : undefined),
    reader: (session, memory) => new CodexRecordReader(session, memory),
    async filesOf(session, own) {
      const path = own ?? (await findRollout(root, session));
      return path === undefined ? [] : [path];
    },
  };
}
