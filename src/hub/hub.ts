/**
 * The hub put together: builds the parts, connects them, starts them, and stops them in the opposite order.
 *
 * Invariants: two hubs never run on one store; nothing is sent before the hub listens; Telegram and Tailscale may fail or be slow without
 * anything else waiting for them; a store that cannot be written is a state that is shown, never a silent loss.
 */
import { createConnection } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { listenAddresses } from '../config/listen.ts';
import { systemClock, type CancelTimer, type Clock } from '../platform/clock.ts';
import { privateDirectory, secretFile } from '../platform/files.ts';
import type { Log } from '../platform/log.ts';
import { packageRoot } from '../platform/package.ts';
import type { Paths } from '../platform/paths.ts';
import { IntercomError } from '../protocol/errors.ts';
import type { Surface } from '../protocol/model.ts';
import type { HubStatus, SignInLink } from '../protocol/operator-api.ts';
import { PolicyEngine } from './approvals/policy-service.ts';
import { createHubCore, type HubCore } from './core.ts';
import { StoredEventLog } from './events.ts';
import { isLoopback } from './joins/daemon-url.ts';
import { newMachineSecret, StoredJoins } from './joins/joins.ts';
import { startHubHttp, type HubHttp } from './http/server.ts';
import { StoredNotices } from './notices/notices.ts';
import { ConfiguredOperators } from './operators/operators.ts';
import { pushKeys } from './push/keys.ts';
import { HubPush } from './push/push.ts';
import type { HubServices } from './services.ts';
import { hubStatus, takeSnapshot } from './snapshot.ts';
import { HubStore } from './store/hub-store.ts';
import { machineById } from './store/machines.ts';
import { lastSignOfLife } from './store/sign-of-life.ts';
import { setValue } from './store/values.ts';

export interface HubOptions {
  readonly config: Config;
  readonly paths: Paths;
  readonly log: Log;
  readonly version: string;
  readonly mode: 'hub' | 'standalone';
  readonly clock?: Clock;
  /** The folder of the built web app; the package's own unless told. */
  readonly webFolder?: string;
  /** This machine's Tailscale address; asked of Tailscale unless told. */
  readonly tailscaleIp?: () => Promise<string | undefined>;
}

export interface RunningHub {
  readonly services: HubServices;
  /** Where it listens, loopback first. Grows when the tailnet comes up. */
  readonly urls: readonly string[];
  /** Resolves when the first question to Tailscale is answered, so that `urls` is complete. */
  readonly settled: Promise<void>;
  /** A one-time link that signs the first owner in. */
  signInLink(): Promise<SignInLink>;
  /** Makes the machine of this very process a member (standalone) and gives its secret. Throws `revoked` if a person put it out. */
  admitLocal(machine: {
    readonly id: string;
    readonly displayName: string;
    readonly daemonUrl: string;
  }): Promise<string>;
  stop(): Promise<void>;
}

/** How often a store that could not be written is tried again. */
const PROBE_MS = 5_000;
/** How often a tailnet that was not there is looked for. */
const TAILNET_MS = 60_000;

/** Starts the hub. Throws in words when its store, its socket or its first address cannot be had. */
export async function startHub(options: HubOptions): Promise<RunningHub> {
  await privateDirectory(options.paths.state);
  await refuseSecondHub(options.paths.hubSocket);
  const hub = await Hub.build(options);
  try {
    await hub.start();
  } catch (error) {
    await hub.stop();
    throw error;
  }
  return hub;
}

interface Parts {
  readonly store: HubStore;
  readonly core: HubCore;
  readonly notices: StoredNotices;
  readonly policy: PolicyEngine;
  readonly joins: StoredJoins;
  readonly operators: ConfiguredOperators;
  readonly push: HubPush;
}

type Telegram = { stop(): Promise<void>; status(): Promise<HubStatus['telegram']> };

class Hub implements RunningHub {
  readonly services: HubServices;
  readonly #options: HubOptions;
  readonly #clock: Clock;
  readonly #parts: Parts;
  readonly #startedAt: number;
  readonly #timers: CancelTimer[] = [];
  #http: HubHttp | undefined;
  #telegram: Telegram | undefined;
  #settled: Promise<void> = Promise.resolve();
  #stopping: Promise<void> | undefined;

