/**
 * The daemon put together: builds the parts, starts them in the order in which they need each other, and stops them the other way round.
 *
 * Order: the local socket first (a second daemon on the same home is refused before it touches anything), then store, projects, sessions and
 * delivery, then the network, then the hub. Calls that come while it starts wait until it has.
 */
import { randomUUID } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { listenAddresses } from '../config/listen.ts';
import { isoTime, type Clock } from '../platform/clock.ts';
import { privateDirectory, replaceFile, secretFile } from '../platform/files.ts';
import { listen } from '../platform/http/server.ts';
import type { Paths } from '../platform/paths.ts';
import { tailscaleIp } from '../platform/tailscale.ts';
import { IntercomError } from '../protocol/errors.ts';
import type { LocalStatus } from '../protocol/local-api.ts';
import { ProjectDirectory } from './discovery/project-directory.ts';
import { AnswerClaims } from './http/answer-claims.ts';
import { Gate } from './http/gate.ts';
import { LocalKey } from './http/local-caller.ts';
import { HookTally } from './http/hook-tally.ts';
import { localApp } from './http/local-server.ts';
import { NetworkListener } from './http/network-listener.ts';
import { networkApp } from './http/network-server.ts';
import { TerminalRelay } from './http/terminal-relay.ts';
import { launchParts } from './launcher/parts.ts';
import { Link, type Membership } from './link/hub-link.ts';
import { MachineProfile } from './link/machine-profile.ts';
import { MachineSecret } from './link/secret.ts';
import type { DaemonOptions } from './options.ts';
import type { SessionBook } from './ports.ts';
import { startSessions } from './session-parts.ts';
import type { QuestionCalls } from './sessions/question-desk.ts';
import { DaemonStore } from './store/store.ts';
import { claudeRecords } from './usage/claude-record.ts';
import { codexRecords } from './usage/codex-record.ts';
import { Usage } from './usage/usage.ts';

export interface Daemon {
  /** The unix socket of the local API. */
  readonly localSocket: string;
  /** Where the hub reaches this daemon. */
  readonly url: string;
  status(): Promise<LocalStatus>;
  stop(): Promise<void>;
}

const REVOKED_FACT = 'revoked';

