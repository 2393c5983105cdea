/** The working tree that a directory belongs to. Synchronous, but a handful of looks at most. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const LEVELS_MAX = 40;

/** The nearest directory at or above `path` that holds `.git`; not at or above `stopAt` (the home directory). */
export function gitRootOf(path: string, stopAt: string): string | undefined {
  let at = path;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    if (at === stopAt) return undefined;
    if (isRepository(join(at, '.git'))) return at;
    const parent = dirname(at);
    if (parent === at) return undefined;
    at = parent;
  }
  return undefined;
}

/** A worktree's `.git` is a file; an empty directory of that name, as git sees it too, is none. */
function isRepository(path: string): boolean {
  return existsSync(join(path, 'HEAD')) || statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

/** Without links, if it is there; made absolute otherwise. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith('/') ? directory : `${directory}/`);
}
