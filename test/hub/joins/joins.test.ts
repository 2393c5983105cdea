import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkedDaemonUrl } from '../../../src/hub/joins/daemon-url.ts';
import { StoredJoins } from '../../../src/hub/joins/joins.ts';
import { admitMachine, changeMachine, machineById } from '../../../src/hub/store/machines.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { joinCode, type JoinAccepted, type JoinRequest, type JoinState } from '../../../src/protocol/join.ts';
import { PROTOCOL_VERSION } from '../../../src/protocol/limits.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import { newClaimKey, newJoinKeys, openJoin } from '../../../src/protocol/sealing.ts';
import { hubParts, OPERATOR, OWNER, type HubParts } from '../../support/hub-parts.ts';

const EXPIRY = 900;
const HOME = '127.0.0.1';
const noSignal = new AbortController().signal;

let parts: HubParts;
let joins: StoredJoins;

function makeJoins(from: HubParts): StoredJoins {
  const made = new StoredJoins({
    store: from.store,
    clock: from.clock,
    expirySeconds: EXPIRY,
    allowAnyDaemonUrl: false,
    needs: {
      ask: (transaction, subject, expiresAt) =>
        from.approvals.create(transaction, { subject, rule: 'a machine asks to join', scopes: ['once'], expiresAt }),
      isKnown: async ({ db }, id) => (await machineById(db, id)) !== undefined,
      admit: ({ db }, { id, displayName, daemonUrl, secret }) =>
        admitMachine(db, { id, display_name: displayName, daemon_url: daemonUrl, secret, joined_at: from.clock.now() }),
    },
  });
  from.approvals.register(['join'], made.handler);
  return made;
}

beforeEach(async () => {
  parts = await hubParts();
  joins = makeJoins(parts);
});
afterEach(() => parts.close());

interface Joiner {
  readonly request: JoinRequest;
  readonly claimKey: string;
  readonly open: (joinId: string, state: JoinState) => string;
}

function joiner(machineId = 'laptop', more: Partial<JoinRequest> = {}): Joiner {
  const keys = newJoinKeys();
  const claim = newClaimKey();
  const request: JoinRequest = {
    protocol: PROTOCOL_VERSION,
    machineId,
    displayName: 'My laptop',
    daemonUrl: 'http://127.0.0.1:7701',
    publicKey: keys.publicKey,
    claimHash: claim.claimHash,
    ...more,
  };
  return {
    request,
    claimKey: claim.claimKey,
    open: (joinId, state) => {
      if (state.state !== 'approved') throw new Error(`it is ${state.state}`);
      return openJoin(keys.privateKey, { joinId, machineId, publicKey: keys.publicKey }, state);
    },
  };
}

async function cardOf(code: string): Promise<Approval> {
  const found = (await parts.approvals.list({ limit: 50 })).find(
    (approval) => approval.subject.kind === 'join' && approval.subject.code === code,
  );
  if (found === undefined) throw new Error('no card');
  return found;
}

async function decide(accepted: JoinAccepted, verdict: 'allow' | 'deny', reason?: string): Promise<void> {
  const card = await cardOf(accepted.code);
  await parts.approvals.decide(OWNER, card.id, {
    verdict,
    scope: 'once',
    shownHash: card.shownHash,
    ...(reason === undefined ? {} : { reason }),
  });
}

const claim = (accepted: JoinAccepted, who: Joiner, waitMs = 0): Promise<JoinState> =>
  joins.claim(accepted.joinId, who.claimKey, waitMs, noSignal, HOME);

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof IntercomError ? error.code : 'nothing was thrown';
}

