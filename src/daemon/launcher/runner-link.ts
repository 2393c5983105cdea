/**
 * The daemon's connection to one runner: its journal read from the beginning, in order, without a hole; its hooks answered; its screen known.
 *
 * Invariants: every entry is fed to the fold exactly once per daemon, also those that were folded by a daemon before (the fold needs them; who
 * listens knows by the number what is new). A lost connection is made again as long as the runner's process lives; when it is gone the rest is
 * read from its files, and only then it counts as gone.
 */
import { WebSocket, type RawData } from 'ws';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import {
  JOURNAL_ENTRY_MAX,
  RunnerFrame,
  type DaemonFrame,
  type JournalEntry,
  type RunnerRecord,
  type ScreenState,
  type TypingOutcome,
} from '../../protocol/runner-api.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import type { AgentEvent, AgentProgram, JournalFold } from '../agents/program.ts';
import type { ManagedSession, ManagedSessions } from '../sessions/managed.ts';
import { lives } from './reap.ts';
import type { RunnerFiles } from './runner-files.ts';

const RECONNECT_FIRST_MS = 50;
const RECONNECT_LONGEST_MS = 2_000;
const REPLY_MS = 15_000;
const HOOK_BODIES_MAX = 64;
/** An entry as JSON can be six times its text, and stands in a frame. */
const FRAME_MAX = 6 * JOURNAL_ENTRY_MAX + 64 * 1024;

export type RunnerRequest =
  | Omit<Extract<DaemonFrame, { frame: 'write' }>, 'request'>
  | Omit<Extract<DaemonFrame, { frame: 'type' }>, 'request'>
  | Omit<Extract<DaemonFrame, { frame: 'answer' }>, 'request'>
  | Omit<Extract<DaemonFrame, { frame: 'look' }>, 'request'>;
export type RunnerReply = Pick<Extract<RunnerFrame, { frame: 'reply' }>, 'outcome' | 'lines' | 'state' | 'problem'>;

export interface RunnerListener {
  /** One journal entry, and what it means. `caughtUp`: nothing older is known to be on its way. */
  entry(entry: JournalEntry, events: readonly AgentEvent[], caughtUp: boolean): void;
  /** The record changed, or its screen: a sign of life. */
  alive(): void;
  /** The runner's process is gone, and all that it wrote was told. */
  gone(record: RunnerRecord): void;
}

export interface RunnerLinkOptions {
  readonly record: RunnerRecord;
  readonly program: AgentProgram;
  readonly agentVersion: string | undefined;
  readonly files: RunnerFiles;
  readonly managed: ManagedSessions;
  readonly processes: ProcessTable;
  readonly listener: RunnerListener;
  readonly clock: Clock;
  readonly log: Log;
}

export class RunnerLink {
  readonly #options: RunnerLinkOptions;
  readonly #fold: JournalFold;
  readonly #session: ManagedSession;
  readonly #replies = new Map<number, (reply: RunnerReply) => void>();
  readonly #hooks = new Map<number, AbortController>();
  /** Payloads of the newest hooks: the call that waits for an answer names its entry. */
  readonly #hookBodies = new Map<number, string>();
  #record: RunnerRecord;
  #socket: WebSocket | undefined;
  #screen: ScreenState | undefined;
  #seq = 0;
  #target = 0;
  #requests = 0;
  #failures = 0;
  #started = false;
  #over = false;
  #closed = false;
  #isDone = false;
  #cancelRetry: CancelTimer = () => undefined;
  /** Frames that must not get lost while there is no connection: how it is to end. */
  #pendingStop: Extract<DaemonFrame, { frame: 'stop' }> | undefined;

