/** intercom mcp-server: the agent's side. main.ts comes here without the command parser. */
import type { Command } from 'commander';
import { runMcpServer } from '../../mcp/server.ts';
import { VERSION } from '../../platform/package.ts';

export function define(program: Command): void {
  program
    .command('mcp-server')
    .description(
      'The MCP server over standard input and output. Agents start it; `intercom hooks install` tells them how.',
    )
    .action(serve);
}

export function serve(): Promise<void> {
  const { env, stdin, stdout, stderr, ppid } = process;
  return runMcpServer({ env, stdin, stdout, stderr, version: VERSION, cwd: process.cwd(), ppid });
}
