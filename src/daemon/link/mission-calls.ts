/** What this machine's agents ask the hub about missions, and the dialogs of its sessions. All of it needs the hub; nothing is kept. */
import { IntercomError, toIntercomError } from '../../protocol/errors.ts';
import type { LocalStart } from '../../protocol/local-api.ts';
import {
  ApprovalRaised,
  MissionsPage,
  Ok,
  type ApprovalEffect,
  type CloseApproval,
  type RaiseApproval,
  type StartMission,
} from '../../protocol/machine-api.ts';
import { Inspection, Mission, MissionLogPage } from '../../protocol/mission.ts';
import type { z } from 'zod';
import type { OutgoingRequest } from '../../platform/http/client.ts';
import type { HubClient } from './hub-client.ts';

const BASE = '/api/machine/missions';
/** Over a long-poll the answer may take its whole wait. */
const WAIT_SLACK_MS = 10_000;

export class MissionCalls {
  /** Throws where this machine is in no mesh. */
  readonly #client: () => HubClient;

  constructor(client: () => HubClient) {
    this.#client = client;
  }

  /** Throws `unreachable` while the hub is away: a mission is never started without its hub. */
  async start(
    from: { readonly project: string; readonly session: string | undefined },
    start: LocalStart,
  ): Promise<Mission> {
    const body: StartMission = {
      ...start,
      fromProject: from.project,
      ...(from.session === undefined ? {} : { fromSession: from.session }),
    };
    return this.#call({ method: 'POST', path: BASE, body }, Mission);
  }

  async list(page: { readonly limit: number; readonly before?: string }): Promise<z.infer<typeof MissionsPage>> {
    const before = page.before === undefined ? '' : `&before=${encodeURIComponent(page.before)}`;
    return this.#call({ method: 'GET', path: `${BASE}?limit=${page.limit}${before}` }, MissionsPage);
  }

  /** `unless`: states that are waited out, for at most `waitSeconds`. */
  async get(
    id: string,
    wait: { readonly seconds: number; readonly unless: string; readonly signal?: AbortSignal },
  ): Promise<Mission> {
    const query = wait.seconds > 0 ? `?wait=${wait.seconds}&unless=${encodeURIComponent(wait.unless)}` : '';
    const timeoutMs = wait.seconds * 1000 + WAIT_SLACK_MS;
    const signal = wait.signal === undefined ? {} : { signal: wait.signal };
    return this.#call({ method: 'GET', path: `${path(id)}${query}`, timeoutMs, ...signal }, Mission);
  }

  async log(id: string, page: { readonly after: number; readonly limit: number }): Promise<MissionLogPage> {
    return this.#call(
      { method: 'GET', path: `${path(id)}/log?after=${page.after}&limit=${page.limit}` },
      MissionLogPage,
    );
  }

  async cancel(id: string, reason: string | undefined): Promise<Mission> {
    const body = reason === undefined ? {} : { reason };
    return this.#call({ method: 'POST', path: `${path(id)}/cancel`, body }, Mission);
  }

  async inspect(id: string): Promise<Inspection> {
    return this.#call({ method: 'POST', path: `${path(id)}/inspect`, body: {} }, Inspection);
  }

  /** A dialog is open; a repeat of its `ref` returns the first answer. */
  async raiseApproval(body: RaiseApproval): Promise<z.infer<typeof ApprovalRaised>> {
    return this.#call({ method: 'POST', path: '/api/machine/approvals', body }, ApprovalRaised);
  }

  /** It was answered at the terminal, or is gone. */
  async closeApproval(body: z.infer<typeof CloseApproval>): Promise<void> {
    await this.#call({ method: 'POST', path: '/api/machine/approvals/close', body }, Ok);
  }

  /** What came of a decision, once. */
  async effect(body: z.infer<typeof ApprovalEffect>): Promise<void> {
    await this.#call({ method: 'POST', path: '/api/machine/approvals/effect', body }, Ok);
  }

  async #call<T>(request: OutgoingRequest, schema: z.ZodType<T>): Promise<T> {
    try {
      return await this.#client().call(request, schema);
    } catch (thrown) {
      const error = toIntercomError(thrown);
      // An older hub has no such route.
      if (error.code !== 'not_found') throw error;
      throw new IntercomError('unavailable', 'The hub of this mesh does not know missions yet.', {
        next: 'Upgrade the hub.',
        cause: error,
      });
    }
  }
}

function path(id: string): string {
  return `${BASE}/${encodeURIComponent(id)}`;
}