describe('joining', () => {
  it('shows the same code on both sides, and hands the sealed secret out once', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    expect(accepted.code).toBe(joinCode(accepted.joinId, 'laptop', who.request.publicKey));
    const card = await cardOf(accepted.code);
    expect(card.subject).toMatchObject({ machineId: 'laptop', ip: HOME, replaces: false });
    expect(await claim(accepted, who)).toMatchObject({ state: 'pending' });

    await decide(accepted, 'allow');
    const state = await claim(accepted, who);
    const secret = who.open(accepted.joinId, state);
    expect(secret).toMatch(/^ict_[A-Za-z0-9_-]{43}$/);
    const row = await parts.store.read((db) => machineById(db, 'laptop'));
    expect(row?.secret).toBe(secret);
    expect(await claim(accepted, who)).toEqual({ state: 'claimed' });
  });

  it('wakes a waiting joiner with the decision', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    const waiting = claim(accepted, who, 20_000);
    await decide(accepted, 'deny', 'not yours');
    expect(await waiting).toEqual({ state: 'denied', by: 'ada', reason: 'not yours' });
  });

  it('seed: denied and expired are answers, not time-outs', async () => {
    const denied = joiner('a');
    const first = await joins.request(denied.request, HOME);
    await decide(first, 'deny');
    expect(await claim(first, denied)).toEqual({ state: 'denied', by: 'ada' });

    const late = joiner('b');
    const second = await joins.request(late.request, HOME);
    parts.clock.advance(EXPIRY * 1000 + 1);
    expect(await claim(second, late)).toEqual({ state: 'expired' });
    expect(await codeOf(decide(second, 'allow'))).toBe('expired');
    expect(await parts.store.read((db) => machineById(db, 'b'))).toBeUndefined();
  });

  it('seed: S5 - nobody but the one who asked gets the secret, nor learns of it', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    await decide(accepted, 'allow');
    const stranger = joiner();
    expect(await codeOf(joins.claim(accepted.joinId, stranger.claimKey, 0, noSignal, HOME))).toBe('forbidden');
    expect(await claim(accepted, who)).toMatchObject({ state: 'approved' });
  });

  it('seed: S6 - a request alone makes no machine, and an operator who is not an owner cannot let it in', async () => {
    const accepted = await joins.request(joiner().request, HOME);
    expect(await parts.store.read((db) => machineById(db, 'laptop'))).toBeUndefined();
    const card = await cardOf(accepted.code);
    const request = { verdict: 'allow', scope: 'once', shownHash: card.shownHash } as const;
    expect(await codeOf(parts.approvals.decide(OPERATOR, card.id, request))).toBe('forbidden');
  });

  it('says that a known machine is replaced; a revoked one may ask again', async () => {
    const first = joiner();
    await decide(await joins.request(first.request, HOME), 'allow');
    const again = await joins.request(joiner().request, HOME);
    expect((await cardOf(again.code)).subject).toMatchObject({ replaces: true });

    await parts.store.write(({ db }) => changeMachine(db, 'laptop', { revoked_at: parts.clock.now(), secret: '' }));
    const back = joiner();
    const third = await joins.request(back.request, HOME);
    await decide(third, 'allow');
    expect(back.open(third.joinId, await claim(third, back))).toMatch(/^ict_/);
    expect((await parts.store.read((db) => machineById(db, 'laptop')))?.revoked_at).toBeNull();
  });

  it('seed: a pending request survives a restart', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    parts = await parts.restart();
    joins = makeJoins(parts);
    expect(await claim(accepted, who)).toMatchObject({ state: 'pending' });
    await decide(accepted, 'allow');
    expect(who.open(accepted.joinId, await claim(accepted, who))).toMatch(/^ict_/);
  });

  it('keeps no secret in the open and none after it was handed out', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    await decide(accepted, 'allow');
    const secret = (await parts.store.read((db) => machineById(db, 'laptop')))?.secret ?? '';
    expect(JSON.stringify(await parts.approvals.list({ limit: 10 }))).not.toContain(secret);
    expect(JSON.stringify(parts.heard)).not.toContain(secret);
    await claim(accepted, who);
    const row = await parts.store.read((db) => db.selectFrom('joins').selectAll().executeTakeFirst());
    expect(row?.sealed).toBeNull();
  });

  it('does not spend the secret on a joiner that has gone away', async () => {
    const who = joiner();
    const accepted = await joins.request(who.request, HOME);
    const gone = new AbortController();
    const waiting = joins.claim(accepted.joinId, who.claimKey, 20_000, gone.signal, HOME);
    gone.abort();
    await waiting;
    await decide(accepted, 'allow');
    expect(await claim(accepted, who)).toMatchObject({ state: 'approved' });
  });

  it('limits requests by caller, by machine id and in all', async () => {
    for (let i = 0; i < 3; i += 1) await joins.request(joiner('one').request, '100.64.0.1').catch(() => undefined);
    const own = (i: number) => joiner(`m${i}`, { daemonUrl: `http://100.64.1.${i}:7701` }).request;
    for (let i = 0; i < 10; i += 1) await joins.request(own(i), '100.64.0.2');
    expect(await codeOf(joins.request(own(11), '100.64.0.2'))).toBe('limit_reached');
    for (let i = 0; i < 10; i += 1) await joins.request(own(20 + i), '100.64.0.3');
    expect(await codeOf(joins.request(own(40), '100.64.0.4'))).toBe('limit_reached');
    expect((await parts.approvals.list({ state: 'pending', limit: 100 })).length).toBe(20);
  });

  it('refuses another protocol and a key that nothing can be sealed to', async () => {
    expect(await codeOf(joins.request(joiner('a', { protocol: 99 }).request, HOME))).toBe('unsupported_version');
    const zero = 'A'.repeat(43);
    expect(await codeOf(joins.request(joiner('a', { publicKey: zero }).request, HOME))).toBe('invalid_request');
  });

  it('answers an unknown request as unknown', async () => {
    const who = joiner();
    expect(await codeOf(joins.claim('joi_01ARZ3NDEKTSV4RRFFQ69G5FAV', who.claimKey, 0, noSignal, HOME))).toBe(
      'unknown_join',
    );
  });
});

