/**
 * What follows when a message is let pass or ends: its place in the outbox, the message that it answers, those that wait behind it, and the
 * news for its sender.
 *
 * Invariants: messages of one pair in one thread leave in the order in which they came, so a later one waits behind an earlier one that is
 * not decided; a notice never causes a notice; every end reaches the sender's machine as a status, and its session too when it comes late.
 */
import { newId } from '../../protocol/ids.ts';
import { canMove, hasFailed, type MessageState } from '../../protocol/message-life.ts';
import { parseAddress } from '../../protocol/address.ts';
import { behind, undecidedBefore } from '../store/messages.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import { agentText, isSameParty } from './participants.ts';
import { cut, submittedStep, type Change, type MessageUnit, type NewMessage } from './unit.ts';

const RULE_NOTICE = 'built-in: notice of the hub';

/** Who is told what about whom. */
type Notice = Pick<
  NewMessage,
  'thread_id' | 'sender' | 'sender_agent' | 'recipient' | 'recipient_agent' | 'body' | 'in_reply_to'
> & {
  readonly recipient_machine: string;
};

export class MessageFlow {
  readonly #parts: MessagingParts;

  constructor(parts: MessagingParts) {
    this.#parts = parts;
  }

  /** A message that just became `queued`: sends it on its way, or lets it wait behind an earlier one. */
  async passed(unit: MessageUnit, row: MessageRow): Promise<MessageRow> {
    let passed = row;
    const launched = row.kind === 'ask' ? this.#parts.launches?.() : undefined;
    if (launched !== undefined && (await launched.passed(unit.transaction, row.id, row.approved_by ?? undefined))) {
      return row;
    }
    if (row.recipient_machine !== null) {
      const earlier = await this.#earlier(unit, row);
      if (earlier === undefined) {
        await unit.send(row.recipient_machine, 'message', row.id);
      } else {
        const reason = `waits behind ${earlier.id} of the same thread, which is not decided yet`;
        passed = await unit.note(row, { reason, fields: { waits_behind: earlier.id } });
      }
    }
    await this.#answers(unit, passed);
    return passed;
  }

  /** Ends a message that did not arrive, with everything that follows. */
  async end(
    unit: MessageUnit,
    row: MessageRow,
    state: Extract<MessageState, 'denied' | 'expired' | 'cancelled' | 'failed'>,
    change: Change,
  ): Promise<MessageRow> {
    const fields = { ...change.fields, waits_behind: null, watch_at: null };
    const ended = await unit.move(row, state, { ...change, fields });
    if (row.kind === 'ask') {
      await this.#parts
        .launches?.()
        ?.ended(unit.transaction, row.id, `${state} (${change.reason ?? 'no reason given'})`);
    }
    await this.left(unit, row);
    await this.news(unit, ended, state === 'cancelled' && change.by === row.sender);
    return ended;
  }

  /** A message is no longer in the way of those behind it (`before`: the row as it was). */
  async left(unit: MessageUnit, before: MessageRow): Promise<void> {
    if (before.state !== 'held' && before.waits_behind === null) return;
    for (const found of await behind(unit.db, before.id)) {
      const row = unit.own(found);
      if (row.state !== 'queued' || row.recipient_machine === null || row.waits_behind !== before.id) continue;
      const earlier = await this.#earlier(unit, row);
      if (earlier !== undefined) {
        await unit.touch(row, { waits_behind: earlier.id });
        continue;
      }
      await unit.note(row, { reason: undefined, fields: { waits_behind: null } });
      await unit.send(row.recipient_machine, 'message', row.id);
      await this.left(unit, row);
    }
  }

