/**
 * Codex' rollout file (`sessions/<date>/rollout-…-<thread>.jsonl`) as proof: which of our message ids entered the conversation.
 *
 * What counts: what was given to the model as input (a user's or developer's message; hooks' context is one). What does not: the model's own words and its calls; results of
 * tools only for mail that a tool call fetched.
 */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../../../platform/files.ts';
import type { ProofSearch } from '../../sessions/agent-port.ts';

/** Bytes from the end that are searched. What was written a moment ago is near the end. */
const TAIL_MAX = 16 * 1024 * 1024;

const Line = z.looseObject({
  type: z.literal('response_item'),
  payload: z.looseObject({
    type: z.string(),
    role: z.string().optional(),
    id: z.string().nullish(),
    content: z.unknown().optional(),
    output: z.unknown().optional(),
  }),
});

const NONE: ReadonlySet<string> = new Set();

export async function searchRollout(
  path: string | undefined,
  ids: readonly string[],
  pull: boolean,
): Promise<ProofSearch> {
  const entered = new Map<string, string>();
  if (path === undefined) return { readable: true, entered, queued: NONE };
  try {
    for (const line of await tailLines(path)) readLine(line, ids, pull, entered);
    return { readable: true, entered, queued: NONE };
  } catch (error) {
    return { readable: errorCode(error) === 'ENOENT', entered, queued: NONE };
  }
}

function readLine(line: string, ids: readonly string[], pull: boolean, entered: Map<string, string>): void {
  const found = ids.filter((id) => !entered.has(id) && line.includes(id));
  if (found.length === 0) return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return;
  }
  const parsed = Line.safeParse(value);
  if (!parsed.success) return;
  const { payload } = parsed.data;
  const text = inputText(payload, pull);
  for (const id of found) {
    if (text.includes(id))
      entered.set(id, `rollout: ${payload.role ?? payload.type} ${payload.id ?? ''}`.trim().slice(0, 80));
  }
}

function inputText(payload: z.infer<typeof Line>['payload'], pull: boolean): string {
  if (payload.type === 'message') {
    return payload.role === 'user' || payload.role === 'developer' ? JSON.stringify(payload.content ?? '') : '';
  }
  return pull && payload.type.endsWith('_output') ? JSON.stringify(payload.output ?? '') : '';
}

async function tailLines(path: string): Promise<string[]> {
  const { size } = await stat(path);
  const from = Math.max(0, size - TAIL_MAX);
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(size - from);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return buffer.toString('utf8', 0, bytesRead).split('\n');
  } finally {
    await file.close();
  }
}

/** True for a path that can be the rollout of this session: a hook's or a socket's word is not enough to make us read any file. */
export function isRolloutOf(path: string, sessions: string, session: string): boolean {
  return path.startsWith(`${sessions}/`) && !path.includes('/../') && basename(path).endsWith(`-${session}.jsonl`);
}

/** Where a session's rollout is: `sessions/<year>/<month>/<day>`, newest first. */
export async function findRollout(sessions: string, session: string): Promise<string | undefined> {
  for (const year of await newestFirst(sessions)) {
    for (const month of await newestFirst(join(sessions, year))) {
      for (const day of await newestFirst(join(sessions, year, month))) {
        const directory = join(sessions, year, month, day);
        const name = (await newestFirst(directory)).find((one) => one.endsWith(`-${session}.jsonl`));
        if (name !== undefined) return join(directory, name);
      }
    }
  }
  return undefined;
}

async function newestFirst(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(() => [])).sort().reverse();
}
