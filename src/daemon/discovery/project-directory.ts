/**
 * The book of the projects of this machine: configured, discovered below the scan paths, added by hand, and known because a session runs there.
 *
 * Invariants: a directory has one id for as long as it is there, over restarts; no two directories share one, also not by case; a project
 * whose directory is gone disappears; what a person configured goes over what was found. The home directory is `home`, and holds nothing
 * but itself.
 */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import type { ProjectConfig } from '../../config/config.ts';
import type { Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Project } from '../../protocol/model.ts';
import type { Projects, Unsubscribe } from '../ports.ts';
import type { Facts, KnownProject, ProjectDetails } from '../store/facts.ts';
import { depthOf, isPassing, projectOf, sameId, type Entry } from './entry.ts';
import { gitRootOf, isWithin, realPath } from './git-root.ts';
import { Lookout, type Found, type LookoutOptions } from './lookout.ts';
import { projectIdFor } from './names.ts';

const HOME_ID = 'home';
/** Projects that are known only because a session ran there: how many, and how long without one. */
const SESSION_PROJECTS_MAX = 300;
const SESSION_PROJECT_DAYS = 30;
const DAY_MS = 24 * 3600 * 1000;
/** `seen` is written at most this often for each project. */
const SEEN_EVERY_MS = 3_600_000;
const PROJECTS_MAX = 2_000;
const LOOKED_UP_MAX = 2_000;

export interface ProjectDirectoryOptions {
  readonly configured: readonly ProjectConfig[];
  readonly discovery: LookoutOptions['discovery'];
  readonly home: string;
  /** The agent of projects that name none: agent_launcher.default_command. */
  readonly defaultAgent: string;
  readonly facts: Facts;
  readonly clock: Clock;
  readonly log: Log;
}

export class ProjectDirectory implements Projects {
  readonly #options: ProjectDirectoryOptions;
  readonly #home: string;
  readonly #changes: Emitter<readonly Project[]>;
  readonly #entries = new Map<string, Entry>();
  readonly #lookedUp = new Map<string, string>();
  readonly #lookout: Lookout;
  #list: readonly Project[] = [];
  #settling = false;
  /** The newest write to the store; the store keeps their order. */
  #written: Promise<void> = Promise.resolve();

  constructor(options: ProjectDirectoryOptions) {
    this.#options = options;
    this.#home = realPath(options.home);
    this.#changes = new Emitter((error) => options.log.error({ err: error }, 'a listener of the projects failed'));
    this.#lookout = new Lookout({ ...options, take: (found) => this.#take(found) });
  }

