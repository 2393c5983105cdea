/**
 * The local API's calls about missions. All are the hub's to answer: it decides who may start, see and end what.
 */
import { z } from 'zod';
import type { Api } from '../../platform/http/api.ts';
import { MissionId } from '../../protocol/ids.ts';
import { LONG_POLL_MAX_SECONDS } from '../../protocol/limits.ts';
import { LocalStart } from '../../protocol/local-api.ts';
import { MissionsPage, MissionWord } from '../../protocol/machine-api.ts';
import { Inspection, Mission, MissionLogPage } from '../../protocol/mission.ts';
import type { MissionCalls } from '../link/mission-calls.ts';
import type { Identity } from './local-caller.ts';

const MissionParams = z.object({ id: MissionId });
const ListQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  before: MissionId.optional(),
});
const WaitQuery = z.object({
  wait: z.coerce.number().min(0).max(LONG_POLL_MAX_SECONDS).default(0),
  /** States to wait out, with commas. */
  unless: z
    .string()
    .max(300)
    .regex(/^[a-z_,]*$/)
    .default(''),
});
const LogQuery = z.object({
  after: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(1).max(500).default(200),
});

export function missionRoutes(api: Api<Identity>, missions: MissionCalls): void {
  api.route(
    {
      method: 'POST',
      path: '/local/missions',
      summary: 'Start an agent with a mission.',
      body: LocalStart,
      answer: Mission,
    },
    async ({ auth, body }) => missions.start({ project: auth.project, session: auth.session?.id }, body),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/missions',
      summary: 'What this machine asked for or runs, newest first.',
      query: ListQuery,
      answer: MissionsPage,
    },
    async ({ query }) =>
      missions.list({ limit: query.limit, ...(query.before === undefined ? {} : { before: query.before }) }),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/missions/:id',
      summary: 'How a mission is now, or as soon as it leaves the states in `unless`.',
      params: MissionParams,
      query: WaitQuery,
      answer: Mission,
    },
    async ({ params, query, signal }) => missions.get(params.id, { seconds: query.wait, unless: query.unless, signal }),
  );
  api.route(
    {
      method: 'GET',
      path: '/local/missions/:id/log',
      summary: 'Its log, from a number on.',
      params: MissionParams,
      query: LogQuery,
      answer: MissionLogPage,
    },
    async ({ params, query }) => missions.log(params.id, query),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/missions/:id/cancel',
      summary: 'End it.',
      params: MissionParams,
      body: MissionWord,
      answer: Mission,
    },
    async ({ params, body }) => missions.cancel(params.id, body.reason),
  );
  api.route(
    {
      method: 'POST',
      path: '/local/missions/:id/inspect',
      summary: 'One look at what it does now.',
      params: MissionParams,
      answer: Inspection,
    },
    async ({ params }) => missions.inspect(params.id),
  );
}
