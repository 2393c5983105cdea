/**
 * A program that intercom does not know, as the configuration describes it: it is started with a mission and watched; what it does is known by its screen, and what it said
 * by its last output.
 *
 * Invariants: nothing is claimed that was not seen: headless, its result is what it printed, and an error only its exit code tells; in a terminal there are no turns, so
 * the mission ends when the program does. The mission is one argument or its input, never part of another argument.
 */
import { z } from 'zod';
import type { AgentConfig } from '../../../config/launcher.ts';
import type { JournalEntry } from '../../../protocol/runner-api.ts';
import type { MissionRuntime } from '../../../protocol/mission.ts';
import type { AgentEvent, AgentProgram, JournalFold, LaunchPlan, LaunchRequest } from '../program.ts';

/** Characters of its output that are kept for its result: the end counts. */
const RESULT_MAX = 256 * 1024;
const SESSION = '{session}';

export function genericProgram(name: string, config: AgentConfig): AgentProgram {
  return {
    name,
    displayName: config.displayName ?? name,
    executable: config.command ?? name,
    versionArgs: config.versionArgs ?? ['--version'],
    minimumVersion: undefined,
    runtimes: config.runtimes ?? ['terminal', 'headless'],
    allowedFlags: config.flags ?? [],
    environment: [],
    canResume: config.resumeArgs !== undefined,
    canFork: config.forkArgs !== undefined,
    verified: [],
    limits: [],
    plan: (request) => plan(config, request),
    parseVersion: (output) => /\d+\.\d+(?:\.\d+)?[^\s,;)]*/.exec(output)?.[0],
    fold: (runtime) => new OutputFold(runtime),
  };
}

function plan(config: AgentConfig, request: LaunchRequest): LaunchPlan {
  const { resume, runtime, prompt } = request;
  const template = resume === undefined ? undefined : resume.fork ? config.forkArgs : config.resumeArgs;
  const going = (template ?? []).map((part) => part.replaceAll(SESSION, resume?.session ?? ''));
  const byInput = runtime === 'headless' && config.prompt === 'stdin';
  return {
    argv: [...going, ...request.flags, ...(byInput ? [] : [prompt])],
    environment: {},
    files: {},
    hooks: false,
    input: byInput ? prompt.split('\n') : [],
    closeInput: runtime === 'headless',
    ...(resume === undefined || resume.fork ? {} : { session: resume.session }),
  };
}

const Exit = z.looseObject({
  code: z.number().optional().catch(undefined),
  signal: z.string().optional().catch(undefined),
  problem: z.string().optional().catch(undefined),
});

/** Lines are its words; its end is the end of its one turn. */
class OutputFold implements JournalFold {
  readonly #runtime: MissionRuntime;
  #lines: string[] = [];
  #size = 0;

  constructor(runtime: MissionRuntime) {
    this.#runtime = runtime;
  }

  feed(entry: JournalEntry): AgentEvent[] {
    if (entry.kind === 'exit') return this.#ended(entry.text);
    if (entry.kind !== 'line') return [];
    this.#keep(entry.text);
    return entry.text.trim() === '' ? [] : [{ kind: 'text', text: entry.text }];
  }

  #keep(line: string): void {
    this.#lines.push(line);
    this.#size += line.length + 1;
    while (this.#size > RESULT_MAX && this.#lines.length > 1) this.#size -= (this.#lines.shift() ?? '').length + 1;
  }

  #ended(text: string): AgentEvent[] {
    const exit = exitOf(text);
    // It never began, or a signal ended it: then it has no result, and who ended it knows why.
    if (this.#runtime === 'terminal' || exit.problem !== undefined || exit.code === undefined)
      return [{ kind: 'ended' }];
    const said = this.#lines.join('\n').slice(-RESULT_MAX).trim();
    return [{ kind: 'turn_ended', text: said, isError: exit.code !== 0, background: false }, { kind: 'ended' }];
  }
}

function exitOf(text: string): z.infer<typeof Exit> {
  try {
    return Exit.safeParse(JSON.parse(text)).data ?? {};
  } catch {
    return {};
  }
}
