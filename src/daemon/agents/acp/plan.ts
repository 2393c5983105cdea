/** The part of a launch plan that all agents behind the bridge share. */
import { join } from 'node:path';
import { RUNNER_ENVIRONMENT } from '../../../protocol/runner-api.ts';
import type { LaunchPlan, LaunchRequest } from '../program.ts';
import { inputLine } from './lines.ts';
import type { BridgeConfig } from './lines.ts';

export const BRIDGE_FILE = 'bridge.json';
/** The hidden command of our own program that is the bridge. */
export const BRIDGE_COMMAND = 'acp-agent';

/** `argv` and `environment` are the agent's own. */
export function bridgePlan(
  request: LaunchRequest,
  agent: { readonly name: string; readonly displayName: string },
  own: Pick<LaunchPlan, 'argv' | 'environment'>,
  more: Pick<BridgeConfig, 'geminiDir'> = {},
): LaunchPlan {
  const [command = 'intercom', ...args] = request.intercom;
  const config: BridgeConfig = {
    agent: agent.displayName,
    cwd: request.cwd,
    ...more,
    ...(request.resume === undefined ? {} : { resume: request.resume.session }),
    mcpServers: [
      {
        name: 'intercom',
        command,
        args: [...args, 'mcp-server'],
        environment: ['INTERCOM_HOME', 'INTERCOM_AGENT', RUNNER_ENVIRONMENT.runner],
      },
    ],
  };
  return {
    ...own,
    environment: { INTERCOM_AGENT: agent.name, ...own.environment },
    through: [...request.intercom, BRIDGE_COMMAND, join(request.directory, BRIDGE_FILE), '--'],
    files: { [BRIDGE_FILE]: `${JSON.stringify(config, undefined, 2)}\n` },
    hooks: true,
    input: [inputLine(request.prompt, undefined)],
    closeInput: false,
    ...(request.resume === undefined ? {} : { session: request.resume.session }),
  };
}
