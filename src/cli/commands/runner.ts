/** intercom runner <folder>: hidden; the daemon starts one for each agent. main.ts comes here without the command parser. */
import { runRunner } from '../../daemon/runner/main.ts';

export async function serve(directory: string): Promise<void> {
  await runRunner(directory);
}
