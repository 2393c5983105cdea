/**
 * What agents of this machine have to do with people, as the hub knows it: how a question stands, what is told to whoever listens, who looks. All of it is
 * for now: nothing is kept while the hub is away.
 */
import type { z } from 'zod';
import { Announced, Presence, type Announce } from '../../protocol/attention.ts';
import type { AnnounceRequest } from '../../protocol/machine-api.ts';
import { Approval } from '../../protocol/model.ts';
import type { HubClient } from './hub-client.ts';

export class PeopleCalls {
  /** Throws where this machine is in no mesh. */
  readonly #client: () => HubClient;

  constructor(client: () => HubClient) {
    this.#client = client;
  }

  /** Of something that this machine raised; throws `unknown_approval`. */
  async approval(ref: string): Promise<Approval> {
    return this.#client().call({ method: 'GET', path: `/api/machine/approvals/${encodeURIComponent(ref)}` }, Approval);
  }

  async announce(
    from: { readonly project: string; readonly session: string | undefined },
    announce: Announce,
  ): Promise<z.infer<typeof Announced>> {
    const body: AnnounceRequest = {
      ...announce,
      fromProject: from.project,
      ...(from.session === undefined ? {} : { fromSession: from.session }),
    };
    return this.#client().call({ method: 'POST', path: '/api/machine/announcements', body }, Announced);
  }

  async presence(): Promise<Presence> {
    return this.#client().call({ method: 'GET', path: '/api/machine/presence' }, Presence);
  }
}
