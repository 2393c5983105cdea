/**
 * How an agent is started in a person's own terminal (`intercom run`): with the person's own arguments and environment, and beside them what makes it a
 * managed session, taken from the agent's own plan.
 *
 * Invariants: what the person says wins over what we would say; nothing is answered in their name (no folder is trusted); a call that is no session (a
 * subcommand, a question for the version) is passed on untouched.
 */
import { randomUUID } from 'node:crypto';
import type { AgentProgram, LaunchPlan } from '../agents/program.ts';

export interface AttendedRequest {
  readonly program: AgentProgram;
  /** The person's own arguments. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly directory: string;
  readonly intercom: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export type AttendedPlan = Pick<LaunchPlan, 'argv' | 'environment' | 'files' | 'hooks' | 'through'> & {
  readonly session?: string;
  readonly screen?: string;
};

/** Stands in a plan for the prompt that an attended start has none of. */
const NO_PROMPT = 'intercom-no-prompt';
/** Ours that answer for the person. */
const NOT_OURS_TO_SAY: readonly string[] = ['--skip-trust'];
/** The person says which session; ours is not given then. */
const CHOOSES_SESSION = [
  '--session-id',
  '--resume',
  '-r',
  '--continue',
  '-c',
  '--from-pr',
  '--fork-session',
  '--teleport',
];
const NO_SESSION_FLAGS = [
  '-p',
  '--print',
  '--prompt',
  '--version',
  '-v',
  '-V',
  '--help',
  '-h',
  '--acp',
  '--list-sessions',
];
const SUBCOMMANDS: Readonly<Record<string, readonly string[]>> = {
  claude: [
    'agents',
    'auth',
    'auto-mode',
    'config',
    'doctor',
    'install',
    'mcp',
    'migrate-installer',
    'plugin',
    'plugins',
    'setup-token',
    'update',
    'upgrade',
  ],
  codex: [
    'exec',
    'e',
    'review',
    'login',
    'logout',
    'mcp',
    'mcp-server',
    'app-server',
    'app',
    'completion',
    'sandbox',
    'debug',
    'apply',
    'a',
    'cloud',
    'features',
    'plugin',
    'queue',
    'update',
    'doctor',
    'help',
    'agents',
    'archive',
    'unarchive',
    'delete',
    'remote-control',
    'exec-server',
    'migrate-rollouts',
    'migrate-nfs-db',
  ],
  gemini: ['mcp', 'extensions', 'skills', 'hooks', 'gemma', 'help'],
  opencode: [
    'acp',
    'mcp',
    'run',
    'debug',
    'auth',
    'providers',
    'agent',
    'upgrade',
    'uninstall',
    'serve',
    'web',
    'models',
    'stats',
    'export',
    'import',
    'github',
    'pr',
    'session',
    'plugin',
    'db',
    'completion',
  ],
};

/** A call that starts no session: nothing is added to it. */
export function isPlainCall(agent: string, args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const given = end === -1 ? args : args.slice(0, end);
  return given.some((arg) => NO_SESSION_FLAGS.includes(arg)) || (SUBCOMMANDS[agent] ?? []).includes(args[0] ?? '');
}

export function attendedPlan(request: AttendedRequest): AttendedPlan {
  const { program, args } = request;
  const plan = planOf(request);
  if (plan === undefined) return { argv: [...args], environment: {}, files: {}, hooks: true, screen: program.name };
  const choosesSession = args.some((arg) => CHOOSES_SESSION.some((flag) => arg === flag || arg.startsWith(`${flag}=`)));
  const ours = withoutTheirs(withoutPrompt(plan.argv), args, choosesSession);
  return {
    argv: [...ours, ...args],
    environment: choosesSession ? withoutSession(plan) : plan.environment,
    files: plan.files,
    hooks: plan.hooks,
    ...(plan.through === undefined ? {} : { through: plan.through }),
    ...(choosesSession || plan.session === undefined ? {} : { session: plan.session }),
    screen: plan.screen ?? program.name,
  };
}

/** Undefined: this agent cannot be planned for here (its hooks are not installed, or with these arguments); it runs as it is. */
function planOf({ program, args, cwd, directory, intercom, env }: AttendedRequest): LaunchPlan | undefined {
  const flags = program.attended === undefined ? [] : program.attended(args);
  if (flags === undefined) return undefined;
  try {
    return program.plan({
      runtime: 'terminal',
      prompt: NO_PROMPT,
      flags,
      cwd,
      limits: {},
      uuid: randomUUID(),
      resume: undefined,
      directory,
      intercom,
      env,
      mission: undefined,
    });
  } catch {
    return undefined;
  }
}

function withoutPrompt(argv: readonly string[]): string[] {
  const kept = argv.filter((arg) => !arg.includes(NO_PROMPT) && !NOT_OURS_TO_SAY.includes(arg));
  return kept.at(-1) === '--' ? kept.slice(0, -1) : kept;
}

/** Leaves out each of our flags (with its value) that the person gives too, and ours for the session where they choose it. */
function withoutTheirs(ours: readonly string[], theirs: readonly string[], choosesSession: boolean): string[] {
  const given = new Set(theirs.map(flagOf));
  const kept: string[] = [];
  for (let at = 0; at < ours.length;) {
    const arg = ours[at] ?? '';
    let end = at + 1;
    if (!arg.includes('=')) while (end < ours.length && ours[end]?.startsWith('-') === false) end += 1;
    const flag = flagOf(arg);
    if (!given.has(flag) && !(choosesSession && CHOOSES_SESSION.includes(flag))) kept.push(...ours.slice(at, end));
    at = end;
  }
  return kept;
}

function flagOf(arg: string): string {
  return arg.startsWith('-') ? (arg.split('=')[0] ?? arg) : arg;
}

function withoutSession({ environment, session }: LaunchPlan): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== session));
}
