/**
 * Tells the hub what changed, gathered: one report in REPORT_EVERY_MS at most.
 *
 * Invariants: nothing goes out while the hub is away, and afterwards only the newest; a new hub (or one that lost its memory) gets everything once more. A session is told while it lives, and
 * only if its tokens, its cost or a hundredth of its context changed.
 */
import { isoTime, type CancelTimer, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { MachineUsage, SessionUsage, UsageReport } from '../../protocol/attention.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { SessionBook } from '../ports.ts';
import type { SessionSum } from '../store/usage.ts';

const REPORT_EVERY_MS = 5_000;
/** At most 200 by the wire. */
const SESSIONS_PER_REPORT = 200;
const CONTEXT_STEP = 0.01;

export interface ReporterOptions {
  readonly book: SessionBook;
  readonly sessionSum: (session: string) => Promise<SessionSum | undefined>;
  readonly machine: (agent: string) => Promise<MachineUsage>;
  readonly isOnline: () => boolean;
  readonly send: (report: UsageReport) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class UsageReporter {
  readonly #options: ReporterOptions;
  readonly #sessions = new Set<string>();
  readonly #agents = new Set<string>();
  readonly #toldSessions = new Map<string, SessionUsage>();
  readonly #toldAgents = new Map<string, string>();
  #hubEpoch: string | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;
  #cancel: CancelTimer | undefined;
  #sending = false;
  #stopped = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** These sessions of this agent used something. */
  note(agent: string, sessions: readonly string[] = []): void {
    this.#agents.add(agent);
    for (const session of sessions) this.#sessions.add(session);
    this.#soon();
  }

  /** The hub took a hello. One of another epoch knows nothing. */
  greeted(epoch: string): void {
    if (epoch !== this.#hubEpoch) {
      this.#hubEpoch = epoch;
      for (const agent of this.#toldAgents.keys()) this.#agents.add(agent);
      for (const { id } of this.#options.book.list()) this.#sessions.add(id);
      this.#toldSessions.clear();
      this.#toldAgents.clear();
    }
    this.#soon();
  }

  forget(session: string): void {
    this.#toldSessions.delete(session);
    this.#sessions.delete(session);
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #soon(): void {
    const { clock, isOnline } = this.#options;
    if (this.#cancel !== undefined || this.#sending || this.#stopped || !isOnline()) return;
    if (this.#sessions.size === 0 && this.#agents.size === 0) return;
    const wait = Math.max(0, this.#sentAt + REPORT_EVERY_MS - clock.monotonic());
    this.#cancel = clock.after(wait, () => {
      this.#cancel = undefined;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const sessions = [...this.#sessions].slice(0, SESSIONS_PER_REPORT);
    const agents = [...this.#agents];
    this.#sending = true;
    this.#sentAt = this.#options.clock.monotonic();
    // What changes from here on is news again.
    for (const session of sessions) this.#sessions.delete(session);
    this.#agents.clear();
    try {
      const report = { sessions: await this.#changedSessions(sessions), machine: await this.#changedAgents(agents) };
      if (report.sessions.length > 0 || report.machine.length > 0) await this.#options.send(report);
      for (const one of report.sessions) this.#toldSessions.set(one.session, one);
      for (const one of report.machine) this.#toldAgents.set(one.agent, fingerprint(one));
    } catch (thrown) {
      for (const session of sessions) this.#sessions.add(session);
      for (const agent of agents) this.#agents.add(agent);
      this.#options.log.debug({ err: toIntercomError(thrown) }, 'the hub did not take what was used');
    } finally {
      this.#sending = false;
      this.#soon();
    }
  }

  async #changedSessions(ids: readonly string[]): Promise<SessionUsage[]> {
    const changed: SessionUsage[] = [];
    for (const id of ids) {
      const sum = this.#options.book.get(id) === undefined ? undefined : await this.#options.sessionSum(id);
      if (sum === undefined) continue;
      const usage = sessionUsage(sum);
      if (isNews(this.#toldSessions.get(id), usage)) changed.push(usage);
    }
    return changed;
  }

  async #changedAgents(agents: readonly string[]): Promise<MachineUsage[]> {
    const all = await Promise.all(agents.map((agent) => this.#options.machine(agent)));
    return all.filter((usage) => {
      const told = this.#toldAgents.get(usage.agent);
      // An agent that nobody uses here is not worth a word.
      return told === undefined ? !isNothing(usage) : told !== fingerprint(usage);
    });
  }
}

function sessionUsage(sum: SessionSum): SessionUsage {
  const { input, output, cacheRead, cacheWrite, context, window } = sum;
  return {
    session: sum.session,
    ...(sum.model === undefined ? {} : { model: sum.model }),
    // The last answer alone may reach over the end; the prompt that it answered did fit.
    ...(context === undefined ? {} : { contextTokens: window === undefined ? context : Math.min(context, window) }),
    ...(window === undefined ? {} : { contextWindow: window }),
    tokens: { input, output, cacheRead, cacheWrite },
    ...(sum.costUsd === undefined ? {} : { costUsd: sum.costUsd }),
    at: isoTime(sum.changedAt),
  };
}

function isNews(told: SessionUsage | undefined, now: SessionUsage): boolean {
  if (told === undefined) return true;
  const step = (now.contextWindow ?? 0) * CONTEXT_STEP;
  if (Math.abs((now.contextTokens ?? 0) - (told.contextTokens ?? 0)) >= Math.max(1, step)) return true;
  const rest = ({ tokens, costUsd, model, contextWindow }: SessionUsage) =>
    JSON.stringify([tokens, costUsd, model, contextWindow]);
  return rest(told) !== rest(now);
}

function isNothing({ block, week, scanning }: MachineUsage): boolean {
  return block === undefined && week === undefined && scanning === undefined;
}

/** Without the time, and without the edges of a week that slides. */
function fingerprint({ agent, block, week, scanning }: MachineUsage): string {
  return JSON.stringify([agent, block, week?.tokens, week?.costUsd, week?.usedPercent, scanning]);
}
