/** The log of a mission, live: what its agent does, line by line. What is missing is said, and fetched. */
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { missionIsOver } from '../../../src/protocol/mission-life.ts';
import type { Mission, MissionLogEntry } from '../../../src/protocol/mission.ts';
import type { App } from '../core/app.ts';
import { holeAfter, sortedEntries } from '../core/mission-state.ts';
import type { MeshState } from '../core/state.ts';
import { logTime } from '../core/time.ts';

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

export function MissionLog(props: { readonly app: App; readonly state: MeshState; readonly mission: Mission }) {
  useHoles(props.app, props.state, props.mission);
  const log = props.state.logs.get(props.mission.id);
  const entries = log === undefined ? [] : sortedEntries(log);
  const end = useStickToEnd(entries.at(-1)?.seq);
  if (log === undefined) return null;
  const isOver = missionIsOver(props.mission.state);
  const isComing = props.mission.logSeq > log.missing;
  const nothing = isComing ? 'Fetching…' : isOver ? 'Its log is kept no more.' : 'Nothing yet.';
  return (
    <section class="mission-log" aria-labelledby="log-title">
      <h3 id="log-title">{isOver ? 'What it did' : 'What it does'}</h3>
      {log.missing > 0 && <p class="hint">The first {log.missing.toLocaleString('en')} entries are kept no more.</p>}
      {entries.length === 0 && <p class="hint">{nothing}</p>}
      <ol aria-live="off">
        {entries.map((entry) => (
          <Entry key={entry.seq} entry={entry} />
        ))}
      </ol>
      <div ref={end} class="log-end" />
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
        {logTime(entry.at)}
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

/** Fetches what the log lacks, once per gap. */
function useHoles(app: App, state: MeshState, mission: Mission): void {
  const log = state.logs.get(mission.id);
  const hole = log === undefined ? undefined : holeAfter(log, lastKnown(log.entries));
  const { id } = mission;
  useEffect(() => {
    if (hole === undefined) return;
    // What fails is tried again with the next entry; the log says meanwhile that something is missing.
    app.openMission(id).catch(() => undefined);
  }, [app, id, hole]);
}

function lastKnown(entries: ReadonlyMap<number, MissionLogEntry>): number {
  let last = 0;
  for (const seq of entries.keys()) last = Math.max(last, seq);
  return last;
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
