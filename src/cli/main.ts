/**
 * Where the bundle starts. Loads only what the command needs: the version is a constant, the MCP server goes past the command parser,
 * everything else is imported by command (program.ts).
 */
import { VERSION } from '../platform/package.ts';

const args = process.argv.slice(2);
const [first] = args;

if (args.length === 1 && (first === '--version' || first === '-V')) {
  process.stdout.write(`${VERSION}\n`);
} else {
  const { runProcess } = await import('./run-process.ts');
  await runProcess(args);
}
