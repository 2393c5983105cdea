/**
 * `~/.claude/sessions/<pid>.json`: how Claude Code tells which of its sessions live, and what they do. Not a documented contract: read
 * tolerantly, every field but the session's id and pid may be missing. A record is believed only together with its process.
 */
import { z } from 'zod';
import { isSessionId } from '../../../protocol/address.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import { textFault } from '../../../protocol/text.ts';
import type { RecordSeen, RecordWord } from '../../sessions/activity/observations.ts';

const Text = z.string().max(4096);

const Record = z.looseObject({
  pid: z.number().int().positive(),
  sessionId: z.string().refine(isSessionId),
  cwd: Text,
  startedAt: z.number().nonnegative().optional().catch(undefined),
  procStart: Text.optional().catch(undefined),
  version: z.string().max(60).optional().catch(undefined),
  entrypoint: z.string().max(60).optional().catch(undefined),
  messagingSocketPath: Text.optional().catch(undefined),
  name: Text.optional().catch(undefined),
  status: z.string().max(60).optional().catch(undefined),
  statusUpdatedAt: z.number().nonnegative().optional().catch(undefined),
  waitingFor: Text.optional().catch(undefined),
  parkedJobId: z.string().optional().catch(undefined),
});
export type RegistryRecord = z.infer<typeof Record>;

/** The record in a file, or undefined if it is none (half-written, of another kind, or not the live holder of its session). */
export function parseRecord(text: string): RegistryRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const record = Record.safeParse(value);
  if (!record.success || record.data.parkedJobId !== undefined) return undefined;
  return record.data;
}

const WORDS: ReadonlyMap<string, RecordWord> = new Map([
  ['idle', 'idle'],
  ['busy', 'busy'],
  // At its prompt, with a command of its own in the background.
  ['shell', 'background'],
  ['waiting', 'waiting'],
]);

/** What the record says that its session does; undefined: nothing yet. `before`: what was made of it last. */
export function recordSeen(
  record: RegistryRecord,
  before: RecordSeen | undefined,
  now: number,
): RecordSeen | undefined {
  const says = WORDS.get(record.status ?? '');
  if (says === undefined) return undefined;
  const wait = says === 'waiting' ? waitOf(plainLine(record.waitingFor, 500)) : undefined;
  const told = record.statusUpdatedAt;
  // Its clock is ours: a time that is to come was written before the clock was set back.
  const at = told !== undefined && told <= now ? told : before?.says === says ? before.at : now;
  return { kind: 'record', source: 'registry', at, says, wait };
}

/** "permission prompt" stands for plans too, and on older versions for questions; hooks know better. */
function waitOf(words: string | undefined): SessionWait {
  const what = words ?? 'its person';
  if (what.startsWith('permission')) return { kind: 'permission', what };
  return { kind: what.startsWith('input') ? 'question' : 'dialog', what };
}

/** A run without a person at it (`claude -p`, an SDK). */
export function isHeadless(record: RegistryRecord): boolean {
  return record.entrypoint?.startsWith('sdk') === true;
}

/** One plain line of at most `max` characters, or undefined. */
export function plainLine(text: string | undefined, max: number): string | undefined {
  if (text === undefined) return undefined;
  const line = text.replace(/\s+/g, ' ').trim().slice(0, max).trim();
  return line === '' || textFault(line) !== undefined || /[\u202a-\u202e\u2066-\u2069]/u.test(line) ? undefined : line;
}

/** Whether `version` is `least` or newer; an unknown version is not. */
export function atLeast(version: string | undefined, least: string): boolean {
  const parts = (text: string) => (/^(\d+)\.(\d+)\.(\d+)/.exec(text) ?? []).slice(1).map(Number);
  const have = parts(version ?? '');
  if (have.length < 3) return false;
  for (const [index, want] of parts(least).entries()) {
    const own = have[index] ?? 0;
    if (own !== want) return own > want;
  }
  return true;
}
