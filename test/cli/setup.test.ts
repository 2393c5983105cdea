/** init, config, join: what is written, how it reads back, and who can read it. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { daemonAddress } from '../../src/cli/join/own-address.ts';
import { discoverHubs, onlyHub, probeHub } from '../../src/cli/join/discover.ts';
import { configOf } from '../../src/config/config.ts';
import { checkConfig, loadConfig } from '../../src/config/load.ts';
import { ConfigFile } from '../../src/config/schema.ts';
import { configTemplate } from '../../src/config/template.ts';
import { tailnet, type Tailnet } from '../../src/platform/tailscale.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import { joinCode, JoinClaim, JoinRequest } from '../../src/protocol/join.ts';
import { claimHashOf, sealForJoin } from '../../src/protocol/sealing.ts';
import { Home } from './support/cli.ts';
import { ScriptedServer, type Answer } from './support/scripted-server.ts';

const TOKEN = '123456:AAbbCCddEEffGGhhIIjjKKll';
const running: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

describe('init', () => {
  it('writes a commented file from flags that only its owner can read', async () => {
    const home = await Home.make();
    const { code, out } = await home.run([
      'init',
      '--mode',
      'hub',
      '--id',
      'nas',
      '--scan',
      '~/a',
      '~/b',
      '--name',
      'The "NAS"',
    ]);
    expect(code).toBe(0);
    expect(out).toContain(home.paths.configFile);
    expect((await stat(home.paths.configFile)).mode & 0o777).toBe(0o600);
    const { config, warnings } = await loadConfig({ env: home.env, home: '/home/u' });
    expect(warnings).toEqual([]);
    expect(config).toMatchObject({
      mode: 'hub',
      machine: { id: 'nas', displayName: 'The "NAS"' },
      discovery: { scanPaths: ['/home/u/a', '/home/u/b'] },
    });
  });

  it('asks, shows no token, and puts everything in its place', async () => {
    const home = await Home.make();
    const answers = ['', 'desk', '~/work', 'y', TOKEN, '-1001', '11, 12'];
    const { code, out, err } = await home.run(['init'], { answers });
    expect(code).toBe(0);
    expect(out + err).not.toContain(TOKEN);
    const { config } = await loadConfig({ env: home.env });
    expect(config.telegram).toMatchObject({ botToken: TOKEN, supergroupId: -1001, allowedUsers: [11, 12] });
    expect(config.mode).toBe('standalone');
  });

  it('seed: never overwrites a configuration unasked, and keeps the old one when asked', async () => {
    const home = await Home.make();
    await mkdir(home.paths.config, { recursive: true });
    await writeFile(home.paths.configFile, '# mine\n');
    expect((await home.run(['init'])).code).toBe(7);
    expect((await home.run(['init', '--force'])).code).toBe(0);
    expect(await readFile(`${home.paths.configFile}.bak`, 'utf8')).toBe('# mine\n');
  });

  it('never takes a bot token as an argument', async () => {
    const { code, err } = await (await Home.make()).run(['init', '--telegram-owner', '1']);
    expect(code).toBe(2);
    expect(err).toContain('TELEGRAM_BOT_TOKEN');
  });

  it('reads back whatever was answered', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        (name, folder) => {
          const checked = checkConfig(
            configTemplate({ mode: 'standalone', machineId: 'm', displayName: name, scanPaths: [`/x/${folder}`] }),
          );
          if (checked.ok)
            expect([checked.file.machine.display_name, checked.file.discovery.scan_paths]).toEqual([
              name,
              [`/x/${folder}`],
            ]);
          else expect(checked.faults.every((fault) => fault.key !== '')).toBe(true);
        },
      ),
    );
  });

  it('is what the example in the package shows', async () => {
    const example = await readFile(new URL('../../config/config.example.yml', import.meta.url), 'utf8');
    expect(example).toBe(configTemplate({ mode: 'standalone', machineId: 'my-laptop', scanPaths: [] }));
  });
});

describe('config', () => {
  it('check names every fault with its line, and ends with 2', async () => {
    const home = await Home.make();
    await mkdir(home.paths.config, { recursive: true });
    await writeFile(home.paths.configFile, 'mode: x\nhub:\n  port: 0\n');
    const { code, out } = await home.run(['config', 'check']);
    expect(code).toBe(2);
    expect(out).toContain('config.yml:1:1 mode: "x" is not valid: allowed: hub, daemon, standalone');
    expect(out).toContain('config.yml:3:3 hub.port');
    expect((await home.run(['config', 'check', '--config', '/nowhere.yml'])).code).toBe(2);
  });

  it('show hides every secret, also those of the environment', async () => {
    const home = await Home.make();
    const env = { TELEGRAM_BOT_TOKEN: TOKEN, INTERCOM_TOKEN: 'machine-secret-1' };
    for (const args of [
      ['config', 'show'],
      ['config', 'show', '--json'],
    ]) {
      const { code, out } = await home.run(args, { env });
      expect(code).toBe(0);
      expect(out).not.toMatch(/AAbbCC|machine-secret/);
      expect(out).toContain('hidden');
    }
  });

  it("show prints the file's own keys, each with where its value comes from", async () => {
    const home = await Home.make();
    await mkdir(home.paths.config, { recursive: true });
    const text = `hub:\n  port: 7900\ndiscovery:\n  scan_paths: ["~/work"]\nprojects:\n  - id: web\n    path: ~/web\n    agent_command: codex\n`;
    await writeFile(home.paths.configFile, text, { mode: 0o600 });
    const env = { HUB_URL: 'http://hub:7700', TELEGRAM_BOT_TOKEN: TOKEN };
    const { out } = await home.run(['config', 'show'], { env });
    expect(out).toMatch(/^ {2}port: 7900 # file, line 2$/m);
    expect(out).toMatch(/^ {2}daemon_port: 7701 # default$/m);
    expect(out).toMatch(/^ {2}url: http:\/\/hub:7700 # environment: HUB_URL$/m);
    expect(out).toMatch(/^ {2}scan_paths: \[ ~\/work \] # file, line 4$/m);
    expect(out).toMatch(/^# file, line 5\nprojects:\n {2}- id: web$/m);
    expect(out).toMatch(/^ {2}bot_token: .*hidden.* # environment: TELEGRAM_BOT_TOKEN$/m);
    expect(out).not.toMatch(/daemonPort|botToken|^dispatcher|undefined|null/m);

    const json: unknown = JSON.parse((await home.run(['config', 'show', '--json'], { env })).out);
    expect(json).toMatchObject({
      config: { hub: { port: 7900, daemon_port: 7701 }, projects: [{ id: 'web', agent_command: 'codex' }] },
      from: { 'hub.port': 'file, line 2', 'hub.url': 'environment: HUB_URL', mode: 'default' },
    });
  });
});

/** A hub that has one join request, decided as told. */
async function hubThat(decide: (request: JoinRequest) => unknown): Promise<ScriptedServer & { url: string }> {
  const joinId = 'joi_01JNAAAAAAAAAAAAAAAAAAAAAA';
  let request: JoinRequest | undefined;
  let claims = 0;
  const answers: Record<string, Answer> = {
    'GET /api/discover': () => ({ hub: true, name: 'home', version: '0.1.0', protocol: 1 }),
    'POST /api/join': ({ body }) => {
      request = JoinRequest.parse(body);
      return { joinId, code: '000-000', expiresAt: '2026-03-01T12:15:00.000Z' };
    },
    [`POST /api/join/${joinId}/claim`]: ({ body }) => {
      const { claimKey } = JoinClaim.parse(body);
      if (request === undefined || claimHashOf(claimKey) !== request.claimHash)
        throw new IntercomError('forbidden', 'Not yours.');
      claims += 1;
      return claims === 1 ? { state: 'pending', expiresAt: '2026-03-01T12:15:00.000Z' } : decide(request);
    },
  };
  const hub = await ScriptedServer.onTcp(answers);
  running.push(hub);
  return hub;
}

