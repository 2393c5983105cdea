/** Where things live, and that nothing is put where somebody else may look. */
import { chown, lstat, mkdir, mkdtemp, realpath, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ownDirectory } from '../../src/platform/files.ts';
import { listen } from '../../src/platform/http/server.ts';
import { resolvePaths } from '../../src/platform/paths.ts';

let root: string;
beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'paths-')));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('paths', () => {
  it('are those of XDG, or below INTERCOM_HOME', () => {
    expect(resolvePaths({}, '/home/ada')).toMatchObject({
      configFile: '/home/ada/.config/ai-intercom/config.yml',
      daemonSocket: '/home/ada/.local/state/ai-intercom/daemon.sock',
    });
    expect(resolvePaths({ XDG_STATE_HOME: '/var/ada', XDG_CONFIG_HOME: '/etc/ada' }, '/home/ada')).toMatchObject({
      configFile: '/etc/ada/ai-intercom/config.yml',
      hubSocket: '/var/ada/ai-intercom/hub.sock',
    });
    expect(resolvePaths({ INTERCOM_HOME: '/srv/i', XDG_STATE_HOME: '/var/ada' }, '/home/ada')).toMatchObject({
      configFile: '/srv/i/config/config.yml',
      hubKey: '/srv/i/state/hub.key',
    });
  });

  it.each([['somewhere'], ['./somewhere'], ['~/somewhere'], ['../somewhere']])(
    'refuse the relative INTERCOM_HOME %s, with what to do',
    (home) => {
      expect(() => resolvePaths({ INTERCOM_HOME: home })).toThrow(
        expect.objectContaining({
          code: 'invalid_config',
          field: 'INTERCOM_HOME',
          next: 'Write it from / on (like /home/me/intercom), or unset INTERCOM_HOME.',
        }),
      );
    },
  );

  it('never depend on the working directory: a relative XDG directory counts as none', () => {
    expect(resolvePaths({ XDG_STATE_HOME: 'state', XDG_CONFIG_HOME: './config' }, '/home/ada')).toEqual(
      resolvePaths({}, '/home/ada'),
    );
  });

  it('are the same whatever TMPDIR says, where a path is too long for a socket', () => {
    const long = join('/srv', 'x'.repeat(120));
    const { daemonSocket, hubSocket, daemonKey } = resolvePaths({ INTERCOM_HOME: long, TMPDIR: '/var/folders/zz' });
    expect(daemonSocket).toMatch(new RegExp(`^/tmp/intercom-${userInfo().uid}/[0-9a-f]{12}/daemon\\.sock$`));
    expect(dirname(hubSocket)).toBe(dirname(daemonSocket));
    expect(daemonKey.startsWith(long)).toBe(true);
    expect(resolvePaths({ INTERCOM_HOME: `${long}y` }).daemonSocket).not.toBe(daemonSocket);
  });
});

describe('the directory of a socket', () => {
  it('is made for its owner alone, however long the home is', async () => {
    const paths = resolvePaths({ INTERCOM_HOME: join(root, 'x'.repeat(120)) });
    const server = await listen({ socket: paths.daemonSocket }, (_request, response) => response.end());
    try {
      for (const folder of [paths.runtime, dirname(paths.runtime)])
        expect((await lstat(folder)).mode & 0o777).toBe(0o700);
      expect((await stat(paths.daemonSocket)).mode & 0o777).toBe(0o600);
    } finally {
      await server.close();
      await rm(paths.runtime, { recursive: true, force: true });
    }
  });

  it('is refused when it is a link, and what it points to is left alone', async () => {
    const elsewhere = join(root, 'elsewhere');
    await mkdir(elsewhere, { mode: 0o755 });
    await symlink(elsewhere, join(root, 'run'));
    await expect(listen({ socket: join(root, 'run', 'daemon.sock') }, () => undefined)).rejects.toMatchObject({
      code: 'forbidden',
      message: `${join(root, 'run')} is a link or belongs to another user; nothing is put into it.`,
    });
    expect((await stat(elsewhere)).mode & 0o777).toBe(0o755);
  });

  it('is refused when it is not ours', async () => {
    // One of the system's, or as root one that is given away.
    const foreign = userInfo().uid === 0 ? await givenAway() : '/usr';
    await expect(ownDirectory(foreign)).rejects.toMatchObject({
      code: 'forbidden',
      next: 'Remove it, or set INTERCOM_HOME to a short path of your own, then start again.',
    });
  });
});

async function givenAway(): Promise<string> {
  const folder = join(root, 'theirs');
  await mkdir(folder);
  await chown(folder, 65_534, 65_534);
  return folder;
}
