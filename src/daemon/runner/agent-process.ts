/**
 * The agent's process as the runner sees it, with a terminal or without, and what has to be true before one is started.
 */
import { access, constants, stat } from 'node:fs/promises';
import type { AgentTerminal } from '../terminal/terminal.ts';
import type { AgentExit } from './pipes.ts';

export interface AgentProcess {
  /** Undefined: it could not be started. */
  readonly pid: number | undefined;
  readonly terminal: AgentTerminal | undefined;
  /** One line into its input. Undefined: done; otherwise why not. */
  write(line: string): Promise<string | undefined>;
  closeInput(): void;
  /** Interrupts the turn without ending the agent. */
  interrupt(): void;
}

export type { AgentExit };

/** Why it cannot be started here, in words; undefined: nothing speaks against it. */
export async function startFault(executable: string, cwd: string): Promise<string | undefined> {
  try {
    const found = await stat(cwd);
    if (!found.isDirectory()) return `${cwd} is not a directory.`;
  } catch {
    return `The directory ${cwd} is not there.`;
  }
  try {
    const found = await stat(executable);
    if (!found.isFile()) return `${executable} is not a program.`;
    await access(executable, constants.X_OK);
  } catch {
    return `The program ${executable} is not there, or may not be run.`;
  }
  return undefined;
}
