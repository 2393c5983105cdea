/**
 * What goes to a machine about missions and dialogs, made from what is true at the moment of sending, and what the machine's answer means.
 *
 * Invariants: a run that ended before it left never leaves; a run that a machine refuses is over and says why; an item whose thing is gone has nothing
 * to say any more.
 */
import { z } from 'zod';
import { DeliverMissionStop, type DeliverItem, type DeliverResponse } from '../../protocol/daemon-api.ts';
import { Isolation } from '../../protocol/mission.ts';
import type { OtherItems } from '../messaging/context.ts';
import { approvalById, toApproval } from '../store/approvals.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { flagsOf, limitsOf, missionById, resumeOf } from '../store/missions.ts';
import type { OutboxRow } from '../store/schema.ts';
import type { MissionAftermath, MissionParts } from './context.ts';
import { MissionUnit } from './unit.ts';

const StopWord = DeliverMissionStop.omit({ item: true, missionId: true });

export class MissionItems implements OtherItems {
  readonly #parts: MissionParts;
  readonly #aftermath: MissionAftermath;

  constructor(parts: MissionParts, aftermath: MissionAftermath) {
    this.#parts = parts;
    this.#aftermath = aftermath;
  }

  async bodies(db: HubDb, rows: readonly OutboxRow[]): Promise<Map<number, DeliverItem>> {
    const bodies = new Map<number, DeliverItem>();
    for (const row of rows) {
      const body = await bodyOf(db, row);
      if (body !== undefined) bodies.set(row.seq, body);
    }
    return bodies;
  }

  async arrived(
    transaction: HubTransaction,
    machineId: string,
    item: OutboxRow,
    result: DeliverResponse['results'][number],
  ): Promise<void> {
    if (item.item !== 'mission') return;
    const unit = new MissionUnit(this.#parts, this.#aftermath, transaction);
    const row = await missionById(unit.db, item.message_id);
    if (row === undefined || String(row.run) !== item.reason || row.state !== 'queued') return;
    if (result.result === 'refused') {
      const reason = `${machineId} refused it: ${result.reason ?? 'no reason given'}`;
      await unit.change(row, { state: 'failed', reason, place: machineId });
    } else if (row.placed_at === null) {
      await unit.change(row, { place: machineId, placed_at: unit.now, reason: null });
      await this.#parts.mail.missionMoved(transaction, { ...row, place: machineId });
    }
  }
}

async function bodyOf(db: HubDb, row: OutboxRow): Promise<DeliverItem | undefined> {
  if (row.item === 'decision') return decision(db, row);
  const mission = await missionById(db, row.message_id);
  if (mission === undefined) return undefined;
  if (row.item === 'mission_stop') return stop(row);
  const current = mission.state === 'queued' && String(mission.run) === row.reason;
  return row.item === 'mission' && current ? deliverMission(mission) : undefined;
}

function deliverMission(row: MissionRow): DeliverItem {
  const resume = resumeOf(row);
  return {
    item: 'mission',
    missionId: row.id,
    run: row.run,
    spec: {
      project: row.project,
      text: row.text,
      agent: row.agent,
      runtime: row.runtime,
      flags: flagsOf(row),
      isolation: Isolation.parse(row.isolation),
      limits: limitsOf(row),
    },
    threadId: row.thread_id,
    requestedBy: row.requested_by,
    approval: row.passed_by,
    depth: row.depth,
    logSeq: row.log_seq,
    ...(resume === undefined ? {} : { resume }),
  };
}

function stop(row: OutboxRow): DeliverItem | undefined {
  const word = StopWord.safeParse(JSON.parse(row.reason ?? 'null'));
  return word.success ? { item: 'mission_stop', missionId: row.message_id, ...word.data } : undefined;
}

async function decision(db: HubDb, row: OutboxRow): Promise<DeliverItem | undefined> {
  const found = await approvalById(db, row.message_id);
  if (found === undefined || found.state === 'pending') return undefined;
  const approval = toApproval(found);
  const state = z.enum(['allowed', 'denied', 'expired', 'withdrawn', 'answered_elsewhere']).parse(approval.state);
  return {
    item: 'decision',
    ref: row.reason ?? '',
    approvalId: approval.id,
    state,
    ...(approval.decision === undefined ? {} : { decision: approval.decision }),
  };
}
