/** The programs that intercom knows. Each is a table of its own folder; a new one is added here and nowhere else. */
import { claudeProgram } from './claude/program.ts';
import { codexProgram } from './codex/program.ts';
import { geminiProgram } from './gemini/program.ts';
import { opencodeProgram } from './opencode/program.ts';
import type { AgentProgram } from './program.ts';

/** What the tables have to be told about this machine. */
export interface ProgramFacts {
  /** Whether our extension for Gemini CLI is installed for this user. */
  readonly geminiHooked: () => boolean;
}

const NOTHING_TOLD: ProgramFacts = { geminiHooked: () => false };

export function knownPrograms({ geminiHooked }: ProgramFacts = NOTHING_TOLD): readonly AgentProgram[] {
  return [claudeProgram, codexProgram, geminiProgram({ hooked: geminiHooked }), opencodeProgram];
}
