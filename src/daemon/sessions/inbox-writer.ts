/**
 * Writes hand-outs into agents' own inboxes: per session one at a time, what arrives close together as one, inside the agent's rate limit.
 *
 * Order of one hand-out: open the way in (nothing is written) → claim → `written` in the store → track for proof → send. So a failure to open
 * leaves no trace, and a crash at any later point leaves something that is looked for before it is tried again.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { Session } from '../../protocol/model.ts';
import { NotSent } from './agent-port.ts';
import type { InboxChannel } from './agent-port.ts';
import { senderName } from './frame.ts';
import type { ChannelRung, HandOut } from './proof-desk.ts';
import type { Waiting } from './waiting-mail.ts';

/** What comes within this time goes as one wake. */
const GATHER_MS = 8;
/** Claude Code gives a sender 30 messages and then one per 2 s; we stay below. */
const BUDGET = 24;
const REFILL_MS = 2500;
/** After a failure to open: tried again, ever more slowly. */
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 30_000;

export interface InboxWriterOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly uuid: () => string;
  /** Opens the way in; undefined: there is none for this kind of session. */
  readonly open: (session: Session) => Promise<InboxChannel> | undefined;
  readonly rungOf: (session: Session) => ChannelRung;
  readonly hooksHeard: (session: Session) => boolean;
  /** The agent never had this hand-out. */
  readonly notSent: (handOut: HandOut, reason: string) => Promise<void>;
  /** The sending itself proves that it arrived. */
  readonly proven: (handOut: HandOut, proof: string) => Promise<void>;
  readonly claim: (session: Session) => { readonly taken: Waiting[]; readonly left: Waiting[] };
  /** Moves them to `written`; those that moved on meanwhile fall out. */
  readonly writing: (session: Session, wakeId: string, taken: readonly Waiting[]) => Promise<Waiting[]>;
  /** Something waits for this session's inbox. */
  readonly waits: (session: Session) => boolean;
  readonly giveBack: (taken: readonly Waiting[], byHooks: boolean) => void;
  /** A hand-out to this session is not proven yet. */
  readonly underWay: (session: Session) => boolean;
  readonly track: (handOut: HandOut) => void;
  readonly frame: (taken: readonly Waiting[], left: readonly Waiting[]) => string;
}

interface Lane {
  session: Session;
  busy: boolean;
  tokens: number;
  refilledAt: number;
  failures: number;
  /** In a row: the way was open, and then nothing could be sent. */
  refusals: number;
  timer: CancelTimer | undefined;
}

export class InboxWriter {
  readonly #options: InboxWriterOptions;
  readonly #lanes = new Map<string, Lane>();
  #stopped = false;

  constructor(options: InboxWriterOptions) {
    this.#options = options;
  }

  /** There is mail for this session's own inbox. */
  kick(session: Session): void {
    if (this.#stopped) return;
    const lane = this.#lanes.get(session.id) ?? this.#newLane(session);
    lane.session = session;
    if (lane.busy || lane.timer !== undefined || this.#options.underWay(session)) return;
    this.#refill(lane);
    this.#later(lane, lane.tokens >= 1 ? GATHER_MS : REFILL_MS);
  }

  forget(sessionId: string): void {
    this.#lanes.get(sessionId)?.timer?.();
    this.#lanes.delete(sessionId);
  }

  stop(): void {
    this.#stopped = true;
    for (const lane of this.#lanes.values()) lane.timer?.();
    this.#lanes.clear();
  }

  #newLane(session: Session): Lane {
    const lane: Lane = {
      session,
      busy: false,
      tokens: BUDGET,
      refilledAt: this.#options.clock.monotonic(),
      failures: 0,
      refusals: 0,
      timer: undefined,
    };
    this.#lanes.set(session.id, lane);
    return lane;
  }

  #later(lane: Lane, ms: number): void {
    lane.timer = this.#options.clock.after(ms, () => {
      lane.timer = undefined;
      this.#refill(lane);
      if (lane.tokens < 1) this.#later(lane, REFILL_MS);
      else void this.#run(lane);
    });
  }

  async #run(lane: Lane): Promise<void> {
    if (this.#stopped || lane.busy || this.#options.underWay(lane.session)) return;
    lane.busy = true;
    let channel: InboxChannel | undefined;
    try {
      const opening = this.#options.open(lane.session);
      if (opening === undefined) return;
      channel = await opening;
      lane.failures = 0;
      await this.#handOut(lane, channel);
    } catch (err) {
      this.#failed(lane, err);
    } finally {
      channel?.close();
      lane.busy = false;
    }
    // What arrived meanwhile waits for the proof of this one; if nothing went out, it does not.
    if (lane.failures === 0 && lane.refusals === 0 && this.#options.waits(lane.session)) this.kick(lane.session);
  }

  async #handOut(lane: Lane, channel: InboxChannel): Promise<void> {
    const { session } = lane;
    const { taken, left } = this.#options.claim(session);
    if (taken.length === 0) return;
    const wakeId = this.#options.uuid();
    const written = await this.#options.writing(session, wakeId, taken);
    if (written.length === 0) return;
    lane.tokens -= 1;
    const messageIds = written.map(({ message }) => message.id);
    const handOut: HandOut = { id: wakeId, rung: this.#options.rungOf(session), session: session.id, messageIds };
    this.#options.track(handOut);
    try {
      const proof = await channel.send({
        id: wakeId,
        sender: senderName(written.map(({ message }) => message)),
        text: this.#options.frame(written, left),
      });
      lane.refusals = 0;
      if (typeof proof === 'string') await this.#options.proven(handOut, proof);
    } catch (err) {
      if (err instanceof NotSent) {
        await this.#refused(lane, handOut, err.message);
        return;
      }
      lane.refusals = 0;
      // It may have arrived all the same: the search for its proof decides.
      this.#options.log.warn({ err, session: session.id }, 'writing to an agent failed');
    }
  }

  async #refused(lane: Lane, handOut: HandOut, reason: string): Promise<void> {
    lane.refusals += 1;
    const delay = Math.min(RETRY_FIRST_MS * 2 ** Math.min(lane.refusals - 1, 10), RETRY_LONGEST_MS);
    // The timer first: what comes back must not be tried before it.
    if (!this.#stopped) this.#later(lane, delay);
    await this.#options.notSent(handOut, reason);
  }

  #failed(lane: Lane, thrown: unknown): void {
    const error = toIntercomError(thrown);
    lane.failures += 1;
    this.#options.log.info(
      { session: lane.session.id, reason: error.message, failures: lane.failures },
      'no way into an inbox',
    );
    const { taken } = this.#options.claim(lane.session);
    // An idle terminal that is typed into has no hook until its person says something: it is tried again.
    const byHooks = this.#options.rungOf(lane.session) !== 'typed' && this.#options.hooksHeard(lane.session);
    this.#options.giveBack(taken, byHooks);
    const delay = Math.min(RETRY_FIRST_MS * 2 ** Math.min(lane.failures - 1, 10), RETRY_LONGEST_MS);
    if (!byHooks && taken.length > 0 && !this.#stopped) this.#later(lane, delay);
  }

  #refill(lane: Lane): void {
    const now = this.#options.clock.monotonic();
    lane.tokens = Math.min(BUDGET, lane.tokens + (now - lane.refilledAt) / REFILL_MS);
    lane.refilledAt = now;
  }
}
