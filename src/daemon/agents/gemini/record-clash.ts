/**
 * A fault of Gemini CLI 0.61 to keep out of: its record of a session is named by the minute in which it is opened and the beginning of the session's id, and
 * `session/load` opens a new one. In the minute in which the session began, that is the same file, and the conversation in it is lost. So loading waits for the next minute.
 */
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const MINUTE_MS = 60_000;

/** Milliseconds to wait before the session may be loaded; 0: none. `configDir`: Gemini's own. */
export async function clashMs(configDir: string, session: string, now: number): Promise<number> {
  const minute = new Date(now).toISOString().slice(0, 16).replace(':', '-');
  const root = join(configDir, 'tmp');
  for (const project of await readdir(root).catch(() => [])) {
    const record = join(root, project, 'chats', `session-${minute}-${session.slice(0, 8)}.jsonl`);
    const clashes = await access(record).then(
      () => true,
      () => false,
    );
    // A little more, for a clock that is read once more over there.
    if (clashes) return MINUTE_MS - (now % MINUTE_MS) + 50;
  }
  return 0;
}
