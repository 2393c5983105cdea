/**
 * The doorbell: a background hook of an idle session waits here, and its end wakes the session. The text it brings is one fixed line; the
 * mail itself comes by the hook that fires then.
 *
 * Invariants: at most one waiter per agent process (a newer one supersedes); none for a session that has its own inbox; none longer than its
 * process or this daemon; the same mail rings at most RINGS_MAX times, so that mail which cannot be taken does not wake an agent for ever.
 */
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Session } from '../../protocol/model.ts';
import type { Caller, SessionBook, Unsubscribe } from '../ports.ts';

export const DOORBELL_TEXT =
  '[intercom] Mail from other agents waits; it is shown with this turn (or with intercom_check_inbox).';

/** A session in a turn gets its mail with its next tool. When none comes (a long tool, a turn that was interrupted) it is rung all the same. */
const WORKING_GRACE_MS = 10_000;
const RINGS_MAX = 3;
/** Mails whose rings are remembered. */
const REMEMBERED_MAX = 500;
/** Whether the waiter's agent lives is looked at this often; the book tells most ends at once. */
const CHECK_MS = 5000;

export interface DoorbellOptions {
  readonly clock: Clock;
  readonly book: SessionBook;
  readonly isAlive: (pid: number) => boolean;
  /** Mail that only this session's hooks can bring. */
  readonly mail: (session: Session) => { readonly since: number; readonly oldest: string } | undefined;
  readonly onMail: (listener: (session: string) => void) => Unsubscribe;
}

interface Waiter {
  readonly agent: string;
  readonly caller: Caller;
  cancelLook: CancelTimer;
  finish: (rings: boolean) => void;
}

export class Doorbell {
  readonly #options: DoorbellOptions;
  readonly #waiters = new Map<string, Waiter>();
  readonly #rings = new Map<string, number>();
  readonly #unsubscribe: Unsubscribe[];
  readonly #cancelCheck: CancelTimer;

  constructor(options: DoorbellOptions) {
    this.#options = options;
    this.#unsubscribe = [
      options.onMail(() => this.#lookAll()),
      options.book.onChange((session) => {
        if (session.state === 'ended') this.#endOf(session.id);
        this.#lookAll();
      }),
    ];
    this.#cancelCheck = options.clock.every(CHECK_MS, () => this.#lookAll());
  }

  /** True: mail waits, wake the session. False: the waiter must end. */
  wait(agent: string, caller: Caller, signal: AbortSignal): Promise<boolean> {
    const key = `${agent} ${caller.pid ?? caller.session ?? ''}`;
    if (signal.aborted || (caller.pid === undefined && caller.session === undefined)) return Promise.resolve(false);
    this.#waiters.get(key)?.finish(false);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        agent,
        caller,
        cancelLook: () => undefined,
        finish: (rings) => {
          if (this.#waiters.get(key) === waiter) this.#waiters.delete(key);
          waiter.cancelLook();
          signal.removeEventListener('abort', gone);
          resolve(rings);
        },
      };
      const gone = () => waiter.finish(false);
      signal.addEventListener('abort', gone, { once: true });
      this.#waiters.set(key, waiter);
      this.#look(waiter);
    });
  }

  /** Whether a waiter would wake this session now. */
  has(session: Session): boolean {
    return [...this.#waiters.values()].some((waiter) => this.#sessionOf(waiter)?.id === session.id);
  }

  stop(): void {
    this.#cancelCheck();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    // Waiters are not told to end: their connection breaks, and they ask the next daemon, which may come in a moment (an upgrade).
    for (const waiter of this.#waiters.values()) waiter.cancelLook();
  }

  #endOf(session: string): void {
    for (const waiter of [...this.#waiters.values()]) if (waiter.caller.session === session) waiter.finish(false);
  }

  #lookAll(): void {
    for (const waiter of [...this.#waiters.values()]) this.#look(waiter);
  }

  #look(waiter: Waiter): void {
    waiter.cancelLook();
    const { pid } = waiter.caller;
    if (pid !== undefined && !this.#options.isAlive(pid)) {
      waiter.finish(false);
      return;
    }
    const session = this.#sessionOf(waiter);
    // Not in the book yet: it starts at this moment.
    if (session === undefined) return;
    const mail = this.#options.mail(session);
    if (mail === undefined) {
      if (session.rung !== 'hooks') waiter.finish(false);
      return;
    }
    const early = session.state === 'idle' ? 0 : mail.since + WORKING_GRACE_MS - this.#options.clock.monotonic();
    if (early > 0) waiter.cancelLook = this.#options.clock.after(early, () => this.#look(waiter));
    else if (session.state !== 'waiting' && this.#mayRing(mail.oldest)) waiter.finish(true);
  }

  #sessionOf(waiter: Waiter): Session | undefined {
    const { agent, caller } = waiter;
    const byPid = caller.pid === undefined ? undefined : this.#options.book.byPid(agent, caller.pid);
    return byPid ?? (caller.session === undefined ? undefined : this.#options.book.get(caller.session));
  }

  #mayRing(messageId: string): boolean {
    const rings = (this.#rings.get(messageId) ?? 0) + 1;
    if (rings > RINGS_MAX) return false;
    this.#rings.delete(messageId);
    this.#rings.set(messageId, rings);
    const [oldest] = this.#rings.keys();
    if (this.#rings.size > REMEMBERED_MAX && oldest !== undefined) this.#rings.delete(oldest);
    return true;
  }
}
