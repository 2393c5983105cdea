/**
 * A thin typed client of the operator API (protocol/operator-api.ts): over the unix socket of a hub on this machine with the key from its
 * 0600 file, or over HTTP with the token of `intercom login`.
 *
 * Invariants: a token is sent only to the hub that gave it; a key only to a socket of this user. Every answer is parsed.
 */
import { lstat, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { errorCode, readIfThere } from '../../platform/files.ts';
import { bearer, JsonClient } from '../../platform/http/client.ts';
import type { OutgoingRequest } from '../../platform/http/client.ts';
import type { Paths } from '../../platform/paths.ts';
import { Preferences, WaitsPage } from '../../protocol/attention.ts';
import type { PreferencesPatch } from '../../protocol/attention.ts';
import { IntercomError, parseWith } from '../../protocol/errors.ts';
import { AgentsResponse, MessageStatus, MissionsPage, Ok, ThreadPage } from '../../protocol/machine-api.ts';
import { Inspection, Mission, MissionLogPage } from '../../protocol/mission.ts';
import { Approval, Grant, Machine, Operator, PolicyVerdict, Time, Trace } from '../../protocol/model.ts';
import {
  ApprovalsPage,
  EventsPage,
  GrantsPage,
  HubStatus,
  MachinesPage,
  Me,
  MessagesPage,
  PolicyView,
  SignInLink,
  Snapshot,
  ThreadsPage,
} from '../../protocol/operator-api.ts';
import type {
  DecisionRequest,
  MachinePatch,
  OperatorMission,
  OperatorSubmit,
  PolicyTest,
} from '../../protocol/operator-api.ts';

/** What `intercom login` keeps, 0600. */
export const LoginFile = z.object({ hub: z.url(), token: z.string().min(8), operator: Operator, expiresAt: Time });
export type LoginFile = z.infer<typeof LoginFile>;

/** How the hub is reached. */
export interface HubAccess {
  readonly origin: string;
  readonly socketPath: string | undefined;
  readonly token: string;
  /** For people: "the hub on this machine", its address. */
  readonly label: string;
}

const START_HINT = 'Start it with `intercom standalone` (or `intercom hub`); `intercom doctor` looks for the cause.';

/** `hubUrl` (`--hub`) first, then the hub of this machine, then the one of `intercom login`. */
export async function findHub(paths: Paths, hubUrl: string | undefined, uid: number | undefined): Promise<HubAccess> {
  const login = await readLogin(paths);
  if (hubUrl !== undefined) {
    const origin = originOf(hubUrl);
    if (login === undefined || originOf(login.hub) !== origin) {
      throw new IntercomError('unauthorized', `You are not signed in to ${origin}.`, {
        next: `Run \`intercom login ${origin}\`.`,
      });
    }
    return overHttp(login);
  }
  const local = await localHub(paths, uid);
  if (local !== undefined) return local;
  if (login !== undefined) return overHttp(login);
  throw new IntercomError('unreachable', 'No hub runs on this machine, and you are not signed in to one elsewhere.', {
    next: '`intercom standalone` starts one here; `intercom login <url>` signs in to one elsewhere.',
  });
}

export async function readLogin(paths: Paths): Promise<LoginFile | undefined> {
  const text = await readIfThere(paths.loginFile);
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    return parseWith(LoginFile, json, 'login file');
  } catch (cause) {
    throw new IntercomError('invalid_config', `${paths.loginFile} is damaged.`, {
      next: 'Run `intercom login <url>` again.',
      cause,
    });
  }
}

async function localHub(paths: Paths, uid: number | undefined): Promise<HubAccess | undefined> {
  try {
    const socket = await lstat(paths.hubSocket);
    if (!socket.isSocket() || (uid !== undefined && socket.uid !== uid)) return undefined;
    const token = (await readFile(paths.hubKey, 'utf8')).trim();
    return { origin: 'http://hub', socketPath: paths.hubSocket, token, label: 'the hub on this machine' };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw new IntercomError(
      'unauthorized',
      'The hub on this machine belongs to another user, or its key cannot be read.',
      {
        next: 'Run this as the user who runs the hub.',
        cause: error,
      },
    );
  }
}

function overHttp(login: LoginFile): HubAccess {
  const origin = originOf(login.hub);
  return { origin, socketPath: undefined, token: login.token, label: `the hub at ${origin}` };
}

