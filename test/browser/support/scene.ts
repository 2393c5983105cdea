/** A small mesh with one of everything, for looking at the app's layout: typed by the same schemas as the real one. */
import { createHash } from 'node:crypto';
import type { Announcement, Wait } from '../../../src/protocol/attention.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { Mission, MissionLogEntry } from '../../../src/protocol/mission.ts';
import type {
  Agent,
  Approval,
  Machine,
  Message,
  Session,
  SystemNotice,
  Thread,
  TraceStep,
} from '../../../src/protocol/model.ts';
import type { Snapshot } from '../../../src/protocol/operator-api.ts';

export interface Scene {
  readonly machines: Machine[];
  readonly agents: Agent[];
  readonly approvals: Approval[];
  readonly threads: Thread[];
  readonly messages: Message[];
  readonly steps: Map<string, TraceStep[]>;
  readonly notices: SystemNotice[];
  readonly missions: Mission[];
  readonly logs: Map<string, MissionLogEntry[]>;
  readonly usage: Snapshot['usage'];
  /** Newest first. */
  readonly announcements: Announcement[];
  /** Newest first. */
  readonly waits: Wait[];
}

export function emptyScene(): Scene {
  return {
    ...{ machines: [], agents: [], approvals: [], threads: [], messages: [], steps: new Map(), notices: [] },
    ...{ missions: [], logs: new Map(), usage: { sessions: [], machines: [] }, announcements: [], waits: [] },
  };
}

export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** The time `seconds` ago. */
export function past(seconds: number): string {
  return new Date(Date.now() - seconds * 1000).toISOString();
}

export function makeMachine(id: string, over: Partial<Machine> = {}): Machine {
  return {
    id,
    displayName: id,
    description: '',
    status: 'online',
    lastSeen: past(6),
    version: '0.1.0',
    daemonUrl: `http://${id}.tailnet:7701`,
    joinedAt: past(90_000),
    projects: 1,
    sessions: 1,
    ...over,
  };
}

export function makeSession(id: string, project: string, over: Partial<Session> = {}): Session {
  return {
    id,
    project,
    agent: 'claude',
    cwd: `/home/ada/code/${project}`,
    agentVersion: '2.1.329',
    state: 'idle',
    stateSince: past(190),
    startedAt: past(4000),
    managed: false,
    rung: 'inbox_socket',
    ...over,
  };
}

export function makeAgent(machine: Machine, project: string, sessions: Session[], description = ''): Agent {
  return {
    address: `${machine.id}/${project}`,
    machine: machine.id,
    machineName: machine.displayName,
    machineStatus: machine.status,
    project: {
      id: project,
      description,
      capabilities: [],
      tags: [],
      path: `/home/ada/code/${project}`,
      agent: 'claude',
      source: 'discovered',
    },
    sessions,
  };
}

export function makeMessage(
  thread: string,
  from: string,
  to: string,
  body: string,
  over: Partial<Message> = {},
): Message {
  const at = over.createdAt ?? past(60);
  return {
    id: newId('message', Date.parse(at)),
    threadId: thread,
    kind: 'chat',
    from,
    to,
    body,
    priority: 'normal',
    state: 'delivered',
    stateSince: at,
    place: 'hub',
    createdAt: at,
    expiresAt: past(-600_000),
    ...over,
  };
}

export function makeThread(messages: readonly Message[]): Thread {
  const [first] = messages;
  const last = messages.at(-1);
  if (first === undefined || last === undefined) throw new Error('a thread has a message');
  return {
    id: first.threadId,
    title: cut(first.body.split('\n', 1)[0] ?? '', 100),
    participants: [...new Set(messages.flatMap((message) => [message.from, message.to]))],
    messageCount: messages.length,
    createdAt: first.createdAt,
    lastMessageAt: last.createdAt,
    lastText: cut(last.body, 200),
    lastFrom: last.from,
    held: messages.filter((message) => message.state === 'held').length,
  };
}

export function approvalOf(message: Message, thread: Thread, over: Partial<Approval> = {}): Approval {
  const subject: Approval['subject'] = {
    kind: message.kind === 'ask' ? 'ask' : 'message',
    messageId: message.id,
    threadId: message.threadId,
    messageKind: message.kind,
    from: message.from,
    to: message.to,
    threadTitle: thread.title,
    body: message.body,
  };
  return {
    id: newId('approval'),
    kind: subject.kind,
    state: 'pending',
    subject,
    shownHash: hashOf(subject),
    rule: 'rule 4 “between machines” (policies.yml:21)',
    scopes: ['once', 'mission', 'session', 'always'],
    createdAt: message.createdAt,
    expiresAt: past(-82_000),
    ...over,
  };
}

