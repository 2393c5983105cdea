/**
 * The seed's heartbeat files, if somebody still has its script: sessions of agent processes that nobody else knows, as a guess.
 *
 * Invariants: the folder is watched and never made; a session is in the book only while its process lives and no other source has that process; what a file says about itself
 * (machine, terminal, port) is not believed; nothing is sent anywhere because of it.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isoTime } from '../../../platform/clock.ts';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import type { Log } from '../../../platform/log.ts';
import type { Session } from '../../../protocol/model.ts';
import type { AgentAdapter, Projects, SessionBook, Unsubscribe } from '../../ports.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { ProcessTable } from '../process-table.ts';
import { oneLine } from '../tool-words.ts';
import { readHeartbeat } from './heartbeat-file.ts';
import type { Heartbeat } from './heartbeat-file.ts';

/** Finds processes that ended without a word, and a folder that came later. */
const RESCAN_MS = 5000;
const FILES_MAX = 500;
/** Clocks of the kernel and of files are not quite one. */
const SLACK_MS = 2000;
/** In the entries that are ours. */
const NOTE = 'Only the heartbeat script of ai-intercom tells of it: run "intercom hooks install" and start it again.';

export interface HeartbeatAdapterOptions {
  /** `/tmp/cc-sessions`. */
  readonly folder: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  readonly processes: ProcessTable;
  /** The directory that a process works in; undefined: it cannot be seen. */
  readonly directoryOf: (pid: number) => Promise<string | undefined>;
  /** When a process started, milliseconds since 1970, by its start time as the process table has it. */
  readonly momentOf: (start: string) => Promise<number | undefined>;
  readonly clock: Clock;
  readonly log: Log;
  readonly uid: number | undefined;
}

interface Known {
  readonly pid: number;
  readonly start: string;
  readonly cwd: string;
  readonly firstSeen: number;
  readonly name: string | undefined;
}

export class HeartbeatAdapter implements AgentAdapter {
  readonly name = 'heartbeat';
  readonly #options: HeartbeatAdapterOptions;
  readonly #known = new Map<string, Known>();
  #watcher: FSWatcher | undefined;
  #cancelRescan: CancelTimer = () => undefined;
  #unsubscribe: Unsubscribe = () => undefined;
  #scanning: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: HeartbeatAdapterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.scan();
    this.#cancelRescan = this.#options.clock.every(RESCAN_MS, () => void this.scan());
    this.#unsubscribe = this.#options.activities.onChange((id) => this.#publish(id));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRescan();
    this.#unsubscribe();
    this.#watcher?.close();
    await this.#scanning;
  }

  /** One after the other. Never rejects. */
  scan(): Promise<void> {
    this.#scanning = this.#scanning
      .then(() => (this.#stopped ? undefined : this.#scanOnce()))
      .catch((err: unknown) => this.#options.log.debug({ err }, 'the heartbeat files could not be read'));
    return this.#scanning;
  }

  async #scanOnce(): Promise<void> {
    const { folder, uid, processes } = this.#options;
    const isThere = await lstat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isThere) this.#watch();
    const names: readonly string[] = isThere ? await readdir(folder).catch(() => []) : [];
    const alive = new Set<string>();
    for (const name of names.filter((one) => /^\d+\.json$/.test(one)).slice(0, FILES_MAX)) {
      const heartbeat = await readHeartbeat(join(folder, name), uid);
      if (heartbeat === undefined || `${heartbeat.pid}.json` !== name) continue;
      const start = await processes.startOf(heartbeat.pid);
      const id = start === undefined ? undefined : await this.#seen(heartbeat, start);
      if (id !== undefined) alive.add(id);
    }
    for (const id of [...this.#known.keys()]) if (!alive.has(id)) this.#end(id);
  }

  /** The session that is listed because of the file. */
  async #seen(heartbeat: Heartbeat, start: string): Promise<string | undefined> {
    const { book, directoryOf, momentOf, activities, clock } = this.#options;
    const { pid, at, says, writtenAt } = heartbeat;
    const id = heartbeat.session ?? `heartbeat-${pid}`;
    if (book.list().some((one) => (one.id === id || one.pid === pid) && !this.#isOurs(one))) return undefined;
    const before = this.#known.get(id);
    if (before !== undefined && (before.pid !== pid || before.start !== start)) return undefined;
    if (before === undefined) {
      const cwd = await directoryOf(pid);
      const began = await momentOf(start);
      // A file that is older than the process is about another one of that number.
      if (cwd === undefined || began === undefined || writtenAt < began - SLACK_MS || this.#stopped) return undefined;
      const name = oneLine(heartbeat.name ?? '', 120);
      this.#known.set(id, { pid, start, cwd, firstSeen: clock.now(), name: name === '' ? undefined : name });
      activities.meet(id, false);
    }
    if (says !== undefined) activities.tell(id, { kind: 'heartbeat', at: Math.min(at, clock.now()), says });
    this.#publish(id);
    return id;
  }

  #isOurs({ id, rungNote }: Pick<Session, 'id' | 'rungNote'>): boolean {
    return this.#known.has(id) && rungNote === NOTE;
  }

  #publish(id: string): void {
    const known = this.#known.get(id);
    if (known === undefined || this.#stopped) return;
    const { book, projects, activities } = this.#options;
    const there = book.get(id);
    if (there !== undefined && !this.#isOurs(there)) return;
    const { pid, cwd, firstSeen, name } = known;
    book.put({
      id,
      project: projects.forDirectory(cwd).id,
      // The script is one for Claude Code.
      agent: 'claude',
      ...(name === undefined ? {} : { name }),
      pid,
      cwd,
      ...activities.fields(id),
      startedAt: isoTime(firstSeen),
      managed: false,
      rung: 'pull',
      rungNote: NOTE,
    });
  }

  /** Its process ended, or another source has it now: that one's entry stays. */
  #end(id: string): void {
    const { book, activities } = this.#options;
    const entry = book.get(id);
    const isOurs = entry !== undefined && this.#isOurs(entry);
    this.#known.delete(id);
    if (!isOurs) return;
    book.end(id, 'Its process ended.');
    activities.forget(id);
  }

  #watch(): void {
    if (this.#watcher !== undefined || this.#stopped) return;
    try {
      this.#watcher = watch(this.#options.folder, { persistent: false }, () => void this.scan());
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      // It was removed meanwhile; the next look tries again.
    }
  }
}

/** Where a process of this user works (Linux). */
export async function workingDirectory(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).then(
    (path) => path.replace(/ \(deleted\)$/, ''),
    () => undefined,
  );
}
