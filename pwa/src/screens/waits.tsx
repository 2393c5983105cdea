/** How long sessions waited, and for what: a line per kind, then the newest waits. Renews itself when a wait begins or ends. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Wait, WaitsPage } from '../../../src/protocol/attention.ts';
import type { App } from '../core/app.ts';
import { newestWaits } from '../core/attention-state.ts';
import { WAIT_END_LABEL, WAIT_LABEL } from '../core/attention-words.ts';
import { hrefOf } from '../core/routes.ts';
import { machineName, type MeshState } from '../core/state.ts';
import { longSpan, useNow } from '../core/time.ts';
import { Ago, Chip, Empty, Problem } from '../ui/bits.tsx';
import { BackIcon } from '../ui/icons.tsx';

const DAYS = [1, 7, 30] as const;

export function WaitsScreen({ app, state }: { readonly app: App; readonly state: MeshState }) {
  const [days, setDays] = useState<number>(7);
  const { page, error } = useWaits(
    app,
    days,
    `${state.base} ${[...state.attention.waits.keys()].at(-1) ?? ''} ${ended(state)}`,
  );
  return (
    <div class="waits">
      <header class="attention-head">
        <h1>
          <a class="icon-button back-always" href={hrefOf({ at: 'attention' })} aria-label="Back to Attention">
            <BackIcon />
          </a>
          How long agents waited
        </h1>
        <div class="segments" role="group" aria-label="Of how many days">
          {DAYS.map((one) => (
            <button key={one} type="button" class="segment" aria-pressed={days === one} onClick={() => setDays(one)}>
              {one === 1 ? '1 day' : `${one} days`}
            </button>
          ))}
        </div>
      </header>
      {error !== undefined && <Problem error={error} />}
      {page === undefined && error === undefined && <p class="hint">Asking the hub…</p>}
      {page !== undefined && page.summary.length === 0 && page.waits.length === 0 && (
        <Empty title="Nobody waited">
          <p>In these days no session waited for a person.</p>
        </Empty>
      )}
      {page !== undefined && page.summary.length > 0 && <SummaryTable page={page} />}
      {page !== undefined && page.waits.length > 0 && <WaitList app={app} state={state} days={days} first={page} />}
    </div>
  );
}

/** Changes when a wait ends, so that the sums are asked for anew. */
function ended(state: MeshState): number {
  return [...state.attention.waits.values()].filter(({ until }) => until !== undefined).length;
}

/** The first page; asked for again when `news` changes, but never twice at once: what comes meanwhile is one more question afterwards. */
function useWaits(app: App, days: number, news: string) {
  const [result, setResult] = useState<{ readonly page?: WaitsPage; readonly error?: unknown; readonly days?: number }>(
    {},
  );
  const asking = useRef(false);
  const wanted = useRef('');
  const here = useRef(true);
  useEffect(
    () => () => {
      here.current = false;
    },
    [],
  );
  useEffect(() => {
    wanted.current = `${days} ${news}`;
    if (asking.current) return;
    const ask = async (): Promise<void> => {
      asking.current = true;
      let asked = '';
      while (here.current && asked !== wanted.current) {
        asked = wanted.current;
        const of = Number(asked.split(' ', 1)[0]);
        try {
          const page = await app.waits(of);
          setResult({ page, days: of });
        } catch (error) {
          setResult((before) => ({ ...before, error }));
        }
      }
      asking.current = false;
    };
    void ask();
  }, [days, news]);
  return { page: result.days === days ? result.page : undefined, error: result.error };
}

function SummaryTable({ page }: { readonly page: WaitsPage }) {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">For</th>
          <th scope="col">Times</th>
          <th scope="col">Half waited under</th>
          <th scope="col">Longest</th>
        </tr>
      </thead>
      <tbody>
        {page.summary.map(({ kind, count, open, medianMs, longestMs }) => (
          <tr key={kind} data-kind={kind}>
            <th scope="row">{WAIT_LABEL[kind]}</th>
            <td>
              {count}
              {open > 0 && <span class="table-note"> {open} open</span>}
            </td>
            <td>{count === open ? '–' : longSpan(medianMs)}</td>
            <td>{count === open ? '–' : longSpan(longestMs)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function WaitList(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly days: number;
  readonly first: WaitsPage;
}) {
  const { app, state, days, first } = props;
  const [older, setOlder] = useState<WaitsPage | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const waits = newestWaits([...first.waits, ...(older?.waits ?? [])], state.attention.waits);
  const more = (older ?? first).more;
  const fetchMore = () => {
    setProblem(undefined);
    app
      .waits(days, (older ?? first).waits.at(-1)?.id)
      .then((page) => setOlder({ ...page, waits: [...(older?.waits ?? []), ...page.waits] }), setProblem);
  };
  return (
    <section class="sessions" aria-labelledby="waits-list-title">
      <h2 id="waits-list-title">The newest</h2>
      <ul class="rows">
        {waits.map((wait) => (
          <li key={wait.id}>
            <WaitRow state={state} wait={wait} />
          </li>
        ))}
      </ul>
      {problem !== undefined && <Problem error={problem} />}
      {more && (
        <button type="button" class="button small" onClick={fetchMore}>
          Show older ones
        </button>
      )}
    </section>
  );
}

function WaitRow({ state, wait }: { readonly state: MeshState; readonly wait: Wait }) {
  const now = useNow();
  const open = wait.until === undefined;
  const ms = (wait.until === undefined ? now : Date.parse(wait.until)) - Date.parse(wait.since);
  const how = wait.end === undefined ? '' : WAIT_END_LABEL[wait.end];
  return (
    <div class="row wait-row" data-wait={wait.id}>
      <span class="who">
        <span class="who-project">{wait.project}</span> <span class="who-name">{machineName(state, wait.machine)}</span>
      </span>
      <span class="row-state">
        <Chip tone={open ? 'wait' : 'calm'}>{longSpan(Math.max(0, ms))}</Chip>
      </span>
      <span class="where">
        <span>
          {WAIT_LABEL[wait.kind]}: {wait.what}
        </span>
        <span>{open ? 'waits now' : wait.by === undefined ? how : `${how} by ${wait.by}`}</span>
      </span>
      <span class="row-age">
        <Ago time={wait.since} />
      </span>
    </div>
  );
}
