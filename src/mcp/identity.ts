/**
 * Which agent, process and session this MCP server belongs to. Only facts that the agent itself gave: what it put into our environment, what
 * it said at `initialize` and says with a call, and who started us. The daemon checks them against its own registry (the pid first).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { CallerFacts } from '../platform/local-client.ts';
import { isSessionId } from '../protocol/address.ts';
import { isId } from '../protocol/ids.ts';
import { RUNNER_ENVIRONMENT } from '../protocol/runner-api.ts';

export interface ProcessFacts {
  readonly ppid: number;
  /** The program's name and its arguments. */
  readonly command: readonly string[];
}

export type LookAtProcess = (pid: number) => ProcessFacts | undefined;

export interface IdentityInput {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** `clientInfo.name` of initialize, once known. */
  readonly clientName: string | undefined;
  /** The agent's process, as found by `agentPid`. */
  readonly pid: number | undefined;
  /** `threadId` of the call's `_meta`, as it came. */
  readonly thread?: unknown;
}

/** Agents by the name that they give at `initialize`. */
const CLIENTS: readonly (readonly [RegExp, string])[] = [
  [/claude/i, 'claude'],
  [/codex/i, 'codex'],
  [/gemini/i, 'gemini'],
];
const AGENT_NAME = /^[a-z][a-z0-9_-]{0,59}$/;
/** Programs that only start other programs. */
const WRAPPERS = new Set([
  'sh',
  'bash',
  'dash',
  'zsh',
  'fish',
  'ash',
  'ksh',
  'env',
  'npx',
  'npm',
  'pnpm',
  'yarn',
  'bunx',
  'timeout',
  'nice',
]);
/** Arguments that tell a Node process to be a wrapper: npx, npm exec, or our own launcher. */
const WRAPPER_SCRIPT = /(^|[/\\])(npx|npm|pnpm|yarn)(-cli)?(\.[cm]?js)?$|(^|[/\\])intercom(\.[cm]?js)?$/;
const STEPS_MAX = 6;

/**
 * `INTERCOM_AGENT` wins. Then the name given at initialize before the environment: an agent started inside another one's shell
 * inherits that one's variables, but speaks for itself.
 */
export function detectAgent(env: NodeJS.ProcessEnv, clientName: string | undefined): string | undefined {
  const own = env.INTERCOM_AGENT;
  if (own !== undefined && AGENT_NAME.test(own)) return own;
  for (const [pattern, agent] of CLIENTS) if (clientName !== undefined && pattern.test(clientName)) return agent;
  if (env.CLAUDECODE === '1') return 'claude';
  if (Object.keys(env).some((name) => name.startsWith('CODEX_'))) return 'codex';
  if (env.GEMINI_CLI !== undefined) return 'gemini';
  return undefined;
}

/** The agent's own process: our parent, or the first above it that is not a mere wrapper. */
export function agentPid(ppid: number, look: LookAtProcess): number | undefined {
  let pid = ppid;
  for (let step = 0; step < STEPS_MAX && pid > 1; step += 1) {
    const facts = look(pid);
    if (facts === undefined || !isWrapper(facts.command)) return pid;
    pid = facts.ppid;
  }
  return ppid > 1 ? ppid : undefined;
}

function isWrapper(command: readonly string[]): boolean {
  const [program = '', ...rest] = command;
  const words = program.split(' ');
  const name = basename(words[0] ?? '').replace(/^-/, '');
  if (WRAPPERS.has(name)) return true;
  if (name !== 'node' && name !== 'nodejs') return false;
  return [...words.slice(1), ...rest.slice(0, 4)].some((word) => WRAPPER_SCRIPT.test(word));
}

export function callerFacts(input: IdentityInput): CallerFacts {
  const { env } = input;
  const agent = detectAgent(env, input.clientName);
  const runner = runnerOf(env);
  if (agent === 'codex') {
    // One server process may serve many sessions of Codex, whose parent is an app-server: only the call knows its session.
    const { thread, cwd } = input;
    const session = typeof thread === 'string' && isSessionId(thread) ? thread : undefined;
    return { agent, pid: undefined, session, cwd, runner };
  }
  const claude = agent === 'claude';
  const given = claude ? positive(env.CLAUDE_PID) : undefined;
  const session = env.INTERCOM_SESSION_ID ?? (claude ? env.CLAUDE_CODE_SESSION_ID : undefined);
  const directory = claude ? env.CLAUDE_PROJECT_DIR : undefined;
  return {
    agent,
    pid: given ?? input.pid,
    session: session !== undefined && isSessionId(session) ? session : undefined,
    cwd: directory === undefined || directory === '' ? input.cwd : directory,
    runner,
  };
}

function runnerOf(env: NodeJS.ProcessEnv): string | undefined {
  const runner = env[RUNNER_ENVIRONMENT.runner];
  return runner !== undefined && isId('runner', runner) ? runner : undefined;
}

function positive(text: string | undefined): number | undefined {
  const number = Number(text);
  return text !== undefined && Number.isSafeInteger(number) && number > 1 ? number : undefined;
}

/** Reads /proc where there is one, else asks `ps`. Undefined: no such process, or it cannot be seen. */
export function lookAtProcess(pid: number): ProcessFacts | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        .split('\0')
        .filter((word) => word !== '');
      return { ppid, command };
    }
    const line = execFileSync('ps', ['-o', 'ppid=,command=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 1000,
    }).trim();
    const [ppid = '', ...command] = line.split(/\s+/);
    return { ppid: Number(ppid), command };
  } catch {
    return undefined;
  }
}
