/**
 * `intercom runner <folder>`: the process that the daemon starts for each agent. Reads the spec, runs the agent, and goes when everything is told.
 *
 * Invariants: SIGTERM and SIGINT end the agent, then the runner; a fault nobody caught kills the agent's group before the runner dies.
 */
import { systemClock } from '../../platform/clock.ts';
import { createLog } from '../../platform/log.ts';
import { Runner } from './runner.ts';
import { readSpec } from './spec.ts';

const STOP_GRACE_MS = 5_000;

export async function runRunner(directory: string): Promise<void> {
  const log = createLog({ level: 'warn', name: 'runner' });
  const spec = await readSpec(directory);
  // The daemon's end is none of ours: its terminal may go.
  process.on('SIGHUP', () => undefined);
  const runner = await Runner.prepare({ spec, directory, clock: systemClock, log });
  const fault = (error: unknown): void => {
    log.fatal({ err: error }, 'a fault of the runner');
    runner.killNow();
    process.exit(1);
  };
  process.on('uncaughtException', fault);
  process.on('unhandledRejection', fault);
  process.on('exit', () => runner.killNow());
  const end = (): void => {
    runner.stop(STOP_GRACE_MS).then(() => runner.close(), fault);
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  await runner.start();
  await runner.finished;
  process.exit(0);
}
