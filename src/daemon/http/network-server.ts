/**
 * What the network sees of a daemon: the calls of its hub, signed, and two open ones that tell nothing of worth.
 *
 * Invariants: everything below /api/hub is signed in the name of `hub` with this machine's secret; a message is on disk before it is
 * acknowledged; nothing that a request says becomes a path.
 */
import type { IncomingMessage } from 'node:http';
import type { Express } from 'express';
import type { Clock } from '../../platform/clock.ts';
import { isoTime } from '../../platform/clock.ts';
import { Api, finishApp, newApp } from '../../platform/http/api.ts';
import { signedBy, signedUpgrade, type SignedBy } from '../../platform/http/signed.ts';
import type { Log } from '../../platform/log.ts';
import {
  DeliverRequest,
  DeliverResponse,
  InspectRequest,
  PingResponse,
  RotateRequest,
  type DeliverItem,
  type DeliverMessage,
  type DeliverMission,
} from '../../protocol/daemon-api.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { PROTOCOL_VERSION } from '../../protocol/limits.ts';
import { DiscoverResponse, HealthResponse, Ok, type MessageStatus } from '../../protocol/machine-api.ts';
import { Inspection } from '../../protocol/mission.ts';
import { HUB_SIGNER, NonceMemory } from '../../protocol/signing.ts';
import type { Link } from '../link/hub-link.ts';
import type { MachineSecret } from '../link/secret.ts';
import type { MissionDesk } from '../ports.ts';
import type { DecisionDesk } from '../sessions/managed.ts';
import type { Inbox } from '../store/inbox.ts';

