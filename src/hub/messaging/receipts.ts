/**
 * What daemons say became of messages.
 *
 * Invariants: a receipt counts only from the recipient's machine; it moves a message only along the table of moves, so a state never runs
 * backwards and a repeat changes nothing; a machine can say nothing about a message that is not for it, not even that it exists.
 */
import { canMove } from '../../protocol/message-life.ts';
import type { Receipt } from '../../protocol/machine-api.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import type { MessageFlow } from './flow.ts';
import type { MessageUnit } from './unit.ts';

export type ReceiptResult = 'applied' | 'known' | 'stale' | 'unknown_message';

export class Receipts {
  readonly #parts: MessagingParts;
  readonly #flow: MessageFlow;

  constructor(parts: MessagingParts, flow: MessageFlow) {
    this.#parts = parts;
    this.#flow = flow;
  }

  async apply(unit: MessageUnit, machineId: string, receipt: Receipt): Promise<ReceiptResult> {
    const row = await unit.message(receipt.messageId);
    if (row === undefined || row.recipient_machine !== machineId) return 'unknown_message';
    if (row.state === receipt.state) return 'known';
    if (!canMove(row.state, receipt.state) || waitsHere(row)) return 'stale';
    const change = {
      at: Date.parse(receipt.at),
      place: machineId,
      proof: receipt.proof,
      reason: receipt.reason,
      by: machineId,
      fields: {
        ...(receipt.session === undefined ? {} : { got_by: receipt.session }),
        ...this.#watch(unit, row, receipt),
      },
    };
    switch (receipt.state) {
      case 'denied':
      case 'expired':
      case 'cancelled':
      case 'failed':
        await this.#flow.end(unit, row, receipt.state, change);
        return 'applied';
      default:
        await unit.move(row, receipt.state, change);
        return 'applied';
    }
  }

  /** A question that was read and has no answer is looked at again after a while. */
  #watch(unit: MessageUnit, row: MessageRow, receipt: Receipt): { watch_at?: number } {
    if (row.kind !== 'ask' || receipt.state !== 'seen' || row.answer_id !== null) return {};
    const at = unit.now + this.#parts.limits.answerGraceMs;
    unit.watch(at);
    return { watch_at: at };
  }
}

/** It never left: no daemon can know anything about it. */
function waitsHere(row: MessageRow): boolean {
  return row.state === 'submitted' || row.state === 'held' || (row.state === 'queued' && row.waits_behind !== null);
}
