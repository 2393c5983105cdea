/** One mission: what was asked, what it does now (live), what came of it, and what may be said to it. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { missionIsLive, missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionLogEntry, MissionResult } from '../../../src/protocol/mission.ts';
import type { MissionOrder } from '../core/api.ts';
import { mayAct, type App } from '../core/app.ts';
import { holeAfter, sortedEntries } from '../core/mission-state.ts';
import { hrefOf } from '../core/routes.ts';
import type { MeshState } from '../core/state.ts';
import { clockTime, useNow } from '../core/time.ts';
import { limitWords, missionStateLabel, plainTitle } from '../core/words.ts';
import { Ago, Chip, Problem, useAction, useFetch } from '../ui/bits.tsx';
import { BackIcon, SendIcon } from '../ui/icons.tsx';
import { describeAddress } from '../ui/route-line.tsx';
import { AgentText } from '../ui/text.tsx';

export function MissionView(props: { readonly app: App; readonly state: MeshState; readonly missionId: string }) {
  const { app, state, missionId } = props;
  const mission = state.missions.get(missionId);
  const fetched = useFetch(`${missionId} ${state.base}`, () => app.openMission(missionId));
  useHoles(app, state, mission);
  if (mission === undefined) {
    return (
      <section class="conversation mission">
        {fetched.error === undefined ? <p class="hint">Fetching the mission…</p> : <Problem error={fetched.error} />}
      </section>
    );
  }
  const { who, where } = describeAddress(state, `${mission.machine}/${mission.project}`);
  const label = missionStateLabel(mission);
  return (
    <section class="conversation mission" aria-labelledby="mission-title" data-mission-view={mission.id}>
      <header class="conversation-head">
        <a class="icon-button back" href="#/missions" aria-label="Back to all missions">
          <BackIcon />
        </a>
        <div>
          <h2 id="mission-title">
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
        {mission.reason !== undefined && <p class={`bar tone-${label.tone}`}>{mission.reason}</p>}
        <Log app={app} state={state} mission={mission} />
        {mission.result !== undefined && <Outcome result={mission.result} />}
        {mayAct(state.me) && <Orders app={app} mission={mission} />}
      </div>
      {mayAct(state.me) && !missionIsOver(mission.state) && <Say app={app} mission={mission} />}
    </section>
  );
}

/** Fetches what the log lacks, once per gap. */
function useHoles(app: App, state: MeshState, mission: Mission | undefined): void {
  const log = mission === undefined ? undefined : state.logs.get(mission.id);
  const hole = mission === undefined || log === undefined ? undefined : holeAfter(log, lastKnown(log.entries));
  const id = mission?.id;
  useEffect(() => {
    if (id === undefined || hole === undefined) return;
    // What fails is tried again with the next entry; the log says meanwhile that something is missing.
    app.openMission(id).catch(() => undefined);
  }, [app, id, hole]);
}

function lastKnown(entries: ReadonlyMap<number, MissionLogEntry>): number {
  let last = 0;
  for (const seq of entries.keys()) last = Math.max(last, seq);
  return last;
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
      <dt>Talk</dt>
      <dd>
        <a href={hrefOf({ at: 'thread', id: mission.threadId })}>Its thread</a>
      </dd>
    </dl>
  );
}

const MARK: Readonly<Record<MissionLogEntry['kind'], string>> = {
  state: '●',
  prompt: '›',
  text: '“',
  tool: '⚙',
  file: '✎',
  command: '$',
  done: '✓',
  result: '■',
  note: '·',
  gap: '…',
};

function Log(props: { readonly app: App; readonly state: MeshState; readonly mission: Mission }) {
  const log = props.state.logs.get(props.mission.id);
  const entries = log === undefined ? [] : sortedEntries(log);
  const end = useStickToEnd(entries.at(-1)?.seq);
  if (log === undefined) return null;
  return (
    <section class="mission-log" aria-labelledby="log-title">
      <h3 id="log-title">What it does</h3>
      {log.missing > 0 && <p class="hint">The first {log.missing.toLocaleString('en')} entries are kept no more.</p>}
      {entries.length === 0 && <p class="hint">Nothing yet.</p>}
      <ol aria-live="off">
        {entries.map((entry) => (
          <Entry key={entry.seq} entry={entry} />
        ))}
      </ol>
      <div ref={end} />
    </section>
  );
}

function Entry({ entry }: { readonly entry: MissionLogEntry }) {
  const failed = entry.ok === false;
  const line = (
    <>
      <span class="log-mark" aria-hidden="true">
        {failed ? '✗' : MARK[entry.kind]}
      </span>
      <span class="log-label">{entry.label}</span>
      <time class="log-time" dateTime={entry.at}>
        {clockTime(entry.at, Date.now())}
      </time>
    </>
  );
  const classes = `log-entry log-${entry.kind}${failed ? ' log-failed' : ''}`;
  if (entry.detail === undefined || entry.detail === entry.label) return <li class={classes}>{line}</li>;
  return (
    <li class={classes}>
      <details>
        <summary>{line}</summary>
        <pre class="log-detail">{entry.detail}</pre>
      </details>
    </li>
  );
}

function Outcome({ result }: { readonly result: MissionResult }) {
  const facts = [
    `${(result.durationMs / 1000).toLocaleString('en', { maximumFractionDigits: 1 })} s`,
    ...(result.turns === undefined ? [] : [`${result.turns} ${result.turns === 1 ? 'turn' : 'turns'}`]),
    ...(result.costUsd === undefined ? [] : [`$${result.costUsd.toFixed(2)}`]),
    ...(result.exitCode === undefined ? [] : [`exit ${result.exitCode}`]),
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

/** Speaks into it: an ordinary message with receipts, seen in the mission's thread. */
function Say({ app, mission }: { readonly app: App; readonly mission: Mission }) {
  const [text, setText] = useState('');
  const { busy, error, run } = useAction();
  const send = () => {
    if (text.trim() === '') return;
    run(async () => {
      const status = await app.sendToMission(mission.id, text);
      setText('');
      app.toast('good', status.state === 'delivered' ? 'It has it.' : 'Sent. Its thread shows when it arrives.');
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
          Write to {mission.agent}
        </label>
        <textarea
          id="mission-say"
          class="input"
          rows={1}
          placeholder={`Tell ${mission.agent} something: ${plainTitle(mission.text).slice(0, 30)}`}
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

/** Keeps the newest entry in view when it comes, unless the person reads further up. */
function useStickToEnd(newest: number | undefined) {
  const end = useRef<HTMLDivElement>(null);
  const first = useRef(true);
  useLayoutEffect(() => {
    const box = end.current;
    if (newest === undefined || box === null) return;
    const near = box.getBoundingClientRect().top < window.innerHeight + 160;
    if (!first.current && near) box.scrollIntoView({ block: 'end' });
    first.current = false;
  }, [newest]);
  return end;
}
