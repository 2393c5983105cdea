/**
 * Where the bundle starts. Loads only what the command needs: the version is a constant put in by the build, the MCP server goes past the
 * command parser, everything else is imported by command (program.ts). No static import here: each file costs its share of the start.
 */
declare const INTERCOM_VERSION: string | undefined;

const args = process.argv.slice(2);
const [first] = args;

if (args.length === 1 && (first === '--version' || first === '-V') && typeof INTERCOM_VERSION === 'string') {
  process.stdout.write(`${INTERCOM_VERSION}\n`);
} else if (args.length === 1 && first === 'mcp-server') {
  const { serve } = await import('./commands/mcp-server.ts');
  await serve();
} else if (first === 'acp-agent') {
  const { serve } = await import('./commands/acp-agent.ts');
  await serve(args.slice(1));
} else if (args.length === 2 && first === 'runner') {
  const { serve } = await import('./commands/runner.ts');
  await serve(args[1] ?? '');
} else {
  const { runProcess } = await import('./run-process.ts');
  await runProcess(args);
}

export {};
