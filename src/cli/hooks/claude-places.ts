/** Where Claude Code keeps what the hooks go into, and what is put there. */
import { join } from 'node:path';
import type { InstallOptions } from '../../daemon/agents/claude/install.ts';
import { packageRoot } from '../../platform/package.ts';
import type { Context } from '../io.ts';

export function claudePlaces({ io, paths }: Context): InstallOptions {
  const own = io.env.CLAUDE_CONFIG_DIR ?? '';
  const root = packageRoot();
  const home = io.env.INTERCOM_HOME ?? '';
  return {
    configDir: own === '' ? join(io.home, '.claude') : own,
    userFile: own === '' ? join(io.home, '.claude.json') : join(own, '.claude.json'),
    source: join(root, 'hooks'),
    hooksDir: paths.hooks,
    socket: paths.daemonSocket,
    keyHeader: paths.daemonKeyHeader,
    mcp: {
      // The full path of this Node: an agent started from a desktop has another PATH than a shell.
      command: process.execPath,
      args: [join(root, 'bin', 'intercom.js'), 'mcp-server'],
      ...(home === '' ? {} : { env: { INTERCOM_HOME: home } }),
    },
  };
}
