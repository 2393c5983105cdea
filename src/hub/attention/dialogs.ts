/**
 * Dialogs of sessions: an agent asks whether it may use a tool, or asks its person something, and whoever answers first, at the terminal or from afar, decides.
 *
 * Invariants: the asking session is stamped by the hub; a `ref` is asked about once, however often it is raised; what policy or a grant decides is
 * recorded with its rule and answered at once; a decision reaches the machine through the outbox, so that neither side forgets it; a dialog that
 * is gone (its session ended, its daemon started anew without it) is withdrawn, so that nobody answers into the void.
 */
import type { z } from 'zod';
import { isoTime } from '../../platform/clock.ts';
import { agentOf, formatAddress, type AgentAddress } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { ApprovalEffect, ApprovalRaised, CloseApproval, RaiseApproval } from '../../protocol/machine-api.ts';
import type { Approval, Decision, QuestionSubject, ToolSubject } from '../../protocol/model.ts';
import type { ApprovalDraft, StoredApprovals } from '../approvals/approvals.ts';
import type { PolicyPort } from '../messaging/context.ts';
import type { ToolApprovals } from '../services.ts';
import { approvalById, pendingCount, toApproval } from '../store/approvals.ts';
import { countUse, liveGrants } from '../store/grants.ts';
import type { HubStore, HubTransaction } from '../store/hub-store.ts';
import { sessionById } from '../store/machines.ts';
import type { DialogRow } from '../store/attention-schema.ts';
import { dialogByRef, dialogOfApproval, openDialogs, saveDialog } from '../store/dialogs.ts';
import { missionById, missionInSession } from '../store/missions.ts';
import { insertOutbox } from '../store/outbox.ts';
import type { Clock } from '../../platform/clock.ts';

/** A hello that was under way when a dialog was raised does not name it. */
const JUST_NOW_MS = 15_000;
const PENDING_MAX = 2_000;

export interface DialogParts {
  readonly store: HubStore;
  readonly approvals: StoredApprovals;
  readonly policy: PolicyPort;
  readonly clock: Clock;
  /** Something lies in the outbox of this machine. */
  readonly kick: (machineId: string) => void;
  /** A dialog waits for an answer from afar. */
  readonly waits: (
    transaction: HubTransaction,
    machineId: string,
    session: string,
    approval: Approval,
  ) => Promise<void>;
}

export class HubDialogs implements ToolApprovals {
  readonly #parts: DialogParts;

  constructor(parts: DialogParts) {
    this.#parts = parts;
    parts.approvals.register(['tool', 'question'], {
      onDecided: (transaction, approval) => this.#answer(transaction, approval),
      onExpired: (transaction, approval) => this.#answer(transaction, approval),
    });
  }

