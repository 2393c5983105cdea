/**
 * Hand-outs that are written and not yet proven. For each, the agent's own record is watched; now and then, and when the session goes
 * idle or ends, it is searched. The outcome is told once per message: entered (with its proof) or lost (with the reason).
 *
 * Invariants: nothing is called lost while the agent may still have it in its queue, while its turn goes on, or while the record cannot be
 * read; a held message is lost only with its session.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import type { SessionBook } from '../ports.ts';
import type { AgentPort, ProofSearch } from './agent-port.ts';

/** Ways in which we write to the agent ourselves: its own inbox, its app-server, the input of a headless one, the keyboard of a terminal of ours. */
export const CHANNEL_RUNGS = ['inbox_socket', 'app_server', 'stream', 'typed'] as const;
export type ChannelRung = (typeof CHANNEL_RUNGS)[number];
export type Rung = ChannelRung | 'hooks' | 'pull' | 'answer';

export function isChannel(rung: string | undefined): rung is ChannelRung {
  return CHANNEL_RUNGS.some((one) => one === rung);
}

/** The first search without any sign of the message; doubled each time up to LONGEST_MS. */
const FIRST_MS = 3000;
const LONGEST_MS = 60_000;
/** After a sign (the hook printed, the turn ended) the record follows within a moment: the next search, doubled from there. */
const SOON_MS = 250;
/** A hook prints and ends within its own time-out; a tool call's result is in the record soon after. */
const HOOK_LEASE_MS = 12_000;
const PULL_LEASE_MS = 60_000;

const TAKEN: Readonly<Record<ChannelRung, string>> = {
  inbox_socket: 'the agent took it from its inbox socket',
  app_server: 'the agent took it from its app-server',
  stream: 'the agent took it from its input',
  typed: 'it was typed, and the agent took it',
};

export interface HandOut {
  readonly id: string;
  readonly rung: Rung;
  readonly session: string | undefined;
  readonly messageIds: readonly string[];
  /** Taken up from the store after a restart: whether its answer ever reached the caller is not known. */
  readonly resumed?: boolean;
}

export interface ProofOutcomes {
  entered(messageId: string, session: string | undefined, proof: string): Promise<void>;
  /** `untried`: it is certain that the agent never had it. */
  lost(messageId: string, reason: string, untried: boolean): Promise<void>;
  /** Nothing of this hand-out is open any more. */
  settled(handOut: HandOut): void;
}

interface Tracked {
  readonly handOut: HandOut;
  readonly open: Set<string>;
  readonly since: number;
  /** What the agent's hook said after printing; proof enough only where the record cannot be read. */
  printed: string | undefined;
  held: boolean;
  checking: boolean;
  cancel: CancelTimer;
  unwatch: () => void;
}

