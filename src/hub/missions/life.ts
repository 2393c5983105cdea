/**
 * What people and askers do with a mission: decide about it, end it, let it rest, go on with it.
 *
 * Invariants: what no machine can have yet ends here and at once; what may be with a machine is asked to end, and the machine says what became of
 * it; a new run is a new number, so that late news of the old one change nothing; the approval ends with the mission that waits for it.
 */
import { IntercomError } from '../../protocol/errors.ts';
import type { Approval, Decision } from '../../protocol/model.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { missionById } from '../store/missions.ts';
import { deleteOutboxItem, missionInOutbox } from '../store/outbox.ts';
import type { MissionParts } from './context.ts';
import type { MissionUnit } from './unit.ts';

interface StopWord {
  readonly how: 'cancel' | 'pause';
  readonly by: string;
  readonly why: string;
}

export const GO_ON = 'Go on with the mission.';

export class MissionLife {
  readonly #parts: MissionParts;

  constructor(parts: MissionParts) {
    this.#parts = parts;
  }

  /** An operator decided about the launch. */
  async decided(unit: MissionUnit, approval: Approval, decision: Decision): Promise<void> {
    const row = await waiting(unit, approval);
    if (row === undefined) return;
    if (decision.verdict === 'deny') {
      const reason = `denied by ${decision.by}${decision.reason === undefined ? '' : `: ${decision.reason}`}`;
      await unit.change(row, { state: 'denied', reason, approved_by: decision.by }, reason);
      return;
    }
    await this.allowed(unit, row, decision.by);
  }

  /** It was let pass by a person. */
  async allowed(unit: MissionUnit, row: MissionRow, by: string): Promise<MissionRow> {
    const passed = { approved_by: by, passed_by: `approved by ${by}` };
    return unit.enqueue(row, passed, `Approved by ${by}, waits for ${row.machine_id}`);
  }

  /** Nobody decided in time. That is no. */
  async undecided(unit: MissionUnit, approval: Approval): Promise<void> {
    const row = await waiting(unit, approval);
    const reason = 'nobody decided in time';
    if (row !== undefined) await unit.change(row, { state: 'denied', reason }, reason);
  }

  async cancel(unit: MissionUnit, row: MissionRow, by: string, reason: string | undefined): Promise<MissionRow> {
    const why = reason ?? `cancelled by ${by}`;
    if (row.state === 'cancelled') return row;
    if (missionIsOver(row.state)) throw over(row);
    if (row.state === 'awaiting_approval') {
      if (row.approval_id !== null) await this.#parts.approvals.close(unit.transaction, row.approval_id, 'withdrawn');
      return unit.change(row, { state: 'cancelled', reason: why }, why);
    }
    if (row.state !== 'queued' || row.placed_at !== null) return this.#stop(unit, row, { how: 'cancel', by, why });
    // Nobody acknowledged it. A machine that got it all the same, and whose answer was lost, is told.
    if (!(await this.#takeBack(unit, row))) await this.#tellStop(unit, row, { how: 'cancel', by, why });
    return unit.change(row, { state: 'cancelled', reason: why }, why);
  }

  async pause(unit: MissionUnit, row: MissionRow, by: string, reason: string | undefined): Promise<MissionRow> {
    if (row.state === 'paused') return row;
    if (missionIsOver(row.state)) throw over(row);
    if (row.state === 'queued' || row.state === 'awaiting_approval') {
      throw new IntercomError('conflict', `It does not run yet; it is ${row.state}.`, {
        next: 'Cancel it instead; `intercom missions rerun` starts it again.',
        details: { state: row.state },
      });
    }
    return this.#stop(unit, row, { how: 'pause', by, why: reason ?? `paused by ${by}` });
  }

  /** Another run of the same conversation. */
  async resume(unit: MissionUnit, row: MissionRow, by: string, text: string | undefined): Promise<MissionRow> {
    if (row.state !== 'paused' && !missionIsOver(row.state)) {
      throw new IntercomError('conflict', `It is ${row.state}; there is nothing to resume.`, {
        next: `Speak to it: \`intercom missions send ${row.id} "…"\`.`,
        details: { state: row.state },
      });
    }
    const session = conversationOf(row);
    const resume = JSON.stringify({ session, text: text ?? GO_ON, fork: false });
    const passed = { resume, passed_by: `resumed by ${by}`, reason: null };
    const away = await unit.awayReason(row.machine_id);
    return unit.enqueue(row, { ...passed, reason: away ?? null }, `Resumed by ${by}, waits for ${row.machine_id}`);
  }

  /** True: no machine has this run, and now none ever will. */
  async #takeBack(unit: MissionUnit, row: MissionRow): Promise<boolean> {
    const item = await missionInOutbox(unit.db, row.machine_id, row.id, row.run);
    if (item === undefined) return true;
    if (this.#parts.mail.mayHaveLeft(row.machine_id, item.seq)) return false;
    await deleteOutboxItem(unit.db, item.seq);
    return true;
  }

  async #stop(unit: MissionUnit, row: MissionRow, word: StopWord): Promise<MissionRow> {
    const { how, why } = word;
    await this.#tellStop(unit, row, word);
    const away = this.#parts.directory.isAway(row.machine_id) ? ' as soon as that machine is back' : '';
    const verb = how === 'cancel' ? 'end' : 'pause';
    return unit.change(row, { reason: `${row.machine_id} is asked to ${verb} it${away}: ${why}`.slice(0, 1000) });
  }

  async #tellStop(unit: MissionUnit, row: MissionRow, { how, by, why }: StopWord): Promise<void> {
    const stop = { run: row.run, how, by: by.slice(0, 100), reason: why.slice(0, 300) };
    await unit.send(row.machine_id, 'mission_stop', row.id, JSON.stringify(stop));
  }
}

/** The agent's own session that a new run goes on with. Throws where there is none. */
export function conversationOf(row: MissionRow): string {
  if (row.session !== null) return row.session;
  throw new IntercomError('conflict', 'Its agent never said which conversation it was, so nothing can go on with it.', {
    next: 'Start it anew: `intercom missions rerun` does.',
  });
}

function over(row: MissionRow): IntercomError {
  return new IntercomError('conflict', `It is over already: ${row.state}.`, {
    next: 'Nothing needs to be done. `intercom missions resume` goes on with it.',
    details: { state: row.state },
  });
}

async function waiting(unit: MissionUnit, approval: Approval): Promise<MissionRow | undefined> {
  if (approval.subject.kind !== 'launch') return undefined;
  const row = await missionById(unit.db, approval.subject.missionId);
  return row?.state === 'awaiting_approval' ? row : undefined;
}
