/** What the registry refuses, in words; and rows that must be there. */
import { IntercomError } from '../../protocol/errors.ts';
import type { Actor } from '../services.ts';
import type { HubDb } from '../store/hub-store.ts';
import { machineById } from '../store/machines.ts';
import type { MachineRow } from '../store/schema.ts';

/** A machine, revoked or not. */
export async function known(db: HubDb, id: string): Promise<MachineRow> {
  const row = await machineById(db, id);
  if (row === undefined) throw unknownMachine(id);
  return row;
}

/** A machine that is in. */
export async function member(db: HubDb, id: string): Promise<MachineRow> {
  const row = await known(db, id);
  if (row.revoked_at !== null) throw revoked(id);
  return row;
}

export function mustOwn(actor: Actor): void {
  if (actor.operator.role === 'owner') return;
  throw new IntercomError('forbidden', `${actor.operator.name} is not an owner and cannot change machines.`, {
    next: 'An owner must do it.',
  });
}

export function unknownMachine(id: string): IntercomError {
  return new IntercomError('unknown_machine', `There is no machine "${id.slice(0, 64)}" in this mesh.`, {
    next: '`intercom machines` lists them; `intercom join` lets one in.',
  });
}

export function revoked(id: string): IntercomError {
  return new IntercomError('revoked', `The machine ${id} was revoked.`, {
    next: 'Run `intercom join` on it; an owner must approve.',
  });
}
