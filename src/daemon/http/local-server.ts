/**
 * The local API put together: one app on the unix socket, for the hooks, the MCP server and the command line of this user.
 *
 * Invariants: every request carries the key; a caller acts as the project and session that the daemon finds for it, on this machine, and can
 * name no other sender; no path that a caller gives is written to or read from, but for directories being looked at.
 */
import type { Express } from 'express';
import { z } from 'zod';
import { Api, finishApp, newApp, type RouteContext } from '../../platform/http/api.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Log } from '../../platform/log.ts';
import { formatAddress, SessionId } from '../../protocol/address.ts';
import { IntercomError } from '../../protocol/errors.ts';
import { MessageId, ThreadId } from '../../protocol/ids.ts';
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import {
  InboxAck,
  InboxTaken,
  LocalFeedback,
  LocalMessageStatus,
  LocalRegister,
  LocalSession,
  LocalStatus,
  LocalSubmit,
  WaitFor,
  WhoAmI,
} from '../../protocol/local-api.ts';
import { AgentsResponse, CancelRequest, MessageStatus, Ok, ThreadPage } from '../../protocol/machine-api.ts';
import { Session, Trace } from '../../protocol/model.ts';
import { isoTime } from '../../platform/clock.ts';
import type { ProjectDirectory } from '../discovery/project-directory.ts';
import type { Link } from '../link/hub-link.ts';
import type { MachineProfile } from '../link/machine-profile.ts';
import type { AgentHooks, Delivery, SessionBook } from '../ports.ts';
import type { RunnerLookup } from '../sessions/managed.ts';
import type { QuestionDesk } from '../sessions/question-desk.ts';
import { ProjectDetails } from '../store/facts.ts';
import type { Inbox } from '../store/inbox.ts';
import type { AnswerClaims } from './answer-claims.ts';
import { hookRouter } from './hook-router.ts';
import type { HookTally } from './hook-tally.ts';
import { admit, type Identity, type LocalKey } from './local-caller.ts';
import { MessageWaits } from './message-waits.ts';
import { missionRoutes } from './mission-routes.ts';
import { peopleRoutes } from './people-routes.ts';
import type { PlainSessions } from './plain-sessions.ts';

export interface LocalOptions {
  readonly machineId: string;
  readonly home: string;
  readonly key: LocalKey;
  readonly link: Link;
  readonly delivery: Delivery;
  readonly claims: AnswerClaims;
  readonly book: SessionBook;
  readonly runners: RunnerLookup;
  readonly projects: ProjectDirectory;
  readonly profile: MachineProfile;
  readonly plain: PlainSessions;
  readonly questions: QuestionDesk;
  readonly inbox: Inbox;
  readonly hooks: AgentHooks;
  readonly hookTally: HookTally;
  /** A session called. */
  readonly heard: (session: string) => void;
  readonly status: () => Promise<LocalStatus>;
  readonly clock: Clock;
  readonly log: Log;
}

const MessageParams = z.object({ id: MessageId });
const WaitQuery = z.object({
  wait: z.coerce.number().min(0).max(LONG_POLL_MAX_SECONDS).default(0),
  for: WaitFor.default('decision'),
});
const ThreadQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: MessageId.optional(),
});
const AgentsQuery = z.object({ filter: z.string().max(100).default('all') });
const OK = { ok: true as const };

export function localApp(options: LocalOptions): Express {
  const app = newApp();
  app.use(hookRouter(options));
  const api = new Api<Identity>((request) => admit(request, options));
  messageRoutes(api, options);
  inboxRoutes(api, options);
  machineRoutes(api, options);
  missionRoutes(api, options.link.missions);
  peopleRoutes(api, options.questions, options.link.people);
  app.use(api.router);
  finishApp(app, options.log);
  return app;
}

