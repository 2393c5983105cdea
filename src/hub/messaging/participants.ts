/**
 * Who takes part in a thread.
 *
 * Invariants: an address is there once; a project without a session gives way to the first of its sessions that is named; the list is bounded.
 */
import { agentOf, formatAddress, parseAddress, type Address } from '../../protocol/address.ts';
import { z } from 'zod';

const PARTICIPANTS_MAX = 50;
const List = z.array(z.string());

/** The list (as JSON) with these addresses in it. */
export function joinParticipants(json: string, addresses: readonly string[]): string {
  // Nearly always everybody is there already.
  if (addresses.every((address) => json.includes(JSON.stringify(address)))) return json;
  const list = List.parse(JSON.parse(json));
  for (const address of addresses) {
    const bare = agentText(address);
    if (list.includes(address) || (address === bare && list.some((known) => agentText(known) === bare))) continue;
    const without = list.indexOf(bare);
    if (without >= 0 && address !== bare) list[without] = address;
    else if (list.length < PARTICIPANTS_MAX) list.push(address);
  }
  return JSON.stringify(list);
}

/** The address without its session. */
export function agentText(address: string): string {
  return agentTextOf(parseAddress(address));
}

export function agentTextOf(address: Address): string {
  return formatAddress(address.kind === 'agent' ? agentOf(address) : address);
}

/** Whether an address means this party: any operator for `human`, any session of the project where one side names none. */
export function isSameParty(address: string, party: Address): boolean {
  const other = parseAddress(address);
  if (other.kind === 'human' || party.kind === 'human') {
    if (other.kind !== 'human' || party.kind !== 'human') return false;
    return other.name === undefined || party.name === undefined || other.name === party.name;
  }
  if (other.machine !== party.machine || other.project !== party.project) return false;
  return other.session === undefined || party.session === undefined || other.session === party.session;
}
