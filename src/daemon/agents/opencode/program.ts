/**
 * opencode as a program that we start: headless, behind the bridge for the Agent Client Protocol.
 *
 * What was seen on which version stands in `verified` and docs/agents-opencode.md. Invariants: nothing of the person's configuration is touched; it asks before it
 * runs commands or edits (its own default asks for nothing), unless the person's own configuration says otherwise for this machine's launches.
 */
import { AcpFold } from '../acp/fold.ts';
import { inputLine, interruptLine } from '../acp/lines.ts';
import { bridgePlan } from '../acp/plan.ts';
import type { AgentProgram, LaunchRequest, LimitNote, Verified } from '../program.ts';
import { IntercomError } from '../../../protocol/errors.ts';

const SEEN = '1.18.33';
const HEADLESS_ONLY = 'it is started headless only';
const VERIFIED: readonly Verified[] = [
  { property: 'launch', versions: [SEEN] },
  { property: 'hooks', versions: [], note: 'it has plugins, no hooks; the bridge tells what it does' },
  { property: 'tool', versions: [SEEN] },
  { property: 'mid_turn', versions: [], note: 'a message is the next turn' },
  { property: 'idle_wake', versions: [SEEN], note: 'by its input' },
  { property: 'half_typed', versions: [], note: HEADLESS_ONLY },
  {
    property: 'approval_afar',
    versions: [SEEN],
    note: 'a refusal ends its turn, and its model is not told the reason',
  },
  { property: 'approval_terminal', versions: [], note: HEADLESS_ONLY },
  { property: 'questions', versions: [], note: 'its protocol tells none' },
  { property: 'cancel', versions: [SEEN] },
  { property: 'resume', versions: [SEEN], note: 'a fork is not to be had' },
  { property: 'offline', versions: [], note: 'mail waits until a run takes it; not tried with the real program' },
];

/** opencode names its models by provider, and each provider its key in a variable of its own. */
const PROVIDER_KEYS = [
  'ANTHROPIC_API_KEY',
  'OPENAI_API_KEY',
  'OPENROUTER_API_KEY',
  'GEMINI_API_KEY',
  'GOOGLE_GENERATIVE_AI_API_KEY',
  'GROQ_API_KEY',
  'MISTRAL_API_KEY',
  'DEEPSEEK_API_KEY',
  'XAI_API_KEY',
  'GITHUB_TOKEN',
] as const;

const LIMITS: readonly LimitNote[] = [
  { limit: 'maxTurns', runtime: 'headless', holds: 'counted', note: 'a turn is a prompt and its answer' },
  {
    limit: 'maxBudgetUsd',
    runtime: 'headless',
    holds: 'counted',
    note: 'after each turn, by the prices that opencode knows',
  },
];

export const opencodeProgram: AgentProgram = {
  name: 'opencode',
  displayName: 'opencode',
  executable: 'opencode',
  versionArgs: ['--version'],
  minimumVersion: SEEN,
  runtimes: ['headless'],
  // `acp` takes neither model nor agent: both are the person's configuration. --pure would leave out plugins that guard it.
  allowedFlags: ['--print-logs'],
  environment: ['OPENCODE_*', ...PROVIDER_KEYS],
  canResume: true,
  canFork: false,
  verified: VERIFIED,
  limits: LIMITS,
  plan,
  parseVersion: (output) => /^v?(\d+\.\d+\.\d+(?:-[\w.]+)?)\s*$/m.exec(output)?.[1],
  fold: () => new AcpFold(limitNotice),
  inputLine: (text, id) => inputLine(text, id),
  interruptLine: () => interruptLine(),
};

function plan(request: LaunchRequest) {
  if (request.runtime === 'terminal' || request.resume?.fork === true) {
    const what = request.runtime === 'terminal' ? 'in a terminal' : 'with a copy of a session';
    throw new IntercomError('invalid_request', `opencode cannot be started by intercom ${what}.`, {
      next: 'Start it headless.',
    });
  }
  return bridgePlan(
    request,
    { name: 'opencode', displayName: 'opencode' },
    {
      argv: ['acp', '--cwd', request.cwd, ...request.flags],
      environment: { OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_PERMISSION: request.env.OPENCODE_PERMISSION ?? ASK },
    },
  );
}

/** Unless asked, opencode runs everything without a question; the answer is the operator's, or the policy's. */
const ASK = JSON.stringify({ bash: 'ask', edit: 'ask', webfetch: 'ask', external_directory: 'ask' });

function limitNotice(text: string): { readonly seconds: number | undefined } | undefined {
  if (!/rate.?limit|quota|too many requests|usage limit/i.test(text)) return undefined;
  const seconds = /(?:try again|retry)(?: after| in)? (\d+(?:\.\d+)?) ?s/i.exec(text)?.[1];
  return { seconds: seconds === undefined ? undefined : Math.ceil(Number(seconds)) };
}