  static async build(options: HubOptions): Promise<Hub> {
    const { config, paths, log, version } = options;
    const clock = options.clock ?? systemClock;
    // The store may fail before there is anybody to tell.
    let notices: StoredNotices | undefined = undefined;
    let running: Hub | undefined = undefined;
    const baseUrl = (via: Surface): string => running?.baseUrl(via) ?? '';
    const store = await HubStore.open({
      file: paths.hubDatabase,
      log,
      onFault: (fault) => notices?.storeState(fault),
    });
    try {
      // Before anything of this run is in the log.
      const lastSign = await store.read(lastSignOfLife);
      const events = await StoredEventLog.open(store, clock, log);
      const shown = new StoredNotices(store, events, clock);
      notices = shown;
      const policyFile = config.hub.policyFile ?? paths.policyFile;
      const policy = await PolicyEngine.start({ file: policyFile, store, events, notices: shown, clock, log });
      const operators = new ConfiguredOperators({
        store,
        clock,
        operators: config.operators,
        baseUrl,
      });
      const core = await createHubCore({
        store,
        events,
        policy,
        clock,
        log,
        hubVersion: version,
        notices: shown,
        limits: config.limits,
        missionLimits: { depth: config.agentLauncher.maxDepth },
        retention: config.retention,
        operators: () => config.operators.map(({ name }) => name),
        lastSign,
      });
      const joins = joinsOf(options, clock, store, core);
      const push = new HubPush({
        ...{ store, clock, log, ...config.push },
        notifier: core.notifier,
        operators: () => config.operators.map(({ name }) => name),
        keys: await pushKeys(paths.pushKeys),
      });
      const parts = { store, core, notices: shown, policy, joins, operators, push };
      const hub = new Hub(options, clock, parts);
      running = hub;
      return hub;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  private constructor(options: HubOptions, clock: Clock, parts: Parts) {
    this.#options = options;
    this.#clock = clock;
    this.#parts = parts;
    this.#startedAt = clock.now();
    const { joins, policy, operators, notices, push } = parts;
    const { events, messaging, approvals, registry, missions, terminals, dialogs, attention, notifier } = parts.core;
    const services = {
      ...{ events, messaging, approvals, registry, joins, policy, operators, notices },
      ...{ missions, terminals, dialogs, attention, notifier, push },
    };
    this.services = { ...services, snapshot: (actor) => takeSnapshot(services, parts.store, clock, actor) };
  }

  get urls(): readonly string[] {
    return this.#http?.urls ?? [];
  }

  get settled(): Promise<void> {
    return this.#settled;
  }

  async start(): Promise<void> {
    const { config, log } = this.#options;
    this.#http = await this.#listen();
    await this.#parts.core.start();
    this.#parts.push.start();
    this.#timers.push(this.#clock.every(PROBE_MS, () => this.#probeStore()));
    this.#settled = this.#lookForTailnet();
    if (config.telegram.botToken !== undefined) await this.#startTelegram();
    log.info({ urls: this.urls, mode: this.#options.mode }, 'the hub runs');
  }

  signInLink(): Promise<SignInLink> {
    const { operators } = this.#parts;
    return operators.signInLink({ operator: operators.firstOwner, via: 'cli' });
  }

  async admitLocal(machine: { id: string; displayName: string; daemonUrl: string }): Promise<string> {
    const { store } = this.#parts;
    const { registry } = this.#parts.core;
    if (registry.standing(machine.id) !== 'unknown') {
      const [secret] = registry.secretsOf(machine.id);
      if (secret !== undefined) return secret;
    }
    const secret = newMachineSecret();
    await store.write((transaction) => registry.admit(transaction, { ...machine, secret }));
    return secret;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { log } = this.#options;
    const { policy, core, push, store } = this.#parts;
    for (const cancel of this.#timers.splice(0)) cancel();
    // Whatever one part does at its end, the others end too, and the store last.
    const parts: (() => Promise<void> | void)[] = [
      () => this.#telegram?.stop(),
      () => this.#http?.close(),
      () => push.stop(),
      () => core.stop(),
      () => policy.stop(),
      () => store.close(),
    ];
    for (const stop of parts) {
      try {
        await stop();
      } catch (error) {
        log.error({ err: error }, 'a part of the hub did not stop well');
      }
    }
  }

  async #listen(): Promise<HubHttp> {
    const { config, paths, log, version, mode } = this.#options;
    const { operators, notices } = this.#parts;
    return startHubHttp({
      services: this.services,
      facts: {
        version,
        mode,
        name: config.machine.displayName,
        isWell: () => notices.storeFault === undefined,
      },
      status: () => this.#status(),
      names: { hostname: hostname(), dashboardUrl: config.hub.dashboardUrl },
      addresses: listenAddresses(config.hub.listen, config.hub.port, undefined),
      socket: paths.hubSocket,
      socketKey: await secretFile(paths.hubKey),
      owner: () => operators.firstOwner,
      allowAnyDaemonUrl: config.hub.allowAnyDaemonUrl,
      webFolder: this.#options.webFolder ?? join(packageRoot(), 'dist', 'pwa'),
      clock: this.#clock,
      log,
    });
  }

  #status(): Promise<HubStatus> {
    return hubStatus({
      services: this.services,
      store: this.#parts.store,
      version: this.#options.version,
      mode: this.#options.mode,
      startedAt: this.#startedAt,
      urls: () => this.urls,
      telegram: () => this.#telegram?.status() ?? Promise.resolve({ state: 'off', outbox: 0 }),
      storeFault: () => this.#parts.notices.storeFault,
    });
  }

  /** Links for a phone must not point at loopback, links for this terminal should. */
  private baseUrl(via: Surface): string {
    const { dashboardUrl } = this.#options.config.hub;
    if (dashboardUrl !== undefined) return dashboardUrl;
    const own = this.urls.find((url) => isLoopback(hostOf(url)));
    const other = this.urls.find((url) => !isLoopback(hostOf(url)));
    const first = via === 'telegram' || via === 'web' ? (other ?? own) : (own ?? other);
    return first ?? `http://127.0.0.1:${this.#options.config.hub.port}`;
  }

  /** Listens on the tailnet as soon as there is one; the hub does not wait for it. */
  async #lookForTailnet(): Promise<void> {
    const { config, log } = this.#options;
    const { listen, port } = config.hub;
    if (!listen.includes('auto')) return;
    try {
      const ip = await this.#tailscaleIp();
      if (this.#stopping !== undefined) return;
      if (ip !== undefined) {
        for (const address of listenAddresses(['auto'], port, ip)) {
          if (address.host === ip) await this.#http?.add(address);
        }
        log.info({ urls: this.urls }, 'listening on the tailnet');
        return;
      }
    } catch (error) {
      log.warn({ err: error }, 'the Tailscale address cannot be listened on yet');
    }
    this.#timers.push(this.#clock.after(TAILNET_MS, () => void this.#lookForTailnet()));
  }

  async #tailscaleIp(): Promise<string | undefined> {
    const { config, tailscaleIp: told } = this.#options;
    if (config.machine.tailscaleIp !== undefined) return config.machine.tailscaleIp;
    if (told !== undefined) return told();
    const { tailscaleIp } = await import('../platform/tailscale.ts');
    return tailscaleIp(undefined);
  }

  async #startTelegram(): Promise<void> {
    const { config, log } = this.#options;
    try {
      const [{ startTelegram }, { SqliteTelegramStore }] = await Promise.all([
        import('./telegram/telegram.ts'),
        import('./store/telegram.ts'),
      ]);
      this.#telegram = startTelegram({
        services: this.services,
        config: config.telegram,
        pageUrl: () => config.hub.dashboardUrl,
        store: new SqliteTelegramStore(this.#parts.store.database),
        clock: this.#clock,
        log,
      });
    } catch (error) {
      log.error({ err: error }, 'Telegram could not be started; everything else runs');
    }
  }

