/**
 * What runners leave on disk: `<state>/runners/<id>/` with spec.json, record.json, journal.jsonl and the raw log.
 *
 * Invariants: only directories that are named like a runner's id are looked at; what cannot be read is no reason to fail.
 */
import { createReadStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { privateDirectory, readIfThere, replaceFile } from '../../platform/files.ts';
import { isId } from '../../protocol/ids.ts';
import { JournalEntry, RunnerRecord, type RunnerSpec } from '../../protocol/runner-api.ts';

export class RunnerFiles {
  /** The directory of all runners. */
  readonly root: string;

  constructor(state: string) {
    this.root = join(state, 'runners');
  }

  directory(id: string): string {
    return join(this.root, id);
  }

  async prepare(): Promise<void> {
    await privateDirectory(this.root);
  }

  async writeSpec(spec: RunnerSpec): Promise<string> {
    const directory = this.directory(spec.id);
    await privateDirectory(directory);
    await replaceFile(join(directory, 'spec.json'), JSON.stringify(spec));
    return directory;
  }

  async ids(): Promise<string[]> {
    const names = await readdir(this.root).catch(() => []);
    return names.filter((name) => isId('runner', name)).sort();
  }

  /** The record; undefined: there is none (yet), or it cannot be read. */
  async record(id: string): Promise<RunnerRecord | undefined> {
    const text = await readIfThere(join(this.directory(id), 'record.json')).catch(() => undefined);
    if (text === undefined) return undefined;
    const parsed = RunnerRecord.safeParse(parsedJson(text));
    return parsed.success && parsed.data.id === id ? parsed.data : undefined;
  }

  /** A runner may have been started from it. */
  async hasSpec(id: string): Promise<boolean> {
    return (await readIfThere(join(this.directory(id), 'spec.json')).catch(() => undefined)) !== undefined;
  }

  /** Journal entries after a number, in order. A last line that was cut off by the runner's death is none. */
  async *journal(id: string, after: number): AsyncGenerator<JournalEntry> {
    const file = createReadStream(join(this.directory(id), 'journal.jsonl'), { encoding: 'utf8' });
    const lines = createInterface({ input: file, crlfDelay: Infinity });
    try {
      for await (const line of lines) {
        const parsed = JournalEntry.safeParse(parsedJson(line));
        if (parsed.success && parsed.data.seq > after) yield parsed.data;
      }
    } catch {
      // No journal: nothing ever happened.
    } finally {
      lines.close();
      file.destroy();
    }
  }

  /** When something last changed there, milliseconds. */
  async changedAt(id: string): Promise<number> {
    const found = await stat(this.directory(id)).catch(() => undefined);
    return found?.mtimeMs ?? 0;
  }

  /** Gone at once for everybody who looks for it, then removed. */
  async remove(id: string): Promise<void> {
    const aside = join(this.root, `.gone-${id}`);
    await rename(this.directory(id), aside).catch(() => undefined);
    await rm(aside, { recursive: true, force: true }).catch(() => undefined);
  }
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
