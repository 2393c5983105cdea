/**
 * One pending approval with everything that is approved, and its buttons. A decision carries the hash of exactly the card that was on
 * screen when the button was pressed.
 */
import { useId, useRef, useState } from 'preact/hooks';
import { z } from 'zod';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import { Decision, type Approval, type GrantScope } from '../../../src/protocol/model.ts';
import { mayAct, type App } from '../core/app.ts';
import type { MeshState } from '../core/state.ts';
import { ago } from '../core/time.ts';
import { allowLabel, surfaceLabel } from '../core/words.ts';
import { Ago, Chip, Expiry, Problem, useAction } from '../ui/bits.tsx';
import { describeAddress } from '../ui/route-line.tsx';
import { SubjectBody, subjectLabel } from './approval-subject.tsx';

export interface ApprovalCardProps {
  readonly app: App;
  readonly state: MeshState;
  readonly approval: Approval;
  /** The list stands still: buttons may be pressed. */
  readonly settled: boolean;
  /** The card is about to go; the focus needs another place. */
  readonly onDecided: () => void;
}

export function ApprovalCard(props: ApprovalCardProps) {
  const { state, approval } = props;
  const subject = approval.subject;
  const titleId = useId();
  return (
    <article class={`card approval approval-${subject.kind}`} aria-labelledby={titleId} data-approval={approval.id}>
      <header class="card-head">
        <Chip tone="wait">{subjectLabel(subject)}</Chip>
        <span class="card-age">
          <Ago time={approval.createdAt} />
        </span>
      </header>
      <SubjectBody state={state} subject={subject} titleId={titleId} />
      <p class="card-why">
        <span>
          <span class="label">Asked by</span> {approval.rule}
        </span>
        <Expiry time={approval.expiresAt} />
      </p>
      {mayAct(state.me) && <Actions {...props} />}
    </article>
  );
}

function Actions({ app, state, approval, settled, onDecided }: ApprovalCardProps) {
  const [denying, setDenying] = useState(false);
  const { busy, error, run } = useAction();
  const deny = useRef<HTMLButtonElement>(null);
  const decide = (verdict: 'allow' | 'deny', scope: GrantScope, reason: string, suggestion?: number) => {
    if (!settled) return;
    run(async () => {
      try {
        await app.decide(approval, {
          verdict,
          scope,
          ...(reason === '' ? {} : { reason }),
          ...(suggestion === undefined ? {} : { suggestion }),
        });
        app.toast('good', doneSentence(state, approval, verdict));
        onDecided();
      } catch (thrown) {
        const winner = winnerSentence(thrown);
        if (winner === undefined) throw thrown;
        app.toast('calm', winner);
        onDecided();
      }
    });
  };
  const [first = 'once', ...rest] = approval.scopes;
  // What the agent itself offers as "always" says more than the word alone.
  const suggestions = approval.subject.kind === 'tool' ? approval.subject.suggestions : [];
  const others = rest.filter((scope) => scope !== 'always' || suggestions.length === 0);
  if (denying) {
    return (
      <DenyForm
        busy={busy}
        error={error}
        settled={settled}
        onDeny={(reason) => decide('deny', 'once', reason)}
        onBack={() => {
          setDenying(false);
          requestAnimationFrame(() => deny.current?.focus());
        }}
      />
    );
  }
  return (
    <div class="actions" aria-busy={busy}>
      {error !== undefined && <Problem error={error} />}
      <div class="actions-main">
        <button
          type="button"
          class="button primary"
          disabled={busy}
          aria-disabled={!settled}
          onClick={() => decide('allow', first, '')}
        >
          {busy ? 'Telling the hub…' : allowLabel(approval, first)}
        </button>
        <button
          ref={deny}
          type="button"
          class="button deny"
          disabled={busy}
          aria-disabled={!settled}
          onClick={() => {
            if (settled) setDenying(true);
          }}
        >
          Deny
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
              onClick={() => decide('allow', 'once', '', index)}
            >
              {suggestion}
            </button>
          ))}
          {others.map((scope) => (
            <button
              key={scope}
              type="button"
              class="button quiet"
              disabled={busy}
              aria-disabled={!settled}
              onClick={() => decide('allow', scope, '')}
            >
              {allowLabel(approval, scope)}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

function DenyForm(props: {
  readonly busy: boolean;
  readonly error: unknown;
  readonly settled: boolean;
  readonly onDeny: (reason: string) => void;
  readonly onBack: () => void;
}) {
  const [reason, setReason] = useState('');
  const id = useId();
  return (
    <form
      class="actions deny-form"
      aria-busy={props.busy}
      onSubmit={(event) => {
        event.preventDefault();
        props.onDeny(reason.trim());
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') props.onBack();
      }}
    >
      {props.error !== undefined && <Problem error={props.error} />}
      <label for={id}>Reason, if you like. The sender reads it.</label>
      <input
        id={id}
        class="input"
        maxLength={500}
        autoFocus
        ref={(element) => element?.focus()}
        value={reason}
        onInput={(event) => setReason(event.currentTarget.value)}
      />
      <div class="actions-main">
        <button type="submit" class="button danger" disabled={props.busy} aria-disabled={!props.settled}>
          {props.busy ? 'Telling the hub…' : 'Deny it'}
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
    return verdict === 'allow' ? `Allowed. ${subject.agent} goes on.` : `Denied. ${subject.agent} is told.`;
  }
  if (subject.kind === 'question') return verdict === 'allow' ? 'Answered.' : 'Declined. The agent is told.';
  const to = describeAddress(state, subject.to);
  if (subject.kind === 'launch') {
    return verdict === 'allow' ? `Allowed. ${subject.agent} starts at ${to.who}.` : 'Denied. Nothing is started.';
  }
  return verdict === 'allow' ? `Allowed. It is on its way to ${to.who}.` : 'Denied. The sender is told.';
}

const ConflictDetails = z.object({ decision: Decision });

/** Somebody else was first: who, where and when, kindly. Undefined when the failure is another one. */
function winnerSentence(thrown: unknown): string | undefined {
  const error = toIntercomError(thrown);
  if (error.code !== 'conflict') return undefined;
  const details = ConflictDetails.safeParse(error.details);
  if (!details.success) return error.message;
  const { decision } = details.data;
  const did = decision.verdict === 'allow' ? 'allowed' : 'denied';
  return `${decision.by} ${did} it ${surfaceLabel(decision.via)} ${ago(decision.at, Date.now())}. That answer counts.`;
}
