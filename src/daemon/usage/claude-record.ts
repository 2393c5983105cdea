/**
 * The usage in Claude Code's transcripts (`projects/<directory>/<session>.jsonl`, subagents' beside them in `<session>/subagents/`).
 *
 * Invariants: one answer of the model is written in several lines, one for each block, with the same message id and usage that may grow: they are one use, with its last
 * figures. A fork copies lines with its own session id; 2.1.329 says whose they were, and older versions do not (the store then asks which file is older). A line without
 * the word "usage" is never parsed.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { z } from 'zod';
import { isSessionId } from '../../protocol/address.ts';
import { findTranscript } from '../agents/claude/transcript.ts';
import { costOf, windowOf } from './models.ts';
import type { RecordReader, RecordSource, Use } from './use.ts';

const tokens = z.number().int().nonnegative().nullish();
const Usage = z.looseObject({
  input_tokens: tokens,
  output_tokens: tokens,
  cache_read_input_tokens: tokens,
  cache_creation_input_tokens: tokens,
  cache_creation: z.looseObject({ ephemeral_1h_input_tokens: tokens }).nullish(),
  server_tool_use: z.looseObject({ web_search_requests: tokens }).nullish(),
  inference_geo: z.string().nullish(),
  speed: z.string().nullish(),
});
const Line = z.looseObject({
  type: z.literal('assistant'),
  timestamp: z.iso.datetime({ offset: true }),
  requestId: z.string().max(200).optional(),
  uuid: z.string().max(100).optional(),
  isSidechain: z.boolean().optional(),
  requestedModel: z.string().max(100).optional(),
  /** Whose request it was, on lines that a fork copied. */
  requestSessionId: z.string().optional(),
  costUSD: z.number().nonnegative().optional(),
  message: z.looseObject({ id: z.string().max(200).optional(), model: z.string().max(100).optional(), usage: Usage }),
});
type Line = z.infer<typeof Line>;

const USAGE = Buffer.from('"usage"');
const ASSISTANT = Buffer.from('"assistant"');
/** What Claude Code writes in the model's name itself, an error for example. */
const SYNTHETIC = '<synthetic>';

export class ClaudeRecordReader implements RecordReader {
  readonly memory = undefined;
  readonly #session: string;

  constructor(session: string) {
    this.#session = session;
  }

  read(line: Buffer): Use | undefined {
    // The cheap tests first: most of a transcript is what tools printed.
    if (!line.includes(USAGE) || !line.includes(ASSISTANT)) return undefined;
    const entry = parse(line);
    const name = entry?.message.id ?? entry?.uuid;
    if (entry === undefined || name === undefined || entry.message.model === SYNTHETIC) return undefined;
    const owner = entry.requestSessionId;
    const copied = owner !== undefined && owner !== this.#session && isSessionId(owner);
    return useOf(entry, `${name} ${entry.requestId ?? ''}`, copied ? owner : this.#session, copied);
  }
}

function parse(line: Buffer): Line | undefined {
  try {
    return Line.safeParse(JSON.parse(line.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function useOf(entry: Line, key: string, session: string, copied: boolean): Use {
  const { usage, model } = entry.message;
  const counts = {
    input: usage.input_tokens ?? 0,
    output: usage.output_tokens ?? 0,
    cacheRead: usage.cache_read_input_tokens ?? 0,
    cacheWrite: usage.cache_creation_input_tokens ?? 0,
  };
  const price = {
    ...counts,
    cacheWrite1h: usage.cache_creation?.ephemeral_1h_input_tokens ?? 0,
    webSearches: usage.server_tool_use?.web_search_requests ?? 0,
    usOnly: usage.inference_geo === 'us',
    fast: usage.speed === 'fast',
  };
  const prompt = counts.input + counts.cacheRead + counts.cacheWrite;
  const window = windowOf(entry.requestedModel ?? model, prompt);
  return {
    ...counts,
    key,
    session,
    at: Date.parse(entry.timestamp),
    model,
    costUsd: entry.costUSD ?? (model === undefined ? undefined : costOf(model, price)),
    // The whole prompt of the newest request and what was answered: that is what the next request begins with.
    context: entry.isSidechain === true || copied ? undefined : { tokens: prompt + counts.output, window },
  };
}

/** Under `projects`: the session of a transcript, or of a subagent's. */
function sessionOf(root: string, path: string): string | undefined {
  if (!path.startsWith(root + sep) || !path.endsWith('.jsonl')) return undefined;
  const parts = path.slice(root.length + 1).split(sep);
  const name = parts.length === 2 ? basename(path, '.jsonl') : parts[1];
  return name !== undefined && isSessionId(name) ? name : undefined;
}

export function claudeRecords(configDir: string): RecordSource {
  const root = join(configDir, 'projects');
  return {
    agent: 'claude',
    root,
    sessionOf: (path) => sessionOf(root, path),
    reader: (session) => new ClaudeRecordReader(session),
    async filesOf(session, own) {
      const transcript = own ?? (await findTranscript(root, session));
      if (transcript === undefined) return [];
      const subagents = join(dirname(transcript), session, 'subagents');
      const names = await readdir(subagents).catch(() => []);
      return [transcript, ...names.filter((name) => name.endsWith('.jsonl')).map((name) => join(subagents, name))];
    },
  };
}
