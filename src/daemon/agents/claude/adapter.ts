/**
 * Claude Code on this machine: finds its sessions by its own registry folder, follows their state, and knows every way into them.
 *
 * Invariants: a session is in the book only while its process lives (pid and start time); what it does is folded from its hooks and the registry
 * (sessions/activity); the book is made again from the registry at each start, so nothing about sessions is stored.
 */
import { join } from 'node:path';
import { isoTime } from '../../../platform/clock.ts';
import type { Clock } from '../../../platform/clock.ts';
import { modifiedAt } from '../../../platform/files.ts';
import type { Log } from '../../../platform/log.ts';
import type { Session } from '../../../protocol/model.ts';
import type { AgentAdapter, Caller, Projects, SessionBook, Unsubscribe } from '../../ports.ts';
import type {
  AgentPort,
  HookFacts,
  InboxChannel,
  PermissionAnswer,
  PermissionAsk,
  ProofSearch,
  WakeReceipt,
} from '../../sessions/agent-port.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { RecordSeen } from '../../sessions/activity/observations.ts';
import type { ManagedLookup } from '../../sessions/managed.ts';
import { hookSeen, overSeen } from '../hook-deeds.ts';
import type { ProcessTable } from '../process-table.ts';
import { readHook, readPermission, renderContext, renderPermission } from './hook-dialect.ts';
import { socketFault } from './inbox-socket.ts';
import { ClaudeInbox } from './inbox.ts';
import { modeAtStart } from './mode.ts';
import { RegistryFolder } from './registry-folder.ts';
import type { RegistryLook } from './registry-folder.ts';
import { atLeast, isHeadless, plainLine, recordSeen } from './registry-record.ts';
import type { RegistryRecord } from './registry-record.ts';
import { decideRung, INBOX_SOCKET_SINCE } from './rung.ts';
import { viewSettings } from './settings-view.ts';
import { findTranscript, isTranscriptOf, searchTranscript, watchTranscript } from './transcript.ts';

export interface ClaudeAdapterOptions {
  /** `~/.claude`, or what CLAUDE_CONFIG_DIR says. */
  readonly configDir: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  /** Which sessions are those of our runners. */
  readonly managed?: ManagedLookup;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  readonly log: Log;
  /** Our own process id; names the socket for receipts. */
  readonly pid: number;
  readonly uid: number | undefined;
}

/** What is known of a session beyond its record. */
interface Known {
  record: RegistryRecord | undefined;
  /** By hooks; the registry does not tell it. */
  pid: number | undefined;
  procStart: string | undefined;
  cwd: string;
  transcript: string | undefined;
  permissionMode: string | undefined;
  hooksHeard: boolean;
  /** What the registry told last. */
  told: RecordSeen | undefined;
  readonly firstSeen: number;
}

export class ClaudeAdapter implements AgentAdapter, AgentPort {
  readonly name = 'claude';
  readonly #options: ClaudeAdapterOptions;
  readonly #known = new Map<string, Known>();
  readonly #inbox: ClaudeInbox;
  readonly #registry: RegistryFolder;
  readonly #transcripts: string;
  readonly #unsubscribe: Unsubscribe[] = [];
  #stopped = false;

  constructor(options: ClaudeAdapterOptions) {
    this.#options = options;
    const folder = join(options.configDir, 'sessions');
    this.#registry = new RegistryFolder({ ...options, folder, onLook: (look) => this.#looked(look) });
    this.#transcripts = join(options.configDir, 'projects');
    this.#inbox = new ClaudeInbox({ pid: options.pid, uid: options.uid, log: options.log });
  }

