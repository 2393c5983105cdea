/** The app's state: a fold over events that stands repeats, late answers and a snapshot at any point. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HubEvent, NewHubEvent } from '../../src/protocol/events.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { Approval, Machine, Message, Session, Thread } from '../../src/protocol/model.ts';
import type { Snapshot } from '../../src/protocol/operator-api.ts';
import {
  applyEvent,
  DECIDED_MAX,
  decidedApprovals,
  fromSnapshot,
  mergeApproval,
  mergePending,
  mergeThreadPage,
  OPENED_MAX,
  pendingApprovals,
  placeOf,
  skipEvent,
  sortedMessages,
  THREADS_MAX,
  type MeshState,
} from '../../pwa/src/core/state.ts';
import { waitingCount } from '../../pwa/src/core/sessions.ts';

const T0 = Date.parse('2026-03-01T10:00:00.000Z');
const time = (seconds: number) => new Date(T0 + seconds * 1000).toISOString();
const threadIds = [newId('thread'), newId('thread')] as const;
const messageIds = [newId('message'), newId('message'), newId('message')];
const approvalIds = [newId('approval'), newId('approval'), newId('approval')];

function machine(id: string, status: Machine['status'], name = id): Machine {
  return {
    id,
    displayName: name,
    description: '',
    status,
    version: '',
    daemonUrl: '',
    joinedAt: time(0),
    projects: 0,
    sessions: 0,
  };
}

function thread(id: string, at: number): Thread {
  return {
    id,
    title: 'title',
    participants: ['a/one', 'b/two'],
    messageCount: 1,
    createdAt: time(0),
    lastMessageAt: time(at),
    lastText: 'text',
    lastFrom: 'a/one',
    held: 0,
  };
}

function message(id: string, threadId: string, state: Message['state'], at: number, body = 'text'): Message {
  return {
    id,
    threadId,
    kind: 'send',
    from: 'a/one',
    to: 'b/two',
    body,
    priority: 'normal',
    state,
    stateSince: time(at),
    place: 'hub',
    createdAt: time(0),
    expiresAt: time(9999),
  };
}

function approval(id: string, state: Approval['state'], at = 0): Approval {
  const subject: Approval['subject'] = {
    kind: 'join',
    machineId: 'a',
    displayName: 'a',
    ip: '',
    daemonUrl: '',
    code: '1',
    replaces: false,
  };
  return {
    id,
    kind: 'join',
    state,
    subject,
    shownHash: 'a'.repeat(64),
    rule: 'rule',
    scopes: ['once'],
    createdAt: time(at),
    expiresAt: time(900),
    ...(state === 'allowed'
      ? { decision: { verdict: 'allow', scope: 'once', by: 'nora', via: 'web', at: time(at) } }
      : {}),
  };
}

function session(id: string, project: string, state: Session['state']): Session {
  return {
    id,
    project,
    agent: 'claude',
    cwd: '/x',
    state,
    stateSince: time(0),
    startedAt: time(0),
    managed: false,
    rung: 'hooks',
  };
}

function emptySnapshot(over: Partial<Snapshot> = {}): Snapshot {
  return {
    epoch: 'e',
    seq: 0,
    at: time(0),
    me: { name: 'nora', role: 'owner' },
    machines: [],
    agents: [],
    approvals: [],
    pendingMore: 0,
    missions: [],
    usage: { sessions: [], machines: [] },
    announcements: [],
    threads: [],
    grants: [],
    notices: [],
    ...over,
  };
}

/** What a hub would answer at this point. */
function snapshotOf(state: MeshState): Snapshot {
  return emptySnapshot({
    seq: state.seq,
    machines: [...state.machines.values()],
    agents: [...state.agents.values()],
    approvals: [...state.approvals.values()],
    threads: [...state.threads.values()],
    grants: [...state.grants.values()],
    notices: [...state.notices.values()],
  });
}

