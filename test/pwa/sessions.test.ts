/** Who waits, and in which order sessions stand: nothing that waits can be missing, and nothing moves without a reason. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sessionParts, sessionRows, waitingCount, waitingItems } from '../../pwa/src/core/sessions.ts';
import type { MeshState } from '../../pwa/src/core/state.ts';
import { SessionState } from '../../src/protocol/model.ts';
import { after, agent, machine, mesh, permission, session, time } from './support/mesh.ts';

const studio = machine('studio');
const asks = { kind: 'permission', what: 'Bash: npm publish' } as const;

function ids(state: MeshState): string[] {
  return waitingItems(state, sessionRows(state)).map(({ kind, id }) => `${kind} ${id}`);
}

describe('what waits', () => {
  it('is the card of a session where there is one, else the session itself, oldest first', () => {
    const card = permission('studio/shop#session-two', 20);
    const state = mesh({
      machines: [studio],
      agents: [
        agent(studio, 'shop', [
          session('session-one', 'waiting', { waiting: { kind: 'trust', what: 'Trust?' }, stateSince: time(30) }),
          session('session-two', 'waiting', { waiting: asks, stateSince: time(19) }),
          session('session-three', 'working'),
        ]),
      ],
      approvals: [card],
    });
    expect(ids(state)).toEqual([`approval ${card.id}`, 'session studio#session-one']);
    expect(waitingItems(state, sessionRows(state))[0]?.row?.session.id).toBe('session-two');
  });

  it('keeps two cards of one session apart', () => {
    const first = permission('studio/shop#session-one', 1);
    const second = permission('studio/shop#session-one', 2);
    const agents = [agent(studio, 'shop', [session('session-one', 'waiting', { waiting: asks })])];
    expect(ids(mesh({ machines: [studio], agents, approvals: [second, first] }))).toEqual([
      `approval ${first.id}`,
      `approval ${second.id}`,
    ]);
  });

  it('does not hold a limit of a provider against the person, nor what a machine said before it went away', () => {
    const away = machine('shed', 'away');
    const state = mesh({
      machines: [studio, away],
      agents: [
        agent(studio, 'shop', [
          session('session-one', 'waiting', { waiting: { kind: 'rate_limit', what: '5 hours' } }),
        ]),
        agent(away, 'shop', [session('session-two', 'waiting', { waiting: asks })]),
      ],
    });
    expect(ids(state)).toEqual([]);
    expect(sessionRows(state).map(({ group }) => group)).toEqual(['away', 'limited']);
  });

  it('seed: a session that waits is always there: whatever happened to it before, it comes back when it needs somebody', () => {
    const happening = fc.record({
      id: fc.constantFrom('session-one', 'session-two', 'session-three'),
      state: SessionStates,
    });
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 30 }), (all) => {
        let state = mesh({ machines: [studio], agents: [agent(studio, 'shop', [])] });
        const now = new Map<string, string>();
        for (const { id, state: next } of all) {
          const changed = session(id, next, next === 'waiting' ? { waiting: asks } : {});
          state = after(state, { type: 'session.changed', machineId: 'studio', session: changed });
          now.set(id, next);
        }
        const waiting = [...now].filter(([, is]) => is === 'waiting').map(([id]) => `session studio#${id}`);
        expect(ids(state).sort()).toEqual(waiting.sort());
        expect(waitingCount(state)).toBe(waiting.length);
      }),
    );
  });

  it('seed: a tile does not just disappear: what waits is shown above or in the list, each session once', () => {
    fc.assert(
      fc.property(
        fc.array(SessionStates, { maxLength: 12 }),
        fc.constantFrom('state', 'project', 'machine'),
        (all, by) => {
          const sessions = all.map((state, index) =>
            session(`s${index}`, state, state === 'waiting' ? { waiting: asks } : {}),
          );
          const rows = sessionRows(mesh({ machines: [studio], agents: [agent(studio, 'shop', sessions)] }));
          const parts = sessionParts(rows, by);
          const listed = parts.flatMap((part) => part.rows.map(({ session: one }) => one.id));
          const above = rows.filter(({ group }) => group === 'waiting').map(({ session: one }) => one.id);
          const alive = sessions.filter(({ state }) => state !== 'ended').map(({ id }) => id);
          expect([...listed, ...above].sort()).toEqual(alive.sort());
        },
      ),
    );
  });
});

const SessionStates = fc.constantFrom(...SessionState.options);

describe('the list of sessions', () => {
  const rows = (over: Parameters<typeof session>[]) =>
    sessionRows(
      mesh({
        machines: [studio],
        agents: [
          agent(
            studio,
            'shop',
            over.map((one) => session(...one)),
          ),
        ],
      }),
    );

  it('stands in parts: silent ones first, away ones last', () => {
    const parts = sessionParts(
      rows([
        ['a', 'idle'],
        ['b', 'working', { stalledSince: time(1) }],
        ['c', 'thinking'],
        ['d', 'unknown'],
      ]),
      'state',
    );
    expect(parts.map(({ title, rows: of }) => [title, of.map(({ key }) => key)])).toEqual([
      ['Silent', ['studio#b']],
      ['At work', ['studio#c']],
      ['Idle', ['studio#a']],
      ['State unknown', ['studio#d']],
    ]);
  });

  it('does not move a row when its session goes from working to thinking and back', () => {
    const order = (state: 'working' | 'thinking') =>
      sessionParts(
        rows([
          ['a', 'working'],
          ['b', state, { stateSince: time(50) }],
          ['c', 'thinking'],
        ]),
        'state',
      ).flatMap((part) => part.rows.map(({ key }) => key));
    expect(order('working')).toEqual(order('thinking'));
  });

  it('says of a group how many of it wait above', () => {
    const [part] = sessionParts(
      rows([
        ['a', 'waiting', { waiting: asks }],
        ['b', 'idle'],
      ]),
      'machine',
    );
    expect(part).toMatchObject({ title: 'The studio', waiting: 1, rows: [{ key: 'studio#b' }] });
  });
});
