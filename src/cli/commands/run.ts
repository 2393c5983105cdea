/** intercom hub · daemon · standalone: starts the parts, says where they are, and stops them once at a signal. */
import type { Command } from 'commander';
import type { Config } from '../../config/config.ts';
import { logLevel } from '../../config/env.ts';
import type { Daemon } from '../../daemon/daemon.ts';
import type { DaemonOptions, OwnHub } from '../../daemon/options.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { systemClock } from '../../platform/clock.ts';
import { createLog } from '../../platform/log.ts';
import { VERSION } from '../../platform/package.ts';
import { loadAloud } from '../clients/config.ts';
import type { Context } from '../io.ts';
import { safe, styleFor } from '../print/style.ts';
import { relative } from '../print/time.ts';
import { plural } from '../print/words.ts';
import { keepNewestBackups } from '../store-backups.ts';

type Mode = 'hub' | 'daemon' | 'standalone';

const SUMMARY: Readonly<Record<Mode, string>> = {
  hub: 'Run the hub of a mesh. Machines join it with `intercom join`.',
  daemon: 'Run the daemon of this machine; `intercom join` makes it part of a mesh first.',
  standalone: 'Run hub and daemon in one process: all that one machine needs. Other machines can join it.',
};

/** How long the banner waits for the address on the tailnet, milliseconds; it may come later. */
const SETTLE_MS = 1_000;

export function define(program: Command, context: () => Context): void {
  for (const mode of ['hub', 'daemon', 'standalone'] as const) {
    program
      .command(mode)
      .description(SUMMARY[mode])
      .action(() => run(context(), mode));
  }
}

interface Parts {
  readonly hub: RunningHub | undefined;
  readonly daemon: Daemon | undefined;
}

async function run(context: Context, mode: Mode): Promise<void> {
  const { io } = context;
  const { config } = await loadAloud(context);
  if (io.signal.aborted) return;
  const parts = await start(context, mode, config);
  try {
    await banner(context, mode, config, parts);
    await aborted(io.signal);
    if (io.tty) io.err('\nStopping …\n');
  } finally {
    await stop(parts);
  }
}

async function start(context: Context, mode: Mode, config: Config): Promise<Parts> {
  const { io, paths } = context;
  // A person at a terminal reads the banner; a service's log tells more.
  const log = createLog({ level: logLevel(io.env, io.errTty ? 'warn' : 'info'), name: mode });
  const common = { config, paths, log, version: VERSION, clock: systemClock };
  const parts = await startParts(context, mode, common);
  // Only now: a start that failed may need any of them.
  for (const store of [paths.hubDatabase, paths.daemonDatabase]) {
    const gone = await keepNewestBackups(store, config.retention.backups, (error) =>
      log.warn({ err: error }, 'an old copy of a store could not be deleted'),
    );
    if (gone.length > 0) log.info({ gone }, 'old copies of a store were deleted (retention.backups)');
  }
  return parts;
}

async function startParts(context: Context, mode: Mode, common: Common): Promise<Parts> {
  const { config } = common;
  if (mode === 'daemon') return { hub: undefined, daemon: await startDaemonWith(context, common, undefined) };
  const { startHub } = await import('../../hub/hub.ts');
  const hub = await startHub({ ...common, mode });
  if (mode === 'hub') return { hub, daemon: undefined };
  try {
    const { id, displayName } = config.machine;
    const daemonUrl = `http://127.0.0.1:${config.hub.daemonPort}`;
    const secret = await hub.admitLocal({ id, displayName, daemonUrl });
    const url = hub.urls[0] ?? `http://127.0.0.1:${config.hub.port}`;
    return { hub, daemon: await startDaemonWith(context, common, { url, machineId: id, secret }) };
  } catch (error) {
    await hub.stop();
    throw error;
  }
}

type Common = Omit<DaemonOptions, 'hub' | 'env' | 'home'>;

async function startDaemonWith({ io }: Context, common: Common, hub: OwnHub | undefined): Promise<Daemon> {
  const { startDaemon } = await import('../../daemon/daemon.ts');
  return startDaemon({ ...common, env: io.env, home: io.home, ...(hub === undefined ? {} : { hub }) });
}

async function stop({ hub, daemon }: Parts): Promise<void> {
  // The daemon first: what it still has to tell goes to a hub that is there.
  await daemon?.stop();
  await hub?.stop();
}

async function banner({ io }: Context, mode: Mode, config: Config, { hub, daemon }: Parts): Promise<void> {
  const style = styleFor(io.colour);
  const line = (name: string, text: string): void => io.out(`  ${style.dim(name.padEnd(10))} ${text}\n`);
  io.out(
    `${style.green('●')} ${style.bold(`intercom ${mode}`)} ${style.dim(`${VERSION}, machine ${config.machine.id}`)}\n`,
  );
  if (hub !== undefined) {
    await Promise.race([hub.settled, new Promise<void>((resolve) => void systemClock.after(SETTLE_MS, resolve))]);
    hub.urls.forEach((url, index) => line(index === 0 ? 'web page' : '', style.cyan(url)));
    // What a service manager reads becomes a log, and a log is no place for a sign-in link.
    if (io.env.JOURNAL_STREAM === undefined) {
      const link = await hub.signInLink();
      line('sign in', style.cyan(style.bold(link.url)));
      line('', style.dim(`works once, ends ${relative(link.expiresAt, io.now())}; another: intercom login --link`));
    } else {
      line('sign in', 'intercom login --link');
    }
    line(
      'Telegram',
      config.telegram.botToken === undefined
        ? style.dim('off (optional)')
        : 'starting; intercom status shows how it is',
    );
  }
  if (daemon !== undefined && hub === undefined) await daemonLines(daemon, line, style.yellow);
  if (mode === 'standalone')
    line(
      'next',
      `${style.cyan('intercom hooks install')} ${style.dim('for Claude Code, or')} ${style.cyan('intercom demo')}`,
    );
  if (io.tty) io.out(style.dim('  Ctrl-C stops it.\n'));
}

async function daemonLines(
  daemon: Daemon,
  line: (name: string, text: string) => void,
  paint: (text: string) => string,
): Promise<void> {
  const { hub, projects, sessions } = await daemon.status();
  if (hub.state === 'not_joined') line('hub', `${paint('not part of a mesh yet')}: intercom join`);
  else line('hub', safe(hub.url));
  line('here', `${daemon.url} · ${plural(projects, 'project')} · ${plural(sessions.length, 'session')}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
