/**
 * Whether an agent or a person sits at this command line. An agent can run any command in its shell; operator commands are for the
 * person, so they are refused where an agent is found: by the variables that agents give to their children, or by an agent among the
 * processes above us.
 *
 * This keeps honest agents honest. It is no wall: a program that runs as the same user and hides its ancestry can read the same files as the
 * person. docs/security.md says so.
 */
import { basename } from 'node:path';
import { agentPid, lookAtProcess } from '../mcp/identity.ts';
import type { LookAtProcess } from '../mcp/identity.ts';
import type { CallerFacts } from '../platform/local-client.ts';
import { isSessionId } from '../protocol/address.ts';
import { IntercomError } from '../protocol/errors.ts';
import type { Io } from './io.ts';

export interface FoundAgent {
  /** claude, codex, gemini. */
  readonly agent: string;
  readonly pid: number | undefined;
  /** What gave it away, in words. */
  readonly evidence: string;
}

/** Variables that only the agent itself sets for what it starts. Not among them: what people set in their own shells (CODEX_HOME, keys). */
const SIGNS: readonly (readonly [name: string, agent: string])[] = [
  ['CLAUDECODE', 'claude'],
  ['CLAUDE_CODE_SESSION_ID', 'claude'],
  ['CLAUDE_CODE_ENTRYPOINT', 'claude'],
  ['CODEX_SANDBOX', 'codex'],
  ['CODEX_SANDBOX_NETWORK_DISABLED', 'codex'],
  ['CODEX_THREAD_ID', 'codex'],
  ['CODEX_SESSION_ID', 'codex'],
  ['CODEX_CI', 'codex'],
  ['GEMINI_CLI', 'gemini'],
  ['INTERCOM_AGENT', 'intercom agent'],
];
const PROGRAMS: Readonly<Record<string, string>> = { claude: 'claude', codex: 'codex', gemini: 'gemini' };
const SCRIPTS: readonly (readonly [RegExp, string])[] = [
  [/@anthropic-ai\/claude-code|[/\\]claude(?:\.[cm]?js)?$/, 'claude'],
  [/@openai\/codex|[/\\]codex(?:\.[cm]?js)?$/, 'codex'],
  [/@google\/gemini-cli|[/\\]gemini(?:\.[cm]?js)?$/, 'gemini'],
];
/** More generations than any shell nests. */
const GENERATIONS = 40;

export function findAgent(
  env: NodeJS.ProcessEnv,
  ppid: number,
  look: LookAtProcess = lookAtProcess,
): FoundAgent | undefined {
  const above = agentAbove(ppid, look);
  const sign = SIGNS.find(([name]) => (env[name] ?? '') !== '');
  if (sign !== undefined) {
    const [name, agent] = sign;
    return { agent: above?.agent ?? agent, pid: above?.pid, evidence: `${name} is set` };
  }
  return above;
}

function agentAbove(ppid: number, look: LookAtProcess): FoundAgent | undefined {
  let pid = ppid;
  for (let generation = 0; generation < GENERATIONS && pid > 1; generation += 1) {
    const facts = look(pid);
    if (facts === undefined) return undefined;
    const agent = agentOfCommand(facts.command);
    if (agent !== undefined) return { agent, pid, evidence: `process ${pid} above it is ${agent}` };
    pid = facts.ppid;
  }
  return undefined;
}

export function agentOfCommand(command: readonly string[]): string | undefined {
  const [program = '', script = ''] = command;
  const name = basename(program).replace(/^-/, '');
  const known = Object.hasOwn(PROGRAMS, name) ? PROGRAMS[name] : undefined;
  if (known !== undefined) return known;
  const path = /^(?:node|nodejs|bun|deno)$/.test(name) ? script : program;
  return SCRIPTS.find(([pattern]) => pattern.test(path))?.[1];
}

/** Throws `forbidden` where an agent would act as the operator. */
export function requirePerson(io: Io, look: LookAtProcess = lookAtProcess): void {
  const found = findAgent(io.env, io.ppid, look);
  if (found === undefined) return;
  throw new IntercomError('forbidden', `An agent can never act as the operator (${found.evidence}).`, {
    next: 'The person runs this in a terminal of their own, or decides on the web page or in Telegram. Agents write with send, ask, chat and inbox.',
  });
}

/** Who the agent is, for the daemon's local API; undefined at a person's terminal. */
export function callerOf(io: Io, look: LookAtProcess = lookAtProcess): CallerFacts | undefined {
  const found = findAgent(io.env, io.ppid, look);
  if (found === undefined) return undefined;
  const session = io.env.INTERCOM_SESSION_ID ?? (found.agent === 'claude' ? io.env.CLAUDE_CODE_SESSION_ID : undefined);
  return {
    agent: io.env.INTERCOM_AGENT ?? found.agent,
    pid: found.pid ?? agentPid(io.ppid, look),
    session: session !== undefined && isSessionId(session) ? session : undefined,
    cwd: io.cwd,
  };
}
