/**
 * Takes messages in: from agents through their daemons, and from operators.
 *
 * Invariants: the sender is who was authenticated, never what a body says; a repeat (same id, or same sender and idempotency key) gives the first
 * message as it is now; an item that is refused leaves no trace and harms no other of its batch; a message is stored with its verdict, its
 * approval, its place in the outbox and its event in one transaction.
 */
import { formatAddress, type Address } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import type { SubmitItem } from '../../protocol/machine-api.ts';
import type { MessageKind, Priority, Surface } from '../../protocol/model.ts';
import type { OperatorSubmit } from '../../protocol/operator-api.ts';
import type { Actor } from '../services.ts';
import { addAlias } from '../store/aliases.ts';
import { countUse } from '../store/grants.ts';
import { latestInThread, messageByKey } from '../store/messages.ts';
import type { MessageRow } from '../store/schema.ts';
import { Gate, GrantCache, type Admission } from './admission.ts';
import { sessionsOf } from '../store/machines.ts';
import type { MessagingParts, PlannedLaunch } from './context.ts';
import type { MessageFlow } from './flow.ts';
import { agentTextOf, isSameParty } from './participants.ts';
import { Recipients, type Recipient } from './recipients.ts';
import { cut, submittedStep, type MessageUnit } from './unit.ts';

interface Draft {
  readonly id: string;
  readonly from: Address;
  readonly machine: string | undefined;
  readonly to: string | undefined;
  readonly kind: Exclude<MessageKind, 'notice'>;
  readonly body: string;
  readonly threadId: string | undefined;
  /** An unknown thread id names a new thread: daemons make them while their hub is away. */
  readonly mayOpenThread: boolean;
  readonly inReplyTo: string | undefined;
  readonly priority: Priority;
  readonly idempotencyKey: string | undefined;
  readonly requireApproval: 'auto' | 'always';
  readonly launch: 'auto' | 'never';
  readonly depth: number;
  readonly expiresInSeconds: number | undefined;
  readonly submittedAt: number;
  readonly place: string;
}

interface Plan {
  readonly draft: Draft;
  readonly threadId: string;
  readonly original: MessageRow | undefined;
  readonly recipient: Recipient;
  readonly admission: Admission;
  /** An agent is started for it. */
  readonly launch: PlannedLaunch | undefined;
}

export class Submission {
  readonly #parts: MessagingParts;
  readonly #flow: MessageFlow;
  readonly #recipients: Recipients;
  readonly #gate: Gate;

  constructor(parts: MessagingParts, flow: MessageFlow) {
    this.#parts = parts;
    this.#flow = flow;
    this.#recipients = new Recipients(parts);
    this.#gate = new Gate(parts);
  }

