/**
 * Codex as a program that we start: in a terminal beside an app-server of its own, or headless as `codex exec --json`.
 *
 * What was seen on which version stands in `verified` and docs/agents-codex.md. Invariants: nothing of the user's files is touched, also no folder is trusted in their name; headless, the
 * mission is Codex' input and on no command line; no flag of the list lets it do more without asking.
 */
import { join } from 'node:path';
import type { AgentProgram, LaunchPlan, LaunchRequest, LimitNote, Verified } from '../program.ts';
import { configurationIn } from './by-hand.ts';
import { CodexFold } from './fold.ts';
import { hookFile, overrides, PROMPT_FILE, startFile, startThrough } from './launch-files.ts';

/** Bytes of one argument: Linux takes 128 KiB, the runner's spec 120,000. */
const ARGUMENT_MAX = 100_000;
const V = ['0.169.0'] as const;

const VERIFIED: readonly Verified[] = [
  { property: 'launch', versions: V },
  { property: 'hooks', versions: V, note: 'Given for one launch and trusted by their hash, nothing else is.' },
  { property: 'tool', versions: V },
  {
    property: 'mid_turn',
    versions: V,
    note: 'Terminal: turn/steer of its app-server. Headless: with the next tool’s result, by its hook.',
  },
  { property: 'idle_wake', versions: V, note: 'turn/start of its app-server. A headless run has no idle.' },
  { property: 'half_typed', versions: V },
  {
    property: 'approval_afar',
    versions: V,
    note: 'Terminal only, a refusal with its reason. codex exec never asks: what its sandbox does not allow fails.',
  },
  { property: 'approval_terminal', versions: V },
  {
    property: 'questions',
    versions: V,
    note: 'Terminal only: its questions (in its plan mode, or where its user has turned them on) and the forms of its MCP servers; not its secrets.',
  },
  { property: 'cancel', versions: V },
  { property: 'resume', versions: V },
  { property: 'offline', versions: V },
];

const LIMITS: readonly LimitNote[] = (['terminal', 'headless'] as const).flatMap((runtime) => [
  { limit: 'maxTurns', runtime, holds: 'counted', note: 'a turn is a prompt and its answer' },
  { limit: 'maxBudgetUsd', runtime, holds: 'no', note: 'it tells no cost' },
]);

export const codexProgram: AgentProgram = {
  name: 'codex',
  displayName: 'Codex',
  executable: 'codex',
  versionArgs: ['--version'],
  // Older ones have no app-server for a terminal.
  minimumVersion: V[0],
  runtimes: ['terminal', 'headless'],
  allowedFlags: ['--model <value>'],
  environment: [
    'CODEX_HOME',
    'CODEX_API_KEY',
    'CODEX_ACCESS_TOKEN',
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OPENAI_ORGANIZATION',
    'OPENAI_PROJECT',
    'AZURE_OPENAI_API_KEY',
    'OPENROUTER_API_KEY',
  ],
  canResume: true,
  canFork: true,
  verified: VERIFIED,
  limits: LIMITS,
  attended: configurationIn,
  plan: (request) => (request.runtime === 'headless' ? headless(request) : terminal(request)),
  parseVersion: (output) => /\bcodex(?:-cli)? (\d+\.\d+\.\d+)/.exec(output)?.[1],
  fold: (runtime) => new CodexFold(runtime),
};

function headless(request: LaunchRequest): LaunchPlan {
  const { resume, flags } = request;
  const again = resume === undefined ? [] : [resume.fork ? 'fork' : 'resume'];
  return {
    // Where it may work is this machine's allow-list; a folder without git is no reason to refuse.
    argv: [
      'exec',
      '--json',
      '--skip-git-repo-check',
      ...overrides(request),
      ...flags,
      ...again,
      ...(resume === undefined ? [] : [resume.session]),
      '-',
    ],
    environment: loopbackPastProxy(request.env),
    files: hookFile(),
    hooks: true,
    input: [request.prompt],
    closeInput: true,
    ...(resume === undefined || resume.fork ? {} : { session: resume.session }),
  };
}

function terminal(request: LaunchRequest): LaunchPlan {
  const { resume, flags, cwd, prompt, directory } = request;
  const long = Buffer.byteLength(prompt) > ARGUMENT_MAX;
  const words = long ? longPrompt(join(directory, PROMPT_FILE)) : prompt;
  const again = resume === undefined ? [] : [resume.fork ? 'fork' : 'resume'];
  const session = resume === undefined ? [] : [resume.session];
  return {
    through: startThrough(request),
    argv: [...again, '-C', cwd, ...flags, '--', ...session, words],
    environment: loopbackPastProxy(request.env),
    files: { ...hookFile(), ...startFile(request, configurationIn(flags)), ...(long ? { [PROMPT_FILE]: prompt } : {}) },
    hooks: true,
    input: [],
    closeInput: false,
    ...(resume === undefined || resume.fork ? {} : { session: resume.session }),
    screen: 'codex',
  };
}

function longPrompt(file: string): string {
  return `Your mission is too long for a command line: it is in the file ${file}. Read all of that file first, then do what it says.`;
}

/** The runner's hook address is on loopback: no proxy must be asked for it. */
function loopbackPastProxy(env: NodeJS.ProcessEnv): Record<string, string> {
  const proxied = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  if (proxied.every((name) => (env[name] ?? '') === '')) return {};
  const given = env.NO_PROXY ?? env.no_proxy ?? '';
  const value = given === '' ? '127.0.0.1,localhost' : `${given},127.0.0.1,localhost`;
  return { NO_PROXY: value, no_proxy: value };
}
