/** A decided approval in a few lines: what, who, where, when, why. */
import type { Approval, ApprovalSubject } from '../../../src/protocol/model.ts';
import { hrefOf } from '../core/routes.ts';
import { endedAt, type MeshState } from '../core/state.ts';
import { APPROVAL_LABEL, decisionSentence } from '../core/words.ts';
import { Ago } from '../ui/bits.tsx';
import { describeAddress } from '../ui/route-line.tsx';

export function DecidedRow({ state, approval }: { readonly state: MeshState; readonly approval: Approval }) {
  const subject = approval.subject;
  return (
    <div class={`decided-row tone-${APPROVAL_LABEL[approval.state].tone}`} data-approval={approval.id}>
      <span class="lamp" aria-hidden="true" />
      <div class="decided-text">
        <p class="decided-what">{decisionSentence(approval)}</p>
        <p class="decided-about">
          <About state={state} subject={subject} />
        </p>
        {approval.decision?.reason !== undefined && <p class="decided-reason">“{approval.decision.reason}”</p>}
      </div>
      <span class="decided-age">
        <Ago time={endedAt(approval)} />
      </span>
    </div>
  );
}

function About({ state, subject }: { readonly state: MeshState; readonly subject: ApprovalSubject }) {
  switch (subject.kind) {
    case 'join':
      return <>{subject.displayName} asked to join</>;
    case 'tool':
      return (
        <>
          {describeAddress(state, subject.from).who}: {subject.tool} {beginning(subject.summary)}
        </>
      );
    case 'question':
      return (
        <>
          {describeAddress(state, subject.from).who} asked: {beginning(subject.summary)}
        </>
      );
    case 'launch':
      return (
        <a href={hrefOf({ at: 'mission', id: subject.missionId })}>
          {subject.agent} at {describeAddress(state, subject.to).who}: {beginning(subject.body)}
        </a>
      );
    case 'message':
    case 'ask':
      return (
        <a href={hrefOf({ at: 'thread', id: subject.threadId })}>
          {describeAddress(state, subject.from).who} → {describeAddress(state, subject.to).who}:{' '}
          {beginning(subject.body)}
        </a>
      );
  }
}

function beginning(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
