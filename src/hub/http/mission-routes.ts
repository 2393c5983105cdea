/** The routes about missions and looks at sessions: of the machine API (signed) and of the operator API (by role). */
import { z } from 'zod';
import type { Api } from '../../platform/http/api.ts';
import type { SignedBy } from '../../platform/http/signed.ts';
import { MachineId, SessionId } from '../../protocol/address.ts';
import { isId } from '../../protocol/ids.ts';
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import { MessageStatus, MissionsPage, MissionWord, StartMission } from '../../protocol/machine-api.ts';
import { MissionState } from '../../protocol/mission-life.ts';
import {
  Inspection,
  Mission,
  MissionLogPage,
  MissionNewsRequest,
  MissionNewsResponse,
} from '../../protocol/mission.ts';
import { MissionResume, MissionSend, OperatorMission } from '../../protocol/operator-api.ts';
import type { HubServices, MissionsQuery, Viewer } from '../services.ts';
import type { RoleRoute } from './role-route.ts';
import { countText, secondsText } from './queries.ts';

const MissionPath = z.object({ id: z.string().min(1).max(64) });
const SessionPath = z.object({ machine: MachineId, session: SessionId });
const Before = z
  .string()
  .max(64)
  .refine((text) => isId('mission', text), { message: 'not the id of a mission' })
  .optional();
const ListQuery = z.object({ limit: countText(200, 50), before: Before });
const OperatorListQuery = ListQuery.extend({ state: z.enum(['live', 'over', ...MissionState.options]).optional() });
const States = z
  .string()
  .max(300)
  .transform((text) => text.split(',').filter((word) => word !== ''))
  .pipe(z.array(MissionState))
  .prefault('');
const WaitQuery = z.object({ wait: secondsText(LONG_POLL_MAX_SECONDS), unless: States });
const LogQuery = z.object({
  after: z
    .string()
    .regex(/^[0-9]{1,9}$/, { message: 'not a whole number' })
    .transform(Number)
    .default(0),
  limit: countText(500, 200),
});

type Wait = z.output<typeof WaitQuery>;

function readMission(
  { missions }: HubServices,
  id: string,
  { wait, unless }: Wait,
  signal: AbortSignal,
  viewer?: Viewer,
): Promise<Mission> {
  if (wait === 0) return missions.get(id, viewer);
  return missions.wait(id, { unless, waitMs: wait * 1000, signal }, viewer);
}

function pageOf(query: { limit: number; before?: string | undefined; state?: MissionsQuery['state'] }): MissionsQuery {
  return {
    limit: query.limit,
    ...(query.before === undefined ? {} : { before: query.before }),
    ...(query.state === undefined ? {} : { state: query.state }),
  };
}

export function machineMissionRoutes(api: Api<SignedBy>, services: HubServices): void {
  const { missions } = services;
  const viewer = (auth: SignedBy): Viewer => ({ machineId: auth.machine });
  api.route(
    {
      method: 'POST',
      path: '/missions/news',
      summary: 'What became of missions, in order',
      body: MissionNewsRequest,
      answer: MissionNewsResponse,
    },
    async ({ auth, body }) => ({ results: await missions.applyNews(auth.machine, body.items) }),
  );
  api.route(
    { method: 'POST', path: '/missions', summary: 'An agent asks for a mission', body: StartMission, answer: Mission },
    ({ auth, body }) => missions.startFromMachine(auth.machine, body),
  );
  api.route(
    {
      method: 'GET',
      path: '/missions',
      summary: 'What this machine asked for or runs, newest first',
      query: ListQuery,
      answer: MissionsPage,
    },
    ({ auth, query }) => missions.list(pageOf(query), viewer(auth)),
  );
  api.route(
    {
      method: 'GET',
      path: '/missions/:id',
      summary: 'A mission; `wait` seconds until its state is none of `unless`',
      params: MissionPath,
      query: WaitQuery,
      answer: Mission,
    },
    ({ auth, params, query, signal }) => readMission(services, params.id, query, signal, viewer(auth)),
  );
  api.route(
    {
      method: 'GET',
      path: '/missions/:id/log',
      summary: 'Its log after a number, oldest first',
      params: MissionPath,
      query: LogQuery,
      answer: MissionLogPage,
    },
    ({ auth, params, query }) => missions.log(params.id, query, viewer(auth)),
  );
  api.route(
    {
      method: 'POST',
      path: '/missions/:id/cancel',
      summary: 'End a mission that an agent of this machine asked for',
      params: MissionPath,
      body: MissionWord,
      answer: Mission,
    },
    ({ auth, params, body }) => missions.cancel(params.id, viewer(auth), body.reason),
  );
  api.route(
    {
      method: 'POST',
      path: '/missions/:id/inspect',
      summary: 'One look at what it does now',
      params: MissionPath,
      answer: Inspection,
    },
    ({ auth, params }) => missions.inspect(params.id, viewer(auth)),
  );
}

export function operatorMissionRoutes(services: HubServices, look: RoleRoute, write: RoleRoute): void {
  const { missions, terminals } = services;
  look(
    {
      method: 'GET',
      path: '/missions',
      summary: 'Missions, newest first',
      query: OperatorListQuery,
      answer: MissionsPage,
    },
    ({ query }) => missions.list(pageOf(query)),
  );
  write(
    {
      method: 'POST',
      path: '/missions',
      summary: 'Start an agent with a mission',
      body: OperatorMission,
      answer: Mission,
    },
    ({ body }, actor) => missions.startFromOperator(actor, body),
  );
  look(
    {
      method: 'GET',
      path: '/missions/:id',
      summary: 'A mission, by id or prefix; `wait` seconds until its state is none of `unless`',
      params: MissionPath,
      query: WaitQuery,
      answer: Mission,
    },
    ({ params, query, signal }) => readMission(services, params.id, query, signal),
  );
  look(
    {
      method: 'GET',
      path: '/missions/:id/log',
      summary: 'Its log after a number, oldest first',
      params: MissionPath,
      query: LogQuery,
      answer: MissionLogPage,
    },
    ({ params, query }) => missions.log(params.id, query),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/cancel',
      summary: 'End it',
      params: MissionPath,
      body: MissionWord,
      answer: Mission,
    },
    ({ params, body }, actor) => missions.cancel(params.id, actor, body.reason),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/pause',
      summary: 'Stop it and keep its conversation',
      params: MissionPath,
      body: MissionWord,
      answer: Mission,
    },
    ({ params, body }, actor) => missions.pause(actor, params.id, body.reason),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/resume',
      summary: 'Another run of the same conversation',
      params: MissionPath,
      body: MissionResume,
      answer: Mission,
    },
    ({ params, body }, actor) => missions.resume(actor, params.id, body.text),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/rerun',
      summary: 'A new mission with the same request',
      params: MissionPath,
      answer: Mission,
    },
    ({ params }, actor) => missions.rerun(actor, params.id),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/fork',
      summary: 'A new mission in a copy of its conversation',
      params: MissionPath,
      body: MissionResume,
      answer: Mission,
    },
    ({ params, body }, actor) => missions.fork(actor, params.id, body.text),
  );
  write(
    {
      method: 'POST',
      path: '/missions/:id/send',
      summary: 'A message into it',
      params: MissionPath,
      body: MissionSend,
      answer: MessageStatus,
    },
    ({ params, body }, actor) => missions.send(actor, params.id, body.text),
  );
  look(
    {
      method: 'POST',
      path: '/sessions/:machine/:session/inspect',
      summary: 'One look at a session',
      params: SessionPath,
      answer: Inspection,
    },
    ({ params }) => terminals.inspect(params.machine, params.session),
  );
}
