/**
 * Codex on this machine: finds its sessions through the app-servers that they live in, follows their state, and is a second client there.
 *
 * Where: the server that Codex itself keeps for the sessions of a user (`$CODEX_HOME/app-server-control/app-server-control.sock`; a plain `codex` of 0.169 starts it and its terminal is
 * a client of it), and the servers of the runs that we start (`<runners>/<id>/codex.sock`). A session without either (`codex --no-daemon`, older versions) is seen by its hooks only.
 *
 * Invariants: a session is in the book only while a server has it loaded, or its hooks spoke and its process lives; proof of a delivery is the user message with our id, by the
 * server's word or the rollout file's; nothing of Codex' files is written.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isoTime } from '../../../platform/clock.ts';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import { Emitter } from '../../../platform/emitter.ts';
import { modifiedAt, readIfThere } from '../../../platform/files.ts';
import type { Log } from '../../../platform/log.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import type { Session } from '../../../protocol/model.ts';
import { RunnerRecord } from '../../../protocol/runner-api.ts';
import type { AgentAdapter, Caller, Projects, SessionBook, Unsubscribe } from '../../ports.ts';
import { NotSent } from '../../sessions/agent-port.ts';
import type { AgentPort, HookFacts, InboxChannel, ProofSearch, WakeReceipt } from '../../sessions/agent-port.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { RecordSeen } from '../../sessions/activity/observations.ts';
import type { ManagedLookup } from '../../sessions/managed.ts';
import { hookSeen } from '../hook-deeds.ts';
import type { ProcessTable } from '../process-table.ts';
import type { AgentEvent } from '../program.ts';
import { oneLine } from '../tool-words.ts';
import { AppServer } from './app-server.ts';
import type { ThreadView } from './app-server.ts';
import { CodexApprovals } from './approvals.ts';
import type { DialogDesk } from './approvals.ts';
import { AppServerRefusal } from './connection.ts';
import { DialogActivity } from './dialog-activity.ts';
import { failureEvent } from './failures.ts';
import { readHook, renderContext } from './hook-dialect.ts';
import { HookSessions } from './hook-sessions.ts';
import { findRollout, isRolloutOf, searchRollout } from './rollout.ts';
import { isKnownVersion, KNOWN } from './versions.ts';

/** A server that is new, or came back, is found within this. What happens in a known one is told at once. */
const RESCAN_MS = 2000;
/** The socket of a run's own server, in the run's directory. */
export const RUN_SOCKET = 'codex.sock';

export interface CodexAdapterOptions {
  /** `~/.codex`, or what CODEX_HOME says. */
  readonly codexHome: string;
  /** The directory with the runs' directories. */
  readonly runners: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  readonly processes: ProcessTable;
  readonly desk: DialogDesk;
  /** Which sessions are runs of ours. */
  readonly managed?: ManagedLookup | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly uid: number | undefined;
  /** Our own version. */
  readonly version: string;
}

/** A server that we are a client of. */
interface Attached {
  readonly socket: string;
  readonly server: AppServer;
  readonly approvals: CodexApprovals;
  /** The run that it belongs to. */
  readonly run: RunnerRecord | undefined;
}

export class CodexAdapter implements AgentAdapter, AgentPort {
  readonly name = 'codex';
  /** Codex refuses at once or takes it: there is nothing to tell later. */
  readonly onReceipt: (listener: (receipt: WakeReceipt) => void) => Unsubscribe = () => () => undefined;
  readonly #options: CodexAdapterOptions;
  readonly #attached = new Map<string, Attached>();
  readonly #bySession = new Map<string, Attached>();
  readonly #hooks: HookSessions;
  readonly #dialogs: DialogActivity;
  #unsubscribe: Unsubscribe = () => undefined;
  readonly #messages: Emitter<{ readonly session: string; readonly id: string; readonly text: string }>;
  readonly #events: Emitter<{ readonly session: string; readonly event: AgentEvent }>;
  /** Runs that have no server (any more): not looked at again. */
  readonly #settledRuns = new Set<string>();
  #cancelRescan: CancelTimer = () => undefined;
  #scanning: Promise<void> | undefined;
  #stopped = false;

  constructor(options: CodexAdapterOptions) {
    this.#options = options;
    const onError = (err: unknown) => options.log.error({ err }, 'a listener for Codex failed');
    this.#messages = new Emitter(onError);
    this.#events = new Emitter(onError);
    this.#hooks = new HookSessions({ ...options, agent: this.name });
    this.#dialogs = new DialogActivity({ ...options, changed: (session) => this.#republish(session) });
  }

