/**
 * Cards of questions in use: presses and texts become a draft on the card, and one decision when the last answer is there.
 *
 * Invariants: a press or a text counts for the question that was to be seen when it was made; the draft is stored before the card is redrawn and goes with what was
 * asked: when that changes, it begins anew and the card shows so.
 */
import type { Approval, QuestionSubject } from '../../protocol/model.ts';
import type { Actor } from '../services.ts';
import type { CardPrompts } from './card-prompts.ts';
import type { Decider, Seen } from './decider.ts';
import type { Feed } from './feed.ts';
import { isShown } from './item-calls.ts';
import type { Item, PressAnswer } from './ports.ts';
import type { QuestionPress } from './question-cards.ts';
import { answersOf, EMPTY, isComplete, mayWrite, MOVED_ON, take, type Act, type Draft } from './question-draft.ts';
import type { IncomingPress } from './wire.ts';

export interface QuestionDeskOptions {
  readonly decider: Decider;
  readonly prompts: CardPrompts;
  readonly feed: Pick<Feed, 'showApproval'>;
}

const NOT_A_QUESTION: PressAnswer = { text: 'Nothing is asked here. Send /attention to see what waits.', alert: true };
const JUST_CHANGED: PressAnswer = {
  text: 'The card has just changed. Look at what it asks now, then answer again.',
  alert: true,
};

export class QuestionDesk {
  readonly #options: QuestionDeskOptions;

  constructor(options: QuestionDeskOptions) {
    this.#options = options;
  }

  async pressed(actor: Actor, press: IncomingPress, on: QuestionPress, card: Item): Promise<PressAnswer> {
    const seen = { approvalId: on.approvalId, shownHash: card.shownHash, hash8: on.hash8 };
    const { act } = on;
    if (act.do === 'decline') return this.#options.decider.decide(actor, seen, { verdict: 'deny' });
    return this.#open(seen, async (approval, subject) => {
      if (act.do !== 'ask') return this.#act(actor, approval, subject, card, on.question, act);
      const question = subject.questions[on.question];
      if (question === undefined || on.question !== draftOf(card).answers.length) return refused(MOVED_ON);
      if (!mayWrite(question)) return refused('This question takes only its options.');
      return this.#options.prompts.ask(actor, press, card, {
        purpose: `w${on.question}`,
        words: `your answer to “${question.text}”?`,
        placeholder: 'Your answer',
      });
    });
  }

  /** A text for the question with this number; without one, for the question that the card shows. */
  async written(
    actor: Actor,
    text: string,
    at: { readonly card: Item; readonly seen: Seen; readonly messageId: number; readonly question: number | undefined },
  ): Promise<PressAnswer> {
    return this.#open(at.seen, async (approval, subject) => {
      if (at.question === undefined && !isShown(at.card)) return JUST_CHANGED;
      const question = at.question ?? draftOf(at.card).answers.length;
      return this.#act(actor, approval, subject, at.card, question, { do: 'write', text, messageId: at.messageId });
    });
  }

  #open(
    seen: Seen,
    work: (approval: Approval, subject: QuestionSubject) => Promise<PressAnswer>,
  ): Promise<PressAnswer> {
    const { decider } = this.#options;
    return decider.with(seen, async (approval) => {
      decider.mustBeOpen(approval);
      return approval.subject.kind === 'question' ? work(approval, approval.subject) : NOT_A_QUESTION;
    });
  }

  async #act(
    actor: Actor,
    approval: Approval,
    subject: QuestionSubject,
    card: Item,
    question: number,
    act: Act,
  ): Promise<PressAnswer> {
    const { decider, feed } = this.#options;
    const stepped = take(subject.questions, draftOf(card), { question, act, by: actor.operator.name });
    if ('refusal' in stepped) return refused(stepped.refusal);
    const { draft } = stepped;
    if (!isComplete(subject.questions, draft)) {
      await feed.showApproval(approval, 0, { draft });
      return { text: progress(subject, draft, act), alert: false };
    }
    // Nothing of the draft is lost if the hub does not take it: the card stays at its last question.
    const seen = { approvalId: approval.id, shownHash: approval.shownHash };
    return decider.decide(actor, seen, { verdict: 'allow', answers: answersOf(draft) });
  }
}

function draftOf(card: Item): Draft {
  return card.content.draft ?? EMPTY;
}

function refused(text: string): PressAnswer {
  return { text, alert: true };
}

function progress({ questions }: QuestionSubject, { answers, ticked, text }: Draft, act: Act): string {
  if (act.do === 'tick' || act.do === 'write') {
    const count = ticked.length + (text === undefined ? 0 : 1);
    if (count > 0) return `${count} chosen. Press Done when that is all.`;
  }
  return `Question ${answers.length + 1} of ${questions.length}.`;
}
