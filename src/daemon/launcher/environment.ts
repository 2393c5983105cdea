/**
 * The environment of an agent: by allow-list from the daemon's own, then what the configuration gives.
 *
 * Invariant: nothing of intercom's own secrets is in it: no variable of Telegram, no token, nothing that begins with INTERCOM_ but where this
 * machine's daemon is found.
 */

/** What every program needs to run as this user. */
const COMMON: readonly string[] = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TMPDIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'XDG_STATE_HOME',
  'XDG_RUNTIME_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
];
/** Where our own program finds this daemon; no secret. */
const OWN: readonly string[] = ['INTERCOM_HOME'];
const FORBIDDEN = /^(?:INTERCOM_|TELEGRAM_|HUB_URL$)/;

/** Whether a variable of the daemon's environment may ever be handed on. */
export function mayPass(name: string): boolean {
  return OWN.includes(name) || !FORBIDDEN.test(name);
}

/** The daemon's environment without what is its own: for programs to pick from. */
export function passableEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => mayPass(name)));
}

export interface EnvironmentParts {
  readonly env: NodeJS.ProcessEnv;
  /** Names that this agent gets besides the common ones; a `*` at the end stands for any rest. */
  readonly names: readonly string[];
  /** What its program sets. */
  readonly planned: Readonly<Record<string, string>>;
  /** What the configuration sets; goes over everything else. */
  readonly configured: Readonly<Record<string, string>>;
}

export function agentEnvironment(parts: EnvironmentParts): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(parts.env)) {
    if (value === undefined || !mayPass(name)) continue;
    const isCommon = COMMON.includes(name) || OWN.includes(name) || name.startsWith('LC_');
    if (isCommon || parts.names.some((one) => matches(one, name))) environment[name] = value;
  }
  return { ...environment, ...parts.planned, ...parts.configured };
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}
