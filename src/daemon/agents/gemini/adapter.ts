/**
 * Gemini CLI on this machine: knows its sessions by the hooks of our extension and by the runners that own them, and every way into them.
 *
 * Invariants: a session is in the book only while its process lives (pid and start time); nothing about sessions is stored; a session that its person started
 * cannot be woken from outside, and that is said.
 */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { isoTime } from '../../../platform/clock.ts';
import type { CancelTimer, Clock } from '../../../platform/clock.ts';
import { modifiedAt } from '../../../platform/files.ts';
import { IntercomError } from '../../../protocol/errors.ts';
import type { MissionRuntime } from '../../../protocol/mission.ts';
import type { Session } from '../../../protocol/model.ts';
import type { AgentAdapter, Caller, Projects, SessionBook, Unsubscribe } from '../../ports.ts';
import type {
  AgentPort,
  HookFacts,
  InboxChannel,
  PermissionAnswer,
  PermissionAsk,
  ProofSearch,
} from '../../sessions/agent-port.ts';
import type { ActivityBook } from '../../sessions/activity/activity-book.ts';
import type { ManagedLookup } from '../../sessions/managed.ts';
import { readPermission, renderPermission } from '../acp/permission.ts';
import { hookSeen } from '../hook-deeds.ts';
import type { ProcessTable } from '../process-table.ts';
import { readHook, renderContext } from './hook-dialect.ts';
import { findRecord, isRecordOf, searchRecord } from './record.ts';

/** Finds processes that ended without a word. */
const RESCAN_MS = 3000;

export interface GeminiAdapterOptions {
  /** `.gemini` in GEMINI_CLI_HOME, or in HOME. */
  readonly configDir: string;
  readonly book: SessionBook;
  readonly projects: Projects;
  readonly activities: ActivityBook;
  readonly processes: ProcessTable;
  readonly clock: Clock;
  readonly managed?: ManagedLookup;
}

interface Known {
  readonly pid: number;
  readonly procStart: string;
  readonly cwd: string;
  readonly firstSeen: number;
  record: string | undefined;
}

export class GeminiAdapter implements AgentAdapter, AgentPort {
  readonly name = 'gemini';
  readonly #options: GeminiAdapterOptions;
  readonly #known = new Map<string, Known>();
  #cancelRescan: CancelTimer = () => undefined;
  readonly #unsubscribe: Unsubscribe[] = [];

  constructor(options: GeminiAdapterOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    this.#cancelRescan = this.#options.clock.every(RESCAN_MS, () => void this.#rescan());
    const { managed, activities } = this.#options;
    this.#unsubscribe.push(
      managed?.onChange(() => {
        for (const [id, known] of this.#known) this.#publish(id, known);
      }) ?? (() => undefined),
      activities.onChange((id) => {
        const known = this.#known.get(id);
        if (known !== undefined) this.#publish(id, known);
      }),
    );
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#cancelRescan();
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    return Promise.resolve();
  }

  // ── the way in, and the proof ──────────────────────────────────────────────────────────────────────────────────────────

  openInbox(): Promise<InboxChannel> {
    return Promise.reject(new IntercomError('failed', 'Gemini CLI has no inbox of its own.'));
  }

  onReceipt(): Unsubscribe {
    return () => undefined;
  }

