/** The hub's services as far as the Telegram surface uses them, in memory: same events, same errors, first answer wins. */
import { createHash } from 'node:crypto';
import { isoTime, type Clock } from '../../../src/platform/clock.ts';
import { Emitter } from '../../../src/platform/emitter.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import type { HubEvent, NewHubEvent } from '../../../src/protocol/events.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type {
  Agent,
  Approval,
  ApprovalSubject,
  Decision,
  Machine,
  Message,
  Operator,
  SystemNotice,
  Thread,
} from '../../../src/protocol/model.ts';
import { answersOf } from '../../../src/hub/approvals/answers.ts';
import type { HubServices } from '../../../src/hub/services.ts';
import type { QuestionAnswer } from '../../../src/protocol/attention.ts';
import type { DecisionRequest } from '../../../src/protocol/operator-api.ts';
import { FakeAttention } from './fake-attention.ts';
import { FakeMissions } from './fake-missions.ts';

function unused(): never {
  throw new Error('the Telegram surface does not use this');
}

export class FakeHub {
  epoch = 'epoch-1';
  readonly log: HubEvent[] = [];
  readonly approvals = new Map<string, Approval>();
  readonly messages = new Map<string, Message>();
  readonly threads = new Map<string, Thread>();
  readonly operators = new Map<number, Operator>();
  readonly notices = new Map<string, Omit<SystemNotice, 'since'>>();
  /** Every notice that was raised, with repeats. */
  readonly raised: string[] = [];
  readonly shown: { id: string; via: string; proof: string }[] = [];
  readonly machineNames = new Map<string, string>();
  readonly missions: FakeMissions;
  readonly attention = new FakeAttention(() => [...this.approvals.values()]);
  agents: Agent[] = [];
  readonly #emitter = new Emitter<HubEvent>((error) => {
    throw error;
  });
  readonly storeFaults = new Emitter<SystemNotice | undefined>((error) => {
    throw error;
  });
  readonly #clock: Clock;
  readonly #byIdempotency = new Map<string, string>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.missions = new FakeMissions({
      clock,
      emit: (event) => this.emit(event),
      say: (draft) => this.message(draft),
    });
  }

  // ── what tests do ──────────────────────────────────────────────────────────────────────────────────────────────────────

  emit(event: NewHubEvent): void {
    const full: HubEvent = { ...event, seq: this.log.length + 1, at: this.#now() };
    this.log.push(full);
    this.#emitter.emit(full);
  }

  message(draft: Partial<Message> & Pick<Message, 'from' | 'to' | 'body'>): Message {
    const id = draft.id ?? newId('message');
    const message: Message = {
      id,
      threadId: newId('thread'),
      kind: 'send',
      priority: 'normal',
      state: 'queued',
      stateSince: this.#now(),
      place: 'hub',
      createdAt: this.#now(),
      expiresAt: isoTime(this.#clock.now() + 86_400_000),
      ...draft,
    };
    this.put(message);
    return message;
  }

  move(id: string, patch: Partial<Message>): Message {
    const message = { ...this.#message(id), ...patch, stateSince: this.#now() };
    this.put(message);
    return message;
  }

  put(message: Message): void {
    this.messages.set(message.id, message);
    const known = this.threads.get(message.threadId);
    const participants = new Set([...(known?.participants ?? []), message.from, message.to]);
    const thread: Thread = {
      id: message.threadId,
      title: known?.title ?? message.body.slice(0, 100),
      participants: [...participants],
      messageCount: (known?.messageCount ?? 0) + 1,
      createdAt: known?.createdAt ?? this.#now(),
      lastMessageAt: this.#now(),
      lastText: message.body.slice(0, 200),
      lastFrom: message.from,
      held: 0,
    };
    this.threads.set(thread.id, thread);
    const step = { state: message.state, at: this.#now(), place: message.place };
    this.emit({ type: 'message.changed', message, step, thread });
  }

  /** A message that waits for a person, and its approval. */
  held(
    draft: Partial<Message> & Pick<Message, 'from' | 'to' | 'body'>,
    scopes: Approval['scopes'] = ['once', 'mission', 'always'],
  ) {
    const approvalId = newId('approval');
    const message = this.message({ ...draft, state: 'held', approvalId });
    const approval = this.approval(
      {
        kind: message.kind === 'ask' ? 'ask' : 'message',
        messageId: message.id,
        threadId: message.threadId,
        messageKind: message.kind,
        from: message.from,
        to: message.to,
        threadTitle: this.threads.get(message.threadId)?.title ?? '',
        body: message.body,
      },
      { id: approvalId, scopes },
    );
    return { message, approval };
  }

  approval(subject: ApprovalSubject, extra: Partial<Approval> = {}): Approval {
    const approval: Approval = {
      id: newId('approval'),
      kind: subject.kind,
      state: 'pending',
      subject,
      shownHash: createHash('sha256').update(JSON.stringify(subject)).digest('hex'),
      rule: 'rule 2 "agents ask first" (policies.yml:9)',
      scopes: ['once'],
      createdAt: this.#now(),
      expiresAt: isoTime(this.#clock.now() + 86_400_000),
      ...extra,
    };
    this.setApproval(approval);
    return approval;
  }

  setApproval(approval: Approval): void {
    this.approvals.set(approval.id, approval);
    this.attention.changed(approval);
    this.emit({ type: 'approval.changed', approval });
  }

  decide(
    id: string,
    by: string,
    via: Decision['via'],
    verdict: 'allow' | 'deny',
    extra: Partial<Decision> = {},
  ): Approval {
    const approval = this.#approval(id);
    if (approval.state !== 'pending') {
      throw new IntercomError(
        'conflict',
        `It was already ${approval.state} by ${approval.decision?.by ?? 'somebody'}.`,
        {
          details: { decision: approval.decision },
        },
      );
    }
    const decision: Decision = { verdict, scope: 'once', by, via, at: this.#now(), ...extra };
    const decided: Approval = { ...approval, state: verdict === 'allow' ? 'allowed' : 'denied', decision };
    this.setApproval(decided);
    if (approval.subject.kind === 'message' || approval.subject.kind === 'ask') {
      this.move(approval.subject.messageId, { state: verdict === 'allow' ? 'queued' : 'denied' });
    }
    return decided;
  }

  /** The hub raises, changes or clears a system notice. */
  notice(key: string, text: string, extra: Partial<SystemNotice> = {}): void {
    this.emit({ type: 'system.notice', notice: { key, level: 'warning', text, since: this.#now(), ...extra } });
  }

  // ── what the surface sees ──────────────────────────────────────────────────────────────────────────────────────────────

  services(): HubServices {
    const now = () => this.#now();
    const { log } = this;
    const epoch = () => this.epoch;
    return {
      events: {
        get epoch() {
          return epoch();
        },
        get lastSeq() {
          return log.length;
        },
        subscribe: (listener) => this.#emitter.subscribe(listener),
        after: async (asked, seq, limit) => ({
          events: asked === this.epoch ? log.slice(seq, seq + limit) : [],
          gap: asked !== this.epoch,
        }),
      },
      missions: this.missions.services(),
      terminals: { inspect: unused, door: unused },
      dialogs: { raise: unused, close: unused, effect: unused, state: unused },
      attention: this.attention.services(),
      notifier: this.attention.notifier(),
      push: { publicKey: '', subscribe: unused, unsubscribe: unused },
      messaging: {
        submitFromMachine: unused,
        applyReceipts: unused,
        cancel: unused,
        threads: unused,
        operatorInbox: unused,
        feedback: unused,
        shownToOperator: async (id, via, proof) => {
          this.shown.push({ id, via, proof });
        },
        submitFromOperator: async (actor, submit) => {
          const known = this.#byIdempotency.get(submit.idempotencyKey ?? '');
          const message =
            known === undefined
              ? this.message({
                  from: `human:${actor.operator.name}`,
                  to: submit.to ?? 'human',
                  body: submit.body,
                  kind: submit.kind,
                  ...(submit.threadId === undefined ? {} : { threadId: submit.threadId }),
                  ...(submit.inReplyTo === undefined ? {} : { inReplyTo: submit.inReplyTo }),
                })
              : this.#message(known);
          this.#byIdempotency.set(submit.idempotencyKey ?? '', message.id);
          return {
            id: message.id,
            threadId: message.threadId,
            to: message.to,
            state: message.state,
            stateSince: message.stateSince,
            place: message.place,
          };
        },
        status: unused,
        trace: async (id) => ({ message: this.#message(id), steps: [], waitsFor: '', recipientAway: false }),
        thread: async (id) => {
          const thread = this.threads.get(id);
          if (thread === undefined) throw new IntercomError('unknown_thread', 'There is no such thread.');
          return { thread, messages: [...this.messages.values()].filter((each) => each.threadId === id), more: false };
        },
      },
      approvals: {
        list: async ({ state, limit, order, after }) => {
          const all = [...this.approvals.values()];
          if (order !== 'oldest') all.reverse();
          const from = after === undefined ? 0 : all.findIndex((each) => each.id === after) + 1;
          return all
            .slice(from)
            .filter((each) => state === undefined || each.state === state)
            .slice(0, limit);
        },
        get: async (id) => this.#approval(id),
        decide: async (actor, id, decision) => {
          if (this.#approval(id).shownHash !== decision.shownHash) {
            throw new IntercomError('changed_since_shown', 'It has changed since it was shown.');
          }
          const answers = this.#answersOf(id, decision);
          return this.decide(id, actor.operator.name, actor.via, decision.verdict, {
            ...(answers === undefined ? {} : { answers }),
            scope: decision.scope,
            ...(decision.reason === undefined ? {} : { reason: decision.reason }),
            ...(decision.suggestion === undefined ? {} : { suggestion: decision.suggestion }),
          });
        },
      },
      registry: {
        hello: unused,
        heartbeat: unused,
        sessionsChanged: unused,
        projectsChanged: unused,
        secretsOf: unused,
        machines: async () => [...this.machineNames.keys()].map((id) => this.#machine(id)),
        machine: async (id) => this.#machine(id),
        agents: async () => this.agents,
        update: unused,
        revoke: unused,
        rotate: unused,
        remove: unused,
        leave: unused,
      },
      joins: { request: unused, claim: unused },
      policy: { view: unused, test: unused, grants: unused, revokeGrant: unused },
      operators: {
        list: async () => [...this.operators.values()],
        byTelegramId: (id) => this.operators.get(id),
        signInLink: async (actor) => ({
          url: `https://hub.test/#/sign-in/code-of-${actor.operator.name}`,
          code: 'code',
          expiresAt: '2026-01-01T00:00:00.000Z',
        }),
        redeem: unused,
        authenticate: unused,
        signOut: unused,
      },
      notices: {
        raise: async (notice) => {
          this.raised.push(notice.key);
          this.notices.set(notice.key, notice);
        },
        clear: async (key) => {
          this.notices.delete(key);
        },
        onStoreFault: (listener) => this.storeFaults.subscribe(listener),
        live: async () => [...this.notices.values()].map((notice) => ({ ...notice, since: now() })),
      },
      snapshot: async (actor) => ({
        epoch: this.epoch,
        seq: log.length,
        at: now(),
        me: actor.operator,
        machines: [...this.machineNames.keys()].map((id) => this.#machine(id)),
        agents: this.agents,
        approvals: [...this.approvals.values()],
        pendingMore: 0,
        threads: [...this.threads.values()],
        grants: [],
        notices: [...this.notices.values()].map((notice) => ({ ...notice, since: now() })),
        missions: [...this.missions.all.values()],
        usage: this.attention.used,
        announcements: [],
      }),
    };
  }

  #answersOf(id: string, decision: DecisionRequest): QuestionAnswer[] | undefined {
    const answers = answersOf(this.#approval(id), decision);
    if (answers instanceof IntercomError) throw answers;
    return answers;
  }

  #machine(id: string): Machine {
    const displayName = this.machineNames.get(id);
    if (displayName === undefined) throw new IntercomError('unknown_machine', `There is no machine ${id}.`);
    return {
      id,
      displayName,
      description: '',
      status: 'online',
      version: '0.1.0',
      daemonUrl: 'http://100.64.0.2:7701',
      joinedAt: this.#now(),
      projects: 2,
      sessions: 1,
    };
  }

  #approval(id: string): Approval {
    const approval = this.approvals.get(id);
    if (approval === undefined) throw new IntercomError('unknown_approval', 'There is no such approval.');
    return approval;
  }

  #message(id: string): Message {
    const message = this.messages.get(id);
    if (message === undefined) throw new IntercomError('unknown_message', 'There is no such message.');
    return message;
  }

  #now(): string {
    return isoTime(this.#clock.now());
  }
}
