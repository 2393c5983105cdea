/** What waits for the person, and what was decided lately. */
import { useRef, useState } from 'preact/hooks';
import { toIntercomError } from '../../../src/protocol/errors.ts';
import { mayAct, type App } from '../core/app.ts';
import { decidedApprovals, pendingApprovals, pendingCount, type MeshState } from '../core/state.ts';
import { Empty } from '../ui/bits.tsx';
import { useSettled } from '../ui/settled.ts';
import { ApprovalCard } from './approval-card.tsx';
import { DecidedRow } from './decided-row.tsx';

const DECIDED_FIRST = 8;

export function ApprovalsScreen({ app, state }: { readonly app: App; readonly state: MeshState }) {
  const pending = pendingApprovals(state);
  const waiting = pendingCount(state);
  const decided = decidedApprovals(state);
  const [all, setAll] = useState(false);
  const settled = useSettled(pending.map((approval) => approval.id));
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = all ? decided : decided.slice(0, DECIDED_FIRST);
  return (
    <div class="approvals">
      <section class="approvals-pending" aria-labelledby="pending-title">
        <h1 id="pending-title" ref={heading} tabIndex={-1}>
          Approvals
          {waiting > 0 && <span class="count">{waiting}</span>}
        </h1>
        {!mayAct(state.me) && (
          <p class="hint">You may look, but not decide: your role is “viewer”. The owner of the hub can change that.</p>
        )}
        {waiting === 0 && (
          <Empty title="Nothing waits for you">
            <p>When one agent wants to write to another and your rules say “ask”, its message appears here at once.</p>
            <p>Agents that want to start others or use a tool, and machines that want to join, ask here too.</p>
          </Empty>
        )}
        <ul class="cards">
          {pending.map((approval) => (
            <li key={approval.id}>
              <ApprovalCard
                app={app}
                state={state}
                approval={approval}
                settled={settled}
                onDecided={() => heading.current?.focus()}
              />
            </li>
          ))}
        </ul>
        {state.unlisted !== undefined && <MorePending app={app} count={state.unlisted.count} />}
      </section>
      {decided.length > 0 && (
        <section class="approvals-decided" aria-labelledby="decided-title">
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
      )}
    </div>
  );
}

/** Cards that wait and are not here yet: said, and fetched when asked for. */
function MorePending({ app, count }: { readonly app: App; readonly count: number }) {
  const [busy, setBusy] = useState(false);
  const more = (): void => {
    setBusy(true);
    app
      .morePending()
      .catch((thrown: unknown) => app.toast('bad', toIntercomError(thrown).message))
      .finally(() => setBusy(false));
  };
  return (
    <p class="hint">
      And {count} more {count === 1 ? 'waits' : 'wait'}.{' '}
      <button type="button" class="text-button" disabled={busy} onClick={more}>
        {busy ? 'Fetching …' : 'Show more'}
      </button>
    </p>
  );
}
