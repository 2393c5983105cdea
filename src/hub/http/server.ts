/**
 * The hub's HTTP surface put together: one app on loopback, the Tailscale address and the unix socket; routers for the open calls, the machines
 * and the operators; the event stream; the web app.
 *
 * Invariants: what came over the unix socket is known by its connection, never by anything that a request says; every TCP request names a
 * host of ours; whatever fails leaves as ErrorBody.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Express, NextFunction, Request, Response } from 'express';
import type { Clock } from '../../platform/clock.ts';
import { finishApp, newApp, type Api } from '../../platform/http/api.ts';
import { openApiDocument, type OpenApiSection } from '../../platform/http/openapi.ts';
import { listen, type ListenAddress, type Listening, type UpgradeListener } from '../../platform/http/server.ts';
import { signedBy, type SignedBy } from '../../platform/http/signed.ts';
import type { Log } from '../../platform/log.ts';
import { RateLimit } from '../../platform/rate-limit.ts';
import type { HubStatus } from '../../protocol/operator-api.ts';
import type { Actor, HubServices } from '../services.ts';
import { checkedDaemonUrl } from '../joins/daemon-url.ts';
import { checkHost, type OwnNames } from './hosts.ts';
import { machineApi } from './machine-api.ts';
import { openRoutes, type HubFacts } from './open-api-routes.ts';
import { operatorApi } from './operator-api.ts';
import { OperatorAuth, type Caller } from './operator-auth.ts';
import { SessionCookies, signInRoutes } from './sign-in-routes.ts';
import { EventStreams } from './stream.ts';
import { TerminalRelay, TERMINALS_PATH } from './terminal-relay.ts';
import { securityHeaders, WebApp } from './web-app.ts';

export interface HubHttpOptions {
  readonly services: HubServices;
  readonly facts: HubFacts;
  readonly status: () => Promise<HubStatus>;
  readonly names: OwnNames;
  /** TCP addresses; the first one must be there, the others may be missing (a tailnet that is down): that is logged. */
  readonly addresses: readonly ListenAddress[];
  /** The unix socket and its key. */
  readonly socket: string;
  readonly socketKey: string;
  /** In whose name the unix socket acts. */
  readonly owner: () => Actor['operator'];
  /** `hub.allow_any_daemon_url` */
  readonly allowAnyDaemonUrl: boolean;
  /** The folder of the built web app. */
  readonly webFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HubHttp {
  /** Where it listens, as URLs; loopback first. */
  readonly urls: readonly string[];
  /** Listens on one more address. */
  add(address: ListenAddress): Promise<void>;
  close(): Promise<void>;
}

/** Starts listening. Throws `conflict` or `invalid_config` when the unix socket or the first address cannot be had. */
export async function startHubHttp(options: HubHttpOptions): Promise<HubHttp> {
  const { clock, log } = options;
  const local = new WeakSet<IncomingMessage>();
  const cookies = new SessionCookies(instanceOf(options.socket), options.names);
  const auth = new OperatorAuth({
    operators: options.services.operators,
    names: options.names,
    cookieName: cookies.name,
    socketKey: options.socketKey,
    owner: options.owner,
    isLocal: (request) => local.has(request),
  });
  const streams = new EventStreams({
    events: options.services.events,
    attention: options.services.attention,
    ...{ auth, clock, log },
  });
  const terminals = new TerminalRelay({ terminals: options.services.terminals, auth, clock, log });
  const upgrade: UpgradeListener = (request, socket, head) => {
    const target = request.url?.startsWith(TERMINALS_PATH) === true ? terminals : streams;
    target.upgrade(request, socket, head);
  };
  const app = appOf(options, auth, cookies, (request) => local.has(request));
  const open: Listening[] = [];
  const add = async (address: ListenAddress): Promise<void> => {
    open.push(await listen(address, app, upgrade));
  };
  const close = async (): Promise<void> => {
    streams.close();
    terminals.close();
    await Promise.all(open.map((one) => one.close()));
  };
  try {
    open.push(await listenLocally(options.socket, local, app, upgrade));
    const [first, ...others] = options.addresses;
    if (first !== undefined) await add(first);
    for (const address of others) {
      await add(address).catch((error: unknown) => log.warn({ err: error }, 'an address cannot be listened on'));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get urls() {
      return open.flatMap((one) => ('socket' in one.address ? [] : [urlOf(one.address.host, one.port)]));
    },
    add,
    close,
  };
}

function listenLocally(
  socket: string,
  local: WeakSet<IncomingMessage>,
  app: Express,
  upgrade: UpgradeListener,
): Promise<Listening> {
  return listen(
    { socket },
    (request, response) => {
      local.add(request);
      app(request, response);
    },
    (request, connection, head) => {
      local.add(request);
      upgrade(request, connection, head);
    },
  );
}

function appOf(
  options: HubHttpOptions,
  auth: OperatorAuth,
  cookies: SessionCookies,
  isLocal: (request: Request) => boolean,
): Express {
  const { services, clock, log, facts, names } = options;
  const app = newApp();
  app.use(securityHeaders);
  app.use((request: Request, _response: Response, next: NextFunction) => {
    if (!isLocal(request)) checkHost(request.headers.host, names);
    next();
  });
  const attempts = new RateLimit({ clock, perCaller: 10, total: 100, what: 'sign-in attempts' });
  const open = openRoutes(services, facts);
  const machine = machineApi(
    services,
    signedBy((id) => services.registry.secretsOf(id), clock),
    { clock, daemonUrl: (url, ip) => checkedDaemonUrl(url, { ip, allowAny: options.allowAnyDaemonUrl }) },
  );
  const signIn = signInRoutes({ services, auth, attempts, cookies, version: facts.version });
  const operator = operatorApi({
    services,
    auth,
    clock,
    version: facts.version,
    status: options.status,
    clearCookie: (request) => cookies.clear(request),
  });
  const document = (): unknown => openApiDocument(facts.version, sectionsOf(open, machine, signIn, operator));
  operator.route({ method: 'GET', path: '/openapi.json', summary: 'This description' }, async () => document());
  app.use('/api', open.router);
  app.use('/api/machine', machine.router);
  app.use('/api/operator', signIn.router);
  app.use('/api/operator', operator.router);
  app.use(new WebApp(options.webFolder, clock).handler);
  finishApp(app, log);
  return app;
}

function sectionsOf(
  open: Api<undefined>,
  machine: Api<SignedBy>,
  signIn: Api<undefined>,
  operator: Api<Caller>,
): OpenApiSection[] {
  return [
    { name: 'open', description: 'Anybody on the network', base: '/api', routes: open.routes },
    {
      name: 'machine',
      description: 'Daemons; every request is signed',
      base: '/api/machine',
      routes: machine.routes,
      security: 'signature',
    },
    { name: 'sign-in', description: 'One-time codes', base: '/api/operator', routes: signIn.routes },
    {
      name: 'operator',
      description: 'People, from the web app or the command line',
      base: '/api/operator',
      routes: operator.routes,
      security: 'session',
    },
  ];
}

/** Keeps the cookies of several hubs on one host apart. */
function instanceOf(socket: string): string {
  return createHash('sha256').update(socket).digest('hex').slice(0, 8);
}

function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
