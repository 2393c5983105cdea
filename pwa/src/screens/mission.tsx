/** One mission: what was asked, what it does now (live), what came of it, and what may be said to it. */
import { useRef, useState } from 'preact/hooks';
import { missionIsLive, missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionResult } from '../../../src/protocol/mission.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import { describeAddress } from '../core/addresses.ts';
import type { MissionOrder } from '../core/api.ts';
import { mayAct, type App } from '../core/app.ts';
import { hrefOf } from '../core/routes.ts';
import { pendingApprovals, type MeshState } from '../core/state.ts';
import { clockTime, longSpan, useNow } from '../core/time.ts';
import { limitWords, missionStateLabel } from '../core/words.ts';
import { Ago, Chip, Problem, useAction, useFetch } from '../ui/bits.tsx';
import { BackIcon, SendIcon } from '../ui/icons.tsx';
import { AgentText } from '../ui/text.tsx';
import { useSettled } from '../ui/settled.ts';
import { ApprovalCard } from './approval-card.tsx';
import { MissionLog } from './mission-log.tsx';

export function MissionView(props: { readonly app: App; readonly state: MeshState; readonly missionId: string }) {
  const { app, state, missionId } = props;
  const mission = state.missions.get(missionId);
  const heading = useRef<HTMLHeadingElement>(null);
  const fetched = useFetch(`${missionId} ${state.base}`, () => app.openMission(missionId));
  if (mission === undefined) {
    return (
      <section class="conversation mission">
        {fetched.error === undefined ? <p class="hint">Fetching the mission…</p> : <Problem error={fetched.error} />}
      </section>
    );
  }
  const { who, where } = describeAddress(state, `${mission.machine}/${mission.project}`);
  const label = missionStateLabel(mission);
  const isOver = missionIsOver(mission.state);
  const owed = pendingApprovals(state).filter(
    ({ subject }) =>
      (subject.kind === 'tool' || subject.kind === 'launch' || subject.kind === 'question') &&
      subject.missionId === mission.id,
  );
  return (
    <section class="conversation mission" aria-labelledby="mission-title" data-mission-view={mission.id}>
      <header class="conversation-head">
        <a class="icon-button back" href="#/missions" aria-label="Back to all missions">
          <BackIcon />
        </a>
        <div>
          <h2 id="mission-title" ref={heading} tabIndex={-1}>
            {mission.agent} at {who}
          </h2>
          <p class="conversation-who">{where}</p>
        </div>
        <Chip tone={label.tone}>{label.text}</Chip>
      </header>
      <div class="mission-body">
        {fetched.error !== undefined && <Problem error={fetched.error} />}
        <div class="quote">
          <AgentText text={mission.text} exact />
        </div>
        <Facts state={state} mission={mission} />
        {mission.reason !== undefined && owed.length === 0 && <p class={`bar tone-${label.tone}`}>{mission.reason}</p>}
        <Owed app={app} state={state} owed={owed} onDecided={() => heading.current?.focus()} />
        {mayAct(state.me) && <Orders app={app} mission={mission} />}
        {isOver && mission.result !== undefined && <Outcome result={mission.result} />}
        <MissionLog app={app} state={state} mission={mission} />
      </div>
      {mayAct(state.me) && (!isOver || mission.session !== undefined) && <Say app={app} mission={mission} />}
    </section>
  );
}

/** What its agent waits for: decided here as well as among all approvals. */
function Owed(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly owed: readonly Approval[];
  readonly onDecided: () => void;
}) {
  const { app, state, owed, onDecided } = props;
  const settled = useSettled(owed.map(({ id }) => id));
  if (owed.length === 0) return null;
  return (
    <ul class="cards">
      {owed.map((approval) => (
        <li key={approval.id}>
          <ApprovalCard app={app} state={state} approval={approval} settled={settled} onDecided={onDecided} />
        </li>
      ))}
    </ul>
  );
}

function Facts({ state, mission }: { readonly state: MeshState; readonly mission: Mission }) {
  const limits = limitWords(mission.limits);
  const now = useNow();
  return (
    <dl class="facts">
      <dt>Asked by</dt>
      <dd>
        {describeAddress(state, mission.requestedBy).who}
        {mission.approvedBy === undefined ? '' : `, approved by ${mission.approvedBy}`}
      </dd>
      {mission.path !== undefined && (
        <>
          <dt>Directory</dt>
          <dd class="mono">{mission.path}</dd>
        </>
      )}
      {mission.startedAt !== undefined && (
        <>
          <dt>Started</dt>
          <dd>
            <Ago time={mission.startedAt} />
            {mission.run > 1 ? `, run ${mission.run}` : ''}
          </dd>
        </>
      )}
      {mission.endedAt !== undefined && missionIsOver(mission.state) && (
        <>
          <dt>Ended</dt>
          <dd>
            <Ago time={mission.endedAt} />
          </dd>
        </>
      )}
      {mission.resetAt !== undefined && mission.state === 'rate_limited' && (
        <>
          <dt>Goes on</dt>
          <dd>
            by itself at <time dateTime={mission.resetAt}>{clockTime(mission.resetAt, now)}</time>
          </dd>
        </>
      )}
      {limits !== '' && (
        <>
          <dt>Limits</dt>
          <dd>{limits}</dd>
        </>
      )}
      {mission.parent !== undefined && (
        <>
          <dt>Part of</dt>
          <dd>
            <a href={hrefOf({ at: 'mission', id: mission.parent })}>another mission</a>
          </dd>
        </>
      )}
      {state.threads.has(mission.threadId) && (
        <>
          <dt>Talk</dt>
          <dd>
            <a href={hrefOf({ at: 'thread', id: mission.threadId })}>Its thread</a>
          </dd>
        </>
      )}
    </dl>
  );
}

