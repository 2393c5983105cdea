/** What was decided lately: each approval in a few lines: what, who, where, when, why, and whether it came to be. */
import { useState } from 'preact/hooks';
import type { Approval, ApprovalSubject } from '../../../src/protocol/model.ts';
import { toolLine } from '../../../src/protocol/tool-line.ts';
import { describeAddress } from '../core/addresses.ts';
import { hrefOf } from '../core/routes.ts';
import { decidedApprovals, endedAt, type MeshState } from '../core/state.ts';
import { APPROVAL_LABEL, decisionSentence } from '../core/words.ts';
import { Ago } from '../ui/bits.tsx';
const DECIDED_FIRST = 8;

export function DecidedList({ state }: { readonly state: MeshState }) {
  const decided = decidedApprovals(state);
  const [all, setAll] = useState(false);
  if (decided.length === 0) return null;
  const shown = all ? decided : decided.slice(0, DECIDED_FIRST);
  return (
    <section class="aside-part" aria-labelledby="decided-title">
      <h2 id="decided-title">Decided</h2>
      <ul class="decided">
        {shown.map((approval) => (
          <li key={approval.id}>
            <DecidedRow state={state} approval={approval} />
          </li>
        ))}
      </ul>
      {decided.length > DECIDED_FIRST && (
        <button type="button" class="text-button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show fewer' : `Show all ${decided.length}`}
        </button>
      )}
    </section>
  );
}

function DecidedRow({ state, approval }: { readonly state: MeshState; readonly approval: Approval }) {
  const subject = approval.subject;
  return (
    <div
      class={`decided-row tone-${approval.effect?.state === 'failed' ? 'bad' : APPROVAL_LABEL[approval.state].tone}`}
      id={`of ${approval.id}`}
      tabIndex={-1}
      data-approval={approval.id}
    >
      <span class="lamp" aria-hidden="true" />
      <div class="decided-text">
        <p class="decided-what">{decisionSentence(approval)}</p>
        <p class="decided-about">
          <About state={state} subject={subject} />
        </p>
        {approval.effect?.state === 'failed' && (
          <p class="decided-failed">Not done: {approval.effect.reason ?? 'the agent’s side did not say why.'}</p>
        )}
        {approval.decision?.answers?.map((answer) => (
          <p key={answer.id} class="decided-reason">
            “{[...answer.options, ...(answer.text === undefined ? [] : [answer.text])].join(', ')}”
          </p>
        ))}
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
          {describeAddress(state, subject.from).who}: {beginning(toolLine(subject))}
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
