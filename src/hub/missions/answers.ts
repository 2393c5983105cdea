/**
 * Missions that answer a question: whether one may be started for it, and what the question's own way means for it.
 *
 * Invariants: one approval for both: where the launch must be asked about, its card shows the question and allowing it lets the question pass;
 * where only the question must be, allowing that starts the agent. What cannot be started (no such agent, too deep, too many, forbidden) leaves
 * the question as any other: it waits for a session.
 */
import { toIntercomError } from '../../protocol/errors.ts';
import { MissionSpec } from '../../protocol/mission.ts';
import type { LaunchPort, PlannedLaunch, QuestionToLaunch } from '../messaging/context.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import { missionAnswering } from '../store/missions.ts';
import { missionIsOver } from '../../protocol/mission-life.ts';
import type { MissionAftermath, MissionParts } from './context.ts';
import type { MissionLife } from './life.ts';
import type { MissionRequests } from './requests.ts';
import { MissionUnit } from './unit.ts';

export class Answers implements LaunchPort {
  readonly #parts: MissionParts;
  readonly #aftermath: MissionAftermath;
  readonly #requests: MissionRequests;
  readonly #life: MissionLife;

  constructor(parts: MissionParts, aftermath: MissionAftermath, requests: MissionRequests, life: MissionLife) {
    this.#parts = parts;
    this.#aftermath = aftermath;
    this.#requests = requests;
    this.#life = life;
  }

  async plan(db: HubDb, question: QuestionToLaunch): Promise<PlannedLaunch | undefined> {
    const { from, to, text, threadId, messageId } = question;
    const spec = MissionSpec.parse({ project: to.project, text });
    const draft = { from, machine: to.machine, spec, idempotencyKey: undefined, requireApproval: 'auto' as const };
    try {
      const plan = await this.#requests.plan(db, { ...draft, threadId, answers: messageId });
      if (plan.outcome === 'deny') return undefined;
      return {
        asks: plan.outcome === 'ask',
        rule: plan.rule,
        store: async (transaction, approvalId) => {
          const held = approvalId === undefined ? plan : { ...plan, outcome: 'ask' as const };
          const row = await this.#requests.store(this.#unit(transaction), held, approvalId);
          return { missionId: row.id, approvalId: row.approval_id };
        },
      };
    } catch (error) {
      if (toIntercomError(error).code === 'internal') throw error;
      return undefined;
    }
  }

  async passed(transaction: HubTransaction, messageId: string, by: string | undefined): Promise<boolean> {
    const row = await missionAnswering(transaction.db, messageId);
    if (row === undefined || missionIsOver(row.state)) return false;
    if (row.state === 'awaiting_approval') await this.#life.allowed(this.#unit(transaction), row, by ?? 'policy');
    return true;
  }

  async ended(transaction: HubTransaction, messageId: string, reason: string): Promise<void> {
    const row = await missionAnswering(transaction.db, messageId);
    if (row === undefined || missionIsOver(row.state)) return;
    await this.#life.cancel(this.#unit(transaction), row, 'the hub', `its question is over: ${reason}`);
  }

  async answers(db: HubDb, messageId: string): Promise<boolean> {
    return (await missionAnswering(db, messageId)) !== undefined;
  }

  #unit(transaction: HubTransaction): MissionUnit {
    return new MissionUnit(this.#parts, this.#aftermath, transaction);
  }
}
