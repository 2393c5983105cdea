/**
 * The operator API (protocol/operator-api.ts): what a person asks of the hub, from the web app or the command line. Each route names the
 * role that it needs; who calls is known before anything of the request is looked at.
 */
import type { Request } from 'express';
import { z } from 'zod';
import { isoTime, type Clock } from '../../platform/clock.ts';
import { Api } from '../../platform/http/api.ts';
import { MachineId } from '../../protocol/address.ts';
import { ApprovalId, GrantId, MessageId, ThreadId } from '../../protocol/ids.ts';
import { AgentsResponse, CancelRequest, MessageStatus, Ok, ThreadPage } from '../../protocol/machine-api.ts';
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import { Approval, ApprovalState, Grant, Machine, PolicyVerdict, Trace, type Role } from '../../protocol/model.ts';
import {
  ApprovalsPage,
  DecisionRequest,
  EventsPage,
  GrantsPage,
  HubStatus,
  MachinePatch,
  MachinesPage,
  Me,
  MessagesPage,
  OperatorSubmit,
  PolicyTest,
  PolicyView,
  SignInLink,
  Snapshot,
  ThreadsPage,
} from '../../protocol/operator-api.ts';
import type { HubServices } from '../services.ts';
import { operatorAttentionRoutes } from './attention-routes.ts';
import { operatorMissionRoutes } from './mission-routes.ts';
import type { RoleRoute } from './role-route.ts';
import { requireRole, type Caller, type OperatorAuth } from './operator-auth.ts';
import { countText, pageOf, PageQueryText, positionOf, secondsText } from './queries.ts';

export interface OperatorApiParts {
  readonly services: HubServices;
  readonly auth: OperatorAuth;
  readonly version: string;
  readonly clock: Clock;
  readonly status: () => Promise<HubStatus>;
  /** Forgets the cookie in the browser. */
  readonly clearCookie: (request: Request) => string;
}

const OK = { ok: true } as const;
const MessagePath = z.object({ id: MessageId });
const MachinePath = z.object({ id: MachineId });
const EVENTS_PAGE_MAX = 500;

export function operatorApi(parts: OperatorApiParts): Api<Caller> {
  const api = new Api<Caller>((request) => parts.auth.authenticate(request, isWrite(request)));
  const needs =
    (role: Role): RoleRoute =>
    (spec, handler) =>
      api.route(
        spec,
        (context) => handler(context, context.auth.actor),
        (caller) => requireRole(caller.actor, role),
      );
  accountRoutes(parts, needs);
  overviewRoutes(parts, needs('viewer'));
  approvalRoutes(parts, needs);
  messageRoutes(parts, needs);
  machineRoutes(parts, needs);
  policyRoutes(parts, needs);
  operatorMissionRoutes(parts.services, needs('viewer'), needs('operator'));
  operatorAttentionRoutes(parts.services, needs('viewer'));
  return api;
}

type Needs = (role: Role) => RoleRoute;

function accountRoutes({ services, version, clearCookie }: OperatorApiParts, needs: Needs): void {
  needs('viewer')({ method: 'GET', path: '/me', summary: 'Who is signed in', answer: Me }, async (_, actor) => ({
    operator: actor.operator,
    hubVersion: version,
  }));
  needs('viewer')(
    { method: 'POST', path: '/sign-out', summary: 'End this web session or this token', answer: Ok },
    async ({ auth, request, response }) => {
      if (auth.token !== undefined) await services.operators.signOut(auth.token);
      response.setHeader('Set-Cookie', clearCookie(request));
      return OK;
    },
  );
  needs('owner')(
    { method: 'POST', path: '/sign-in/links', summary: 'A one-time sign-in link', answer: SignInLink },
    (_, actor) => services.operators.signInLink(actor),
  );
}

