/**
 * Messaging: the hub's messages and threads as the surfaces and the machine API use them. Every method is one transaction (or one read); the
 * flows are in the files beside this one.
 *
 * Invariants: see protocol/message-life.ts and design §4; a viewer that is a machine sees only what it sent or received, and is told no more
 * than "unknown" about the rest.
 */
import { Waiters } from '../../platform/waiters.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { newId } from '../../protocol/ids.ts';
import type {
  FeedbackRequest,
  MessageStatus,
  Receipt,
  SubmitItem,
  SubmitResult,
  ThreadPage,
} from '../../protocol/machine-api.ts';
import { canMove } from '../../protocol/message-life.ts';
import type { Message, Surface, Thread, Trace } from '../../protocol/model.ts';
import type { OperatorSubmit } from '../../protocol/operator-api.ts';
import type { Actor, Messaging, PageQuery } from '../services.ts';
import { findMessage } from '../store/aliases.ts';
import { insertFeedback } from '../store/feedback.ts';
import type { HubDb, HubTransaction } from '../store/hub-store.ts';
import {
  messageById,
  messagesToOperators,
  nextExpiry,
  nextWatch,
  stepsOf,
  threadMessages,
  toMessage,
} from '../store/messages.ts';
import type { MissionRow } from '../store/mission-schema.ts';
import type { MessageRow } from '../store/schema.ts';
import { threadById, threadPage, toThread } from '../store/threads.ts';
import { GrantCache } from './admission.ts';
import type { Aftermath, MessagingParts, OtherItems } from './context.ts';
import { Deadlines } from './deadlines.ts';
import { Dispatcher, type DoorOf } from './dispatch.ts';
import { Endings } from './endings.ts';
import { MessageFlow } from './flow.ts';
import { Launched } from './launched.ts';
import { Receipts, type ReceiptResult } from './receipts.ts';
import { statusOf, waitsFor } from './status.ts';
import { Submission } from './submit.ts';
import { MessageUnit } from './unit.ts';

const PAGE_MAX = 200;
/** How long after a message's expiry its recipient's machine is asked about again. */
const OVERDUE_RECHECK_MS = 60_000;

export class HubMessaging implements Messaging {
  readonly #parts: MessagingParts;
  readonly #moved: Waiters<true>;
  readonly #aftermath: Aftermath;
  readonly #dispatcher: Dispatcher;
  readonly #submission: Submission;
  readonly #receipts: Receipts;
  readonly #endings: Endings;
  readonly #deadlines: Deadlines;
  readonly #launched: Launched;