  raise(machineId: string, raise: RaiseApproval): Promise<z.infer<typeof ApprovalRaised>> {
    return this.#parts.store.write(async (transaction) => {
      const first = await dialogByRef(transaction.db, machineId, raise.ref);
      const known = first === undefined ? undefined : await approvalById(transaction.db, first.approval_id);
      // What was thought to be gone with its daemon and waits all the same is asked about again.
      const isBack = known?.state === 'withdrawn' && first?.bound_to === 'hello';
      if (known !== undefined && !isBack) return raised(toApproval(known));
      const approval = await this.#open(transaction, machineId, raise);
      await saveDialog(transaction.db, {
        machine_id: machineId,
        ref: raise.ref,
        session: raise.session,
        approval_id: approval.id,
        bound_to: raise.boundTo ?? 'hello',
        created_at: this.#parts.clock.now(),
      });
      if (approval.state === 'pending') await this.#parts.waits(transaction, machineId, raise.session, approval);
      return raised(approval);
    });
  }

  async close(machineId: string, close: CloseApproval): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      const dialog = await dialogByRef(transaction.db, machineId, close.ref);
      if (dialog === undefined) return;
      const decision = close.outcome === 'answered_elsewhere' ? this.#atTerminal(close) : undefined;
      await this.#parts.approvals.close(transaction, dialog.approval_id, close.outcome, decision);
    });
  }

  async state(machineId: string, ref: string): Promise<Approval> {
    const row = await this.#parts.store.read(async (db) => {
      const dialog = await dialogByRef(db, machineId, ref);
      return dialog === undefined ? undefined : approvalById(db, dialog.approval_id);
    });
    if (row !== undefined) return toApproval(row);
    throw new IntercomError('unknown_approval', 'Nothing was asked by that name from this machine.', {
      next: 'Ask again.',
    });
  }

  /** What came of a decision, as its machine tells. */
  async effect(machineId: string, { ref, state, reason }: ApprovalEffect): Promise<void> {
    await this.#parts.store.write(async (transaction) => {
      const dialog = await dialogByRef(transaction.db, machineId, ref);
      if (dialog === undefined) return;
      const at = isoTime(this.#parts.clock.now());
      await this.#parts.approvals.effect(transaction, dialog.approval_id, {
        state,
        at,
        ...(reason === undefined ? {} : { reason }),
      });
    });
  }

  /** What the daemon no longer shows is withdrawn; in the transaction of its hello. */
  async hello(transaction: HubTransaction, machineId: string, open: readonly string[]): Promise<void> {
    const there = new Set(open);
    const now = this.#parts.clock.now();
    const gone = (await openDialogs(transaction.db, machineId)).filter(
      (dialog) => dialog.bound_to === 'hello' && !there.has(dialog.ref) && now - dialog.created_at >= JUST_NOW_MS,
    );
    await this.#withdraw(transaction, gone);
  }

  /** A session ended, and its dialogs with it. */
  async sessionEnded(transaction: HubTransaction, machineId: string, session: string): Promise<void> {
    await this.#withdraw(transaction, await openDialogs(transaction.db, machineId, session));
  }

  /** A machine was put out. */
  async machineGone(machineId: string): Promise<void> {
    await this.#parts.store.write(async (transaction) =>
      this.#withdraw(transaction, await openDialogs(transaction.db, machineId)),
    );
  }

  async #open(transaction: HubTransaction, machineId: string, raise: RaiseApproval): Promise<Approval> {
    const { db } = transaction;
    const session = await sessionById(db, machineId, raise.session);
    if (session === undefined || session.state === 'ended') {
      throw new IntercomError('unknown_session', `The session ${raise.session} is not one of ${machineId}.`, {
        field: 'session',
        next: 'Tell of the session first; the dialog stays usable at the terminal.',
      });
    }
    const from: AgentAddress = { kind: 'agent', machine: machineId, project: session.project, session: raise.session };
    const mission = await this.#missionOf(transaction, machineId, raise.session, session.mission);
    const stamped = {
      from: formatAddress(from),
      agent: session.agent,
      ...(mission === undefined ? {} : { missionId: mission }),
    };
    if (raise.subject.kind === 'question') {
      return this.#ask(transaction, questionOf(raise.subject, stamped), raise.expiresInSeconds);
    }
    return this.#decide(transaction, from, toolOf(raise.subject, stamped), raise.expiresInSeconds);
  }

  /** Nobody but a person answers a question: no rule, no grant. */
  async #ask(transaction: HubTransaction, subject: QuestionSubject, expiresInSeconds: number): Promise<Approval> {
    await this.#checkRoom(transaction);
    return this.#parts.approvals.create(transaction, {
      subject,
      rule: 'built-in: questions of agents are for people',
      scopes: ['once'],
      expiresAt: this.#parts.clock.now() + expiresInSeconds * 1000,
    });
  }

  async #checkRoom({ db }: HubTransaction): Promise<void> {
    if ((await pendingCount(db)) < PENDING_MAX) return;
    throw new IntercomError('limit_reached', 'Too many approvals wait for a decision already.', {
      next: 'The dialog stays usable at the terminal.',
    });
  }

  async #decide(
    transaction: HubTransaction,
    from: AgentAddress,
    subject: ToolSubject,
    expiresInSeconds: number,
  ): Promise<Approval> {
    const { policy, approvals, clock } = this.#parts;
    const now = clock.now();
    const agent = formatAddress(agentOf(from));
    const verdict = policy.evaluate(
      {
        from,
        to: agentOf(from),
        type: 'tool',
        message: subject.input,
        tool: subject.tool,
        ...(subject.missionId === undefined ? {} : { threadId: subject.missionId }),
      },
      await liveGrants(transaction.db, agent, agent),
      now,
    );
    const base = { subject, rule: verdict.rule, expiresAt: now + expiresInSeconds * 1000 };
    // Nobody has read the rest of an input that is cut, a rule neither.
    const unread = subject.cut && verdict.outcome === 'allow' && !verdict.rule.startsWith('grant ');
    if (verdict.outcome === 'ask' || unread) {
      await this.#checkRoom(transaction);
      return approvals.create(transaction, { ...base, level: verdict.level, scopes: scopesFor(subject) });
    }
    const draft: ApprovalDraft = { ...base, scopes: [] };
    const grant = /^grant (\S+)/.exec(verdict.rule)?.[1];
    if (grant !== undefined) await countUse(transaction.db, grant);
    const decision: Decision = {
      verdict: verdict.outcome,
      scope: 'once',
      by: 'policy',
      via: 'policy',
      at: isoTime(now),
      reason: verdict.rule,
    };
    return approvals.record(transaction, draft, decision);
  }

  /** The mission that the session works on, as the hub knows it. */
  async #missionOf(
    { db }: HubTransaction,
    machineId: string,
    session: string,
    named: string | undefined,
  ): Promise<string | undefined> {
    const row = named === undefined ? await missionInSession(db, machineId, session) : await missionById(db, named);
    return row?.machine_id === machineId ? row.id : undefined;
  }

  /** Tells the machine; the dialog there goes on or is refused. */
  async #answer(transaction: HubTransaction, approval: Approval): Promise<void> {
    const dialog = await dialogOfApproval(transaction.db, approval.id);
    if (dialog === undefined) return;
    await insertOutbox(transaction.db, {
      machine_id: dialog.machine_id,
      item: 'decision',
      message_id: approval.id,
      reason: dialog.ref,
    });
    transaction.afterCommit(() => this.#parts.kick(dialog.machine_id));
  }

  async #withdraw(transaction: HubTransaction, dialogs: readonly DialogRow[]): Promise<void> {
    for (const dialog of dialogs) {
      await this.#parts.approvals.close(transaction, dialog.approval_id, 'withdrawn');
    }
  }

  #atTerminal(close: CloseApproval): Decision | undefined {
    if (close.verdict === undefined) return undefined;
    return {
      verdict: close.verdict,
      scope: 'once',
      by: 'the person at the terminal',
      via: 'terminal',
      at: isoTime(this.#parts.clock.now()),
      ...(close.reason === undefined ? {} : { reason: close.reason }),
    };
  }
}

