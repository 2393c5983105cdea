/** What an agent's receipt about a hand-out means for each of its messages. */
import type { InboxStore } from '../ports.ts';
import type { WakeReceipt } from './agent-port.ts';
import type { ProofDesk } from './proof-desk.ts';

/** Returns false when the receipt is about a hand-out that is not ours or is settled. */
export async function applyReceipt(
  wakeId: string,
  receipt: WakeReceipt,
  desk: ProofDesk,
  store: InboxStore,
): Promise<boolean> {
  const handOut = desk.get(wakeId);
  if (handOut === undefined) return false;
  for (const id of handOut.messageIds) await applyToMessage(id, receipt, desk, store);
  if (receipt.status === 'held') desk.hold(wakeId);
  return true;
}

async function applyToMessage(id: string, receipt: WakeReceipt, desk: ProofDesk, store: InboxStore): Promise<void> {
  const { reason, status } = receipt;
  switch (status) {
    case 'held':
      await store.move(id, ['written'], { to: 'held_at_terminal', reason });
      return;
    case 'released':
      await desk.entered(id, reason);
      return;
    case 'dropped':
      await desk.lost(id, reason);
      return;
    case 'denied':
    case 'expired':
    case 'refused':
      await store.move(id, ['written', 'held_at_terminal'], { to: status === 'refused' ? 'failed' : status, reason });
      desk.forget(id);
  }
}