function overviewRoutes({ services, status, clock }: OperatorApiParts, route: RoleRoute): void {
  route({ method: 'GET', path: '/snapshot', summary: 'All that a first screen needs', answer: Snapshot }, (_, actor) =>
    services.snapshot(actor),
  );
  route(
    {
      method: 'GET',
      path: '/events',
      summary: 'Events after a place, oldest first',
      query: z.object({
        after: z
          .string()
          .max(100)
          .refine((text) => positionOf(text) !== undefined, { message: 'not a place like epoch:12' })
          .optional(),
        limit: countText(EVENTS_PAGE_MAX, 100),
      }),
      answer: EventsPage,
    },
    async ({ query }) => {
      const { events } = services;
      const from = query.after === undefined ? undefined : positionOf(query.after);
      const epoch = from?.epoch ?? events.epoch;
      const seq = from?.seq ?? Math.max(0, events.lastSeq - query.limit);
      const page = await events.after(epoch, seq, query.limit);
      return { epoch: events.epoch, events: page.events, gap: page.gap };
    },
  );
  route({ method: 'GET', path: '/status', summary: 'How the hub is', answer: HubStatus }, () => status());
  route(
    {
      method: 'GET',
      path: '/agents',
      summary: 'The agents of the mesh',
      query: z.object({ filter: z.string().max(100).default('all') }),
      answer: AgentsResponse,
    },
    async ({ query }) => ({ agents: await services.registry.agents(query.filter), at: isoTime(clock.now()) }),
  );
}

function approvalRoutes({ services }: OperatorApiParts, needs: Needs): void {
  const path = z.object({ id: z.string().min(1).max(64) });
  needs('viewer')(
    {
      method: 'GET',
      path: '/approvals',
      summary: 'Approvals, newest or oldest first',
      query: z.object({
        state: ApprovalState.optional(),
        limit: countText(200, 50),
        order: z.enum(['newest', 'oldest']).default('newest'),
        after: ApprovalId.optional(),
      }),
      answer: ApprovalsPage,
    },
    async ({ query }) => {
      const found = await services.approvals.list({
        limit: query.limit + 1,
        order: query.order,
        ...(query.state === undefined ? {} : { state: query.state }),
        ...(query.after === undefined ? {} : { after: query.after }),
      });
      return { approvals: found.slice(0, query.limit), more: found.length > query.limit };
    },
  );
  needs('viewer')(
    { method: 'GET', path: '/approvals/:id', summary: 'One approval, by id or prefix', params: path, answer: Approval },
    ({ params }) => services.approvals.get(params.id),
  );
  needs('operator')(
    {
      method: 'POST',
      path: '/approvals/:id/decision',
      summary: 'Allow or deny; the first answer wins',
      params: path,
      body: DecisionRequest,
      answer: Approval,
    },
    ({ params, body }, actor) => services.approvals.decide(actor, params.id, body),
  );
}