type Stamped = Pick<ToolSubject, 'from' | 'agent' | 'missionId'>;

/** What the daemon says, without what only the hub may say. */
function toolOf(
  { plan, tool, summary, input, cut, cwd, intent, suggestions }: ToolSubject,
  stamped: Stamped,
): ToolSubject {
  return {
    kind: 'tool',
    ...(plan === undefined ? {} : { plan }),
    ...{ tool, summary, input, cut, cwd, suggestions },
    ...(intent === undefined ? {} : { intent }),
    ...stamped,
  };
}

function questionOf(
  { source, summary, context, cut, questions, cwd }: QuestionSubject,
  stamped: Stamped,
): QuestionSubject {
  return {
    kind: 'question',
    ...{ source, summary, cut, questions, cwd },
    ...(context === undefined ? {} : { context }),
    ...stamped,
  };
}

/** Once first: a tool is not let run further by a thoughtless tap. */
function scopesFor(subject: ToolSubject): Approval['scopes'] {
  // A plan is gone ahead with once; another one is another plan.
  if (subject.plan === true) return ['once'];
  return ['once', ...(subject.missionId === undefined ? [] : (['mission'] as const)), 'session', 'always'];
}

function raised(approval: Approval): z.infer<typeof ApprovalRaised> {
  const { id, state, decision } = approval;
  return { id, state, ...(decision === undefined ? {} : { decision }) };
}