  /** One item of a daemon's batch: the stored message, or why it was refused. */
  async fromMachine(
    unit: MessageUnit,
    grants: GrantCache,
    machine: string,
    item: SubmitItem,
  ): Promise<MessageRow | IntercomError> {
    const from: Address = {
      kind: 'agent',
      machine,
      project: item.fromProject,
      ...(item.fromSession === undefined ? {} : { session: item.fromSession }),
    };
    return this.#take(unit, grants, {
      id: item.id,
      from,
      machine,
      to: item.to,
      kind: item.kind,
      body: item.body,
      threadId: item.threadId,
      mayOpenThread: true,
      inReplyTo: item.inReplyTo,
      priority: item.priority,
      idempotencyKey: item.idempotencyKey,
      requireApproval: item.requireApproval,
      launch: item.launch,
      depth: item.depth,
      expiresInSeconds: item.expiresInSeconds,
      submittedAt: Math.min(Date.parse(item.submittedAt), unit.now),
      place: machine,
    });
  }

  async fromOperator(
    unit: MessageUnit,
    actor: Actor,
    submit: OperatorSubmit,
    opensThread: boolean,
  ): Promise<MessageRow | IntercomError> {
    const surface: Surface = actor.via;
    return this.#take(unit, new GrantCache(), {
      id: newId('message', unit.now),
      from: { kind: 'human', name: actor.operator.name },
      machine: undefined,
      to: submit.to,
      kind: submit.kind,
      body: submit.body,
      threadId: submit.threadId,
      mayOpenThread: opensThread,
      inReplyTo: submit.inReplyTo,
      priority: submit.priority,
      idempotencyKey: submit.idempotencyKey,
      requireApproval: 'auto',
      launch: 'never',
      depth: 0,
      expiresInSeconds: undefined,
      submittedAt: unit.now,
      place: surface,
    });
  }

  async #take(unit: MessageUnit, grants: GrantCache, draft: Draft): Promise<MessageRow | IntercomError> {
    let plan: Plan | MessageRow;
    try {
      plan = (await this.#repeated(unit, draft)) ?? (await this.#plan(unit, grants, draft));
    } catch (error) {
      // Nothing was written yet, so the others of the batch go on.
      if (error instanceof IntercomError && error.code !== 'storage_failed') return error;
      throw error;
    }
    return 'draft' in plan ? this.#store(unit, plan) : plan;
  }

  async #repeated(unit: MessageUnit, draft: Draft): Promise<MessageRow | undefined> {
    const same = await unit.message(draft.id);
    if (same !== undefined) {
      if (same.sender_agent === agentTextOf(draft.from)) return same;
      throw new IntercomError('conflict', 'This message id belongs to a message of another sender.', {
        field: 'id',
        next: 'Make a new id.',
      });
    }
    if (draft.idempotencyKey === undefined) return undefined;
    const first = await messageByKey(unit.db, agentTextOf(draft.from), draft.idempotencyKey);
    if (first === undefined) return undefined;
    await addAlias(unit.db, draft.id, first.id);
    return unit.own(first);
  }

  async #plan(unit: MessageUnit, grants: GrantCache, draft: Draft): Promise<Plan> {
    const named = await this.#original(unit, draft);
    const threadId = named?.thread_id ?? draft.threadId ?? newId('thread', unit.now);
    await this.#checkThread(unit, draft, threadId, named);
    const recipient =
      draft.to === undefined
        ? await this.#recipients.implied(unit, draft.threadId, named, draft.from)
        : await this.#recipients.named(unit, draft.to, draft.from);
    if (draft.from.kind === 'human' && recipient.address.kind === 'human') {
      throw new IntercomError('invalid_request', 'People talk to each other elsewhere.', {
        field: 'to',
        next: 'Give the address of an agent.',
      });
    }
    const original = named ?? (await this.#answered(unit, draft, threadId, recipient.address));
    const admission = await this.#gate.decide(unit, grants, {
      from: draft.from,
      to: recipient.address,
      kind: draft.kind,
      body: draft.body,
      threadId,
      depth: draft.depth,
      original,
      requireApproval: draft.requireApproval,
    });
    const plan = { draft, threadId, original, recipient, admission };
    return { ...plan, launch: await this.#launch(unit, plan) };
  }

  async #original(unit: MessageUnit, draft: Draft): Promise<MessageRow | undefined> {
    if (draft.inReplyTo === undefined) return undefined;
    const original = await unit.message(draft.inReplyTo);
    const mine =
      original !== undefined &&
      original.state !== 'held' &&
      (isSameParty(original.recipient_agent, draft.from) || isSameParty(original.sender_agent, draft.from));
    if (!mine) {
      throw new IntercomError('unknown_message', `You have no message ${draft.inReplyTo} to answer.`, {
        field: 'inReplyTo',
        next: 'intercom_check_inbox shows what you got.',
      });
    }
    if (draft.threadId !== undefined && draft.threadId !== original.thread_id) {
      throw new IntercomError('invalid_request', 'The message that it answers is in another thread.', {
        field: 'threadId',
        next: 'Leave the thread out, or give the right one.',
      });
    }
    return original;
  }

  /** Only who takes part may write into a thread; whoever else names one learns no more than that it is not theirs. */
  async #checkThread(
    unit: MessageUnit,
    draft: Draft,
    threadId: string,
    original: MessageRow | undefined,
  ): Promise<void> {
    if (draft.threadId === undefined || original !== undefined || draft.from.kind === 'human') {
      const named = draft.threadId !== undefined && draft.from.kind === 'human' && !draft.mayOpenThread;
      if (named && (await unit.thread(threadId)) === undefined) throw unknownThread(threadId);
      return;
    }
    const thread = await unit.thread(threadId);
    if (thread === undefined) {
      if (draft.mayOpenThread && draft.to !== undefined) return;
      throw unknownThread(threadId);
    }
    const bare = JSON.stringify(agentTextOf(draft.from)).slice(0, -1);
    const takesPart = thread.participants.includes(`${bare}"`) || thread.participants.includes(`${bare}#`);
    if (!takesPart) throw unknownThread(threadId);
  }

  /** Without a named message, a reply answers the newest open question to its sender, or else the newest message to it. */
  async #answered(
    unit: MessageUnit,
    draft: Draft,
    threadId: string,
    recipient: Address,
  ): Promise<MessageRow | undefined> {
    if (draft.threadId === undefined || (draft.kind !== 'reply' && draft.kind !== 'chat')) return undefined;
    const incoming = (await latestInThread(unit.db, threadId)).filter(
      (row) =>
        row.kind !== 'notice' &&
        row.state !== 'held' &&
        row.state !== 'denied' &&
        isSameParty(row.recipient, draft.from) &&
        isSameParty(row.sender, recipient),
    );
    const found = incoming.find((row) => row.kind === 'ask' && row.answer_id === null) ?? incoming[0];
    return found === undefined ? undefined : unit.own(found);
  }

  /** An agent to start for a question that nobody is there to answer, if one can and may be. */
  async #launch(unit: MessageUnit, plan: Omit<Plan, 'launch'>): Promise<PlannedLaunch | undefined> {
    const { draft, threadId, recipient, admission } = plan;
    const to = recipient.address;
    const wanted = draft.kind === 'ask' && draft.launch === 'auto' && admission.outcome !== 'deny';
    if (!wanted || draft.from.kind !== 'agent' || to.kind !== 'agent' || to.session !== undefined) return undefined;
    const live = (await sessionsOf(unit.db, to.machine)).get(to.machine) ?? [];
    if (live.some((session) => session.project === to.project)) return undefined;
    const question = { from: draft.from, to, text: draft.body, threadId, messageId: draft.id };
    return this.#parts.launches?.()?.plan(unit.db, question);
  }

  /** The approval that the message waits for: of the launch that answers it, or its own. */
  async #approvalFor(
    unit: MessageUnit,
    plan: Plan,
    from: string,
    to: string,
    expiresAt: number,
  ): Promise<string | null> {
    const { launch, admission } = plan;
    if (launch?.asks === true) return (await launch.store(unit.transaction, undefined)).approvalId;
    const own = admission.outcome === 'hold' ? await this.#ask(unit, plan, from, to, expiresAt) : undefined;
    await launch?.store(unit.transaction, own);
    return own ?? null;
  }

  async #store(unit: MessageUnit, given: Plan): Promise<MessageRow> {
    const plan = withLaunch(given);
    const { draft, admission, recipient } = plan;
    const to = formatAddress(recipient.address);
    const from = formatAddress(draft.from);
    const seconds = draft.expiresInSeconds ?? this.#parts.limits.messageExpirySeconds;
    const expiresAt = unit.now + seconds * 1000;
    const state = { pass: 'queued', hold: 'held', deny: 'denied' } as const;
    const reason = admission.reason ?? null;
    const approvalId = await this.#approvalFor(unit, plan, from, to, expiresAt);
    const row = await unit.add(
      {
        id: draft.id,
        thread_id: plan.threadId,
        kind: draft.kind,
        sender: from,
        recipient: to,
        sender_agent: agentTextOf(draft.from),
        recipient_agent: agentTextOf(recipient.address),
        sender_machine: draft.machine ?? null,
        recipient_machine: recipient.address.kind === 'agent' ? recipient.address.machine : null,
        binding: recipient.binding,
        body: draft.body,
        priority: draft.priority,
        in_reply_to: plan.original?.id ?? null,
        idempotency_key: draft.idempotencyKey ?? null,
        depth: draft.depth,
        state: state[admission.outcome],
        state_since: unit.now,
        place: 'hub',
        reason,
        rule: admission.rule,
        passed_by: admission.outcome === 'pass' ? cut(`allowed by ${admission.rule}`, 300) : null,
        approval_id: approvalId,
        waits_behind: null,
        created_at: unit.now,
        expires_at: expiresAt,
        watch_at: null,
      },
      [
        submittedStep(draft.submittedAt, draft.place, from),
        {
          state: state[admission.outcome],
          at: unit.now,
          place: 'hub',
          proof: null,
          rule: admission.rule,
          by: null,
          reason,
        },
      ],
    );
    if (admission.outcome !== 'pass') return row;
    if (admission.grantId !== undefined) await countUse(unit.db, admission.grantId);
    return this.#flow.passed(unit, row);
  }

  async #ask(unit: MessageUnit, plan: Plan, from: string, to: string, expiresAt: number): Promise<string> {
    const { draft, admission } = plan;
    const thread = await unit.thread(plan.threadId);
    const limit = unit.now + this.#parts.limits.approvalExpirySeconds * 1000;
    const approval = await this.#parts.approvals.create(unit.transaction, {
      subject: {
        kind: draft.kind === 'ask' ? 'ask' : 'message',
        messageId: draft.id,
        threadId: plan.threadId,
        messageKind: draft.kind,
        from,
        to,
        threadTitle: thread?.title ?? cut(draft.body, 80),
        body: draft.body,
      },
      rule: admission.rule,
      level: admission.level,
      scopes: admission.scopes,
      expiresAt: Math.min(limit, expiresAt),
      messageId: draft.id,
    });
    return approval.id;
  }
}

/** A launch that must be decided holds its question too. */
function withLaunch(plan: Plan): Plan {
  const { launch, admission } = plan;
  if (launch?.asks !== true) return plan;
  const reason = 'waits for an operator: nobody works there, so an agent would be started for it';
  return { ...plan, admission: { ...admission, outcome: 'hold', rule: launch.rule, reason } };
}

function unknownThread(id: string): IntercomError {
  return new IntercomError('unknown_thread', `You take part in no thread ${id}.`, {
    field: 'threadId',
    next: 'Leave the thread out to begin a new one.',
  });
}
