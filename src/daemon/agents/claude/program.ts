/**
 * Claude Code as a program that we start: in a terminal with its own settings, or headless as a stream of JSON lines.
 *
 * What was seen on which version stands in `verified` and docs/agents-claude.md. Invariants: the session id is ours, so that its transcript, its registry record and its
 * hooks are known before it starts; nothing of the user's files is touched; headless, the mission is a line of input and on no command line.
 */
import { join } from 'node:path';
import type { AgentProgram, LaunchPlan, LaunchRequest, LimitNote, Verified } from '../program.ts';
import { ClaudeFold } from './fold.ts';
import { launchFiles, MCP_FILE, PROMPT_FILE, SETTINGS_FILE } from './launch-files.ts';

/** Bytes of one argument: Linux takes 128 KiB, the runner's spec 120,000. */
const ARGUMENT_MAX = 100_000;
const BOTH = ['2.1.197', '2.1.329'] as const;

/** What test/agents/claude-missions.agents.test.ts shows, in a terminal and headless. */
const VERIFIED: readonly Verified[] = [
  { property: 'launch', versions: BOTH },
  { property: 'hooks', versions: BOTH },
  { property: 'tool', versions: BOTH },
  { property: 'mid_turn', versions: BOTH, note: 'Terminal: inbox socket, before 2.1.224 hooks. Headless: its input.' },
  {
    property: 'idle_wake',
    versions: BOTH,
    note: 'Terminal: inbox socket; before 2.1.224 it is typed, which is not shown yet. Headless: its input.',
  },
  {
    property: 'half_typed',
    versions: ['2.1.329'],
    note: 'Only where there is an inbox socket (2.1.224 and later); nothing is typed over what a person has begun.',
  },
  { property: 'approval_afar', versions: BOTH },
  { property: 'approval_terminal', versions: BOTH, note: 'Headless runs have no terminal: only an operator answers.' },
  {
    property: 'questions',
    versions: BOTH,
    note: 'Its questions, its plans, and the forms of its MCP servers; a form that is a page to open stays at the terminal.',
  },
  { property: 'cancel', versions: BOTH },
  { property: 'resume', versions: BOTH },
  { property: 'offline', versions: BOTH },
];

const LIMITS: readonly LimitNote[] = [
  { limit: 'maxTurns', runtime: 'headless', holds: 'native' },
  { limit: 'maxTurns', runtime: 'terminal', holds: 'counted', note: 'a turn is a prompt and its answer' },
  { limit: 'maxBudgetUsd', runtime: 'headless', holds: 'native' },
  { limit: 'maxBudgetUsd', runtime: 'terminal', holds: 'no', note: 'its hooks tell no cost' },
];

