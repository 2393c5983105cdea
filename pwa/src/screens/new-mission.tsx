/** The form that starts a mission. A repeat after a lost answer never starts a second one. */
import { useId, useState } from 'preact/hooks';
import { newId } from '../../../src/protocol/ids.ts';
import type { App } from '../core/app.ts';
import type { NewMission } from '../core/api.ts';
import { hrefOf } from '../core/routes.ts';
import type { MeshState } from '../core/state.ts';
import { Dialog, Problem, useAction } from '../ui/bits.tsx';

export function NewMissionDialog(props: {
  readonly app: App;
  readonly state: MeshState;
  /** The agent address that was chosen already. */
  readonly to: string | undefined;
  readonly onClose: () => void;
}) {
  const { app, state } = props;
  const places = [...state.agents.values()]
    .filter(({ machineStatus }) => machineStatus !== 'revoked')
    .sort((a, b) => a.address.localeCompare(b.address));
  const [to, setTo] = useState(props.to ?? places[0]?.address ?? '');
  const [text, setText] = useState('');
  const [runtime, setRuntime] = useState<'terminal' | 'headless' | ''>('');
  const [worktree, setWorktree] = useState(false);
  const [minutes, setMinutes] = useState('');
  // Another text is another mission.
  const [key, setKey] = useState(() => newId('log'));
  const { busy, error, run } = useAction();
  const id = useId();
  const place = state.agents.get(to);
  const start = () => {
    if (place === undefined || text.trim() === '') return;
    const mission: NewMission = {
      machine: place.machine,
      project: place.project.id,
      text,
      ...(runtime === '' ? {} : { runtime }),
      isolation: worktree ? 'worktree' : 'none',
      limits: minutes === '' ? {} : { maxDurationSeconds: Math.round(Number(minutes) * 60) },
    };
    run(async () => {
      const started = await app.startMission(mission, key);
      props.onClose();
      location.hash = hrefOf({ at: 'mission', id: started.id });
    });
  };
  return (
    <Dialog title="New mission" onClose={props.onClose} wide>
      <form
        class="new-mission"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        {error !== undefined && <Problem error={error} />}
        <label for={`${id}-to`}>Where</label>
        <select id={`${id}-to`} class="input" value={to} onChange={(event) => setTo(event.currentTarget.value)}>
          {places.map((agent) => (
            <option key={agent.address} value={agent.address}>
              {agent.project.id} on {agent.machineName}
              {agent.machineStatus === 'away' ? ' (away: it waits)' : ''}
            </option>
          ))}
        </select>
        <label for={id}>What the agent should do</label>
        <textarea
          id={id}
          class="input"
          rows={6}
          autoFocus
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            setKey(newId('log'));
          }}
        />
        <details class="manage more-options">
          <summary>More</summary>
          <div class="form-rows">
            <label for={`${id}-runtime`}>Runs</label>
            <select
              id={`${id}-runtime`}
              class="input"
              value={runtime}
              onChange={(event) => setRuntime(runtimeOf(event.currentTarget.value))}
            >
              <option value="">as its machine prefers</option>
              <option value="terminal">in a terminal: you can watch it and take it over</option>
              <option value="headless">without a terminal</option>
            </select>
            <label for={`${id}-minutes`}>Ends after, minutes</label>
            <input
              id={`${id}-minutes`}
              class="input"
              type="number"
              inputMode="numeric"
              min={1}
              max={10080}
              placeholder="the machine’s limit"
              value={minutes}
              onInput={(event) => setMinutes(event.currentTarget.value)}
            />
            <label class="check">
              <input
                type="checkbox"
                checked={worktree}
                onChange={(event) => setWorktree(event.currentTarget.checked)}
              />
              In a git worktree and branch of its own
            </label>
          </div>
        </details>
        <div class="actions-main">
          <button type="submit" class="button primary" disabled={busy || place === undefined || text.trim() === ''}>
            {busy ? 'Starting…' : 'Start'}
          </button>
          <button type="button" class="button" onClick={props.onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function runtimeOf(value: string): 'terminal' | 'headless' | '' {
  return value === 'terminal' || value === 'headless' ? value : '';
}