function approve(request: JoinRequest): unknown {
  const facts = {
    joinId: 'joi_01JNAAAAAAAAAAAAAAAAAAAAAA',
    machineId: request.machineId,
    publicKey: request.publicKey,
  };
  return {
    state: 'approved',
    machineId: request.machineId,
    approvedBy: 'owner',
    ...sealForJoin('a-new-machine-secret', facts),
  };
}

describe('join', () => {
  it('shows its own code, opens the sealed secret, and writes it into the file that is there', async () => {
    const home = await Home.make();
    await mkdir(home.paths.config, { recursive: true });
    await writeFile(
      home.paths.configFile,
      '# keep me\nmachine:\n  id: desk # yes\nhub:\n  daemon_listen: 127.0.0.1\n',
      { mode: 0o600 },
    );
    let code = '';
    const hub = await hubThat((request) => {
      code = joinCode('joi_01JNAAAAAAAAAAAAAAAAAAAAAA', 'desk', request.publicKey);
      return approve(request);
    });
    const joined = await home.run(['join', hub.url]);
    expect(joined.code).toBe(0);
    // Not the one that the hub claimed (000-000).
    expect(joined.err).toContain(code);
    expect(joined.err).not.toContain('000-000');
    expect(joined.out + joined.err).not.toContain('a-new-machine-secret');
    const text = await readFile(home.paths.configFile, 'utf8');
    expect(text).toContain('# keep me');
    expect(text).toContain('id: desk # yes');
    expect((await stat(home.paths.configFile)).mode & 0o777).toBe(0o600);
    const { config } = await loadConfig({ env: home.env });
    expect([config.hub.url, config.auth.token]).toEqual([hub.url, 'a-new-machine-secret']);
    expect(hub.asked[0]?.body).toMatchObject({ machineId: 'desk', daemonUrl: 'http://127.0.0.1:7701' });
  });

  const ends: [name: string, state: unknown, exit: number, saying: RegExp][] = [
    ['denied', { state: 'denied', by: 'owner', reason: 'unknown machine' }, 4, /owner denied.*unknown machine/],
    ['expired', { state: 'expired' }, 4, /Nobody decided in time/],
    ['claimed', { state: 'claimed' }, 7, /already handed out/],
  ];
  it.each(ends)('seed: %s is an answer and not a time-out', async (_name, state, exit, saying) => {
    const home = await Home.make();
    const hub = await hubThat(() => state);
    const { code, err } = await home.run(['join', hub.url, '--id', 'desk']);
    expect(code).toBe(exit);
    expect(err).toMatch(saying);
    await expect(stat(home.paths.configFile)).rejects.toThrow();
  });

  it('takes no secret that was sealed for something else', async () => {
    const home = await Home.make();
    const hub = await hubThat((request) => approve({ ...request, machineId: 'another' }));
    const { code, err } = await home.run(['join', hub.url, '--id', 'desk']);
    expect(code).toBe(5);
    expect(err).toContain('another machine');
    await expect(stat(home.paths.configFile)).rejects.toThrow();
  });

  it('says how to go on when nothing can be found', async () => {
    const { code, err } = await (await Home.make()).run(['join']);
    expect(code).toBe(6);
    expect(err).toContain('Tailscale is not installed');
    expect(err).toContain('intercom join http://');
  });
});

