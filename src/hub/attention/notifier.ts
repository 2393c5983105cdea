/**
 * Decides who is told of what, once for all channels. Drawn from the event log: approvals, sessions, their waits, machines.
 *
 * Invariants: one live notice per thing (an approval, or a session that no approval speaks for), replaced and withdrawn everywhere; who is rung is decided for each operator
 * by telling.ts; each event costs a bounded amount of work, however many sessions there are.
 *
 * After a restart, what began before the last sign of life of the hub before was told then: it is shown again and rings nobody. What began in the
 * last moment of that run, or was held back and not told yet, is told as if nothing had happened.
 */
import type { Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import type { NoticeChannel, Preferences, Wait } from '../../protocol/attention.ts';
import type { HubEvent } from '../../protocol/events.ts';
import type { Approval, Session } from '../../protocol/model.ts';
import type { Approvals, EventLog, Notice, Notifier, NoticeWord, Unsubscribe } from '../services.ts';
import { HeldBack } from './held-back.ts';
import { howApproval, howWait, noticeOfApproval, sessionKey, sessionKeyOf } from './notice-words.ts';
import { contentOf, firstSight, seeSession, seeWait, thingOf, wantedOf, type SessionSeen } from './sessions-seen.ts';
import { DEBOUNCE_MS, StandingNotices, type Showing } from './standing.ts';
import { tellingOf } from './telling.ts';

export interface NotifierParts {
  readonly events: Pick<EventLog, 'subscribe'>;
  readonly approvals: Pick<Approvals, 'list'>;
  /** The live sessions, by machine. */
  readonly sessions: () => Promise<ReadonlyMap<string, readonly Session[]>>;
  /** Those that are open, by session key. */
  readonly waits: () => Promise<readonly Wait[]>;
  readonly operators: () => readonly string[];
  readonly preferences: (operator: string) => Preferences;
  readonly isLooking: (operator: string) => boolean;
  readonly isAway: (machineId: string) => boolean;
  /** Until when the hub before this one was at work (store/sign-of-life.ts); undefined: there was none. */
  readonly lastSign: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

type Ring = Record<NoticeChannel, string[]>;
const PAGE = 200;

export class HubNotifier implements Notifier {
  readonly #parts: NotifierParts;
  readonly #emitter: Emitter<NoticeWord>;
  readonly #standing: StandingNotices;
  readonly #held: HeldBack;
  readonly #sessions = new Map<string, SessionSeen>();
  /** Events that came while the beginning was read. */
  #early: HubEvent[] | undefined = [];
  #unsubscribe: Unsubscribe = () => undefined;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
    this.#emitter = new Emitter((error) => parts.log.error({ err: error }, 'a listener of notices failed'));
    this.#standing = new StandingNotices(
      parts.clock,
      (showing) => this.#show(showing),
      (key, how) => this.#emitter.emit({ word: 'withdraw', key, how }),
    );
    this.#held = new HeldBack(parts.clock, (operator, keys) => this.#digest(operator, keys));
  }

  /** Who comes later is shown what stands, and rung for nothing of it. */
  subscribe(listener: (word: NoticeWord) => void): Unsubscribe {
    for (const notice of this.#standing.allShown()) {
      listener({ word: 'show', notice, ring: noRing(), again: false });
    }
    return this.#emitter.subscribe(listener);
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#parts.events.subscribe((event) => {
      if (this.#early === undefined) this.#hear(event);
      else this.#early.push(event);
    });
    await this.#restore();
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const event of early) this.#hear(event);
  }

  stop(): void {
    this.#unsubscribe();
    this.#standing.stop();
    this.#held.stop();
  }

  #hear(event: HubEvent): void {
    if (event.type === 'approval.changed') this.#approval(event.approval);
    else if (event.type === 'session.changed') this.#session(event.machineId, event.session);
    else if (event.type === 'wait.changed') this.#wait(event.wait);
    else if (event.type === 'machine.changed') this.#machine(event.machine.id);
    else if (event.type === 'machine.removed') this.#machine(event.machineId);
  }

  #approval(approval: Approval): void {
    const key = sessionKeyOf(approval);
    const seen = key === undefined ? undefined : this.#sessions.get(key);
    if (approval.state === 'pending') {
      seen?.approvals.add(approval.id);
      this.#standing.stand(noticeOfApproval(approval), approval.id);
    } else {
      const wasPending = seen?.approvals.delete(approval.id) === true;
      const isDecided = approval.decision !== undefined;
      if (seen !== undefined && wasPending && isDecided && seen.approvals.size === 0) seen.decided = thingOf(seen);
      if (seen !== undefined && approval.effect?.state === 'failed') seen.decided = undefined;
      this.#over(approval.id, howApproval(approval));
    }
    if (seen !== undefined) this.#look(seen, 'It can be answered from here');
  }

  #session(machine: string, session: Session): void {
    const key = sessionKey(machine, session.id);
    if (session.state === 'ended') {
      this.#sessions.delete(key);
      this.#over(key, 'The session ended');
      return;
    }
    const seen = this.#sessions.get(key) ?? firstSight(machine, session);
    this.#sessions.set(key, seen);
    seeSession(seen, session);
    // How its wait ended is the next word.
    if (seen.wait !== undefined && session.state !== 'waiting') return;
    this.#look(seen, 'It goes on');
  }

  #wait(wait: Wait): void {
    const seen = this.#sessions.get(sessionKey(wait.machine, wait.session));
    if (seen === undefined) return;
    seeWait(seen, wait);
    // Where it still waits, the next word says for what.
    if (wait.until === undefined || seen.session.state !== 'waiting') this.#look(seen, howWait(wait));
  }

  /** It came or went; what was told of its sessions holds only while it is there. */
  #machine(machineId: string): void {
    for (const seen of this.#sessions.values()) if (seen.machine === machineId) this.#look(seen, 'It goes on');
  }

  /** Shows what the session asks for now, or withdraws what it asked for. */
  #look(seen: SessionSeen, how: string): void {
    const away = this.#parts.isAway(seen.machine);
    const wanted = away ? undefined : wantedOf(seen);
    const key = sessionKey(seen.machine, seen.session.id);
    const shown = this.#standing.shown(key);
    const isOver = wanted === undefined || (shown !== undefined && !isAlike(shown, wanted.notice));
    if (isOver) this.#over(key, away ? `${seen.machine} is away` : how);
    if (wanted !== undefined) this.#standing.stand(wanted.notice, wanted.thing, wanted.quietly);
  }

  #over(key: string, how: string): void {
    this.#held.drop(key);
    this.#standing.over(key, how);
  }

  #show({ notice, again, quietly }: Showing): void {
    const seen = this.#sessions.get(notice.key);
    if (seen !== undefined) seen.told = contentOf(seen);
    const ring = noRing();
    if (!quietly) {
      for (const operator of this.#parts.operators()) this.#tell(operator, notice, ring, this.#parts.clock.now());
    }
    // The end of a turn is news for those who asked for it, and nothing that stands for others.
    const wanted = notice.kind !== 'done' || ring.telegram.length + ring.push.length > 0;
    if (wanted) this.#emitter.emit({ word: 'show', notice, ring, again });
    else this.#standing.forget(notice.key);
  }

  #tell(operator: string, notice: Notice, ring: Ring, now: number, gathered = false): void {
    const { preferences, isLooking } = this.#parts;
    const telling = tellingOf(notice, preferences(operator), { now, looking: isLooking(operator), gathered });
    if (telling.tell === 'later') this.#held.hold(operator, notice.key, telling.at);
    if (telling.tell === 'now') for (const channel of telling.channels) ring[channel].push(operator);
  }

  #digest(operator: string, keys: readonly string[]): void {
    const ring = noRing();
    const notices: Notice[] = [];
    for (const key of keys) {
      const notice = this.#standing.shown(key);
      const own = noRing();
      if (notice !== undefined) this.#tell(operator, notice, own, this.#parts.clock.now(), true);
      if (notice === undefined || own.telegram.length + own.push.length === 0) continue;
      notices.push(notice);
      for (const channel of ['telegram', 'push'] as const) {
        if (own[channel].length > 0 && ring[channel].length === 0) ring[channel].push(operator);
      }
    }
    if (notices.length > 0) this.#emitter.emit({ word: 'digest', notices, ring });
  }

  async #restore(): Promise<void> {
    const { sessions, waits } = this.#parts;
    for (const [machine, live] of await sessions()) {
      for (const session of live) this.#sessions.set(sessionKey(machine, session.id), firstSight(machine, session));
    }
    for (const wait of await waits()) {
      const seen = this.#sessions.get(sessionKey(wait.machine, wait.session));
      if (seen !== undefined) seeWait(seen, wait);
    }
    for await (const approval of this.#pending()) {
      this.#sessions.get(sessionKeyOf(approval) ?? '')?.approvals.add(approval.id);
      this.#bringBack(noticeOfApproval(approval), approval.id, Date.parse(approval.createdAt));
    }
    for (const seen of this.#sessions.values()) {
      const { stalledSince, stateSince } = seen.session;
      const since = Date.parse(stalledSince ?? stateSince);
      // Also where its machine is away: when that is back, nobody is rung for what they were told before.
      if (this.#wasTold(since)) seen.told = contentOf(seen);
      const wanted = this.#parts.isAway(seen.machine) ? undefined : wantedOf(seen);
      if (wanted !== undefined) this.#bringBack(wanted.notice, wanted.thing, since);
    }
  }

  /** See the header. */
  #bringBack(notice: Notice, thing: string, since: number): void {
    const { lastSign = 0, operators, preferences, clock } = this.#parts;
    if (!this.#wasTold(since)) {
      this.#standing.stand(notice, thing);
      return;
    }
    this.#standing.restore(notice, thing);
    for (const operator of operators()) {
      const then = tellingOf(notice, preferences(operator), { now: since, looking: false });
      if (then.tell === 'later' && then.at > lastSign) {
        this.#held.hold(operator, notice.key, Math.max(then.at, clock.now()));
      }
    }
  }

  /** By the run before this one. */
  #wasTold(since: number): boolean {
    const { lastSign } = this.#parts;
    return lastSign !== undefined && since <= lastSign - DEBOUNCE_MS;
  }

  async *#pending(): AsyncGenerator<Approval> {
    for (let after: string | undefined; ;) {
      const query = { state: 'pending', order: 'oldest', limit: PAGE } as const;
      const page = await this.#parts.approvals.list(after === undefined ? query : { ...query, after });
      yield* page;
      after = page.at(-1)?.id;
      if (page.length < PAGE || after === undefined) return;
    }
  }
}

/** Both are of a session that waits, or works silently, or is done: then the newer replaces the older, else the older is over. */
function isAlike(a: Notice, b: Notice): boolean {
  const own = (notice: Notice): string => (notice.kind === 'stall' || notice.kind === 'done' ? notice.kind : 'waiting');
  return own(a) === own(b);
}

function noRing(): Ring {
  return { telegram: [], push: [] };
}
