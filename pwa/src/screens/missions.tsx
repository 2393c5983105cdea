/** All missions, the living ones first, and beside the list (on a phone: instead of it) the opened one. */
import { useState } from 'preact/hooks';
import type { Mission } from '../../../src/protocol/mission.ts';
import { describeAddress } from '../core/addresses.ts';
import { mayAct, type App } from '../core/app.ts';
import { OVER_MAX, sortedMissions } from '../core/mission-state.ts';
import { hrefOf } from '../core/routes.ts';
import type { MeshState } from '../core/state.ts';
import { missionStateLabel, plainTitle } from '../core/words.ts';
import { Ago, Chip, Empty, Problem, useAction } from '../ui/bits.tsx';
import { MissionView } from './mission.tsx';
import { NewMissionDialog } from './new-mission.tsx';

/** As many ended ones as a snapshot brings; with fewer there are no older ones. */
const FIRST_OVER = 50;

export function MissionsScreen(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly openId: string | undefined;
}) {
  const { app, state, openId } = props;
  const [starting, setStarting] = useState(false);
  const { live, over } = sortedMissions(state.missions);
  const none = live.length + over.length === 0;
  return (
    <div class={openId === undefined ? 'threads' : 'threads has-open'}>
      <section class="thread-list" aria-labelledby="missions-title">
        <div class="list-head">
          <h1 id="missions-title">Missions</h1>
          {mayAct(state.me) && (
            <button type="button" class="button small" onClick={() => setStarting(true)}>
              New mission
            </button>
          )}
        </div>
        {none && (
          <Empty title="No missions yet">
            <p>
              A mission is a piece of work for an agent: it is started on one of your machines, and you watch it here.
            </p>
            <p>Agents can start missions too; your rules say which of them ask you first.</p>
          </Empty>
        )}
        <MissionList
          state={state}
          missions={[...live.filter(waits), ...live.filter((one) => !waits(one))]}
          openId={openId}
        />
        {over.length > 0 && live.length > 0 && <h2 class="list-part">Ended</h2>}
        <MissionList state={state} missions={over} openId={openId} />
        {over.length >= FIRST_OVER && <OlderMissions app={app} full={over.length >= OVER_MAX} />}
      </section>
      {openId === undefined && !none && (
        <section class="conversation placeholder">
          <p>Choose a mission to watch it here.</p>
        </section>
      )}
      {openId !== undefined && <MissionView key={openId} app={app} state={state} missionId={openId} />}
      {starting && <NewMissionDialog app={app} state={state} to={undefined} onClose={() => setStarting(false)} />}
    </div>
  );
}

/** Whoever waits for the person comes first. */
function waits({ state }: Mission): boolean {
  return state === 'awaiting_approval' || state === 'waiting_human';
}

function MissionList(props: {
  readonly state: MeshState;
  readonly missions: readonly Mission[];
  readonly openId: string | undefined;
}) {
  return (
    <ul>
      {props.missions.map((mission) => (
        <li key={mission.id}>
          <MissionRow state={props.state} mission={mission} here={mission.id === props.openId} />
        </li>
      ))}
    </ul>
  );
}

function MissionRow(props: { readonly state: MeshState; readonly mission: Mission; readonly here: boolean }) {
  const { state, mission } = props;
  const { who, where } = describeAddress(state, `${mission.machine}/${mission.project}`);
  const label = missionStateLabel(mission);
  // While it works, what it does; else why it is where it is.
  const last = mission.state === 'running' ? mission.latest : (mission.reason ?? mission.latest);
  return (
    <a
      class="thread-row"
      data-mission={mission.id}
      href={hrefOf({ at: 'mission', id: mission.id })}
      {...(props.here ? { 'aria-current': 'true' as const } : {})}
    >
      <span class="thread-names">
        {mission.agent} · {who} ({where})
      </span>
      <span class="thread-age">
        <Ago time={mission.endedAt ?? mission.startedAt ?? mission.createdAt} />
      </span>
      <span class="thread-title">{plainTitle(mission.text.split('\n', 1)[0] ?? '')}</span>
      {last !== undefined && <span class="thread-last">{last}</span>}
      <span class="thread-held">
        <Chip tone={label.tone}>{label.text}</Chip>
      </span>
    </a>
  );
}

function OlderMissions({ app, full }: { readonly app: App; readonly full: boolean }) {
  const [more, setMore] = useState(true);
  const { busy, error, run } = useAction();
  if (!more) return null;
  if (full) return <p class="hint">These are the newest {OVER_MAX}. Older ones are kept by the hub.</p>;
  return (
    <>
      {error !== undefined && <Problem error={error} />}
      <button
        type="button"
        class="button small"
        disabled={busy}
        onClick={() =>
          run(async () => {
            setMore(await app.olderMissions());
          })
        }
      >
        {busy ? 'Fetching…' : 'Show older missions'}
      </button>
    </>
  );
}
