/** The daemon alone as a program, for tests that kill it. Says `ready` once it answers. */
import { loadConfig } from '../../src/config/load.ts';
import { startDaemon } from '../../src/daemon/daemon.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { createLog } from '../../src/platform/log.ts';
import { resolvePaths } from '../../src/platform/paths.ts';

const { config } = await loadConfig();
const daemon = await startDaemon({
  config: { ...config, hub: { ...config.hub, daemonPort: 0 } },
  paths: resolvePaths(process.env),
  log: createLog({ level: process.env.INTERCOM_LOG ?? 'error', name: 'daemon' }),
  clock: systemClock,
  version: '0.0.0-test',
});
// Nothing of ours keeps the process alive but the servers; say that we are there.
process.stdout.write('ready\n');
process.once('SIGTERM', () => void daemon.stop().then(() => process.exit(0)));
