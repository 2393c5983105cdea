/**
 * The answers of a decision about questions, held against what was asked. Pure.
 *
 * Invariants: only what was offered can be taken; where one option is asked for, one is taken; a question that must be answered is; nothing is answered where nothing
 * was asked.
 */
import type { Question, QuestionAnswer } from '../../protocol/attention.ts';
import { IntercomError } from '../../protocol/errors.ts';
import type { Approval } from '../../protocol/model.ts';
import type { DecisionRequest } from '../../protocol/operator-api.ts';
import { textFault } from '../../protocol/text.ts';

/** In the order of the questions; undefined where the decision answers none. */
export function answersOf(
  { subject }: Pick<Approval, 'subject'>,
  request: Pick<DecisionRequest, 'verdict' | 'answers'>,
): QuestionAnswer[] | undefined | IntercomError {
  const given = request.answers ?? [];
  if (subject.kind !== 'question') {
    return given.length === 0
      ? undefined
      : refusal('answers', 'Nothing is asked here that could be answered.', 'Leave the answers out.');
  }
  if (request.verdict === 'deny') return undefined;
  const known = new Set(subject.questions.map(({ id }) => id));
  const stranger = given.find(({ id }) => !known.has(id));
  if (stranger !== undefined) {
    return refusal(
      'answers',
      `There is no question "${stranger.id}" here.`,
      `The questions are: ${[...known].join(', ')}.`,
    );
  }
  if (new Set(given.map(({ id }) => id)).size < given.length) {
    return refusal('answers', 'One question is answered twice.', 'Give one answer for each question.');
  }
  const answers: QuestionAnswer[] = [];
  for (const question of subject.questions) {
    const answer = answerTo(
      question,
      given.find(({ id }) => id === question.id),
    );
    if (answer instanceof IntercomError) return answer;
    if (answer !== undefined) answers.push(answer);
  }
  return answers;
}

function answerTo(question: Question, given: QuestionAnswer | undefined): QuestionAnswer | undefined | IntercomError {
  const field = `answers.${question.id}`;
  const text = given?.text?.trim() ?? '';
  const taken = given?.options ?? [];
  if (taken.length === 0 && text === '') {
    if (question.optional) return undefined;
    return refusal(
      field,
      `"${short(question.text)}" is not answered.`,
      'Choose an option, write an answer, or decline.',
    );
  }
  const labels = question.options.map(({ label }) => label);
  const stranger = taken.find((label) => !labels.includes(label));
  if (stranger !== undefined) {
    return refusal(
      field,
      `"${short(stranger)}" is not one of the options.`,
      `The options are: ${labels.map(short).join(' · ')}.`,
    );
  }
  if (!question.multiple && taken.length + (text === '' ? 0 : 1) > 1) {
    return refusal(field, 'Only one answer can be given to this question.', 'Choose one option, or write one answer.');
  }
  if (text !== '' && !question.freeText) {
    return refusal(field, 'This question takes only its options.', `Choose one of: ${labels.map(short).join(' · ')}.`);
  }
  const fault = textFault(text);
  if (fault !== undefined)
    return refusal(field, `The answer cannot be passed on: ${fault}.`, 'Write it as plain text.');
  return {
    id: question.id,
    options: labels.filter((label) => taken.includes(label)),
    ...(text === '' ? {} : { text }),
  };
}

function refusal(field: string, message: string, next: string): IntercomError {
  return new IntercomError('invalid_request', message, { field, next });
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 80 ? `${Array.from(line).slice(0, 79).join('')}…` : line;
}
