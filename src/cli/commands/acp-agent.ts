/** intercom acp-agent: started by a runner in the place of an agent that it drives (src/daemon/agents/acp). Not for people: in no help text. */
import { runAcpAgent } from '../../daemon/agents/acp/run.ts';

/** `<bridge.json> -- <agent> [arguments …]` */
export async function serve(args: readonly string[]): Promise<void> {
  const [file, dashes, command, ...rest] = args;
  if (file === undefined || dashes !== '--' || command === undefined) {
    process.stderr.write('error: acp-agent is started by intercom itself.\n  next: intercom missions --help\n');
    process.exitCode = 2;
    return;
  }
  const { env, stdin, stdout } = process;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM', listener: () => void) => void process.on(signal, listener);
  process.exitCode = await runAcpAgent({ file, command, args: rest, env, stdin, stdout, onSignal });
  // Its input may stay open as long as the runner lives.
  stdin.destroy();
}