export function originOf(url: string): string {
  const withScheme = /^https?:\/\//i.test(url) ? url : `http://${url}`;
  if (!URL.canParse(withScheme)) {
    throw new IntercomError('invalid_request', `"${url.slice(0, 100)}" is not the address of a hub.`, {
      next: 'Write it like http://100.64.0.1:7700.',
    });
  }
  return new URL(withScheme).origin;
}

export class OperatorClient {
  readonly access: HubAccess;
  readonly #client: JsonClient;

  constructor(access: HubAccess) {
    this.access = access;
    this.#client = new JsonClient({
      origin: access.origin,
      ...(access.socketPath === undefined ? {} : { socketPath: access.socketPath }),
      authorize: bearer(() => access.token),
      peer: access.label,
      unreachableNext: START_HINT,
      connections: 4,
    });
  }

  me = (): Promise<Me> => this.#get('/me', Me);
  status = (): Promise<HubStatus> => this.#get('/status', HubStatus);
  snapshot = (): Promise<Snapshot> => this.#get('/snapshot', Snapshot);
  signInLink = (): Promise<SignInLink> => this.#post('/sign-in/links', undefined, SignInLink);

  events(after: string | undefined, limit: number): Promise<z.infer<typeof EventsPage>> {
    return this.#get(`/events${query({ after, limit })}`, EventsPage);
  }
  approvals(
    state: string | undefined,
    limit: number,
    from: { readonly order?: 'newest' | 'oldest'; readonly after?: string } = {},
  ): Promise<ApprovalsPage> {
    return this.#get(`/approvals${query({ state, limit, ...from })}`, ApprovalsPage);
  }
  /** Every machine that asks to join, however many other cards wait. */
  async pendingJoins(): Promise<Approval[]> {
    const joins: Approval[] = [];
    for (let after: string | undefined; ;) {
      const page: ApprovalsPage = await this.approvals('pending', 200, after === undefined ? {} : { after });
      joins.push(...page.approvals.filter((approval) => approval.subject.kind === 'join'));
      after = page.approvals.at(-1)?.id;
      if (!page.more || after === undefined) return joins;
    }
  }
  approval(id: string): Promise<Approval> {
    return this.#get(`/approvals/${encodeURIComponent(id)}`, Approval);
  }
  decide(id: string, decision: DecisionRequest): Promise<Approval> {
    return this.#post(`/approvals/${encodeURIComponent(id)}/decision`, decision, Approval);
  }
  threads(limit: number): Promise<z.infer<typeof ThreadsPage>> {
    return this.#get(`/threads${query({ limit })}`, ThreadsPage);
  }
  thread(id: string, limit: number, before: string | undefined): Promise<ThreadPage> {
    return this.#get(`/threads/${encodeURIComponent(id)}${query({ limit, before })}`, ThreadPage);
  }
  inbox(limit: number, before: string | undefined): Promise<z.infer<typeof MessagesPage>> {
    return this.#get(`/inbox${query({ limit, before })}`, MessagesPage);
  }
  submit(submit: z.input<typeof OperatorSubmit>): Promise<MessageStatus> {
    return this.#post('/messages', submit, MessageStatus);
  }
  /** Waits up to `waitSeconds` for another state or an answer. */
  message(id: string, waitSeconds: number, signal?: AbortSignal): Promise<MessageStatus> {
    return this.#client.call(
      {
        method: 'GET',
        path: `/api/operator/messages/${encodeURIComponent(id)}${query({ wait: waitSeconds })}`,
        timeoutMs: (waitSeconds + 15) * 1000,
        ...(signal === undefined ? {} : { signal }),
      },
      MessageStatus,
    );
  }
  trace(id: string): Promise<Trace> {
    return this.#get(`/messages/${encodeURIComponent(id)}/trace`, Trace);
  }
  /** A person was shown this message to the operators. */
  async shown(id: string): Promise<void> {
    await this.#post(`/messages/${encodeURIComponent(id)}/shown`, undefined, Ok);
  }
  cancel(id: string, reason: string | undefined): Promise<MessageStatus> {
    return this.#post(
      `/messages/${encodeURIComponent(id)}/cancel`,
      reason === undefined ? {} : { reason },
      MessageStatus,
    );
  }
  missions(page: {
    readonly limit: number;
    readonly before?: string | undefined;
    readonly state?: string | undefined;
  }): Promise<z.infer<typeof MissionsPage>> {
    const { limit, before, state } = page;
    return this.#get(`/missions${query({ limit, before, state })}`, MissionsPage);
  }
  startMission(start: z.input<typeof OperatorMission>): Promise<Mission> {
    return this.#post('/missions', start, Mission);
  }
  /** Waits up to `seconds` until its state is none of `unless`. */
  mission(
    id: string,
    wait?: { readonly seconds: number; readonly unless: readonly string[]; readonly signal?: AbortSignal },
  ): Promise<Mission> {
    const path = `/missions/${encodeURIComponent(id)}`;
    if (wait === undefined) return this.#get(path, Mission);
    const { seconds, unless, signal } = wait;
    return this.#call(
      {
        method: 'GET',
        path: `${path}${query({ wait: seconds, unless: unless.join(',') })}`,
        timeoutMs: (seconds + 15) * 1000,
        ...(signal === undefined ? {} : { signal }),
      },
      Mission,
    );
  }
  missionLog(id: string, page: { readonly after: number; readonly limit: number }): Promise<MissionLogPage> {
    return this.#get(`/missions/${encodeURIComponent(id)}/log${query({ ...page })}`, MissionLogPage);
  }
  /** cancel, pause, resume, rerun, fork. */
  moveMission(id: string, move: 'cancel' | 'pause' | 'resume' | 'rerun' | 'fork', body?: object): Promise<Mission> {
    return this.#post(`/missions/${encodeURIComponent(id)}/${move}`, body, Mission);
  }
  sendToMission(id: string, text: string): Promise<MessageStatus> {
    return this.#post(`/missions/${encodeURIComponent(id)}/send`, { text }, MessageStatus);
  }
  inspectSession(machine: string, session: string): Promise<Inspection> {
    const path = `/sessions/${encodeURIComponent(machine)}/${encodeURIComponent(session)}/inspect`;
    return this.#post(path, undefined, Inspection);
  }
  machines(): Promise<z.infer<typeof MachinesPage>> {
    return this.#get('/machines', MachinesPage);
  }
  patchMachine(id: string, patch: z.input<typeof MachinePatch>): Promise<Machine> {
    return this.#call({ method: 'PATCH', path: `/machines/${encodeURIComponent(id)}`, body: patch }, Machine);
  }
  revokeMachine(id: string): Promise<Machine> {
    return this.#post(`/machines/${encodeURIComponent(id)}/revoke`, undefined, Machine);
  }
  rotateMachine(id: string): Promise<Machine> {
    return this.#post(`/machines/${encodeURIComponent(id)}/rotate`, undefined, Machine);
  }
  async removeMachine(id: string): Promise<void> {
    await this.#call({ method: 'DELETE', path: `/machines/${encodeURIComponent(id)}` }, Ok);
  }
  agents(filter: string): Promise<z.infer<typeof AgentsResponse>> {
    return this.#get(`/agents${query({ filter })}`, AgentsResponse);
  }
  /** Newest first; the summary is of all of them. */
  waits(page: {
    readonly limit: number;
    readonly before?: string | undefined;
    readonly days?: number | undefined;
    readonly project?: string | undefined;
  }): Promise<WaitsPage> {
    return this.#get(`/attention/waits${query({ ...page })}`, WaitsPage);
  }
  preferences(): Promise<Preferences> {
    return this.#get('/preferences', Preferences);
  }
  patchPreferences(patch: PreferencesPatch): Promise<Preferences> {
    return this.#call({ method: 'PATCH', path: '/preferences', body: patch }, Preferences);
  }
  policy(): Promise<PolicyView> {
    return this.#get('/policy', PolicyView);
  }
  testPolicy(test: z.input<typeof PolicyTest>): Promise<PolicyVerdict> {
    return this.#post('/policy/test', test, PolicyVerdict);
  }
  grants(): Promise<z.infer<typeof GrantsPage>> {
    return this.#get('/grants', GrantsPage);
  }
  revokeGrant(id: string): Promise<Grant> {
    return this.#call({ method: 'DELETE', path: `/grants/${encodeURIComponent(id)}` }, Grant);
  }
  close(): Promise<void> {
    return this.#client.close();
  }

  #get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return this.#call({ method: 'GET', path }, schema);
  }
  #post<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    return this.#call({ method: 'POST', path, ...(body === undefined ? {} : { body }) }, schema);
  }
  #call<T>(request: OutgoingRequest, schema: z.ZodType<T>): Promise<T> {
    return this.#client.call({ ...request, path: `/api/operator${request.path}` }, schema);
  }
}

function query(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).filter((entry) => entry[1] !== undefined);
  if (given.length === 0) return '';
  return `?${given.map(([key, value]) => `${key}=${encodeURIComponent(String(value))}`).join('&')}`;
}
