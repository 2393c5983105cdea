/** What came of a question to a person, as an agent is told: the answers as they were given, who gave them where, and never more than that. */
import { z } from 'zod';
import type { LocalQuestionState } from '../protocol/local-api.ts';
import { optional } from './tool.ts';
import type { Answer } from './tool.ts';
import { quoted } from './words.ts';

export const AnswerShape = z.object({
  /** answered, declined, expired, withdrawn, pending. */
  state: z.string(),
  handle: z.string(),
  summary: z.string(),
  answers: z.array(
    z.object({ id: z.string(), question: z.string(), options: z.array(z.string()), text: z.string().optional() }),
  ),
  answered_by: z.string().optional(),
  via: z.string().optional(),
  reason: z.string().optional(),
  next: z.string().optional(),
});
export type PersonAnswer = Answer<typeof AnswerShape>;

export function answerShape(state: LocalQuestionState, waited: number): PersonAnswer {
  const { ref, questions, decision } = state;
  const told = { handle: ref, answers: [], ...whoOf(decision) };
  switch (state.state) {
    case 'allowed': {
      const answers = (decision?.answers ?? []).map(({ id, options, text }) => ({
        id,
        question: questions.find((question) => question.id === id)?.text ?? id,
        options,
        ...optional('text', text),
      }));
      const summary = `Answered by ${whoIn(decision)}.`;
      const lines = answers.map((answer, index) => `${index + 1}. ${answer.question}\n${quoted(wordsOf(answer))}`);
      return { structured: { ...told, state: 'answered', answers, summary }, text: [summary, ...lines].join('\n') };
    }
    case 'denied': {
      const why = decision?.reason === undefined ? '' : `: ${decision.reason}`;
      return plain(
        { ...told, state: 'declined', summary: `${whoIn(decision)} declined to answer${why}.` },
        'Do not ask the same again. Take no answer as granted; do what is safe without one, or say what you need.',
      );
    }
    case 'expired':
      return plain(
        { ...told, state: 'expired', summary: 'Nobody answered in time.' },
        'That is no consent. Do what is safe without an answer and say that nobody answered, or ask again later.',
      );
    case 'withdrawn':
    case 'answered_elsewhere':
      return plain({ ...told, state: 'withdrawn', summary: 'The question was taken back; nobody answered it.' });
    case 'pending':
      return plain(
        { ...told, state: 'pending', summary: `Not answered after ${waited} s; the question stands.` },
        `Do not ask it again. Go on with what does not depend on it; intercom_ask_human with handle "${ref}" waits on.`,
      );
  }
}

type Told = Omit<PersonAnswer['structured'], 'error' | 'next'>;

function plain(told: Told, next?: string): PersonAnswer {
  return {
    structured: { ...told, ...optional('next', next) },
    text: next === undefined ? told.summary : `${told.summary}\n${next}`,
  };
}

function whoIn(decision: LocalQuestionState['decision']): string {
  return decision === undefined ? 'a person' : `${decision.by} (${decision.via})`;
}

function whoOf(decision: LocalQuestionState['decision']): Partial<Told> {
  if (decision === undefined) return {};
  return { answered_by: decision.by, via: decision.via, ...optional('reason', decision.reason) };
}

function wordsOf({ options, text }: { readonly options: readonly string[]; readonly text?: string }): string {
  return [...options, ...(text === undefined ? [] : [text])].join('\n') || '(left out)';
}
