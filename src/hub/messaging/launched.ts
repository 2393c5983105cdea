/**
 * Messages that missions bring about. A question that an agent is started for follows the mission that answers it, and the mission's result is the answer; an agent that asked to be told
 * how its mission ended gets a notice.
 *
 * Invariants: a question is never overstated: while its agent works it is `written`, and only the answer makes it more; when the mission comes to
 * nothing, so does the question, with the reason; the answer comes from the agent's own address, into the question's thread. A notice holds our words alone: what
 * the agent said is read with its own frame around it.
 */
import { newId } from '../../protocol/ids.ts';
import { MESSAGE_BODY_MAX } from '../../protocol/limits.ts';
import { canMove, hasFailed } from '../../protocol/message-life.ts';
import { missionIsOver, type MissionState } from '../../protocol/mission-life.ts';
import { normalizeNewlines, textFault } from '../../protocol/text.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import { resultOf } from '../store/missions.ts';
import type { MessageRow } from '../store/schema.ts';
import type { MessagingParts } from './context.ts';
import type { MessageFlow } from './flow.ts';
import { cut, submittedStep, type MessageUnit } from './unit.ts';

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

  async #tellEnd(unit: MessageUnit, mission: MissionRow): Promise<void> {
    if (mission.requester_machine === null) return;
    const agent = `${mission.machine_id}/${mission.project}`;
    const told = {
      thread_id: mission.thread_id,
      sender: mission.session === null ? agent : `${agent}#${mission.session}`,
      sender_agent: agent,
      recipient: mission.requested_by,
      recipient_agent: mission.requester_agent,
      recipient_machine: mission.requester_machine,
      in_reply_to: null,
      body: endText(mission),
    };
    await this.#flow.notice(unit, told, mission.text);
  }

  async #answer(unit: MessageUnit, question: MessageRow, mission: MissionRow, text: string): Promise<void> {
    const agent = `${mission.machine_id}/${mission.project}`;
    const sender = mission.session === null ? agent : `${agent}#${mission.session}`;
    const rule = `built-in: it answers ${question.id}, which was let through`;
    const row = await unit.add(
      {
        id: newId('message', unit.now),
        thread_id: question.thread_id,
        kind: 'reply',
        sender,
        recipient: question.sender,
        sender_agent: agent,
        recipient_agent: question.sender_agent,
        sender_machine: mission.machine_id,
        recipient_machine: question.sender_machine,
        binding: 'preferred',
        body: bodyOf(text),
        priority: question.priority,
        in_reply_to: question.id,
        idempotency_key: null,
        depth: question.depth,
        state: 'queued',
        state_since: unit.now,
        place: 'hub',
        reason: null,
        rule,
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

/** Ends that people, rules and limits make, in words of ours or of people. Why an agent failed may be its own words. */
const SAYS_WHY: ReadonlySet<MissionState> = new Set(['denied', 'cancelled', 'timed_out', 'lost']);

/** What the agent that asked for it reads. */
function endText(mission: MissionRow): string {
  const failed = mission.state === 'completed' && resultOf(mission.result)?.isError === true;
  const state = failed ? 'completed, with an error' : mission.state.replace('_', ' ');
  const why = mission.reason === null || !SAYS_WHY.has(mission.state) ? '' : `: ${cut(mission.reason, 200)}`;
  const next =
    mission.state === 'denied'
      ? 'Do not ask for it again unless your person asks you to.'
      : 'intercom_wait with its id tells you the rest.';
  return `Your mission ${mission.id} at ${mission.machine_id}/${mission.project} ("${cut(mission.text, 80)}") is over, ${state}${why}. ${next}`;
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
