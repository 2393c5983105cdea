/**
 * One pending approval with everything that is approved, and its buttons. A decision carries the hash of exactly the card that was on
 * screen when the button was pressed.
 */
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { z } from 'zod';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import { Decision, type Approval, type GrantScope } from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import type { QuestionAnswer } from '../../../src/protocol/attention.ts';
import type { Decision as Verdict } from '../core/api.ts';
import { mayAct, type App } from '../core/app.ts';
import { useDraft, type Drafts } from '../core/drafts.ts';
import type { MeshState } from '../core/state.ts';
import { ago } from '../core/time.ts';
import { allowLabel, surfaceLabel } from '../core/words.ts';
import { Ago, Chip, Expiry, Problem, useAction } from '../ui/bits.tsx';
import { SubjectBody, subjectLabel } from './approval-subject.tsx';
import { QuestionForm } from './question-form.tsx';

export interface ApprovalCardProps {
  readonly app: App;
  readonly state: MeshState;
  readonly approval: Approval;
  /** The list stands still: buttons may be pressed. */
  readonly settled: boolean;
  /** The card is about to go; the focus needs another place. */
  readonly onDecided: () => void;
  /** The session that asks, where that is known. */
  readonly who?: ComponentChildren;
}

export function ApprovalCard(props: ApprovalCardProps) {
  const { state, approval } = props;
  const subject = approval.subject;
  const titleId = useId();
  // Its questions are what it is about; nothing stands between the one who asks and them.
  const isQuestion = subject.kind === 'question';
  return (
    <article
      class={`card approval approval-${subject.kind}`}
      id={approval.id}
      tabIndex={-1}
      aria-labelledby={titleId}
      data-approval={approval.id}
    >
      <header class="card-head">
        <Chip tone="wait">{subjectLabel(subject)}</Chip>
        <span class="card-age">
          <Ago time={approval.createdAt} />
        </span>
      </header>
      {props.who}
      <SubjectBody state={state} subject={subject} titleId={titleId} hasWho={props.who !== undefined} />
      {!isQuestion && <Why approval={approval} />}
      {mayAct(state.me) && <Actions {...props} />}
      {isQuestion && <Why approval={approval} />}
    </article>
  );
}

/** Which rule asks, and how long the answer has time. */
function Why({ approval }: { readonly approval: Approval }) {
  return (
    <p class="card-why">
      <span>
        <span class="label">Asked by</span> {approval.rule}
      </span>
      <Expiry time={approval.expiresAt} />
    </p>
  );
}

/** Runs a decision: says what came of it, or who was first. */
function useDecision({ app, state, approval, settled, onDecided }: ApprovalCardProps) {
  const { busy, error, run } = useAction();
  const decide = (decision: Omit<Verdict, 'shownHash'>, taken: () => void = () => undefined) => {
    if (!settled) return;
    run(async () => {
      try {
        await app.decide(approval, decision);
        app.toast('good', doneSentence(state, approval, decision.verdict));
      } catch (thrown) {
        const winner = winnerSentence(approval, thrown);
        if (winner === undefined) throw thrown;
        app.toast('calm', winner);
      }
      taken();
      onDecided();
    });
  };
  return { busy, error, decide };
}

function Actions(props: ApprovalCardProps) {
  const { approval, settled } = props;
  const [denying, setDenying] = useState(false);
  const { busy, error, decide } = useDecision(props);
  const buttons = useRef<HTMLDivElement>(null);
  const place = `${approval.id} ${approval.shownHash}`;
  const { subject } = approval;
  if (denying) {
    return (
      <DenyForm
        place={place}
        words={denyWords(subject)}
        busy={busy}
        error={error}
        settled={settled}
        onDeny={(reason, taken) =>
          decide({ verdict: 'deny', scope: 'once', ...(reason === '' ? {} : { reason }) }, taken)
        }
        onBack={() => {
          setDenying(false);
          requestAnimationFrame(() => buttons.current?.querySelector<HTMLElement>('.deny')?.focus());
        }}
      />
    );
  }
  const deny = () => {
    if (settled) setDenying(true);
  };
  return (
    <div class="actions" aria-busy={busy} ref={buttons}>
      {error !== undefined && <Problem error={error} />}
      {subject.kind === 'question' ? (
        <QuestionForm
          subject={subject}
          place={place}
          busy={busy}
          settled={settled}
          onAnswer={(answers: QuestionAnswer[], taken) => decide({ verdict: 'allow', scope: 'once', answers }, taken)}
          onDecline={deny}
        />
      ) : (
        <Buttons approval={approval} busy={busy} settled={settled} decide={decide} onDeny={deny} />
      )}
    </div>
  );
}