const machineId = fc.constantFrom('a', 'b');
const projectId = fc.constantFrom('one', 'two/deep');
const newEvent: fc.Arbitrary<NewHubEvent> = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(...messageIds),
      fc.constantFrom(...threadIds),
      fc.nat(50),
      fc.constantFrom('held', 'queued', 'seen'),
    )
    .map(([id, threadId, at, state]): NewHubEvent => {
      const moved = message(id, threadId, state === 'held' || state === 'queued' ? state : 'seen', at);
      return {
        type: 'message.changed',
        message: moved,
        step: { state: moved.state, at: time(at), place: 'hub' },
        thread: thread(threadId, at),
      };
    }),
  fc
    .tuple(fc.constantFrom(...approvalIds), fc.constantFrom('pending', 'allowed', 'expired'))
    .map(([id, state]): NewHubEvent => ({
      type: 'approval.changed',
      approval: approval(id, state === 'allowed' || state === 'expired' ? state : 'pending'),
    })),
  fc
    .tuple(machineId, fc.constantFrom<Machine['status']>('online', 'away'), fc.string({ maxLength: 5 }))
    .map(([id, status, name]): NewHubEvent => ({ type: 'machine.changed', machine: machine(id, status, name) })),
  machineId.map((id): NewHubEvent => ({ type: 'machine.removed', machineId: id })),
  fc.tuple(machineId, fc.uniqueArray(projectId)).map(([id, projects]): NewHubEvent => ({
    type: 'projects.changed',
    machineId: id,
    projects: projects.map((project) => ({
      id: project,
      description: '',
      capabilities: [],
      tags: [],
      path: '/x',
      agent: 'claude',
      source: 'discovered',
    })),
  })),
  fc
    .tuple(
      machineId,
      fc.constantFrom('s001', 's002'),
      projectId,
      fc.constantFrom<Session['state']>('idle', 'working', 'ended'),
    )
    .map(([id, name, project, state]): NewHubEvent => ({
      type: 'session.changed',
      machineId: id,
      session: session(name, project, state),
    })),
  fc.boolean().map((over): NewHubEvent => ({
    type: 'system.notice',
    notice: {
      key: 'store.full',
      level: 'error',
      text: 'full',
      since: time(0),
      ...(over ? { clearedAt: time(1) } : {}),
    },
  })),
);
const history = fc
  .array(newEvent, { maxLength: 40 })
  .map((events) => events.map((event, index): HubEvent => ({ ...event, seq: index + 1, at: time(index) })));

const fold = (state: MeshState, events: readonly HubEvent[]) => events.reduce(applyEvent, state);
/** Everything but what depends on when the app was opened. */
const visible = (state: MeshState) => ({ ...state, base: '', opened: undefined });

