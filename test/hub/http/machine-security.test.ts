/** Every route of the machine API against everybody who must not use it, each refused for its own reason. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signRequest } from '../../../src/protocol/signing.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { hubRoutes, type HubRoute } from '../../support/hub-routes.ts';
import { raw, type RawAnswer } from '../../support/raw-http.ts';

let hub: TestHub;
let routes: HubRoute[];
let secret: string;
let otherSecret: string;

beforeAll(async () => {
  hub = await startTestHub();
  secret = (await hub.machine('laptop')).secret;
  otherSecret = (await hub.machine('server')).secret;
  await hub.machine('thief');
  routes = (await hubRoutes(hub)).filter((route) => route.tag === 'machine');
});
afterAll(() => hub.stop());

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly headers: Record<string, string>;
}

const bodyOf = (route: HubRoute): string => (route.hasBody ? '{}' : '');

function send(route: HubRoute, sent: Sent): Promise<RawAnswer> {
  const body = sent.body ?? bodyOf(route);
  return raw({
    url: hub.url,
    method: sent.method ?? route.method,
    path: sent.path ?? route.path,
    headers: { ...(body === '' ? {} : { 'content-type': 'application/json' }), ...sent.headers },
    ...(body === '' ? {} : { body }),
  });
}

function signed(route: HubRoute, key: string, machine: string, nowMs = Date.now()): Record<string, string> {
  return signRequest(key, machine, { method: route.method, path: route.path, body: Buffer.from(bodyOf(route)) }, nowMs);
}

type Attack = readonly [name: string, code: string, attack: (route: HubRoute) => Promise<RawAnswer>];

const ATTACKS: Attack[] = [
  ['unsigned', 'unsigned', (route) => send(route, { headers: {} })],
  [
    'with a header missing',
    'unsigned',
    (route) => {
      const all = Object.entries(signed(route, secret, 'laptop'));
      return send(route, { headers: Object.fromEntries(all.filter(([name]) => name !== 'x-intercom-nonce')) });
    },
  ],
  ['with a made-up secret', 'bad_signature', (route) => send(route, { headers: signed(route, 'ict_guess', 'laptop') })],
  ['with an empty secret', 'bad_signature', (route) => send(route, { headers: signed(route, '', 'laptop') })],
  [
    "of another machine's secret",
    'bad_signature',
    (route) => send(route, { headers: signed(route, otherSecret, 'laptop') }),
  ],
  [
    'as another machine than it was signed for',
    'bad_signature',
    (route) => send(route, { headers: { ...signed(route, secret, 'laptop'), 'x-intercom-machine': 'server' } }),
  ],
  ['of an unknown machine', 'unknown_machine', (route) => send(route, { headers: signed(route, secret, 'stranger') })],
  ['in the name of the hub', 'unknown_machine', (route) => send(route, { headers: signed(route, secret, 'hub') })],
  ['in the name of a person', 'unknown_machine', (route) => send(route, { headers: signed(route, secret, 'human') })],
  ['stale', 'clock_skew', (route) => send(route, { headers: signed(route, secret, 'laptop', Date.now() - 120_000) })],
  [
    'from the future',
    'clock_skew',
    (route) => send(route, { headers: signed(route, secret, 'laptop', Date.now() + 120_000) }),
  ],
  [
    'with a later timestamp than was signed',
    'bad_signature',
    (route) => {
      const headers = signed(route, secret, 'laptop', Date.now() - 120_000);
      return send(route, { headers: { ...headers, 'x-intercom-timestamp': String(Math.floor(Date.now() / 1000)) } });
    },
  ],
  [
    'with an altered body',
    'bad_signature',
    (route) => send(route, { headers: signed(route, secret, 'laptop'), body: '{"altered":true}' }),
  ],
  [
    'with an altered query',
    'bad_signature',
    (route) => send(route, { headers: signed(route, secret, 'laptop'), path: `${route.path}?limit=1` }),
  ],
  [
    'with another method',
    'bad_signature',
    (route) =>
      send(route, { headers: signed({ ...route, method: route.method === 'GET' ? 'POST' : 'GET' }, secret, 'laptop') }),
  ],
  [
    'of an older signing',
    'unsupported_version',
    (route) => send(route, { headers: { ...signed(route, secret, 'laptop'), 'x-intercom-version': '1' } }),
  ],
  [
    'replayed',
    'replayed',
    async (route) => {
      const headers = signed(route, secret, 'laptop');
      await send(route, { headers });
      return send(route, { headers });
    },
  ],
];

describe('the machine API refuses a request', () => {
  it('has routes to be looked at', () => {
    expect(routes.length).toBeGreaterThanOrEqual(12);
  });

  it.each(ATTACKS)('%s, on every route: %s', async (_name, code, attack) => {
    for (const route of routes) {
      const answer = await attack(route);
      expect({ route: `${route.method} ${route.path}`, code: answer.code }).toEqual({
        route: `${route.method} ${route.path}`,
        code,
      });
    }
  });

  it('of a revoked machine, from the moment on', async () => {
    const { secret: stolen } = await hub.machine('thief');
    await hub.hub.services.registry.revoke({ operator: { name: 'ada', role: 'owner' }, via: 'web' }, 'thief');
    for (const route of routes) {
      expect((await send(route, { headers: signed(route, stolen, 'thief') })).code).toBe('revoked');
    }
  });

  it('seed: S10 - a request that one route took is not taken by another', async () => {
    const heartbeat: HubRoute = { method: 'POST', path: '/api/machine/heartbeat', tag: 'machine', hasBody: true };
    const headers = signed(heartbeat, secret, 'laptop');
    const answer = await send({ ...heartbeat, path: '/api/machine/messages' }, { headers });
    expect(answer.code).toBe('bad_signature');
  });

  it('seed: S11 - a daemon cannot speak for another machine or for a person', async () => {
    const item = {
      id: 'msg_01ARZ3NDEKTSV4RRFFQ69G5FAV',
      fromProject: 'web',
      from: 'human:ada',
      fromMachine: 'server',
      to: 'human',
      kind: 'send',
      body: 'do as I say',
      submittedAt: new Date().toISOString(),
    };
    const body = JSON.stringify({ items: [item] });
    const request = { method: 'POST', path: '/api/machine/messages', body: Buffer.from(body) };
    await raw({
      url: hub.url,
      method: 'POST',
      path: '/api/machine/messages',
      headers: { 'content-type': 'application/json', ...signRequest(secret, 'laptop', request) },
      body,
    });
    expect((await hub.hub.services.messaging.trace(item.id)).message).toMatchObject({
      from: 'laptop/web',
      to: 'human',
    });
  });

  it('tells the difference of the clocks and what to do', async () => {
    const [route] = routes;
    if (route === undefined) return;
    const answer = await send(route, { headers: signed(route, secret, 'laptop', Date.now() - 300_000) });
    expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'clock_skew', retry: true } });
    expect(answer.text).toMatch(/"differenceSeconds":-(299|300|301)/);
  });
});
