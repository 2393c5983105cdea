/**
 * Ends that the hub decides: a cancel, an expiry, a revoked machine, an operator's No; and the watch over questions without an answer.
 *
 * Invariants: the hub ends by itself only what cannot be at a daemon yet; what may be there is asked back, and its daemon says what became of it;
 * an approval ends together with its message.
 */
import { isoTime } from '../../platform/clock.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { canMove } from '../../protocol/message-life.ts';
import type { Approval, Decision } from '../../protocol/model.ts';
import { overdue, underWayWith, unansweredIn, watchedUntil } from '../store/messages.ts';
import { deleteOutboxItem, outboxOf } from '../store/outbox.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import type { Dispatcher } from './dispatch.ts';
import type { MessageFlow } from './flow.ts';
import type { MessageUnit } from './unit.ts';

const SLICE = 100;
/** Overdue messages that are looked at for one slice: those that are at a daemon wait for its word and must not hide the others. */
const SCAN = 2_000;

export class Endings {
  readonly #parts: MessagingParts;
  readonly #flow: MessageFlow;
  readonly #dispatcher: Dispatcher;

  constructor(parts: MessagingParts, flow: MessageFlow, dispatcher: Dispatcher) {
    this.#parts = parts;
    this.#flow = flow;
    this.#dispatcher = dispatcher;
  }

  /** An operator decided about the message. */
  async decided(unit: MessageUnit, approval: Approval, decision: Decision): Promise<void> {
    const row = await heldBy(unit, approval);
    if (row === undefined) return;
    if (decision.verdict === 'deny') {
      const reason = `denied by ${decision.by}${decision.reason === undefined ? '' : `: ${decision.reason}`}`;
      await this.#flow.end(unit, row, 'denied', { reason, by: decision.by, fields: { approved_by: decision.by } });
      return;
    }
    const queued = await unit.move(row, 'queued', {
      by: decision.by,
      ...(decision.reason === undefined ? {} : { reason: decision.reason }),
      fields: { approved_by: decision.by, passed_by: `approved by ${decision.by}` },
    });
    const passed = await this.#flow.passed(unit, queued);
    if (passed.waits_behind === null) await this.#flow.left(unit, row);
    await this.#flow.news(unit, passed, true);
  }

  /** Nobody decided in time. */
  async undecided(unit: MessageUnit, approval: Approval): Promise<void> {
    const row = await heldBy(unit, approval);
    if (row !== undefined) await this.#flow.end(unit, row, 'expired', { reason: 'nobody decided in time' });
  }

  /** Takes a message back while that is possible. Throws `conflict` once it was handed to the agent. */
  async cancel(unit: MessageUnit, row: MessageRow, by: string, reason: string | undefined): Promise<MessageRow> {
    const why = reason ?? `cancelled by ${by}`;
    if (row.state === 'cancelled') return row;
    if (row.state === 'submitted' || row.state === 'held') return this.#end(unit, row, 'cancelled', why, by);
    // Its agent was started for it and is ended with it.
    const launches = row.kind === 'ask' && canMove(row.state, 'cancelled') ? this.#parts.launches?.() : undefined;
    if (launches !== undefined && (await launches.answers(unit.db, row.id))) {
      return this.#end(unit, row, 'cancelled', why, by);
    }
    if (row.state !== 'queued' && row.state !== 'dispatched') {
      throw new IntercomError('conflict', `It is ${row.state} already and cannot be taken back.`, {
        next: 'Write another message that corrects it.',
        details: { state: row.state },
      });
    }
    const machine = row.recipient_machine;
    if (machine === null || (row.state === 'queued' && (await this.#takeFromOutbox(unit, row, machine)))) {
      return this.#end(unit, row, 'cancelled', why, by);
    }
    await unit.send(machine, 'cancel', row.id, why);
    return unit.note(row, { by, reason: `${machine} is asked to take it back: ${why}` });
  }

  /** One slice of what is over its time. True: there may be more. */
  async expire(unit: MessageUnit): Promise<boolean> {
    const due = await overdue(unit.db, unit.now, SCAN);
    let ended = 0;
    for (const found of due) {
      if (ended === SLICE) break;
      if (await this.#expireOne(unit, unit.own(found))) ended += 1;
    }
    return ended === SLICE;
  }

  /** One slice of the questions whose grace is over. */
  async watch(unit: MessageUnit): Promise<boolean> {
    const due = await watchedUntil(unit.db, unit.now, SLICE);
    for (const row of due) await this.#flow.unanswered(unit, unit.own(row));
    return due.length === SLICE;
  }

  /** A session ended: whoever waits for its answer is told after the grace. */
  async sessionEnded(unit: MessageUnit, machineId: string, session: string): Promise<void> {
    for (const found of await unansweredIn(unit.db, machineId, session, SLICE)) {
      const row = unit.own(found);
      const at = unit.now + this.#parts.limits.answerGraceMs;
      if (row.watch_at !== null && row.watch_at <= at) continue;
      await unit.touch(row, { watch_at: at });
      unit.watch(at);
    }
  }

  /** A machine is out: nothing reaches it any more, and what it sent and nobody decided yet is void. One slice; true: there may be more. */
  async machineGone(unit: MessageUnit, machineId: string, reason: string): Promise<boolean> {
    const rows = await underWayWith(unit.db, machineId, SLICE);
    for (const row of rows) await this.#end(unit, unit.own(row), 'failed', reason, undefined);
    return rows.length === SLICE;
  }

  async #expireOne(unit: MessageUnit, row: MessageRow): Promise<boolean> {
    const over = `not delivered until ${isoTime(row.expires_at)}`;
    const machine = row.recipient_machine;
    const here =
      row.state === 'submitted' ||
      row.state === 'held' ||
      machine === null ||
      (row.state === 'queued' && (await this.#takeFromOutbox(unit, row, machine)));
    // Its daemon keeps the same time and says what became of it. One that never comes back says nothing.
    const lost = !here && row.expires_at + this.#parts.limits.lostAfterMs <= unit.now;
    if (!here && !lost) return false;
    const reason =
      row.state === 'held' ? 'nobody decided in time' : lost ? `${over}, and ${machine} said no more` : over;
    await this.#end(unit, row, 'expired', reason, undefined);
    return true;
  }

  /** True: the message cannot be at the daemon, and now never will be. */
  async #takeFromOutbox(unit: MessageUnit, row: MessageRow, machine: string): Promise<boolean> {
    if (row.waits_behind !== null) return true;
    const item = await outboxOf(unit.db, machine, row.id);
    if (item === undefined) return true;
    if (this.#dispatcher.mayHaveLeft(machine, item.seq)) return false;
    await deleteOutboxItem(unit.db, item.seq);
    return true;
  }

  async #end(
    unit: MessageUnit,
    row: MessageRow,
    state: 'cancelled' | 'expired' | 'failed',
    reason: string,
    by: string | undefined,
  ): Promise<MessageRow> {
    if (row.state === 'held' && row.approval_id !== null) {
      const closed = state === 'expired' ? 'expired' : 'withdrawn';
      await this.#parts.approvals.close(unit.transaction, row.approval_id, closed);
    }
    return this.#flow.end(unit, row, state, { reason, by });
  }
}

async function heldBy(unit: MessageUnit, approval: Approval): Promise<MessageRow | undefined> {
  if (approval.subject.kind !== 'message' && approval.subject.kind !== 'ask') return undefined;
  const row = await unit.message(approval.subject.messageId);
  return row?.state === 'held' ? row : undefined;
}
