/** The routes about attention: dialogs, waits, usage, announcements, presence, preferences and push, of the machine API (signed) and of the operator API (by role). */
import { z } from 'zod';
import type { Api } from '../../platform/http/api.ts';
import type { SignedBy } from '../../platform/http/signed.ts';
import { ProjectId } from '../../protocol/address.ts';
import {
  Announced,
  Preferences,
  PreferencesPatch,
  Presence,
  PushSubscription,
  UsageReport,
  WaitsPage,
} from '../../protocol/attention.ts';
import { WaitId } from '../../protocol/ids.ts';
import {
  AnnounceRequest,
  ApprovalEffect,
  ApprovalRaised,
  CloseApproval,
  Ok,
  RaiseApproval,
} from '../../protocol/machine-api.ts';
import { Approval } from '../../protocol/model.ts';
import { PushEndpoint, PushKey } from '../../protocol/operator-api.ts';
import type { HubServices } from '../services.ts';
import { countText } from './queries.ts';
import type { RoleRoute } from './role-route.ts';

const OK = { ok: true } as const;
const WaitsQueryText = z.object({
  limit: countText(200, 50),
  before: WaitId.optional(),
  project: ProjectId.optional(),
  days: countText(365, 7),
});

const DialogPath = z.object({ ref: z.string().min(8).max(64) });

export function machineAttentionRoutes(api: Api<SignedBy>, services: HubServices): void {
  dialogRoutes(api, services);
  const { attention } = services;
  api.route(
    { method: 'POST', path: '/usage', summary: 'What sessions used, where it changed', body: UsageReport, answer: Ok },
    async ({ auth, body }) => {
      await attention.usageChanged(auth.machine, body);
      return OK;
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/announcements',
      summary: 'An agent says something to whoever listens',
      body: AnnounceRequest,
      answer: Announced,
    },
    ({ auth, body }) => attention.announce(auth.machine, body),
  );
  api.route(
    { method: 'GET', path: '/presence', summary: 'Which people look at a page of ours now', answer: Presence },
    async () => attention.presence(),
  );
}

function dialogRoutes(api: Api<SignedBy>, { dialogs }: HubServices): void {
  api.route(
    {
      method: 'POST',
      path: '/approvals',
      summary: 'A dialog of an agent is open',
      body: RaiseApproval,
      answer: ApprovalRaised,
    },
    ({ auth, body }) => dialogs.raise(auth.machine, body),
  );
  api.route(
    {
      method: 'GET',
      path: '/approvals/:ref',
      summary: 'How what this machine raised stands',
      params: DialogPath,
      answer: Approval,
    },
    ({ auth, params }) => dialogs.state(auth.machine, params.ref),
  );
  api.route(
    {
      method: 'POST',
      path: '/approvals/close',
      summary: 'A dialog was answered at the terminal, or is gone',
      body: CloseApproval,
      answer: Ok,
    },
    async ({ auth, body }) => {
      await dialogs.close(auth.machine, body);
      return OK;
    },
  );
  api.route(
    {
      method: 'POST',
      path: '/approvals/effect',
      summary: 'What came of a decision in the session',
      body: ApprovalEffect,
      answer: Ok,
    },
    async ({ auth, body }) => {
      await dialogs.effect(auth.machine, body);
      return OK;
    },
  );
}

/** `look`: whoever is signed in; what they change there is their own. */
export function operatorAttentionRoutes({ attention, push }: HubServices, look: RoleRoute): void {
  look(
    {
      method: 'GET',
      path: '/attention/waits',
      summary: 'What sessions waited for, newest first; how long, by kind, over `days`',
      query: WaitsQueryText,
      answer: WaitsPage,
    },
    ({ query: { limit, days, before, project } }) =>
      attention.waits({
        limit,
        days,
        ...(before === undefined ? {} : { before }),
        ...(project === undefined ? {} : { project }),
      }),
  );
  look(
    { method: 'GET', path: '/attention/presence', summary: 'Who looks at a page of ours now', answer: Presence },
    async () => attention.presence(),
  );
  look(
    { method: 'GET', path: '/preferences', summary: 'How you want to be told', answer: Preferences },
    (_, { operator }) => attention.preferences(operator.name),
  );
  look(
    {
      method: 'PATCH',
      path: '/preferences',
      summary: 'Change how you want to be told; what is not named stays',
      body: PreferencesPatch,
      answer: Preferences,
    },
    ({ body }, { operator }) => attention.changePreferences(operator.name, body),
  );
  look(
    { method: 'GET', path: '/push', summary: 'The key that a browser subscribes with', answer: PushKey },
    async () => ({ publicKey: push.publicKey }),
  );
  look(
    {
      method: 'POST',
      path: '/push/subscriptions',
      summary: 'This browser wants to be told',
      body: PushSubscription,
      answer: Ok,
    },
    async ({ body }, { operator }) => {
      await push.subscribe(operator.name, body);
      return OK;
    },
  );
  look(
    {
      method: 'POST',
      path: '/push/subscriptions/remove',
      summary: 'It does not any more',
      body: PushEndpoint,
      answer: Ok,
    },
    async ({ body }, { operator }) => {
      await push.unsubscribe(operator.name, body.endpoint);
      return OK;
    },
  );
}
