/** One thing that waits for the person: the card of an approval with the session that asks, or a session that only its own terminal can answer. */
import { useId } from 'preact/hooks';
import type { SessionUsage } from '../../../src/protocol/attention.ts';
import type { App } from '../core/app.ts';
import { evidence, WAIT_LABEL } from '../core/attention-words.ts';
import type { SessionRow, WaitingItem } from '../core/sessions.ts';
import type { MeshState } from '../core/state.ts';
import { Ago, Chip } from '../ui/bits.tsx';
import { ApprovalCard } from './approval-card.tsx';
import { SessionFacts, SessionName } from './session-line.tsx';

export function WaitingCard(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly item: WaitingItem;
  readonly settled: boolean;
  readonly onDecided: () => void;
}) {
  const { app, state, item, settled, onDecided } = props;
  const usage = item.row === undefined ? undefined : state.attention.sessions.get(item.row.key);
  if (item.kind === 'session') {
    return <AtTerminal row={item.row} usage={usage} mayHaveCard={state.unlisted !== undefined} />;
  }
  const { approval, row } = item;
  return (
    <ApprovalCard
      app={app}
      state={state}
      approval={approval}
      settled={settled}
      onDecided={onDecided}
      who={row === undefined ? undefined : <Asker row={row} usage={usage} />}
    />
  );
}

function Asker({ row, usage }: { readonly row: SessionRow; readonly usage: SessionUsage | undefined }) {
  return (
    <p class="asker">
      <SessionName row={row} />
      <SessionFacts row={row} usage={usage} />
    </p>
  );
}

/** It waits, and there is no way to answer from here: says what it asks and where to go. */
function AtTerminal(props: {
  readonly row: SessionRow;
  readonly usage: SessionUsage | undefined;
  readonly mayHaveCard: boolean;
}) {
  const { row, usage } = props;
  const { session } = row;
  const titleId = useId();
  const kind = session.waiting?.kind;
  return (
    <article
      class="card approval at-terminal"
      id={row.key}
      tabIndex={-1}
      aria-labelledby={titleId}
      data-waiting={session.id}
    >
      <header class="card-head">
        <Chip tone="wait">{kind === undefined ? 'Waits' : WAIT_LABEL[kind]}</Chip>
        <span class="card-age" title={evidence(session)}>
          <Ago time={session.stateSince} />
        </span>
      </header>
      <h2 id={titleId} class="visually-hidden">
        {session.project} waits
      </h2>
      <Asker row={row} usage={usage} />
      {session.waiting !== undefined && <p class="at-terminal-what">{session.waiting.what}</p>}
      <p class="at-terminal-where">
        {props.mayHaveCard
          ? 'Its card may be among the ones that are not shown yet. '
          : 'It cannot be answered from here. '}
        <strong>Answer at its terminal on {row.machineName}.</strong>
      </p>
    </article>
  );
}