  constructor(options: RunnerLinkOptions) {
    this.#options = options;
    const { record, program } = options;
    this.#record = record;
    this.#fold = program.fold(record.runtime);
    this.#session = options.managed.attach({
      runner: record.id,
      program,
      runtime: record.runtime,
      cwd: record.cwd,
      pid: record.agentProcess?.pid,
      session: record.session,
      mission: record.mission,
      attended: record.attended,
      startedAt: record.startedAt,
      agentVersion: options.agentVersion,
      channel: {
        write: async (line) => {
          const reply = await this.ask({ frame: 'write', line });
          if (reply.problem !== undefined)
            throw new IntercomError('failed', reply.problem, { next: 'It is tried again.' });
        },
        type: (text) => this.#outcome({ frame: 'type', text }),
        answer: (answer) => this.#outcome({ frame: 'answer', ...answer }),
      },
    });
    this.#noteProcess();
  }

  get record(): RunnerRecord {
    return this.#record;
  }

  get screen(): ScreenState | undefined {
    return this.#screen;
  }

  /** The agent's session, once it is known. */
  get session(): string | undefined {
    return this.#session.id ?? this.#record.session;
  }

  /** Messages that wait for the agent to read them. */
  get undelivered(): number {
    return this.#session.undelivered();
  }

  get program(): AgentProgram {
    return this.#options.program;
  }

  connect(): void {
    if (this.#closed) return;
    const { socket: path, key } = this.#record;
    const socket = new WebSocket(`ws+unix://${path}:/control`, {
      headers: { authorization: `Bearer ${key}` },
      perMessageDeflate: false,
      maxPayload: FRAME_MAX,
      handshakeTimeout: 5_000,
    });
    this.#socket = socket;
    socket.on('open', () => {
      this.#failures = 0;
      this.#send({ frame: 'hello', after: this.#seq });
      if (this.#pendingStop !== undefined) this.#send(this.#pendingStop);
      if (this.#isDone) this.#send({ frame: 'done' });
    });
    socket.on('message', (data) => this.#message(data));
    socket.on('error', (error) =>
      this.#options.log.debug({ err: error, runner: this.#record.id }, 'runner connection'),
    );
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      for (const reply of this.#replies.values()) reply({ problem: 'The connection to the runner was lost.' });
      this.#replies.clear();
      void this.#lost();
    });
  }

  /** Resolves with the runner's answer; a lost connection or silence is a `problem`. */
  ask(request: RunnerRequest): Promise<RunnerReply> {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return Promise.resolve({ problem: 'The runner is not connected now.' });
    }
    this.#requests += 1;
    const number = this.#requests;
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(REPLY_MS, () =>
        settle({ problem: 'The runner did not answer in time.' }),
      );
      const settle = (reply: RunnerReply): void => {
        cancel();
        this.#replies.delete(number);
        resolve(reply);
      };
      this.#replies.set(number, settle);
      this.#send({ ...request, request: number });
    });
  }

  async #outcome(request: RunnerRequest): Promise<TypingOutcome> {
    const { outcome, problem } = await this.ask(request);
    if (outcome !== undefined) return outcome;
    throw new IntercomError('failed', problem ?? 'The runner did not say what came of it.', {
      next: 'It is tried again.',
    });
  }

  type(text: string): Promise<TypingOutcome | undefined> {
    return this.ask({ frame: 'type', text }).then(({ outcome }) => outcome);
  }

  interrupt(): void {
    this.#send({ frame: 'interrupt' });
  }

  /** Ends the agent: said again after each reconnection until it has ended. */
  stop(graceMs: number): void {
    this.#pendingStop = { frame: 'stop', graceMs };
    this.#send(this.#pendingStop);
  }

  /** Everything was taken; the runner may go. Said again after each reconnection. */
  done(): void {
    this.#isDone = true;
    this.#send({ frame: 'done' });
  }

  /** The daemon stops: the runner goes on. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry();
    // What was said last still goes out.
    if (this.#isDone) this.#socket?.close();
    else this.#socket?.terminate();
  }

  // ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #send(frame: DaemonFrame): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #message(data: RawData): void {
    const frame = RunnerFrame.safeParse(parsed(data));
    if (!frame.success) {
      this.#options.log.warn({ err: frame.error, runner: this.#record.id }, 'a frame of a runner cannot be read');
      return;
    }
    this.#frame(frame.data);
  }

  #frame(frame: RunnerFrame): void {
    switch (frame.frame) {
      case 'hello':
        this.#record = frame.record;
        this.#target = Math.max(this.#target, frame.journalSeq);
        this.#noteProcess();
        this.#options.listener.alive();
        return;
      case 'journal':
        this.#entry(frame.entry);
        return;
      case 'hook':
        void this.#hook(frame);
        return;
      case 'hook_gone':
        this.#hooks.get(frame.call)?.abort();
        return;
      case 'hook_printed':
        this.#session.printed(frame.offer);
        return;
      case 'screen':
        this.#screen = frame.state;
        this.#session.screen(frame.state);
        this.#options.listener.alive();
        return;
      case 'reply':
        this.#replies.get(frame.request)?.(frame);
        return;
    }
  }

  #entry(entry: JournalEntry): void {
    if (entry.seq <= this.#seq || this.#over) return;
    this.#seq = entry.seq;
    let events: AgentEvent[] = [];
    try {
      events = this.#fold.feed(entry);
    } catch (error) {
      this.#options.log.warn(
        { err: error, runner: this.#record.id, seq: entry.seq },
        'an entry could not be understood',
      );
    }
    for (const event of events) this.#session.event(event);
    if (entry.kind === 'hook') this.#remember(entry);
    if (entry.kind === 'exit') this.#end('the agent has ended');
    this.#options.listener.entry(entry, events, entry.seq >= this.#target);
  }

  #remember({ seq, text }: JournalEntry): void {
    this.#hookBodies.set(seq, text);
    const oldest = this.#hookBodies.keys().next().value;
    if (this.#hookBodies.size > HOOK_BODIES_MAX && oldest !== undefined) this.#hookBodies.delete(oldest);
  }

  async #hook(frame: Extract<RunnerFrame, { frame: 'hook' }>): Promise<void> {
    const gone = new AbortController();
    this.#hooks.set(frame.call, gone);
    try {
      const body = this.#hookBodies.get(frame.seq) ?? '';
      const key = `${this.#record.id}:${frame.seq}`;
      const answer = await this.#session.hook({ key, event: frame.event, body, signal: gone.signal });
      if (gone.signal.aborted) return;
      const offer = answer.offer === undefined ? {} : { offer: answer.offer };
      this.#send({ frame: 'hook_answer', call: frame.call, text: answer.text, ...offer });
    } catch (error) {
      this.#options.log.warn({ err: toIntercomError(error), event: frame.event }, 'a hook of a managed session failed');
      this.#send({ frame: 'hook_answer', call: frame.call, text: '' });
    } finally {
      this.#hooks.delete(frame.call);
    }
  }

  async #lost(): Promise<void> {
    if (this.#closed) return;
    const { files, processes, clock } = this.#options;
    if (await lives(this.#record.runner, processes)) {
      const delay = Math.min(RECONNECT_LONGEST_MS, RECONNECT_FIRST_MS * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      this.#cancelRetry = clock.after(delay, () => this.connect());
      return;
    }
    // Nothing counts as the newest before all of it was read.
    this.#target = Infinity;
    for await (const entry of files.journal(this.#record.id, this.#seq)) this.#entry(entry);
    this.#record = (await files.record(this.#record.id)) ?? this.#record;
    this.#end('its runner is gone');
    this.#options.listener.gone(this.#record);
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    for (const hook of this.#hooks.values()) hook.abort();
    this.#session.end(reason);
  }

  #noteProcess(): void {
    const pid = this.#record.agentProcess?.pid;
    if (pid === undefined || this.#started) return;
    this.#started = true;
    this.#session.started(pid);
  }
}

function parsed(data: RawData): unknown {
  try {
    return JSON.parse(Buffer.isBuffer(data) ? data.toString('utf8') : '');
  } catch {
    return undefined;
  }
}