  async start(): Promise<void> {
    const { managed, activities } = this.#options;
    await this.#registry.start();
    this.#unsubscribe.push(
      managed?.onChange(() => void this.#registry.scan()) ?? (() => undefined),
      activities.onChange((id) => {
        const known = this.#known.get(id);
        if (known !== undefined) void this.#publish(id, known);
      }),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    await this.#registry.stop();
    await this.#inbox.close();
  }

  // ── the way in, and the proof ──────────────────────────────────────────────────────────────────────────────────────────

  async openInbox(session: Session): Promise<InboxChannel> {
    // The session may have changed under the same pid since its record was read.
    await this.#registry.scan();
    const known = this.#known.get(session.id);
    return this.#inbox.open(session.id, known?.record?.messagingSocketPath);
  }

  onReceipt(listener: (receipt: WakeReceipt) => void): Unsubscribe {
    return this.#inbox.onReceipt(listener);
  }

  async findProof(session: string, messageIds: readonly string[], pull: boolean): Promise<ProofSearch> {
    return searchTranscript(await this.#transcriptOf(session), messageIds, pull);
  }

  watchProof(
    session: string,
    messageIds: readonly string[],
    onProof: (messageId: string, proof: string) => void,
  ): Unsubscribe {
    let reading = false;
    let again = false;
    const read = async (path: string) => {
      again = true;
      if (reading) return;
      reading = true;
      while (again) {
        again = false;
        const { entered } = await searchTranscript(path, messageIds, false);
        for (const [id, proof] of entered) onProof(id, proof);
      }
      reading = false;
    };
    const cwd = this.#known.get(session)?.cwd ?? '';
    return watchTranscript({
      projects: this.#transcripts,
      likely: join(this.#transcripts, cwd.replace(/[^A-Za-z0-9]/g, '-')),
      find: () => this.#transcriptOf(session),
      onGrowth: (path) => void read(path),
    });
  }

  hooksHeard(session: string): boolean {
    return this.#known.get(session)?.hooksHeard === true;
  }

  // ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  readHook(event: string, payload: unknown): HookFacts | undefined {
    return readHook(event, payload);
  }

  renderContext(facts: HookFacts, text: string): string | undefined {
    return renderContext(facts, text);
  }

  readPermission(event: string, payload: unknown): PermissionAsk | undefined {
    return readPermission(event, payload);
  }

  renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
    return renderPermission(event, payload, answer);
  }

  async noteHook(facts: HookFacts, caller: Caller): Promise<Session | undefined> {
    if (facts.moment === 'session_end') {
      this.#end(facts.session, `Claude Code ended the session (${plainLine(facts.reason, 60) ?? 'no reason given'}).`);
      return undefined;
    }
    const known = this.#known.get(facts.session) ?? (await this.#adopt(facts, caller));
    if (known === undefined) return undefined;
    known.hooksHeard = true;
    // A subagent can be in another mode than its session.
    if (facts.permissionMode !== undefined && !facts.subagent) known.permissionMode = facts.permissionMode;
    if (facts.transcript !== undefined && isTranscriptOf(facts.transcript, this.#transcripts, facts.session)) {
      known.transcript = facts.transcript;
    }
    const { activities, managed, clock } = this.#options;
    activities.meet(facts.session, managed?.of(facts.session, known.pid) !== undefined);
    const seen = hookSeen(facts, clock.now());
    if (seen !== undefined) activities.tell(facts.session, seen);
    await this.#publish(facts.session, known);
    return this.#options.book.get(facts.session);
  }

  noteOver(facts: HookFacts, answered: boolean): void {
    const known = this.#known.get(facts.session);
    const seen = overSeen(facts, answered, this.#options.clock.now());
    if (known === undefined || seen === undefined) return;
    this.#options.activities.tell(facts.session, seen);
    void this.#publish(facts.session, known);
  }

  async grewAt(session: string): Promise<number | undefined> {
    const path = await this.#transcriptOf(session);
    return path === undefined ? undefined : modifiedAt(path);
  }

  /** A session that the registry does not show (an older version, or the record comes in a moment). */
  async #adopt(facts: HookFacts, caller: Caller): Promise<Known | undefined> {
    await this.#registry.scan();
    const found = this.#known.get(facts.session);
    if (found !== undefined) return found;
    const { pid } = caller;
    if (pid === undefined) return undefined;
    const procStart = await this.#options.processes.startOf(pid);
    if (procStart === undefined) return undefined;
    // After /clear the process goes on in the mode that it was in.
    const before = [...this.#known].filter(([, other]) => other.pid === pid);
    const mode = before[0]?.[1].permissionMode ?? (await this.#modeAtStart(pid, facts.session));
    // The registry may have told meanwhile.
    const told = this.#known.get(facts.session);
    if (told !== undefined) return told;
    const known = this.#newKnown(undefined, pid, procStart, facts.cwd);
    known.permissionMode = mode;
    for (const [id] of before) this.#end(id, 'Another session took its place in the same process.');
    this.#known.set(facts.session, known);
    return known;
  }

  // ── the registry ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #looked({ of, live, unreadable }: RegistryLook): Promise<void> {
    const present = new Set<string>();
    for (const pid of unreadable) for (const id of await this.#holders(pid)) present.add(id);
    for (const { record, start } of live) {
      present.add(record.sessionId);
      await this.#seen(record, start);
    }
    for (const [id, known] of this.#known) {
      if (of !== undefined && (known.pid === undefined || !of.has(known.pid))) continue;
      if (!present.has(id) && !(await this.#livesWithoutRecord(known))) this.#end(id, 'Its process ended.');
    }
  }

  /** Sessions of a process whose record is being written at this moment: a file that is half there ends nothing. */
  async #holders(pid: number): Promise<string[]> {
    const held = [...this.#known].filter(([, known]) => known.record !== undefined && known.pid === pid);
    if (held.length === 0) return [];
    const start = await this.#options.processes.startOf(pid);
    return held.flatMap(([id, known]) => (known.procStart === start ? [id] : []));
  }

  async #livesWithoutRecord(known: Known): Promise<boolean> {
    if (known.record !== undefined || known.pid === undefined) return false;
    return (await this.#options.processes.startOf(known.pid)) === known.procStart;
  }

  async #seen(record: RegistryRecord, procStart: string): Promise<void> {
    let known = this.#known.get(record.sessionId);
    if (known === undefined) {
      known = this.#newKnown(record, record.pid, procStart, record.cwd);
      const before = [...this.#known.values()].find(({ pid }) => pid === record.pid);
      known.permissionMode = before?.permissionMode ?? (await this.#modeAtStart(record.pid, record.sessionId));
      this.#known.set(record.sessionId, known);
    }
    known.record = record;
    known.pid = record.pid;
    known.procStart = procStart;
    known.cwd = record.cwd;
    this.#note(record, known);
    await this.#publish(record.sessionId, known);
  }

  #note(record: RegistryRecord, known: Known): void {
    const { activities, managed, clock } = this.#options;
    activities.meet(record.sessionId, managed?.of(record.sessionId, known.pid) !== undefined);
    const seen = recordSeen(record, known.told, clock.now());
    known.told = seen;
    if (seen !== undefined) activities.tell(record.sessionId, seen);
  }

  #newKnown(record: RegistryRecord | undefined, pid: number, procStart: string, cwd: string): Known {
    return {
      record,
      pid,
      procStart,
      cwd,
      transcript: undefined,
      permissionMode: undefined,
      hooksHeard: false,
      told: undefined,
      firstSeen: this.#options.clock.now(),
    };
  }

  #modeAtStart(pid: number, session: string): Promise<string | undefined> {
    return modeAtStart({ processes: this.#options.processes, transcripts: this.#transcripts, pid, session });
  }

  async #publish(id: string, known: Known): Promise<void> {
    const { record } = known;
    const settings = await viewSettings(this.#options.configDir, known.cwd);
    const newEnough = atLeast(record?.version, INBOX_SOCKET_SINCE);
    const run = this.#options.managed?.of(id, known.pid)?.run;
    const choice = decideRung({
      newEnough,
      socketFault: newEnough ? await this.#faultOf(record) : undefined,
      permissionMode: known.permissionMode,
      headless: record !== undefined && isHeadless(record),
      ourStream: run?.runtime === 'headless',
      hooks: known.hooksHeard || settings.hooks,
      inbound: settings.inbound,
    });
    // It may have ended while we looked.
    if (this.#known.get(id) !== known || this.#stopped) return;
    const activity = this.#options.activities.fields(id);
    // Without an inbox nothing wakes it but its keyboard, which is ours.
    const typed = run?.runtime === 'terminal' && choice.rung === 'hooks' && activity.state === 'idle';
    const name = plainLine(record?.name, 120);
    this.#options.book.put({
      id,
      project: this.#options.projects.forDirectory(known.cwd).id,
      agent: this.name,
      ...(name === undefined ? {} : { name }),
      ...(known.pid === undefined ? {} : { pid: known.pid }),
      cwd: known.cwd,
      ...(record?.version === undefined ? {} : { agentVersion: record.version }),
      ...activity,
      startedAt: isoTime(record?.startedAt ?? known.firstSeen),
      managed: run !== undefined,
      ...(run?.mission === undefined ? {} : { mission: run.mission.id }),
      rung: typed ? 'typed' : choice.rung,
      ...(choice.rungNote === undefined ? {} : { rungNote: choice.rungNote }),
      ...(known.permissionMode === undefined ? {} : { permissionMode: known.permissionMode }),
    });
  }

  async #faultOf(record: RegistryRecord | undefined): Promise<string | undefined> {
    if (record?.messagingSocketPath === undefined) return 'the session did not open one';
    return socketFault(record.messagingSocketPath, this.#options.uid);
  }

  #end(id: string, reason: string): void {
    if (!this.#known.delete(id)) return;
    this.#options.book.end(id, reason);
    this.#options.activities.forget(id);
  }

  async #transcriptOf(session: string): Promise<string | undefined> {
    const known = this.#known.get(session);
    if (known?.transcript !== undefined) return known.transcript;
    const found = await findTranscript(this.#transcripts, session);
    if (known !== undefined && found !== undefined) known.transcript = found;
    return found;
  }
}
