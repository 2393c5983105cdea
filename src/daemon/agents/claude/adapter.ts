/**
 * Claude Code on this machine: finds its sessions by its own registry folder, follows their state, and knows every way into them.
 *
 * Invariants: a session is in the book only while its process lives (pid and start time); what the registry says beats what hooks said; the
 * book is made again from the registry at each start, so nothing about sessions is stored.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isoTime } from '../../../platform/clock.ts';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import { readIfThere } from '../../../platform/files.ts';
import type { Log } from '../../../platform/log.ts';
import type { SessionWait } from '../../../protocol/attention.ts';
import type { Session, SessionState } from '../../../protocol/model.ts';
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
import type { ManagedLookup } from '../../sessions/managed.ts';
import type { ProcessTable } from '../process-table.ts';
import { readHook, readPermission, renderContext, renderPermission } from './hook-dialect.ts';
import { socketFault } from './inbox-socket.ts';
import { ClaudeInbox } from './inbox.ts';
import { atLeast, isHeadless, parseRecord, plainLine, stateOf } from './registry-record.ts';
import type { RegistryRecord } from './registry-record.ts';
import { decideRung, INBOX_SOCKET_SINCE } from './rung.ts';
import { viewSettings } from './settings-view.ts';
import { findTranscript, isTranscriptOf, lastPermissionMode, searchTranscript, watchTranscript } from './transcript.ts';

/** Events tell of changes at once; this finds what they missed, and processes that were killed. */
const RESCAN_MS = 3000;

export interface ClaudeAdapterOptions {
  /** `~/.claude`, or what CLAUDE_CONFIG_DIR says. */
  readonly configDir: string;
  readonly book: SessionBook;
  readonly projects: Projects;
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
  hookState: { readonly state: SessionState; readonly since: number } | undefined;
  readonly firstSeen: number;
}

export class ClaudeAdapter implements AgentAdapter, AgentPort {
  readonly name = 'claude';
  readonly #options: ClaudeAdapterOptions;
  readonly #known = new Map<string, Known>();
  readonly #inbox: ClaudeInbox;
  readonly #folder: string;
  readonly #transcripts: string;
  #watcher: FSWatcher | undefined;
  #cancelRescan: CancelTimer = () => undefined;
  #unsubscribe: Unsubscribe = () => undefined;
  #scanning: Promise<void> | undefined;
  #scanAgain = false;
  #stopped = false;

  constructor(options: ClaudeAdapterOptions) {
    this.#options = options;
    this.#folder = join(options.configDir, 'sessions');
    this.#transcripts = join(options.configDir, 'projects');
    this.#inbox = new ClaudeInbox({ pid: options.pid, uid: options.uid, log: options.log });
  }

  async start(): Promise<void> {
    await this.#scan();
    this.#cancelRescan = this.#options.clock.every(RESCAN_MS, () => void this.#scan());
    this.#unsubscribe = this.#options.managed?.onChange(() => void this.#scan()) ?? this.#unsubscribe;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRescan();
    this.#unsubscribe();
    this.#watcher?.close();
    await this.#scanning;
    await this.#inbox.close();
  }

  // ── the way in, and the proof ──────────────────────────────────────────────────────────────────────────────────────────

