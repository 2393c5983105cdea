/** `intercom run gemini` in a person's terminal: the real Gemini CLI as if started by itself, and a managed session: its trust dialog is a wait, and it is spoken to by typing. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MessageStatus } from '../../src/protocol/machine-api.ts';
import type { Session } from '../../src/protocol/model.ts';
import { BIN, Mesh } from '../support/mesh.ts';
import { GEMINI_VERSION, geminiCommand, GeminiHome } from './gemini-home.ts';
import { GeminiModel } from './gemini-model.ts';
import { until } from './mission-rig.ts';
import { Tmux } from './tmux.ts';

const command = geminiCommand();

describe.skipIf(command === undefined)(`intercom run gemini (${GEMINI_VERSION})`, () => {
  let model: GeminiModel;
  let home: GeminiHome;
  let cwd: string;
  let mesh: Mesh;
  let shell: Tmux;

  beforeAll(async () => {
    model = await GeminiModel.start();
    home = new GeminiHome();
    cwd = home.project('shop');
    const bin = join(home.path, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'gemini'), `#!/bin/sh\nexec '${(command ?? []).join("' '")}' "$@"\n`);
    chmodSync(join(bin, 'gemini'), 0o755);
    const env = {
      ...home.environment(model.url),
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      TERM: 'xterm-256color',
      LANG: 'C.UTF-8',
      SHELL: '/bin/sh',
    };
    mesh = await Mesh.start({ machines: ['server'], daemonEnv: () => env });
    const daemon = mesh.daemon('server');
    expect((await daemon.cli(['hooks', 'install'])).exitCode).toBe(0);
    const own = { ...env, PS1: 'shell> ', INTERCOM_HOME: daemon.home };
    shell = new Tmux(await Tmux.open({ command: ['/bin/sh'], cwd, env: own, columns: 120, rows: 40 }));
    await shell.shows(/shell>/);
  });

  afterAll(async () => {
    await shell.close();
    await mesh.stop();
    await model.stop();
    home.remove();
  });

  const session = (fits: (session: Session) => boolean): Promise<Session> =>
    until(async () => (await mesh.daemon('server').local({ cwd }).status()).sessions.find(fits));

  it('its trust dialog is a wait of its person; then it is spoken to, and its exit code is its own', async () => {
    await shell.type(`node ${BIN} run gemini; echo "code=$?"`);
    await shell.press('Enter');
    const asks = await session(({ state, waiting }) => state === 'waiting' && waiting?.kind === 'trust');
    expect(asks).toMatchObject({ agent: 'gemini', managed: true, cwd });
    await shell.answer('Enter', /Do you trust the files/);
    const idle = await session(({ state }) => state === 'idle');
    expect(idle).toMatchObject({ managed: true, rung: 'typed' });

    model.on({ when: 'Please say something', reply: { say: 'SAID BY GEMINI' }, times: 1 });
    const body = { to: 'server/shop', body: 'Please say something', kind: 'send' };
    await mesh.operator.call('POST', '/messages', MessageStatus, body);
    await shell.shows(/SAID BY GEMINI/, 60_000);

    // More than its box shows: the beginning is typed, and says where the rest is.
    model.on({ when: 'read the rest with', reply: { say: 'TOLD WHERE THE REST IS' }, times: 1 });
    const long = { ...body, body: `Read this:\n${'a long line of a long message\n'.repeat(40)}` };
    await mesh.operator.call('POST', '/messages', MessageStatus, long);
    await shell.shows(/TOLD WHERE THE REST IS/, 60_000);

    await shell.type('/quit');
    await shell.enter(shell.shows(/code=0/, 60_000));
  });
});
