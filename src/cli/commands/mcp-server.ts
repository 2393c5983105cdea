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

export async function serve(): Promise<void> {
  const { env, stdin, stdout, stderr, ppid } = process;
  try {
    await runMcpServer({ env, stdin, stdout, stderr, version: VERSION, cwd: process.cwd(), ppid });
  } catch (error) {
    // Loaded only now: every agent's start waits for this file.
    const { failureText } = await import('../print/failure.ts');
    const { styleFor } = await import('../print/style.ts');
    const failure = failureText(error, styleFor(false), { json: false, details: false });
    stderr.write(failure.text);
    process.exitCode = failure.exitCode;
  }
}
