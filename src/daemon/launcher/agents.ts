/** What the launcher asks about agents; the catalogue of programs and their probes answer it. */
import type { AgentConfig } from '../../config/launcher.ts';
import type { AgentOffer } from '../../protocol/mission.ts';
import type { AgentEvent, AgentProgram } from '../agents/program.ts';
import type { Unsubscribe } from '../ports.ts';

/** An agent that is known on this machine, installed or not. */
export interface LaunchableAgent {
  readonly program: AgentProgram;
  /** Absolute; undefined: it is not installed. */
  readonly executable: string | undefined;
  readonly version: string | undefined;
  /** Why it cannot be started now, in words with what to do: not installed, too old. */
  readonly problem: string | undefined;
  readonly config: AgentConfig | undefined;
}

export interface AgentSource {
  /** Looks, if it has not done so lately. Undefined: no such agent is known here. */
  find(name: string): Promise<LaunchableAgent | undefined>;
  /** As last seen. */
  offers(): readonly AgentOffer[];
  /** All names, for the error that names them. */
  names(): readonly string[];
}

/** What an agent's own server tells and does besides hooks and screen: some things only it knows. */
export interface AgentServers {
  /** What stands in no journal, as it happens. */
  onEvent(listener: (told: { readonly session: string; readonly event: AgentEvent }) => void): Unsubscribe;
  /** Ends the turn of a session, and nothing else. False: no server has it, another way is needed. */
  interrupt(session: string): Promise<boolean>;
}
