/** The permission mode of a session before its hooks tell it (with the first prompt): by its command line, or the transcript of what it resumed. */
import type { ProcessTable } from '../process-table.ts';
import { plainLine } from './registry-record.ts';
import { findTranscript, lastPermissionMode } from './transcript.ts';

export async function modeAtStart({
  processes,
  transcripts,
  pid,
  session,
}: {
  readonly processes: ProcessTable;
  readonly transcripts: string;
  readonly pid: number;
  readonly session: string;
}): Promise<string | undefined> {
  const args = await processes.argumentsOf(pid);
  if (args.includes('--dangerously-skip-permissions')) return 'bypassPermissions';
  const at = args.indexOf('--permission-mode');
  const given = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith('--permission-mode='))?.split('=')[1];
  if (given !== undefined) return plainLine(given, 60);
  const transcript = await findTranscript(transcripts, session);
  return transcript === undefined ? undefined : lastPermissionMode(transcript);
}
