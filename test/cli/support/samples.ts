/** Things of the mesh as a hub would send them; each is checked by its schema, so that a sample cannot be what no hub sends. */
import { LocalStatus } from '../../../src/protocol/local-api.ts';
import { MessageStatus } from '../../../src/protocol/machine-api.ts';
import { Agent, Approval, Machine, Message, Trace } from '../../../src/protocol/model.ts';
import { HubStatus } from '../../../src/protocol/operator-api.ts';

export const T0 = '2026-03-01T11:57:00.000Z';
export const MESSAGE_ID = 'msg_01JNAAAAAAAAAAAAAAAAAAAAAA';
export const THREAD_ID = 'thr_01JNAAAAAAAAAAAAAAAAAAAAAA';
export const APPROVAL_ID = 'apr_01JNAAAAAAAAAAAAAAAAAAAAAA';
export const JOIN_APPROVAL_ID = 'apr_01JNBBBBBBBBBBBBBBBBBBBBBB';
const LATER = '2026-03-02T12:00:00.000Z';

export function message(extra: Partial<Message> = {}): Message {
  return Message.parse({
    id: MESSAGE_ID,
    threadId: THREAD_ID,
    kind: 'send',
    from: 'laptop/app',
    to: 'human',
    body: 'The build is green.',
    priority: 'normal',
    state: 'delivered',
    stateSince: T0,
    place: 'hub',
    createdAt: T0,
    expiresAt: LATER,
    ...extra,
  });
}

export function status(extra: Partial<MessageStatus> = {}): MessageStatus {
  return MessageStatus.parse({
    id: MESSAGE_ID,
    threadId: THREAD_ID,
    to: 'laptop/app',
    state: 'queued',
    stateSince: T0,
    place: 'hub',
    ...extra,
  });
}

export function approval(extra: Partial<Approval> = {}): Approval {
  return Approval.parse({
    id: APPROVAL_ID,
    kind: 'message',
    state: 'pending',
    subject: {
      kind: 'message',
      messageId: MESSAGE_ID,
      threadId: THREAD_ID,
      messageKind: 'chat',
      from: 'laptop/app',
      to: 'server/api',
      threadTitle: 'Release',
      body: 'May I restart the api?\nIt takes a minute.',
    },
    shownHash: 'a'.repeat(64),
    rule: 'default rule: ask once',
    scopes: ['once', 'always'],
    createdAt: T0,
    expiresAt: LATER,
    ...extra,
  });
}

export function joinApproval(code = '123-456', id = JOIN_APPROVAL_ID, machineId = 'nas'): Approval {
  return approval({
    id,
    kind: 'join',
    subject: {
      kind: 'join',
      machineId,
      displayName: 'The NAS',
      ip: '100.64.0.9',
      daemonUrl: 'http://100.64.0.9:7701',
      code,
      replaces: false,
    },
  });
}

export function machine(extra: Partial<Machine> = {}): Machine {
  return Machine.parse({
    id: 'laptop',
    displayName: 'Laptop',
    description: '',
    status: 'online',
    lastSeen: T0,
    version: '0.1.0',
    daemonUrl: 'http://100.64.0.2:7701',
    joinedAt: T0,
    projects: 3,
    sessions: 1,
    ...extra,
  });
}

export function agent(extra: Partial<Agent> = {}): Agent {
  return Agent.parse({
    address: 'laptop/app',
    machine: 'laptop',
    machineName: 'Laptop',
    machineStatus: 'online',
    project: { id: 'app', description: 'the web shop', path: '/home/u/app' },
    sessions: [
      {
        id: '7d7e2ca8-0000-4000-8000-000000000000',
        project: 'app',
        agent: 'claude',
        agentVersion: '2.1.329',
        cwd: '/home/u/app',
        state: 'waiting',
        waiting: { kind: 'permission', what: 'permission prompt' },
        stateSince: T0,
        startedAt: T0,
        rung: 'inbox_socket',
      },
    ],
    ...extra,
  });
}

export function trace(): Trace {
  return Trace.parse({
    message: message({ to: 'server/api', state: 'held_at_terminal' }),
    steps: [
      { state: 'submitted', at: T0, place: 'laptop' },
      { state: 'held', at: T0, place: 'hub', rule: 'rule 2 "peers" (policies.yml:7)' },
      { state: 'queued', at: T0, place: 'hub', by: 'owner' },
      { state: 'held_at_terminal', at: T0, place: 'server', reason: 'the terminal asks its person first' },
    ],
    waitsFor: 'The person at the terminal of server/api decides.',
    recipientAway: false,
  });
}

export function hubStatus(): HubStatus {
  return HubStatus.parse({
    version: '0.1.0',
    mode: 'standalone',
    startedAt: T0,
    epoch: 'e1',
    seq: 3,
    urls: ['http://127.0.0.1:7700'],
    machines: { online: 2, away: 1, revoked: 0 },
    sessions: 4,
    approvalsPending: 2,
    messages: { held: 1, queued: 3, total: 1200 },
    telegram: { state: 'refused', problem: 'the token is wrong', outbox: 0 },
    store: { path: '/s/hub.db', bytes: 12_000_000, state: 'ok' },
    notices: [
      {
        key: 'telegram.token',
        level: 'error',
        text: 'Telegram refused the token.',
        next: 'Ask @BotFather.',
        since: T0,
      },
    ],
  });
}

export function localStatus(): LocalStatus {
  return LocalStatus.parse({
    machineId: 'laptop',
    version: '0.1.0',
    epoch: 'd1',
    startedAt: T0,
    hub: { url: 'http://127.0.0.1:7700', state: 'online', since: T0 },
    outbox: 0,
    inbox: 1,
    projects: 3,
    sessions: agent().sessions,
  });
}