function Outcome({ result }: { readonly result: MissionResult }) {
  const facts = [
    longSpan(result.durationMs),
    ...(result.turns === undefined ? [] : [`${result.turns} ${result.turns === 1 ? 'turn' : 'turns'}`]),
    ...(result.costUsd === undefined ? [] : [`$${result.costUsd.toFixed(2)}`]),
    ...(result.exitCode === undefined || result.exitCode === 0 ? [] : [`exit status ${result.exitCode}`]),
    ...(result.signal === undefined ? [] : [result.signal]),
  ];
  return (
    <section class={`mission-result tone-${result.isError ? 'bad' : 'good'}`} aria-labelledby="result-title">
      <h3 id="result-title">{result.isError ? 'It ended with an error' : 'Result'}</h3>
      {result.text === '' ? <p class="hint">It said nothing.</p> : <AgentText text={result.text} />}
      <p class="hint">{facts.join(' · ')}</p>
      {result.branch !== undefined && (
        <p class="hint">
          Branch <span class="mono">{result.branch}</span>
          {result.worktreeKept === true ? ', its worktree is kept' : ''}
        </p>
      )}
      {result.diffStat !== undefined && result.diffStat !== '' && (
        <details>
          <summary>What changed</summary>
          <pre class="log-detail">{result.diff ?? result.diffStat}</pre>
        </details>
      )}
    </section>
  );
}

const ORDER_LABEL: Readonly<Record<MissionOrder, string>> = {
  cancel: 'Stop it',
  pause: 'Pause',
  resume: 'Go on',
  rerun: 'Run again',
};

function ordersFor(mission: Mission): MissionOrder[] {
  switch (mission.state) {
    case 'queued':
    case 'awaiting_approval':
    case 'starting':
      return ['cancel'];
    case 'running':
    case 'waiting_human':
    case 'rate_limited':
      return ['pause', 'cancel'];
    case 'paused':
      return ['resume', 'cancel'];
    case 'completed':
    case 'failed':
    case 'cancelled':
    case 'timed_out':
    case 'lost':
      return mission.session === undefined ? ['rerun'] : ['resume', 'rerun'];
    case 'denied':
      return ['rerun'];
  }
}

function Orders({ app, mission }: { readonly app: App; readonly mission: Mission }) {
  const { busy, error, run } = useAction();
  const [sure, setSure] = useState(false);
  const give = (order: MissionOrder) => {
    if (order === 'cancel' && !sure && missionIsLive(mission.state)) {
      setSure(true);
      return;
    }
    setSure(false);
    run(async () => {
      const after = await app.orderMission(mission.id, order);
      if (after.id !== mission.id) location.hash = hrefOf({ at: 'mission', id: after.id });
    });
  };
  return (
    <div class="mission-orders">
      {error !== undefined && <Problem error={error} />}
      {ordersFor(mission).map((order) => (
        <button
          key={order}
          type="button"
          class={order === 'cancel' ? 'button deny' : 'button'}
          disabled={busy}
          onClick={() => give(order)}
        >
          {order === 'cancel' && sure ? 'Really stop it' : ORDER_LABEL[order]}
        </button>
      ))}
    </div>
  );
}

/** Speaks into it: an ordinary message with receipts; to one that rests or is over it begins another run of its conversation. */
function Say({ app, mission }: { readonly app: App; readonly mission: Mission }) {
  const [text, setText] = useState('');
  const { busy, error, run } = useAction();
  const goesOn = missionIsOver(mission.state) || mission.state === 'paused';
  const words = goesOn ? `Go on with it: what should ${mission.agent} do?` : `Say something to ${mission.agent}`;
  const send = () => {
    if (text.trim() === '') return;
    run(async () => {
      if (goesOn) await app.orderMission(mission.id, 'resume', text);
      else {
        const status = await app.sendToMission(mission.id, text);
        app.toast('good', status.state === 'delivered' ? 'It has it.' : 'Sent. Its thread shows when it arrives.');
      }
      setText('');
    });
  };
  return (
    <form
      class="compose"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {error !== undefined && <Problem error={error} />}
      <div class="compose-row">
        <label class="visually-hidden" for="mission-say">
          {words}
        </label>
        <textarea
          id="mission-say"
          class="input"
          rows={1}
          placeholder={words}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            send();
          }}
        />
        <button type="submit" class="icon-button send" aria-label="Send" disabled={busy || text.trim() === ''}>
          <SendIcon />
        </button>
      </div>
    </form>
  );
}
