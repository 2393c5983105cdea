/** How a message stands, in the forms that its sender, a trace and a person read. */
import { isoTime } from '../../platform/clock.ts';
import type { MessageStatus } from '../../protocol/machine-api.ts';
import type { MessageRow } from '../store/schema.ts';

/** What the sender is told. `answer`: the first reply, if there is one. */
export function statusOf(row: MessageRow, answer?: MessageRow): MessageStatus {
  return {
    id: row.id,
    threadId: row.thread_id,
    to: row.recipient,
    state: row.state,
    stateSince: isoTime(row.state_since),
    place: row.place,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.rule === null ? {} : { rule: row.rule }),
    ...(row.approved_by === null ? {} : { decidedBy: row.approved_by }),
    ...(answer === undefined
      ? {}
      : { answer: { id: answer.id, from: answer.sender, body: answer.body, at: isoTime(answer.created_at) } }),
  };
}

/** One sentence for a person: what happens next with it, or why nothing does. */
export function waitsFor(row: MessageRow, recipientAway: boolean, problem: string | undefined): string {
  const where = row.recipient_machine ?? 'the operators';
  switch (row.state) {
    case 'submitted':
      return 'It is stored and will be looked at now.';
    case 'held':
      return `It waits for an operator to decide${row.rule === null ? '' : ` (${row.rule})`}.`;
    case 'queued':
      if (row.waits_behind !== null) return `It ${row.reason ?? `waits behind ${row.waits_behind}`}.`;
      if (row.recipient_machine === null) return 'It waits until it is shown to an operator.';
      if (recipientAway) return `It waits for ${where}, which is away; it goes as soon as that machine is back.`;
      return problem === undefined
        ? `It is on its way to ${where}.`
        : `It waits: ${problem} It is tried again and again.`;
    case 'dispatched':
      return recipientAway
        ? `${where} has it but is away now; a session there gets it when the machine is back.`
        : `${where} has it; it waits for a session or a good moment there.`;
    case 'written':
      return 'It was handed to the agent; the proof that it entered the conversation is awaited.';
    case 'held_at_terminal':
      return `The agent on ${where} asks its person at the terminal first.`;
    case 'delivered':
      return row.kind === 'ask' ? 'It arrived; an answer is awaited.' : 'It arrived.';
    case 'seen':
      return row.kind === 'ask' && row.answer_id === null
        ? `It was read; ${row.reason ?? 'no answer came yet'}.`
        : 'It was read. Nothing more is awaited.';
    case 'answered':
      return 'It was answered. Nothing more is awaited.';
    case 'denied':
    case 'expired':
    case 'cancelled':
    case 'failed':
      return `It is over: ${row.state}${row.reason === null ? '' : ` (${row.reason})`}.`;
  }
}
