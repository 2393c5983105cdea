/**
 * Sessions of Codex that only their hooks tell of: in no app-server that we reach (`codex exec`, `codex --no-daemon`, older versions). In the book while their process lives.
 */
import { isoTime } from '../../../platform/clock.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { SessionState } from '../../../protocol/model.ts';
import type { Caller, Projects, SessionBook } from '../../ports.ts';
import type { HookFacts } from '../../sessions/agent-port.ts';
import type { ManagedLookup } from '../../sessions/managed.ts';
import type { ProcessTable } from '../process-table.ts';

/** Sessions whose hooks are remembered. */
const REMEMBERED_MAX = 500;

interface Heard {
  readonly pid: number | undefined;
  readonly procStart: string | undefined;
  readonly firstSeen: number;
  transcript: string | undefined;
  /** The book's entry is ours. */
  published: boolean;
}

export interface HookSessionsOptions {
  readonly agent: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  readonly managed?: ManagedLookup | undefined;
}

const STATES: Readonly<Partial<Record<HookFacts['moment'], SessionState>>> = {
  session_start: 'idle',
  prompt: 'working',
  tool_done: 'working',
  turn_end: 'idle',
};

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
    const { book, clock, projects, processes, agent } = this.#options;
    const { session, moment } = facts;
    if (moment === 'session_end') {
      const known = this.#heard.get(session);
      this.#heard.delete(session);
      if (known?.published === true && !served) book.end(session, 'Codex ended the session.');
      return;
    }
    const { pid } = caller;
    const known = this.#heard.get(session) ?? {
      pid,
      procStart: pid === undefined ? undefined : await processes.startOf(pid),
      firstSeen: clock.now(),
      transcript: undefined,
      published: false,
    };
    this.#remember(session, known);
    if (facts.transcript !== undefined) known.transcript = facts.transcript;
    // Without a process nobody could say when it ends.
    const before = book.get(session);
    if (served || known.procStart === undefined || (before !== undefined && !known.published)) return;
    known.published = true;
    const run = this.#options.managed?.of(session, pid)?.run;
    book.put({
      id: session,
      project: projects.forDirectory(facts.cwd).id,
      agent,
      ...(pid === undefined ? {} : { pid }),
      cwd: facts.cwd,
      state: STATES[moment] ?? before?.state ?? 'unknown',
      stateSince: isoTime(clock.now()),
      startedAt: isoTime(known.firstSeen),
      managed: run !== undefined,
      ...(run?.mission === undefined ? {} : { mission: run.mission.id }),
      rung: 'hooks',
      rungNote: 'It runs without an app-server: mail comes with its next tool or prompt, and cannot wake it.',
      ...(facts.permissionMode === undefined ? {} : { permissionMode: facts.permissionMode }),
    });
  }

  /** Ends those whose process is gone. */
  async look(served: (session: string) => boolean): Promise<void> {
    for (const [session, known] of [...this.#heard]) {
      if (served(session)) known.published = false;
      if (!known.published || known.pid === undefined) continue;
      if ((await this.#options.processes.startOf(known.pid)) === known.procStart) continue;
      this.#heard.delete(session);
      this.#options.book.end(session, 'Its process ended.');
    }
  }

  #remember(session: string, known: Heard): void {
    this.#heard.delete(session);
    this.#heard.set(session, known);
    const [oldest] = this.#heard.keys();
    if (this.#heard.size > REMEMBERED_MAX && oldest !== undefined) this.#heard.delete(oldest);
  }
}
