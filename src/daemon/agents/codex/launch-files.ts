/**
 * The files of one run of Codex, and the `-c` overrides that name them. All in the run's own directory, so that nothing of the user's is touched.
 *
 * In a terminal, Codex' own terminal program is a client of an app-server that belongs to this run alone: its environment is the run's, it is in the run's process group and ends with
 * it. (The server that a plain `codex` starts lives on, with whatever turn it works on, after everything of the run is killed.)
 * Invariant: the hooks' bearer stands in no file and on no command line; the script reads it from the environment.
 */
import { join } from 'node:path';
import { RUNNER_ENVIRONMENT } from '../../../protocol/runner-api.ts';
import type { LaunchRequest } from '../program.ts';
import { RUN_SOCKET } from './adapter.ts';
import { hookOverrides, tomlText } from './hook-trust.ts';

/** What a run is folded from, and what brings mail. Codex takes SessionEnd and Interrupt for 3 s at most. */
const EVENTS: Readonly<Record<string, number>> = {
  SessionStart: 10,
  UserPromptSubmit: 15,
  PreToolUse: 10,
  PostToolUse: 15,
  Stop: 10,
  SessionEnd: 3,
  Interrupt: 3,
};
const HOOK_SCRIPT = 'codex-hook.sh';
const START_SCRIPT = 'codex.sh';
export const PROMPT_FILE = 'mission.md';

type Where = Pick<LaunchRequest, 'directory' | 'intercom' | 'env'>;

export function hookFile(): Record<string, string> {
  return { [HOOK_SCRIPT]: HOOK_TEXT };
}

/** `configuration`: options of the same kind that are given to the terminal. */
export function startFile(where: Where, configuration: readonly string[] = []): Record<string, string> {
  const server = [...overrides(where), ...configuration, 'app-server', '--listen', socketUrl(where)];
  return { [START_SCRIPT]: startText(server.map(shellWord).join(' '), where) };
}

/** Started in Codex' place: `/bin/sh codex.sh <codex> <arguments>`. */
export function startThrough({ directory }: Where): string[] {
  return ['/bin/sh', join(directory, START_SCRIPT)];
}

function socketUrl({ directory }: Where): string {
  return `unix://${join(directory, RUN_SOCKET)}`;
}

/** Our hooks, trusted for this launch, and our MCP server. */
export function overrides({ directory, intercom: [command = 'intercom', ...args], env }: Where): string[] {
  const script = shellWord(join(directory, HOOK_SCRIPT));
  const hooks = Object.entries(EVENTS).map(([event, timeout]) => ({
    event,
    command: `exec /bin/sh ${script} ${event}`,
    timeout,
  }));
  const home = env.INTERCOM_HOME;
  const server = [
    `command=${tomlText(command)}`,
    `args=[${[...args, 'mcp-server'].map(tomlText).join(',')}]`,
    // Codex gives its MCP servers few variables.
    `env_vars=[${tomlText(RUNNER_ENVIRONMENT.runner)}]`,
    ...(home === undefined ? [] : [`env={INTERCOM_HOME=${tomlText(home)}}`]),
    // What an agent says to others is the hub's to allow, by its policy; asking here too would only stop it from answering.
    'default_tools_approval_mode="approve"',
  ];
  return [...hookOverrides(hooks), '-c', `mcp_servers.intercom={${server.join(',')}}`];
}

const HOOK_TEXT = `# Tells the runner of one hook event of Codex and prints what it answers. Usage: codex-hook.sh EVENT, the event on stdin. Never fails its agent.
[ -n "$${RUNNER_ENVIRONMENT.hookUrl}" ] || exit 0
curl -q -s --noproxy '*' --connect-timeout 1 --max-time 8 -K /dev/fd/3 -H 'Content-Type: application/json' -H 'Expect:' \\
  --data-binary @- "$${RUNNER_ENVIRONMENT.hookUrl}/$1" 2>/dev/null 3<<END
header = "Authorization: Bearer $${RUNNER_ENVIRONMENT.hookToken}"
END
exit 0
`;

function startText(server: string, where: Where): string {
  const socket = shellWord(join(where.directory, RUN_SOCKET));
  return `# Runs Codex in this terminal beside an app-server of its own, which ends with it. Usage: codex.sh CODEX [its arguments]
codex=$1
shift
rm -f ${socket}
"$codex" ${server} </dev/null >/dev/null 2>&1 &
server=$!
tries=0
while [ ! -S ${socket} ] && [ $tries -lt 200 ] && kill -0 $server 2>/dev/null; do
  sleep 0.05
  tries=$((tries + 1))
done
if [ ! -S ${socket} ]; then
  kill $server 2>/dev/null
  echo 'The app-server of Codex did not start. Try "codex app-server" by hand to see why.' >&2
  exit 1
fi
"$codex" --remote ${shellWord(socketUrl(where))} "$@"
code=$?
kill $server 2>/dev/null
wait $server 2>/dev/null
exit $code
`;
}

/** A word for the shell, whatever it holds. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
