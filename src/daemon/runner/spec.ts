/**
 * A runner's folder: `<state>/runners/<id>/` with spec.json (read once), record.json (replaced as a whole), journal.jsonl, the files that the spec
 * asks for, and the raw log of a terminal.
 *
 * Invariants: everything in it is 0600 in a 0700 folder; a file of the spec stays inside it.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { privateDirectory, replaceFile } from '../../platform/files.ts';
import { shortRuntimeRoot } from '../../platform/paths.ts';
import { IntercomError, parseWith } from '../../protocol/errors.ts';
import { RUNNER_ENVIRONMENT, RunnerSpec } from '../../protocol/runner-api.ts';
import type { RunnerRecord } from '../../protocol/runner-api.ts';

/** The kernel's limit for a socket path is 104 bytes on macOS, with the closing zero. */
const SOCKET_PATH_MAX = 100;
const OWN_FILES: readonly string[] = [
  'spec.json',
  'record.json',
  'journal.jsonl',
  'raw.log',
  'runner.sock',
  'runner.log',
];

export async function readSpec(directory: string): Promise<RunnerSpec> {
  const path = join(directory, 'spec.json');
  const json: unknown = JSON.parse(await readFile(path, 'utf8'));
  return parseWith(RunnerSpec, json, 'runner specification');
}

/** Writes the spec of a new runner, making its folder. */
export async function writeSpec(directory: string, spec: RunnerSpec): Promise<void> {
  await privateDirectory(directory);
  await replaceFile(join(directory, 'spec.json'), JSON.stringify(spec));
}

export function writeRecord(directory: string, record: RunnerRecord): Promise<void> {
  return replaceFile(join(directory, 'record.json'), JSON.stringify(record));
}

/** Where a runner listens: in its folder, or in a short one of this user where that path is too long for a socket. */
export function socketPath(directory: string): string {
  const own = join(directory, 'runner.sock');
  if (Buffer.byteLength(own) <= SOCKET_PATH_MAX) return own;
  const short = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  return join(shortRuntimeRoot(), short, 'runner.sock');
}

/** Writes the files that the spec asks for; the address of the hooks stands in the place of its name. */
export async function writeFiles(directory: string, spec: RunnerSpec, hookUrl: string | undefined): Promise<void> {
  for (const [name, content] of Object.entries(spec.files)) {
    if (basename(name) !== name || name.startsWith('.') || OWN_FILES.includes(name)) {
      throw new IntercomError('invalid_request', `"${name}" is not a name for a file of a runner.`, { field: 'files' });
    }
    await replaceFile(join(directory, name), withHookUrl(content, hookUrl));
  }
}

/** Puts the address of the hooks in the place of `${INTERCOM_HOOK_URL}`. */
export function withHookUrl(text: string, hookUrl: string | undefined): string {
  return hookUrl === undefined ? text : text.replaceAll(`\${${RUNNER_ENVIRONMENT.hookUrl}}`, hookUrl);
}
