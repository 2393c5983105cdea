/**
 * Gets mail into sessions: each message exactly once, in order, and never called delivered before the agent's side shows it.
 *
 * Invariants: a message is claimed in memory and moved to `written` in the store before anything leaves, so a crash leaves a message that is
 * either untouched or looked for; one hand-out per session is under way on each rung, so order holds and a burst becomes one wake; what the
 * agent itself asks its person about (`held_at_terminal`) frees the way for the next.
 */
import type { Clock } from '../../platform/clock.ts';
import { Emitter } from '../../platform/emitter.ts';
import type { Log } from '../../platform/log.ts';
import { newId } from '../../protocol/ids.ts';
import { INBOX_MAX, INLINE_BODY_MAX } from '../../protocol/limits.ts';
import type { InboxTaken } from '../../protocol/local-api.ts';
import type { Session } from '../../protocol/model.ts';
import type { Delivery, InboxEntry, InboxStore, SessionBook, Unsubscribe } from '../ports.ts';
import type { AgentPort, InboxChannel, WakeReceipt } from './agent-port.ts';
import { AnswerCalls } from './answer-calls.ts';
import type { OnAnswer } from './answer-calls.ts';
import { chooseSession } from './choose.ts';
import { Claims, STORE_RETRY_MS } from './claims.ts';
import { cutOffHandOuts } from './cut-off.ts';
import { ExpiryWatch } from './expiry.ts';
import { digestOf, frameMessages, inboxItem } from './frame.ts';
import { InboxWriter } from './inbox-writer.ts';
import { CHANNEL_RUNGS, isChannel, ProofDesk } from './proof-desk.ts';
import type { ChannelRung, HandOut, Rung } from './proof-desk.ts';
import { applyReceipt } from './receipt-outcomes.ts';
import { ThreadSessions } from './thread-sessions.ts';
import { UnseenMail } from './unseen-mail.ts';
import { WaitingMail } from './waiting-mail.ts';
import type { Waiting } from './waiting-mail.ts';

export interface DeliveryOptions {
  readonly store: InboxStore;
  readonly book: SessionBook;
  readonly ports: readonly AgentPort[];
  /** The way into a session whose process a runner of ours owns; undefined: its agent's own way is taken. */
  readonly managedChannel?: (session: Session) => Promise<InboxChannel> | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** A new UUID. */
  readonly uuid: () => string;
  readonly maxWaiting?: number;
  readonly inlineMax?: number;
}

/** Tries before a message that the agent never shows is failed. */
const ATTEMPTS_MAX = 5;
/** Hand-outs that may lie before the person at one terminal; Claude Code itself drops the oldest of 100. */
const HELD_MAX = 20;
/** Text for a hook's stdout, and what to acknowledge once it was printed. */
export interface HookOffer {
  readonly offer: string;
  readonly text: string;
}

