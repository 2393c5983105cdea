/**
 * What the attention table is drawn from: a snapshot, and every event since. An event carries the whole thing that changed, so the board only ever replaces.
 *
 * Invariants: an event that is older than the snapshot changes nothing; what ended, was decided or was removed is gone.
 */
import type { SessionUsage } from '../../protocol/attention.ts';
import type { HubEvent } from '../../protocol/events.ts';
import type { Approval, Session } from '../../protocol/model.ts';
import type { Snapshot } from '../../protocol/operator-api.ts';
import { rowsOf, type Row, type Seat } from './rows.ts';

interface Place {
  readonly machine: string;
  readonly session: Session;
}

export class Board {
  readonly #seq: number;
  readonly #places = new Map<string, Place>();
  readonly #away = new Set<string>();
  readonly #usage = new Map<string, SessionUsage>();
  readonly #pending = new Map<string, Approval>();
  #rows: Row[] | undefined;
  /** Cards that wait and are not on the board: younger than those that are. */
  readonly more: number;

  constructor(snapshot: Snapshot) {
    this.#seq = snapshot.seq;
    this.more = snapshot.pendingMore;
    for (const machine of snapshot.machines) if (machine.status !== 'online') this.#away.add(machine.id);
    for (const agent of snapshot.agents) for (const session of agent.sessions) this.#seat(agent.machine, session);
    for (const { machine, ...usage } of snapshot.usage.sessions)
      this.#usage.set(placeKey(machine, usage.session), usage);
    for (const approval of snapshot.approvals)
      if (approval.state === 'pending') this.#pending.set(approval.id, approval);
  }

  /** Whether something changed that the table shows. */
  apply(event: HubEvent): boolean {
    if (event.seq <= this.#seq || !this.#take(event)) return false;
    this.#rows = undefined;
    return true;
  }

  /** The cards that can be answered were many, and are few now: there are others to fetch. */
  get wantsMore(): boolean {
    return this.more > 0 && this.#pending.size < 100;
  }

  rows(): readonly Row[] {
    this.#rows ??= rowsOf(this.#seats(), this.#pending.values());
    return this.#rows;
  }

  #take(event: HubEvent): boolean {
    switch (event.type) {
      case 'session.changed':
        return this.#seat(event.machineId, event.session);
      case 'approval.changed':
        return this.#card(event.approval);
      case 'machine.changed':
        return this.#presence(event.machine.id, event.machine.status !== 'online');
      case 'machine.removed':
        for (const [key, { machine }] of this.#places) if (machine === event.machineId) this.#places.delete(key);
        return true;
      case 'usage.changed':
        for (const usage of event.usage.sessions) this.#usage.set(placeKey(event.machineId, usage.session), usage);
        return event.usage.sessions.length > 0;
      default:
        return false;
    }
  }

  #seat(machine: string, session: Session): true {
    const key = placeKey(machine, session.id);
    if (session.state === 'ended') {
      this.#places.delete(key);
      this.#usage.delete(key);
    } else this.#places.set(key, { machine, session });
    return true;
  }

  #card(approval: Approval): boolean {
    if (approval.state !== 'pending') return this.#pending.delete(approval.id);
    this.#pending.set(approval.id, approval);
    return true;
  }

  #presence(machine: string, away: boolean): boolean {
    if (away === this.#away.has(machine)) return false;
    if (away) this.#away.add(machine);
    else this.#away.delete(machine);
    return true;
  }

  *#seats(): Iterable<Seat> {
    for (const [key, { machine, session }] of this.#places)
      yield { machine, session, away: this.#away.has(machine), usage: this.#usage.get(key) };
  }
}

function placeKey(machine: string, session: string): string {
  return `${machine}#${session}`;
}