describe('the state of the app', () => {
  it('comes out the same when events are repeated and come again late', () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat(39)), (events, repeats) => {
        const once = fold(fromSnapshot(emptySnapshot()), events);
        let state = fromSnapshot(emptySnapshot());
        events.forEach((event, index) => {
          state = applyEvent(state, event);
          for (const repeat of repeats) {
            const old = events[repeat];
            if (old !== undefined && repeat <= index) expect(applyEvent(state, old)).toBe(state);
          }
        });
        expect(visible(state)).toEqual(visible(once));
      }),
    );
  });

  it('never lets its number go back', () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat(39), { maxLength: 60 }), (events, order) => {
        let state = fromSnapshot(emptySnapshot());
        for (const index of order) {
          const event = events[index];
          if (event === undefined) continue;
          const next = applyEvent(state, event);
          expect(next.seq).toBeGreaterThanOrEqual(state.seq);
          expect(placeOf(next, event.seq)).toBe('known');
          state = next;
        }
      }),
    );
  });

  it('is the same from a snapshot taken anywhere on the way', () => {
    fc.assert(
      fc.property(history, fc.nat(40), (events, at) => {
        const start = fromSnapshot(emptySnapshot());
        const middle = fold(start, events.slice(0, at));
        const resumed = fold(fromSnapshot(snapshotOf(middle)), events);
        expect(visible(resumed)).toEqual(visible(fold(start, events)));
      }),
    );
  });

  it('sees a hole in the numbers, and counts an event that it cannot read', () => {
    const state = fromSnapshot(emptySnapshot({ seq: 7 }));
    expect([placeOf(state, 7), placeOf(state, 8), placeOf(state, 9)]).toEqual(['known', 'next', 'hole']);
    expect(skipEvent(state, 8).seq).toBe(8);
    expect(skipEvent(state, 3)).toBe(state);
  });

  it('never sets a decided approval back to pending by a slow answer', () => {
    const id = approvalIds[0] ?? '';
    const state = fromSnapshot(emptySnapshot({ approvals: [approval(id, 'allowed', 5)] }));
    expect(mergeApproval(state, approval(id, 'pending'))).toBe(state);
    expect(pendingApprovals(mergeApproval(state, approval(newId('approval'), 'pending')))).toHaveLength(1);
  });

  it('keeps the younger telling of a message, whether it came by event or by page', () => {
    const [threadId] = threadIds;
    const id = messageIds[0] ?? '';
    const page = (state: Message['state'], at: number) => ({
      thread: thread(threadId, at),
      messages: [message(id, threadId, state, at)],
      more: false,
    });
    const opened = mergeThreadPage(fromSnapshot(emptySnapshot()), page('queued', 1), false);
    const moved = applyEvent(opened, {
      type: 'message.changed',
      message: message(id, threadId, 'seen', 5),
      step: { state: 'seen', at: time(5), place: 'b' },
      thread: thread(threadId, 5),
      seq: 1,
      at: time(5),
    });
    const late = mergeThreadPage(moved, page('queued', 1), false);
    const current = late.opened.get(threadId);
    expect(current === undefined ? [] : sortedMessages(current).map((item) => item.state)).toEqual(['seen']);
    expect(late.threads.get(threadId)?.lastMessageAt).toBe(time(5));
  });

  it('shows new cards last, so that nothing moves under a finger', () => {
    const older = approval(approvalIds[1] ?? '', 'pending', 1);
    const newer = approval(approvalIds[0] ?? '', 'pending', 9);
    const state = fromSnapshot(emptySnapshot({ approvals: [newer, older] }));
    expect(pendingApprovals(state).map((item) => item.id)).toEqual([older.id, newer.id]);
  });

  it('has a bound on everything that grows, and never drops what waits', () => {
    const many = Array.from({ length: DECIDED_MAX + 50 }, (_value, index) =>
      approval(newId('approval'), 'allowed', index),
    );
    const waiting = Array.from({ length: 150 }, (_value, index) => approval(newId('approval'), 'pending', index));
    const threads = Array.from({ length: THREADS_MAX + 20 }, (_value, index) => thread(newId('thread'), index));
    let state = fromSnapshot(emptySnapshot({ approvals: [...many, ...waiting], threads }));
    expect(decidedApprovals(state)).toHaveLength(DECIDED_MAX);
    expect(decidedApprovals(state)[0]?.id).toBe(many.at(-1)?.id);
    expect(pendingApprovals(state)).toHaveLength(150);
    expect(state.threads.size).toBe(THREADS_MAX);
    for (const item of threads) state = mergeThreadPage(state, { thread: item, messages: [], more: false }, false);
    expect(state.opened.size).toBe(OPENED_MAX);
  });
});

describe('more approvals wait than the page has', () => {
  const ids = Array.from({ length: 5 }, () => newId('approval'));
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = ids;
  const start = (): MeshState =>
    fromSnapshot(
      emptySnapshot({ approvals: [approval(first, 'pending'), approval(second, 'pending')], pendingMore: 3 }),
    );

  it('counts them, and goes on behind the last one that it has', () => {
    const state = start();
    expect([waitingCount(state), state.unlisted]).toEqual([5, { count: 3, after: second }]);
    const page = { approvals: [approval(third, 'pending'), approval(fourth, 'pending')], more: true };
    const next = mergePending(state, page);
    expect([waitingCount(next), next.unlisted]).toEqual([5, { count: 1, after: fourth }]);
    const end = mergePending(next, { approvals: [approval(fifth, 'pending')], more: false });
    expect([pendingApprovals(end).length, end.unlisted]).toEqual([5, undefined]);
  });

  it('knows of one of them that was decided elsewhere, and never sets it back', () => {
    const decided = applyEvent(start(), {
      ...{ seq: 1, at: time(1), type: 'approval.changed', approval: approval(third, 'allowed') },
    });
    expect(decided.unlisted?.count).toBe(2);
    const late = mergePending(decided, { approvals: [approval(third, 'pending')], more: true });
    expect(late.approvals.get(third)?.state).toBe('allowed');
    expect(waitingCount(late)).toBe(4);
  });

  it('the count corrects itself at the last page', () => {
    const wrong = fromSnapshot(emptySnapshot({ approvals: [approval(first, 'pending')], pendingMore: 9 }));
    expect(waitingCount(mergePending(wrong, { approvals: [], more: false }))).toBe(1);
  });
});