  /** Reads what is known, looks once, and goes on looking. */
  async start(): Promise<void> {
    const known = await this.#options.facts.projects();
    this.#takeConfigured(known);
    for (const project of known) {
      if (!this.#entries.has(project.path) && !this.#isTaken(project.id)) {
        this.#entries.set(project.path, { ...project, base: {} });
      }
    }
    if (this.#options.discovery.enabled) this.#ensure(this.#home, 'discovered');
    this.#refresh();
    await this.#lookout.start();
  }

  async stop(): Promise<void> {
    await this.#lookout.stop();
    await this.#written;
  }

  list(): readonly Project[] {
    return this.#list;
  }

  has(id: string): boolean {
    return this.#list.some((project) => project.id === id);
  }

  onChange(listener: (projects: readonly Project[]) => void): Unsubscribe {
    return this.#changes.subscribe(listener);
  }

  forDirectory(cwd: string): Project {
    const known = this.#lookedUp.get(cwd);
    const listed = known === undefined ? undefined : this.#entries.get(known);
    if (listed !== undefined && !listed.hidden) return this.#seen(listed);
    const entry = this.#find(realPath(cwd));
    this.#lookedUp.set(cwd, entry.path);
    if (this.#lookedUp.size > LOOKED_UP_MAX) this.#lookedUp.clear();
    return this.#seen(entry);
  }

  /** Changes what is said about a project; fields that are not given stay. Throws `unknown_project`. */
  async update(id: string, details: ProjectDetails): Promise<void> {
    const entry = this.#byId(id);
    await this.#put({ ...entry, details: { ...entry.details, ...details } });
  }

  /** Adds a directory by hand. Throws when it is not there or the id is another directory's. */
  async add(id: string, path: string, details: ProjectDetails): Promise<void> {
    if (!isAbsolute(path) || !(await isDirectory(path))) {
      throw new IntercomError('invalid_request', 'That path is not a directory on this machine.', {
        field: 'project.path',
        next: 'Give the absolute path of a directory that exists.',
      });
    }
    const real = realPath(path);
    const present = this.#entries.get(real);
    const holder = [...this.#entries.values()].find((entry) => sameId(entry.id, id));
    if (holder !== undefined && holder.path !== real) {
      throw new IntercomError('conflict', `The id ${id} is the project in another directory.`, {
        field: 'project.id',
        next: 'Choose another id, or remove the other project first.',
      });
    }
    if (present === undefined && this.#entries.size >= PROJECTS_MAX) {
      throw new IntercomError('limit_reached', `This machine has ${PROJECTS_MAX} projects already.`, {
        next: 'Remove some first.',
      });
    }
    const source = present?.source === 'configured' ? 'configured' : 'session';
    const before = present ?? { base: {}, details: {}, source };
    // Configured by a person's file or found with an id of its own: that id stays.
    if (present !== undefined && present.source === 'configured' && !sameId(present.id, id)) {
      throw new IntercomError('conflict', `That directory is configured as ${present.id}.`, {
        field: 'project.id',
        next: 'Change the id in the configuration file.',
      });
    }
    // What was added by hand has details, even empty ones: that is what keeps it.
    const merged = { description: '', ...before.details, ...details };
    await this.#put({ ...before, path: real, id, source, details: merged, hidden: false, seenAt: this.#now() });
  }

  /** Takes a project off the list, also over restarts, until it is added again or a session runs there. */
  async remove(id: string): Promise<void> {
    const entry = this.#byId(id);
    if (entry.source === 'configured') {
      throw new IntercomError('forbidden', `${id} is in the configuration file of this machine.`, {
        next: 'Remove it there.',
      });
    }
    await this.#put({ ...entry, hidden: true });
  }

  /** Looks again now. */
  rescan(): Promise<void> {
    return this.#lookout.look();
  }

  // ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #take(result: Found): Promise<void> {
    // Told once, when all of it is known.
    this.#settling = true;
    for (const path of result.found) this.#ensure(path, 'discovered');
    this.#settling = false;
    const found = new Set(result.found);
    for (const entry of [...this.#entries.values()]) {
      if (await this.#isOver(entry, found, result.partial !== undefined)) this.#drop(entry);
    }
    this.#refresh();
  }

  async #isOver(entry: Entry, found: ReadonlySet<string>, partial: boolean): Promise<boolean> {
    if (entry.source === 'configured' || entry.path === this.#home) return false;
    if (!(await isDirectory(entry.path))) return true;
    if (entry.source === 'session') {
      return isPassing(entry) && this.#now() - entry.seenAt > SESSION_PROJECT_DAYS * DAY_MS;
    }
    return !partial && !found.has(entry.path);
  }

  #takeConfigured(known: readonly KnownProject[]): void {
    for (const project of this.#options.configured) {
      const path = realPath(project.path);
      if (this.#entries.has(path) || this.#isTaken(project.id)) {
        this.#options.log.warn(
          { project: project.id },
          'two configured projects share a directory or an id; the first one counts',
        );
        continue;
      }
      this.#entries.set(path, {
        path,
        id: project.id,
        source: 'configured',
        base: {
          description: project.description,
          capabilities: [...project.capabilities],
          tags: [...project.tags],
          ...(project.agentCommand === undefined ? {} : { agent: project.agentCommand }),
        },
        details: known.find((one) => one.path === path)?.details ?? {},
        hidden: false,
        seenAt: this.#now(),
      });
    }
  }

