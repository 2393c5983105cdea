/**
 * Claude Code's transcript (`projects/<directory>/<session>.jsonl`) as proof: which of our message ids entered the conversation, and which lie
 * in the session's own queue.
 *
 * What counts as entered: a user entry, a queued command that was taken up, a hook's additional context. What does not: a queue entry (the
 * agent has it, the model does not), the model's own words, copies of requests; tool results only for mail that a tool call fetched.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../../../platform/files.ts';
import type { ProofSearch } from '../../sessions/agent-port.ts';

/** Bytes from the end that are searched. What was written a moment ago is near the end. */
const TAIL_MAX = 16 * 1024 * 1024;

const Block = z.looseObject({ type: z.string(), text: z.string().optional(), content: z.unknown().optional() });
const Line = z.looseObject({
  type: z.string(),
  uuid: z.string().optional(),
  isSidechain: z.boolean().optional(),
  message: z.looseObject({ content: z.union([z.string(), z.array(Block)]) }).optional(),
  attachment: z
    .looseObject({ type: z.string(), prompt: z.unknown().optional(), content: z.unknown().optional() })
    .optional(),
  operation: z.string().optional(),
  content: z.unknown().optional(),
});

/** Reads transcript lines one after the other. */
export class TranscriptReader {
  readonly entered = new Map<string, string>();
  /** The texts in the session's queue, in order. */
  #queue: string[] = [];
  readonly #ids: readonly string[];
  readonly #pull: boolean;

  constructor(ids: readonly string[], pull: boolean) {
    this.#ids = ids;
    this.#pull = pull;
  }

  get queued(): Set<string> {
    return new Set(this.#ids.filter((id) => this.#queue.some((text) => text.includes(id))));
  }

  read(line: string): void {
    const isQueue = line.includes('"queue-operation"');
    if (!isQueue && !this.#ids.some((id) => line.includes(id))) return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return;
    }
    const parsed = Line.safeParse(value);
    if (!parsed.success) return;
    const entry = parsed.data;
    if (entry.type === 'queue-operation') this.#queueOperation(entry.operation ?? '', entry.content);
    else if (entry.isSidechain !== true) this.#note(entry);
  }

  #note(entry: z.infer<typeof Line>): void {
    const text = this.#conversationText(entry);
    if (text === '') return;
    const where = entry.type === 'attachment' ? (entry.attachment?.type ?? 'attachment') : 'user entry';
    for (const id of this.#ids) {
      if (text.includes(id) && !this.entered.has(id))
        this.entered.set(id, `transcript: ${where} ${(entry.uuid ?? '').slice(0, 36)}`.trim());
    }
  }

  /** The part of an entry that the model is given as input. */
  #conversationText(entry: z.infer<typeof Line>): string {
    if (entry.type === 'user') {
      const content = entry.message?.content ?? '';
      if (typeof content === 'string') return content;
      return content
        .map((block) =>
          block.type === 'tool_result' ? (this.#pull ? JSON.stringify(block.content ?? '') : '') : (block.text ?? ''),
        )
        .join('\n');
    }
    if (entry.type !== 'attachment') return '';
    const { attachment } = entry;
    if (attachment?.type === 'queued_command') return JSON.stringify(attachment.prompt ?? '');
    if (attachment?.type === 'hook_additional_context') return JSON.stringify(attachment.content ?? '');
    return '';
  }

  #queueOperation(operation: string, content: unknown): void {
    const text = typeof content === 'string' ? content : undefined;
    if (operation === 'enqueue') this.#queue.push(text ?? '');
    else if (operation === 'remove' && text !== undefined) {
      const at = this.#queue.indexOf(text);
      if (at >= 0) this.#queue.splice(at, 1);
    } else if (operation === 'popAll') this.#queue = [];
    else this.#queue.shift();
  }
}

/** Searches a transcript for message ids. A transcript that is not there holds nothing. */
export async function searchTranscript(
  path: string | undefined,
  ids: readonly string[],
  pull: boolean,
): Promise<ProofSearch> {
  const reader = new TranscriptReader(ids, pull);
  if (path === undefined) return { readable: true, entered: reader.entered, queued: reader.queued };
  try {
    const size = (await stat(path)).size;
    for (const line of await linesFrom(path, Math.max(0, size - TAIL_MAX), size)) reader.read(line);
    return { readable: true, entered: reader.entered, queued: reader.queued };
  } catch (error) {
    return { readable: errorCode(error) === 'ENOENT', entered: reader.entered, queued: reader.queued };
  }
}

async function linesFrom(path: string, from: number, to: number): Promise<string[]> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(to - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, bytesRead).split('\n');
  } finally {
    await file.close();
  }
}

/** The permission mode that the transcript noted last, among its last `bytes`. */
export async function lastPermissionMode(path: string, bytes = 256 * 1024): Promise<string | undefined> {
  try {
    const size = (await stat(path)).size;
    const lines = await linesFrom(path, Math.max(0, size - bytes), size);
    const last = lines.findLast((line) => line.startsWith('{"type":"permission-mode"'));
    return last === undefined ? undefined : /"permissionMode":"([A-Za-z]{1,40})"/.exec(last)?.[1];
  } catch {
    return undefined;
  }
}

/** Where a session's transcript is. Its directory's name is derived from a path by rules that are not ours, so it is looked for. */
export async function findTranscript(projects: string, session: string): Promise<string | undefined> {
  const name = `${session}.jsonl`;
  for (const directory of await readdir(projects).catch(() => [])) {
    const path = join(projects, directory, name);
    if (
      await stat(path).then(
        (found) => found.isFile(),
        () => false,
      )
    ) {
      return path;
    }
  }
  return undefined;
}

/** True for a path that can be the transcript of this session: a hook's word is not enough to make us read any file. */
export function isTranscriptOf(path: string, projects: string, session: string): boolean {
  return basename(path) === `${session}.jsonl` && dirname(dirname(path)) === projects;
}

export interface TranscriptWatch {
  readonly projects: string;
  /** The directory in which a new transcript is expected. */
  readonly likely: string;
  readonly find: () => Promise<string | undefined>;
  readonly onGrowth: (path: string) => void;
}

/** Calls back whenever the transcript may have grown, also when it appears only later. Returns how to stop. */
export function watchTranscript(options: TranscriptWatch): () => void {
  const watchers = new Map<string, FSWatcher>();
  let stopped = false;
  const add = (path: string, onEvent: () => void) => {
    if (stopped || watchers.has(path)) return;
    try {
      const watcher = watch(path, { persistent: false }, onEvent);
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(path);
      });
      watchers.set(path, watcher);
    } catch {
      // It is not there (yet): the directory above it tells, or the slow check finds it.
    }
  };
  const stop = () => {
    stopped = true;
    for (const watcher of watchers.values()) watcher.close();
    watchers.clear();
  };
  const look = async () => {
    const path = await options.find();
    if (stopped) return;
    if (path === undefined) {
      const before = watchers.size;
      for (const directory of [dirname(options.projects), options.projects, options.likely])
        add(directory, () => void look());
      // It may have come since the look.
      if (watchers.size > before) void look();
      return;
    }
    if (!watchers.has(path)) {
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
      add(path, () => options.onGrowth(path));
    }
    options.onGrowth(path);
  };
  void look();
  return stop;
}
