import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Daemon } from '../../../src/daemon/daemon.ts';
import type { DeliverMessage } from '../../../src/protocol/daemon-api.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { DiscoverResponse } from '../../../src/protocol/machine-api.ts';
import { signRequest } from '../../../src/protocol/signing.ts';
import { FakeHub } from '../../support/fake-hub.ts';
import { startTestDaemon, TestHome } from '../../support/daemon.ts';

let hub: FakeHub;
let home: TestHome;
let daemon: Daemon;

beforeEach(async () => {
  hub = await FakeHub.start();
  home = new TestHome();
  home.configure(hub);
  daemon = await startTestDaemon(home);
  await hub.until(() => hub.hellos.length > 0);
});
afterEach(async () => {
  await daemon.stop();
  await hub.stop();
  home.remove();
});

function signed(path: string, body: string, secret = hub.secret, machine = 'hub', method = 'POST'): RequestInit {
  const headers = signRequest(secret, machine, { method, path, body: Buffer.from(body) });
  return { method, headers: { ...headers, 'content-type': 'application/json' }, ...(method === 'GET' ? {} : { body }) };
}

async function codeOf(path: string, init?: RequestInit): Promise<string> {
  const answer = await fetch(`${daemon.url}${path}`, init);
  const body: unknown = await answer.json();
  return JSON.stringify(body).match(/"code":"([a-z_]+)"/)?.[1] ?? `HTTP ${answer.status}`;
}

describe('what the hub delivers', () => {
  it('is stored before it is acknowledged, once, in order; what cannot be taken is refused with the reason', async () => {
    home.directory('unused');
    const [a, b, c] = [hub.mail(), hub.mail(), hub.mail({ project: 'nowhere' })];
    expect(await hub.deliver(a, c, b, a)).toMatchObject([
      { result: 'stored' },
      { result: 'refused', reason: 'there is no project "nowhere" on laptop (any more)' },
      { result: 'stored' },
      { result: 'known' },
    ]);
    expect(await hub.deliver(b)).toMatchObject([{ result: 'known' }]);
    await daemon.stop();
    daemon = await startTestDaemon(home);
    const { messages } = await home.client().takeInbox();
    expect(messages.map(({ id }) => id)).toEqual([a.id, b.id]);
  });

  it('is taken back as long as nobody has it', async () => {
    const [first, second] = [hub.mail(), hub.mail()];
    await hub.deliver(first, second, { item: 'cancel', id: first.id, reason: 'too late' });
    await hub.until(() => hub.receipts.some(({ messageId, state }) => messageId === first.id && state === 'cancelled'));
    const { messages, offer } = await home.client().takeInbox();
    expect(messages.map(({ id }) => id)).toEqual([second.id]);
    await home.client().acknowledge(offer ?? '');
    await hub.until(() =>
      hub.receipts.some(({ messageId, state }) => messageId === second.id && state === 'delivered'),
    );
    await hub.deliver({ item: 'cancel', id: second.id, reason: 'too late' });
    // What it is already is told once more: that answers the cancellation.
    const states = () => hub.receipts.filter(({ messageId }) => messageId === second.id).map(({ state }) => state);
    await hub.until(() => states().length >= 3);
    expect(states()).toEqual(['written', 'delivered', 'delivered']);
  });

  it('owes receipts that reach the hub in order after it was away, and after a restart', async () => {
    const mails = [hub.mail(), hub.mail()];
    await hub.deliver(...mails);
    await hub.goAway();
    const api = home.client();
    const { offer } = await api.takeInbox();
    await api.acknowledge(offer ?? '');
    await daemon.stop();
    daemon = await startTestDaemon(home);
    await hub.comeBack();
    await hub.until(() => hub.receipts.length >= 4);
    expect(hub.receipts.map(({ messageId, state }) => [messageId, state])).toEqual([
      [mails[0]?.id, 'written'],
      [mails[1]?.id, 'written'],
      [mails[0]?.id, 'delivered'],
      [mails[1]?.id, 'delivered'],
    ]);
  });
});

describe('the network side', () => {
  const ROUTES = ['deliver', 'rotate', 'revoked'].map((name) => `/api/hub/${name}`);

  it('takes calls of its hub only, and says why it refuses any other', async () => {
    for (const path of ROUTES) {
      expect(await codeOf(path, { method: 'POST', body: '{}' }), path).toBe('unsigned');
      expect(await codeOf(path, signed(path, '{}', 'a-secret-that-is-not-the-one')), path).toBe('bad_signature');
      expect(await codeOf(path, signed(path, '{}', hub.secret, 'desk')), path).toBe('unknown_machine');
      expect(await codeOf(path, signed('/api/hub/elsewhere', '{}')), path).toBe('bad_signature');
      expect(await codeOf(path, { ...signed(path, '{}'), body: '{ }' }), path).toBe('bad_signature');
    }
    expect(await codeOf('/api/hub/ping')).toBe('unsigned');
    const ping = signed('/api/hub/ping', '', hub.secret, 'hub', 'GET');
    expect(await codeOf('/api/hub/ping', ping)).toBe('HTTP 200');
    expect(await codeOf('/api/hub/ping', ping)).toBe('replayed');
  });

  it('answers strangers with its name and nothing else', async () => {
    const answer: unknown = await (await fetch(`${daemon.url}/api/discover`)).json();
    expect(DiscoverResponse.parse(answer)).toMatchObject({ hub: false, name: 'laptop' });
    for (const path of ['/local/whoami', '/local/messages', '/api/message', '/api/session/register', '/api/upgrade']) {
      expect(await codeOf(path), path).toBe('not_found');
    }
  });

  it('never fails on what it is sent, signed or not', async () => {
    const piece = fc.oneof(fc.json(), fc.string(), fc.constant(JSON.stringify({ hubEpoch: 'e', items: [{ seq: 1 }] })));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...ROUTES), piece, fc.boolean(), async (path, body, isSigned) => {
        const init = isSigned ? signed(path, body) : { method: 'POST', body };
        if (path.endsWith('revoked') && isSigned) return;
        expect((await fetch(`${daemon.url}${path}`, init)).status).toBeLessThan(500);
      }),
      { numRuns: 60 },
    );
    const huge = JSON.stringify({ hubEpoch: 'e', items: [], more: 'x'.repeat(1_100_000) });
    expect(await codeOf('/api/hub/deliver', signed('/api/hub/deliver', huge))).toBe('too_large');
    expect((await daemon.status()).hub.state).toBe('online');
  });

  it('seed: a message could name any file to append to or delete; no field of a message becomes a path', async () => {
    const before = readdirSync(home.root, { recursive: true }).length;
    const target = join(home.root, 'owned');
    const odd: Partial<DeliverMessage>[] = [
      { session: 'a..b..c' },
      { threadId: newId('thread'), from: 'desk/../../owned' },
      { body: `${target}\n`, project: 'home' },
    ];
    for (const changes of odd) {
      const mail = { ...hub.mail(changes), inbox_path: target, path: target };
      const body = JSON.stringify({ hubEpoch: 'epoch-1', items: [{ seq: 1, body: mail }] });
      await fetch(`${daemon.url}/api/hub/deliver`, signed('/api/hub/deliver', body));
    }
    expect(existsSync(target)).toBe(false);
    expect(readdirSync(home.root, { recursive: true }).length).toBe(before);
  });
});
