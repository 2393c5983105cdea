/** The machines of the mesh, what works on them, and what the owner may do with them. */
import { useState } from 'preact/hooks';
import type { Agent, Machine, Session } from '../../../src/protocol/model.ts';
import { isOwner, mayAct, type App } from '../core/app.ts';
import type { MeshState } from '../core/state.ts';
import { RUNG_LABEL, sessionStateLabel, type Tone } from '../core/words.ts';
import { Ago, Chip, Command, Empty } from '../ui/bits.tsx';
import { NewMessageDialog } from './compose.tsx';
import { MachineActions } from './machine-actions.tsx';
import { NewMissionDialog } from './new-mission.tsx';
import { UsageOfMachine } from './usage.tsx';

/** Signed requests bear 60 s of difference; from here on somebody should look (seconds). */
const CLOCK_WARN = 10;
const PROJECTS_FIRST = 6;

export function MachinesScreen({ app, state }: { readonly app: App; readonly state: MeshState }) {
  const [writeTo, setWriteTo] = useState<string | undefined>(undefined);
  const [startAt, setStartAt] = useState<string | undefined>(undefined);
  const machines = [...state.machines.values()].sort(byImportance);
  return (
    <div class="machines">
      <h1>Machines</h1>
      {machines.length === 0 && (
        <Empty title="No machine has joined yet">
          <p>On a machine with agents, run this. It shows a code, and a card appears under Attention.</p>
          <Command text={`intercom join ${location.origin}`} />
        </Empty>
      )}
      <ul class="machine-grid">
        {machines.map((machine) => (
          <li key={machine.id}>
            <MachineCard app={app} state={state} machine={machine} onWrite={setWriteTo} onStart={setStartAt} />
          </li>
        ))}
      </ul>
      {machines.length > 0 && (
        <div class="join-hint">
          <h2>Add a machine</h2>
          <p>Run this on it. It shows a code, and a card appears under Attention.</p>
          <Command text={`intercom join ${location.origin}`} />
        </div>
      )}
      {writeTo !== undefined && (
        <NewMessageDialog app={app} state={state} to={writeTo} onClose={() => setWriteTo(undefined)} />
      )}
      {startAt !== undefined && (
        <NewMissionDialog app={app} state={state} to={startAt} onClose={() => setStartAt(undefined)} />
      )}
    </div>
  );
}

const STATUS: Readonly<
  Record<Machine['status'], { readonly text: string; readonly tone: Tone; readonly rank: number }>
> = {
  online: { text: 'Online', tone: 'good', rank: 0 },
  away: { text: 'Away', tone: 'calm', rank: 1 },
  revoked: { text: 'Revoked', tone: 'bad', rank: 2 },
};

function byImportance(a: Machine, b: Machine): number {
  return (
    STATUS[a.status].rank - STATUS[b.status].rank ||
    b.sessions - a.sessions ||
    a.displayName.localeCompare(b.displayName)
  );
}

function MachineCard(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly machine: Machine;
  readonly onWrite: (address: string) => void;
  readonly onStart: (address: string) => void;
}) {
  const { app, state, machine } = props;
  const agents = [...state.agents.values()]
    .filter((agent) => agent.machine === machine.id)
    .sort((a, b) => b.sessions.length - a.sessions.length || a.address.localeCompare(b.address));
  const status = STATUS[machine.status];
  const used = state.attention.machines.get(machine.id) ?? [];
  const offset = machine.clockOffsetSeconds ?? 0;
  return (
    <article class={`card machine machine-${machine.status}`} data-machine={machine.id}>
      <header class="machine-head">
        <h2>{machine.displayName}</h2>
        <Chip tone={status.tone}>{status.text}</Chip>
      </header>
      {machine.description !== '' && <p class="machine-about">{machine.description}</p>}
      <p class="machine-meta">
        <span class="mono">{machine.id}</span>
        {machine.version !== '' && <span>version {machine.version}</span>}
        {machine.lastSeen !== undefined && (
          <span>
            heard from <Ago time={machine.lastSeen} />
          </span>
        )}
      </p>
      {machine.unreachable !== undefined && (
        <p class="bar tone-wait">
          <span>
            Unreachable from the hub: {machine.unreachable} Mail for it waits. Let the hub in through its firewall, and
            look where its daemon listens.
          </span>
        </p>
      )}
      {Math.abs(offset) >= CLOCK_WARN && (
        <p class="bar tone-wait">
          <span>
            Its clock is {Math.abs(Math.round(offset))} s {offset > 0 ? 'ahead of' : 'behind'} the hub’s. Over 60 s its
            requests are refused: switch on time synchronisation there.
          </span>
        </p>
      )}
      {machine.status === 'revoked' ? (
        <p class="hint">It can send and receive nothing. To come back it has to join again.</p>
      ) : (
        <AgentList agents={agents} canWrite={mayAct(state.me)} onWrite={props.onWrite} onStart={props.onStart} />
      )}
      {used.length > 0 && <UsageOfMachine used={used} />}
      {isOwner(state.me) && <MachineActions app={app} machine={machine} />}
    </article>
  );
}

function AgentList(props: {
  readonly agents: readonly Agent[];
  readonly canWrite: boolean;
  readonly onWrite: (address: string) => void;
  readonly onStart: (address: string) => void;
}) {
  const [all, setAll] = useState(false);
  if (props.agents.length === 0) {
    return (
      <p class="hint">No projects known there. Start an agent in a folder, or set scan_paths in its configuration.</p>
    );
  }
  const shown = all ? props.agents : props.agents.slice(0, PROJECTS_FIRST);
  return (
    <>
      <ul class="agents">
        {shown.map((agent) => (
          <li key={agent.address} class="agent" data-agent={agent.address}>
            <div class="agent-head">
              <h3 title={agent.project.path}>{agent.project.id}</h3>
              <span class="agent-program">{agent.project.agent}</span>
              {props.canWrite && (
                <span class="agent-tools">
                  <button type="button" class="button small" onClick={() => props.onStart(agent.address)}>
                    Start<span class="visually-hidden"> a mission in {agent.project.id}</span>
                  </button>
                  <button type="button" class="button small" onClick={() => props.onWrite(agent.address)}>
                    Write<span class="visually-hidden"> to {agent.project.id}</span>
                  </button>
                </span>
              )}
            </div>
            {agent.project.description !== '' && <p class="agent-about">{agent.project.description}</p>}
            {agent.sessions.map((session) => (
              <SessionView key={session.id} session={session} />
            ))}
            {agent.sessions.length === 0 && <p class="agent-none">No session runs. Messages wait for one.</p>}
          </li>
        ))}
      </ul>
      {props.agents.length > PROJECTS_FIRST && (
        <button type="button" class="text-button" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? 'Show fewer projects' : `Show all ${props.agents.length} projects`}
        </button>
      )}
    </>
  );
}

function SessionView({ session }: { readonly session: Session }) {
  const label = sessionStateLabel(session);
  return (
    <div class="session" data-session={session.id}>
      <p class="session-head">
        <Chip tone={label.tone}>{label.text}</Chip>
        <span class="session-name">{session.name ?? session.id.slice(0, 8)}</span>
        <span class="session-since">
          <Ago time={session.stateSince} />
        </span>
      </p>
      <p class="session-rung">
        {session.agent}
        {session.agentVersion === undefined ? '' : ` ${session.agentVersion}`} · {RUNG_LABEL[session.rung]}.
        {session.rungNote === undefined ? '' : ` ${session.rungNote}`}
      </p>
    </div>
  );
}
