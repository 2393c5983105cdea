/** Sessions, cards and rows for the tests of the attention table. */
import { Approval, Session } from '../../../src/protocol/model.ts';
import { Snapshot } from '../../../src/protocol/operator-api.ts';
import { agent, approval, machine, T0 } from './samples.ts';

export function session(id: string, extra: Partial<Session> = {}): Session {
  return Session.parse({
    id: `${id}-0000-4000-8000-000000000000`,
    project: 'app',
    agent: 'claude',
    cwd: '/home/u/app',
    state: 'working',
    stateSince: T0,
    startedAt: T0,
    rung: 'hooks',
    ...extra,
  });
}

/** `number` makes the id; the larger, the later it was asked. */
export function toolCard(number: number, from: string, extra: object = {}): Approval {
  return approval({
    id: cardId(number),
    kind: 'tool',
    createdAt: new Date(Date.parse(T0) + number * 1000).toISOString(),
    subject: {
      kind: 'tool',
      from,
      agent: 'claude',
      tool: 'Bash',
      summary: `npm run step-${number}`,
      input: `npm run step-${number}`,
      cut: false,
      cwd: '/home/u/app',
      suggestions: ['Bash(npm run:*)', 'Bash(npm:*) in this session'],
      ...extra,
    },
  });
}

export function questionCard(number: number, from: string, questions?: readonly object[]): Approval {
  return Approval.parse({
    ...approval(),
    id: cardId(number),
    kind: 'question',
    scopes: ['once'],
    subject: {
      kind: 'question',
      source: 'ask_user',
      from,
      agent: 'claude',
      summary: 'Which database?',
      cwd: '/home/u/app',
      questions: questions ?? [
        { id: 'q1', text: 'Which database?', options: [{ label: 'PostgreSQL' }, { label: '何もしない' }] },
      ],
    },
  });
}

function cardId(number: number): string {
  return `apr_01JNAAAAAAAAAAAAAAAAAA${String(number).padStart(4, '0')}`;
}

export function snapshot(sessions: readonly Session[], approvals: readonly Approval[], extra: object = {}): Snapshot {
  return Snapshot.parse({
    epoch: 'e1',
    seq: 10,
    at: T0,
    me: { name: 'owner', role: 'owner' },
    machines: [machine()],
    agents: [agent({ sessions: [...sessions] })],
    approvals,
    threads: [],
    grants: [],
    notices: [],
    ...extra,
  });
}