  /** Tells the sender how its message stands. `quiet`: it knows why already, so its session is not bothered. */
  async news(unit: MessageUnit, row: MessageRow, quiet = false): Promise<void> {
    if (row.sender_machine === null || row.kind === 'notice') return;
    await unit.send(row.sender_machine, 'status', row.id);
    if (quiet || unit.now - row.created_at <= this.#parts.limits.noticeAfterMs) return;
    await this.notice(unit, {
      thread_id: row.thread_id,
      sender: row.recipient,
      sender_agent: agentText(row.recipient),
      recipient: row.sender,
      recipient_agent: row.sender_agent,
      recipient_machine: row.sender_machine,
      in_reply_to: row.id,
      body: noticeText(row),
    });
  }

  /** The recipient of a question stopped without an answer. */
  async unanswered(unit: MessageUnit, row: MessageRow): Promise<void> {
    if (row.answer_id !== null || (row.state !== 'seen' && row.state !== 'delivered')) {
      await unit.touch(row, { watch_at: null });
      return;
    }
    const noted = await unit.note(row, {
      reason: `${row.recipient} stopped without answering`,
      fields: { watch_at: null },
    });
    await this.news(unit, noted);
  }

  /** The last undecided message of the same pair and thread that came before this one. */
  async #earlier(unit: MessageUnit, row: MessageRow): Promise<MessageRow | undefined> {
    const thread = await unit.thread(row.thread_id);
    // Only a held message makes others wait, so nearly always there is nothing to look for.
    if (thread === undefined || (thread.held === 0 && row.waits_behind === null)) return undefined;
    return undecidedBefore(unit.db, {
      threadId: row.thread_id,
      sender: row.sender_agent,
      recipient: row.recipient_agent,
      before: row.seq,
    });
  }

  /** Marks the message that this one answers. */
  async #answers(unit: MessageUnit, reply: MessageRow): Promise<void> {
    if (reply.in_reply_to === null || reply.kind === 'notice') return;
    const original = await unit.message(reply.in_reply_to);
    if (original === undefined) return;
    const back =
      isSameParty(original.recipient_agent, parseAddress(reply.sender_agent)) &&
      isSameParty(original.sender_agent, parseAddress(reply.recipient_agent));
    if (!back) return;
    const first = original.answer_id === null && !hasFailed(original.state);
    const fields = {
      replies: original.replies + 1,
      ...(first ? { answer_id: reply.id, watch_at: null } : {}),
    };
    if (!canMove(original.state, 'answered') || original.state === 'answered') {
      await unit.touch(original, fields);
      return;
    }
    const answered = await unit.move(original, 'answered', {
      place: reply.sender_machine ?? 'hub',
      proof: `reply ${reply.id}`,
      by: reply.sender,
      fields: { ...fields, waits_behind: null },
    });
    await this.left(unit, original);
    if (answered.sender_machine !== null) await unit.send(answered.sender_machine, 'status', answered.id);
  }

  /** Our own words to an agent, where its machine still belongs to the mesh. `topic`: what a conversation that begins with them is called after. */
  async notice(unit: MessageUnit, told: Notice, topic = told.body): Promise<void> {
    const machine = told.recipient_machine;
    if (this.#parts.directory.standing(machine) !== 'member') return;
    const row = await unit.add(
      {
        ...told,
        id: newId('message', unit.now),
        kind: 'notice',
        sender_machine: null,
        binding: 'preferred',
        priority: 'normal',
        idempotency_key: null,
        depth: 0,
        state: 'queued',
        state_since: unit.now,
        place: 'hub',
        reason: null,
        rule: RULE_NOTICE,
        passed_by: RULE_NOTICE,
        approval_id: null,
        waits_behind: null,
        created_at: unit.now,
        expires_at: unit.now + this.#parts.limits.messageExpirySeconds * 1000,
        watch_at: null,
      },
      [
        submittedStep(unit.now, 'hub', 'hub'),
        { state: 'queued', at: unit.now, place: 'hub', proof: null, rule: RULE_NOTICE, by: null, reason: null },
      ],
      topic,
    );
    await unit.send(machine, 'message', row.id);
  }
}

/** What the sender's agent reads. */
export function noticeText(about: MessageRow): string {
  const what = `Your message ${about.id} to ${about.recipient} ("${cut(about.body, 80)}")`;
  const why = about.reason === null ? '' : `: ${about.reason}`;
  switch (about.state) {
    case 'denied':
      return `${what} was denied${why}. Do not send it again unless your person asks you to.`;
    case 'expired':
      return `${what} expired before it arrived${why}.`;
    case 'failed':
      return `${what} could not be delivered${why}.`;
    case 'cancelled':
      return `${what} was cancelled${why}.`;
    default:
      return `${what} arrived, but there is no answer${why}. Go on without it, or ask again later.`;
  }
}