export class DeliveryEngine implements Delivery {
  readonly #options: DeliveryOptions;
  readonly #waiting = new WaitingMail();
  readonly #desk: ProofDesk;
  readonly #writer: InboxWriter;
  readonly #answers = new AnswerCalls();
  readonly #claims: Claims;
  readonly #threads = new ThreadSessions();
  readonly #unseen: UnseenMail;
  /** Sessions whose hook is being answered. */
  readonly #offering = new Set<string>();
  readonly #hookMail: Emitter<string>;
  readonly #unsubscribe: Unsubscribe[] = [];
  readonly #expiry: ExpiryWatch;
  #stopped = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#claims = new Claims({
      ...options,
      waiting: this.#waiting,
      max: options.maxWaiting ?? INBOX_MAX,
      onReturned: () => this.#pump(),
    });
    this.#unseen = new UnseenMail(options);
    this.#expiry = new ExpiryWatch({ ...options, waiting: this.#waiting });
    this.#hookMail = new Emitter((err) => options.log.error({ err }, 'a listener for waiting mail failed'));
    this.#desk = new ProofDesk({
      clock: options.clock,
      log: options.log,
      book: options.book,
      ports: options.ports,
      outcomes: {
        entered: (id, session, proof) => this.#entered(id, session, proof),
        lost: (id, reason, untried) => this.#lost(id, reason, untried),
        settled: (handOut) => this.#settled(handOut),
      },
    });
    this.#writer = new InboxWriter({
      clock: options.clock,
      log: options.log,
      uuid: options.uuid,
      open: (session) => options.managedChannel?.(session) ?? this.#portOf(session)?.openInbox(session),
      rungOf: channelOf,
      hooksHeard: (session) => this.#portOf(session)?.hooksHeard(session.id) === true,
      notSent: async ({ messageIds }, reason) => {
        for (const id of messageIds) await this.#desk.lost(id, reason, true);
      },
      proven: async ({ messageIds }, proof) => {
        for (const id of messageIds) await this.#desk.entered(id, proof);
      },
      claim: (session) => this.#claims.claim(session.id, 'channel'),
      writing: (session, wakeId, taken) => this.#claims.toWritten(taken, session.id, channelOf(session), wakeId),
      waits: (session) => this.#claims.for(session, 'channel').length > 0,
      giveBack: (taken, byHooks) => this.#claims.giveBack(taken, byHooks),
      underWay: (session) =>
        this.#desk.openIn(session.id, 'channel').length > 0 || this.#desk.held(session.id).length >= HELD_MAX,
      track: (handOut) => this.#desk.track(handOut),
      frame: (taken, left) => this.#frame(taken, left),
    });
  }

  /** Takes up what the store holds. The adapters must have found their sessions before. */
  async start(): Promise<void> {
    const { store, book, ports } = this.#options;
    const entries = await store.open();
    for (const entry of entries) this.#resume(entry);
    this.#resumeHandOuts(entries);
    this.#unsubscribe.push(
      store.onStored((stored) => this.#arrived(stored)),
      book.onChange((session) => this.#sessionChanged(session)),
      ...ports.map((port) => port.onReceipt((receipt) => void this.#receipt(receipt))),
    );
    this.#expiry.look();
    this.#pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#expiry.stop();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#writer.stop();
    this.#desk.stop();
    this.#unseen.stop();
  }

  // ── what others ask ────────────────────────────────────────────────────────────────────────────────────────────────────

  async take(session: string | undefined, project: string): Promise<InboxTaken> {
    const again = await this.#takenBefore(session);
    if (again !== undefined) return again;
    const fits = (waiting: Waiting) => {
      if (waiting.session !== undefined) return waiting.session === session;
      const { message } = waiting;
      const free = message.session === undefined || (message.binding === 'preferred' && !this.#lives(message.session));
      return message.project === project && (free || message.session === session);
    };
    const { taken, left } = this.#claims.claimWhere(fits);
    const offer = newId('offer');
    const written = await this.#claims.toWritten(taken, session, 'pull', offer);
    if (written.length === 0) return { messages: [], more: left.length };
    this.#desk.track({ id: offer, rung: 'pull', session, messageIds: written.map(({ message }) => message.id) });
    return { offer, messages: written.map(({ message }) => inboxItem(message, this.#inline)), more: left.length };
  }

  async acknowledge(offer: string, proof: string): Promise<void> {
    const handOut = this.#desk.get(offer);
    for (const id of handOut?.messageIds ?? []) await this.#desk.entered(id, proof);
  }

  /** A restart cut off the answer or its acknowledgement: the same hand-out again, before anything newer, keeps the order. */
  async #takenBefore(session: string | undefined): Promise<InboxTaken | undefined> {
    const handOut = this.#desk.cutOff(session);
    if (handOut === undefined) return undefined;
    const entries = await Promise.all(handOut.messageIds.map((id) => this.#options.store.get(id)));
    const messages = entries.flatMap((entry) => (entry === undefined ? [] : [inboxItem(entry.message, this.#inline)]));
    return messages.length === 0 ? undefined : { offer: handOut.id, messages, more: 0 };
  }

  awaitAnswer(messageId: string, onAnswer: OnAnswer): Unsubscribe {
    const stop = this.#answers.add(messageId, onAnswer);
    // It may be here already.
    for (const waiting of [...this.#waiting.all()])
      if (waiting.message.inReplyTo === messageId) void this.#giveToCall(waiting);
    return stop;
  }

  // ── what hooks need ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What a hook of this session may print now (`by`: which, in words). One hand-out at a time: parallel hooks cannot show anything twice. */
  async offerToHook(session: Session, by?: string): Promise<HookOffer | undefined> {
    if (this.#offering.has(session.id) || this.#desk.openIn(session.id, 'hooks').length > 0) return undefined;
    const { taken, left } = this.#claims.claim(session.id, 'hooks');
    if (taken.length === 0) return undefined;
    this.#offering.add(session.id);
    try {
      const offer = newId('offer');
      const written = await this.#claims.toWritten(taken, session.id, 'hooks', offer, by);
      if (written.length === 0) return undefined;
      const messageIds = written.map(({ message }) => message.id);
      this.#desk.track({ id: offer, rung: 'hooks', session: session.id, messageIds });
      return { offer, text: this.#frame(written, left) };
    } finally {
      this.#offering.delete(session.id);
    }
  }

  /** The hook printed it and its agent lives: the agent's record must show it now. */
  printed(offer: string, proof: string): void {
    this.#desk.printed(offer, proof);
  }

  /** A text entered the conversation; ours are in it by their ids. */
  async promptEntered(session: Session, text: string): Promise<void> {
    await this.promptSeen(session.id, text, 'UserPromptSubmit hook');
  }

  /** The same, by another sign (`proof`) than a hook. */
  async promptSeen(session: string, text: string, proof: string): Promise<void> {
    for (const handOut of this.#desk.openIn(session, 'channel').concat(this.#desk.held(session))) {
      for (const id of handOut.messageIds) {
        if (text.includes(id)) await this.#desk.entered(id, proof);
      }
    }
  }

  /** Messages for this session that have not entered its conversation. */
  undelivered(session: string): number {
    return this.#waiting.countFor(session) + this.#desk.openCount(session);
  }

  /** The turn ended: what had entered the conversation before was in it. */
  async turnEnded(session: string): Promise<void> {
    this.#desk.checkSession(session);
    await this.#unseen.turnEnded(session);
  }

  /** Mail that only this session's hooks can bring: how much, since when (monotonic ms), and its oldest id. */
  hookMail(session: Session): { readonly count: number; readonly since: number; readonly oldest: string } | undefined {
    const mail = this.#claims.for(session, 'hooks');
    const [first] = mail;
    if (first === undefined || this.#desk.openIn(session.id, 'hooks').length > 0) return undefined;
    return { count: mail.length, since: first.since, oldest: first.message.id };
  }

  /** Told the session for which hookMail may have changed. */
  onHookMail(listener: (session: string) => void): Unsubscribe {
    return this.#hookMail.subscribe(listener);
  }

  // ── arrivals ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #resume(entry: InboxEntry): void {
    if (entry.state === 'dispatched') this.#enqueue(entry, false);
    if (entry.state === 'delivered' && entry.session !== undefined)
      this.#unseen.entered(entry.session, entry.message.id);
    if (entry.session !== undefined && entry.state !== 'dispatched')
      this.#threads.note(entry.message.threadId, entry.session);
  }

  /** Hand-outs that a crash left without proof: their way is known, so they are looked for before anything is written again. */
  #resumeHandOuts(entries: readonly InboxEntry[]): void {
    for (const { id, first, entries: group } of cutOffHandOuts(entries)) {
      this.#desk.track({
        id,
        rung: asRung(first.rung),
        session: first.session,
        messageIds: group.map(({ message }) => message.id),
        resumed: true,
      });
      if (first.state === 'held_at_terminal') this.#desk.hold(id);
      if (first.rung === 'typed') void this.#typedBefore(group);
      else void this.#desk.check(id);
    }
  }

  /** A restart while it was typed: no record tells whether it arrived, and typing it again could be once too often. */
  async #typedBefore(group: readonly InboxEntry[]): Promise<void> {
    const reason = 'the daemon stopped while it was typed into the terminal; whether it arrived is not known';
    for (const { message } of group) {
      await this.#untilNoted(async () => {
        await this.#options.store.move(message.id, ['written'], { to: 'failed', reason });
        this.#desk.forget(message.id);
      });
    }
  }

  #arrived(entries: readonly InboxEntry[]): void {
    for (const entry of entries) if (entry.state === 'dispatched') this.#enqueue(entry, false);
    for (const { message } of entries) {
      const waiting = this.#waiting.get(message.id);
      if (waiting === undefined) continue;
      this.#expiry.add(message.expiresAt);
      void this.#giveToCall(waiting);
    }
    this.#pump();
  }

  #enqueue(entry: InboxEntry, byHooks: boolean): void {
    this.#waiting.add({
      seq: entry.seq,
      message: entry.message,
      attempts: entry.attempts,
      session: undefined,
      byHooks,
      since: this.#options.clock.monotonic(),
    });
  }

  async #giveToCall(waiting: Waiting): Promise<void> {
    const { message } = waiting;
    const call = this.#answers.for(message);
    if (call === undefined || this.#waiting.remove(message.id) === undefined) return;
    const offer = newId('offer');
    const [written] = await this.#claims.toWritten([waiting], message.session, 'answer', offer);
    if (written === undefined) return;
    this.#desk.track({ id: offer, rung: 'answer', session: message.session, messageIds: [message.id] });
    try {
      call(message, offer);
    } catch (err) {
      this.#options.log.warn({ err, message: message.id }, 'a waiting call could not take its answer');
      await this.#desk.lost(message.id, 'the call that waited for it could not take it');
    }
  }

  // ── the way out ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Gives everything that waits its session and sets the ways going. */
  #pump(): void {
    if (this.#stopped) return;
    const sessions = this.#options.book.list();
    const withMail = this.#waiting.assign(sessions, (waiting) => {
      const keep = sessions.find((session) => session.id === waiting.session);
      const choice = chooseSession(waiting.message, sessions, keep?.id ?? this.#threads.of(waiting.message.threadId));
      if (choice !== undefined) this.#threads.note(waiting.message.threadId, choice.id);
      return choice?.id;
    });
    for (const id of withMail) {
      const session = this.#options.book.get(id);
      if (session === undefined) continue;
      if (this.#claims.for(session, 'channel').length > 0) this.#writer.kick(session);
      else this.#hookMail.emit(id);
    }
  }

  #portOf(session: Session): AgentPort | undefined {
    return this.#options.ports.find((port) => port.name === session.agent);
  }

  #frame(taken: readonly Waiting[], left: readonly Waiting[]): string {
    return frameMessages(
      taken.map(({ message }) => inboxItem(message, this.#inline)),
      digestOf(left.map(({ message }) => message)),
    );
  }

  // ── outcomes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #entered(id: string, session: string | undefined, proof: string): Promise<void> {
    this.#waiting.remove(id);
    await this.#untilNoted(async () => {
      const moved = await this.#options.store.move(id, ['dispatched', 'written', 'held_at_terminal'], {
        to: 'delivered',
        proof,
        ...(session === undefined ? {} : { session }),
      });
      if (moved && session !== undefined) this.#unseen.entered(session, id);
    });
  }

  #lost(id: string, reason: string, untried: boolean): Promise<void> {
    return this.#untilNoted(() => this.#bringAgain(id, reason, untried));
  }

  /** An outcome that the store cannot take now (a full disk) is noted as soon as it can. */
  async #untilNoted(note: () => Promise<void>): Promise<void> {
    try {
      await note();
    } catch (err) {
      this.#options.log.warn({ err }, 'the outcome of a delivery could not be noted; it is tried again');
      if (!this.#stopped) this.#options.clock.after(STORE_RETRY_MS, () => void this.#untilNoted(note));
    }
  }

  async #bringAgain(id: string, reason: string, untried: boolean): Promise<void> {
    const entry = await this.#options.store.get(id);
    if (entry === undefined) return;
    if (entry.attempts >= ATTEMPTS_MAX && !untried) {
      const why = `given up after ${entry.attempts} tries: ${reason}`;
      await this.#options.store.move(id, ['written', 'held_at_terminal'], { to: 'failed', reason: why });
      return;
    }
    if (!(await this.#options.store.move(id, ['written', 'held_at_terminal'], { to: 'dispatched', reason }))) return;
    const session = entry.session === undefined ? undefined : this.#options.book.get(entry.session);
    const hooksHeard = session !== undefined && this.#portOf(session)?.hooksHeard(session.id) === true;
    const byHooks = isChannel(entry.rung) && entry.rung !== 'typed' && !untried && hooksHeard;
    this.#enqueue(entry, byHooks);
    this.#expiry.add(entry.message.expiresAt);
    this.#pump();
  }

  #settled(handOut: HandOut): void {
    if (handOut.session !== undefined) this.#pump();
  }

  async #receipt(receipt: WakeReceipt): Promise<void> {
    try {
      let ours = false;
      for (const id of receipt.wakeIds) {
        if (await applyReceipt(id, receipt, this.#desk, this.#options.store)) ours = true;
      }
      if (ours) this.#pump();
    } catch (err) {
      this.#options.log.warn({ err, status: receipt.status }, 'a receipt of an agent could not be noted');
    }
  }

  // ── time and sessions ──────────────────────────────────────────────────────────────────────────────────────────────────

  #sessionChanged(session: Session): void {
    if (session.state === 'idle') void this.turnEnded(session.id);
    if (session.state === 'ended') {
      this.#unseen.sessionEnded(session.id);
      this.#writer.forget(session.id);
      this.#desk.checkSession(session.id);
    }
    this.#pump();
  }

  #lives(session: string): boolean {
    return this.#options.book.get(session) !== undefined;
  }

  get #inline(): number {
    return this.#options.inlineMax ?? INLINE_BODY_MAX;
  }
}

function asRung(text: string | undefined): Rung {
  return text === 'hooks' || text === 'pull' || text === 'answer' || isChannel(text) ? text : 'inbox_socket';
}

function channelOf(session: Session): ChannelRung {
  return CHANNEL_RUNGS.find((rung) => rung === session.rung) ?? 'inbox_socket';
}