  async start(): Promise<void> {
    await this.#scan();
    this.#cancelRescan = this.#options.clock.every(RESCAN_MS, () => void this.#scan());
    this.#unsubscribe = this.#options.activities.onChange((session) => this.#republish(session));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRescan();
    this.#unsubscribe();
    await this.#scanning;
    for (const { server } of this.#attached.values()) server.close();
    this.#attached.clear();
  }

  /** What only the server tells, for missions: a turn that failed (Codex has no hook for it), or that the provider refused for its limits. */
  onEvent(listener: (told: { readonly session: string; readonly event: AgentEvent }) => void): Unsubscribe {
    return this.#events.subscribe(listener);
  }

  /** Ends the session's turn, without ending the session. False: it is in no server of Codex, or that does not do it. */
  async interrupt(session: string): Promise<boolean> {
    const attached = this.#bySession.get(session);
    if (attached?.server.open !== true) return false;
    try {
      await attached.server.interrupt(session);
      return true;
    } catch (err) {
      this.#options.log.debug({ err, session }, 'Codex did not interrupt its turn');
      return false;
    }
  }

  // ── the way in, and the proof ──────────────────────────────────────────────────────────────────────────────────────────

  openInbox(session: Session): Promise<InboxChannel> {
    try {
      const { server } = this.#serverOf(session.id);
      const release = server.hold(session.id);
      return Promise.resolve({
        send: async ({ id, text }) => {
          const how = await server.say(session.id, id, text).catch((error: unknown) => {
            // Its own refusal: nothing was taken.
            throw error instanceof AppServerRefusal ? new NotSent(`Codex refused it: ${error.message}`) : error;
          });
          this.#options.log.debug({ session: session.id, how }, 'handed to the app-server of Codex');
        },
        close: release,
      });
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error('Codex cannot be reached'));
    }
  }

