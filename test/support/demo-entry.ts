/** The two commands of the product that the demo starts, as one bundled program: `mcp-server` and `demo --play <role>`. */
import { runDemoAgent } from '../../src/demo/agent.ts';
import { Role } from '../../src/demo/script.ts';
import { runMcpServer } from '../../src/mcp/server.ts';

const [, script = '', command, , role] = process.argv;
const common = { env: process.env, cwd: process.cwd(), stdin: process.stdin, stdout: process.stdout };
if (command === 'mcp-server')
  await runMcpServer({ ...common, stderr: process.stderr, version: '0.0.0-test', ppid: process.ppid });
else
  await runDemoAgent({
    ...common,
    role: Role.parse(role),
    pid: process.pid,
    mcpCommand: [process.execPath, script, 'mcp-server'],
  });
process.exit(0);
