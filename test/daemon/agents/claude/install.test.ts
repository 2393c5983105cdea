import { cp, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hooksStatus, installHooks, uninstallHooks } from '../../../../src/daemon/agents/claude/install.ts';
import type { InstallOptions } from '../../../../src/daemon/agents/claude/install.ts';

let home: string;
let options: InstallOptions;
let settings: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'ic-install-'));
  settings = join(home, '.claude', 'settings.json');
  await mkdir(join(home, '.claude'));
  options = {
    configDir: join(home, '.claude'),
    userFile: join(home, '.claude.json'),
    source: join(import.meta.dirname, '..', '..', '..', '..', 'hooks'),
    hooksDir: join(home, "it's a state", 'hooks'),
    socket: join(home, 'daemon.sock'),
    keyHeader: join(home, 'key header'),
    mcp: { command: '/usr/bin/node', args: ['/opt/intercom.js', 'mcp-server'] },
  };
});

afterEach(() => rm(home, { recursive: true, force: true }));

const OWN = `{
    "model": "opus",
    "hooks": {
        "Stop": [
            { "hooks": [ { "type": "command", "command": "say done" } ] }
        ]
    },
    "permissions": {"allow": ["Bash(ls:*)"]}
}
`;
const USER = '{"numStartups":3,"mcpServers":{"other":{"command":"x"}},"projects":{}}';

async function read(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

describe('hooks install', () => {
  it('adds our entries beside the user’s own, in the form that Claude Code reads (seed: hook entries with an invalid shape)', async () => {
    await writeFile(settings, OWN);
    await writeFile(options.userFile, USER);
    await installHooks(options);
    const text = await read(settings);
    const parsed: unknown = JSON.parse(text);
    const command = (name: string, rest: string) =>
      `exec '${join(home, "it'\\''s a state", 'hooks', name)}' claude${rest}`;
    expect(parsed).toMatchObject({
      model: 'opus',
      hooks: {
        Stop: [
          { hooks: [{ type: 'command', command: 'say done' }] },
          {
            hooks: [
              { type: 'command', command: command('intercom-hook.sh', ' Stop'), timeout: 10 },
              { type: 'command', command: command('intercom-doorbell.sh', ''), asyncRewake: true },
            ],
          },
        ],
        PostToolUse: [{ hooks: [{ command: command('intercom-hook.sh', ' PostToolUse') }] }],
      },
    });
    // The user's own lines are still there as they were typed.
    for (const line of OWN.split('\n').slice(0, 4)) expect(text).toContain(line);
    expect(JSON.parse(await read(options.userFile))).toMatchObject({
      mcpServers: { other: { command: 'x' }, intercom: { type: 'stdio', command: '/usr/bin/node' } },
    });
    expect((await stat(join(options.hooksDir, 'intercom-hook.sh'))).mode & 0o777).toBe(0o700);
    expect(await hooksStatus(options)).toMatchObject({ state: 'installed' });
  });

  it('twice changes nothing; uninstalling gives the very bytes back', async () => {
    await writeFile(settings, OWN, { mode: 0o644 });
    await writeFile(options.userFile, USER, { mode: 0o600 });
    await installHooks(options);
    const [once, userOnce] = [await read(settings), await read(options.userFile)];
    expect((await installHooks(options)).changes).toEqual([]);
    expect([await read(settings), await read(options.userFile)]).toEqual([once, userOnce]);
    await uninstallHooks(options);
    expect([await read(settings), await read(options.userFile)]).toEqual([OWN, USER]);
    expect((await stat(settings)).mode & 0o777).toBe(0o644);
    expect(await hooksStatus(options)).toMatchObject({ state: 'absent' });
    expect((await uninstallHooks(options)).changes).toEqual([]);
  });

  it('files that were not there are gone again', async () => {
    await installHooks(options);
    await uninstallHooks(options);
    await expect(read(settings)).rejects.toThrow(/ENOENT/);
    await expect(read(options.userFile)).rejects.toThrow(/ENOENT/);
    await expect(stat(join(options.configDir, 'skills'))).rejects.toThrow(/ENOENT/);
  });

  it('a skill of the same name comes back as it was, also after an upgrade of ours', async () => {
    const file = join(options.configDir, 'skills', 'narrate', 'SKILL.md');
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, 'my own way to narrate\n');
    await installHooks(options);
    expect(await read(file)).toContain('intercom_announce');
    const newer = join(home, 'newer');
    await cp(options.source, newer, { recursive: true });
    const text = await read(join(newer, 'skill', 'narrate', 'SKILL.md'));
    await writeFile(join(newer, 'skill', 'narrate', 'SKILL.md'), `${text}\nOne more rule.\n`);
    await installHooks({ ...options, source: newer });
    expect(await read(file)).toContain('One more rule.');
    await uninstallHooks({ ...options, source: newer });
    expect(await read(file)).toBe('my own way to narrate\n');
    await expect(stat(join(options.configDir, 'skills', 'intercom'))).rejects.toThrow(/ENOENT/);
  });

  it('what the user changed after the installation stays', async () => {
    await writeFile(settings, OWN);
    await installHooks(options);
    await writeFile(settings, (await read(settings)).replace('"opus"', '"sonnet"'));
    await uninstallHooks(options);
    expect(await read(settings)).toBe(OWN.replace('"opus"', '"sonnet"'));
  });

  it('the status line is taken up only when asked for, kept by what follows, and given back', async () => {
    const own = OWN.replace('"model"', `"statusLine": {"type": "command", "command": "echo 'mine'"},\n    "model"`);
    await writeFile(settings, own);
    await installHooks(options);
    expect(await read(settings)).not.toContain('intercom-statusline.sh');
    await installHooks({ ...options, statusLine: true });
    const ours = await read(settings);
    expect(ours).toContain('intercom-statusline.sh');
    await installHooks(options);
    expect(await read(settings)).toBe(ours);
    expect((await hooksStatus(options)).state).toBe('installed');
    await uninstallHooks(options);
    expect(await read(settings)).toBe(own);
  });

  it('another place of the scripts replaces our entries, once', async () => {
    await writeFile(settings, OWN);
    await installHooks(options);
    await installHooks({ ...options, hooksDir: join(home, 'moved') });
    const text = await read(settings);
    expect(text).not.toContain('a state');
    expect(text.match(/intercom-hook\.sh/g)).toHaveLength(12);
  });

  it('refuses a file that is not JSON with its line, and writes nothing at all', async () => {
    await writeFile(settings, '{\n  "model": "opus",\n}\n');
    await expect(installHooks(options)).rejects.toMatchObject({
      code: 'invalid_config',
      details: { line: 3, file: settings },
    });
    await expect(stat(options.hooksDir)).rejects.toThrow(/ENOENT/);
    await expect(stat(options.userFile)).rejects.toThrow(/ENOENT/);
  });

  it('follows a link and leaves it a link', async () => {
    const real = join(home, 'dotfiles.json');
    await writeFile(real, OWN);
    await symlink(real, settings);
    await installHooks(options);
    expect(await readlink(settings)).toBe(real);
    expect(await read(real)).toContain('intercom-hook.sh');
    await uninstallHooks(options);
    expect(await read(real)).toBe(OWN);
  });
});