  async openInbox(session: Session): Promise<InboxChannel> {
    // The session may have changed under the same pid since its record was read.
    await this.#scan();
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
    if (facts.permissionMode !== undefined) known.permissionMode = facts.permissionMode;
    if (facts.transcript !== undefined && isTranscriptOf(facts.transcript, this.#transcripts, facts.session)) {
      known.transcript = facts.transcript;
    }
    const state = HOOK_STATES[facts.moment];
    if (state !== undefined) known.hookState = { state, since: this.#options.clock.now() };
    await this.#publish(facts.session, known);
    return this.#options.book.get(facts.session);
  }

  /** A session that the registry does not show (an older version, or the record comes in a moment). */
  async #adopt(facts: HookFacts, caller: Caller): Promise<Known | undefined> {
    await this.#scan();
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

  /** One scan at a time; a call during one makes another follow, and returns when that is done. */
  #scan(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    if (this.#scanning !== undefined) {
      this.#scanAgain = true;
      return this.#scanning;
    }
    this.#scanning = (async () => {
      try {
        for (let wanted = true; wanted; wanted = this.#wantsScan()) await this.#scanOnce();
      } catch (err) {
        this.#options.log.warn({ err }, 'reading the registry of Claude Code failed');
      } finally {
        this.#scanning = undefined;
      }
    })();
    return this.#scanning;
  }

  #wantsScan(): boolean {
    const wanted = this.#scanAgain && !this.#stopped;
    this.#scanAgain = false;
    return wanted;
  }

  async #scanOnce(): Promise<void> {
    // First the watch, then the look: what changes in between is not missed.
    this.#watch();
    const names = await readdir(this.#folder).catch(() => undefined);
    const present = new Set<string>();
    for (const name of names ?? []) {
      if (!/^\d+\.json$/.test(name)) continue;
      const record = parseRecord((await readIfThere(join(this.#folder, name)).catch(() => undefined)) ?? '');
      if (record === undefined) {
        for (const id of await this.#holders(Number.parseInt(name, 10))) present.add(id);
        continue;
      }
      if (`${record.pid}.json` !== name) continue;
      const start = await this.#options.processes.startOf(record.pid);
      if (start === undefined || (record.procStart !== undefined && record.procStart !== start)) continue;
      present.add(record.sessionId);
      await this.#seen(record, start);
    }
    for (const [id, known] of this.#known) {
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
    await this.#publish(record.sessionId, known);
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
      hookState: undefined,
      firstSeen: this.#options.clock.now(),
    };
  }

  /** Hooks tell the mode with the first prompt; before that the transcript of a resumed session or the command line does. */
  async #modeAtStart(pid: number, session: string): Promise<string | undefined> {
    const args = await this.#options.processes.argumentsOf(pid);
    if (args.includes('--dangerously-skip-permissions')) return 'bypassPermissions';
    const at = args.indexOf('--permission-mode');
    const given = at >= 0 ? args[at + 1] : args.find((arg) => arg.startsWith('--permission-mode='))?.split('=')[1];
    if (given !== undefined) return plainLine(given, 60);
    const transcript = await findTranscript(this.#transcripts, session);
    return transcript === undefined ? undefined : lastPermissionMode(transcript);
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
    const { state, since } = currentState(known);
    // Without an inbox nothing wakes it but its keyboard, which is ours.
    const typed = run?.runtime === 'terminal' && choice.rung === 'hooks' && state === 'idle';
    const name = plainLine(record?.name, 120);
    const waiting = state === 'waiting' ? waitOf(plainLine(record?.waitingFor, 500)) : undefined;
    this.#options.book.put({
      id,
      project: this.#options.projects.forDirectory(known.cwd).id,
      agent: this.name,
      ...(name === undefined ? {} : { name }),
      ...(known.pid === undefined ? {} : { pid: known.pid }),
      cwd: known.cwd,
      ...(record?.version === undefined ? {} : { agentVersion: record.version }),
      state,
      ...(waiting === undefined ? {} : { waiting }),
      stateSince: isoTime(since),
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
    if (this.#known.delete(id)) this.#options.book.end(id, reason);
  }

  async #transcriptOf(session: string): Promise<string | undefined> {
    const known = this.#known.get(session);
    if (known?.transcript !== undefined) return known.transcript;
    const found = await findTranscript(this.#transcripts, session);
    if (known !== undefined && found !== undefined) known.transcript = found;
    return found;
  }

  #watch(): void {
    if (this.#watcher !== undefined || this.#stopped) return;
    try {
      this.#watcher = watch(this.#folder, { persistent: false }, () => void this.#scan());
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch (err) {
      this.#options.log.debug(
        { err },
        'the registry of Claude Code cannot be watched now; it is read every few seconds',
      );
    }
  }
}

/** What the registry says that a session waits for ("permission prompt", "input needed"), without what is asked: hooks know that. */
function waitOf(words: string | undefined): SessionWait {
  const kind = words?.startsWith('permission') === true ? 'permission' : 'dialog';
  return { kind, what: words ?? 'its person' };
}

const HOOK_STATES: Readonly<Partial<Record<HookFacts['moment'], SessionState>>> = {
  session_start: 'idle',
  prompt: 'working',
  tool_done: 'working',
  turn_end: 'idle',
};

/** The registry's word, or the hooks' where the registry says none or spoke earlier. */
function currentState(known: Known): { readonly state: SessionState; readonly since: number } {
  const { record, hookState } = known;
  if (record?.status !== undefined) {
    return { state: stateOf(record), since: record.statusUpdatedAt ?? known.firstSeen };
  }
  return (
    hookState ?? { state: record === undefined ? 'unknown' : 'starting', since: record?.startedAt ?? known.firstSeen }
  );
}
