/**
 * Everything that goes to the hub: this machine's registration, its agents' messages, the receipts, and questions about messages.
 *
 * Invariants: a sender is named from the project and session that the local API found, never from what the sender wrote; while the hub is
 * away a message is kept here and says so; what is known here is answered from here when the hub cannot be asked.
 */
import { isoTime, type Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { OrderedPump } from '../../platform/ordered-pump.ts';
import { formatAddress } from '../../protocol/address.ts';
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import { BATCH_MAX } from '../../protocol/limits.ts';
import type { LocalFeedback, LocalSubmit } from '../../protocol/local-api.ts';
import {
  AgentsResponse,
  MessageStatus,
  Ok,
  ReceiptsResponse,
  ThreadPage,
  type SubmitItem,
} from '../../protocol/machine-api.ts';
import type { MessageState } from '../../protocol/message-life.ts';
import { Trace, type Agent } from '../../protocol/model.ts';
import type { z } from 'zod';
import type { HubLink, MissionDesk, Projects, SessionBook } from '../ports.ts';
import type { DecisionDesk } from '../sessions/managed.ts';
import { provisionalThread, type OutboxEntry } from '../store/outbox.ts';
import type { OwedReceipt } from '../store/receipts.ts';
import type { DaemonStore } from '../store/store.ts';
import { HubClient } from './hub-client.ts';
import { HubState } from './hub-state.ts';
import { lateNotice } from './late-news.ts';
import { MissionCalls } from './mission-calls.ts';
import { missionPump } from './mission-news.ts';
import { PeopleCalls } from './people-calls.ts';
import { Registration, type MachineFacts } from './registration.ts';
import type { MachineSecret } from './secret.ts';
import { StatusDesk } from './status-desk.ts';
import { Submitter } from './submitter.ts';
import { UsageCalls } from './usage-calls.ts';

/** After a wait this long without news the hub is asked once more: a push may have been lost with the hub's memory. */
const ASK_AGAIN_MS = 5_000;
/** Pages of a thread that are looked through for an answer. */
const ANSWER_PAGE = 100;
/** Messages whose sender is kept in memory. */
const SENDERS_MAX = 5_000;

export interface Membership {
  readonly url: string;
  readonly secret: MachineSecret;
}

export interface LinkOptions {
  readonly machineId: string;
  /** Undefined: this machine has not joined a mesh yet. */
  readonly membership: Membership | undefined;
  readonly store: DaemonStore;
  readonly projects: Projects;
  readonly book: SessionBook;
  readonly machine: () => MachineFacts;
  readonly missions: Pick<MissionDesk, 'forHello' | 'offers'>;
  readonly dialogs: Pick<DecisionDesk, 'dialogs'>;
  readonly daemonUrl: () => string;
  readonly version: string;
  readonly epoch: string;
  readonly clock: Clock;
  readonly log: Log;
}

interface Joined {
  readonly client: HubClient;
  readonly registration: Registration;
  readonly submitter: Submitter;
  readonly receipts: OrderedPump<OwedReceipt>;
  readonly missionNews: ReturnType<typeof missionPump>;
}

export class Link implements HubLink {
  readonly state: HubState;
  readonly url: string;
  /** What agents of this machine ask about missions, and the dialogs of its sessions. */
  readonly missions: MissionCalls;
  /** What agents of this machine have to do with people. */
  readonly people: PeopleCalls;
  readonly usage: UsageCalls;
  readonly #options: LinkOptions;
  readonly #desk: StatusDesk;
  readonly #joined: Joined | undefined;
  readonly #senders = new Map<string, { project: string; session: string | undefined }>();

  constructor(options: LinkOptions) {
    this.#options = options;
    this.url = options.membership?.url ?? '';
    this.missions = new MissionCalls(() => this.#member().client);
    this.people = new PeopleCalls(() => this.#member().client);
    this.usage = new UsageCalls(() => this.#member().client);
    this.state = new HubState(options.clock, options.log, options.membership !== undefined);
    this.#desk = new StatusDesk(options.machineId, options.clock);
    this.#joined = options.membership === undefined ? undefined : this.#join(options.membership);
  }

  get reachable(): boolean {
    return this.state.online;
  }

  /** Messages that the hub has not taken yet. */
  get waiting(): number {
    return this.#joined?.submitter.waiting ?? 0;
  }

  async start(): Promise<void> {
    const joined = this.#joined;
    if (joined === undefined) return;
    await joined.submitter.start();
    this.#options.store.onReceipt(() => this.state.online && joined.receipts.kick());
    this.#options.store.missions.onNews(() => this.state.online && joined.missionNews.kick());
    this.state.onChange((state) => {
      if (state !== 'online') return;
      joined.submitter.kick();
      joined.receipts.kick();
      joined.missionNews.kick();
    });
    joined.registration.start();
  }

  async stop(): Promise<void> {
    const joined = this.#joined;
    if (joined === undefined) return;
    // Closing ends what is under way; it is all in the store and goes out at the next start.
    await Promise.all([
      joined.client.close(),
      joined.registration.stop(),
      joined.submitter.stop(),
      joined.receipts.stop(),
      joined.missionNews.stop(),
    ]);
  }

  // ── what the hub tells us ────────────────────────────────────────────────────────────────────────────────────────────

  /** The hub called this machine. */
  heardFromHub(epoch?: string): void {
    this.#joined?.registration.heard(epoch);
  }

  /** News of messages that were sent from here; durable when this resolves. */
  async takeNews(statuses: readonly MessageStatus[]): Promise<void> {
    await this.#options.store.outbox.keep(statuses.map((status) => this.#desk.note(status)));
  }

  revoked(): void {
    this.state.revoked('This machine was taken out of the mesh. Run `intercom join` to ask to be let in again.');
  }

  /** What hello carries has changed. */
  greetAgain(): void {
    this.#joined?.registration.greetAgain();
  }

  // ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async submit(
    from: { readonly project: string; readonly session: string | undefined },
    submit: LocalSubmit,
  ): Promise<MessageStatus> {
    const { submitter } = this.#member();
    const { store, clock } = this.#options;
    if (submit.idempotencyKey !== undefined && submitter.waiting > 0) {
      const repeated = await store.outbox.byKey(from.project, from.session, submit.idempotencyKey);
      if (repeated !== undefined) return repeated.status;
    }
    const depth = await this.#depth(from.session, submit);
    const id = newId('message', clock.now());
    const item: SubmitItem = {
      ...submit,
      ...(await this.#threadOf(submitter, id, submit)),
      id,
      fromProject: from.project,
      ...(from.session === undefined ? {} : { fromSession: from.session }),
      depth,
      submittedAt: isoTime(clock.now()),
    };
    this.#remember(item);
    return submitter.submit(item, () => this.#recipientOf(item));
  }

  async status(
    id: string,
    wait: { readonly unless: readonly MessageState[]; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<MessageStatus> {
    const current = await this.#newest(id);
    if (wait.waitMs <= 0 || !wait.unless.includes(current.state)) return current;
    const status = await this.#desk.until(id, current, wait);
    const silent = wait.unless.includes(status.state) && wait.waitMs >= ASK_AGAIN_MS && !wait.signal.aborted;
    return silent ? this.#newest(id) : status;
  }

  /** What was last heard of a message, without asking. */
  known(id: string): MessageStatus | undefined {
    return this.#desk.peek(id);
  }

  async trace(id: string): Promise<Trace> {
    const { client } = this.#member();
    const waiting = await this.#options.store.outbox.get(id);
    if (waiting !== undefined) return this.#localTrace(waiting);
    return client.call({ method: 'GET', path: `/api/machine/messages/${encodeURIComponent(id)}` }, Trace);
  }

  async cancel(id: string, reason: string | undefined): Promise<MessageStatus> {
    const { client, submitter } = this.#member();
    const here = await submitter.cancel(id, reason);
    if (here !== undefined) return here;
    const path = `/api/machine/messages/${encodeURIComponent(id)}/cancel`;
    const body = reason === undefined ? {} : { reason };
    return this.#desk.note(await client.call({ method: 'POST', path, body }, MessageStatus));
  }

  async thread(id: string, page: { readonly limit: number; readonly before?: string }): Promise<ThreadPage> {
    const { client, submitter } = this.#member();
    const thread = encodeURIComponent(await submitter.realThread(id));
    const before = page.before === undefined ? '' : `&before=${encodeURIComponent(page.before)}`;
    return client.call(
      { method: 'GET', path: `/api/machine/threads/${thread}?limit=${page.limit}${before}` },
      ThreadPage,
    );
  }

  async agents(filter: string): Promise<Agent[]> {
    const path = `/api/machine/agents?filter=${encodeURIComponent(filter)}`;
    return (await this.#member().client.call({ method: 'GET', path }, AgentsResponse)).agents;
  }

  async feedback(
    from: { readonly project: string; readonly session: string | undefined },
    feedback: z.infer<typeof LocalFeedback>,
  ): Promise<void> {
    const session = from.session === undefined ? {} : { fromSession: from.session };
    const body = { ...feedback, fromProject: from.project, ...session };
    await this.#member().client.call({ method: 'POST', path: '/api/machine/feedback', body }, Ok);
  }

  /** Who sent a message of this machine, if that is still known. */
  async senderOf(id: string): Promise<{ project: string; session: string | undefined } | undefined> {
    const remembered = this.#senders.get(id);
    if (remembered !== undefined) return remembered;
    const waiting = await this.#options.store.outbox.get(id);
    if (waiting !== undefined) return { project: waiting.item.fromProject, session: waiting.item.fromSession };
    const sent = await this.#options.store.outbox.sent(id);
    return sent?.project === undefined ? undefined : { project: sent.project, session: sent.session };
  }

  // ── within ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #remember(item: SubmitItem): void {
    this.#senders.set(item.id, { project: item.fromProject, session: item.fromSession });
    if (this.#senders.size <= SENDERS_MAX) return;
    const oldest = this.#senders.keys().next().value;
    if (oldest !== undefined) this.#senders.delete(oldest);
  }

  #member(): Joined {
    if (this.#joined === undefined) {
      throw new IntercomError('unreachable', 'This machine has not joined a mesh yet.', {
        next: 'Run `intercom join` to join one, or `intercom standalone` for a mesh of this machine alone.',
      });
    }
    if (this.state.name === 'revoked') {
      throw new IntercomError('revoked', this.state.problem ?? 'This machine was taken out of the mesh.', {
        next: 'Run `intercom join` to ask to be let in again.',
      });
    }
    return this.#joined;
  }

  #join(membership: Membership): Joined {
    const { machineId, store, clock, log } = this.#options;
    const { state } = this;
    const client = new HubClient({ ...membership, machineId, state, clock });
    const submitter = new Submitter({
      client,
      state,
      outbox: store.outbox,
      desk: this.#desk,
      clock,
      log,
      machineId,
      onLateFailure: async (item, status) => {
        await store.inbox.accept([lateNotice(machineId, item, status, clock)]);
      },
    });
    const registration = new Registration({ ...this.#options, client, state, outboxCount: () => submitter.waiting });
    const receipts = new OrderedPump<OwedReceipt>({
      clock,
      load: async () => (state.online ? store.receipts.next(BATCH_MAX) : []),
      send: (owed) => this.#sendReceipts(client, owed),
      onFailure: (error, inARow) => {
        if (inARow === 1) log.warn({ err: error }, 'the hub did not take the receipts');
      },
      longestDelayMs: 5_000,
    });
    const missionNews = missionPump({ client, state, missions: store.missions, clock, log });
    return { client, registration, submitter, receipts, missionNews };
  }

  async #sendReceipts(client: HubClient, owed: readonly OwedReceipt[]): Promise<void> {
    const { log, store } = this.#options;
    const last = owed.at(-1);
    if (last === undefined) return;
    const items = owed.map(({ receipt }) => receipt);
    try {
      await client.call({ method: 'POST', path: '/api/machine/receipts', body: { items } }, ReceiptsResponse);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      // A receipt that the hub cannot read must not hold up the others for ever.
      if (error.code !== 'invalid_request') throw error;
      if (owed.length > 1) {
        for (const one of owed) await this.#sendReceipts(client, [one]);
        return;
      }
      log.error({ err: error, receipt: items[0] }, 'the hub cannot read a receipt; it is dropped');
    }
    await store.receipts.taken(last.seq);
  }

  /** The recipient as far as this machine knows it, for the status of a message that waits here. */
  async #recipientOf(item: SubmitItem): Promise<string> {
    if (item.to !== undefined) return item.to;
    const { inbox, outbox } = this.#options.store;
    const answered = item.inReplyTo === undefined ? undefined : await inbox.get(item.inReplyTo);
    if (answered !== undefined) return answered.message.from;
    if (item.threadId !== undefined) {
      const received = await inbox.lastOfThread(item.threadId);
      if (received !== undefined) return received.message.from;
      const sent = await outbox.lastSentInThread(item.threadId);
      if (sent !== undefined) return sent.to;
    }
    throw new IntercomError('unreachable', 'The hub cannot be reached, and this machine does not know that thread.', {
      next: 'Give the recipient in `to`, or try again when the hub is back. The message was not accepted.',
    });
  }

  /** A message that opens a thread names it, so that the thread has one name also while the hub is away. */
  async #threadOf(submitter: Submitter, id: string, submit: LocalSubmit): Promise<{ threadId?: string }> {
    if (submit.threadId !== undefined) return { threadId: await submitter.realThread(submit.threadId) };
    return submit.inReplyTo === undefined && submit.kind !== 'reply' ? { threadId: provisionalThread(id) } : {};
  }

  async #depth(session: string | undefined, submit: LocalSubmit): Promise<number> {
    const { inbox } = this.#options.store;
    const answered = submit.inReplyTo === undefined ? undefined : await inbox.get(submit.inReplyTo);
    const held = answered === undefined && session !== undefined ? await inbox.depthOf(session) : 0;
    const depth = answered?.message.depth ?? held;
    return Math.min(100, submit.kind === 'ask' ? depth + 1 : depth);
  }

  /** From the outbox, else from the hub, else what was last heard of it. */
  async #newest(id: string): Promise<MessageStatus> {
    const { client } = this.#member();
    const { outbox } = this.#options.store;
    const waiting = this.waiting === 0 ? undefined : await outbox.get(id);
    if (waiting !== undefined) return this.#desk.note(waiting.status);
    try {
      return this.#desk.note(await this.#askHub(client, id), id);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      const known = this.#desk.peek(id) ?? (await outbox.sent(id))?.status;
      // What ended before the hub ever had it is known here alone.
      if (known !== undefined && (error.retry || error.code === 'unknown_message')) return known;
      throw error;
    }
  }

  async #askHub(client: HubClient, id: string): Promise<MessageStatus> {
    const trace = await client.call({ method: 'GET', path: `/api/machine/messages/${encodeURIComponent(id)}` }, Trace);
    const { message } = trace;
    const known = this.#desk.peek(id);
    const answer =
      message.state === 'answered'
        ? (known?.answer ?? (await this.#findAnswer(client, message.threadId, id)))
        : undefined;
    return {
      id: message.id,
      threadId: message.threadId,
      to: message.to,
      state: message.state,
      stateSince: message.stateSince,
      place: message.place,
      ...(message.reason === undefined ? {} : { reason: message.reason }),
      ...(message.rule === undefined ? {} : { rule: message.rule }),
      ...(message.approvedBy === undefined ? {} : { decidedBy: message.approvedBy }),
      ...(answer === undefined ? {} : { answer }),
    };
  }

  async #findAnswer(client: HubClient, threadId: string, id: string): Promise<MessageStatus['answer']> {
    const path = `/api/machine/threads/${threadId}?limit=${ANSWER_PAGE}`;
    const page = await client.call({ method: 'GET', path }, ThreadPage);
    const reply = page.messages.find(({ inReplyTo }) => inReplyTo === id);
    return reply === undefined ? undefined : { id: reply.id, from: reply.from, body: reply.body, at: reply.createdAt };
  }

  #localTrace({ item, status, expiresAt }: OutboxEntry): Trace {
    const { machineId } = this.#options;
    const from = formatAddress({
      kind: 'agent',
      machine: machineId,
      project: item.fromProject,
      ...(item.fromSession === undefined ? {} : { session: item.fromSession }),
    });
    const reason = status.reason === undefined ? {} : { reason: status.reason };
    return {
      message: {
        id: item.id,
        threadId: item.threadId ?? provisionalThread(item.id),
        kind: item.kind,
        from,
        to: status.to,
        body: item.body,
        priority: item.priority,
        ...(item.inReplyTo === undefined ? {} : { inReplyTo: item.inReplyTo }),
        state: status.state,
        stateSince: status.stateSince,
        place: status.place,
        ...reason,
        createdAt: item.submittedAt,
        expiresAt: isoTime(expiresAt),
      },
      steps: [{ state: 'submitted', at: status.stateSince, place: status.place, ...reason }],
      waitsFor: `It is kept on this machine until the hub can be reached (${this.state.problem ?? 'it is being sent now'}).`,
      recipientAway: false,
    };
  }
}