describe("a daemon's address", () => {
  it.each([
    ['http://127.0.0.1:7701', '127.0.0.1', false, 'http://127.0.0.1:7701'],
    ['http://localhost:7701/', '::ffff:127.0.0.1', false, 'http://localhost:7701'],
    ['http://[::1]:7701', '::1', false, 'http://[::1]:7701'],
    ['http://100.64.3.4:7701', '100.64.3.4', false, 'http://100.64.3.4:7701'],
    ['http://[fd7a:115c:a1e0::5]:7701', '100.64.3.4', false, 'http://[fd7a:115c:a1e0::5]:7701'],
    ['http://box.tail1234.ts.net:7701', '100.64.3.4', false, 'http://box.tail1234.ts.net:7701'],
    ['http://box:7701', '100.64.3.4', false, 'http://box:7701'],
    ['http://192.168.1.5:7701', '192.168.1.5', true, 'http://192.168.1.5:7701'],
    ['http://127.0.0.1:22', '100.64.3.4', false, 'loopback'],
    ['http://127.0.0.1:22', '100.64.3.4', true, 'loopback'],
    ['http://[::1]:22', '100.64.3.4', true, 'loopback'],
    ['http://0x7f000001:22', '100.64.3.4', true, 'loopback'],
    ['http://192.168.1.5:7701', '192.168.1.5', false, 'tailnet'],
    ['http://100.128.0.1:7701', '100.128.0.1', false, 'tailnet'],
    ['http://169.254.169.254', '100.64.3.4', false, 'tailnet'],
    ['http://evil.example:7701', '100.64.3.4', false, 'tailnet'],
    ['http://user:pw@100.64.3.4', '100.64.3.4', false, 'password'],
    ['http://100.64.3.4/admin?x=1', '100.64.3.4', false, 'path'],
    ['file:///etc/passwd', '127.0.0.1', false, 'http://'],
    ['nonsense', '127.0.0.1', false, 'http://'],
  ])('%s from %s (any: %s): %s', (url, ip, allowAny, result) => {
    const checked = (): string => checkedDaemonUrl(url, { ip, allowAny });
    if (result.startsWith('http://') && result !== 'http://') expect(checked()).toBe(result);
    else expect(checked).toThrow(result);
  });
});
