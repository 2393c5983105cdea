/**
 * The copies of a store that are made before its schema changes: the newest ones are kept (`retention.backups`), older ones deleted.
 *
 * Invariants: only files that carry exactly our name beside their store are touched, and only regular ones; what cannot be deleted is said and
 * stops nothing.
 */
import { lstat, readdir, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '../platform/files.ts';

/** Deletes all but the newest `keep` copies of this store; gives those that are gone. */
export async function keepNewestBackups(
  store: string,
  keep: number,
  failed: (error: unknown) => void,
): Promise<string[]> {
  const copies = await backupsOf(store, failed);
  const gone: string[] = [];
  for (const { path } of copies.sort((a, b) => b.madeAt - a.madeAt || (a.path < b.path ? 1 : -1)).slice(keep)) {
    try {
      await unlink(path);
      gone.push(path);
    } catch (error) {
      if (!isMissing(error)) failed(error);
    }
  }
  return gone;
}

async function backupsOf(store: string, failed: (error: unknown) => void): Promise<{ path: string; madeAt: number }[]> {
  const folder = dirname(store);
  const prefix = `${basename(store)}.before-schema-`;
  try {
    const found: { path: string; madeAt: number }[] = [];
    for (const name of await readdir(folder)) {
      if (!name.startsWith(prefix) || !/^[0-9]+(?:-[0-9A-Za-z.]+)?\.db$/.test(name.slice(prefix.length))) continue;
      const path = join(folder, name);
      const facts = await lstat(path);
      if (facts.isFile()) found.push({ path, madeAt: facts.mtimeMs });
    }
    return found;
  } catch (error) {
    if (!isMissing(error)) failed(error);
    return [];
  }
}
