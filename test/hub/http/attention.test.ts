/** The routes about attention over HTTP: who may, whose things they are, and a page that says it is looked at. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { Preferences, Presence, WaitsPage } from '../../../src/protocol/attention.ts';
import { ApprovalRaised, Ok, RaiseApproval } from '../../../src/protocol/machine-api.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import { signRequest } from '../../../src/protocol/signing.ts';
import { sessionOf } from '../../support/hub-core.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { raw } from '../../support/raw-http.ts';

let hub: TestHub;
let laptop: Awaited<ReturnType<TestHub['machine']>>;
let server: Awaited<ReturnType<TestHub['machine']>>;

beforeAll(async () => {
  hub = await startTestHub();
  [laptop, server] = [await hub.machine('laptop'), await hub.machine('server')];
  for (const { client } of [laptop, server]) {
    const body = {
      sessions: [{ ...sessionOf('sess-1'), state: 'waiting', waiting: { kind: 'permission', what: 'Bash: ls' } }],
    };
    await client.call({ method: 'POST', path: '/api/machine/sessions', body }, Ok);
  }
});
afterAll(() => hub.stop());

const approval = (id: string): Promise<Approval> => hub.hub.services.approvals.get(id);

function raiseDialog(ref: string): Promise<{ id: string }> {
  const tool = {
    kind: 'tool',
    from: 'laptop/app',
    agent: 'claude',
    tool: 'Bash',
    summary: 'ls',
    input: 'ls',
    cwd: '/',
  };
  const body = RaiseApproval.parse({ ref, session: 'sess-1', subject: tool });
  return laptop.client.call({ method: 'POST', path: '/api/machine/approvals', body }, ApprovalRaised);
}

describe('a machine', () => {
  it('says what came of its own dialogs, once, and of no other', async () => {
    const ref = 'dialog-ref-1';
    const { id } = await raiseDialog(ref);
    const { shownHash } = await approval(id);
    const path = `/api/operator/approvals/${id}/decision`;
    await hub.operator.call({ method: 'POST', path, body: { verdict: 'allow', shownHash } }, z.unknown());
    const effect = (state: string) =>
      ({ method: 'POST', path: '/api/machine/approvals/effect', body: { ref, state } }) as const;
    await server.client.call(effect('failed'), Ok);
    expect(await approval(id)).not.toHaveProperty('effect');
    await laptop.client.call(effect('done'), Ok);
    await laptop.client.call(effect('failed'), Ok);
    expect((await approval(id)).effect).toMatchObject({ state: 'done' });
  });

  it('closes no dialog of another', async () => {
    const ref = 'dialog-ref-2';
    const { id } = await raiseDialog(ref);
    const body = { ref, outcome: 'withdrawn' };
    await server.client.call({ method: 'POST', path: '/api/machine/approvals/close', body }, Ok);
    expect((await approval(id)).state).toBe('pending');
  });

  it.each([
    ['GET', '/api/operator/preferences'],
    ['PATCH', '/api/operator/preferences'],
    ['POST', '/api/operator/push/subscriptions'],
    ['POST', `/api/operator/approvals/apr_01ARZ3NDEKTSV4RRFFQ69G5FAV/decision`],
  ] as const)('is nobody to %s %s', async (method, path) => {
    const body = method === 'GET' ? undefined : '{}';
    const headers = signRequest(laptop.secret, 'laptop', { method, path, body: Buffer.from(body ?? '') });
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await raw({
      url: hub.url,
      method,
      path,
      headers: { ...headers, ...type },
      ...(body === undefined ? {} : { body }),
    });
    expect(answer.code).toBe('unauthorized');
  });

  it.each([
    ['/api/machine/usage', { sessions: [{ session: 'sess-1', tokens: { input: -1 }, at: 'now' }] }, 'invalid_request'],
    ['/api/machine/usage', { sessions: Array.from({ length: 201 }, () => ({})) }, 'invalid_request'],
    ['/api/machine/announcements', { fromProject: 'app', text: 'x'.repeat(2001) }, 'invalid_request'],
    ['/api/machine/announcements', { fromProject: 'app', text: 'x'.repeat(1_100_000) }, 'too_large'],
    ['/api/machine/approvals/effect', { ref: 'dialog-ref-1', state: 'perhaps' }, 'invalid_request'],
  ])('is refused what is too much or no sense at %s', async (path, body, code) => {
    await expect(laptop.client.call({ method: 'POST', path, body }, z.unknown())).rejects.toMatchObject({ code });
  });
});

describe('an operator', () => {
  it('reads what sessions wait for, and changes only their own preferences, a viewer too', async () => {
    const page = await hub.operator.call(
      { method: 'GET', path: '/api/operator/attention/waits?limit=1&days=1' },
      WaitsPage,
    );
    expect(page).toMatchObject({
      waits: [{ machine: 'server' }],
      more: true,
      summary: [{ kind: 'permission', count: 2, open: 2 }],
    });
    const cookie = await hub.cookieOf('eve');
    const headers = { cookie, origin: hub.url, 'content-type': 'application/json' };
    const path = '/api/operator/preferences';
    await raw({ url: hub.url, method: 'PATCH', path, headers, body: '{"digestMinutes":30}' });
    const read = await raw({ url: hub.url, method: 'GET', path, headers: { cookie } });
    expect(JSON.parse(read.text)).toMatchObject({ digestMinutes: 30 });
    expect((await hub.operator.call({ method: 'GET', path }, Preferences)).digestMinutes).toBe(0);
  });

  it('is refused push services of the own network unless the configuration allows them', async () => {
    const body = { endpoint: 'https://127.0.0.1:7700/x', keys: { p256dh: 'A'.repeat(87), auth: 'B'.repeat(22) } };
    const call = hub.operator.call({ method: 'POST', path: '/api/operator/push/subscriptions', body }, Ok);
    await expect(call).rejects.toMatchObject({ code: 'invalid_request', field: 'endpoint' });
  });

  it('is present while a page says that it is looked at, for people and machines, until it closes', async () => {
    const headers = { cookie: await hub.cookieOf('bob'), origin: hub.url };
    const socket = new WebSocket(`${hub.url.replace('http', 'ws')}/api/operator/stream`, { headers });
    await new Promise((resolve) => socket.once('open', resolve));
    const presence = () => laptop.client.call({ method: 'GET', path: '/api/machine/presence' }, Presence);
    expect((await presence()).operators).toEqual([]);
    socket.send('{"frame":"looking","looking":true}');
    // The hub answers a ping in the order of the frames.
    const heard = new Promise((resolve) => socket.once('pong', resolve));
    socket.ping();
    await heard;
    expect((await presence()).operators).toMatchObject([{ operator: 'bob', pages: 1 }]);
    expect(hub.hub.services.attention.presence().operators).toHaveLength(1);
    socket.send('{"frame":"looking","looking":"very much"}');
    const code = await new Promise((resolve) => socket.once('close', resolve));
    expect(code).toBe(1008);
    expect((await presence()).operators).toEqual([]);
  });
});
