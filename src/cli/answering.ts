/**
 * Answers to questions as they are given on a command line: `1=2` (question 1, option 2), `2="in my own words"`, `3=1,3` (several). Pure.
 *
 * Invariants: a number means an option where there is one of that number, and is a text only where there is none and own words are possible; nothing is guessed.
 */
import type { Question, QuestionAnswer } from '../protocol/attention.ts';
import { IntercomError } from '../protocol/errors.ts';

/** The answers of `--answer` options. With one question its number may be left out. */
export function readAnswers(questions: readonly Question[], given: readonly string[]): QuestionAnswer[] {
  const answers = new Map<string, QuestionAnswer>();
  for (const text of given) {
    const { question, rest } = questionOf(questions, text);
    if (answers.has(question.id)) throw refusal('One question is answered twice.', 'Give one --answer for each.');
    const answer = readAnswer(question, rest);
    if (answer !== undefined) answers.set(question.id, answer);
  }
  return [...answers.values()];
}

/** Undefined: nothing was answered. */
export function readAnswer(question: Question, given: string): QuestionAnswer | undefined {
  const text = given.trim();
  if (text === '') return undefined;
  const numbers = /^\d{1,2}(?:\s*,\s*\d{1,2})*$/.test(text) ? text.split(',').map(Number) : [];
  const labels = numbers.flatMap((number) => question.options[number - 1]?.label ?? []);
  if (numbers.length > 0 && labels.length === numbers.length) {
    if (labels.length > 1 && !question.multiple)
      throw refusal(`"${short(question.text)}" takes one option.`, 'Give one number.');
    return { id: question.id, options: labels };
  }
  const exact = question.options.find(({ label }) => label === text);
  if (exact !== undefined) return { id: question.id, options: [exact.label] };
  if (!question.freeText && question.options.length > 0) {
    throw refusal(
      `"${short(text)}" is not one of the options of "${short(question.text)}".`,
      `Give a number from 1 to ${question.options.length}.`,
    );
  }
  return { id: question.id, options: [], text };
}

function questionOf(questions: readonly Question[], given: string): { question: Question; rest: string } {
  const [first] = questions;
  const found = /^(\d{1,2})=(.*)$/s.exec(given);
  const number = found?.[1] === undefined ? undefined : Number(found[1]);
  if (number !== undefined) {
    const question = questions[number - 1];
    if (question !== undefined) return { question, rest: found?.[2] ?? '' };
  }
  if (number === undefined && first !== undefined && questions.length === 1) return { question: first, rest: given };
  throw refusal(
    `"${short(given)}" does not say which question it answers.`,
    `Write it like --answer 1=2 or --answer 1="some words"; there ${questions.length === 1 ? 'is 1 question' : `are ${questions.length} questions`}.`,
  );
}

function refusal(message: string, next: string): IntercomError {
  return new IntercomError('invalid_request', message, { field: 'answer', next });
}

function short(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 60 ? `${Array.from(line).slice(0, 59).join('')}…` : line;
}