  async findProof(session: string, messageIds: readonly string[], pull: boolean): Promise<ProofSearch> {
    const search = await searchRollout(await this.#rolloutOf(session), messageIds, pull);
    const attached = this.#bySession.get(session);
    if (attached === undefined) return search;
    const queue = await attached.server.queued(session).catch(() => []);
    const queued = new Set(messageIds.filter((id) => queue.some((text) => text.includes(id))));
    return { ...search, queued };
  }

  watchProof(
    session: string,
    messageIds: readonly string[],
    onProof: (messageId: string, proof: string) => void,
  ): Unsubscribe {
    const release = this.#bySession.get(session)?.server.hold(session);
    const stop = this.#messages.subscribe((message) => {
      if (message.session !== session) return;
      for (const id of messageIds) if (message.text.includes(id)) onProof(id, `app-server: user message ${message.id}`);
    });
    return () => {
      stop();
      release?.();
    };
  }

  hooksHeard(session: string): boolean {
    return this.#hooks.heard(session);
  }

  // ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  readHook(event: string, payload: unknown): HookFacts | undefined {
    return readHook(event, payload);
  }

  renderContext(facts: HookFacts, text: string): string | undefined {
    return renderContext(facts, text);
  }

  async noteHook(facts: HookFacts, caller: Caller): Promise<Session | undefined> {
    if (!this.#bySession.has(facts.session)) await this.#scan();
    const served = this.#bySession.has(facts.session);
    const seen = hookSeen(facts, this.#options.clock.now());
    if (served && seen !== undefined && facts.moment !== 'session_end') {
      this.#options.activities.tell(facts.session, seen);
      this.#republish(facts.session);
    }
    await this.#hooks.note(facts, caller, served);
    return this.#options.book.get(facts.session);
  }

  async grewAt(session: string): Promise<number | undefined> {
    const path = await this.#rolloutOf(session);
    return path === undefined ? undefined : modifiedAt(path);
  }

  // ── servers ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #scan(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#scanning ??= this.#scanOnce()
      .catch((err: unknown) => this.#options.log.warn({ err }, 'looking for Codex failed'))
      .finally(() => {
        this.#scanning = undefined;
      });
    return this.#scanning;
  }

  async #scanOnce(): Promise<void> {
    const own = join(this.#options.codexHome, 'app-server-control', 'app-server-control.sock');
    if (!this.#attached.has(own)) await this.#attach(own, undefined);
    const ids: readonly string[] = await readdir(this.#options.runners).catch(() => []);
    for (const id of this.#settledRuns) if (!ids.includes(id)) this.#settledRuns.delete(id);
    for (const id of ids) if (!this.#settledRuns.has(id)) await this.#lookAtRun(id);
    await this.#hooks.look((session) => this.#bySession.has(session));
  }

  async #lookAtRun(id: string): Promise<void> {
    const directory = join(this.#options.runners, id);
    const socket = join(directory, RUN_SOCKET);
    if (this.#attached.has(socket)) return;
    const run = recordOf(await readIfThere(join(directory, 'record.json')).catch(() => undefined));
    if (run === undefined) return;
    const hasServer = run.agent === this.name && run.runtime === 'terminal' && run.exit === undefined;
    if (hasServer) await this.#attach(socket, run);
    else this.#settledRuns.add(id);
  }

  async #attach(socket: string, run: RunnerRecord | undefined): Promise<void> {
    // Threads are told while the connection is still being made.
    const parts: { attached: Attached | undefined } = { attached: undefined };
    const { clock, log, uid, version } = this.#options;
    const server = new AppServer({
      socket,
      uid,
      version,
      clock,
      log,
      listener: {
        changed: (view) => parts.attached !== undefined && this.#publish(parts.attached, view),
        gone: (session, reason) => this.#gone(session, reason),
        userMessage: (session, { id, text }) => this.#messages.emit({ session, id, text }),
        turnCompleted: (session, turn) => {
          const event = failureEvent(turn, isoTime(clock.now()));
          if (event === undefined) return;
          this.#noteFailure(session, event);
          this.#events.emit({ session, event });
        },
        asked: (request, item) => parts.attached?.approvals.asked(request, item),
        resolved: (id) => parts.attached?.approvals.resolved(id),
        closed: () => this.#detach(socket),
      },
    });
    const approvals = new CodexApprovals(this.#dialogs, server, log);
    parts.attached = { socket, server, approvals, run };
    try {
      this.#attached.set(socket, parts.attached);
      await server.connect();
    } catch (err) {
      this.#attached.delete(socket);
      server.close();
      log.debug({ err, socket }, 'no app-server of Codex there');
    }
  }

  #detach(socket: string): void {
    const attached = this.#attached.get(socket);
    if (attached === undefined || this.#stopped) return;
    this.#attached.delete(socket);
    attached.approvals.gone();
    for (const [session, its] of [...this.#bySession]) {
      if (its === attached) this.#gone(session, 'Its app-server ended.');
    }
    void this.#scan();
  }

  #gone(session: string, reason: string): void {
    this.#bySession.get(session)?.approvals.gone(session);
    this.#bySession.delete(session);
    this.#options.book.end(session, reason);
    this.#options.activities.forget(session);
  }

  /** Why a turn failed is told just after its thread went idle. */
  #noteFailure(session: string, event: AgentEvent): void {
    if (event.kind !== 'rate_limited') return;
    const { activities, clock } = this.#options;
    const deed = { does: 'meets_limit', notice: event.text, resetAt: event.resetAt } as const;
    activities.tell(session, { kind: 'event', source: 'app_server', at: clock.now(), deed });
    this.#republish(session);
  }

  #republish(session: string): void {
    const attached = this.#bySession.get(session);
    const view = attached?.server.thread(session);
    if (attached !== undefined && view !== undefined) this.#publish(attached, view);
    else this.#hooks.republish(session);
  }

  #publish(attached: Attached, view: ThreadView): void {
    if (this.#stopped) return;
    const { thread } = view;
    const { server, run } = attached;
    this.#bySession.set(thread.id, attached);
    const name = oneLine(thread.name ?? '', 120);
    const version = server.programVersion ?? thread.cliVersion;
    const note = versionNote(version);
    const { activities } = this.#options;
    activities.meet(thread.id, run !== undefined);
    activities.tell(thread.id, statusSeen(view));
    this.#options.book.put({
      id: thread.id,
      project: this.#options.projects.forDirectory(thread.cwd).id,
      agent: this.name,
      ...(name === '' ? {} : { name }),
      ...(run?.agentProcess === undefined ? {} : { pid: run.agentProcess.pid }),
      cwd: thread.cwd,
      agentVersion: version,
      ...activities.fields(thread.id),
      startedAt: isoTime(thread.createdAt * 1000),
      managed: run !== undefined,
      ...(run?.mission === undefined ? {} : { mission: run.mission.id }),
      rung: 'app_server',
      ...(note === undefined ? {} : { rungNote: note }),
    });
  }

  #serverOf(session: string): Attached {
    const attached = this.#bySession.get(session);
    if (attached?.server.open === true) return attached;
    throw new IntercomError('unreachable', 'The Codex session is in no app-server that can be reached.', {
      next: 'Its messages wait until it can.',
    });
  }

  async #rolloutOf(session: string): Promise<string | undefined> {
    const sessions = join(this.#options.codexHome, 'sessions');
    const told = this.#bySession.get(session)?.server.thread(session)?.thread.path ?? this.#hooks.transcriptOf(session);
    if (typeof told === 'string' && isRolloutOf(told, sessions, session)) return told;
    return findRollout(sessions, session);
  }
}

/** The server's word. What is asked is told by the request itself. */
function statusSeen({ status, since: at }: ThreadView): RecordSeen {
  const seen = { kind: 'record', source: 'app_server', at } as const;
  if (status.type !== 'active') return { ...seen, says: 'idle' };
  if (status.activeFlags.includes('waitingOnApproval'))
    return { ...seen, says: 'waiting', wait: { kind: 'permission', what: 'permission' } };
  if (status.activeFlags.includes('waitingOnUserInput'))
    return { ...seen, says: 'waiting', wait: { kind: 'question', what: 'an answer' } };
  return { ...seen, says: 'busy' };
}

function versionNote(version: string): string | undefined {
  if (isKnownVersion(version)) return undefined;
  return `This is Codex ${version}, and intercom was tried with ${KNOWN}; what it cannot read falls back to hooks.`;
}

function recordOf(text: string | undefined): RunnerRecord | undefined {
  try {
    const record = RunnerRecord.safeParse(JSON.parse(text ?? ''));
    return record.success ? record.data : undefined;
  } catch {
    return undefined;
  }
}
