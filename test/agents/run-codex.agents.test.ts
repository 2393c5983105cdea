/** `intercom run codex` in a person's terminal: the real Codex as if started by itself, and a managed session of the machine: found, spoken to, asked about, watched. */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MessageStatus } from '../../src/protocol/machine-api.ts';
import { Trace } from '../../src/protocol/model.ts';
import { BIN, Mesh } from '../support/mesh.ts';
import { CodexModel } from './codex-model.ts';
import { CODEX_VERSION, CodexHome, codexProgramPath } from './codex-session.ts';
import { until } from './mission-rig.ts';
import { Tmux } from './tmux.ts';

const program = codexProgramPath();

describe.skipIf(program === undefined)(`intercom run codex (${CODEX_VERSION})`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let cwd: string;
  let mesh: Mesh;
  let shell: Tmux;

  beforeAll(async () => {
    model = await CodexModel.start();
    home = new CodexHome(model.url, 'runcodex');
    cwd = await home.project('shop');
    const bin = join(home.path, 'bin');
    mkdirSync(bin);
    symlinkSync(program ?? '', join(bin, 'codex'));
    mesh = await Mesh.start({
      machines: ['server'],
      daemonEnv: () => ({ HOME: home.path, CODEX_HOME: home.codex }),
    });
    const path = `${bin}:${process.env.PATH ?? ''}`;
    const env = { ...home.env, PATH: path, PS1: 'shell> ', INTERCOM_HOME: mesh.daemon('server').home };
    shell = new Tmux(await Tmux.open({ command: ['/bin/sh'], cwd, env, columns: 120, rows: 40 }));
    await shell.shows(/shell>/);
  });

  afterAll(async () => {
    await shell.close();
    await mesh.stop();
    await model.stop();
    await home.remove();
  });

  const sessions = async () => (await mesh.daemon('server').local({ cwd }).status()).sessions;
  const line = async (text: string): Promise<void> => {
    await shell.type(text);
    await shell.press('Enter');
  };

  it('is a managed session: spoken to while it is idle, allowed from afar, watched; its exit code is Codex’ own', async () => {
    await line(`node ${BIN} run codex -c 'model_reasoning_effort="low"'; echo "code=$?"`);
    await shell.shows(/OpenAI Codex/, 60_000);
    model.on({ when: 'hello there', reply: { say: 'HELLO FROM CODEX' }, times: 1 });
    await line('hello there');
    await shell.shows(/HELLO FROM CODEX/);
    const session = await until(async () => (await sessions()).find(({ state }) => state === 'idle'));
    expect(session).toMatchObject({ agent: 'codex', managed: true, rung: 'app_server', cwd });

    const input = { cmd: 'echo from-afar', sandbox_permissions: 'require_escalated', justification: 'May I?' };
    model.on({ when: 'Please run it', reply: { tool: 'exec_command', input }, times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'RAN IT' }, times: 1 });
    const body = { to: `server/shop#${session.id}`, body: 'Please run it', kind: 'send' };
    const sent = await mesh.operator.call('POST', '/messages', MessageStatus, body);
    const card = await until(async () => (await mesh.operator.pending())[0]);
    expect(card.subject).toMatchObject({ kind: 'tool', agent: 'codex', input: 'echo from-afar' });
    await shell.shows(/Would you like to run/);
    await mesh.operator.decide(card, 'allow');
    await shell.shows(/RAN IT/);
    await until(async () => {
      const { message } = await mesh.operator.call('GET', `/messages/${sent.id}/trace`, Trace);
      return message.state === 'seen' ? true : undefined;
    });

    const watcher = { command: ['node', BIN, 'attach', session.id], cwd, columns: 120, rows: 40 };
    const env = { ...home.env, INTERCOM_HOME: mesh.daemon('server').home };
    const other = new Tmux(await Tmux.open({ ...watcher, env }));
    await other.shows(/RAN IT/);
    await other.close();

    await line('/quit');
    await shell.shows(/code=0/);
    await until(async () => ((await sessions()).length === 0 ? true : undefined));
  });

  it('goes on with a conversation, as a managed session again', async () => {
    await line(`node ${BIN} run codex resume --last; echo "ended=$?"`);
    await shell.shows(/RAN IT[\s\S]*›/, 60_000);
    model.on({ when: 'and again', reply: { say: 'HELLO AGAIN' }, times: 1 });
    await line('and again');
    await shell.shows(/HELLO AGAIN/);
    expect((await model.request('and again')).everything).toContain('hello there');
    await until(async () => (await sessions()).find(({ managed, state }) => managed && state === 'idle'));
    await line('/quit');
    await shell.shows(/ended=0/);
  });

  it('the model was asked nothing that the test did not know', () => {
    model.expectNoneUnknown();
  });
});
