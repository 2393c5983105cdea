/**
 * The question desk: what sessions of this machine ask their person with our own tool (`intercom_ask_human`).
 *
 * Invariants: nothing is stored here but who waits now; the hub has the question, and how it stands is asked of it, so that neither a restart here nor one there loses an
 * answer; the same question of a session is one `ref`, however often it is raised; nothing here can answer it.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../platform/clock.ts';
import { formatAddress } from '../../protocol/address.ts';
import type { DeliverDecision } from '../../protocol/daemon-api.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { LocalQuestion, LocalQuestionState } from '../../protocol/local-api.ts';
import type { Approval, QuestionSubject, Session } from '../../protocol/model.ts';
import { oneLine } from '../agents/tool-words.ts';
import type { NamedDesk } from './decision-desks.ts';
import type { ApprovalCalls } from './permission-desk.ts';

const PREFIX = 'ask-';
/** More callers at once than any machine has sessions that ask. */
const WAITING_MAX = 1_000;

export interface QuestionCalls extends ApprovalCalls {
  /** How something that was raised stands; throws `unknown_approval`. */
  state(ref: string): Promise<Approval>;
}

export interface QuestionDeskOptions {
  readonly machineId: string;
  readonly approvals: QuestionCalls;
  readonly clock: Clock;
}

export class QuestionDesk implements NamedDesk {
  readonly #options: QuestionDeskOptions;
  readonly #waiting = new Set<{ readonly ref: string; readonly decided: () => void }>();

  constructor(options: QuestionDeskOptions) {
    this.#options = options;
  }

  async raise(session: Session, question: LocalQuestion): Promise<LocalQuestionState> {
    const { key, expiresInSeconds } = question;
    const ref = refOf(session.id, key);
    const { state, decision } = await this.#options.approvals.raise({
      ref,
      session: session.id,
      subject: this.#subject(session, question),
      boundTo: 'session',
      expiresInSeconds,
    });
    return { ref, state, questions: question.questions, ...(decision === undefined ? {} : { decision }) };
  }

  /** As it is now, or as soon as it is pending no more, at most after `ms`. */
  async wait(ref: string, ms: number, signal: AbortSignal): Promise<LocalQuestionState> {
    // Listened first, then asked: what is decided in between is not missed.
    const decided = this.#listen(ref, ms, signal);
    try {
      const now = await this.#state(ref);
      if (now.state !== 'pending' || ms <= 0) return now;
      return (await decided.news) ? await this.#state(ref) : now;
    } finally {
      decided.stop();
    }
  }

  /** Nothing, if it is over. */
  async withdraw(ref: string, reason: string): Promise<void> {
    await this.#options.approvals.close({ ref, outcome: 'withdrawn', reason });
  }

  owns(ref: string): boolean {
    return ref.startsWith(PREFIX);
  }

  decided({ ref }: DeliverDecision): void {
    for (const one of this.#waiting) if (one.ref === ref) one.decided();
  }

  /** They are bound to their sessions, not to this daemon. */
  dialogs(): readonly string[] {
    return [];
  }

  async #state(ref: string): Promise<LocalQuestionState> {
    const { subject, state, expiresAt, decision } = await this.#options.approvals.state(ref);
    const questions = subject.kind === 'question' ? subject.questions : [];
    return { ref, state, questions, expiresAt, ...(decision === undefined ? {} : { decision }) };
  }

  /** `news` resolves: true once it is decided, false when the time is over or nobody wants to know any more. */
  #listen(
    ref: string,
    ms: number,
    signal: AbortSignal,
  ): { readonly news: Promise<boolean>; readonly stop: () => void } {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new IntercomError('limit_reached', 'Too many calls wait for answers of people already.', {
        next: 'Ask for it again with the handle, in a moment.',
      });
    }
    let stop = (): void => undefined;
    const news = new Promise<boolean>((resolve) => {
      const end = (isNews: boolean): void => {
        cancel();
        signal.removeEventListener('abort', giveUp);
        this.#waiting.delete(waiter);
        resolve(isNews);
      };
      const giveUp = (): void => end(false);
      const waiter = { ref, decided: () => end(true) };
      const cancel = this.#options.clock.after(ms, giveUp);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiting.add(waiter);
      stop = giveUp;
      if (signal.aborted) giveUp();
    });
    return { news, stop: () => stop() };
  }

  #subject(session: Session, { questions, context, cut }: LocalQuestion): QuestionSubject {
    const { machineId } = this.#options;
    const [first] = questions;
    const more = questions.length > 1 ? ` (and ${questions.length - 1} more)` : '';
    return {
      kind: 'question',
      source: 'ask_human',
      from: formatAddress({ kind: 'agent', machine: machineId, project: session.project, session: session.id }),
      agent: session.agent,
      summary: `${oneLine(first?.text ?? '', 480)}${more}`,
      ...(context === undefined ? {} : { context }),
      cut,
      questions,
      cwd: session.cwd,
    };
  }
}

function refOf(session: string, key: string): string {
  return `${PREFIX}${createHash('sha256').update(`${session}\n${key}`).digest('hex').slice(0, 40)}`;
}
