/**
 * The operator API as typed calls. Every answer is parsed by its schema; every failure is an IntercomError: what the hub refused in the
 * hub's own words, what did not reach it as `unreachable`.
 */
import type { z } from 'zod';
import {
  Preferences,
  WaitsPage,
  type PreferencesPatch,
  type PushSubscription,
} from '../../../src/protocol/attention.ts';
import { ErrorBody, IntercomError } from '../../../src/protocol/errors.ts';
import { MessageStatus, MissionsPage, ThreadPage } from '../../../src/protocol/machine-api.ts';
import { Mission, MissionLogPage } from '../../../src/protocol/mission.ts';
import { Approval, Machine, Trace } from '../../../src/protocol/model.ts';
import {
  ApprovalsPage,
  Me,
  PushKey,
  Snapshot,
  ThreadsPage,
  type DecisionRequest,
  type OperatorMission,
  type OperatorSubmit,
} from '../../../src/protocol/operator-api.ts';

/** How long one call may take, ms; a phone that lost its network must not wait for ever. */
const CALL_TIMEOUT = 20_000;
const BASE = '/api/operator';

export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

/** What a caller hands in: the schema's output with everything that has a default left open. */
export type Decision = Pick<DecisionRequest, 'verdict' | 'shownHash'> &
  Partial<Pick<DecisionRequest, 'scope' | 'reason' | 'suggestion' | 'answers'>>;
export type NewMessage = Pick<OperatorSubmit, 'body'> & Partial<OperatorSubmit>;

export type NewMission = Pick<OperatorMission, 'machine' | 'project' | 'text'> & Partial<OperatorMission>;
/** What may be said to a mission without more words. */
export type MissionOrder = 'cancel' | 'pause' | 'resume' | 'rerun';

export interface Api {
  signIn(code: string): Promise<Me>;
  signOut(): Promise<void>;
  me(): Promise<Me>;
  snapshot(): Promise<Snapshot>;
  /** Pending approvals behind this one, oldest first. */
  pendingAfter(id: string): Promise<ApprovalsPage>;
  decide(approvalId: string, decision: Decision): Promise<Approval>;
  threads(before: string | undefined): Promise<z.infer<typeof ThreadsPage>>;
  thread(id: string, before: string | undefined): Promise<ThreadPage>;
  submit(message: NewMessage): Promise<MessageStatus>;
  trace(messageId: string): Promise<Trace>;
  /** This page showed a message to the operators. */
  shown(messageId: string): Promise<void>;
  cancel(messageId: string): Promise<MessageStatus>;
  missions(before: string | undefined): Promise<z.infer<typeof MissionsPage>>;
  mission(id: string): Promise<Mission>;
  missionLog(id: string, after: number): Promise<MissionLogPage>;
  startMission(mission: NewMission): Promise<Mission>;
  orderMission(id: string, order: MissionOrder, text?: string): Promise<Mission>;
  sendToMission(id: string, text: string): Promise<MessageStatus>;
  renameMachine(id: string, displayName: string): Promise<Machine>;
  revokeMachine(id: string): Promise<Machine>;
  rotateMachine(id: string): Promise<Machine>;
  removeMachine(id: string): Promise<void>;
  /** The newest waits of these days, behind `before`. */
  waits(days: number, before: string | undefined): Promise<WaitsPage>;
  preferences(): Promise<Preferences>;
  changePreferences(patch: PreferencesPatch): Promise<Preferences>;
  pushKey(): Promise<string>;
  subscribePush(subscription: PushSubscription): Promise<void>;
  unsubscribePush(endpoint: string): Promise<void>;
}

