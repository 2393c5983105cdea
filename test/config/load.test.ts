import { chmod, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { machineIdOf } from '../../src/config/config.ts';
import { editConfigFile, editConfigText } from '../../src/config/edit.ts';
import { logLevel } from '../../src/config/env.ts';
import { isListenEntry, listenAddresses } from '../../src/config/listen.ts';
import { checkConfig, loadConfig } from '../../src/config/load.ts';
import { maskSecrets } from '../../src/config/mask.ts';
import { nearest } from '../../src/config/nearest.ts';
import { nested, shownKeys } from '../../src/config/shown.ts';
import { isMachineId } from '../../src/protocol/address.ts';
import { IntercomError } from '../../src/protocol/errors.ts';

const TOKEN = '123456:AAbbCCddEEffGGhhIIjjKKll';

async function home(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'intercom-config-'));
}

async function fileOf(text: string): Promise<string> {
  const file = join(await home(), 'config.yml');
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

async function failure(promise: Promise<unknown>): Promise<IntercomError> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (error instanceof IntercomError) return error;
  throw error;
}

describe('loading', () => {
  it('gives complete defaults when there is no file', async () => {
    const dir = await home();
    const { config, warnings, file } = await loadConfig({ env: {}, home: dir, hostname: 'Work.Station.example' });
    expect(file).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(config.mode).toBe('standalone');
    expect(config.machine).toMatchObject({ id: 'work', displayName: 'work' });
    expect(config.hub).toMatchObject({ listen: ['auto'], port: 7700, daemonPort: 7701, url: undefined });
    expect(config.operators).toEqual([{ name: 'owner', role: 'owner' }]);
  });

  it("seed: reads the older system's keys, and each of them arrives", async () => {
    const file = await fileOf(`
mode: daemon
machine: { id: vps, display_name: "The VPS", description: "in a rack", tailscale_ip: 100.64.0.7 }
telegram:
  bot_token: "${TOKEN}"
  supergroup_id: -1001234567890
  security: { allowed_users: [11, 12], restrict_to_supergroup: true, ignore_private_messages: true }
hub: { url: "http://100.64.0.1:7700/", listen: "0.0.0.0:7700", daemon_port: 7702, dashboard_url: "https://mesh.example" }
auth: { token: ict_vps_0123456789abcdef }
discovery: { enabled: false, scan_paths: [~/work], detect_by: [CLAUDE.md], exclude: ["**/old"] }
agent_launcher: { default_command: claude, default_args: ["-p"], allowed_paths: ["~"], max_mission_duration: 60 }
projects:
  - { id: site, description: "web site", capabilities: [code], path: ~/site, agent_command: codex }
`);
    const { config, warnings } = await loadConfig({ file, env: {}, home: '/home/u' });
    expect(config).toMatchObject({
      mode: 'daemon',
      machine: { id: 'vps', displayName: 'The VPS', description: 'in a rack', tailscaleIp: '100.64.0.7' },
      telegram: {
        botToken: TOKEN,
        supergroupId: -1001234567890,
        allowedUsers: [11, 12],
        restrictToSupergroup: true,
        ignorePrivateMessages: true,
      },
      hub: {
        url: 'http://100.64.0.1:7700',
        listen: ['0.0.0.0:7700'],
        daemonPort: 7702,
        dashboardUrl: 'https://mesh.example',
      },
      auth: { token: 'ict_vps_0123456789abcdef' },
      discovery: { enabled: false, scanPaths: ['/home/u/work'], detectBy: ['CLAUDE.md'], exclude: ['**/old'] },
      agentLauncher: {
        defaultCommand: 'claude',
        defaultArgs: ['-p'],
        allowedPaths: ['/home/u'],
        maxMissionDurationSeconds: 60,
      },
      projects: [{ id: 'site', path: '/home/u/site', agentCommand: 'codex', capabilities: ['code'] }],
    });
    expect(warnings).toEqual([]);
  });

  const faults: [name: string, text: string, key: string, line: number, saying: RegExp][] = [
    ['an unknown mode', 'mode: hubb', 'mode', 1, /"hubb" is not valid: allowed: hub, daemon, standalone/],
    ['a port as text', 'hub:\n  port: many', 'hub.port', 2, /expected a number/],
    ['a port out of range', 'hub:\n  port: 99999', 'hub.port', 2, /99999 is not valid: at most 65535/],
    ['a reserved machine id', 'machine:\n  id: human', 'machine.id', 2, /a machine id has letters/],
    [
      'a machine id that YAML reads as a number',
      'machine:\n\n  id: 007',
      'machine.id',
      3,
      /expected text \(put it in quotes/,
    ],
    [
      'a relative path',
      'discovery:\n  scan_paths:\n    - /ok\n    - here',
      'discovery.scan_paths.1',
      4,
      /never relative/,
    ],
    ['a positive group id', 'telegram:\n  supergroup_id: 12', 'telegram.supergroup_id', 2, /negative/],
    ['a listen name', 'hub:\n  listen: example.org', 'hub.listen', 2, /"auto"/],
    ['a hub address without scheme', 'hub:\n  url: hub:7700', 'hub.url', 2, /http:\/\//],
    ['a project without path', 'projects:\n  - id: a', 'projects.0.path', 2, /missing; expected text/],
    ['a section that is a list', 'hub: [1]', 'hub', 1, /expected keys and values/],
    ['a project twice', 'projects:\n  - {id: a, path: /a}\n  - {id: a, path: /b}', 'projects.1.id', 3, /twice/],
    ['broken YAML', 'mode: hub\nhub: {port: 1', '', 2, /not valid YAML/],
    ['a key twice', 'mode: hub\nmode: daemon', '', 2, /not valid YAML/],
    ['a list as the file', '- a', '', 1, /keys and values/],
  ];
  it.each(faults)('names the place and what is allowed: %s', async (_name, text, key, line, saying) => {
    const file = await fileOf(text);
    const error = await failure(loadConfig({ file, env: {} }));
    expect(error.code).toBe('invalid_config');
    expect(error.message).toMatch(saying);
    expect(error.message).toContain(`${file}:${line}:`);
    expect(error.field ?? '').toBe(key);
    expect(error.next).toMatch(/config check/);
  });

  it('lists every fault, not only the first', () => {
    const checked = checkConfig('mode: x\nhub: {port: 0, daemon_port: 0}');
    expect(checked.ok ? [] : checked.faults.map((fault) => fault.key)).toEqual(['mode', 'hub.port', 'hub.daemon_port']);
  });

  it('never shows a secret in a fault', async () => {
    const file = await fileOf('telegram:\n  bot_token: "my secret bot token"\nauth:\n  token: "also a secret"');
    const error = await failure(loadConfig({ file, env: {} }));
    expect(JSON.stringify(error.toWire())).not.toMatch(/my secret|also a/);
  });

  it('warns about unknown keys with the nearest known one, and goes on', () => {
    const checked = checkConfig('hub:\n  prot: 7700\nmachin: {id: a}\nprojects:\n  - {id: a, path: /a, agent: codex}');
    expect(checked.ok).toBe(true);
    expect(checked.warnings).toEqual([
      { key: 'hub.prot', line: 2, text: 'unknown key, ignored; did you mean "port"?' },
      { key: 'machin', line: 3, text: 'unknown key, ignored; did you mean "machine"?' },
      expect.objectContaining({ key: 'projects.0.agent', line: 5 }),
    ]);
  });

  it('seed: a key with nothing behind it is not a crash', () => {
    expect(checkConfig('telegram:\nprojects:\nhub:\n  url:\n').ok).toBe(true);
  });

  it('refuses a file that was asked for and is not there', async () => {
    const error = await failure(loadConfig({ file: '/nowhere/config.yml', env: {} }));
    expect(error.message).toContain('no such file');
  });

  it('warns when others can read a file with secrets', async () => {
    const file = await fileOf('auth: {token: abcdefgh}');
    expect((await loadConfig({ file, env: {} })).warnings).toEqual([]);
    await chmod(file, 0o644);
    expect((await loadConfig({ file, env: {} })).warnings[0]?.text).toMatch(/chmod 600/);
  });

  it('gives a result or faults for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), yamlLike()), (text) => {
        const checked = checkConfig(text);
        if (!checked.ok) expect(checked.faults.every((fault) => fault.line >= 1 && fault.problem !== '')).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  const bombs: [string, string][] = [
    ['deep brackets', '['.repeat(50_000)],
    ['deep dashes', '- '.repeat(50_000)],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f', 'g']
        .map(
          (key, index) =>
            `${key}: &${key} [${Array(10)
              .fill(`*${'abcdef'[index] ?? 'a'}`)
              .join(',')}]`,
        )
        .join('\n')}`,
    ],
    ['2 MiB', 'a: b\n'.repeat(400_000)],
    ['an alias to nothing', 'a: *b'],
    ['a loop', 'a: &a {b: *a}'],
  ];
  it.each(bombs)('refuses %s in words', (_name, text) => {
    expect(checkConfig(text).ok && !text.startsWith('a: &a {')).toBe(false);
  });
});

describe('the environment', () => {
  it('replaces what the file says', async () => {
    const file = await fileOf('hub: {url: "http://a:1"}\ntelegram: {security: {allowed_users: [1]}}');
    const env = {
      TELEGRAM_BOT_TOKEN: TOKEN,
      TELEGRAM_SUPERGROUP_ID: '-100',
      TELEGRAM_OWNER_ID: '21, 22',
      TELEGRAM_API_ROOT: 'http://127.0.0.1:8081/',
      HUB_URL: 'http://b:2',
      INTERCOM_TOKEN: 'sekret',
    };
    const { config } = await loadConfig({ file, env });
    expect(config.telegram).toMatchObject({
      botToken: TOKEN,
      supergroupId: -100,
      allowedUsers: [21, 22],
      apiRoot: 'http://127.0.0.1:8081',
    });
    expect(config.hub.url).toBe('http://b:2');
    expect(config.auth.token).toBe('sekret');
    expect(config.operators).toEqual([
      { name: 'owner', role: 'owner', telegramUserId: 21 },
      { name: 'telegram-22', role: 'owner', telegramUserId: 22 },
    ]);
  });

  it.each([
    ['TELEGRAM_BOT_TOKEN', 'not-a-token-at-all'],
    ['TELEGRAM_SUPERGROUP_ID', 'abc'],
    ['TELEGRAM_SUPERGROUP_ID', '55'],
    ['TELEGRAM_OWNER_ID', '1,x'],
    ['TELEGRAM_OWNER_ID', '1,,2'],
    ['TELEGRAM_API_ROOT', 'ftp://x'],
    ['HUB_URL', 'http://user:pw@x'],
    ['INTERCOM_TOKEN', 'two words'],
    ['INTERCOM_HOME', 'relative/place'],
  ])('seed: a bad %s is refused by name, its value unsaid', async (name, value) => {
    const error = await failure(loadConfig({ env: { [name]: value }, home: await home() }));
    expect(error.message).toContain(name);
    expect(error.field).toBe(name);
    expect(error.message).not.toContain(value);
  });

  it('takes an empty variable as not set', async () => {
    const { config } = await loadConfig({ env: { HUB_URL: '', TELEGRAM_OWNER_ID: ' ' }, home: await home() });
    expect(config.hub.url).toBeUndefined();
    expect(config.telegram.allowedUsers).toEqual([]);
  });

  it('reads the log level or refuses it', () => {
    expect(logLevel({}, 'info')).toBe('info');
    expect(logLevel({ INTERCOM_LOG: 'DEBUG' }, 'info')).toBe('debug');
    expect(() => logLevel({ INTERCOM_LOG: 'loud' }, 'info')).toThrow(/INTERCOM_LOG.*trace, debug/);
  });
});

describe('operators', () => {
  it('come from names and allowed users, each once, an owner first', async () => {
    const file = await fileOf(
      'operators:\n  - {name: ann, role: viewer, telegram_user_id: 5}\ntelegram: {security: {allowed_users: [5, 6]}}',
    );
    const { config } = await loadConfig({ file, env: {} });
    expect(config.operators).toEqual([
      { name: 'owner', role: 'owner' },
      { name: 'ann', role: 'viewer', telegramUserId: 5 },
      { name: 'telegram-6', role: 'operator', telegramUserId: 6 },
    ]);
    expect(config.telegram.allowedUsers).toEqual([5, 6]);
  });
});

describe('editing', () => {
  it('changes one key and keeps comments and order', () => {
    const text = '# mine\nmode: standalone # for now\nhub:\n  # where\n  url: "http://old:1"\nauth:\n';
    const edited = editConfigText(text, [
      { path: ['hub', 'url'], value: 'http://new:2' },
      { path: ['auth', 'token'], value: 'abc' },
      { path: ['mode'], value: 'daemon' },
    ]);
    expect(edited).toContain('# mine\n');
    expect(edited).toContain('mode: daemon # for now');
    expect(edited).toContain('# where');
    const checked = checkConfig(edited);
    expect(checked.ok && [checked.file.hub.url, checked.file.auth.token]).toEqual(['http://new:2', 'abc']);
  });

  it('seed: writes a file with a secret that nobody else can read', async () => {
    const file = join(await home(), 'deep', 'config.yml');
    await editConfigFile(file, [{ path: ['auth', 'token'], value: 'abc' }], '# new\n');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain('# new');
  });

  it('refuses to write what it would refuse to read', () => {
    expect(() => editConfigText('mode: hub', [{ path: ['hub', 'port'], value: 0 }])).toThrow(/hub\.port/);
  });
});

describe('what is shown', () => {
  it.each([
    ['nothing at all', '', {}],
    [
      'people of the environment beside people of the file',
      'operators:\n  - { name: anna, role: viewer, telegram_user_id: 11 }\n  - { name: bert }\n',
      { TELEGRAM_OWNER_ID: '11,12', HUB_URL: 'http://hub:1', INTERCOM_TOKEN: 'abc' },
    ],
    [
      'people of the file alone',
      `operators: [{ name: anna, role: owner }]\ntelegram: { bot_token: "${TOKEN}", security: { allowed_users: [3] } }\n`,
      { TELEGRAM_SUPERGROUP_ID: '-100123' },
    ],
    [
      'paths, lists and a section of a later version',
      'discovery: { scan_paths: [~/a] }\nhub: { listen: "127.0.0.1:7700", policy_file: ~/p.yml }\nprojects: [{ id: w, path: ~/w }]\nagent_launcher: { allowed_paths: ["~"] }\n',
      {},
    ],
  ])('is a file that gives the same configuration without the environment: %s', async (_name, text, env) => {
    const around = { home: await home(), hostname: 'desk.example' };
    const first = await loadConfig({ ...around, file: await fileOf(text), env });
    const again = stringify(nested(shownKeys(first.config, first.origin)));
    const second = await loadConfig({ home: around.home, hostname: 'other', file: await fileOf(again), env: {} });
    expect(second.config).toEqual(first.config);
  });
});

describe('small parts', () => {
  it('hides secrets wherever they are', () => {
    const shown = JSON.stringify(
      maskSecrets({ a: { botToken: 'x1', list: [{ token: 'x2' }] }, auth: { token: undefined }, b: 'ok' }),
    );
    expect(shown).not.toMatch(/x1|x2/);
    expect(shown).toContain('ok');
  });

  it.each([
    ['prot', 'port'],
    ['dispaly_name', 'display_name'],
    ['daemonport', 'daemon_port'],
    ['zebra', undefined],
  ])('finds the word that %s was meant to be', (word, meant) => {
    expect(nearest(word, ['port', 'display_name', 'daemon_port', 'url'])).toBe(meant);
  });

  it('makes a machine id of any host name', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => isMachineId(machineIdOf(name))));
  });

  it('listens on loopback and the tailnet unless told otherwise', () => {
    expect(listenAddresses(['auto'], 7700, undefined)).toEqual([{ host: '127.0.0.1', port: 7700 }]);
    expect(listenAddresses(['auto', '127.0.0.1'], 7700, '100.64.0.1')).toHaveLength(2);
    expect(listenAddresses(['0.0.0.0:80', '[::1]:81', '::1'], 7700, undefined)).toEqual([
      { host: '0.0.0.0', port: 80 },
      { host: '::1', port: 81 },
      { host: '::1', port: 7700 },
    ]);
    expect(['', 'x:1', '1.2.3.4:0', '1.2.3.4:99999', '[::1', 'host name'].filter(isListenEntry)).toEqual([]);
  });
});

function yamlLike(): fc.Arbitrary<string> {
  const key = fc.constantFrom(
    'mode',
    'hub',
    'port',
    'listen',
    'machine',
    'id',
    'telegram',
    'projects',
    'x',
    '__proto__',
    'constructor',
  );
  const value = fc.oneof(
    fc.constantFrom('hub', '-1', '[]', '{}', '*a', '&a x', '!!binary x', '!!js x', '~', '|', '"'),
    fc.string(),
  );
  return fc
    .array(fc.tuple(fc.nat(4), key, value), { maxLength: 12 })
    .map((rows) => rows.map(([depth, name, text]) => `${' '.repeat(depth)}${name}: ${text}`).join('\n'));
}