describe('finding the hub', () => {
  const net: Tailnet = {
    state: 'running',
    self: { name: 'me', ips: ['100.64.0.1'], online: true },
    peers: [
      { name: 'hub', ips: ['100.64.0.2', 'fd7a:115c:a1e0::2'], online: true },
      { name: 'off', ips: ['100.64.0.3'], online: false },
      { name: 'other', ips: ['fd7a:115c:a1e0::4'], online: true },
    ],
  };

  it('seed: asks all machines that are there at once, and not those that are away', async () => {
    const asked: string[] = [];
    let release = (): void => undefined;
    const all = new Promise<void>((resolve) => (release = resolve));
    const found = await discoverHubs(net, 7700, async (url) => {
      asked.push(url);
      // Nobody answers before everybody was asked.
      if (asked.length === 3) release();
      await all;
      return url.includes('100.64.0.2') ? { url, name: 'hub', version: '1' } : undefined;
    });
    expect(asked).toEqual(['http://100.64.0.1:7700', 'http://100.64.0.2:7700', 'http://[fd7a:115c:a1e0::4]:7700']);
    expect(onlyHub(found, net).url).toBe('http://100.64.0.2:7700');
  });

  it('never picks one of two', () => {
    const hub = { url: 'http://a:1', name: 'a', version: '1' };
    expect(() => onlyHub([hub, { ...hub, name: 'b' }], net)).toThrow(/Several hubs/);
  });

  it('takes nothing for a hub that does not say so in the right form', async () => {
    const wrong = await ScriptedServer.onTcp({ 'GET /api/discover': () => ({ hub: 'yes' }) });
    const right = await ScriptedServer.onTcp({
      'GET /api/discover': () => ({ hub: true, name: 'h', version: '1', protocol: 1 }),
    });
    running.push(wrong, right);
    expect(await probeHub(wrong.url)).toBeUndefined();
    expect(await probeHub('http://127.0.0.1:1')).toBeUndefined();
    expect(await probeHub(right.url)).toMatchObject({ name: 'h' });
  });

  it('reads what Tailscale says, and lives with nonsense', async () => {
    const text = JSON.stringify({
      BackendState: 'Running',
      Self: { HostName: 'me', TailscaleIPs: ['fd7a:115c:a1e0::1', '100.64.0.1'] },
      Peer: {
        k1: { HostName: 'p', TailscaleIPs: null, Online: true },
        k2: { HostName: 'q', TailscaleIPs: ['100.64.0.9', 'x'], Online: false },
      },
    });
    expect(await tailnet(() => Promise.resolve(text))).toEqual({
      state: 'running',
      self: { name: 'me', ips: ['100.64.0.1', 'fd7a:115c:a1e0::1'], online: true },
      peers: [{ name: 'q', ips: ['100.64.0.9'], online: false }],
    });
    const missing = Object.assign(new Error('no'), { code: 'ENOENT' });
    expect((await tailnet(() => Promise.reject(missing))).state).toBe('absent');
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (odd) => {
        expect((await tailnet(() => Promise.resolve(odd))).peers).toEqual([]);
      }),
    );
  });

  const around = { home: '/home/u', hostname: 'h' };
  const places: [
    listen: string | string[],
    toward: string,
    tailscale: string | undefined,
    url: string,
    notListening: boolean,
  ][] = [
    ['auto', '127.0.0.1', undefined, 'http://127.0.0.1:7701', false],
    ['auto', '100.64.0.1', '100.64.0.1', 'http://100.64.0.1:7701', false],
    ['auto', '192.168.1.5', '100.64.0.1', 'http://100.64.0.1:7701', false],
    ['auto', '192.168.1.5', undefined, 'http://192.168.1.5:7701', true],
    ['0.0.0.0:9000', '192.168.1.5', undefined, 'http://192.168.1.5:9000', false],
    [['127.0.0.1:8001'], '127.0.0.1', '100.64.0.1', 'http://127.0.0.1:8001', false],
  ];
  it.each(places)(
    'a daemon on %j, toward the hub as %s (tailnet %s), is at %s',
    (listen, toward, tailscale, url, notListening) => {
      const config = configOf(ConfigFile.parse({ hub: { daemon_listen: listen } }), {}, around);
      expect(daemonAddress(config, toward, tailscale)).toEqual({ url, notListening });
    },
  );
});
