/** Files that hold secrets or state: made 0600 and replaced as a whole, never half-written. */
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { IntercomError } from '../protocol/errors.ts';

/** Makes a directory (and its parents) that only its owner can enter. */
export async function privateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}

/**
 * Makes a directory for sockets that only its owner can enter, and refuses one that somebody else may have put there (in /tmp everybody
 * can): it must be a directory itself, no link, and belong to this user.
 */
export async function ownDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const { uid } = userInfo();
  const found = await lstat(path);
  // uid -1: a system without owners.
  if (!found.isDirectory() || (uid !== -1 && found.uid !== uid)) {
    throw new IntercomError('forbidden', `${path} is a link or belongs to another user; nothing is put into it.`, {
      next: 'Remove it, or set INTERCOM_HOME to a short path of your own, then start again.',
    });
  }
  await chmod(path, 0o700);
}

/** Replaces a file at once: written beside it with `mode`, flushed, renamed over it. The directory must exist. */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    if (!isNoSpace(errorCode(error))) throw error;
    throw new IntercomError('storage_failed', `${path} cannot be written: the disk is full.`, {
      next: 'Free some space, then try again.',
      cause: error,
    });
  }
}

/** The file's text, or undefined if there is none. Other failures are thrown. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Reads a secret from its file, making a new one (32 random bytes, base64url) on first use. */
export async function secretFile(path: string): Promise<string> {
  const present = (await readIfThere(path))?.trim();
  if (present !== undefined && present.length >= 32) return present;
  const secret = randomBytes(32).toString('base64url');
  await replaceFile(path, `${secret}\n`);
  return secret;
}

/** True if others than the owner may read the file. */
export async function readableByOthers(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o077) !== 0;
}

export function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}

/** The code of a system error says that the disk, or this user's part of it, is full. */
export function isNoSpace(code: string | undefined): boolean {
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The `code` of a system error, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** When the file was written last, in milliseconds since 1970; undefined: it is not there, or not ours to see. */
export async function modifiedAt(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
