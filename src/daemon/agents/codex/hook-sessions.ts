/**
 * Sessions of Codex that only their hooks tell of: in no app-server that we reach (`codex exec`, `codex --no-daemon`, older versions). In the book while their process lives.
 */
import { isoTime } from '../../../platform/clock.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { Caller, Projects, SessionBook } from '../../ports.ts';
import type { HookFacts } from '../../sessions/agent-port.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { ManagedLookup } from '../../sessions/managed.ts';
import { hookSeen } from '../hook-deeds.ts';
import type { ProcessTable } from '../process-table.ts';

/** Sessions whose hooks are remembered. */
const REMEMBERED_MAX = 500;

interface Heard {
  readonly pid: number | undefined;
  readonly procStart: string | undefined;
  readonly firstSeen: number;
  transcript: string | undefined;
  cwd: string;
  permissionMode: string | undefined;
  /** The book's entry is ours. */
  published: boolean;
}

export interface HookSessionsOptions {
  readonly agent: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  readonly managed?: ManagedLookup | undefined;
}

export class HookSessions {
  readonly #options: HookSessionsOptions;
  readonly #heard = new Map<string, Heard>();

  constructor(options: HookSessionsOptions) {
    this.#options = options;
  }

  heard(session: string): boolean {
    return this.#heard.has(session);
  }

  transcriptOf(session: string): string | undefined {
    return this.#heard.get(session)?.transcript;
  }

  /** `served`: an app-server tells of the session; then the hooks are only remembered. */
  async note(facts: HookFacts, caller: Caller, served: boolean): Promise<void> {
    const { book, clock, processes, activities } = this.#options;
    const { session, moment } = facts;
    if (moment === 'session_end') {
      const known = this.#heard.get(session);
      this.#heard.delete(session);
      if (known?.published === true && !served) this.#end(session, 'Codex ended the session.');
      return;
    }
    const { pid } = caller;
    const known = this.#heard.get(session) ?? {
      pid,
      procStart: pid === undefined ? undefined : await processes.startOf(pid),
      firstSeen: clock.now(),
      transcript: undefined,
      cwd: facts.cwd,
      permissionMode: undefined,
      published: false,
    };
    this.#remember(session, known);
    if (facts.transcript !== undefined) known.transcript = facts.transcript;
    // Without a process nobody could say when it ends.
    const before = book.get(session);
    if (served || known.procStart === undefined || (before !== undefined && !known.published)) return;
    known.published = true;
    known.cwd = facts.cwd;
    if (!facts.subagent) known.permissionMode = facts.permissionMode;
    activities.meet(session, this.#options.managed?.of(session, pid) !== undefined);
    const seen = hookSeen(facts, clock.now());
    if (seen !== undefined) activities.tell(session, seen);
    this.republish(session);
  }

  /** Sessions of other sources are left alone. */
  republish(session: string): void {
    const { book, projects, agent, activities, managed } = this.#options;
    const known = this.#heard.get(session);
    if (known?.published !== true) return;
    const run = managed?.of(session, known.pid)?.run;
    book.put({
      id: session,
      project: projects.forDirectory(known.cwd).id,
      agent,
      ...(known.pid === undefined ? {} : { pid: known.pid }),
      cwd: known.cwd,
      ...activities.fields(session),
      startedAt: isoTime(known.firstSeen),
      managed: run !== undefined,
      ...(run?.mission === undefined ? {} : { mission: run.mission.id }),
      rung: 'hooks',
      rungNote: 'It runs without an app-server: mail comes with its next tool or prompt, and cannot wake it.',
      ...(known.permissionMode === undefined ? {} : { permissionMode: known.permissionMode }),
    });
  }

  /** Ends those whose process is gone. */
  async look(served: (session: string) => boolean): Promise<void> {
    for (const [session, known] of [...this.#heard]) {
      if (served(session)) known.published = false;
      if (!known.published || known.pid === undefined) continue;
      if ((await this.#options.processes.startOf(known.pid)) === known.procStart) continue;
      this.#heard.delete(session);
      this.#end(session, 'Its process ended.');
    }
  }

  #end(session: string, reason: string): void {
    this.#options.book.end(session, reason);
    this.#options.activities.forget(session);
  }

  #remember(session: string, known: Heard): void {
    this.#heard.delete(session);
    this.#heard.set(session, known);
    const [oldest] = this.#heard.keys();
    if (this.#heard.size > REMEMBERED_MAX && oldest !== undefined) this.#heard.delete(oldest);
  }
}