export function createApi(fetcher: Fetch): Api {
  async function call<T>(method: string, path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
    return read(await send(fetcher, method, path, body), schema);
  }
  /** A call whose success says everything. */
  async function order(method: string, path: string, body?: unknown): Promise<void> {
    const response = await send(fetcher, method, path, body);
    if (!response.ok) throw refusal(response.status, await jsonOf(response));
  }
  const at = (id: string) => encodeURIComponent(id);
  return {
    signIn: (code) => call('POST', '/sign-in', Me, { code }),
    signOut: () => order('POST', '/sign-out', {}),
    me: () => call('GET', '/me', Me),
    snapshot: () => call('GET', '/snapshot', Snapshot),
    pendingAfter: (id) => call('GET', `/approvals?state=pending&order=oldest&limit=100&after=${at(id)}`, ApprovalsPage),
    decide: (id, decision) => call('POST', `/approvals/${at(id)}/decision`, Approval, decision),
    threads: (before) => call('GET', `/threads${paging(before)}`, ThreadsPage),
    thread: (id, before) => call('GET', `/threads/${at(id)}${paging(before)}`, ThreadPage),
    submit: (message) => call('POST', '/messages', MessageStatus, message),
    trace: (id) => call('GET', `/messages/${at(id)}/trace`, Trace),
    shown: (id) => order('POST', `/messages/${at(id)}/shown`),
    cancel: (id) => call('POST', `/messages/${at(id)}/cancel`, MessageStatus, {}),
    missions: (before) => call('GET', `/missions${paging(before)}`, MissionsPage),
    mission: (id) => call('GET', `/missions/${at(id)}`, Mission),
    missionLog: (id, after) => call('GET', `/missions/${at(id)}/log?after=${after}&limit=200`, MissionLogPage),
    startMission: (mission) => call('POST', '/missions', Mission, mission),
    orderMission: (id, order, text) =>
      call('POST', `/missions/${at(id)}/${order}`, Mission, order === 'resume' && text !== undefined ? { text } : {}),
    sendToMission: (id, text) => call('POST', `/missions/${at(id)}/send`, MessageStatus, { text }),
    renameMachine: (id, displayName) => call('PATCH', `/machines/${at(id)}`, Machine, { displayName }),
    revokeMachine: (id) => call('POST', `/machines/${at(id)}/revoke`, Machine, {}),
    rotateMachine: (id) => call('POST', `/machines/${at(id)}/rotate`, Machine, {}),
    removeMachine: (id) => order('DELETE', `/machines/${at(id)}`),
    waits: (days, before) => call('GET', `/attention/waits${paging(before)}&days=${days}`, WaitsPage),
    preferences: () => call('GET', '/preferences', Preferences),
    changePreferences: (patch) => call('PATCH', '/preferences', Preferences, patch),
    pushKey: async () => (await call('GET', '/push', PushKey)).publicKey,
    subscribePush: (subscription) => order('POST', '/push/subscriptions', subscription),
    unsubscribePush: (endpoint) => order('POST', '/push/subscriptions/remove', { endpoint }),
  };
}

function paging(before: string | undefined): string {
  return before === undefined ? '?limit=50' : `?limit=50&before=${encodeURIComponent(before)}`;
}

async function send(fetcher: Fetch, method: string, path: string, body: unknown): Promise<Response> {
  const init: RequestInit = {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    signal: AbortSignal.timeout(CALL_TIMEOUT),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
  try {
    return await fetcher(`${BASE}${path}`, init);
  } catch (cause) {
    throw new IntercomError('unreachable', 'The hub does not answer.', {
      next: 'Look whether this device is online and the hub runs, then try again.',
      cause,
    });
  }
}

async function read<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
  const value = await jsonOf(response);
  if (!response.ok) throw refusal(response.status, value);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new IntercomError('unsupported_version', 'The hub answered in a way that this page does not understand.', {
    next: 'Reload the page: the hub may be newer than it.',
    cause: parsed.error,
  });
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    const value: unknown = await response.json();
    return value;
  } catch {
    return undefined;
  }
}

/** The hub's own words where it gave them; something between us and the hub may not have. */
function refusal(status: number, value: unknown): IntercomError {
  const body = ErrorBody.safeParse(value);
  if (body.success) return IntercomError.fromWire(body.data.error);
  if (status === 401) return new IntercomError('unauthorized', 'You are not signed in.');
  return new IntercomError(status >= 500 ? 'unreachable' : 'internal', `The hub could not answer (HTTP ${status}).`, {
    next: 'Try again in a moment.',
  });
}