export function joinApproval(): Approval {
  const subject: Approval['subject'] = {
    kind: 'join',
    machineId: 'attic-pi',
    displayName: 'Attic Pi',
    ip: '100.84.12.7',
    daemonUrl: 'http://100.84.12.7:7701',
    code: '418-207',
    replaces: false,
  };
  return {
    id: newId('approval'),
    kind: 'join',
    state: 'pending',
    subject,
    shownHash: hashOf(subject),
    rule: 'built-in: a new machine is always asked for',
    scopes: ['once'],
    createdAt: past(40),
    expiresAt: past(-840),
  };
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

const LONG = `The migration plan for the order tables, as agreed with the storage side:

1. Add the new columns as nullable and ship the writer that fills both.
2. Backfill in batches of 5,000 rows, pausing while replication lag is above two seconds.
3. Compare checksums per day; stop and report at the first difference.
4. Switch the readers behind the flag \`orders.read_v2\`, ten per cent at a time.
5. Wait one full week, including a month's end.
6. Drop the old columns.

Please confirm that nothing in the billing project still reads "orders.total_cents" directly. I found three places that look like it:

- reports/monthly.sql joins on it and rounds twice
- workers/invoice.ts has it in a fallback branch that I believe is dead
- the export job of the accountants, which nobody has touched since spring

If one of them is alive, tell me which release would carry the change, and I move step 4 behind it. I would rather lose two days than one invoice.

One more thing: the staging copy is from before the currency change, so its checksums will differ for March. That difference is expected and not a reason to stop.`;

/** One of everything. */
export function fullScene(): Scene {
  const scene = emptyScene();
  const studio = makeMachine('studio', {
    displayName: 'Studio',
    description: 'The big desk, always on',
    projects: 4,
    sessions: 3,
  });
  const laptop = makeMachine('nora-laptop', { displayName: 'Nora’s laptop', clockOffsetSeconds: -31, sessions: 1 });
  const shed = makeMachine('shed', {
    displayName: 'Shed',
    status: 'away',
    lastSeen: past(5400),
    version: '0.0.9',
    sessions: 0,
  });
  const old = makeMachine('old-mini', {
    displayName: 'Old mini',
    status: 'revoked',
    lastSeen: past(900_000),
    sessions: 0,
    projects: 0,
  });
  scene.machines.push(studio, laptop, shed, old);
  scene.agents.push(
    makeAgent(
      studio,
      'shop/api',
      [
        makeSession('5f2c9a10-aaaa', 'shop/api', { state: 'working', name: 'order tables', stateSince: past(42) }),
        makeSession('0b77e3d4-bbbb', 'shop/api', {
          state: 'waiting',
          waiting: { kind: 'permission', what: 'permission prompt' },
          rung: 'hooks',
          rungNote: 'It runs in bypass mode, where its inbox would hold what comes from outside.',
        }),
      ],
      'Orders, payments, invoices',
    ),
    makeAgent(
      studio,
      'infra',
      [makeSession('c41d22ee-cccc', 'infra', { name: 'cluster care' })],
      'Terraform and the cluster',
    ),
    makeAgent(studio, 'notes', []),
    makeAgent(
      laptop,
      'shop/web',
      [
        makeSession('9e8d7c6b-dddd', 'shop/web', {
          state: 'idle',
          agentVersion: '2.1.197',
          rung: 'hooks',
          rungNote: 'Claude Code 2.1.197 has no inbox of its own; from 2.1.224 on messages go straight in.',
        }),
      ],
      'The storefront',
    ),
    makeAgent(shed, 'sensors', [], 'Weather and doors'),
  );
  addTalk(scene);
  return scene;
}

function addTalk(scene: Scene): void {
  const web = 'nora-laptop/shop/web#9e8d7c6b-dddd';
  const api = 'studio/shop/api';
  const t1 = newId('thread');
  const talk = [
    makeMessage(
      t1,
      web,
      api,
      'Does `GET /orders/:id` still return **total_cents**? The cart page shows NaN since this morning.\n\n```json\n{ "id": 8812, "total": { "amount": "41.90", "currency": "EUR" } }\n```',
      {
        kind: 'ask',
        state: 'answered',
        place: 'studio',
        createdAt: past(3000),
        rule: 'grant grn_01',
        approvedBy: 'nora',
        proof: 'UserPromptSubmit hook',
      },
    ),
    makeMessage(
      t1,
      `${api}#5f2c9a10-aaaa`,
      web,
      'It changed with release 41: the amount is a decimal string inside `total` now. I can keep `total_cents` for one more release if you need it.',
      { kind: 'reply', state: 'seen', place: 'nora-laptop', createdAt: past(2880) },
    ),
    makeMessage(t1, 'human:nora', api, 'Keep it for one release, please. And note it in the changelog.', {
      kind: 'reply',
      state: 'delivered',
      place: 'studio',
      createdAt: past(2400),
      proof: 'transcript entry 4411',
    }),
    makeMessage(t1, web, api, LONG, {
      kind: 'ask',
      state: 'held',
      createdAt: past(140),
      reason: 'Waits for an operator: rule 4 asks for messages between machines.',
    }),
  ];
  const t2 = newId('thread');
  const nightly = [
    makeMessage(
      t2,
      'studio/infra#c41d22ee-cccc',
      'shed/sensors',
      'The certificate of the broker ends on Friday. Renew it with `make certs` when you are up, and tell me the new fingerprint.',
      {
        kind: 'send',
        state: 'queued',
        place: 'hub',
        reason: 'Shed is away; it goes out as soon as it is back.',
        createdAt: past(5000),
      },
    ),
  ];
  const t3 = newId('thread');
  const hold = [
    makeMessage(
      t3,
      'studio/infra',
      'studio/shop/api#0b77e3d4-bbbb',
      'I restart the staging database at 14:00. Please finish what writes to it.',
      {
        kind: 'send',
        state: 'held_at_terminal',
        place: 'studio',
        reason: 'The session asks its person first; it gives up in 25 min.',
        createdAt: past(320),
      },
    ),
  ];
  const t4 = newId('thread');
  const denied = [
    makeMessage(t4, 'nora-laptop/shop/web', 'studio/infra', 'Could you open port 5432 to my address for an hour?', {
      kind: 'ask',
      state: 'denied',
      reason: 'nora: use the tunnel instead',
      createdAt: past(8600),
    }),
    makeMessage(t4, 'studio/infra', 'nora-laptop/shop/web', 'The operator said no: use the tunnel instead.', {
      kind: 'notice',
      state: 'delivered',
      place: 'nora-laptop',
      createdAt: past(8500),
    }),
  ];
  for (const messages of [talk, nightly, hold, denied]) {
    scene.messages.push(...messages);
    scene.threads.push(makeThread(messages));
    for (const message of messages) scene.steps.set(message.id, stepsOf(message));
  }
  const held = talk[3];
  const talkThread = scene.threads[0];
  const refused = denied[0];
  const deniedThread = scene.threads[3];
  if (held === undefined || talkThread === undefined || refused === undefined || deniedThread === undefined) return;
  const short = makeMessage(
    t2,
    'studio/infra#c41d22ee-cccc',
    'nora-laptop/shop/web',
    'The staging host moves to the new cluster at 14:00. Expect two minutes without it; nothing to do on your side.',
    { kind: 'send', state: 'held', createdAt: past(80) },
  );
  scene.approvals.push(
    approvalOf(held, talkThread),
    approvalOf(short, makeThread([short]), { scopes: ['once', 'always'] }),
    joinApproval(),
    approvalOf(refused, deniedThread, {
      state: 'denied',
      decision: {
        verdict: 'deny',
        scope: 'once',
        by: 'nora',
        via: 'telegram',
        at: past(8590),
        reason: 'use the tunnel instead',
      },
    }),
    approvalOf(talk[0] ?? held, talkThread, {
      state: 'allowed',
      decision: { verdict: 'allow', scope: 'mission', by: 'nora', via: 'web', at: past(2990) },
    }),
    approvalOf(nightly[0] ?? held, makeThread(nightly), {
      state: 'allowed',
      decision: { verdict: 'allow', scope: 'always', by: 'tom', via: 'cli', at: past(4990) },
    }),
    approvalOf(hold[0] ?? held, makeThread(hold), { state: 'expired', expiresAt: past(9000) }),
  );
}

function stepsOf(message: Message): TraceStep[] {
  const begin = Date.parse(message.createdAt);
  const at = (seconds: number) => new Date(begin + seconds * 1000).toISOString();
  const first: TraceStep = { state: 'submitted', at: at(0), place: 'nora-laptop' };
  if (message.state === 'held')
    return [
      first,
      {
        state: 'held',
        at: at(0.1),
        place: 'hub',
        rule: 'rule 4 “between machines” (policies.yml:21)',
        reason: 'Waits for an operator.',
      },
    ];
  const allowed: TraceStep = {
    state: 'queued',
    at: at(9),
    place: 'hub',
    rule: 'rule 4 “between machines” (policies.yml:21)',
    by: 'nora in Telegram, once',
  };
  if (message.state === 'queued') return [first, { ...allowed, reason: message.reason ?? '' }];
  return [
    first,
    { state: 'held', at: at(0.1), place: 'hub', rule: 'rule 4 “between machines” (policies.yml:21)' },
    allowed,
    { state: 'dispatched', at: at(9.01), place: 'studio' },
    { state: 'written', at: at(9.2), place: 'studio', proof: 'inbox socket took it' },
    {
      state: message.state,
      at: at(9.6),
      place: message.place,
      ...(message.proof === undefined ? {} : { proof: message.proof }),
      ...(message.reason === undefined ? {} : { reason: message.reason }),
    },
  ];
}
