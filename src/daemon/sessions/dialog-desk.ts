/**
 * The dialog desk: dialogs at terminals of ours that no hook tells of (trust, login, a choice because of a limit, menus, and those of agents without hooks), asked of people as what they
 * are on the screen, and answered by typing.
 *
 * Invariants: a dialog is asked about when it has stood for a moment and nothing else explains it; an answer goes to the very dialog that was shown (its fingerprint goes with it to the
 * terminal) or nowhere, and what came of it is told; nothing is ever chosen by itself; a dialog that was answered at its terminal, or has gone, closes its card; one that another took the place of is withdrawn.
 * Its `ref` is made of what the runner knows (dialog, since when), so that a daemon that starts anew asks about the same one again, and does not type what was typed.
 */
import { createHash } from 'node:crypto';
import type { CancelTimer, Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { formatAddress } from '../../protocol/address.ts';
import type { DeliverDecision } from '../../protocol/daemon-api.ts';
import { toIntercomError } from '../../protocol/errors.ts';
import type { ApprovalRaised, CloseApproval } from '../../protocol/machine-api.ts';
import type { Decision, QuestionSubject, Session } from '../../protocol/model.ts';
import type { ScreenState, TypingOutcome } from '../../protocol/runner-api.ts';
import { oneLine } from '../agents/tool-words.ts';
import type { SessionBook, Unsubscribe } from '../ports.ts';
import type { NamedDesk } from './decision-desks.ts';
import type { DialogAnswer, ManagedRun } from './managed.ts';
import { keysOf, questionOf, TYPING_WORDS } from './screen-question.ts';
import type { QuestionCalls } from './question-desk.ts';

const PREFIX = 'dlg-';
/** Hooks tell what they know faster. */
const SETTLE_MS = 700;
/** A menu at a terminal where a person sits is what that person has just opened; only one that is left alone is asked about. */
const OWN_MENU_MS = 20_000;
const EXPIRES_SECONDS = 24 * 3600;
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 30_000;
/** A dialog that an answer could not be typed into is asked about again, so many times. */
const ATTEMPTS_MAX = 5;
const CLOSE_TRIES = 12;

export interface DialogDeskOptions {
  readonly machineId: string;
  readonly approvals: QuestionCalls;
  readonly book: SessionBook;
  /** Something else asks for this session now: a hook that waits for its answer. */
  readonly isExplained: (session: string) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** A terminal of ours, as the desk needs it. */
export interface DialogTerminal {
  readonly run: ManagedRun;
  /** The name of its session now. */
  readonly session: () => string;
  readonly answer: (answer: DialogAnswer) => Promise<TypingOutcome>;
}

/** The dialog that a terminal shows. */
interface Shown {
  readonly terminal: DialogTerminal;
  readonly screen: ScreenState;
  readonly fingerprint: string;
  /** How often it was asked about and could not be answered. */
  attempts: number;
  /** waiting: it must stand first · raising: the hub is being told · open: people are asked · answering: keys go in · done: nobody is asked any more. */
  phase: 'waiting' | 'raising' | 'open' | 'answering' | 'done';
  timer: CancelTimer;
  /** It has stood for its moment, and something else explained it then. */
  settled: boolean;
  /** What was decided before it was known here that it could be. */
  early: DeliverDecision | undefined;
  /** It has gone; how its card is to be closed once it is known to be there. */
  gone: Omit<CloseApproval, 'ref'> | undefined;
}

export class DialogDesk implements NamedDesk {
  readonly #options: DialogDeskOptions;
  /** By runner. */
  readonly #shown = new Map<string, Shown>();
  readonly #unsubscribe: Unsubscribe;
  #stopped = false;

  constructor(options: DialogDeskOptions) {
    this.#options = options;
    this.#unsubscribe = options.book.onChange((session) => this.#sessionChanged(session));
  }

  // ── what the screens show ──────────────────────────────────────────────────────────────────────────────────────────────

  seen(terminal: DialogTerminal, screen: ScreenState): void {
    const { runner } = terminal.run;
    const before = this.#shown.get(runner);
    const { fingerprint } = screen;
    if (before !== undefined && before.fingerprint === fingerprint && before.screen.since === screen.since) return;
    if (before !== undefined) this.#leave(before, fingerprint !== undefined);
    if (fingerprint === undefined || this.#stopped || questionOf(screen) === undefined) return;
    const shown: Shown = {
      ...{ terminal, screen, fingerprint, attempts: 0, phase: 'waiting', settled: false },
      ...{ early: undefined, gone: undefined },
      timer: () => undefined,
    };
    this.#shown.set(runner, shown);
    this.#later(shown, settleMs(shown));
  }

  /** The agent of this runner has ended. */
  ended(runner: string): void {
    const shown = this.#shown.get(runner);
    if (shown !== undefined) this.#forget(shown, { outcome: 'withdrawn', reason: 'its agent has ended' });
  }

  /** A hook of this session waits no more: what its screen still shows is looked at again. */
  unexplained(session: string): void {
    for (const shown of this.#shown.values())
      if (shown.phase === 'waiting' && shown.terminal.session() === session) this.#later(shown, settleMs(shown));
  }

  #sessionChanged({ id }: Session): void {
    for (const shown of this.#shown.values())
      if (shown.phase === 'waiting' && shown.settled && shown.terminal.session() === id) this.#later(shown, SETTLE_MS);
  }

  #leave(shown: Shown, isAnother: boolean): void {
    const how: Omit<CloseApproval, 'ref'> = isAnother
      ? { outcome: 'withdrawn', reason: 'another dialog took its place' }
      : { outcome: 'answered_elsewhere', reason: 'at the terminal' };
    this.#forget(shown, how);
  }

  #forget(shown: Shown, how: Omit<CloseApproval, 'ref'>): void {
    shown.timer();
    this.#shown.delete(shown.terminal.run.runner);
    shown.gone = how;
    // While it is being raised or typed, whoever does that sees that it has gone.
    if (shown.phase === 'open') void this.#close({ ref: this.#ref(shown), ...how }, 1, RETRY_FIRST_MS);
  }

  #later(shown: Shown, ms: number): void {
    shown.timer();
    shown.timer = this.#options.clock.after(ms, () => this.#settled(shown));
  }

  #settled(shown: Shown): void {
    if (shown.gone !== undefined || shown.phase !== 'waiting' || this.#stopped) return;
    shown.settled = true;
    const session = this.#options.book.get(shown.terminal.session());
    // Both are told when they change, and looked at again then.
    if (session === undefined || this.#options.isExplained(session.id)) return;
    shown.phase = 'raising';
    void this.#raise(shown, session, RETRY_FIRST_MS);
  }

  // ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #raise(shown: Shown, session: Session, delay: number): Promise<void> {
    const { approvals, clock, log } = this.#options;
    const ref = this.#ref(shown);
    try {
      const raised = await approvals.raise({
        ref,
        session: session.id,
        subject: this.#subject(shown, session),
        expiresInSeconds: EXPIRES_SECONDS,
      });
      if (shown.gone !== undefined) await this.#close({ ref, ...shown.gone }, 1, RETRY_FIRST_MS);
      else await this.#raised(shown, session, raised);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      if (this.#stopped) return;
      if (shown.gone !== undefined) {
        // It may have arrived all the same.
        await this.#close({ ref, ...shown.gone }, 1, RETRY_FIRST_MS);
      } else if (error.retry || error.code === 'internal' || error.code === 'unknown_session') {
        const next = Math.min(delay * 2, RETRY_LONGEST_MS);
        shown.timer = clock.after(delay, () => void this.#raise(shown, session, next));
      } else {
        shown.phase = 'done';
        log.info({ reason: error.message }, 'the hub did not take the dialog of a terminal');
      }
    }
  }

  async #raised(shown: Shown, session: Session, { state, decision }: ApprovalRaised): Promise<void> {
    shown.phase = 'open';
    const { early } = shown;
    if (state === 'pending' && early === undefined) return;
    if (early !== undefined) return this.#decide(shown, early.state, early.decision);
    // A daemon before this one asked: what it typed is not typed again.
    const { effect } = await this.#options.approvals.state(this.#ref(shown));
    if (effect === undefined) await this.#decide(shown, state, decision);
    else if (effect.state === 'failed') this.#again(shown, session);
    else shown.phase = 'done';
  }

  #subject({ terminal, screen }: Shown, session: Session): QuestionSubject {
    const { run } = terminal;
    const title = oneLine(screen.title ?? '', 500);
    return {
      kind: 'question',
      source: 'dialog',
      from: formatAddress({
        kind: 'agent',
        machine: this.#options.machineId,
        project: session.project,
        session: session.id,
      }),
      agent: session.agent,
      ...(run.mission === undefined ? {} : { missionId: run.mission.id }),
      summary: title === '' ? 'A dialog at its terminal' : title,
      ...(screen.text === undefined ? {} : { context: screen.text }),
      cut: false,
      questions: [questionOf(screen)].filter((question) => question !== undefined),
      cwd: run.cwd,
    };
  }

  // ── decisions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  owns(ref: string): boolean {
    return ref.startsWith(PREFIX);
  }

  /** For a dialog that is not on a screen (any more), the hub is told that it has gone; a daemon that has just started asks about it again first. */
  decided(item: DeliverDecision): void {
    const { ref, state, decision } = item;
    const shown = [...this.#shown.values()].find((one) => this.#ref(one) === ref);
    if (shown?.phase === 'open') void this.#decide(shown, state, decision);
    else if (shown?.phase === 'raising') shown.early = item;
    else if (shown === undefined && state === 'allowed') void this.#effect(ref, 'screen_changed');
  }

  dialogs(): readonly string[] {
    return [...this.#shown.values()]
      .filter(({ phase }) => phase === 'raising' || phase === 'open' || phase === 'answering')
      .map((shown) => this.#ref(shown));
  }

  /** Nothing is closed: the next daemon takes up what is still on the screens. */
  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    for (const { timer } of this.#shown.values()) timer();
    this.#shown.clear();
  }

  async #decide(shown: Shown, state: ApprovalRaised['state'], decision: Decision | undefined): Promise<void> {
    const ref = this.#ref(shown);
    // Declined, or run out: it stays as it is, for whoever sits there.
    if (state !== 'allowed') {
      shown.phase = 'done';
      return;
    }
    shown.phase = 'answering';
    const answer = keysOf(shown.screen, decision);
    const outcome = answer === undefined ? 'unfit_text' : await this.#type(shown, answer);
    shown.phase = 'done';
    await this.#effect(ref, outcome);
    const session = this.#options.book.get(shown.terminal.session());
    const stands = outcome !== 'typed' && this.#shown.get(shown.terminal.run.runner) === shown;
    if (stands && session !== undefined && !this.#stopped) this.#again(shown, session);
  }

  /** The outcome, or in words why there is none. */
  async #type(shown: Shown, answer: Omit<DialogAnswer, 'fingerprint'>): Promise<string> {
    try {
      return await shown.terminal.answer({ ...answer, fingerprint: shown.fingerprint });
    } catch (thrown) {
      return oneLine(toIntercomError(thrown).message, 300);
    }
  }

  /** It still stands there, and nothing was chosen: people are asked again. */
  #again(shown: Shown, session: Session): void {
    shown.attempts += 1;
    shown.early = undefined;
    shown.phase = shown.attempts < ATTEMPTS_MAX ? 'raising' : 'done';
    if (shown.phase === 'raising') void this.#raise(shown, session, RETRY_FIRST_MS);
  }

  async #effect(ref: string, outcome: string): Promise<void> {
    const done = outcome === 'typed';
    const reason = done ? undefined : (TYPING_WORDS[outcome] ?? outcome);
    await this.#persist(() =>
      this.#options.approvals.effect({
        ref,
        state: done ? 'done' : 'failed',
        ...(reason === undefined ? {} : { reason }),
      }),
    );
  }

  #close(closing: CloseApproval, tries: number, delay: number): Promise<void> {
    return this.#persist(() => this.#options.approvals.close(closing), tries, delay);
  }

  /** Tried again while the hub is away, for some minutes; after that its hello tells it what is open. */
  async #persist(tell: () => Promise<void>, tries = 1, delay = RETRY_FIRST_MS): Promise<void> {
    try {
      await tell();
    } catch (thrown) {
      if (!toIntercomError(thrown).retry || tries >= CLOSE_TRIES || this.#stopped) return;
      const next = Math.min(delay * 2, RETRY_LONGEST_MS);
      this.#options.clock.after(delay, () => void this.#persist(tell, tries + 1, next));
    }
  }

  #ref({ terminal, fingerprint, screen, attempts }: Shown): string {
    const name = `${terminal.run.runner}\n${fingerprint}\n${screen.since ?? ''}\n${attempts}`;
    return `${PREFIX}${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
  }
}

function settleMs({ terminal, screen }: Shown): number {
  return terminal.run.attended && screen.dialog === 'menu' ? OWN_MENU_MS : SETTLE_MS;
}
