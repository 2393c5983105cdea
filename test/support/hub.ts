/**
 * A real hub in this process: its own home, free ports, its unix socket; reached as its users reach it. `startTestHub()` and, at the end, `stop()`.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { configOf, type Config } from '../../src/config/config.ts';
import { ConfigFile } from '../../src/config/schema.ts';
import { startHub, type RunningHub } from '../../src/hub/hub.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { privateDirectory } from '../../src/platform/files.ts';
import { bearer, JsonClient, signing } from '../../src/platform/http/client.ts';
import { silentLog, type Log } from '../../src/platform/log.ts';
import { resolvePaths, type Paths } from '../../src/platform/paths.ts';

export interface TestHubOptions {
  /** Keys of config.yml, as in the file. */
  readonly config?: Record<string, unknown>;
  readonly home?: string;
  readonly clock?: Clock;
  readonly log?: Log;
  readonly webFolder?: string;
  readonly tailscaleIp?: string;
  /** `hub.listen`; 127.0.0.1 unless told. */
  readonly listen?: readonly string[];
}

export interface TestHub {
  readonly hub: RunningHub;
  readonly home: string;
  readonly paths: Paths;
  readonly config: Config;
  /** http://127.0.0.1:<port> */
  readonly url: string;
  /** The operator API over the unix socket, as the first owner. */
  readonly operator: JsonClient;
  /** Makes a machine a member without the join, and gives a client that signs as it, and its secret. */
  machine(id: string): Promise<{ readonly client: JsonClient; readonly secret: string }>;
  /** A session cookie of an operator, as the browser would send it. */
  cookieOf(name: string): Promise<string>;
  /** A client with no credentials but these. */
  client(
    authorize?: (request: { method: string; path: string; body: Uint8Array }) => Record<string, string>,
  ): JsonClient;
  /** Stops the hub and starts it again on the same home. */
  restart(): Promise<TestHub>;
  stop(): Promise<void>;
}

export async function startTestHub(options: TestHubOptions = {}): Promise<TestHub> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'hub-')));
  const paths = resolvePaths({ INTERCOM_HOME: home });
  await privateDirectory(paths.config);
  const config = testConfig(options);
  const hub = await startHub({
    config,
    paths,
    log: options.log ?? silentLog(),
    version: '9.9.9',
    mode: 'hub',
    webFolder: options.webFolder ?? join(home, 'web'),
    tailscaleIp: async () => options.tailscaleIp,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  return facade(options, { hub, home, paths, config, url: hub.urls[0] ?? '' });
}

/** Port 0: the system chooses a free one. */
function testConfig({ config: given = {}, listen = ['127.0.0.1'] }: TestHubOptions): Config {
  const operators = [
    { name: 'ada', role: 'owner' },
    { name: 'bob', role: 'operator' },
    { name: 'eve', role: 'viewer' },
  ];
  const file = ConfigFile.parse({ operators, machine: { id: 'hubhost' }, ...given });
  const config = configOf(file, {}, { home: '/nowhere', hostname: 'hubhost' });
  return { ...config, hub: { ...config.hub, listen, port: 0 } };
}

async function facade(
  options: TestHubOptions,
  parts: Pick<TestHub, 'hub' | 'home' | 'paths' | 'config' | 'url'>,
): Promise<TestHub> {
  const { hub, home, paths, url } = parts;
  const key = (await readFile(paths.hubKey, 'utf8')).trim();
  const clients: JsonClient[] = [];
  const made = (client: JsonClient): JsonClient => {
    clients.push(client);
    return client;
  };
  const peer = { peer: 'the hub', unreachableNext: '' };
  const client: TestHub['client'] = (authorize) =>
    made(new JsonClient({ origin: url, ...peer, ...(authorize === undefined ? {} : { authorize }) }));
  const end = async (): Promise<void> => {
    for (const one of clients) await one.close();
    await hub.stop();
  };
  return {
    ...parts,
    operator: made(
      new JsonClient({ origin: 'http://hub', socketPath: paths.hubSocket, authorize: bearer(() => key), ...peer }),
    ),
    machine: async (id) => {
      const daemonUrl = 'http://127.0.0.1:9';
      const secret = await hub.admitLocal({ id, displayName: id, daemonUrl });
      return { client: client(signing(id, () => secret)), secret };
    },
    cookieOf: async (name) => {
      const operator = (await hub.services.operators.list()).find((one) => one.name === name);
      if (operator === undefined) throw new Error(`no operator ${name}`);
      const link = await hub.services.operators.signInLink({ operator, via: 'cli' });
      const response = await fetch(`${url}/api/operator/sign-in`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: url },
        body: JSON.stringify({ code: link.code }),
      });
      return z.string().parse(response.headers.get('set-cookie')).split(';')[0] ?? '';
    },
    client,
    restart: async () => {
      await end();
      return startTestHub({ ...options, home });
    },
    stop: async () => {
      await end();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