function messageRoutes({ services }: OperatorApiParts, needs: Needs): void {
  const { messaging } = services;
  const look = needs('viewer');
  const write = needs('operator');
  look(
    {
      method: 'GET',
      path: '/threads',
      summary: 'Conversations, newest first',
      query: PageQueryText,
      answer: ThreadsPage,
    },
    ({ query }) => messaging.threads(pageOf(query)),
  );
  look(
    {
      method: 'GET',
      path: '/threads/:id',
      summary: 'A conversation, oldest first',
      params: z.object({ id: ThreadId }),
      query: PageQueryText,
      answer: ThreadPage,
    },
    ({ params, query }) => messaging.thread(params.id, pageOf(query)),
  );
  look(
    {
      method: 'GET',
      path: '/inbox',
      summary: 'What was sent to the operators',
      query: PageQueryText,
      answer: MessagesPage,
    },
    ({ query }) => messaging.operatorInbox(pageOf(query)),
  );
  write(
    { method: 'POST', path: '/messages', summary: 'Write to an agent', body: OperatorSubmit, answer: MessageStatus },
    ({ body }, actor) => messaging.submitFromOperator(actor, body),
  );
  look(
    {
      method: 'GET',
      path: '/messages/:id',
      summary: "A message's state; `wait` seconds for another one",
      params: MessagePath,
      query: z.object({ wait: secondsText(LONG_POLL_MAX_SECONDS) }),
      answer: MessageStatus,
    },
    async ({ params, query, signal }) => {
      const now = await messaging.status(params.id);
      if (query.wait === 0) return now;
      return messaging.status(params.id, { unless: [now.state], waitMs: query.wait * 1000, signal });
    },
  );
  look(
    {
      method: 'GET',
      path: '/messages/:id/trace',
      summary: 'The whole way of a message',
      params: MessagePath,
      answer: Trace,
    },
    ({ params }) => messaging.trace(params.id),
  );
  write(
    {
      method: 'POST',
      path: '/messages/:id/shown',
      summary: 'A person was shown this message to the operators: it is delivered',
      params: MessagePath,
      answer: Ok,
    },
    async ({ params }, actor) => {
      await messaging.shownToOperator(params.id, actor.via, `shown to ${actor.operator.name}`);
      return OK;
    },
  );
  write(
    {
      method: 'POST',
      path: '/messages/:id/cancel',
      summary: 'Take a message back',
      params: MessagePath,
      body: CancelRequest,
      answer: MessageStatus,
    },
    ({ params, body }, actor) => messaging.cancel(params.id, actor, body.reason),
  );
}

function machineRoutes({ services }: OperatorApiParts, needs: Needs): void {
  const { registry } = services;
  const manage = needs('owner');
  needs('viewer')({ method: 'GET', path: '/machines', summary: 'All machines', answer: MachinesPage }, async () => ({
    machines: await registry.machines(),
  }));
  manage(
    {
      method: 'PATCH',
      path: '/machines/:id',
      summary: 'Rename or describe a machine',
      params: MachinePath,
      body: MachinePatch,
      answer: Machine,
    },
    ({ params, body }, actor) => registry.update(actor, params.id, body),
  );
  manage(
    {
      method: 'POST',
      path: '/machines/:id/revoke',
      summary: 'Make its secret worthless',
      params: MachinePath,
      answer: Machine,
    },
    ({ params }, actor) => registry.revoke(actor, params.id),
  );
  manage(
    {
      method: 'POST',
      path: '/machines/:id/rotate',
      summary: 'Give it a new secret',
      params: MachinePath,
      answer: Machine,
    },
    ({ params }, actor) => registry.rotate(actor, params.id),
  );
  manage(
    { method: 'DELETE', path: '/machines/:id', summary: 'Forget a machine', params: MachinePath, answer: Ok },
    async ({ params }, actor) => {
      await registry.remove(actor, params.id);
      return OK;
    },
  );
}

function policyRoutes({ services }: OperatorApiParts, needs: Needs): void {
  const { policy } = services;
  needs('viewer')({ method: 'GET', path: '/policy', summary: 'The rules that hold', answer: PolicyView }, async () =>
    policy.view(),
  );
  needs('viewer')(
    {
      method: 'POST',
      path: '/policy/test',
      summary: 'What policy would say, and why',
      body: PolicyTest,
      answer: PolicyVerdict,
    },
    ({ body }) => policy.test(body),
  );
  needs('viewer')({ method: 'GET', path: '/grants', summary: 'Stored decisions', answer: GrantsPage }, async () => ({
    grants: await policy.grants(),
  }));
  needs('operator')(
    {
      method: 'DELETE',
      path: '/grants/:id',
      summary: 'Take a stored decision back',
      params: z.object({ id: GrantId }),
      answer: Grant,
    },
    ({ params }, actor) => policy.revokeGrant(actor, params.id),
  );
}

function isWrite(request: Request): boolean {
  return request.method !== 'GET' && request.method !== 'HEAD';
}
