/**
 * Gemini CLI as a program that we start: headless behind the bridge for the Agent Client Protocol, or in a terminal with the hooks of our extension.
 *
 * What was seen on which version stands in `verified` and docs/agents-gemini.md. Invariants: nothing of the person's settings is touched or overridden; the
 * mission is no command of Gemini's, and headless on no command line; it never starts with more than its person's own approval mode.
 */
import { join } from 'node:path';
import { IntercomError } from '../../../protocol/errors.ts';
import { AcpFold } from '../acp/fold.ts';
import { inputLine, interruptLine } from '../acp/lines.ts';
import { bridgePlan } from '../acp/plan.ts';
import type { AgentProgram, LaunchPlan, LaunchRequest, LimitNote, Verified } from '../program.ts';
import { GeminiFold } from './fold.ts';
import { limitNotice } from './limit-notice.ts';

/** Bytes of one argument: Linux takes 128 KiB, the runner's spec 120,000. */
const ARGUMENT_MAX = 100_000;
const PROMPT_FILE = 'mission.md';
const SEEN = ['0.61.0'] as const;

export interface GeminiFacts {
  /** Whether our extension is installed for this user; without it a terminal tells us nothing. */
  hooked(): boolean;
}

const VERIFIED: readonly Verified[] = [
  { property: 'launch', versions: SEEN },
  {
    property: 'hooks',
    versions: SEEN,
    note: 'in a terminal, with our extension installed; headless the bridge tells the same',
  },
  { property: 'tool', versions: SEEN },
  {
    property: 'mid_turn',
    versions: SEEN,
    note: 'in a terminal, with the next tool result; headless a message is the next turn',
  },
  {
    property: 'idle_wake',
    versions: SEEN,
    note: 'by typing in a terminal that we own; headless by its input; a session that its person started cannot be woken',
  },
  {
    property: 'half_typed',
    versions: [],
    note: 'its box is left alone while it holds text: the typing gate, by recorded screens only',
  },
  {
    property: 'approval_afar',
    versions: SEEN,
    note: 'headless, and its model is not told the reason of a refusal; the dialog of a terminal cannot be answered by a hook, only on its screen',
  },
  { property: 'approval_terminal', versions: SEEN },
  { property: 'questions', versions: [], note: 'its hooks and its protocol tell none; they stay on its screen' },
  { property: 'cancel', versions: SEEN },
  { property: 'resume', versions: SEEN, note: 'a fork is not to be had' },
  { property: 'offline', versions: SEEN, note: 'with the first prompt after it is resumed' },
];

const LIMITS: readonly LimitNote[] = (['headless', 'terminal'] as const).flatMap((runtime) => [
  { limit: 'maxTurns', runtime, holds: 'counted', note: 'a turn is a prompt and its answer' },
  { limit: 'maxBudgetUsd', runtime, holds: 'no', note: 'it tells no cost' },
]);

export function geminiProgram(facts: GeminiFacts): AgentProgram {
  return {
    name: 'gemini',
    displayName: 'Gemini CLI',
    executable: 'gemini',
    versionArgs: ['--version'],
    // Hooks in extensions, resuming by id and --acp are needed; older versions were not looked at.
    minimumVersion: SEEN[0],
    runtimes: ['headless', 'terminal'],
    // None that lets it do more without asking: --extensions leaves out what guards it, --allowed-mcp-server-names overrules the servers that its
    // person has excluded.
    allowedFlags: [
      '--model <value>',
      '-m <value>',
      '--approval-mode=plan',
      '--approval-mode=default',
      '--sandbox',
      '-s',
    ],
    environment: [
      'GEMINI_*',
      'GOOGLE_API_KEY',
      'GOOGLE_APPLICATION_CREDENTIALS',
      'GOOGLE_CLOUD_PROJECT',
      'GOOGLE_CLOUD_LOCATION',
      'GOOGLE_GENAI_USE_VERTEXAI',
      'GOOGLE_GENAI_USE_GCA',
      'GOOGLE_GEMINI_BASE_URL',
      'GOOGLE_VERTEX_BASE_URL',
      'COLORTERM',
    ],
    canResume: true,
    canFork: false,
    verified: VERIFIED,
    limits: LIMITS,
    plan: (request) => (request.runtime === 'headless' ? headless(request) : terminal(request, facts)),
    parseVersion: (output) => /\b(\d+\.\d+\.\d+(?:-[\w.]+)?)\b/.exec(output)?.[1],
    fold: (runtime) => (runtime === 'headless' ? new AcpFold(limitNotice) : new GeminiFold()),
    inputLine: (text, id) => inputLine(text, id),
    interruptLine: () => interruptLine(),
  };
}

/** One process instead of two: it starts itself once more for a larger heap, and the first one then takes no signal. */
const ENVIRONMENT = { GEMINI_CLI_NO_RELAUNCH: '1' } as const;

function headless(request: LaunchRequest): LaunchPlan {
  refuseFork(request);
  const home = request.env.GEMINI_CLI_HOME ?? request.env.HOME;
  return bridgePlan(
    request,
    { name: 'gemini', displayName: 'Gemini CLI' },
    { argv: ['--acp', '--skip-trust', ...request.flags], environment: { ...ENVIRONMENT } },
    home === undefined ? {} : { geminiDir: join(home, '.gemini') },
  );
}

function terminal(request: LaunchRequest, facts: GeminiFacts): LaunchPlan {
  refuseFork(request);
  if (!facts.hooked()) {
    throw new IntercomError('failed', 'Gemini CLI in a terminal needs our extension, and it is not installed.', {
      next: 'Run "intercom hooks install", or start it with the runtime "headless".',
    });
  }
  const long = Buffer.byteLength(request.prompt) > ARGUMENT_MAX;
  const prompt = long ? longPrompt(join(request.directory, PROMPT_FILE)) : notACommand(request.prompt);
  const session = request.resume?.session ?? request.uuid;
  const which = request.resume === undefined ? ['--session-id', session] : ['--resume', session];
  return {
    argv: [
      ...which,
      // The path was allowed by the machine's configuration and by whoever approved the launch.
      '--skip-trust',
      // What it may read besides its directory: the file with a mission that is too long for a command line.
      ...(long ? ['--include-directories', request.directory] : []),
      ...request.flags,
      `--prompt-interactive=${prompt}`,
    ],
    environment: { ...ENVIRONMENT, INTERCOM_AGENT: 'gemini', INTERCOM_SESSION_ID: session },
    files: long ? { [PROMPT_FILE]: request.prompt } : {},
    hooks: true,
    input: [],
    closeInput: false,
    session,
    screen: 'gemini',
  };
}

function refuseFork({ resume }: LaunchRequest): void {
  if (resume?.fork !== true) return;
  throw new IntercomError('invalid_request', 'Gemini CLI cannot go on with a copy of a session.', {
    next: 'Resume the mission itself, or start a new one.',
  });
}

/** A first character of `/`, `!` or `?` would make it a command of Gemini's own. `@file` stays: it is what it could read anyway. */
function notACommand(prompt: string): string {
  return /^\s*[/!?$]/.test(prompt) ? `Text:\n${prompt}` : prompt;
}

function longPrompt(file: string): string {
  return `Your mission is too long for a command line: it is in the file ${file}. Read all of that file first, then do what it says.`;
}
