/**
 * The machine API (protocol/machine-api.ts): what daemons ask. Every route is signed; who asks is taken from the signature alone.
 */
import { z } from 'zod';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Api, type Authenticate } from '../../platform/http/api.ts';
import type { SignedBy } from '../../platform/http/signed.ts';
import { MessageId, ThreadId } from '../../protocol/ids.ts';
import {
  AgentsResponse,
  CancelRequest,
  FeedbackRequest,
  HeartbeatRequest,
  HeartbeatResponse,
  HelloRequest,
  HelloResponse,
  MessageStatus,
  Ok,
  ProjectsRequest,
  ReceiptsRequest,
  ReceiptsResponse,
  SessionsRequest,
  SubmitRequest,
  SubmitResponse,
  ThreadPage,
} from '../../protocol/machine-api.ts';
import { Trace } from '../../protocol/model.ts';
import type { HubServices } from '../services.ts';
import { callerAddress } from './caller-address.ts';
import { machineAttentionRoutes } from './attention-routes.ts';
import { machineMissionRoutes } from './mission-routes.ts';
import { pageOf, PageQueryText } from './queries.ts';

const OK = { ok: true } as const;
const MessagePath = z.object({ id: MessageId });
const ThreadPath = z.object({ id: ThreadId });
const AgentsQuery = z.object({ filter: z.string().max(100).default('all') });

export interface MachineApiParts {
  readonly clock: Clock;
  /** The daemon's address as it may be used, or the refusal; `ip` is where the request came from. */
  readonly daemonUrl: (url: string, ip: string) => string;
}

export function machineApi(
  services: HubServices,
  authenticate: Authenticate<SignedBy>,
  parts: MachineApiParts,
): Api<SignedBy> {
  const api = new Api(authenticate);
  presenceRoutes(api, services, parts);
  messageRoutes(api, services);
  machineMissionRoutes(api, services);
  machineAttentionRoutes(api, services);
  return api;
}

function presenceRoutes(api: Api<SignedBy>, { registry }: HubServices, { clock, daemonUrl }: MachineApiParts): void {
  api.route(
    {
      method: 'POST',
      path: '/hello',
      summary: 'A daemon has started, or was asked to tell everything again',
      body: HelloRequest,
      answer: HelloResponse,
    },
    ({ auth, body, request }) =>
      registry.hello(auth.machine, { ...body, daemonUrl: daemonUrl(body.daemonUrl, callerAddress(request)) }),
  );
  api.route(
    {
      method: 'POST',
      path: '/heartbeat',
      summary: 'The daemon is there',
      body: HeartbeatRequest,
      answer: HeartbeatResponse,
    },
    ({ auth, body }) => registry.heartbeat(auth.machine, body),
  );
  api.route(
    { method: 'POST', path: '/sessions', summary: 'Sessions that changed', body: SessionsRequest, answer: Ok },
    async ({ auth, body }) => {
      await registry.sessionsChanged(auth.machine, body.sessions);
      return OK;
    },
  );
  api.route(
    { method: 'POST', path: '/projects', summary: 'The whole list of projects', body: ProjectsRequest, answer: Ok },
    async ({ auth, body }) => {
      await registry.projectsChanged(auth.machine, body.projects);
      return OK;
    },
  );
  api.route(
    { method: 'GET', path: '/agents', summary: 'The agents of the mesh', query: AgentsQuery, answer: AgentsResponse },
    async ({ query }) => ({ agents: await registry.agents(query.filter), at: isoTime(clock.now()) }),
  );
  api.route({ method: 'POST', path: '/leave', summary: 'The daemon stops for good', answer: Ok }, async ({ auth }) => {
    await registry.leave(auth.machine);
    return OK;
  });
}

function messageRoutes(api: Api<SignedBy>, { messaging }: HubServices): void {
  api.route(
    {
      method: 'POST',
      path: '/messages',
      summary: 'Messages of agents, as a batch',
      body: SubmitRequest,
      answer: SubmitResponse,
    },
    async ({ auth, body }) => ({ results: await messaging.submitFromMachine(auth.machine, body.items) }),
  );
  api.route(
    {
      method: 'POST',
      path: '/receipts',
      summary: 'What happened to messages, in order',
      body: ReceiptsRequest,
      answer: ReceiptsResponse,
    },
    async ({ auth, body }) => ({ results: await messaging.applyReceipts(auth.machine, body.items) }),
  );
  api.route(
    { method: 'GET', path: '/messages/:id', summary: 'The whole way of a message', params: MessagePath, answer: Trace },
    ({ auth, params }) => messaging.trace(params.id, { machineId: auth.machine }),
  );
  api.route(
    {
      method: 'POST',
      path: '/messages/:id/cancel',
      summary: 'Take a message back',
      params: MessagePath,
      body: CancelRequest,
      answer: MessageStatus,
    },
    ({ auth, params, body }) => messaging.cancel(params.id, { machineId: auth.machine }, body.reason),
  );
  api.route(
    {
      method: 'GET',
      path: '/threads/:id',
      summary: 'A conversation, oldest first',
      params: ThreadPath,
      query: PageQueryText,
      answer: ThreadPage,
    },
    ({ auth, params, query }) => messaging.thread(params.id, pageOf(query), { machineId: auth.machine }),
  );
  api.route(
    { method: 'POST', path: '/feedback', summary: 'What an agent wants improved', body: FeedbackRequest, answer: Ok },
    async ({ auth, body }) => {
      await messaging.feedback(auth.machine, body);
      return OK;
    },
  );
}
