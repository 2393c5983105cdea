/** A reverse proxy on the hub's machine: whoever comes through it is a stranger, although the connection comes from loopback. */
import { createServer, request as httpRequest, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkedDaemonUrl } from '../../../src/hub/joins/daemon-url.ts';
import { PROTOCOL_VERSION } from '../../../src/protocol/limits.ts';
import { newClaimKey, newJoinKeys } from '../../../src/protocol/sealing.ts';
import { signRequest } from '../../../src/protocol/signing.ts';
import { startTestHub, type TestHub } from '../../support/hub.ts';
import { raw, type RawAnswer } from '../../support/raw-http.ts';

const PUBLISHED = 'mesh.example';

let hub: TestHub;
beforeEach(async () => {
  hub = await startTestHub({ config: { hub: { dashboard_url: `https://${PUBLISHED}` } } });
});
afterEach(() => hub.stop());

function joinBody(machineId: string, daemonUrl: string): string {
  return JSON.stringify({
    protocol: PROTOCOL_VERSION,
    machineId,
    displayName: machineId,
    daemonUrl,
    publicKey: newJoinKeys().publicKey,
    claimHash: newClaimKey().claimHash,
  });
}

function ask(daemonUrl: string, headers: Record<string, string> = {}, url = hub.url): Promise<RawAnswer> {
  return raw({
    url,
    method: 'POST',
    path: '/api/join',
    headers: { 'content-type': 'application/json', ...headers },
    body: joinBody('laptop', daemonUrl),
  });
}

/** A proxy as people write them: passes everything on, and adds what it is told to. */
async function proxy(change: (headers: Record<string, string>) => Record<string, string>): Promise<Server> {
  const { hostname, port } = new URL(hub.url);
  const server = createServer((incoming, outgoing) => {
    const given = Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]));
    const onward = httpRequest(
      { hostname, port, method: incoming.method, path: incoming.url, headers: change(given), agent: false },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(outgoing);
      },
    );
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${z.object({ port: z.number() }).parse(server.address()).port}`;
}

describe('a join from loopback', () => {
  it('straight from this machine may name a loopback address', async () => {
    expect((await ask('http://127.0.0.1:7701')).status).toBe(200);
  });

  it.each([
    ['x-forwarded-for', '100.64.0.9'],
    ['x-forwarded-for', '127.0.0.1'],
    ['X-Forwarded-Host', PUBLISHED],
    ['forwarded', 'for=127.0.0.1'],
    ['x-real-ip', '127.0.0.1'],
    ['via', '1.1 caddy'],
    ['tailscale-user-login', 'ada@example.com'],
  ])('with %s: %s is not trusted with one', async (name, value) => {
    const answer = await ask('http://127.0.0.1:7701', { [name]: value });
    expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(answer.text).toContain('did not come straight from this machine');
  });

  it('under the published name is not trusted with one', async () => {
    expect((await ask('http://127.0.0.1:7701', { host: PUBLISHED })).code).toBe('invalid_request');
  });

  it.each(['http://0.0.0.0:22', 'http://[::ffff:127.0.0.1]:22', 'http://[::]:22', 'http://2130706433:22'])(
    '%s is loopback by another name, on every network',
    (daemonUrl) => {
      expect(() => checkedDaemonUrl(daemonUrl, { ip: '192.168.1.9', allowAny: true })).toThrow('loopback address');
    },
  );

  it.each([
    ['that adds who it was', (headers: Record<string, string>) => ({ ...headers, 'x-forwarded-for': '203.0.113.5' })],
    ['that keeps the Host', (headers: Record<string, string>) => ({ ...headers, host: PUBLISHED })],
  ])(
    'through a proxy %s: a loopback address is refused, and the card says proxy for any other',
    async (_name, change) => {
      const server = await proxy(change);
      try {
        expect((await ask('http://127.0.0.1:7701', {}, urlOf(server))).code).toBe('invalid_request');
        expect((await ask('http://100.64.0.9:7701', {}, urlOf(server))).status).toBe(200);
        const cards = await hub.hub.services.approvals.list({ state: 'pending', limit: 50 });
        expect(cards[0]?.subject).toMatchObject({ ip: 'a proxy at 127.0.0.1', daemonUrl: 'http://100.64.0.9:7701' });
      } finally {
        server.close();
      }
    },
  );
});

describe('a member through a proxy', () => {
  it('cannot move its daemon to a loopback address of the hub', async () => {
    const { secret } = await hub.machine('laptop');
    const body = JSON.stringify({
      protocol: PROTOCOL_VERSION,
      version: '1',
      epoch: 'e',
      daemonUrl: 'http://127.0.0.1:22',
      displayName: 'laptop',
      description: '',
      projects: [],
      sessions: [],
      time: new Date().toISOString(),
    });
    const path = '/api/machine/hello';
    const signature = signRequest(secret, 'laptop', { method: 'POST', path, body: Buffer.from(body) }, Date.now());
    const answer = await raw({
      url: hub.url,
      method: 'POST',
      path,
      body,
      headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.5', ...signature },
    });
    expect(answer.text).toContain('did not come straight from this machine');
  });
});
