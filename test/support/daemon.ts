/**
 * A real daemon with a home of its own: in this process (`TestDaemon.start`) or as a process that can be killed (`DaemonProcess`). Its
 * configuration is made by the product's own loader from YAML.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/config.ts';
import { startDaemon, type Daemon } from '../../src/daemon/daemon.ts';
import type { DaemonOptions } from '../../src/daemon/options.ts';
import { systemClock, type Clock } from '../../src/platform/clock.ts';
import { LocalClient, type CallerFacts } from '../../src/platform/local-client.ts';
import { silentLog } from '../../src/platform/log.ts';
import { resolvePaths, type Paths } from '../../src/platform/paths.ts';
import type { FakeHub } from './fake-hub.ts';

/** A directory for INTERCOM_HOME, the user's home, and what else a test needs; removed by `remove`. */
export class TestHome {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'intercom-daemon-')));
  readonly env: NodeJS.ProcessEnv;
  readonly paths: Paths;
  /** The home directory of the person. */
  readonly user: string;

  constructor() {
    this.user = join(this.root, 'user');
    mkdirSync(this.user);
    this.env = { PATH: '/usr/bin:/bin', HOME: this.user, INTERCOM_HOME: join(this.root, 'i') };
    this.paths = resolvePaths(this.env, this.user);
  }

  /** Makes a directory of the person's home. */
  directory(path: string): string {
    const made = join(this.user, path);
    mkdirSync(made, { recursive: true });
    return made;
  }

  /** Writes the configuration: joined to `hub`, if one is given. */
  configure(hub?: FakeHub, more = ''): void {
    mkdirSync(this.paths.config, { recursive: true });
    const joined = hub === undefined ? '' : `\n  url: ${hub.url}\nauth:\n  token: ${hub.secret}`;
    const machine = hub?.machineId ?? 'laptop';
    const text = `mode: daemon\nmachine:\n  id: ${machine}\n${more}\nhub:\n  daemon_listen: 127.0.0.1${joined}\n`;
    writeFileSync(this.paths.configFile, text, { mode: 0o600 });
  }

  async config(): Promise<Config> {
    const { config } = await loadConfig({ env: this.env, home: this.user, hostname: 'laptop' });
    // Any free port: several daemons run at the same time in the tests.
    return { ...config, hub: { ...config.hub, daemonPort: 0 } };
  }

  client(caller: CallerFacts = { cwd: this.user }): LocalClient {
    return LocalClient.at(this.paths, () => caller);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Starts a daemon in this process. */
export async function startTestDaemon(
  home: TestHome,
  clock: Clock = systemClock,
  more: Partial<DaemonOptions> = {},
): Promise<Daemon> {
  return startDaemon({
    config: await home.config(),
    paths: home.paths,
    log: silentLog(),
    clock,
    version: '0.0.0-test',
    env: home.env,
    home: home.user,
    ...more,
  });
}

/** A daemon as a process of its own, from a bundle of daemon-entry.ts. */
export class DaemonProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it answers. */
  static async start(bundle: string, home: TestHome): Promise<DaemonProcess> {
    const child = spawn(process.execPath, [bundle], { env: home.env, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${String(code)} before it was ready`)));
      child.stdout.once('data', () => resolve());
    });
    return new DaemonProcess(child);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** SIGKILL; gone when it resolves. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; gone when it resolves. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill(signal);
    await gone;
  }
}
