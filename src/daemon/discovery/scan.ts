/**
 * Finds project directories below the scan paths.
 *
 * Invariants: never blocks (one directory at a time, asynchronously); bounded in depth, directories and time; follows no link; enters no hidden
 * directory and nothing that `exclude` names. The scan path itself counts.
 */
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import micromatch from 'micromatch';
import { errorCode } from '../../platform/files.ts';
import type { Clock } from '../../platform/clock.ts';

const DIRECTORIES_MAX = 20_000;
const SCAN_MS = 20_000;
const FOUND_MAX = 1_500;

export interface ScanRules {
  readonly scanPaths: readonly string[];
  /** Names (or patterns of names) in a directory that make it a project. */
  readonly detectBy: readonly string[];
  /** Patterns of whole paths, or of names where they have no slash. */
  readonly exclude: readonly string[];
  /** Levels below a scan path. */
  readonly depth: number;
}

export interface ScanResult {
  /** In the order of their depth, then of their names. */
  readonly found: readonly string[];
  /** The first directories that were looked into, which are worth watching. */
  readonly entered: readonly string[];
  /** A limit was met, or something could not be read: what was not found may still be there. */
  readonly partial: string | undefined;
}

export async function scan(rules: ScanRules, clock: Clock, signal: AbortSignal): Promise<ScanResult> {
  const detects = matcher(rules.detectBy);
  const excluded = exclusion(rules.exclude);
  const deadline = clock.monotonic() + SCAN_MS;
  const found = new Set<string>();
  const entered = new Set<string>();
  let partial: string | undefined;
  let level = [...new Set(rules.scanPaths)].filter((path) => !excluded(path));
  for (let depth = 0; depth <= rules.depth && level.length > 0; depth += 1) {
    const below: string[] = [];
    for (const directory of level) {
      if (signal.aborted) return { found: [...found], entered: [...entered], partial: 'stopped' };
      if (entered.size >= DIRECTORIES_MAX) partial = `more than ${DIRECTORIES_MAX} directories`;
      else if (clock.monotonic() > deadline) partial = `it took more than ${SCAN_MS / 1000} s`;
      else if (found.size >= FOUND_MAX) partial = `more than ${FOUND_MAX} projects`;
      if (partial !== undefined && /^(more|it took)/.test(partial))
        return { found: [...found], entered: [...entered], partial };
      if (entered.has(directory)) continue;
      entered.add(directory);
      const looked = await look(directory);
      if (looked.fault !== undefined) partial = `${directory}: ${looked.fault}`;
      if (looked.names.some(detects)) found.add(directory);
      for (const name of looked.directories) {
        const path = join(directory, name);
        if (!name.startsWith('.') && !excluded(path)) below.push(path);
      }
    }
    level = below;
  }
  return { found: [...found], entered: [...entered], partial };
}

async function look(directory: string): Promise<{ names: string[]; directories: string[]; fault: string | undefined }> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    const directories = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return { names: entries.map(({ name }) => name), directories, fault: undefined };
  } catch (error) {
    const code = errorCode(error) ?? 'unknown';
    // Gone is an answer: what was there is no project any more. Anything else proves nothing.
    const gone = code === 'ENOENT' || code === 'ENOTDIR';
    return { names: [], directories: [], fault: gone ? undefined : code };
  }
}

function matcher(patterns: readonly string[]): (name: string) => boolean {
  const plain = new Set(patterns.filter((pattern) => !/[*?[\]{}()!]/.test(pattern)));
  const globs = patterns.filter((pattern) => !plain.has(pattern));
  if (globs.length === 0) return (name) => plain.has(name);
  const matches = micromatch.matcher.bind(micromatch);
  const tests = globs.map((glob) => matches(glob, { dot: true }));
  return (name) => plain.has(name) || tests.some((test) => test(name));
}

function exclusion(patterns: readonly string[]): (path: string) => boolean {
  const names = matcher(patterns.filter((pattern) => !pattern.includes('/')));
  const paths = matcher(
    patterns.filter((pattern) => pattern.includes('/')).map((pattern) => pattern.replace(/\/+$/, '')),
  );
  return (path) => names(basename(path)) || paths(path);
}
