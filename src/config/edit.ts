/**
 * Changes single keys of a configuration file and leaves the rest of it, comments included, as it was. The file is replaced as a whole,
 * 0600, because what is written here are mostly secrets.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseDocument } from 'yaml';
import { IntercomError } from '../protocol/errors.ts';
import { readIfThere, replaceFile } from '../platform/files.ts';
import { checkConfig, faultError } from './load.ts';

export interface ConfigEdit {
  readonly path: readonly string[];
  /** Undefined takes the key away. */
  readonly value: string | number | boolean | readonly string[] | undefined;
}

/** The new text. Throws `invalid_config` if the old text is faulty or the new one would be. */
export function editConfigText(text: string, edits: readonly ConfigEdit[], file = 'config.yml'): string {
  const before = checkConfig(text);
  if (!before.ok) throw faultError(file, before.faults);
  const document = parseDocument(text);
  for (const edit of edits) {
    for (let depth = 1; depth < edit.path.length; depth += 1) {
      const parent = edit.path.slice(0, depth);
      // `auth:` with nothing behind it is a null, into which nothing can be put.
      if (document.hasIn(parent) && document.getIn(parent) === null) document.deleteIn(parent);
    }
    if (edit.value === undefined) document.deleteIn(edit.path);
    else document.setIn(edit.path, edit.value);
  }
  const edited = document.toString({ lineWidth: 0 });
  const after = checkConfig(edited);
  if (!after.ok) throw faultError(file, after.faults);
  return edited;
}

/** Edits the file in place, making it (and its directory, 0700) when there is none. */
export async function editConfigFile(path: string, edits: readonly ConfigEdit[], startText: string): Promise<void> {
  const text = (await readIfThere(path)) ?? startText;
  const edited = editConfigText(text, edits, path);
  try {
    // Made private if it is new; a directory that is there belongs to somebody and stays as it is.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replaceFile(path, edited);
  } catch (error) {
    throw new IntercomError('storage_failed', `The configuration ${path} cannot be written.`, {
      next: 'Check the permissions and the space of that directory.',
      cause: error,
    });
  }
}