  constructor(parts: MessagingParts, doorOf: DoorOf) {
    this.#parts = parts;
    this.#moved = new Waiters<true>(parts.clock);
    this.#aftermath = {
      kick: (machineId) => this.#dispatcher.kick(machineId),
      deadline: (at) => this.#deadlines.add(at),
      moved: this.#moved,
    };
    const flow = new MessageFlow(parts);
    this.#dispatcher = new Dispatcher(parts, this.#aftermath, flow, doorOf);
    this.#submission = new Submission(parts, flow);
    this.#receipts = new Receipts(parts, flow);
    this.#launched = new Launched(parts, flow);
    this.#endings = new Endings(parts, flow, this.#dispatcher);
    this.#deadlines = new Deadlines(parts.clock, parts.log, {
      next: () => this.#nextDeadline(),
      sweep: () => this.#sweep(),
    });
    parts.approvals.register(['message', 'ask'], {
      onDecided: (transaction, approval, decision) =>
        this.#within(transaction, (unit) => this.#endings.decided(unit, approval, decision)),
      onExpired: (transaction, approval) =>
        this.#within(transaction, (unit) => this.#endings.undecided(unit, approval)),
    });
  }

  /** Who knows what the items of the outbox are that are about no message. Before `start`. */
  carry(others: OtherItems): void {
    this.#dispatcher.carry(others);
  }

  /** For missions, in their transaction: a mission moved; the question that it answers follows, and who asked for it may want to be told of its end. */
  async missionMoved(transaction: HubTransaction, mission: MissionRow): Promise<void> {
    if (mission.answers !== null || mission.notify === 1)
      await this.#within(transaction, (unit) => this.#launched.follow(unit, mission));
  }

  /** Whether an outbox row may be with the daemon already. */
  mayHaveLeft(machineId: string, seq: number): boolean {
    return this.#dispatcher.mayHaveLeft(machineId, seq);
  }

  /** Ends what ran out while the hub was away, and goes on sending. */
  async start(): Promise<void> {
    await this.#dispatcher.start();
    await this.#deadlines.start();
  }

  async stop(): Promise<void> {
    await this.#deadlines.stop();
    await this.#dispatcher.stop();
  }

  async submitFromMachine(machineId: string, items: readonly SubmitItem[]): Promise<SubmitResult[]> {
    return this.#write(async (unit) => {
      const grants = new GrantCache();
      const results: SubmitResult[] = [];
      for (const item of items) {
        const taken = await this.#submission.fromMachine(unit, grants, machineId, item);
        results.push(
          taken instanceof IntercomError
            ? { ok: false, error: taken.toWire() }
            : { ok: true, status: statusOf(taken, await answerOf(unit.db, taken)) },
        );
      }
      return results;
    });
  }

  /** `opensThread`: the thread is one that the hub itself has named (a mission's), and this may be its first message. */
  async submitFromOperator(actor: Actor, submit: OperatorSubmit, opensThread = false): Promise<MessageStatus> {
    mustBeOperator(actor, 'write messages');
    const taken = await this.#write((unit) => this.#submission.fromOperator(unit, actor, submit, opensThread));
    if (taken instanceof IntercomError) throw taken;
    return statusOf(taken);
  }

  async applyReceipts(machineId: string, receipts: readonly Receipt[]): Promise<ReceiptResult[]> {
    return this.#write(async (unit) => {
      await unit.prefetch([...new Set(receipts.map((receipt) => receipt.messageId))]);
      const results: ReceiptResult[] = [];
      for (const receipt of receipts) results.push(await this.#receipts.apply(unit, machineId, receipt));
      return results;
    });
  }

  async shownToOperator(messageId: string, via: Surface, proof: string): Promise<void> {
    await this.#write(async (unit) => {
      const row = await unit.message(messageId);
      if (row === undefined || row.recipient_machine !== null) throw unknownMessage(messageId);
      if (canMove(row.state, 'delivered')) await unit.move(row, 'delivered', { place: via, proof });
    });
  }

  async status(
    id: string,
    wait?: { readonly unless: readonly Message['state'][]; readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<MessageStatus> {
    const until = this.#parts.clock.monotonic() + (wait?.waitMs ?? 0);
    for (;;) {
      // Listen first, look then: a move in between must not be missed.
      const done = new AbortController();
      const left = until - this.#parts.clock.monotonic();
      const signal = wait === undefined ? done.signal : AbortSignal.any([done.signal, wait.signal]);
      const moved = this.#moved.next(id, left, signal);
      try {
        const status = await this.#status(id);
        if (wait === undefined || left <= 0 || wait.signal.aborted || !wait.unless.includes(status.state))
          return status;
        if ((await moved) === undefined) return await this.#status(id);
      } finally {
        done.abort();
      }
    }
  }

  async trace(id: string, viewer?: { readonly machineId: string }): Promise<Trace> {
    return this.#parts.store.read(async (db) => {
      const row = await findMessage(db, id);
      if (row === undefined || !maySee(row, viewer)) throw unknownMessage(id);
      const machine = row.recipient_machine;
      const recipientAway = machine !== null && this.#parts.directory.isAway(machine);
      const problem = machine === null ? undefined : this.#dispatcher.problem(machine);
      return {
        message: toMessage(row),
        steps: await stepsOf(db, row.seq),
        waitsFor: waitsFor(row, recipientAway, problem),
        recipientAway,
      };
    });
  }

  async cancel(
    id: string,
    by: Actor | { readonly machineId: string },
    reason: string | undefined,
  ): Promise<MessageStatus> {
    if ('operator' in by) mustBeOperator(by, 'cancel messages');
    return this.#write(async (unit) => {
      const found = await findMessage(unit.db, id);
      const row = found === undefined ? undefined : unit.own(found);
      const mine = row !== undefined && ('operator' in by || row.sender_machine === by.machineId);
      if (!mine) throw unknownMessage(id);
      const who = 'operator' in by ? by.operator.name : row.sender;
      return statusOf(await this.#endings.cancel(unit, row, who, reason));
    });
  }

  async threads(page: PageQuery): Promise<{ threads: Thread[]; more: boolean }> {
    const limit = pageLimit(page);
    return this.#parts.store.read(async (db) => {
      const before = page.before === undefined ? undefined : (await threadById(db, page.before))?.last_seq;
      if (page.before !== undefined && before === undefined) throw unknownThread(page.before);
      const rows = await threadPage(db, limit + 1, before);
      return { threads: rows.slice(0, limit).map(toThread), more: rows.length > limit };
    });
  }

  async thread(id: string, page: PageQuery, viewer?: { readonly machineId: string }): Promise<ThreadPage> {
    const limit = pageLimit(page);
    return this.#parts.store.read(async (db) => {
      const thread = await threadById(db, id);
      if (thread === undefined || !takesPart(thread.participants, viewer)) throw unknownThread(id);
      const before = await seqOf(db, page.before);
      const rows = await threadMessages(db, id, limit + 1, before);
      // A machine does not read what its agents neither sent nor received, also where it takes part; held texts are not theirs yet.
      const messages = rows
        .slice(0, limit)
        .reverse()
        .filter((row) => maySee(row, viewer))
        .map(toMessage);
      return { thread: toThread(thread), messages, more: rows.length > limit };
    });
  }

  async operatorInbox(page: PageQuery): Promise<{ messages: Message[]; more: boolean }> {
    const limit = pageLimit(page);
    return this.#parts.store.read(async (db) => {
      const rows = await messagesToOperators(db, limit + 1, await seqOf(db, page.before));
      return { messages: rows.slice(0, limit).map(toMessage), more: rows.length > limit };
    });
  }

  async feedback(machineId: string, feedback: FeedbackRequest): Promise<void> {
    const session = feedback.fromSession === undefined ? '' : `#${feedback.fromSession}`;
    await this.#parts.store.write(({ db }) =>
      insertFeedback(db, {
        id: newId('feedback', this.#parts.clock.now()),
        machine_id: machineId,
        sender: `${machineId}/${feedback.fromProject}${session}`,
        type: feedback.type,
        description: feedback.description,
        context: feedback.context,
        at: this.#parts.clock.now(),
      }),
    );
  }

  /** The machine was heard from, or its door changed: what waits for it is tried now. */
  kick(machineId: string): void {
    this.#dispatcher.kick(machineId);
  }

  /** For the registry, in its transaction. */
  sessionEnded(transaction: HubTransaction, machineId: string, session: string): Promise<void> {
    return this.#within(transaction, (unit) => this.#endings.sessionEnded(unit, machineId, session));
  }

  /** Fails everything that is under way with a machine that was put out. Slice by slice, so that nobody is held up. */
  async machineGone(machineId: string, reason: string): Promise<void> {
    while (await this.#write((unit) => this.#endings.machineGone(unit, machineId, reason)));
  }

  async #status(id: string): Promise<MessageStatus> {
    return this.#parts.store.read(async (db) => {
      const row = await findMessage(db, id);
      if (row === undefined) throw unknownMessage(id);
      return statusOf(row, await answerOf(db, row));
    });
  }

  async #nextDeadline(): Promise<number | undefined> {
    const now = this.#parts.clock.now();
    return this.#parts.store.read(async (db) => {
      const times = [await nextExpiry(db, now), await nextWatch(db)].filter((time) => time !== undefined);
      // What is overdue at a silent daemon is looked at again, but not at once.
      const overdue = await nextExpiry(db, Number.NEGATIVE_INFINITY);
      if (overdue !== undefined && overdue <= now) times.push(now + OVERDUE_RECHECK_MS);
      return times.length === 0 ? undefined : Math.min(...times);
    });
  }

  async #sweep(): Promise<boolean> {
    return this.#write(async (unit) => {
      const expired = await this.#endings.expire(unit);
      const watched = await this.#endings.watch(unit);
      return expired || watched;
    });
  }

  #write<T>(job: (unit: MessageUnit) => Promise<T>): Promise<T> {
    return this.#parts.store.write((transaction) => this.#within(transaction, job));
  }

  async #within<T>(transaction: HubTransaction, job: (unit: MessageUnit) => Promise<T>): Promise<T> {
    const unit = new MessageUnit(this.#parts, this.#aftermath, transaction);
    const value = await job(unit);
    await unit.finish();
    return value;
  }
}

