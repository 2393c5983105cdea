/**
 * The files of one run of Claude Code: settings with our hooks, the MCP configuration, the script of the one hook that cannot be HTTP. All in the run's own
 * directory, so that nothing of the user's is touched.
 *
 * Invariant: the bearer stands in no file and on no command line; settings and script name the variable that the runner puts into the environment.
 */
import { DECISION_HOOKS, RUNNER_ENVIRONMENT } from '../../../protocol/runner-api.ts';

/** Every event that a run is folded from, that brings mail, or that asks. SessionStart takes no HTTP hook. */
const HTTP_EVENTS = [
  'SessionEnd',
  'UserPromptSubmit',
  'PreToolUse',
  'PostToolUse',
  'PostToolUseFailure',
  'PermissionRequest',
  'PermissionDenied',
  'Elicitation',
  'ElicitationResult',
  'SubagentStop',
  'Stop',
  'StopFailure',
] as const;
/** Seconds. Someone has to decide; the dialog at the terminal stays usable meanwhile. */
const DECISION_TIMEOUT = 24 * 3600;
const HOOK_TIMEOUT = 30;
const SESSION_START_TIMEOUT = 10;

export const SETTINGS_FILE = 'claude-settings.json';
export const MCP_FILE = 'claude-mcp.json';
const START_SCRIPT = 'claude-session-start.sh';
export const PROMPT_FILE = 'mission.md';

export interface LaunchFiles {
  /** Where the runner writes them. */
  readonly directory: string;
  readonly intercom: readonly string[];
  readonly intercomHome: string | undefined;
  /** A prompt that is too long for a command line. */
  readonly prompt: string | undefined;
}

export function launchFiles(given: LaunchFiles): Record<string, string> {
  return {
    [SETTINGS_FILE]: json(settings(given)),
    [MCP_FILE]: json(mcpConfig(given)),
    [START_SCRIPT]: START_SCRIPT_TEXT,
    ...(given.prompt === undefined ? {} : { [PROMPT_FILE]: given.prompt }),
  };
}

function settings({ directory, prompt }: LaunchFiles): unknown {
  const httpHook = (event: string) => ({
    type: 'http',
    url: `\${${RUNNER_ENVIRONMENT.hookUrl}}/${event}`,
    headers: { Authorization: `Bearer $${RUNNER_ENVIRONMENT.hookToken}` },
    allowedEnvVars: [RUNNER_ENVIRONMENT.hookToken],
    timeout: DECISION_HOOKS.includes(event) ? DECISION_TIMEOUT : HOOK_TIMEOUT,
  });
  const start = {
    type: 'command',
    command: `exec /bin/sh ${shellWord(`${directory}/${START_SCRIPT}`)}`,
    timeout: SESSION_START_TIMEOUT,
  };
  return {
    hooks: {
      SessionStart: [{ hooks: [start] }],
      ...Object.fromEntries(HTTP_EVENTS.map((event) => [event, [{ hooks: [httpHook(event)] }]])),
    },
    permissions: {
      // What an agent says to others is the hub's to allow, by its policy; asking here too would only stop it from answering.
      allow: ['mcp__intercom', ...(prompt === undefined ? [] : [`Read(/${directory}/${PROMPT_FILE})`])],
    },
  };
}

function mcpConfig({ intercom: [command = 'intercom', ...args], intercomHome }: LaunchFiles): unknown {
  return {
    mcpServers: {
      intercom: {
        type: 'stdio',
        command,
        args: [...args, 'mcp-server'],
        env: intercomHome === undefined ? {} : { INTERCOM_HOME: intercomHome },
      },
    },
  };
}

const START_SCRIPT_TEXT = `# Tells the runner that the session started. Claude Code takes no HTTP hook for this event.
[ -n "$${RUNNER_ENVIRONMENT.hookUrl}" ] || exit 0
curl -q -s --noproxy '*' --connect-timeout 1 --max-time 5 -K /dev/fd/3 -H 'Content-Type: application/json' -H 'Expect:' \\
  --data-binary @- "$${RUNNER_ENVIRONMENT.hookUrl}/SessionStart" 2>/dev/null 3<<END
header = "Authorization: Bearer $${RUNNER_ENVIRONMENT.hookToken}"
END
exit 0
`;

/** A word for the shell, whatever it holds. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
