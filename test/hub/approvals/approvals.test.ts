/** The state machine of decisions, and the grants that they make. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../../src/protocol/ids.ts';
import { canonical } from '../../../src/hub/approvals/shown-hash.ts';
import { grantsOf } from '../../../src/hub/approvals/grants-of.ts';
import { liveGrants, revokeGrantRow } from '../../../src/hub/store/grants.ts';
import { OPERATOR, OWNER, TestHub, VIEWER } from '../../support/hub-core.ts';
import type { Approval } from '../../../src/protocol/model.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app', 'other']);
  await hub.machine('server', ['api']);
});
afterEach(() => hub.close());

const pendingOne = async (): Promise<Approval> => {
  const [approval] = await hub.pending();
  if (approval === undefined) throw new Error('nothing is pending');
  return approval;
};
const held = async (item = {}): Promise<{ id: string; threadId: string; approval: Approval }> => {
  const sent = await hub.send('laptop', { to: 'server/api', ...item });
  expect(sent.state).toBe('held');
  return { id: sent.id, threadId: sent.threadId, approval: await pendingOne() };
};
const stateOf = async (item: object): Promise<string> =>
  (await hub.send('laptop', { to: 'server/api', ...item })).state;

describe('a decision', () => {
  it('the first answer wins; every later one is told who it was', async () => {
    const { approval } = await held();
    const yes = { verdict: 'allow', scope: 'once', shownHash: approval.shownHash } as const;
    const results = await Promise.allSettled([
      hub.core.approvals.decide(OWNER, approval.id, yes),
      hub.core.approvals.decide(OPERATOR, approval.id, { ...yes, verdict: 'deny' }),
    ]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    expect(results[1]).toMatchObject({
      reason: { code: 'conflict', details: { decision: { by: 'ada', via: 'web', verdict: 'allow' } } },
    });
    const changes = hub.heard.filter(
      (event) => event.type === 'approval.changed' && event.approval.state !== 'pending',
    );
    expect(changes).toHaveLength(1);
  });

  it('names what was shown: another hash decides nothing', async () => {
    const { approval } = await held();
    const other = { verdict: 'allow', scope: 'once', shownHash: '0'.repeat(64) } as const;
    await expect(hub.core.approvals.decide(OWNER, approval.id, other)).rejects.toMatchObject({
      code: 'changed_since_shown',
    });
    expect(await hub.pending()).toHaveLength(1);
  });

  it('is for operators; a viewer cannot', async () => {
    const { approval } = await held();
    const yes = { verdict: 'allow', scope: 'once', shownHash: approval.shownHash } as const;
    await expect(hub.core.approvals.decide(VIEWER, approval.id, yes)).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('too late is no, also when the timer has not run yet', async () => {
    const { id, approval } = await held();
    await hub.core.approvals.stop();
    hub.clock.advance(24 * 3600_000 + 1);
    await expect(hub.allow(approval)).rejects.toMatchObject({ code: 'expired' });
    expect((await hub.core.messaging.status(id)).state).toBe('expired');
    await expect(hub.allow(approval)).rejects.toMatchObject({ code: 'expired' });
  });

  it('pending ones survive a restart and those that ran out meanwhile are over', async () => {
    const { approval } = await held();
    await hub.restart();
    expect(await hub.pending()).toEqual([approval]);
    await hub.core.stop();
    hub.clock.advance(24 * 3600_000 + 1);
    await hub.restart();
    expect(await hub.pending()).toHaveLength(0);
  });

  it('is found by a beginning that fits only one; an ambiguous one decides nothing', async () => {
    const { approval } = await held();
    expect((await hub.core.approvals.get(approval.id.slice(0, 20))).id).toBe(approval.id);
    await held({ body: 'another' });
    await expect(hub.core.approvals.get('apr_0')).rejects.toMatchObject({ code: 'ambiguous' });
    await expect(hub.core.approvals.get('apr_ZZZZ')).rejects.toMatchObject({ code: 'unknown_approval' });
    await expect(hub.core.approvals.get('%')).rejects.toMatchObject({ code: 'unknown_approval' });
  });

  it('offers no reach that does not fit', async () => {
    const { approval } = await held();
    expect(approval.scopes).toEqual(['once', 'mission', 'always']);
    await expect(hub.allow(approval, 'session')).rejects.toMatchObject({ code: 'invalid_request' });
  });
});

describe('grants', () => {
  it('seed: mission grants never suppress prompts: here one Allow covers the thread, both ways, and no other', async () => {
    const { threadId, approval } = await held();
    await hub.allow(approval, 'mission');
    expect(await stateOf({ threadId })).toBe('queued');
    expect((await hub.send('server', { fromProject: 'api', to: 'laptop/app', threadId })).state).toBe('queued');
    expect(await stateOf({})).toBe('held');
    expect(await stateOf({ fromProject: 'other' })).toBe('held');
  });

  it('a policy level of mission makes that grant whatever Allow is pressed', async () => {
    hub.policy('defaults: { require_approval: mission }');
    const { threadId, approval } = await held();
    const decided = await hub.allow(approval, 'once');
    expect(decided.decision?.scope).toBe('mission');
    expect(await stateOf({ threadId })).toBe('queued');
  });

  it('session covers this session of the sender only', async () => {
    const { approval } = await held({ fromSession: 'aaaa1111' });
    await hub.allow(approval, 'session');
    expect(await stateOf({ fromSession: 'aaaa1111' })).toBe('queued');
    expect(await stateOf({ fromSession: 'cccc1111' })).toBe('held');
    expect(await stateOf({})).toBe('held');
  });

  it('seed: grants lost at restart: Always stays', async () => {
    await hub.allow((await held()).approval, 'always');
    await hub.restart();
    expect(await stateOf({})).toBe('queued');
    const [grant] = await hub.store.read((db) => liveGrants(db, 'laptop/app', 'server/api'));
    expect(grant?.uses).toBe(1);
  });

  it('seed: Always on an ask also authorised launches: here it covers asks and nothing else', async () => {
    await hub.allow((await held({ kind: 'ask' })).approval, 'always');
    expect(await stateOf({ kind: 'ask' })).toBe('queued');
    expect(await stateOf({ kind: 'send' })).toBe('held');
    const join: Approval = {
      ...(await pendingOne()),
      kind: 'join',
      subject: { kind: 'join', machineId: 'm', displayName: 'm', ip: '', daemonUrl: '', code: '', replaces: false },
    };
    const always = {
      verdict: 'allow',
      scope: 'always',
      by: 'ada',
      via: 'web',
      at: '2026-11-21T10:00:00.000Z',
    } as const;
    expect(grantsOf(join, always, 0)).toEqual([]);
  });

  it('seed: policy later tightened must beat grants', async () => {
    await hub.allow((await held()).approval, 'always');
    hub.policy('rules: [{ from: "laptop/**", approval: deny }]');
    expect(await stateOf({})).toBe('denied');
  });

  it('a revoked grant asks again', async () => {
    await hub.allow((await held()).approval, 'always');
    const [grant] = await hub.store.read((db) => liveGrants(db, 'laptop/app', 'server/api'));
    await hub.store.write(({ db }) => revokeGrantRow(db, grant?.id ?? '', hub.clock.now()));
    expect(await stateOf({})).toBe('held');
  });
});

describe('what waits when a grant is given', () => {
  const stateNow = async (id: string): Promise<string> => (await hub.core.messaging.status(id)).state;
  /** Allows, and waits until the youngest one that the grant covers is let pass: the older ones were looked at by then. */
  const allowUntil = async (
    approval: Approval,
    scope: 'mission' | 'session' | 'always',
    last: string,
  ): Promise<void> => {
    await hub.allow(approval, scope);
    await hub.untilState(last, 'queued');
  };

  it('is answered by it where it covers it, each recorded with the grant', async () => {
    const first = await held();
    const second = await held({ body: 'another' });
    const third = await held({ body: 'and a third', fromSession: 'aaaa1111' });
    await allowUntil(first.approval, 'always', third.id);
    await hub.untilState(second.id, 'queued');
    expect(await hub.pending()).toHaveLength(0);
    const [grant] = await hub.store.read((db) => liveGrants(db, 'laptop/app', 'server/api'));
    expect(grant?.uses).toBe(2);
    const reason = `grant ${grant?.id ?? ''} (always) covers it`;
    expect((await hub.core.approvals.get(second.approval.id)).decision).toMatchObject({
      ...{ verdict: 'allow', scope: 'once', by: 'bob', via: 'policy', reason },
    });
    const { steps } = await hub.core.messaging.trace(second.id);
    expect(steps).toContainEqual(expect.objectContaining({ state: 'queued', by: 'bob', reason }));
    expect(await hub.core.approvals.get(first.approval.id)).toMatchObject({ decision: { via: 'telegram' } });
  });

  it('stays where another pair, another kind, another conversation or another session is asked about', async () => {
    const first = await held({ fromSession: 'aaaa1111' });
    const question = await held({ kind: 'ask' });
    const otherSender = await held({ fromProject: 'other' });
    const back = await hub.send('server', { fromProject: 'api', to: 'laptop/app' });
    const otherSession = await held({ fromSession: 'cccc1111' });
    const sameSession = await held({ fromSession: 'aaaa1111' });
    await allowUntil(first.approval, 'session', sameSession.id);
    expect(await stateNow(otherSession.id)).toBe('held');
    const sameThread = await held({ threadId: otherSession.threadId });
    await allowUntil(otherSession.approval, 'mission', sameThread.id);
    const samePair = await held();
    await allowUntil((await held()).approval, 'always', samePair.id);
    for (const one of [question, otherSender, back]) expect(await stateNow(one.id)).toBe('held');
  });

  it('stays where policy now denies it, and where its sender or the loop guard wants a person', async () => {
    const first = await held();
    const forbidden = await held({ body: 'drop the table' });
    hub.policy(
      'rules: [{ message_pattern: "drop", approval: deny }, { from: "laptop/app", to: "server/*", approval: never }]',
    );
    const wanted = await held({ requireApproval: 'always' });
    hub.policy('rules: [{ message_pattern: "drop", approval: deny }]');
    const wantedToo = await held({ requireApproval: 'always' });
    const last = await held();
    await allowUntil(first.approval, 'always', last.id);
    expect(await stateNow(forbidden.id)).toBe('held');
    expect(await stateNow(wanted.id)).toBe('held');
    expect(await stateNow(wantedToo.id)).toBe('held');
  });

  it('is answered whole, in order, also when it is more than fits one transaction', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) ids.push((await held({ body: `number ${n}`, fromSession: 'aaaa1111' })).id);
    await hub.allow(await pendingOne(), 'always');
    for (const id of ids) await hub.untilState(id, 'queued');
    expect(await hub.pending()).toHaveLength(0);
    const passed = hub.heard.flatMap((event) =>
      event.type === 'message.changed' && event.message.state === 'queued' ? [event.message.id] : [],
    );
    expect(passed.slice(1)).toEqual(ids.slice(0, -1));
  });

  it('seed: no grant for messages lets anything but messages pass', async () => {
    const first = await held();
    const join = await hub.store.write((transaction) =>
      hub.core.approvals.create(transaction, {
        subject: {
          kind: 'join',
          machineId: 'm',
          displayName: 'm',
          ip: '1',
          daemonUrl: 'http://m',
          code: '1',
          replaces: false,
        },
        rule: 'every machine is let in by an owner',
        level: 'once',
        scopes: ['once'],
        expiresAt: hub.clock.now() + 60_000,
      }),
    );
    const last = await held();
    await allowUntil(first.approval, 'always', last.id);
    expect((await hub.core.approvals.get(join.id)).state).toBe('pending');
  });
});