  /** A disk that has room again is noticed although nobody writes. */
  #probeStore(): void {
    const { notices, store } = this.#parts;
    if (notices.storeFault === undefined) return;
    store.write(({ db }) => setValue(db, 'probe', String(this.#clock.now()))).catch(() => undefined);
  }
}

function joinsOf({ config }: HubOptions, clock: Clock, store: HubStore, { approvals, registry }: HubCore): StoredJoins {
  const joins = new StoredJoins({
    store,
    clock,
    expirySeconds: config.limits.joinExpirySeconds,
    allowAnyDaemonUrl: config.hub.allowAnyDaemonUrl,
    needs: {
      ask: (transaction, subject, expiresAt) =>
        approvals.create(transaction, {
          subject,
          rule: 'every machine is let in by an owner',
          scopes: ['once'],
          expiresAt,
        }),
      isKnown: async ({ db }, id) => (await machineById(db, id)) !== undefined,
      admit: (transaction, machine) => registry.admit(transaction, machine),
    },
  });
  approvals.register(['join'], joins.handler);
  return joins;
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

/** Before the store is opened: a second hub would send what the first one sends. */
function refuseSecondHub(socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createConnection(socket);
    probe.once('error', () => resolve());
    probe.once('connect', () => {
      probe.destroy();
      reject(
        new IntercomError('conflict', `A hub already runs here (${socket} is in use).`, {
          next: 'Stop it first, or set INTERCOM_HOME to run a second one beside it.',
        }),
      );
    });
  });
}