async function answerOf(db: HubDb, row: MessageRow): Promise<MessageRow | undefined> {
  return row.answer_id === null ? undefined : messageById(db, row.answer_id);
}

async function seqOf(db: HubDb, id: string | undefined): Promise<number | undefined> {
  if (id === undefined) return undefined;
  const row = await messageById(db, id);
  if (row === undefined) throw unknownMessage(id);
  return row.seq;
}

/** A sender sees what it sent at once; a recipient what was let through. */
function maySee(row: MessageRow, viewer: { readonly machineId: string } | undefined): boolean {
  if (viewer === undefined || row.sender_machine === viewer.machineId) return true;
  return row.recipient_machine === viewer.machineId && row.passed_by !== null;
}

function takesPart(participants: string, viewer: { readonly machineId: string } | undefined): boolean {
  return viewer === undefined || participants.includes(`"${viewer.machineId}/`);
}

function pageLimit(page: PageQuery): number {
  return Math.max(1, Math.min(Math.floor(page.limit), PAGE_MAX));
}

function mustBeOperator(actor: Actor, what: string): void {
  if (actor.operator.role !== 'viewer') return;
  throw new IntercomError('forbidden', `${actor.operator.name} is a viewer and cannot ${what}.`, {
    next: 'Ask an owner for the role of an operator.',
  });
}

function unknownMessage(id: string): IntercomError {
  return new IntercomError('unknown_message', `There is no message ${id.slice(0, 64)}.`, {
    next: 'Give the id that the submit returned; messages are forgotten after their retention time.',
  });
}

function unknownThread(id: string): IntercomError {
  return new IntercomError('unknown_thread', `There is no thread ${id.slice(0, 64)}.`, {
    next: 'Give the thread id of a message that you sent or received.',
  });
}
