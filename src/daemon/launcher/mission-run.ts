/**
 * One run of a mission while a process of it lives: what its runner tells becomes states and news, and it is ended when it is done, over a limit,
 * or told to.
 *
 * Invariants: a batch of journal entries and all that follows from it are one transaction; how a run will end is stored before its process is told
 * to; a run ends exactly once; a process that does not go is killed with its group.
 */
import type { LauncherConfig } from '../../config/launcher.ts';
import { isoTime, type CancelTimer, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { Inspection } from '../../protocol/mission.ts';
import type { JournalEntry, RunnerRecord } from '../../protocol/runner-api.ts';
import type { ProcessTable } from '../agents/process-table.ts';
import type { AgentEvent } from '../agents/program.ts';
import type { AgentServers } from './agents.ts';
import type { Ending, MissionChange, MissionRow, NewLogEntry, StopWish, WorktreeFacts } from '../store/mission-rows.ts';
import type { Missions } from '../store/missions.ts';
import { JournalQueue, pause, type Told } from './journal-queue.ts';
import { limitsOf, overLimit, resumeTime } from './limits.ts';
import { logEntry, note } from './log-entries.ts';
import { GO_ON } from './prompt.ts';
import { killAgent, killProcess } from './reap.ts';
import { endingOf, resultOf } from './results.ts';
import { endingAt, endingWithoutRunner, outcomeOf, parsedExit, type KnownAtEnd } from './run-ends.ts';
import { RunRow } from './run-row.ts';
import { RunnerLink, type RunnerLinkOptions } from './runner-link.ts';
import { movedBy, Tally } from './tally.ts';
import { removeWorktree } from './worktree.ts';
import { worktreeAtEnd } from './worktree-end.ts';

/** What an agent has to end itself after it was told to. */
const GRACE_MS = 8_000;
/** After that, and the runner's own kill, it is ended from here. */
const FORCE_AFTER_MS = 10_000;
/** A headless agent whose work is done ends by itself where its input is closed; where it is open it is told to. */
const OWN_END_MS = 10_000;
const OPEN_INPUT_END_MS = 500;
const INTERRUPT_MS = 1_500;
/** While messages wait for its session a run that is done goes on; looked at this often, and not for ever. */
const MAIL_LOOK_MS = 1_000;
const MAIL_WAIT_MS = 120_000;
const SAY_AGAIN_MS = 30_000;
const SHOWN_MAX = 200;
/** What is told before the journal was read; more than a server tells in that time. */
const EARLY_MAX = 100;

export interface RunParts {
  readonly config: LauncherConfig;
  readonly missions: Missions;
  readonly processes: ProcessTable;
  readonly link: Pick<RunnerLinkOptions, 'files' | 'managed'>;
  readonly interrupt: AgentServers['interrupt'];
  readonly clock: Clock;
  readonly log: Log;
  /** It holds no place any more. */
  readonly onFree: (run: MissionRun) => void;
  /** No process of it lives any more; its runner may be collected. */
  readonly onGone: (run: MissionRun) => void;
}

export class MissionRun {
  readonly #parts: RunParts;
  readonly #link: RunnerLink;
  readonly #stored: RunRow;
  readonly #tally = new Tally();
  readonly #journal: JournalQueue;
  readonly #shown: string[] = [];
  readonly #early: AgentEvent[] = [];
  #caughtUp = false;
  #stopped = false;
  #free = false;
  #gone = false;
  #ending: Ending | undefined;
  #told = false;
  #finishing = false;
  #removes: WorktreeFacts | undefined;
  #activity: number;
  #mailSince: number | undefined;
  #sayAt: number | undefined;
  #cancelForce: CancelTimer = () => undefined;
  #cancelMail: CancelTimer = () => undefined;

  constructor(
    parts: RunParts,
    row: MissionRow,
    runner: Pick<RunnerLinkOptions, 'record' | 'program' | 'agentVersion'>,
  ) {
    this.#parts = parts;
    this.#stored = new RunRow(parts, row);
    this.#free = row.over;
    this.#ending = row.facts.ending;
    this.#activity = parts.clock.monotonic();
    this.#journal = new JournalQueue({
      clock: parts.clock,
      take: (batch) => this.#take(batch),
      onFailure: (error) =>
        parts.log.warn({ err: error, mission: row.id }, 'what an agent did could not be stored; it is tried again'),
    });
    this.#link = new RunnerLink({
      ...runner,
      ...parts.link,
      processes: parts.processes,
      clock: parts.clock,
      log: parts.log,
      listener: {
        entry: (entry, events, caughtUp) => this.#heard(entry, events, caughtUp),
        alive: () => this.#alive(),
        gone: (record) => this.#do(() => this.#runnerGone(record)),
      },
    });
  }

  get row(): MissionRow {
    return this.#stored.now;
  }

  get #row(): MissionRow {
    return this.#stored.now;
  }

  get link(): RunnerLink {
    return this.#link;
  }

  /** It counts for the caps. */
  get holdsPlace(): boolean {
    return !this.#free;
  }

  /** Connects to the runner. A run that was to be ended by a daemon before is. */
  begin(): void {
    this.#link.connect();
    if (this.#ending !== undefined && !this.#row.over) this.#endProcess();
  }

  /** The daemon stops; the runner goes on. */
  close(): void {
    this.#stopped = true;
    this.#stored.stop();
    this.#journal.stop();
    this.#cancelForce();
    this.#cancelMail();
    this.#link.close();
  }

  /** Cancel or pause. */
  async stop(wish: StopWish): Promise<void> {
    if (this.#row.over) {
      // Its terminal is only kept open.
      this.#endProcess();
      return;
    }
    const ending = endingOf(wish);
    if (wish.how === 'cancel') {
      await this.#end(ending);
      return;
    }
    const { program } = this.#link;
    const session = this.#row.session ?? this.#link.session;
    if (!program.canResume || session === undefined) {
      const what = program.canResume ? 'has not told its session yet' : 'cannot go on with a conversation';
      const reason = `${program.displayName} ${what}, so it is not paused. Cancel it instead, or let it work.`;
      await this.#stored.change({ stopDone: true, log: [note(this.#now(), reason)], report: { reason } });
      return;
    }
    if (this.#ending !== undefined || this.#gone) return;
    // Some end at an interrupt: how it ends is decided before.
    await this.#decide(ending);
    if (!(await this.#parts.interrupt(session))) this.#link.interrupt();
    await pause(this.#parts.clock, INTERRUPT_MS);
    this.#endProcess();
  }

  /** What stands in no journal, as it happens. It comes after all that the journal has told so far. */
  told(event: AgentEvent): void {
    if (this.#row.over || this.#gone) return;
    if (this.#caughtUp) this.#live(event);
    else if (this.#early.length < EARLY_MAX) this.#early.push(event);
  }

  /** The limits, and what waits for a time; called every second or so. */
  check(): void {
    const { clock, config } = this.#parts;
    const row = this.#row;
    const now = clock.now();
    if (row.over) {
      // Whoever works in it keeps it open.
      const unused = clock.monotonic() - this.#activity >= config.keepOpenSeconds * 1000;
      if (unused && now >= (row.facts.keptUntil ?? now)) this.#endProcess();
      return;
    }
    if (this.#ending !== undefined || this.#gone) return;
    const limits = limitsOf(config, row.item.spec.limits);
    const ending = overLimit(row, this.#tally, limits, now, clock.monotonic() - this.#activity);
    if (ending !== undefined) this.#do(() => this.#end(ending));
    else if (row.state === 'rate_limited') this.#maybeGoOn(now);
  }

  async inspect(lines: number): Promise<Inspection> {
    const session = this.#link.session ?? this.#row.session ?? 'unknown';
    const shown =
      this.#link.record.runtime === 'terminal' ? (await this.#link.ask({ frame: 'look', lines })).lines : undefined;
    const all = shown ?? this.#shown;
    return {
      session,
      state: this.#row.over ? `${this.#row.state}, its terminal is still open` : this.#row.state,
      at: this.#now(),
      lines: all.slice(-lines).map((line) => line.slice(0, 2000)),
    };
  }

  // ── what the runner tells ──────────────────────────────────────────────────────────────────────────────────────────────

  #heard(entry: JournalEntry, events: readonly AgentEvent[], caughtUp: boolean): void {
    this.#note(events, entry.at);
    this.#journal.push({ entry, at: entry.at, events });
    if (!caughtUp) return;
    this.#caughtUp = true;
    for (const event of this.#early.splice(0)) this.#live(event);
  }

  #live(event: AgentEvent): void {
    const at = this.#now();
    this.#note([event], at);
    this.#journal.push({ entry: undefined, at, events: [event] });
  }

  #note(events: readonly AgentEvent[], at: string): void {
    this.#activity = this.#parts.clock.monotonic();
    for (const event of events) {
      this.#tally.feed(event);
      const label = logEntry(event, at)?.label;
      if (label !== undefined && this.#shown.push(label) > SHOWN_MAX) this.#shown.shift();
    }
  }

  #alive(): void {
    this.#activity = this.#parts.clock.monotonic();
    if (this.#row.state === 'starting' && this.#link.record.agentProcess !== undefined && this.#journal.isEmpty) {
      this.#do(() => this.#stored.change({ from: ['starting'], to: 'running', ...this.#ownSession() }));
    }
  }

  /** An agent that tells no session has the one that we gave it: by that it is watched and spoken to. It is none to resume. */
  #ownSession(): MissionChange {
    const { session, program } = this.#link;
    if (session === undefined || program.canResume || this.#row.session !== undefined) return {};
    return { session, report: { session } };
  }

  async #take(batch: readonly Told[]): Promise<void> {
    const exit = batch.find(({ entry }) => entry?.kind === 'exit');
    const fresh = batch.filter((one) => one !== exit && (one.entry?.seq ?? Infinity) > this.#row.journalSeq);
    const seq = fresh.findLast(({ entry }) => entry !== undefined)?.entry?.seq;
    const { runner, over } = this.#row;
    // After the end its terminal may be spoken to, but that is no news of the mission.
    if (fresh.length > 0 && runner !== undefined && !over) {
      const moves = this.#movesOf(fresh.flatMap(({ events }) => events));
      const journal = seq === undefined ? {} : { journal: { runner, seq } };
      await this.#stored.change({ ...journal, log: fresh.flatMap(logOf), ...moves });
    }
    if (exit?.entry !== undefined) await this.#exited(parsedExit(exit.entry.text), exit);
    else if (this.#caughtUp) await this.#consider();
  }

  #movesOf(events: readonly AgentEvent[]): MissionChange {
    const session = events.findLast((event) => event.kind === 'session')?.session;
    const told = session === undefined || session === this.#row.session ? {} : { session };
    const moved = this.#ending === undefined ? movedBy(this.#row.state, events) : undefined;
    const resetAt = moved?.to === 'rate_limited' ? this.#resumeAt() : undefined;
    const { backoffs } = this.#row.facts;
    return {
      ...told,
      ...(moved === undefined ? {} : { to: moved.to, reason: moved.reason?.slice(0, 1000) }),
      ...(resetAt === undefined ? {} : { facts: { resumeAt: resetAt, backoffs: backoffs + 1 } }),
      ...(Object.keys(told).length === 0 && resetAt === undefined
        ? {}
        : { report: { ...told, ...(resetAt === undefined ? {} : { resetAt: isoTime(resetAt) }) } }),
    };
  }

  // ── done? ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #consider(): Promise<void> {
    if (this.#row.over || this.#ending !== undefined || !this.#tally.isDone || this.#gone) return;
    if (this.#link.undelivered > 0 && !this.#waitedForMail()) {
      this.#cancelMail();
      this.#cancelMail = this.#parts.clock.after(MAIL_LOOK_MS, () => this.#do(() => this.#consider()));
      return;
    }
    this.#mailSince = undefined;
    const ending = outcomeOf(this.#tally);
    if (this.#link.record.runtime === 'terminal') await this.#finish(ending, undefined, undefined);
    else {
      await this.#decide(ending);
      const ownEnd = this.#link.program.inputLine === undefined ? OWN_END_MS : OPEN_INPUT_END_MS;
      this.#cancelForce = this.#parts.clock.after(ownEnd, () => this.#endProcess());
    }
  }

  #waitedForMail(): boolean {
    const now = this.#parts.clock.monotonic();
    this.#mailSince ??= now;
    return now - this.#mailSince > MAIL_WAIT_MS;
  }

  async #exited(exit: NonNullable<RunnerRecord['exit']>, last: Told): Promise<void> {
    this.#gone = true;
    this.#cancelForce();
    this.#cancelMail();
    if (!this.#row.over) {
      const ending = this.#atEnd(exit, last);
      if (ending === undefined) await this.#rest(last);
      else await this.#finish(ending, exit, last);
    }
    this.#link.done();
    await this.#tidy();
    this.#leave();
  }

  /** Undefined: it only waits for the provider, and goes on in another process. */
  #atEnd(exit: NonNullable<RunnerRecord['exit']>, { events }: Told): Ending | undefined {
    const state = movedBy(this.#row.state, events)?.to ?? this.#row.state;
    const mayRest = this.#ending === undefined && this.#row.stop === undefined;
    return mayRest && state === 'rate_limited' && this.#tally.limited !== undefined
      ? undefined
      : endingAt(this.#known(exit));
  }

  async #runnerGone(record: RunnerRecord): Promise<void> {
    await this.#journal.settled();
    if (this.#stopped) return;
    if (!this.#gone) await killAgent(record, this.#parts.processes);
    if (this.#gone) {
      this.#leave();
      return;
    }
    this.#gone = true;
    this.#cancelForce();
    this.#cancelMail();
    if (!this.#row.over) await this.#finish(endingWithoutRunner(this.#known(record.exit)), record.exit, undefined);
    await this.#tidy();
    this.#leave();
  }

  #known(exit: RunnerRecord['exit']): KnownAtEnd {
    return { decided: this.#ending, stop: this.#row.stop, tally: this.#tally, exit };
  }

  // ── endings ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #end(ending: Ending): Promise<void> {
    if (this.#ending !== undefined || this.#row.over || this.#gone) return;
    await this.#decide(ending);
    this.#endProcess();
  }

  async #decide(ending: Ending): Promise<void> {
    this.#ending = ending;
    await this.#stored.changeSurely({ facts: { ending } });
  }

  #endProcess(): void {
    if (this.#told || this.#gone) return;
    this.#told = true;
    this.#link.stop(GRACE_MS);
    this.#cancelForce();
    this.#cancelForce = this.#parts.clock.after(GRACE_MS + FORCE_AFTER_MS, () => this.#do(() => this.#force()));
  }

  /** The runner itself does not do what it is told. */
  async #force(): Promise<void> {
    const { record } = this.#link;
    const { processes, log } = this.#parts;
    log.warn({ mission: this.#row.id, runner: record.id }, 'a runner did not end its agent; both are killed');
    await killAgent(record, processes);
    await killProcess(record.runner, processes);
  }

  async #finish(
    ending: { readonly state: Ending['state'] | 'lost'; readonly reason?: string | undefined },
    exit: RunnerRecord['exit'],
    last: Told | undefined,
  ): Promise<void> {
    if (this.#finishing) return;
    this.#finishing = true;
    const { clock, config, log } = this.#parts;
    const { report, removes } = await worktreeAtEnd(this.#row.facts.worktree, ending.state, config);
    const kept = this.#gone ? undefined : clock.now() + config.keepOpenSeconds * 1000;
    const result = resultOf(this.#row, this.#tally, { exit, byUs: this.#told, worktree: report }, clock.now());
    const change: MissionChange = {
      to: ending.state,
      reason: ending.reason,
      over: ending.state !== 'paused',
      stopDone: true,
      ...this.#lastEntry(last),
      facts: { ending: undefined, position: undefined, ...(kept === undefined ? {} : { keptUntil: kept }) },
      ...(ending.state === 'paused' ? {} : { report: { result } }),
    };
    await this.#stored.changeSurely(change);
    this.#ending = undefined;
    log.info({ mission: this.#row.id, run: this.#row.run, state: this.#row.state }, 'a mission is over');
    this.#setFree();
    this.#removes = removes;
  }

  /** The journal's end is taken with the final state, in one transaction. */
  #lastEntry(last: Told | undefined): Pick<MissionChange, 'journal' | 'log'> {
    const { runner, journalSeq } = this.#row;
    if (last?.entry === undefined || runner === undefined || last.entry.seq <= journalSeq) return {};
    return { journal: { runner, seq: last.entry.seq }, log: logOf(last) };
  }

  /** Nothing works in its worktree any more. */
  async #tidy(): Promise<void> {
    if (this.#removes !== undefined) await removeWorktree(this.#removes);
    this.#removes = undefined;
  }

  /** The provider refuses and the process is gone: the run waits for its time without one. */
  async #rest(last: Told): Promise<void> {
    const session = this.#row.session ?? this.#link.session;
    if (!this.#link.program.canResume || session === undefined) {
      const reason = `The model provider's limit ended the agent, and ${this.#link.program.displayName} cannot go on with a conversation.`;
      await this.#finish({ state: 'failed', reason }, undefined, last);
      return;
    }
    const resumeAt = this.#row.facts.resumeAt ?? this.#resumeAt();
    await this.#stored.changeSurely({
      ...this.#lastEntry(last),
      to: 'rate_limited',
      reason: this.#row.reason,
      facts: { goOnWith: session, resumeAt },
      report: { resetAt: isoTime(resumeAt) },
    });
    this.#setFree();
  }

  // ── a provider's limit ─────────────────────────────────────────────────────────────────────────────────────────────────

  #resumeAt(): number {
    return resumeTime(this.#tally.limited?.resetAt, this.#row.facts.backoffs, this.#parts.clock.now());
  }

  #maybeGoOn(now: number): void {
    const due = this.#sayAt ?? this.#row.facts.resumeAt ?? now;
    if (now < due || this.#gone) return;
    this.#sayAt = now + SAY_AGAIN_MS;
    this.#do(() => this.#sayGoOn());
  }

  async #sayGoOn(): Promise<void> {
    const { program, record } = this.#link;
    const line = record.runtime === 'headless' ? program.inputLine?.(GO_ON, `${record.id}-go-on`) : undefined;
    let said = false;
    if (record.runtime === 'terminal') said = (await this.#link.type(GO_ON)) === 'typed';
    else if (line !== undefined) said = (await this.#link.ask({ frame: 'write', line })).problem === undefined;
    if (!said) return;
    this.#sayAt = undefined;
    await this.#stored.change({
      from: ['rate_limited'],
      to: 'running',
      log: [note(this.#now(), 'Told to go on: the limit is over')],
    });
  }

  // ── within ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #do(work: () => Promise<void>): void {
    void work().catch((error: unknown) => {
      if (!this.#stopped) this.#parts.log.error({ err: error, mission: this.#row.id }, 'a mission could not go on');
    });
  }

  #setFree(): void {
    if (this.#free) return;
    this.#free = true;
    this.#parts.onFree(this);
  }

  #leave(): void {
    this.#setFree();
    this.#parts.onGone(this);
  }

  #now(): string {
    return isoTime(this.#parts.clock.now());
  }
}

function logOf({ at, events }: Told): NewLogEntry[] {
  return events.flatMap((event) => logEntry(event, at) ?? []);
}