  async findProof(session: string, messageIds: readonly string[], pull: boolean): Promise<ProofSearch> {
    return searchRecord(await this.#recordOf(session), messageIds, pull);
  }

  watchProof(
    session: string,
    messageIds: readonly string[],
    onProof: (messageId: string, proof: string) => void,
  ): Unsubscribe {
    let watcher: FSWatcher | undefined;
    let stopped = false;
    const look = async () => {
      const { entered } = await this.findProof(session, messageIds, false);
      if (!stopped) for (const [id, proof] of entered) onProof(id, proof);
    };
    void this.#recordOf(session).then((path) => {
      if (path === undefined || stopped) return;
      try {
        watcher = watch(path, { persistent: false }, () => void look());
        watcher.on('error', () => watcher?.close());
      } catch {
        // It was removed meanwhile; the next hook looks again.
      }
      return look();
    });
    return () => {
      stopped = true;
      watcher?.close();
    };
  }

  hooksHeard(session: string): boolean {
    return this.#known.has(session);
  }

  // ── hooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  readHook(event: string, payload: unknown): HookFacts | undefined {
    return readHook(event, payload);
  }

  renderContext(facts: HookFacts, text: string): string | undefined {
    return renderContext(facts, text);
  }

  /** Headless runs ask through the bridge; the dialog of a terminal is answered on its screen. */
  readPermission(event: string, payload: unknown): PermissionAsk | undefined {
    return readPermission(event, payload);
  }

  renderPermission(event: string, payload: unknown, answer: PermissionAnswer): string | undefined {
    return renderPermission(event, payload, answer);
  }

  async noteHook(facts: HookFacts, caller: Caller): Promise<Session | undefined> {
    if (facts.moment === 'session_end') {
      this.#end(facts.session, `Gemini CLI ended the session (${facts.reason ?? 'no reason given'}).`);
      return undefined;
    }
    const known = this.#known.get(facts.session) ?? (await this.#adopt(facts, caller));
    // A run behind the bridge is in the book by its runner, without hooks of Gemini's own.
    if (known === undefined) return this.#options.book.get(facts.session);
    if (facts.transcript !== undefined && isRecordOf(facts.transcript, this.#options.configDir, facts.session)) {
      known.record = facts.transcript;
    }
    const seen = hookSeen(facts, this.#options.clock.now());
    if (seen !== undefined) this.#options.activities.tell(facts.session, seen);
    this.#publish(facts.session, known);
    return this.#options.book.get(facts.session);
  }

  async grewAt(session: string): Promise<number | undefined> {
    const path = await this.#recordOf(session);
    return path === undefined ? undefined : modifiedAt(path);
  }

  async #adopt(facts: HookFacts, caller: Caller): Promise<Known | undefined> {
    const { clock, managed, processes } = this.#options;
    const pid = caller.pid ?? managed?.of(facts.session, undefined)?.run.pid;
    const procStart = pid === undefined ? undefined : await processes.startOf(pid);
    if (pid === undefined || procStart === undefined) return undefined;
    const told = this.#known.get(facts.session);
    if (told !== undefined) return told;
    for (const [id, other] of this.#known) {
      if (other.pid === pid) this.#end(id, 'Another session took its place in the same process.');
    }
    const now = clock.now();
    const known: Known = { pid, procStart, cwd: facts.cwd, firstSeen: now, record: undefined };
    this.#known.set(facts.session, known);
    // Our extension has a hook for the beginning of each tool.
    this.#options.activities.meet(facts.session, true);
    return known;
  }

  #publish(id: string, known: Known): void {
    const activity = this.#options.activities.fields(id);
    const run = this.#options.managed?.of(id, known.pid)?.run;
    this.#options.book.put({
      id,
      project: this.#options.projects.forDirectory(known.cwd).id,
      agent: this.name,
      pid: known.pid,
      cwd: known.cwd,
      ...activity,
      startedAt: isoTime(known.firstSeen),
      managed: run !== undefined,
      ...(run?.mission === undefined ? {} : { mission: run.mission.id }),
      ...(run?.agentVersion === undefined ? {} : { agentVersion: run.agentVersion }),
      ...this.#rungOf(activity.state, run?.runtime),
    });
  }

  /** Working, its hooks bring mail with the next tool or at the turn's end; idle, only typing wakes it. */
  #rungOf(state: Session['state'], runtime: MissionRuntime | undefined): Pick<Session, 'rung' | 'rungNote'> {
    if (runtime === 'headless') return { rung: 'stream' };
    if (runtime === 'terminal') return { rung: state === 'idle' ? 'typed' : 'hooks' };
    return {
      rung: 'hooks',
      rungNote:
        'While Gemini CLI is idle nothing outside can wake it: mail comes when it is asked something next. "intercom run gemini" starts one that can be woken.',
    };
  }

  async #rescan(): Promise<void> {
    for (const [id, known] of this.#known) {
      if ((await this.#options.processes.startOf(known.pid)) !== known.procStart) this.#end(id, 'Its process ended.');
    }
  }

  #end(id: string, reason: string): void {
    if (!this.#known.delete(id)) return;
    this.#options.book.end(id, reason);
    this.#options.activities.forget(id);
  }

  async #recordOf(session: string): Promise<string | undefined> {
    const known = this.#known.get(session);
    if (known?.record !== undefined) return known.record;
    const found = await findRecord(this.#options.configDir, session);
    if (known !== undefined) known.record = found;
    return found;
  }
}
