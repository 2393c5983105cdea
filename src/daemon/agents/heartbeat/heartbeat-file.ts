/**
 * One heartbeat file of the seed's script (`/tmp/cc-sessions/<pid>.json`), read with distrust: everybody can write into that folder.
 *
 * Invariants: only a regular file of this user is read, no link, at most 64 KB, and what was looked at is what is read; every field but the pid may be missing or null; what
 * is not JSON (the script does not escape what it writes) is no file.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';

const FILE_MAX = 64 * 1024;

const text = z.string().max(4096).optional().catch(undefined);
const File = z.looseObject({
  pid: z.number().int().positive(),
  session_id: z.string().refine(isSessionId).optional().catch(undefined),
  session_name: text,
  last_tool: text,
  last_tool_time: text,
  transcript_path: text,
});

export interface Heartbeat {
  readonly pid: number;
  /** The agent's own id of its session. */
  readonly session: string | undefined;
  readonly name: string | undefined;
  /** Undefined: it only moved (a notification). */
  readonly says: 'idle' | 'busy' | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly writtenAt: number;
}

/** The script has no hook for tools: a session is busy from its prompt to its stop, however long that is. */
const WORDS: ReadonlyMap<string, 'idle' | 'busy'> = new Map([
  ['hook-start', 'idle'],
  ['hook-stop', 'idle'],
  ['hook-working', 'busy'],
]);

/** Undefined: it says nothing that can be believed. */
export async function readHeartbeat(path: string, uid: number | undefined): Promise<Heartbeat | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) return undefined;
  try {
    const found = await file.stat();
    if (!found.isFile() || found.size > FILE_MAX || (uid !== undefined && found.uid !== uid)) return undefined;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FILE_MAX), 0, FILE_MAX, 0);
    return parseHeartbeat(buffer.toString('utf8', 0, bytesRead), found.mtimeMs);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

/** `writtenAt`: when the file was written, for those that do not say. */
export function parseHeartbeat(content: string, writtenAt: number): Heartbeat | undefined {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    return undefined;
  }
  const parsed = File.safeParse(value);
  if (!parsed.success) return undefined;
  const { pid, session_id, session_name, last_tool, last_tool_time } = parsed.data;
  const told = Date.parse(last_tool_time ?? '');
  return {
    pid,
    session: session_id,
    name: session_name === undefined || session_name === '' ? undefined : session_name,
    says: WORDS.get(last_tool ?? ''),
    at: Number.isNaN(told) ? writtenAt : Math.min(told, writtenAt),
    writtenAt,
  };
}
