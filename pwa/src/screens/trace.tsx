/** The way of one message: where it is, since when, what proves it, which rule let it pass, what it waits for. */
import { useState } from 'preact/hooks';
import { hasArrived, isEnded } from '../../../src/protocol/message-life.ts';
import type { Message, Trace, TraceStep } from '../../../src/protocol/model.ts';
import { mayAct, type App } from '../core/app.ts';
import { isHuman, machineName, type MeshState } from '../core/state.ts';
import { clockTime, fullTime, useNow } from '../core/time.ts';
import { messageStateLabel, pastStateLabel } from '../core/words.ts';
import { Dialog, Problem, useAction, useFetch } from '../ui/bits.tsx';
import { RouteLine } from '../ui/route-line.tsx';

export function TraceDialog(props: {
  readonly app: App;
  readonly state: MeshState;
  readonly message: Message;
  readonly onClose: () => void;
}) {
  const { app, state, message } = props;
  const [trace, setTrace] = useState<Trace | undefined>(undefined);
  const cancelling = useAction();
  // Read again whenever the message moves, while the window is open.
  const { error } = useFetch(`${message.id} ${message.state} ${message.stateSince}`, async () => {
    setTrace(await app.trace(message.id));
  });
  const label = messageStateLabel(message.state, machineName(state, message.place));
  const stoppable = mayAct(state.me) && isHuman(message.from) && !isEnded(message.state) && !hasArrived(message.state);
  return (
    <Dialog title="The way of this message" onClose={props.onClose} wide>
      <RouteLine state={state} from={message.from} to={message.to} tone={label.tone} />
      {error !== undefined && <Problem error={error} />}
      {trace === undefined && error === undefined && <p class="hint">Asking the hub…</p>}
      {trace !== undefined && (
        <>
          <p class={`trace-now tone-${label.tone}`}>
            <span class="lamp" aria-hidden="true" />
            <span>
              {trace.waitsFor}
              {trace.recipientAway && ' Its machine is away now; the message waits until it is back.'}
            </span>
          </p>
          <ol class="trace">
            {trace.steps.map((step, index) => (
              <StepView key={index} state={state} step={step} last={index === trace.steps.length - 1} />
            ))}
          </ol>
        </>
      )}
      <p class="trace-id mono">{message.id}</p>
      {stoppable && (
        <>
          {cancelling.error !== undefined && <Problem error={cancelling.error} />}
          <button
            type="button"
            class="button"
            disabled={cancelling.busy}
            onClick={() =>
              cancelling.run(async () => {
                await app.cancelMessage(message.id);
              })
            }
          >
            Cancel this message
          </button>
        </>
      )}
    </Dialog>
  );
}

function StepView({
  state,
  step,
  last,
}: {
  readonly state: MeshState;
  readonly step: TraceStep;
  readonly last: boolean;
}) {
  const now = useNow();
  const place = placeName(state, step.place);
  const at = machineName(state, step.place);
  const present = messageStateLabel(step.state, at);
  const label = last ? present.text : pastStateLabel(step.state, at);
  return (
    <li class={last ? `trace-step last tone-${present.tone}` : 'trace-step tone-calm'}>
      <span class="lamp" aria-hidden="true" />
      <div>
        <p class="trace-head">
          <b>{label}</b>
          <time dateTime={step.at} title={fullTime(step.at)}>
            {clockTime(step.at, now)}
          </time>
        </p>
        <dl class="facts">
          <Fact name="Where" value={place} />
          <Fact name="Proof" value={step.proof} />
          <Fact name="Rule" value={step.rule} />
          <Fact name="By" value={step.by} />
          <Fact name="Why" value={step.reason} />
        </dl>
      </div>
    </li>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string | undefined }) {
  if (value === undefined || value === '') return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function placeName(state: MeshState, place: string): string {
  return place === 'hub' ? 'the hub' : machineName(state, place);
}
