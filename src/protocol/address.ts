/**
 * Addresses: who a message is from and to.
 *
 *   machine/project            an agent: whoever works in that project on that machine
 *   machine/project#session    one running session of it
 *   human, human:<name>        the operators, or one of them
 *
 * Invariants: the machine ends at the first `/`; a project may contain further `/`, never an empty, `.` or `..`
 * segment, never `#`, white space or control characters. `parseAddress(formatAddress(a))` gives `a` back.
 */
import { z } from 'zod';
import { IntercomError } from './errors.ts';

/** Any operator (`name` absent) or one by name. */
export interface HumanAddress {
  readonly kind: 'human';
  readonly name?: string;
}

/** A project on a machine, or one session in it. */
export interface AgentAddress {
  readonly kind: 'agent';
  readonly machine: string;
  readonly project: string;
  readonly session?: string;
}

export type Address = HumanAddress | AgentAddress;

/** Names that mean something else in the place of a machine id. */
const RESERVED_MACHINES = new Set(['human', 'hub', 'intercom']);

const MACHINE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SESSION = /^[A-Za-z0-9][A-Za-z0-9._-]{3,63}$/;
const OPERATOR = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** No white space, `#`, control, format (bidi, zero-width) or unassigned characters in a project name. */
const PROJECT_SEGMENT = /^[^\s#/\\*\p{C}]{1,128}$/u;
const PROJECT_MAX = 200;
/** The longest text that can be an address; longer input is refused before it is looked at. */
export const ADDRESS_MAX = 400;

export function isMachineId(text: string): boolean {
  return MACHINE.test(text) && !RESERVED_MACHINES.has(text.toLowerCase());
}

export function isProjectId(text: string): boolean {
  if (text.length === 0 || text.length > PROJECT_MAX) return false;
  return text.split('/').every((part) => PROJECT_SEGMENT.test(part) && part !== '.' && part !== '..');
}

export function isSessionId(text: string): boolean {
  return SESSION.test(text);
}

export function isOperatorName(text: string): boolean {
  return OPERATOR.test(text);
}

/** Reads an address. Throws `invalid_address` naming what is wrong and how an address looks. */
export function parseAddress(text: string): Address {
  if (text.length > ADDRESS_MAX) throw invalid(`${text.slice(0, 40)}…`, `it has more than ${ADDRESS_MAX} characters`);
  if (text === 'human') return { kind: 'human' };
  if (text.startsWith('human:')) {
    const name = text.slice('human:'.length);
    if (!isOperatorName(name)) throw invalid(text, 'after "human:" comes the name of an operator');
    return { kind: 'human', name };
  }
  const slash = text.indexOf('/');
  if (slash < 0) throw invalid(text, 'there is no "/" between machine and project');
  const machine = text.slice(0, slash);
  if (!isMachineId(machine)) throw invalid(text, 'the machine part is not a machine id');
  const hash = text.indexOf('#', slash);
  const project = hash < 0 ? text.slice(slash + 1) : text.slice(slash + 1, hash);
  if (!isProjectId(project)) throw invalid(text, 'the project part is not a project name');
  if (hash < 0) return { kind: 'agent', machine, project };
  const session = text.slice(hash + 1);
  if (!isSessionId(session)) throw invalid(text, 'after "#" comes a session id of at least four characters');
  return { kind: 'agent', machine, project, session };
}

export function formatAddress(address: Address): string {
  if (address.kind === 'human') return address.name === undefined ? 'human' : `human:${address.name}`;
  const base = `${address.machine}/${address.project}`;
  return address.session === undefined ? base : `${base}#${address.session}`;
}

/** The address without its session: the agent that the session belongs to. */
export function agentOf(address: AgentAddress): AgentAddress {
  return { kind: 'agent', machine: address.machine, project: address.project };
}

function invalid(text: string, why: string): IntercomError {
  return new IntercomError('invalid_address', `"${text}" is not an address: ${why}.`, {
    next: 'Write machine/project, machine/project#session, human or human:name. intercom_list_agents (or `intercom agents`) lists them.',
  });
}

function checked(test: (text: string) => boolean, message: string, max: number) {
  return z.string().max(max).refine(test, { message });
}

/** Wire form of an address, kept as its canonical text. */
export const AddressText = z
  .string()
  .max(ADDRESS_MAX)
  .superRefine((text, ctx) => {
    try {
      parseAddress(text);
    } catch (error) {
      ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not an address' });
    }
  });
export const MachineId = checked(isMachineId, 'not a machine id (letters, digits, ".", "_", "-"; at most 64)', 64);
export const ProjectId = checked(isProjectId, 'not a project name', PROJECT_MAX);
export const SessionId = checked(isSessionId, 'not a session id', 64);
export const OperatorName = checked(isOperatorName, 'not an operator name', 64);
