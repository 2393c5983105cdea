/** Finds the records of an agent that have grown since they were read, by their names and sizes alone; a few at a time, so that nothing waits for it. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { KEPT_MS, type UsageStore } from '../store/usage.ts';
import type { RecordSource } from './use.ts';

/** Directories under a root: Codex sorts by year, month and day, Claude Code by project, session and kind. */
const DEPTH_MAX = 4;
/** More than anybody has; the rest would be found once some are gone. */
const FILES_MAX = 200_000;

export interface FoundFile {
  readonly source: RecordSource;
  readonly path: string;
  /** Milliseconds. */
  readonly changedAt: number;
  /** Bytes that were not read yet. */
  readonly unread: number;
}

/** Oldest first, so that the newest is taken from the end. Files that hold nothing but what is too old to count are left out. */
export async function grownFiles(source: RecordSource, store: UsageStore, now: number): Promise<FoundFile[]> {
  const looks = await store.looks(source.agent);
  const found: FoundFile[] = [];
  for await (const path of filesUnder(source.root, DEPTH_MAX)) {
    if (source.sessionOf(path) === undefined) continue;
    const facts = await stat(path).catch(() => undefined);
    if (facts === undefined || facts.mtimeMs < now - KEPT_MS) continue;
    const look = looks.get(path);
    if (look !== undefined && look.size === facts.size && facts.mtimeMs <= look.at) continue;
    const read = look === undefined || look.offset > facts.size ? 0 : look.offset;
    found.push({ source, path, changedAt: facts.mtimeMs, unread: facts.size - read });
    if (found.length >= FILES_MAX) break;
  }
  return found.sort((a, b) => a.changedAt - b.changedAt);
}

async function* filesUnder(directory: string, depth: number): AsyncGenerator<string> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(directory, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && depth > 0) yield* filesUnder(path, depth - 1);
  }
}