export interface NetworkOptions {
  readonly machineId: string;
  readonly version: string;
  readonly epoch: string;
  /** Undefined: not joined, so nobody may call. */
  readonly secret: MachineSecret | undefined;
  readonly link: Link;
  readonly inbox: Inbox;
  readonly missions: Pick<MissionDesk, 'accept' | 'stopMission' | 'inspect'>;
  readonly dialogs: Pick<DecisionDesk, 'decided'>;
  readonly hasProject: (id: string) => boolean;
  /** Nothing can be stored now. */
  readonly isDegraded: () => boolean;
  /** The hub took this machine out of the mesh. */
  readonly onRevoked: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

type DeliverResult = DeliverResponse['results'][number];

export interface NetworkApp {
  readonly app: Express;
  /** Who asks for a WebSocket: the hub, signed like any other call. Throws the refusal. */
  readonly authenticate: (request: IncomingMessage) => void;
}

export function networkApp(options: NetworkOptions): NetworkApp {
  const { secret, link, clock } = options;
  const secrets = (machine: string): readonly string[] => secretsOf(machine, secret, link);
  // One memory: a request that was seen cannot come again as an upgrade.
  const nonces = new NonceMemory();
  const app = newApp();
  app.use(openApi(options).router);
  app.use(hubApi(options, new Api<SignedBy>(signedBy(secrets, clock, nonces))).router);
  finishApp(app, options.log);
  return { app, authenticate: signedUpgrade(secrets, clock, nonces) };
}

function openApi(options: NetworkOptions): Api<undefined> {
  const api = new Api<undefined>(() => undefined);
  api.route(
    { method: 'GET', path: '/api/health', summary: 'Whether the daemon works.', answer: HealthResponse },
    async () => ({
      status: options.isDegraded() ? ('degraded' as const) : ('ok' as const),
      version: options.version,
      mode: 'daemon',
    }),
  );
  api.route(
    { method: 'GET', path: '/api/discover', summary: 'What this server is.', answer: DiscoverResponse },
    async () => ({ hub: false, name: options.machineId, version: options.version, protocol: PROTOCOL_VERSION }),
  );
  return api;
}

function hubApi(options: NetworkOptions, api: Api<SignedBy>): Api<SignedBy> {
  const { secret, link, clock } = options;
  api.route(
    {
      method: 'POST',
      path: '/api/hub/deliver',
      summary: 'Messages, news and cancellations, in order; durable when answered.',
      body: DeliverRequest,
      answer: DeliverResponse,
    },
    async ({ body }) => {
      link.heardFromHub(body.hubEpoch);
      return { results: await deliver(options, body.items) };
    },
  );
  api.route(
    { method: 'POST', path: '/api/hub/rotate', summary: 'A new secret.', body: RotateRequest, answer: Ok },
    async ({ body }) => {
      await secret?.rotate(body);
      options.log.info('the hub gave this machine a new secret');
      return { ok: true as const };
    },
  );
  api.route(
    { method: 'POST', path: '/api/hub/revoked', summary: 'The machine is out of the mesh.', answer: Ok },
    async () => {
      await options.onRevoked();
      return { ok: true as const };
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/api/hub/inspect',
      summary: 'One look at a session that this machine runs.',
      body: InspectRequest,
      answer: Inspection,
    },
    async ({ body }) => options.missions.inspect(body.session, body.lines),
  );
  api.route({ method: 'GET', path: '/api/hub/ping', summary: 'Is it there?', answer: PingResponse }, async () => {
    link.heardFromHub();
    const { machineId, epoch, version } = options;
    return { machineId, epoch, version, time: isoTime(clock.now()) };
  });
  return api;
}

function secretsOf(machine: string, secret: MachineSecret | undefined, link: Link): readonly string[] {
  if (machine !== HUB_SIGNER) {
    throw new IntercomError('unknown_machine', 'Only the hub of this machine may call it.', {
      next: 'Send messages through the hub.',
    });
  }
  if (secret === undefined) {
    throw new IntercomError('unknown_machine', 'This machine has not joined a mesh.', {
      next: 'Run `intercom join` on it.',
    });
  }
  if (link.state.name === 'revoked') {
    throw new IntercomError('revoked', 'This machine was taken out of the mesh.', {
      next: 'Run `intercom join` on it.',
    });
  }
  return secret.accepted();
}

/**
 * Neighbours of one kind are stored together, in one flush to disk; whatever else comes is done after what was before it, so that the order of
 * the hub's outbox holds.
 */
async function deliver(
  options: NetworkOptions,
  items: readonly { readonly seq: number; readonly body: DeliverItem }[],
): Promise<DeliverResult[]> {
  const results = new Map<number, DeliverResult>();
  const mail = new Batch<DeliverMessage>((messages) => options.inbox.accept(messages), results);
  const missions = new Batch<DeliverMission>((found) => options.missions.accept(found), results);
  const news: MessageStatus[] = [];
  const inOrder = async (): Promise<void> => {
    await mail.store();
    await missions.store();
  };
  for (const { seq, body } of items) {
    switch (body.item) {
      case 'status':
        news.push(body.status);
        break;
      case 'message':
        if (options.hasProject(body.project)) mail.add(seq, body);
        else results.set(seq, { seq, result: 'refused', reason: noProject(body.project, options.machineId) });
        continue;
      case 'mission':
        missions.add(seq, body);
        continue;
      case 'cancel':
        await inOrder();
        await options.inbox.cancel(body.id, body.reason);
        break;
      case 'mission_stop':
        await inOrder();
        await options.missions.stopMission(body);
        break;
      case 'decision':
        options.dialogs.decided(body);
        break;
    }
    results.set(seq, { seq, result: 'stored' });
  }
  await Promise.all([inOrder(), options.link.takeNews(news)]);
  return items.flatMap(({ seq }) => results.get(seq) ?? []);
}

function noProject(project: string, machineId: string): string {
  return `there is no project "${project}" on ${machineId} (any more)`;
}

/** Items of one kind that are stored together. */
class Batch<T> {
  readonly #accept: (items: readonly T[]) => Promise<readonly ('stored' | 'known')[]>;
  readonly #results: Map<number, DeliverResult>;
  #waiting: { readonly seq: number; readonly item: T }[] = [];

  constructor(
    accept: (items: readonly T[]) => Promise<readonly ('stored' | 'known')[]>,
    results: Map<number, DeliverResult>,
  ) {
    this.#accept = accept;
    this.#results = results;
  }

  add(seq: number, item: T): void {
    this.#waiting.push({ seq, item });
  }

  async store(): Promise<void> {
    const stored = this.#waiting.splice(0);
    if (stored.length === 0) return;
    const outcome = await this.#accept(stored.map(({ item }) => item));
    stored.forEach(({ seq }, index) => this.#results.set(seq, { seq, result: outcome[index] ?? 'stored' }));
  }
}
