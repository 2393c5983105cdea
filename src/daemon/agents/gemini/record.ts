/**
 * Gemini CLI's record of a session (`tmp/<project>/chats/session-<time>-<first 8 of the id>.jsonl`) as proof: which of our message ids entered the conversation.
 *
 * What counts: the user's entries (prompts, with the context that hooks put beside them) and, in a tool's result, what a hook put behind it. What does not: the
 * model's own words, and tool results as such, but for mail that a tool call fetched.
 */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../../../platform/files.ts';
import type { ProofSearch } from '../../sessions/agent-port.ts';
import { tailLines } from './tail-lines.ts';

/** Bytes from the end that are searched. What was written a moment ago is near the end. */
const TAIL_MAX = 16 * 1024 * 1024;

const Part = z.looseObject({ text: z.string().optional(), functionResponse: z.unknown().optional() });
const Entry = z.looseObject({
  id: z.string().optional(),
  type: z.literal('user'),
  content: z.union([z.string(), z.array(Part)]),
});

export function entriesOf(lines: readonly string[], ids: readonly string[], pull: boolean): Map<string, string> {
  const entered = new Map<string, string>();
  for (const line of lines) {
    if (!ids.some((id) => line.includes(id))) continue;
    const entry = Entry.safeParse(parsed(line));
    if (!entry.success) continue;
    const text = textOf(entry.data.content, pull);
    for (const id of ids) {
      if (text.includes(id) && !entered.has(id))
        entered.set(id, `session record: entry ${(entry.data.id ?? '').slice(0, 36)}`.trim());
    }
  }
  return entered;
}

export async function searchRecord(
  path: string | undefined,
  ids: readonly string[],
  pull: boolean,
): Promise<ProofSearch> {
  const nothing: ProofSearch = { readable: true, entered: new Map(), queued: new Set() };
  if (path === undefined) return nothing;
  try {
    return { ...nothing, entered: entriesOf(await tailLines(path, TAIL_MAX), ids, pull) };
  } catch (error) {
    return { ...nothing, readable: errorCode(error) === 'ENOENT' };
  }
}

/** True for a path that can be the record of this session: a hook's word is not enough to make us read any file. */
export function isRecordOf(path: string, configDir: string, session: string): boolean {
  const chats = dirname(path);
  return (
    /^session-[\w-]+\.jsonl?$/.test(basename(path)) &&
    basename(path).includes(session.slice(0, 8)) &&
    basename(chats) === 'chats' &&
    dirname(dirname(chats)) === join(configDir, 'tmp')
  );
}

/** The newest record with the beginning of this id; sessions tell their path themselves, this is for one that has not yet. */
export async function findRecord(configDir: string, session: string): Promise<string | undefined> {
  const root = join(configDir, 'tmp');
  const found: { path: string; at: number }[] = [];
  for (const project of await readdir(root).catch(() => [])) {
    const chats = join(root, project, 'chats');
    for (const name of await readdir(chats).catch(() => [])) {
      const path = join(chats, name);
      if (!isRecordOf(path, configDir, session)) continue;
      const facts = await stat(path).catch(() => undefined);
      if (facts?.isFile() === true) found.push({ path, at: facts.mtimeMs });
    }
  }
  return found.sort((a, b) => b.at - a.at)[0]?.path;
}

function textOf(content: z.infer<typeof Entry>['content'], pull: boolean): string {
  if (typeof content === 'string') return content;
  return content
    .map(({ text, functionResponse }) => {
      if (functionResponse === undefined) return text ?? '';
      const result = JSON.stringify(functionResponse);
      return pull ? result : [...result.matchAll(/<hook_context>.*?<\/hook_context>/gs)].join('\n');
    })
    .join('\n');
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