function Buttons(props: {
  readonly approval: Approval;
  readonly busy: boolean;
  readonly settled: boolean;
  readonly decide: (decision: Omit<Verdict, 'shownHash'>) => void;
  readonly onDeny: () => void;
}) {
  const { approval, busy, settled, decide } = props;
  const [first = 'once', ...rest] = approval.scopes;
  // What the agent itself offers as "always" says more than the word alone.
  const suggestions = approval.subject.kind === 'tool' ? approval.subject.suggestions : [];
  const others = rest.filter((scope) => scope !== 'always' || suggestions.length === 0);
  return (
    <>
      <div class="actions-main">
        <button
          type="button"
          class="button primary"
          disabled={busy}
          aria-disabled={!settled}
          onClick={() => decide({ verdict: 'allow', scope: first })}
        >
          {busy ? 'Telling the hub…' : allowLabel(approval, first)}
        </button>
        <button type="button" class="button deny" disabled={busy} aria-disabled={!settled} onClick={props.onDeny}>
          {denyWords(approval.subject).open}
        </button>
      </div>
      {others.length + suggestions.length > 0 && (
        <div class="actions-more">
          {suggestions.map((suggestion, index) => (
            <button
              key={suggestion}
              type="button"
              class="button quiet"
              disabled={busy}
              aria-disabled={!settled}
              // The agent's own rule is what lasts then, and it is narrow: no wide grant of ours beside it.
              onClick={() => decide({ verdict: 'allow', scope: 'once', suggestion: index })}
            >
              {suggestion}
            </button>
          ))}
          {others.map((scope: GrantScope) => (
            <button
              key={scope}
              type="button"
              class="button quiet"
              disabled={busy}
              aria-disabled={!settled}
              onClick={() => decide({ verdict: 'allow', scope })}
            >
              {allowLabel(approval, scope)}
            </button>
          ))}
        </div>
      )}
    </>
  );
}

interface DenyWords {
  readonly open: string;
  readonly label: string;
  readonly send: string;
}

function denyWords(subject: Approval['subject']): DenyWords {
  if (subject.kind === 'question') {
    return { open: 'Decline', label: 'Reason, if you like. The agent reads it.', send: 'Decline it' };
  }
  if (subject.kind === 'tool') {
    return subject.plan === true
      ? { open: 'Think again', label: 'What should it think over? The agent reads it.', send: 'Send it back' }
      : { open: 'Deny', label: 'Reason, if you like. The agent reads it.', send: 'Deny it' };
  }
  return { open: 'Deny', label: 'Reason, if you like. The sender reads it.', send: 'Deny it' };
}

const reasons: Drafts<string> = new Map();

function DenyForm(props: {
  readonly place: string;
  readonly words: DenyWords;
  readonly busy: boolean;
  readonly error: unknown;
  readonly settled: boolean;
  readonly onDeny: (reason: string, taken: () => void) => void;
  readonly onBack: () => void;
}) {
  const { draft: reason, keep, forget } = useDraft(reasons, props.place, () => '');
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.focus(), []);
  return (
    <form
      class="actions deny-form"
      aria-busy={props.busy}
      onSubmit={(event) => {
        event.preventDefault();
        props.onDeny(reason.trim(), forget);
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.onBack();
      }}
    >
      {props.error !== undefined && <Problem error={props.error} />}
      <label for={id}>{props.words.label}</label>
      <input
        id={id}
        class="input"
        maxLength={500}
        autoFocus
        ref={field}
        value={reason}
        onInput={(event) => keep(event.currentTarget.value)}
      />
      <div class="actions-main">
        <button type="submit" class="button danger" disabled={props.busy} aria-disabled={!props.settled}>
          {props.busy ? 'Telling the hub…' : props.words.send}
        </button>
        <button type="button" class="button" disabled={props.busy} onClick={props.onBack}>
          Back
        </button>
      </div>
    </form>
  );
}

function doneSentence(state: MeshState, approval: Approval, verdict: 'allow' | 'deny'): string {
  const subject = approval.subject;
  if (subject.kind === 'join') {
    return verdict === 'allow' ? `${subject.displayName} may join.` : `${subject.displayName} was turned away.`;
  }
  if (subject.kind === 'tool') {
    return `${verdict === 'allow' ? 'Allowed' : subject.plan === true ? 'Sent back' : 'Denied'}. ${subject.agent} is told.`;
  }
  if (subject.kind === 'question') {
    return `${verdict === 'allow' ? 'Answered' : 'Declined'}. ${subject.agent} is told.`;
  }
  const to = describeAddress(state, subject.to);
  if (subject.kind === 'launch') {
    return verdict === 'allow' ? `Allowed. ${subject.agent} starts at ${to.who}.` : 'Denied. Nothing is started.';
  }
  return verdict === 'allow' ? `Allowed. It is on its way to ${to.who}.` : 'Denied. The sender is told.';
}

function didWords({ subject }: Approval, verdict: 'allow' | 'deny'): string {
  if (subject.kind === 'question') return verdict === 'allow' ? 'answered' : 'declined';
  return verdict === 'allow' ? 'allowed' : 'denied';
}

const ConflictDetails = z.object({ decision: Decision });

/** Somebody else was first: who, where and when, kindly. Undefined when the failure is another one. */
function winnerSentence(approval: Approval, thrown: unknown): string | undefined {
  const error = toIntercomError(thrown);
  if (error.code !== 'conflict') return undefined;
  const details = ConflictDetails.safeParse(error.details);
  if (!details.success) return error.message;
  const { decision } = details.data;
  return `${decision.by} ${didWords(approval, decision.verdict)} it ${surfaceLabel(decision.via)} ${ago(decision.at, Date.now())}. That answer counts.`;
}
