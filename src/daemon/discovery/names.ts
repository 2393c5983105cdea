/**
 * Project ids out of directories. The directory's own name, its case kept; where that is taken, with as much of the path before it as makes it
 * unique (`work/api`).
 */
import { isProjectId } from '../../protocol/address.ts';

/** An id for `path` that `isTaken` does not know. */
export function projectIdFor(path: string, isTaken: (id: string) => boolean): string {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(segmentOf);
  for (let count = 1; count <= parts.length; count += 1) {
    const id = parts.slice(-count).join('/');
    if (isProjectId(id) && !isTaken(id)) return id;
  }
  const base = parts.at(-1) ?? 'root';
  for (let number = parts.length === 0 ? 1 : 2; ; number += 1) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (!isTaken(id)) return id;
  }
}

/** What may not stand in an id becomes `-`. */
function segmentOf(name: string): string {
  const clean = name.replace(/[\s#\\*\p{C}]+/gu, '-');
  // Cut by characters, not inside a pair.
  const cut = Array.from(clean).slice(0, 60).join('');
  return cut === '' || cut === '.' || cut === '..' ? '-' : cut;
}
