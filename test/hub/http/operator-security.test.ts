/** Every route of the operator API against everybody who must not use it. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRequest } from '../../../src/protocol/signing.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { hubRoutes, type HubRoute } from '../../support/hub-routes.ts';
import { raw, type RawAnswer } from '../../support/raw-http.ts';

let hub: TestHub;
let routes: HubRoute[];
let secret: string;
let socketKey: string;
const cookies = new Map<string, string>();

beforeAll(async () => {
  hub = await startTestHub({ config: { hub: { dashboard_url: 'https://hub.example.org' } } });
  secret = (await hub.machine('laptop')).secret;
  socketKey = (await readFile(hub.paths.hubKey, 'utf8')).trim();
  for (const name of ['ada', 'bob', 'eve']) cookies.set(name, await hub.cookieOf(name));
  routes = (await hubRoutes(hub)).filter((route) => route.tag === 'operator');
});
afterAll(() => hub.stop());

const cookie = (name: string): string => cookies.get(name) ?? '';
const isWrite = (route: HubRoute): boolean => route.method !== 'GET';

function send(route: HubRoute, headers: Record<string, string>, socketPath?: string): Promise<RawAnswer> {
  const body = route.hasBody ? '{}' : undefined;
  return raw({
    url: hub.url,
    method: route.method,
    path: route.path,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
    ...(socketPath === undefined ? {} : { socketPath }),
  });
}

async function everyRoute(
  expected: string | ((route: HubRoute) => string | undefined),
  headers: (route: HubRoute) => Record<string, string>,
): Promise<void> {
  expect(routes.length).toBeGreaterThanOrEqual(24);
  for (const route of routes) {
    const code = typeof expected === 'string' ? expected : expected(route);
    if (code === undefined) continue;
    const answer = await send(route, headers(route));
    const name = `${route.method} ${route.path}`;
    expect({ name, code: answer.code }).toEqual({ name, code });
  }
}

describe('the operator API', () => {
  it('is closed to those who are not signed in', () => everyRoute('unauthorized', () => ({})));

  it("is closed to a machine's signature", () =>
    everyRoute('unauthorized', ({ method, path, hasBody }) =>
      signRequest(secret, 'laptop', { method, path, body: Buffer.from(hasBody ? '{}' : '') }),
    ));

  it("is closed to an agent: neither a machine's secret nor another key is a bearer here", async () => {
    await everyRoute('unauthorized', () => ({ authorization: `Bearer ${secret}` }));
    await everyRoute('unauthorized', () => ({ authorization: `Bearer ${'x'.repeat(43)}` }));
    await everyRoute('unauthorized', () => ({ authorization: 'Basic YWRhOmFkYQ==' }));
  });

  it('takes the key of the unix socket only on the unix socket', async () => {
    await everyRoute('unauthorized', () => ({ authorization: `Bearer ${socketKey}` }));
    const me = { method: 'GET', path: '/api/operator/me', tag: '', hasBody: false } as const;
    expect((await send(me, { authorization: `Bearer ${socketKey}` }, hub.paths.hubSocket)).status).toBe(200);
    expect((await send(me, {}, hub.paths.hubSocket)).code).toBe('unauthorized');
    expect((await send(me, { authorization: `Bearer ${'x'.repeat(43)}` }, hub.paths.hubSocket)).code).toBe(
      'unauthorized',
    );
  });

  it('takes no header of a request as a sign that it came over the socket', () =>
    everyRoute('unauthorized', () => ({ 'x-forwarded-for': '127.0.0.1', authorization: `Bearer ${socketKey}` })));

  it.each([
    ['http://evil.example'],
    ['https://127.0.0.1:1'],
    ['http://127.0.0.1:1'],
    ['null'],
    ['https://hub.example.org.evil.example'],
    ['http://hub.example.org'],
  ])('seed: S9 - refuses a page of %s, also with the cookie', (origin) =>
    everyRoute('wrong_origin', () => ({ cookie: cookie('ada'), origin })),
  );

  it('refuses a change by cookie without an Origin', () =>
    everyRoute(
      (route) => (isWrite(route) ? 'wrong_origin' : undefined),
      () => ({ cookie: cookie('ada') }),
    ));

  it.each([
    ['evil.example'],
    ['evil.example:7700'],
    ['127.0.0.1.evil.example'],
    ['hub.example.org.evil.example'],
    ['a@b.c'],
  ])('refuses the host name %s (DNS rebinding)', (host) =>
    everyRoute('wrong_origin', () => ({ cookie: cookie('ada'), host, origin: `http://${host}` })),
  );

  it.each([
    ['localhost:7700'],
    ['127.0.0.1:7700'],
    ['[::1]:7700'],
    ['100.64.0.1:7700'],
    ['box.tail1234.ts.net:7700'],
    ['box:7700'],
    ['hub.example.org'],
  ])('answers under the host name %s', async (host) => {
    const me = { method: 'GET', path: '/api/operator/me', tag: '', hasBody: false } as const;
    expect((await send(me, { host, cookie: cookie('ada') })).status).toBe(200);
  });

  it('lets a viewer look and change nothing', async () => {
    const own = { origin: hub.url, cookie: cookie('eve') };
    const look = '/api/operator/sessions/nowhere/nowhere/inspect';
    const push = '/api/operator/push/subscriptions';
    // What is their own, and what changes nothing.
    const theirs = ['/api/operator/sign-out', '/api/operator/preferences', push, `${push}/remove`];
    const open = new Set([...theirs, '/api/operator/policy/test', look]);
    await everyRoute(
      (route) => (isWrite(route) && !open.has(route.path) ? 'forbidden' : undefined),
      () => own,
    );
    for (const route of routes.filter((one) => !isWrite(one))) {
      expect([200, 404]).toContain((await send(route, own)).status);
    }
  });

  it('lets an operator decide, and only an owner manage machines and make sign-in links', () =>
    everyRoute(
      (route) =>
        isWrite(route) && (/\/machines\//.test(route.path) || route.path.endsWith('/links')) ? 'forbidden' : undefined,
      () => ({ origin: hub.url, cookie: cookie('bob') }),
    ));

  it('seed: S5, S15 - tells nobody a secret', async () => {
    for (const route of routes.filter((one) => !isWrite(one))) {
      const { text } = await send(route, { cookie: cookie('ada') });
      expect(text).not.toContain(secret);
      expect(text).not.toContain(socketKey);
    }
  });

  it('seed: S1, S2, S8 - what the older system left open is not there', async () => {
    for (const path of ['/api/route', '/api/message', '/api/upgrade', '/api/register', '/api/join/approve/laptop']) {
      const answer = await raw({
        url: hub.url,
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body: '{"from_agent":"human"}',
      });
      expect(answer.code).toBe('not_found');
    }
    expect((await raw({ url: hub.url, method: 'GET', path: '/api/machines' })).code).toBe('not_found');
    expect((await raw({ url: hub.url, method: 'GET', path: '/api/join/status/laptop' })).code).toBe('not_found');
  });

  it('takes no form or plain text from anywhere', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const answer = await raw({
        url: hub.url,
        method: 'POST',
        path: '/api/operator/sign-in',
        headers: { 'content-type': type },
        body: '{"code":"12345678"}',
      });
      expect(answer.code).toBe('unsupported_media_type');
    }
  });
});

describe('signing in', () => {
  const signIn = (code: string, headers: Record<string, string> = {}, path = '/api/operator/sign-in') =>
    raw({
      url: hub.url,
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ code }),
    });
  const link = () => hub.hub.services.operators.signInLink({ operator: { name: 'ada', role: 'owner' }, via: 'cli' });

  it('sets a cookie that scripts and other sites cannot use, and Secure where there is https', async () => {
    const plain = await signIn((await link()).code, { origin: hub.url });
    const [set = ''] = plain.headers['set-cookie'] ?? [];
    expect(set).toMatch(
      /^intercom_session_[0-9a-f]{8}=[A-Za-z0-9_-]{43}; Expires=.*; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const host = 'hub.example.org';
    const proxied = await signIn((await link()).code, { host, origin: 'https://hub.example.org' });
    expect(proxied.headers['set-cookie']?.[0]).toMatch(/; Secure$/);
  });

  it('refuses a foreign page that wants to sign this browser in', async () => {
    expect((await signIn((await link()).code, { origin: 'http://evil.example' })).code).toBe('wrong_origin');
  });

  it('ends with signing out', async () => {
    const own = await hub.cookieOf('ada');
    const out = { method: 'POST', path: '/api/operator/sign-out', tag: '', hasBody: false } as const;
    const answer = await send(out, { cookie: own, origin: hub.url });
    expect(answer.headers['set-cookie']?.[0]).toContain('Max-Age=0');
    const me = { method: 'GET', path: '/api/operator/me', tag: '', hasBody: false } as const;
    expect((await send(me, { cookie: own })).code).toBe('unauthorized');
  });

  it('gives a terminal a token that is no cookie', async () => {
    const answer = await signIn((await link()).code, {}, '/api/operator/login');
    const token = /"token":"([A-Za-z0-9_-]+)"/.exec(answer.text)?.[1] ?? '';
    const me = { method: 'GET', path: '/api/operator/me', tag: '', hasBody: false } as const;
    expect((await send(me, { authorization: `Bearer ${token}` })).status).toBe(200);
    const name = cookie('ada').split('=')[0] ?? '';
    expect((await send(me, { cookie: `${name}=${token}` })).code).toBe('unauthorized');
  });

  it('limits guessing', async () => {
    const codes: (string | undefined)[] = [];
    for (let i = 0; i < 15; i += 1) codes.push((await signIn(`guess-number-${i}`)).code);
    expect(codes.at(-1)).toBe('limit_reached');
    expect(codes).not.toContain(undefined);
  });
});
