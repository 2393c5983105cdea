/** Runs the MCP server the way `intercom mcp-server` does, as a process of its own. */
import { runMcpServer } from '../../src/mcp/server.ts';

await runMcpServer({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  version: '0.0.0-test',
  cwd: process.cwd(),
  ppid: process.ppid,
});
process.exit(0);
