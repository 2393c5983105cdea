/** The board and its rows: order, what is told apart, what changes and what does not. */
import { describe, expect, it } from 'vitest';
import { Board } from '../../../src/cli/attention/board.ts';
import { changesOf } from '../../../src/cli/attention/lines.ts';
import type { HubEvent } from '../../../src/protocol/events.ts';
import { joinApproval, machine, T0 } from '../support/samples.ts';
import { questionCard, session, snapshot, toolCard } from '../support/attention.ts';

const A = 'aaaaaaaa';
const B = 'bbbbbbbb';
const C = 'cccccccc';
const asker = (id: string): string => `laptop/app#${id}-0000-4000-8000-000000000000`;
const at = (seq: number) => ({ seq, at: T0 });

function table(board: Board): string[] {
  return board.rows().map(({ group, kind, address }) => `${group} ${kind} ${address.replace(/-0000.*/, '')}`);
}

describe('rows', () => {
  it('stand by what needs the person, the longest waiting first', () => {
    const board = new Board(
      snapshot(
        [
          session(A),
          session(B, { state: 'waiting', waiting: { kind: 'trust', what: 'Do you trust it?' } }),
          session(C, { state: 'idle' }),
          session('dddddddd', { stalledSince: T0 }),
          session('eeeeeeee', { state: 'waiting', waiting: { kind: 'rate_limit', what: '5-hour limit', resetAt: T0 } }),
          session('ffffffff', { state: 'thinking' }),
        ],
        [toolCard(2, asker(A)), toolCard(1, asker(A)), joinApproval()],
      ),
    );
    expect(table(board)).toEqual([
      'waiting join nas',
      'waiting trust laptop/app#bbbbbbbb',
      'waiting permission laptop/app#aaaaaaaa',
      'waiting permission laptop/app#aaaaaaaa',
      'stalled working laptop/app#dddddddd',
      'limited rate_limit laptop/app#eeeeeeee',
      'working working laptop/app#aaaaaaaa',
      'working thinking laptop/app#ffffffff',
      'idle idle laptop/app#cccccccc',
    ]);
  });

  it('seed: several requests of one session are told apart, and what waits stands there once', () => {
    const waits = session(A, { state: 'waiting', waiting: { kind: 'permission', what: 'Bash: npm run step-1' } });
    const board = new Board(snapshot([waits], [toolCard(1, asker(A)), toolCard(2, asker(A))]));
    expect(board.rows().map(({ what }) => what)).toEqual(['Bash: npm run step-1', 'Bash: npm run step-2']);
    expect(new Set(board.rows().map(({ key }) => key)).size).toBe(2);
  });

  it('a plan is a plan, and its text is not the row', () => {
    const board = new Board(snapshot([], [toolCard(1, asker(A), { plan: true, tool: 'ExitPlanMode' })]));
    expect(board.rows()[0]).toMatchObject({ kind: 'plan', what: 'wants to go ahead with its plan' });
  });

  it('hold what was used, and that a machine is away', () => {
    const usage = {
      session: session(A).id,
      machine: 'laptop',
      contextTokens: 50_000,
      contextWindow: 200_000,
      tokens: { input: 1, output: 1, cacheRead: 1, cacheWrite: 1 },
      costUsd: 1.25,
      at: T0,
    };
    const given = { machines: [machine({ status: 'away' })], usage: { sessions: [usage], machines: [] } };
    const board = new Board(snapshot([session(A)], [], given));
    expect(board.rows()[0]).toMatchObject({ context: 25, costUsd: 1.25, away: true });
  });
});

describe('events', () => {
  const changes: [name: string, event: HubEvent, after: string[]][] = [
    [
      'a session that begins to wait',
      {
        ...at(11),
        type: 'session.changed',
        machineId: 'laptop',
        session: session(A, { state: 'waiting', waiting: { kind: 'question', what: 'Which?' } }),
      },
      ['waiting question laptop/app#aaaaaaaa'],
    ],
    [
      'one that ended',
      { ...at(11), type: 'session.changed', machineId: 'laptop', session: session(A, { state: 'ended' }) },
      [],
    ],
    ['a machine that was removed', { ...at(11), type: 'machine.removed', machineId: 'laptop' }, []],
    [
      'a card',
      { ...at(11), type: 'approval.changed', approval: questionCard(1, asker(A)) },
      ['waiting question laptop/app#aaaaaaaa', 'working working laptop/app#aaaaaaaa'],
    ],
    [
      'what is older than the snapshot changes nothing',
      { ...at(10), type: 'machine.removed', machineId: 'laptop' },
      ['working working laptop/app#aaaaaaaa'],
    ],
  ];
  it.each(changes)('%s', (_name, event, after) => {
    const board = new Board(snapshot([session(A)], []));
    board.apply(event);
    expect(table(board)).toEqual(after);
  });

  it('a card that is answered anywhere is gone', () => {
    const card = toolCard(1, asker(A));
    const board = new Board(snapshot([], [card]));
    const answered = { ...card, state: 'answered_elsewhere' as const };
    expect(board.apply({ ...at(11), type: 'approval.changed', approval: answered })).toBe(true);
    expect(board.rows()).toEqual([]);
    expect(board.apply({ ...at(12), type: 'approval.changed', approval: answered })).toBe(false);
  });

  it('asks for more when few of many cards are left', () => {
    const card = toolCard(1, asker(A));
    expect(new Board(snapshot([], [card], { pendingMore: 7 })).wantsMore).toBe(true);
    expect(new Board(snapshot([], [card])).wantsMore).toBe(false);
  });
});

it('two tables differ in what came, changed and went; growing older is no difference', () => {
  const before = new Board(snapshot([session(A), session(B)], [])).rows();
  const after = new Board(snapshot([session(A, { state: 'thinking' }), session(C)], [])).rows();
  expect(changesOf(undefined, before).map(({ change }) => change)).toEqual(['is', 'is']);
  expect(changesOf(before, before)).toEqual([]);
  expect(
    changesOf(before, after).map(({ change, row }) => `${change} ${row.kind} ${row.address.slice(11, 14)}`),
  ).toEqual(['now thinking aaa', 'now working ccc', 'gone working bbb']);
});
