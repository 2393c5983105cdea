/**
 * Messages that missions bring about. A question that an agent is started for follows the mission that answers it, and the mission's result is the answer; who wanted to be told how a
 * mission ended gets a message.
 *
 * Invariants: a question is never overstated: while its agent works it is `written`, and only the answer makes it more; when the mission comes to
 * nothing, so does the question, with the reason; what is told comes from the agent's own address, into the thread of the question or the mission.
 */
import { newId } from '../../protocol/ids.ts';
import { MESSAGE_BODY_MAX } from '../../protocol/limits.ts';
import { canMove, hasFailed } from '../../protocol/message-life.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import { normalizeNewlines, textFault } from '../../protocol/text.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { resultOf } from '../store/missions.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import type { MessageFlow } from './flow.ts';
import { submittedStep, type MessageUnit, type NewMessage } from './unit.ts';

/** What differs between the messages of missions. */
type Told = Pick<
  NewMessage,
  | 'thread_id'
  | 'kind'
  | 'recipient'
  | 'recipient_agent'
  | 'recipient_machine'
  | 'body'
  | 'priority'
  | 'in_reply_to'
  | 'depth'
  | 'rule'
> & { readonly rule: string };

const CUT_NOTE = '\n\n(cut: the whole is in the log of the mission)';

export class Launched {
  readonly #parts: MessagingParts;
  readonly #flow: MessageFlow;

  constructor(parts: MessagingParts, flow: MessageFlow) {
    this.#parts = parts;
    this.#flow = flow;
  }

  /** The mission moved, or its machine has it now. */
  async follow(unit: MessageUnit, mission: MissionRow): Promise<void> {
    if (mission.answers === null) {
      if (mission.notify === 1 && missionIsOver(mission.state)) await this.#tellEnd(unit, mission);
      return;
    }
    const row = await unit.message(mission.answers);
    if (row === undefined || hasFailed(row.state) || row.state === 'answered') return;
    if (mission.state === 'awaiting_approval') return;
    if (missionIsOver(mission.state)) await this.#end(unit, row, mission);
    else if (mission.state === 'queued') await this.#queued(unit, row, mission);
    else await this.#works(unit, row, mission);
  }

