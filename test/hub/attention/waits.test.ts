/** Waits: they begin and end with what sessions say, know how they ended, and are added up. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SessionWait, Wait } from '../../../src/protocol/attention.ts';
import { RaiseApproval } from '../../../src/protocol/machine-api.ts';
import type { Session } from '../../../src/protocol/model.ts';
import { OWNER, sessionOf, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app'], [sessionOf('sess-1')]);
});
afterEach(() => hub.close());

const PUBLISH: SessionWait = { kind: 'permission', what: 'Bash: npm publish' };
const now = (): string => new Date(hub.clock.now()).toISOString();

function said(id: string, state: Session['state'], waiting?: SessionWait): Session {
  return { ...sessionOf(id), state, stateSince: now(), ...(waiting === undefined ? {} : { waiting }) };
}
const tell = (...sessions: Session[]): Promise<void> => hub.core.registry.sessionsChanged('laptop', sessions);
const waits = async (): Promise<Wait[]> => (await hub.core.attention.waits({ limit: 50, days: 7 })).waits;

function dialog(ref: string, command: string): RaiseApproval {
  const tool = { kind: 'tool', from: 'laptop/app', agent: 'claude', tool: 'Bash', cwd: '/home/x/app' };
  const subject = { ...tool, summary: command, input: command };
  return RaiseApproval.parse({ ref, session: 'sess-1', subject });
}

describe('a wait', () => {
  it('lasts from the word that a session waits to the word that it goes on, in the same breath as its session', async () => {
    await tell(said('sess-1', 'waiting', PUBLISH));
    await hub.advance(40_000);
    await tell(said('sess-1', 'working'));
    const told = hub.heard.filter(({ type }) => type === 'session.changed' || type === 'wait.changed').slice(-4);
    expect(told.map(({ type }) => type)).toEqual([
      'session.changed',
      'wait.changed',
      'session.changed',
      'wait.changed',
    ]);
    const [wait] = await waits();
    expect(wait).toMatchObject({ machine: 'laptop', project: 'app', ...PUBLISH, end: 'at_terminal' });
    expect(Date.parse(wait?.until ?? '') - Date.parse(wait?.since ?? '')).toBe(40_000);
  });

  it('knows the approval that answered it and who that was, whichever of both was told first', async () => {
    await hub.core.dialogs.raise('laptop', dialog('dialog-1', 'npm publish'));
    await tell(said('sess-1', 'waiting', PUBLISH));
    const [first] = await hub.pending();
    await hub.allow(first);
    await tell(said('sess-1', 'working'));
    await hub.advance(5_000);
    await tell(said('sess-1', 'waiting', { kind: 'permission', what: 'Bash: rm -r dist' }));
    await hub.core.dialogs.raise('laptop', dialog('dialog-2', 'rm -r dist'));
    const [second] = await hub.pending();
    await hub.core.dialogs.close('laptop', { ref: 'dialog-2', outcome: 'answered_elsewhere', verdict: 'deny' });
    await tell(said('sess-1', 'idle'));
    expect(await waits()).toMatchObject([
      { approvalId: second?.id, end: 'at_terminal' },
      { approvalId: first?.id, end: 'answered', by: 'bob' },
    ]);
  });

  it('is the same one while it is told more exactly, and another one for another thing', async () => {
    await tell(said('sess-1', 'waiting', { kind: 'dialog', what: 'permission prompt' }));
    await hub.advance(30);
    await tell(said('sess-1', 'waiting', PUBLISH));
    await hub.advance(10_000);
    await tell(said('sess-1', 'waiting', { kind: 'question', what: 'Which port?' }));
    expect(await waits()).toMatchObject([{ kind: 'question' }, { ...PUBLISH, end: 'at_terminal' }]);
  });

  it('is none where policy decided, and ends as gone with its session, its machine, and a limit', async () => {
    hub.policy('rules: [{ type: tool, tool: Bash, approval: never }]');
    expect((await hub.core.dialogs.raise('laptop', dialog('dialog-1', 'npm test'))).state).toBe('allowed');
    expect(await waits()).toEqual([]);
    await tell(
      said('sess-1', 'waiting', PUBLISH),
      said('sess-2', 'waiting', PUBLISH),
      said('sess-3', 'waiting', PUBLISH),
    );
    await tell(said('sess-4', 'waiting', { kind: 'rate_limit', what: 'the limit of five hours' }));
    await tell(said('sess-1', 'ended'), said('sess-4', 'working'));
    await hub.hello('laptop', ['app'], [said('sess-2', 'waiting', PUBLISH)]);
    await hub.core.registry.revoke(OWNER, 'laptop');
    expect((await waits()).map(({ session, end }) => [session, end])).toEqual([
      ['sess-4', 'gone'],
      ['sess-3', 'gone'],
      ['sess-2', 'gone'],
      ['sess-1', 'gone'],
    ]);
  });

  it('ends with the last word of a machine that is away, and is there again when the machine is', async () => {
    await tell(said('sess-1', 'waiting', PUBLISH));
    await hub.advance(60_000);
    expect(await waits()).toMatchObject([{ end: 'gone' }]);
    await hub.beat('laptop');
    const [again, before] = await waits();
    expect(again).not.toHaveProperty('until');
    expect(before).toMatchObject({ end: 'gone' });
    await hub.restart();
    expect((await waits()).map(({ id }) => id)).toEqual([again?.id, before?.id]);
  });

  it('is put right at the start: what cannot be open any more is closed, what waits has its wait', async () => {
    await tell(said('sess-1', 'waiting', PUBLISH));
    await hub.store.write(async ({ db }) => {
      await db.updateTable('sessions').set({ ended_at: 1 }).where('id', '=', 'sess-1').execute();
      const json = JSON.stringify(said('sess-2', 'waiting', PUBLISH));
      const row = { machine_id: 'laptop', id: 'sess-2', project: 'app', json, ended_at: null };
      await db.insertInto('sessions').values(row).execute();
    });
    await hub.restart();
    const [second, first] = await waits();
    expect(second).toMatchObject({ session: 'sess-2' });
    expect(second).not.toHaveProperty('end');
    expect(first).toMatchObject({ session: 'sess-1', end: 'gone' });
  });
});

describe('the history', () => {
  it('says by kind how many, how long in all, in the middle and at most; and is read in pages', async () => {
    for (const seconds of [10, 40, 20, 30]) {
      await tell(said('sess-1', 'waiting', { kind: 'permission', what: `wait ${seconds} s` }));
      await hub.advance(seconds * 1000);
      await hub.beat('laptop');
      await tell(said('sess-1', 'working'));
    }
    await tell(said('sess-1', 'waiting', { kind: 'question', what: 'and now?' }));
    const { waits: page, more, summary } = await hub.core.attention.waits({ limit: 2, days: 1 });
    expect(summary).toEqual([
      { kind: 'permission', count: 4, open: 0, totalMs: 100_000, medianMs: 25_000, longestMs: 40_000 },
      { kind: 'question', count: 1, open: 1, totalMs: 0, medianMs: 0, longestMs: 0 },
    ]);
    expect([page.length, more]).toEqual([2, true]);
    const before = page[1]?.id ?? '';
    const rest = await hub.core.attention.waits({ limit: 10, days: 1, before, project: 'app' });
    expect(rest.waits.map(({ what }) => what)).toEqual(['wait 20 s', 'wait 40 s', 'wait 10 s']);
    expect((await hub.core.attention.waits({ limit: 10, days: 1, project: 'other' })).summary).toEqual([]);
  });
});