  #find(path: string): Entry {
    const listed = [...this.#entries.values()]
      .filter((entry) => !entry.hidden && this.#holds(entry, path))
      .sort((a, b) => b.path.length - a.path.length);
    const chosen = listed.find((entry) => entry.source !== 'session' || entry.path === path);
    if (path === this.#home) return chosen ?? this.#ensure(path, 'session');
    const root = gitRootOf(path, this.#home);
    const [nearest] = listed;
    // A directory of its own (a working tree) below one that is only known by a session is not that one.
    if (nearest !== undefined && (nearest === chosen || root === undefined || root.length <= nearest.path.length))
      return nearest;
    return chosen ?? this.#ensure(root ?? path, 'session');
  }

  #holds(entry: Entry, path: string): boolean {
    if (entry.path === path) return true;
    // Everything lies below the home directory or the root; that makes it no part of a project there.
    if (entry.path === this.#home || (entry.source === 'session' && depthOf(entry.path) < 2)) return false;
    return isWithin(path, entry.path);
  }

  /** The entry of a directory, made if there is none. */
  #ensure(path: string, source: 'discovered' | 'session'): Entry {
    const present = this.#entries.get(path);
    if (present !== undefined) {
      const better = source === 'discovered' && present.source === 'session' ? 'discovered' : present.source;
      const shown = source === 'session' ? false : present.hidden;
      if (better === present.source && shown === present.hidden) return present;
      return this.#keep({ ...present, source: better, hidden: shown });
    }
    const wanted = path === this.#home && !this.#isTaken(HOME_ID) ? HOME_ID : undefined;
    const id = wanted ?? projectIdFor(path, (one) => this.#isTaken(one));
    const base: ProjectDetails =
      path === this.#home ? { description: 'The home directory', capabilities: ['admin'] } : {};
    if (source === 'session') this.#makeRoom();
    return this.#keep({ path, id, source, base, details: {}, hidden: false, seenAt: this.#now() });
  }

  #makeRoom(): void {
    const only = [...this.#entries.values()].filter(isPassing);
    if (only.length < SESSION_PROJECTS_MAX) return;
    const [oldest] = only.sort((a, b) => a.seenAt - b.seenAt);
    if (oldest !== undefined) this.#drop(oldest);
  }

  #seen(entry: Entry): Project {
    if (entry.source === 'session' && this.#now() - entry.seenAt > SEEN_EVERY_MS) {
      return this.#projectOf(this.#keep({ ...entry, seenAt: this.#now() }));
    }
    return this.#projectOf(entry);
  }

  #keep(entry: Entry): Entry {
    this.#later(this.#put(entry), entry);
    return entry;
  }

  async #put(entry: Entry): Promise<void> {
    this.#entries.set(entry.path, entry);
    this.#refresh();
    await this.#options.facts.putProject(entry);
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry.path);
    this.#refresh();
    this.#later(this.#options.facts.forgetProject(entry.path), entry);
  }

  #later(written: Promise<void>, entry: Entry): void {
    this.#written = written.catch((error: unknown) =>
      this.#options.log.warn({ err: error, project: entry.id }, 'what is known of a project could not be stored'),
    );
  }

  #refresh(): void {
    if (this.#settling) return;
    const list = [...this.#entries.values()]
      .filter((entry) => !entry.hidden)
      .map((entry) => this.#projectOf(entry))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    if (JSON.stringify(list) === JSON.stringify(this.#list)) return;
    this.#list = list;
    this.#lookedUp.clear();
    this.#changes.emit(list);
  }

  #projectOf(entry: Entry): Project {
    return projectOf(entry, this.#options.defaultAgent);
  }

  #byId(id: string): Entry {
    const entry = [...this.#entries.values()].find((one) => one.id === id && !one.hidden);
    if (entry !== undefined) return entry;
    throw new IntercomError('unknown_project', `There is no project ${id} on this machine.`, {
      next: 'intercom_list_agents (or `intercom agents`) lists them.',
    });
  }

  #isTaken(id: string): boolean {
    return [...this.#entries.values()].some((entry) => sameId(entry.id, id));
  }

  #now(): number {
    return this.#options.clock.now();
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
