/** A decided approval in a few lines: what, who, where, when, why. */
import type { Approval } from '../../../src/protocol/model.ts';
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
          {subject.kind === 'join' ? (
            `${subject.displayName} asked to join`
          ) : (
            <a href={hrefOf({ at: 'thread', id: subject.threadId })}>
              {describeAddress(state, subject.from).who} → {describeAddress(state, subject.to).who}:{' '}
              {beginning(subject.body)}
            </a>
          )}
        </p>
        {approval.decision?.reason !== undefined && <p class="decided-reason">“{approval.decision.reason}”</p>}
      </div>
      <span class="decided-age">
        <Ago time={endedAt(approval)} />
      </span>
    </div>
  );
}

function beginning(text: string): string {
  const line = text.split('\n', 1)[0] ?? '';
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