function messageRoutes(api: Api<Identity>, { link, claims, inbox }: LocalOptions): void {
  const waits = new MessageWaits(link, claims, inbox);
  api.route(
    { method: 'POST', path: '/local/messages', summary: 'Send.', body: LocalSubmit, answer: MessageStatus },
    async ({ auth, body }) => link.submit(senderOf(auth), body),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/messages/:id',
      summary: 'How a message is now, or as soon as there is a decision or an answer.',
      params: MessageParams,
      query: WaitQuery,
      answer: LocalMessageStatus,
    },
    async ({ auth, params, query, signal }) =>
      waits.wait(params.id, { for: query.for, ms: query.wait * 1000, session: auth.session?.id, signal }),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/messages/:id/trace',
      summary: 'Its whole way.',
      params: MessageParams,
      answer: Trace,
    },
    async ({ params }) => link.trace(params.id),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/messages/:id/cancel',
      summary: 'Take it back.',
      params: MessageParams,
      body: CancelRequest,
      answer: MessageStatus,
    },
    async ({ params, body }) => link.cancel(params.id, body.reason),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/threads/:id',
      summary: 'A conversation, oldest first.',
      params: z.object({ id: ThreadId }),
      query: ThreadQuery,
      answer: ThreadPage,
    },
    async ({ params, query }) =>
      link.thread(params.id, { limit: query.limit, ...(query.before === undefined ? {} : { before: query.before }) }),
  );
}

function inboxRoutes(api: Api<Identity>, { delivery, claims, plain }: LocalOptions): void {
  api.route(
    { method: 'POST', path: '/local/inbox/take', summary: "The caller's mail.", answer: InboxTaken },
    async ({ auth }) => delivery.take(auth.session?.id, auth.project),
  );
  api.route(
    { method: 'POST', path: '/local/inbox/ack', summary: 'The hand-out arrived.', body: InboxAck, answer: Ok },
    async ({ body }) => {
      const proof = claims.isAnswer(body.offer) ? 'answer taken by the waiting call' : 'taken from the inbox';
      await delivery.acknowledge(body.offer, proof);
      return OK;
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/local/sessions',
      summary: 'A session names itself.',
      body: LocalSession,
      answer: Session,
    },
    async ({ body }) => plain.put(body),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/sessions/:id/end',
      summary: 'A session that named itself ends.',
      params: z.object({ id: SessionId }),
      answer: Ok,
    },
    async ({ params }) => {
      await plain.end(params.id);
      return OK;
    },
  );
}

function machineRoutes(api: Api<Identity>, options: LocalOptions): void {
  const { link, machineId, clock } = options;
  api.route(
    { method: 'GET', path: '/local/agents', summary: 'Who there is.', query: AgentsQuery, answer: AgentsResponse },
    async ({ query }) => ({ agents: await link.agents(query.filter), at: isoTime(clock.now()) }),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/register',
      summary: 'What the caller says of itself.',
      body: LocalRegister,
      answer: Ok,
    },
    async (context) => {
      await register(options, context);
      return OK;
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/local/feedback',
      summary: 'Feedback for the operators.',
      body: LocalFeedback,
      answer: Ok,
    },
    async ({ auth, body }) => {
      await link.feedback(senderOf(auth), body);
      return OK;
    },
  );
  api.route({ method: 'GET', path: '/local/whoami', summary: 'The caller.', answer: WhoAmI }, async ({ auth }) => {
    const session = auth.session === undefined ? {} : { session: auth.session.id };
    const address = formatAddress({ kind: 'agent', machine: machineId, project: auth.project, ...session });
    return { address, machine: machineId, project: auth.project, ...session, hubReachable: link.reachable };
  });
  api.route({ method: 'GET', path: '/local/status', summary: 'The daemon.', answer: LocalStatus }, async () =>
    options.status(),
  );
}

async function register(
  { projects, profile, link }: LocalOptions,
  { auth, body }: RouteContext<Identity, undefined, undefined, LocalRegister>,
): Promise<void> {
  const { action, project, machine } = body;
  const details = ProjectDetails.parse(project ?? {});
  if (action === 'add_project') {
    if (project?.id === undefined || project.path === undefined) {
      throw new IntercomError('invalid_request', 'A project to add needs its id and its path.', {
        field: project?.id === undefined ? 'project.id' : 'project.path',
        next: 'Give both.',
      });
    }
    await projects.add(project.id, project.path, details);
  } else if (action === 'remove_project') {
    await projects.remove(project?.id ?? auth.project);
  } else if (Object.keys(details).length > 0) {
    await projects.update(project?.id ?? auth.project, details);
  }
  if (machine === undefined) return;
  await profile.update(machine);
  link.greetAgain();
}

function senderOf({ project, session }: Identity): { project: string; session: string | undefined } {
  return { project, session: session?.id };
}