describe('kinds', () => {
  it('what a handler throws undoes the decision', async () => {
    hub.core.approvals.register(['join'], {
      role: 'owner',
      onDecided: async () => {
        throw new Error('cannot');
      },
      onExpired: async () => undefined,
    });
    const approval = await hub.store.write((transaction) =>
      hub.core.approvals.create(transaction, {
        subject: {
          kind: 'join',
          machineId: 'm',
          displayName: 'm',
          ip: '1',
          daemonUrl: 'http://m',
          code: '1',
          replaces: false,
        },
        rule: 'a join always asks',
        scopes: ['once'],
        expiresAt: hub.clock.now() + 60_000,
      }),
    );
    const yes = { verdict: 'allow', scope: 'once', shownHash: approval.shownHash } as const;
    await expect(hub.core.approvals.decide(OPERATOR, approval.id, yes)).rejects.toMatchObject({ code: 'forbidden' });
    await expect(hub.core.approvals.decide(OWNER, approval.id, yes)).rejects.toThrow('cannot');
    expect((await hub.core.approvals.get(approval.id)).state).toBe('pending');
    await expect(hub.core.approvals.decide(OWNER, newId('approval'), yes)).rejects.toMatchObject({
      code: 'unknown_approval',
    });
  });

  it('the hash does not depend on the order of keys', () => {
    expect(canonical({ b: 1, a: [{ d: 'x', c: undefined }] })).toBe(canonical({ a: [{ d: 'x' }], b: 1 }));
  });
});