export const claudeProgram: AgentProgram = {
  name: 'claude',
  displayName: 'Claude Code',
  executable: 'claude',
  versionArgs: ['--version'],
  minimumVersion: BOTH[0],
  runtimes: ['terminal', 'headless'],
  // None that lets it do more without asking: an agent's own file (--agent) can name a permission mode, and --append-system-prompt speaks to it
  // from above the mission's frame.
  allowedFlags: [
    '--model <value>',
    '--fallback-model <value>',
    '--effort <value>',
    '--disallowedTools <value>',
    '--permission-mode=plan',
    '--permission-mode=default',
    '--permission-mode=manual',
    '--strict-mcp-config',
  ],
  environment: [
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_AUTH_TOKEN',
    'ANTHROPIC_BASE_URL',
    'ANTHROPIC_BETAS',
    'ANTHROPIC_CUSTOM_HEADERS',
    'ANTHROPIC_MODEL',
    'ANTHROPIC_SMALL_FAST_MODEL',
    'ANTHROPIC_DEFAULT_HAIKU_MODEL',
    'ANTHROPIC_DEFAULT_OPUS_MODEL',
    'ANTHROPIC_DEFAULT_SONNET_MODEL',
    'ANTHROPIC_VERTEX_PROJECT_ID',
    'CLAUDE_CONFIG_DIR',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CODE_USE_BEDROCK',
    'CLAUDE_CODE_USE_VERTEX',
    'CLAUDE_CODE_USE_FOUNDRY',
    'CLAUDE_CODE_MAX_OUTPUT_TOKENS',
    'CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC',
    'CLOUD_ML_REGION',
    'AWS_PROFILE',
    'AWS_REGION',
    'AWS_ACCESS_KEY_ID',
    'AWS_SECRET_ACCESS_KEY',
    'AWS_SESSION_TOKEN',
    'AWS_BEARER_TOKEN_BEDROCK',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'BASH_DEFAULT_TIMEOUT_MS',
    'BASH_MAX_TIMEOUT_MS',
    'MAX_THINKING_TOKENS',
    'MCP_TIMEOUT',
    'MCP_TOOL_TIMEOUT',
    'DISABLE_AUTOUPDATER',
    'DISABLE_TELEMETRY',
    'DISABLE_ERROR_REPORTING',
    'IS_SANDBOX',
  ],
  canResume: true,
  canFork: true,
  verified: VERIFIED,
  limits: LIMITS,
  plan,
  parseVersion: (output) => /\b(\d+\.\d+\.\d+)\b/.exec(output)?.[1],
  fold: (runtime) => new ClaudeFold(runtime),
  inputLine: (text, id) => inputLine(text, id),
  interruptLine: (id) => JSON.stringify({ type: 'control_request', request_id: id, request: { subtype: 'interrupt' } }),
};

function plan(request: LaunchRequest): LaunchPlan {
  const headless = request.runtime === 'headless';
  const long = !headless && Buffer.byteLength(request.prompt) > ARGUMENT_MAX;
  const file = (name: string) => join(request.directory, name);
  const { session, args } = sessionOf(request);
  const shared = [...args, '--settings', file(SETTINGS_FILE), `--mcp-config=${file(MCP_FILE)}`];
  return {
    argv: headless
      ? [...HEADLESS, ...shared, ...limits(request), ...request.flags]
      : [...shared, ...request.flags, '--', long ? longPrompt(file(PROMPT_FILE)) : request.prompt],
    environment: loopbackPastProxy(request.env),
    files: launchFiles({
      directory: request.directory,
      intercom: request.intercom,
      intercomHome: request.env.INTERCOM_HOME,
      prompt: long ? request.prompt : undefined,
    }),
    hooks: true,
    input: headless ? [inputLine(request.prompt, undefined)] : [],
    closeInput: false,
    session,
    ...(headless ? {} : { screen: 'claude' }),
  };
}

const HEADLESS = [
  '-p',
  '--input-format',
  'stream-json',
  '--output-format',
  'stream-json',
  '--verbose',
  // What was taken in comes back as a line: proof that it entered the conversation.
  '--replay-user-messages',
  // Permission requests and questions wait for an answer instead of being denied, and their hook fires (2.1.197 calls it only then).
  '--permission-prompt-tool',
  'stdio',
];

function sessionOf({ resume, uuid }: LaunchRequest): { readonly session: string; readonly args: readonly string[] } {
  if (resume === undefined) return { session: uuid, args: ['--session-id', uuid] };
  const args = ['--resume', resume.session];
  if (!resume.fork) return { session: resume.session, args };
  return { session: uuid, args: [...args, '--fork-session', '--session-id', uuid] };
}

/** Its own limits, which it keeps only where nobody sits at it (LIMITS). */
function limits({ limits: { maxBudgetUsd, maxTurns } }: LaunchRequest): string[] {
  return [
    ...(maxBudgetUsd === undefined ? [] : ['--max-budget-usd', String(maxBudgetUsd)]),
    ...(maxTurns === undefined ? [] : ['--max-turns', String(maxTurns)]),
  ];
}

function inputLine(text: string, id: string | undefined): string {
  return JSON.stringify({
    type: 'user',
    message: { role: 'user', content: text },
    parent_tool_use_id: null,
    ...(id === undefined ? {} : { uuid: id }),
  });
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