/** Throws `conflict` when a daemon runs on this home already, or an address is taken; `storage_failed` or `storage_too_new`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { paths, log } = options;
  await privateDirectory(paths.state);
  const stops: (() => void | Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) {
      try {
        await one();
      } catch (error) {
        log.error({ err: error }, 'a part did not stop cleanly');
      }
    }
  };
  const gate = new Gate();
  try {
    const socket = await listen({ socket: paths.daemonSocket }, gate.listener, gate.upgrade);
    stops.push(() => socket.close());
    const parts = await build(options, stops, gate);
    return { ...parts, localSocket: paths.daemonSocket, stop };
  } catch (error) {
    gate.close();
    await stop();
    throw error;
  }
}

async function build(
  options: DaemonOptions,
  stops: (() => void | Promise<void>)[],
  gate: Gate,
): Promise<Pick<Daemon, 'url' | 'status'>> {
  const { config, paths, log, clock, version } = options;
  const machineId = options.hub?.machineId ?? config.machine.id;
  const home = options.home ?? homedir();
  const epoch = randomUUID();
  const startedAt = isoTime(clock.now());
  const key = await localKey(paths);
  const store = new DaemonStore({ file: paths.daemonDatabase, clock, log });
  stops.push(() => store.close());
  store.startHousekeeping();

  const projects = new ProjectDirectory({
    configured: config.projects,
    discovery: config.discovery,
    home,
    defaultAgent: config.agentLauncher.defaultCommand,
    facts: store.facts,
    clock,
    log,
  });
  stops.push(() => projects.stop());
  await projects.start();

  // Sessions, launcher, link and listener need each other; what is asked before all are there waits behind the gate.
  const late: { link?: Link; usage?: Usage; url: () => string } = { url: () => '' };
  const approvals: QuestionCalls = {
    raise: (request) => linkOf(late).missions.raiseApproval(request),
    close: (request) => linkOf(late).missions.closeApproval(request),
    effect: (effect) => linkOf(late).missions.effect(effect),
    state: (ref) => linkOf(late).people.approval(ref),
  };
  const ears = {
    noteHook: (agent: string, session: string) => late.usage?.noteHook(agent, session),
    noteStatusLine: async (payload: unknown) => late.usage?.noteStatusLine(payload),
  };
  const sessions = await startSessions(options, { machineId, home, store, projects, approvals, usage: ears }, stops);
  const { book, delivery, plain, hooks, managed, decisions, questions, servers, heard } = sessions;
  const { launcher, agents } = launchParts(options, {
    machineId,
    missions: store.missions,
    projects,
    managed,
    servers,
    onOffers: () => late.link?.greetAgain(),
  });
  stops.push(
    () => launcher.stop(),
    () => agents.stop(),
  );
  const membership = await membershipOf(options, clock);
  const { displayName, description } = config.machine;
  const profile = await MachineProfile.load({ displayName, description }, store.facts);
  const link = new Link({
    machineId,
    membership,
    store,
    projects,
    book,
    machine: () => profile.facts,
    missions: launcher,
    dialogs: decisions,
    daemonUrl: () => late.url(),
    version,
    epoch,
    clock,
    log,
  });
  late.link = link;
  if (membership !== undefined && (await store.facts.get(REVOKED_FACT, z.string())) === membership.secret.fingerprint) {
    link.revoked();
  }
  const { app, authenticate } = networkApp({
    machineId,
    version,
    epoch,
    secret: membership?.secret,
    link,
    inbox: store.inbox,
    missions: launcher,
    dialogs: decisions,
    hasProject: (id) => projects.has(id),
    isDegraded: () => store.fault !== undefined,
    onRevoked: async () => {
      await store.facts.set(REVOKED_FACT, membership?.secret.fingerprint);
      link.revoked();
    },
    clock,
    log,
  });
  const relayed = { terminals: launcher, clock, log };
  const forHub = new TerminalRelay({ ...relayed, path: '/api/hub/terminals/', authenticate, as: 'hub' });
  const network = new NetworkListener({
    addresses: () => addressesOf(options),
    listener: app,
    onUpgrade: forHub.upgrade,
    onChange: () => link.greetAgain(),
    clock,
    log,
  });
  late.url = () => network.urlFor(link.url);
  // Before the hub can send anything: what a daemon before left is found first.
  await launcher.start();
  stops.push(
    () => network.stop(),
    () => forHub.close(),
  );
  await network.start();

  const hookTally = new HookTally(clock, log);
  const status = async (): Promise<LocalStatus> => ({
    machineId,
    version,
    epoch,
    startedAt,
    hub: {
      url: link.url,
      state: link.state.name,
      ...(link.state.problem === undefined ? {} : { problem: link.state.problem }),
      since: link.state.since,
    },
    outbox: link.waiting,
    inbox: await store.inbox.waiting(),
    ...(store.fault === undefined ? {} : { storeProblem: `Nothing can be written: ${store.fault.message}` }),
    projects: projects.list().length,
    sessions: [...book.list()],
    hooks: hookTally.facts,
  });
  const claims = new AnswerClaims(delivery, clock);
  const local = {
    machineId,
    home,
    key,
    link,
    delivery,
    claims,
    book,
    runners: managed,
    projects,
    profile,
    plain,
    questions,
    hooks,
    hookTally,
    heard,
    status,
    clock,
    log,
  };
  const forLocal = new TerminalRelay({
    ...relayed,
    path: '/local/terminals/',
    authenticate: (request) => key.check(request),
    as: 'terminal',
  });
  stops.push(() => forLocal.close());
  gate.open(localApp({ ...local, inbox: store.inbox }), forLocal.upgrade);
  stops.push(() => link.stop());
  await link.start();
  late.usage = await startUsage(options, { home, store, book, link }, stops);
  log.info({ machineId, url: late.url(), hub: link.url === '' ? 'none' : link.url }, 'daemon started');
  return { url: late.url(), status };
}

/** After everything else: nothing waits for it. */
async function startUsage(
  { env = process.env, clock, log }: DaemonOptions,
  parts: { readonly home: string; readonly store: DaemonStore; readonly book: SessionBook; readonly link: Link },
  stops: (() => void | Promise<void>)[],
): Promise<Usage> {
  const { home, store, book, link } = parts;
  const usage = new Usage({
    sources: [
      claudeRecords(env.CLAUDE_CONFIG_DIR ?? join(home, '.claude')),
      codexRecords(env.CODEX_HOME ?? join(home, '.codex')),
    ],
    store,
    book,
    isOnline: () => link.reachable,
    send: (report) => link.usage.report(report),
    clock,
    log,
  });
  stops.push(() => usage.stop());
  link.state.onGreeted((epoch) => usage.reporter.greeted(epoch));
  await usage.start();
  return usage;
}

/** The key of the local API, also as a header file for curl, which must not have it on its command line. */
async function localKey(paths: Paths): Promise<LocalKey> {
  const key = await secretFile(paths.daemonKey);
  await replaceFile(paths.daemonKeyHeader, `Authorization: Bearer ${key}\n`);
  return new LocalKey(key);
}

async function membershipOf({ config, hub, paths }: DaemonOptions, clock: Clock): Promise<Membership | undefined> {
  const url = hub?.url ?? config.hub.url;
  const configured = hub?.secret ?? config.auth.token;
  if (url === undefined || configured === undefined) return undefined;
  return { url, secret: await MachineSecret.load(join(paths.state, 'machine.secret'), configured, clock) };
}

async function addressesOf({ config, hub }: DaemonOptions): Promise<{ host: string; port: number }[]> {
  const { daemonListen, daemonPort } = config.hub;
  if (hub !== undefined) return [{ host: '127.0.0.1', port: daemonPort }];
  const asksTailscale = daemonListen.includes('auto');
  return listenAddresses(
    daemonListen,
    daemonPort,
    asksTailscale ? await tailscaleIp(config.machine.tailscaleIp) : undefined,
  );
}

function linkOf({ link }: { readonly link?: Link }): Link {
  if (link !== undefined) return link;
  throw new IntercomError('unreachable', 'The daemon is still starting.', { next: 'Try again in a moment.' });
}
