/**
 * What a machine says it has, against what the hub thinks it has: at every hello, and when a machine is put out.
 *
 * Invariants: a run that its machine acknowledged and no longer knows is lost, never "running" for ever; a run that was thought lost and is there is
 * true again; what is still in the outbox, or was acknowledged only just now (the hello may be older than that), is left alone, and then the
 * machine is asked for another hello.
 */
import type { HelloRequest } from '../../protocol/machine-api.ts';
import { missionCanMove } from '../../protocol/mission-life.ts';
import { changeMachine } from '../store/machines.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { liveMissionsOn, missionById, saveOffers, undecidedMissionsOf } from '../store/missions.ts';
import { missionInOutbox } from '../store/outbox.ts';
import type { MissionParts } from './context.ts';
import type { MissionUnit } from './unit.ts';

/** A hello that was under way when its machine acknowledged a run does not name it. */
const JUST_NOW_MS = 15_000;

export async function reconcileMissions(unit: MissionUnit, machineId: string, hello: HelloRequest): Promise<void> {
  await saveOffers(unit.db, machineId, hello.agents);
  const there = new Map(hello.missions.map((mission) => [mission.id, mission]));
  let young = false;
  for (const row of await liveMissionsOn(unit.db, machineId)) {
    if (row.run === 0 || row.placed_at === null) continue;
    const known = there.get(row.id);
    if (known !== undefined && known.run >= row.run) continue;
    if ((await missionInOutbox(unit.db, machineId, row.id, row.run)) !== undefined) continue;
    if (unit.now - row.placed_at < JUST_NOW_MS) young = true;
    else
      await unit.change(row, {
        state: 'lost',
        reason: `${machineId} does not know it any more; nobody saw how it ended`,
      });
  }
  // Asked again with the next heartbeat.
  if (young) await changeMachine(unit.db, machineId, { epoch: null });
  for (const entry of hello.missions) {
    const row = await missionById(unit.db, entry.id);
    const again = row?.machine_id === machineId && row.state === 'lost' && row.run === entry.run;
    if (row !== undefined && again && missionCanMove('lost', entry.state)) {
      await unit.change(row, { state: entry.state, reason: null, place: machineId });
    }
  }
}

/** The machine is out: what it runs is lost, and what its agents asked for and nobody decided is void. */
export async function missionsOfGone(
  parts: MissionParts,
  unit: MissionUnit,
  machineId: string,
  reason: string,
): Promise<void> {
  const end = async (row: MissionRow): Promise<void> => {
    if (row.state === 'awaiting_approval') {
      if (row.approval_id !== null) await parts.approvals.close(unit.transaction, row.approval_id, 'withdrawn');
      await unit.change(row, { state: 'cancelled', reason }, reason);
    } else if (row.placed_at === null && row.state === 'queued') {
      await unit.change(row, { state: 'cancelled', reason }, reason);
    } else {
      await unit.change(row, { state: 'lost', reason });
    }
  };
  for (const row of await liveMissionsOn(unit.db, machineId)) await end(row);
  for (const row of await undecidedMissionsOf(unit.db, machineId)) await end(row);
}
