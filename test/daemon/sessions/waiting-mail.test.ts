/** The bookkeeping of waiting mail does what a plain list would, whatever comes, goes and moves. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Session } from '../../../src/protocol/model.ts';
import { WaitingMail, type Waiting } from '../../../src/daemon/sessions/waiting-mail.ts';

const SESSIONS = ['one', 'two', 'three'] as const;
const PROJECTS = ['app', 'shop', 'empty'] as const;

function mail(seq: number, project: string, names: string | undefined): Waiting {
  return {
    seq,
    message: {
      ...{ item: 'message', id: `msg-${seq}`, threadId: 'thr-1', kind: 'send', from: 'laptop/desk', project },
      ...{ binding: 'preferred', body: 'x', priority: 'normal', approval: '', depth: 0 },
      ...{ sentAt: '2026-01-01T00:00:00.000Z', expiresAt: '2026-01-02T00:00:00.000Z' },
      ...(names === undefined ? {} : { session: names }),
    },
    ...{ attempts: 0, session: undefined, byHooks: false, since: 0 },
  };
}

function session(id: string, project: string): Session {
  const at = '2026-01-01T00:00:00.000Z';
  return {
    ...{ id, project, agent: 'claude', cwd: '/x', state: 'idle', stateSince: at, startedAt: at },
    ...{ managed: false, rung: 'hooks' },
  };
}

const seq = fc.integer({ min: 1, max: 30 });
const step = fc.oneof(
  fc.record({
    do: fc.constant('add' as const),
    seq,
    project: fc.constantFrom(...PROJECTS),
    names: fc.constantFrom(...SESSIONS, undefined),
  }),
  fc.record({ do: fc.constant('remove' as const), seq }),
  fc.record({ do: fc.constant('assign' as const), alive: fc.subarray([...SESSIONS]) }),
  fc.record({
    do: fc.constant('claim' as const),
    session: fc.constantFrom(...SESSIONS),
    max: fc.integer({ min: 1, max: 4 }),
  }),
);

/** Whoever is named, else the first that lives in the project. */
function chooser(alive: readonly Session[]) {
  return ({ message }: Waiting): string | undefined =>
    alive.find(({ id }) => id === message.session)?.id ?? alive.find(({ project }) => project === message.project)?.id;
}

describe('waiting mail', () => {
  it('any steps: the same as with a sorted list that is looked through from end to end', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tested = new WaitingMail();
        let plain: Waiting[] = [];
        for (const one of steps) {
          if (one.do === 'add') {
            const waiting = mail(one.seq, one.project, one.names);
            tested.add(waiting);
            if (!plain.some(({ message }) => message.id === waiting.message.id)) plain.push(waiting);
            plain.sort((a, b) => a.seq - b.seq);
          } else if (one.do === 'remove') {
            const gone = tested.remove(`msg-${one.seq}`);
            expect(gone?.seq).toBe(plain.find((waiting) => waiting.seq === one.seq)?.seq);
            plain = plain.filter((waiting) => waiting.seq !== one.seq);
          } else if (one.do === 'assign') {
            const alive = one.alive.map((id, index) => session(id, PROJECTS[index % 2] ?? 'app'));
            const choose = chooser(alive);
            const withMail = tested.assign(alive, choose);
            plain = plain.map((waiting) => ({ ...waiting, session: choose(waiting) }));
            expect([...withMail].sort()).toEqual([...new Set(plain.flatMap(({ session: id }) => id ?? []))].sort());
          } else {
            const fits = (waiting: Waiting): boolean => waiting.session === one.session;
            const { taken, left } = tested.claim(fits, one.max);
            const fitting = plain.filter(fits);
            expect(taken).toEqual(fitting.slice(0, one.max));
            expect(left).toEqual(fitting.slice(one.max));
            plain = plain.filter((waiting) => !taken.includes(waiting) && !fitting.slice(0, one.max).includes(waiting));
          }
          expect([...tested.all()]).toEqual(plain);
          expect(tested.size).toBe(plain.length);
          for (const id of SESSIONS) {
            expect(tested.of(id)).toEqual(plain.filter((waiting) => waiting.session === id));
            const count = plain.filter((waiting) => waiting.session === id || waiting.message.session === id).length;
            expect(tested.countFor(id)).toBe(count);
          }
        }
      }),
    );
  });
});
