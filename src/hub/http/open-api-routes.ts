/** What anybody on the network may ask: is this a hub, is it well, may I join. Nothing here tells a secret or changes more than a request. */
import { z } from 'zod';
import { Api } from '../../platform/http/api.ts';
import { JoinId } from '../../protocol/ids.ts';
import { JoinAccepted, JoinClaim, JoinRequest, JoinState } from '../../protocol/join.ts';
import { PROTOCOL_VERSION } from '../../protocol/limits.ts';
import { DiscoverResponse, HealthResponse } from '../../protocol/machine-api.ts';
import type { HubServices } from '../services.ts';
import { callerAddress } from './caller-address.ts';

export interface HubFacts {
  readonly version: string;
  readonly mode: 'hub' | 'standalone';
  /** What this hub is called: its machine's name. */
  readonly name: string;
  /** The store can be written. */
  readonly isWell: () => boolean;
}

export function openRoutes(services: HubServices, facts: HubFacts): Api<undefined> {
  const api = new Api(() => undefined);
  api.route({ method: 'GET', path: '/health', summary: 'Is the hub well', answer: HealthResponse }, async () => ({
    status: facts.isWell() ? ('ok' as const) : ('degraded' as const),
    version: facts.version,
    mode: facts.mode,
  }));
  api.route({ method: 'GET', path: '/discover', summary: 'This is a hub', answer: DiscoverResponse }, async () => ({
    hub: true,
    name: facts.name,
    version: facts.version,
    protocol: PROTOCOL_VERSION,
  }));
  api.route(
    { method: 'POST', path: '/join', summary: 'A machine asks to join', body: JoinRequest, answer: JoinAccepted },
    ({ body, request }) => services.joins.request(body, callerAddress(request)),
  );
  api.route(
    {
      method: 'POST',
      path: '/join/:id/claim',
      summary: 'The joiner asks for the decision',
      params: z.object({ id: JoinId }),
      body: JoinClaim,
      answer: JoinState,
    },
    ({ params, body, request, signal }) =>
      services.joins.claim(params.id, body.claimKey, body.waitSeconds * 1000, signal, callerAddress(request)),
  );
  return api;
}