  async #queued(unit: MessageUnit, row: MessageRow, mission: MissionRow): Promise<void> {
    const reason = `an agent is started for it (${mission.id})`;
    if (row.state === 'held') {
      const by = mission.approved_by ?? undefined;
      const queued = await unit.move(row, 'queued', {
        by,
        reason,
        fields: { approved_by: mission.approved_by, passed_by: mission.passed_by },
      });
      await this.#flow.left(unit, row);
      await this.#flow.news(unit, queued, true);
      return;
    }
    if (mission.place === 'hub' || !canMove(row.state, 'dispatched')) return;
    const proof = 'acknowledged by its daemon';
    await unit.move(row, 'dispatched', {
      place: mission.machine_id,
      proof,
      reason: `${reason}; it waits for its turn`,
    });
  }

  async #works(unit: MessageUnit, row: MessageRow, mission: MissionRow): Promise<void> {
    const why = mission.reason === null ? '' : `: ${mission.reason}`;
    const reason = `${mission.id} works on it (${mission.state.replace('_', ' ')}${why})`.slice(0, 500);
    if (row.state === 'written') await unit.note(row, { reason });
    else if (canMove(row.state, 'written')) await unit.move(row, 'written', { place: mission.machine_id, reason });
  }

  async #end(unit: MessageUnit, row: MessageRow, mission: MissionRow): Promise<void> {
    const result = resultOf(mission.result);
    if (mission.state === 'completed' && result?.isError !== true) {
      await this.#answer(unit, row, mission, result?.text ?? '');
      return;
    }
    const words =
      mission.state === 'completed'
        ? `ended with an error: ${firstLine(result?.text)}`
        : mission.state.replace('_', ' ');
    const why = mission.reason === null ? '' : `: ${mission.reason}`;
    const reason = `${mission.id}, which was started to answer it, ${words}${why}`.slice(0, 500);
    const by = mission.approved_by ?? undefined;
    if (mission.state === 'denied' && canMove(row.state, 'denied')) {
      const fields = { approved_by: mission.approved_by };
      await this.#flow.end(unit, row, 'denied', { reason: mission.reason ?? reason, by, fields });
    } else if (canMove(row.state, 'failed')) {
      await this.#flow.end(unit, row, 'failed', { reason });
    }
  }

  async #answer(unit: MessageUnit, question: MessageRow, mission: MissionRow, text: string): Promise<void> {
    await this.#say(unit, mission, {
      thread_id: question.thread_id,
      kind: 'reply',
      recipient: question.sender,
      recipient_agent: question.sender_agent,
      recipient_machine: question.sender_machine,
      body: bodyOf(text),
      priority: question.priority,
      in_reply_to: question.id,
      depth: question.depth,
      rule: `built-in: it answers ${question.id}, which was let through`,
    });
  }

  async #tellEnd(unit: MessageUnit, mission: MissionRow): Promise<void> {
    if (mission.requester_machine === null) return;
    await this.#say(unit, mission, {
      thread_id: mission.thread_id,
      kind: 'send',
      recipient: mission.requested_by,
      recipient_agent: mission.requester_agent,
      recipient_machine: mission.requester_machine,
      body: bodyOf(endWords(mission)),
      priority: 'normal',
      in_reply_to: null,
      depth: 0,
      rule: `built-in: it tells how ${mission.id} ended, as was asked for`,
    });
  }

  async #say(unit: MessageUnit, mission: MissionRow, told: Told): Promise<void> {
    const agent = `${mission.machine_id}/${mission.project}`;
    const sender = mission.session === null ? agent : `${agent}#${mission.session}`;
    const { rule } = told;
    const row = await unit.add(
      {
        ...told,
        id: newId('message', unit.now),
        sender,
        sender_agent: agent,
        sender_machine: mission.machine_id,
        binding: 'preferred',
        idempotency_key: null,
        state: 'queued',
        state_since: unit.now,
        place: 'hub',
        reason: null,
        passed_by: rule,
        approval_id: null,
        waits_behind: null,
        created_at: unit.now,
        expires_at: unit.now + this.#parts.limits.messageExpirySeconds * 1000,
        watch_at: null,
      },
      [
        submittedStep(unit.now, mission.machine_id, sender),
        { state: 'queued', at: unit.now, place: 'hub', proof: null, rule, by: null, reason: null },
      ],
    );
    await this.#flow.passed(unit, row);
  }
}

/** "The mission mis_… that you asked for is over: failed (no such model)." and its last message. */
function endWords(mission: MissionRow): string {
  const result = resultOf(mission.result);
  const failed = mission.state === 'completed' && result?.isError === true ? ', with an error' : '';
  const why = mission.reason === null ? '' : ` (${mission.reason})`;
  const head = `The mission ${mission.id} that you asked for is over: ${mission.state.replace('_', ' ')}${failed}${why}.`;
  const text = result?.text.trim() ?? '';
  return text === '' ? head : `${head}\n\n${text}`;
}

/** The result as a message: never empty, plain, not longer than a message may be. */
function bodyOf(text: string): string {
  const plain = normalizeNewlines(text);
  if (plain.trim() === '') return '(The agent ended without saying anything.)';
  const clean = textFault(plain) === undefined ? plain : plain.replace(/[^\P{C}\n\t]/gu, '');
  const bytes = Buffer.from(clean);
  if (bytes.length <= MESSAGE_BODY_MAX) return clean;
  const room = MESSAGE_BODY_MAX - Buffer.byteLength(CUT_NOTE) - 4;
  // A character that was cut in half is left out.
  return `${new TextDecoder().decode(bytes.subarray(0, room)).replace(/\ufffd$/, '')}${CUT_NOTE}`;
}

function firstLine(text: string | undefined): string {
  return text === undefined || text.trim() === ''
    ? 'it said nothing'
    : (text.trim().split('\n')[0] ?? '').slice(0, 300);
}
