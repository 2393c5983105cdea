/**
 * Sessions of agent programs that have no adapter: they name themselves, are listed, and get their mail when they ask.
 *
 * Invariants: a session lives no longer than its process (pid and start time), and outlives a restart of the daemon; the name of an agent
 * with an adapter, and a session that somebody else's book entry is, cannot be taken.
 */
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import { isoTime } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { LocalSession } from '../../protocol/local-api.ts';
import type { Session } from '../../protocol/model.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import type { Projects, SessionBook } from '../ports.ts';
import type { Facts } from '../store/facts.ts';

const CHECK_MS = 3_000;
const SESSIONS_MAX = 200;

/** The fact under which they are kept over a restart. */
const FACT = 'plain-sessions';
const Kept = z.array(z.object({ session: LocalSession, started: z.string() })).max(SESSIONS_MAX);

export interface PlainSessionsOptions {
  readonly facts: Pick<Facts, 'get' | 'set'>;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly processes: ProcessTable;
  /** Agents that have an adapter. */
  readonly reserved: readonly string[];
  readonly clock: Clock;
}

export class PlainSessions {
  readonly #options: PlainSessionsOptions;
  /** By session id: what it said of itself, and when its process started. */
  readonly #own = new Map<string, { session: LocalSession; started: string }>();
  readonly #cancel: CancelTimer;

  constructor(options: PlainSessionsOptions) {
    this.#options = options;
    // A store that cannot be written now keeps an older list: the processes in it are looked at again after a restart.
    this.#cancel = options.clock.every(CHECK_MS, () => void this.#check().catch(() => undefined));
  }

  /** Takes up those that were here before a restart and whose processes still run. */
  async start(): Promise<void> {
    for (const { session, started } of (await this.#options.facts.get(FACT, Kept)) ?? []) {
      if ((await this.#options.processes.startOf(session.pid)) === started) this.#list(session, started);
    }
  }

  async put(session: LocalSession): Promise<Session> {
    const { book, processes, reserved } = this.#options;
    if (reserved.includes(session.agent.toLowerCase())) {
      throw new IntercomError('forbidden', `${session.agent} has an adapter of its own, which finds its sessions.`, {
        field: 'agent',
        next: 'Give the name of your own program.',
      });
    }
    const present = book.get(session.id);
    const mine = this.#own.get(session.id);
    if (present !== undefined && (mine === undefined || mine.session.pid !== session.pid)) {
      throw new IntercomError('conflict', 'That session id belongs to another session.', {
        field: 'id',
        next: 'Make a new id.',
      });
    }
    if (!isAbsolute(session.cwd)) {
      throw new IntercomError('invalid_request', 'The directory must be absolute.', {
        field: 'cwd',
        next: 'Give the whole path.',
      });
    }
    if (mine === undefined && this.#own.size >= SESSIONS_MAX) {
      throw new IntercomError('limit_reached', `There are ${SESSIONS_MAX} such sessions already.`, {
        next: 'End some first.',
      });
    }
    const started = await processes.startOf(session.pid);
    if (started === undefined) {
      throw new IntercomError('invalid_request', 'There is no such process.', {
        field: 'pid',
        next: "Give the program's own process id.",
      });
    }
    const entry = this.#list(session, started);
    await this.#keep();
    return entry;
  }

  /** Ends a session that named itself here. Throws `unknown_session`. */
  async end(id: string): Promise<void> {
    if (!this.#own.delete(id)) {
      throw new IntercomError('unknown_session', 'There is no such session that named itself here.', {
        next: 'It may have ended already.',
      });
    }
    this.#options.book.end(id, 'it said goodbye');
    await this.#keep();
  }

  stop(): void {
    this.#cancel();
  }

  async #check(): Promise<void> {
    for (const [id, { session, started }] of this.#own) {
      if ((await this.#options.processes.startOf(session.pid)) === started) continue;
      if (this.#own.delete(id)) this.#options.book.end(id, 'its process ended');
      await this.#keep();
    }
  }

  #list(session: LocalSession, started: string): Session {
    const { book, projects, clock } = this.#options;
    const present = book.get(session.id);
    const now = isoTime(clock.now());
    const { id, name, cwd, agentVersion, agent, pid, state } = session;
    const entry: Session = {
      id,
      project: projects.forDirectory(cwd).id,
      agent,
      ...(name === undefined ? {} : { name }),
      pid,
      cwd,
      ...(agentVersion === undefined ? {} : { agentVersion }),
      state,
      stateSince: present?.state === state ? present.stateSince : now,
      startedAt: present?.startedAt ?? now,
      managed: false,
      rung: 'pull',
      rungNote: 'This program gets its mail when it asks for it (intercom_check_inbox).',
    };
    this.#own.set(id, { session, started });
    book.put(entry);
    return entry;
  }

  async #keep(): Promise<void> {
    await this.#options.facts.set(FACT, [...this.#own.values()]);
  }
}