export class ProofDesk {
  readonly #tracked = new Map<string, Tracked>();
  readonly #options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly book: SessionBook;
    readonly ports: readonly AgentPort[];
    readonly outcomes: ProofOutcomes;
  };

  constructor(options: {
    readonly clock: Clock;
    readonly log: Log;
    readonly book: SessionBook;
    readonly ports: readonly AgentPort[];
    readonly outcomes: ProofOutcomes;
  }) {
    this.#options = options;
  }

  track(handOut: HandOut): void {
    const tracked: Tracked = {
      handOut,
      open: new Set(handOut.messageIds),
      since: this.#options.clock.monotonic(),
      printed: undefined,
      held: false,
      checking: false,
      cancel: () => undefined,
      unwatch: () => undefined,
    };
    this.#tracked.set(handOut.id, tracked);
    const session = handOut.session;
    if (session !== undefined && (isChannel(handOut.rung) || handOut.rung === 'hooks')) {
      const stops = this.#portsOf(session).map((port) =>
        port.watchProof(session, handOut.messageIds, (id, proof) => void this.entered(id, proof, session)),
      );
      tracked.unwatch = () => {
        for (const stop of stops) stop();
      };
    }
    this.#schedule(tracked, FIRST_MS);
  }

  /** The hand-out that a message is in, if it is unproven. */
  of(messageId: string): HandOut | undefined {
    return this.#find(messageId)?.handOut;
  }

  openIn(session: string, by: 'channel' | 'hooks'): readonly HandOut[] {
    return [...this.#tracked.values()]
      .filter(({ handOut, held }) => handOut.session === session && !held)
      .filter(({ handOut }) => (by === 'hooks' ? handOut.rung === 'hooks' : isChannel(handOut.rung)))
      .map(({ handOut }) => handOut);
  }

  /** Messages on their way into this session. */
  openCount(session: string): number {
    let count = 0;
    for (const { handOut, open } of this.#tracked.values()) if (handOut.session === session) count += open.size;
    return count;
  }

  /** The oldest pulled hand-out of this caller whose answer a restart cut off, as far as it is open. */
  cutOff(session: string | undefined): HandOut | undefined {
    for (const { handOut, open } of this.#tracked.values()) {
      if (handOut.resumed !== true || handOut.rung !== 'pull' || handOut.session !== session) continue;
      return { ...handOut, messageIds: handOut.messageIds.filter((id) => open.has(id)) };
    }
    return undefined;
  }

  /** Hand-outs that the agent's person has to let in first. */
  held(session: string): readonly HandOut[] {
    return [...this.#tracked.values()]
      .filter(({ handOut, held }) => held && handOut.session === session)
      .map(({ handOut }) => handOut);
  }

  get(handOutId: string): HandOut | undefined {
    return this.#tracked.get(handOutId)?.handOut;
  }

  hold(handOutId: string): void {
    const tracked = this.#tracked.get(handOutId);
    if (tracked !== undefined) tracked.held = true;
  }

  /** The hook said that it printed the hand-out: its record must show soon. */
  printed(handOutId: string, proof: string): void {
    const tracked = this.#tracked.get(handOutId);
    if (tracked === undefined) return;
    tracked.printed = proof;
    void this.check(handOutId);
  }

  /** Also told of messages that are given up as lost already: a late proof still counts. */
  async entered(messageId: string, proof: string, session?: string): Promise<void> {
    const tracked = this.#find(messageId);
    tracked?.open.delete(messageId);
    await this.#options.outcomes.entered(messageId, tracked?.handOut.session ?? session, proof);
    if (tracked !== undefined) this.#settle(tracked);
  }

  async lost(messageId: string, reason: string, untried = false): Promise<void> {
    const tracked = this.#find(messageId);
    if (tracked === undefined) return;
    tracked.open.delete(messageId);
    await this.#options.outcomes.lost(messageId, reason, untried);
    this.#settle(tracked);
  }

  /** No longer of interest: it ended in another way. */
  forget(messageId: string): void {
    const tracked = this.#find(messageId);
    if (tracked === undefined) return;
    tracked.open.delete(messageId);
    this.#settle(tracked);
  }

  /** Something happened in the session after which the record is worth a look. */
  checkSession(session: string): void {
    for (const tracked of this.#tracked.values()) {
      if (tracked.handOut.session === session) void this.check(tracked.handOut.id);
    }
  }

  /** Looks now, because of a sign. */
  check(handOutId: string): Promise<void> {
    return this.#check(handOutId, SOON_MS);
  }

  async #check(handOutId: string, nextMs: number): Promise<void> {
    const tracked = this.#tracked.get(handOutId);
    if (tracked === undefined || tracked.checking) return;
    tracked.checking = true;
    try {
      const search = await this.#search(tracked);
      for (const id of [...tracked.open]) {
        const proof = search.entered.get(id);
        if (proof !== undefined) await this.entered(id, proof);
      }
      if (tracked.open.size > 0) await this.#judge(tracked, search);
    } catch (err) {
      this.#options.log.warn({ err }, 'looking for the proof of a delivery failed');
    } finally {
      tracked.checking = false;
    }
    if (this.#tracked.has(handOutId)) {
      this.#schedule(tracked, Math.min(nextMs, LONGEST_MS));
    }
  }

  stop(): void {
    for (const tracked of this.#tracked.values()) {
      tracked.cancel();
      tracked.unwatch();
    }
    this.#tracked.clear();
  }

  /** Decides about what was not found. */
  async #judge(tracked: Tracked, search: ProofSearch): Promise<void> {
    const { handOut } = tracked;
    const session = handOut.session === undefined ? undefined : this.#options.book.get(handOut.session);
    const age = this.#options.clock.monotonic() - tracked.since;
    // After a restart, a session without an adapter is known again only once it speaks.
    const maySpeakAgain = handOut.resumed === true && handOut.rung === 'pull' && age < PULL_LEASE_MS;
    const ended = handOut.session !== undefined && session === undefined && !maySpeakAgain;
    if (!search.readable) {
      if (tracked.printed !== undefined) {
        const proof = tracked.printed;
        for (const id of [...tracked.open]) await this.entered(id, proof);
      }
      return;
    }
    for (const id of [...tracked.open]) {
      if (ended) await this.lost(id, 'the session ended before the message entered its conversation');
      else if (tracked.held || search.queued.has(id)) continue;
      else if (isChannel(handOut.rung)) {
        if (session?.state === 'idle' && age >= FIRST_MS)
          await this.lost(id, `${TAKEN[handOut.rung]} and never showed it`);
      } else if (age >= (handOut.rung === 'hooks' ? HOOK_LEASE_MS : PULL_LEASE_MS)) {
        await this.lost(id, 'it was handed out and the agent’s record does not show it');
      }
    }
  }

  async #search(tracked: Tracked): Promise<ProofSearch> {
    const { session, rung } = tracked.handOut;
    const none: ProofSearch = { readable: true, entered: new Map(), queued: new Set() };
    if (session === undefined) return none;
    let all = none;
    for (const port of this.#portsOf(session)) {
      const one = await port.findProof(session, [...tracked.open], rung === 'pull' || rung === 'answer');
      all = {
        readable: all.readable && one.readable,
        entered: new Map([...all.entered, ...one.entered]),
        queued: new Set([...all.queued, ...one.queued]),
      };
    }
    return all;
  }

  #portsOf(session: string): readonly AgentPort[] {
    const agent = this.#options.book.get(session)?.agent;
    return agent === undefined ? this.#options.ports : this.#options.ports.filter((port) => port.name === agent);
  }

  #find(messageId: string): Tracked | undefined {
    for (const tracked of this.#tracked.values()) if (tracked.open.has(messageId)) return tracked;
    return undefined;
  }

  #settle(tracked: Tracked): void {
    if (tracked.open.size > 0 || !this.#tracked.delete(tracked.handOut.id)) return;
    tracked.cancel();
    tracked.unwatch();
    this.#options.outcomes.settled(tracked.handOut);
  }

  #schedule(tracked: Tracked, ms: number): void {
    tracked.cancel();
    tracked.cancel = this.#options.clock.after(ms, () => void this.#check(tracked.handOut.id, ms * 2));
  }
}
