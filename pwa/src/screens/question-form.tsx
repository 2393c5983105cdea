/**
 * The answer to the questions of a card: every question with its options and their descriptions whole, room for words of one's own, one decision
 * for all of them. What is begun outlives redrawing, other events, and a change of screen.
 */
import { useId, useRef, useState } from 'preact/hooks';
import type { Question, QuestionAnswer } from '../../../src/protocol/attention.ts';
import type { QuestionSubject } from '../../../src/protocol/model.ts';
import {
  answersOf,
  draftOf,
  takesText,
  withOption,
  withOwn,
  withText,
  type AnswerDraft,
  type AnswerDrafts,
} from '../core/answers.ts';
import { useDraft, type Drafts } from '../core/drafts.ts';
import { AgentText } from '../ui/text.tsx';

const drafts: Drafts<AnswerDrafts> = new Map();

export function QuestionForm(props: {
  readonly subject: QuestionSubject;
  /** The card's id and hash: other questions are another draft. */
  readonly place: string;
  readonly busy: boolean;
  readonly settled: boolean;
  /** Calls back when the hub took it. */
  readonly onAnswer: (answers: QuestionAnswer[], taken: () => void) => void;
  readonly onDecline: () => void;
}) {
  const { subject, busy, settled } = props;
  const { draft, keep, forget } = useDraft<AnswerDrafts>(drafts, props.place, () => ({}));
  const [asked, setAsked] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const { answers, missing } = answersOf(subject.questions, draft);
  const send = () => {
    if (!settled) return;
    const [first] = missing;
    if (first === undefined) {
      props.onAnswer(answers, forget);
      return;
    }
    setAsked(true);
    const place = [...(form.current?.querySelectorAll('fieldset') ?? [])][
      subject.questions.findIndex(({ id }) => id === first)
    ];
    place?.scrollIntoView({ block: 'nearest' });
    place?.querySelector<HTMLElement>('input, textarea')?.focus();
  };
  return (
    <form
      class="questions"
      ref={form}
      aria-busy={busy}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {subject.questions.map((question, index) => (
        <QuestionField
          key={question.id}
          question={question}
          place={subject.questions.length === 1 ? undefined : `${index + 1} of ${subject.questions.length}`}
          draft={draftOf(draft, question)}
          isMissing={asked && missing.includes(question.id)}
          onChange={(next) => keep({ ...draft, [question.id]: next })}
        />
      ))}
      <div class="actions-main">
        <button type="submit" class="button primary" disabled={busy} aria-disabled={!settled}>
          {busy ? 'Telling the hub…' : 'Answer'}
        </button>
        <button type="button" class="button deny" disabled={busy} aria-disabled={!settled} onClick={props.onDecline}>
          Decline
        </button>
      </div>
    </form>
  );
}

function QuestionField(props: {
  readonly question: Question;
  readonly place: string | undefined;
  readonly draft: AnswerDraft;
  readonly isMissing: boolean;
  readonly onChange: (draft: AnswerDraft) => void;
}) {
  const { question, draft, onChange } = props;
  const name = useId();
  const labels = [props.place, question.header, question.optional ? 'optional' : undefined].filter(
    (part) => part !== undefined,
  );
  return (
    <fieldset class="question">
      <legend>
        {labels.length > 0 && <span class="question-place">{labels.join(' · ')}</span>}
        <AgentText text={question.text} />
      </legend>
      {question.options.map((option, index) => (
        <label key={index} class="option">
          <input
            type={question.multiple ? 'checkbox' : 'radio'}
            name={name}
            checked={draft.taken.includes(index)}
            onChange={() => onChange(withOption(question, draft, index))}
          />
          <span class="option-text" dir="auto">
            <span class="option-label">{option.label}</span>
            {option.description !== undefined && <span class="option-about">{option.description}</span>}
          </span>
        </label>
      ))}
      {takesText(question) && <OwnWords name={name} question={question} draft={draft} onChange={onChange} />}
      {props.isMissing && (
        <p class="problem" role="alert">
          {question.options.length === 0 ? 'Please write an answer.' : 'Please choose an answer.'}
        </p>
      )}
    </fieldset>
  );
}

function OwnWords(props: {
  readonly name: string;
  readonly question: Question;
  readonly draft: AnswerDraft;
  readonly onChange: (draft: AnswerDraft) => void;
}) {
  const { question, draft, onChange } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const isAlone = question.options.length === 0;
  const label = isAlone ? 'Your answer' : question.multiple ? 'More, in your own words' : 'Something else';
  const area = (
    <textarea
      ref={field}
      class="input"
      rows={isAlone ? 2 : 1}
      maxLength={20_000}
      dir="auto"
      aria-label={`${label}: your own words`}
      placeholder={isAlone ? '' : label}
      value={draft.text}
      onInput={(event) => onChange(withText(question, draft, event.currentTarget.value))}
    />
  );
  if (isAlone || question.multiple) return <div class="own">{area}</div>;
  return (
    <div class="option own">
      <label class="own-pick">
        <input
          type="radio"
          name={props.name}
          aria-label={label}
          checked={draft.own}
          onChange={() => {
            onChange(withOwn(question, draft));
            field.current?.focus();
          }}
        />
      </label>
      {area}
    </div>
  );
}
