/** Addresses in the words of a person. */
import { parseAddress } from '../../../src/protocol/address.ts';
import { sessionKey } from './session-key.ts';
import { machineName, type MeshState } from './state.ts';

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

/** `machine#session` of an address that names a session. */
export function sessionKeyOf(text: string): string | undefined {
  try {
    const address = parseAddress(text);
    return address.kind === 'agent' && address.session !== undefined
      ? sessionKey(address.machine, address.session)
      : undefined;
  } catch {
    return undefined;
  }
}
