/** Who speaks to whom, drawn as two jacks and the cord between them. */
import { describeAddress } from '../core/addresses.ts';
import type { MeshState } from '../core/state.ts';
import type { Tone } from '../core/words.ts';

function Jack({
  state,
  address,
  label,
}: {
  readonly state: MeshState;
  readonly address: string;
  readonly label: string;
}) {
  const { who, where } = describeAddress(state, address);
  return (
    <span class="jack" title={address}>
      <span class="visually-hidden">{label} </span>
      <span class="jack-who">{who}</span>
      <span class="jack-where">{where}</span>
    </span>
  );
}

export function RouteLine(props: {
  readonly state: MeshState;
  readonly from: string;
  readonly to: string;
  readonly tone: Tone;
}) {
  return (
    <div class={`route tone-${props.tone}`}>
      <Jack state={props.state} address={props.from} label="from" />
      <span class="cord" aria-hidden="true" />
      <Jack state={props.state} address={props.to} label="to" />
    </div>
  );
}
