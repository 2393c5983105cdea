/** Who speaks to whom, drawn as two jacks and the cord between them. */
import { parseAddress } from '../../../src/protocol/address.ts';
import type { MeshState } from '../core/state.ts';
import { machineName } from '../core/state.ts';
import type { Tone } from '../core/words.ts';

/** An address in the words of a person: who, and where. */
export function describeAddress(state: MeshState, text: string): { readonly who: string; readonly where: string } {
  try {
    const address = parseAddress(text);
    if (address.kind === 'human') {
      if (address.name === undefined) return { who: 'You', where: 'any operator' };
      return { who: address.name === state.me.name ? 'You' : address.name, where: 'operator' };
    }
    const session = address.session === undefined ? '' : ` #${address.session.slice(0, 8)}`;
    return { who: address.project, where: `${machineName(state, address.machine)}${session}` };
  } catch {
    return { who: text, where: '' };
  }
}

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
