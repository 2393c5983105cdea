/**
 * Missions through the whole product with the real Codex: in a terminal with a server of its own, which the machine's daemon is a client of, and headless.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodexModel } from './codex-model.ts';
import type { CodexReply } from './codex-model.ts';
import { CODEX_VERSION, codexProgramPath, CodexHome } from './codex-session.ts';
import { MissionMesh } from './mission-mesh.ts';
import { until } from './mission-rig.ts';

const command = codexProgramPath();

describe.skipIf(command === undefined)(`missions of codex ${CODEX_VERSION}`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let mesh: MissionMesh;
  let cwd: string;

  beforeAll(async () => {
    model = await CodexModel.start();
    home = new CodexHome(model.url, 'missions');
    cwd = await home.project('api');
    const { HOME, CODEX_HOME, SCRIPTED_KEY = '' } = home.env;
    const env = { HOME: HOME ?? '', CODEX_HOME: CODEX_HOME ?? '', SCRIPTED_KEY };
    mesh = await MissionMesh.start({ agent: 'codex', command: command ?? '', cwd, env, passEnv: ['SCRIPTED_KEY'] });
  });

  afterAll(async () => {
    await mesh.stop();
    await model.stop();
    await home.remove();
  });

  /** The model thinks about `when` until it is released. */
  function thinks(when: string, reply: CodexReply): () => void {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    model.on({ when, times: 1, reply: () => held.then(() => reply) });
    return () => release();
  }

  it('in a terminal: spoken to in mid-turn, allowed from afar, ended with its last message', async () => {
    const wait = { cmd: 'echo > going; while [ ! -e go ]; do sleep 0.05; done; echo tool is done' };
    model.on({ when: 'Mission one', reply: { tool: 'exec_command', input: wait }, times: 1 });
    const id = await mesh.start('Mission one', 'terminal');
    await until(() => existsSync(join(cwd, 'going')) || undefined);
    const { session } = await mesh.reaches(id, 'running');
    const live = await mesh.session(id);
    expect(live).toMatchObject({ id: session, managed: true, rung: 'app_server', state: 'working', cwd });

    const input = { cmd: 'touch from-afar', sandbox_permissions: 'require_escalated', justification: 'May I?' };
    model.on({ when: 'Use tabs', reply: { tool: 'exec_command', input }, times: 1 });
    const said = await mesh.say(id, 'Use tabs');
    await mesh.message(said, 'written', 'delivered');
    writeFileSync(join(cwd, 'go'), '');
    expect((await model.request('Use tabs')).news).toContain('tool is done');
    model.on({ when: 'exited with code 0', reply: { say: 'DONE WITH TABS' }, times: 1 });
    const card = await mesh.card('tool');
    expect(card.subject).toMatchObject({ agent: 'codex', missionId: id });
    expect(card.subject.kind === 'tool' && card.subject.input).toContain('touch from-afar');
    expect(existsSync(join(cwd, 'from-afar'))).toBe(false);
    await mesh.mesh.operator.decide(card, 'allow');

    const { result } = await mesh.reaches(id, 'completed');
    expect(result).toMatchObject({ text: 'DONE WITH TABS', isError: false });
    expect(existsSync(join(cwd, 'from-afar'))).toBe(true);
    await mesh.message(said, 'seen', 'answered');
    expect((await mesh.log(id)).join('\n')).toMatch(/command: Run: touch from-afar[\s\S]*result: DONE WITH TABS/);
  });

  it('in a terminal: cancelled with all its processes, and gone on with in the same conversation', async () => {
    const release = thinks('Mission two', { say: 'NEVER SAID' });
    const id = await mesh.start('Mission two', 'terminal');
    await model.request('Mission two');
    const { session } = await mesh.reaches(id, 'running');
    const { pid = 0 } = await mesh.session(id);
    await mesh.order(id, 'cancel');
    expect((await mesh.reaches(id, 'cancelled')).result?.text).toBe('');
    await mesh.nothingLeft(pid);
    release();

    model.on({ when: 'the second half', reply: { say: 'SECOND HALF DONE' }, times: 1 });
    await mesh.order(id, 'resume', { text: 'Now the second half' });
    expect(await mesh.reaches(id, 'completed')).toMatchObject({
      run: 2,
      session,
      result: { text: 'SECOND HALF DONE' },
    });
    expect((await model.request('the second half')).everything).toContain('Mission two');
  });

  it('in a terminal: paused in mid-turn by its own server, and gone on with', async () => {
    const release = thinks('Mission three', { say: 'NEVER SAID' });
    const id = await mesh.start('Mission three', 'terminal');
    await model.request('Mission three');
    const { session } = await mesh.reaches(id, 'running');
    const { pid = 0 } = await mesh.session(id);
    await mesh.order(id, 'pause');
    await mesh.reaches(id, 'paused');
    await mesh.nothingLeft(pid);
    release();
    model.on({ when: 'after the break', reply: { say: 'AFTER THE BREAK' }, times: 1 });
    await mesh.order(id, 'resume', { text: 'Go on after the break' });
    expect(await mesh.reaches(id, 'completed')).toMatchObject({ run: 2, session, result: { text: 'AFTER THE BREAK' } });
  });

  it('in a terminal: a turn that failed, of which no hook tells, fails the mission with the reason', async () => {
    model.on({
      when: 'Mission four',
      reply: { refuse: { status: 400, error: { message: 'no such model' } } },
      times: 1,
    });
    const id = await mesh.start('Mission four', 'terminal');
    const failed = await mesh.reaches(id, 'failed');
    expect(failed.reason).toContain('no such model');
    expect(failed.result?.isError).toBe(true);
  });

  it.each(['terminal', 'headless'] as const)(
    '%s: an agent that it starts is one deeper, in its name',
    async (runtime) => {
      const text = `Delegate from the ${runtime}`;
      const input = { machine: 'server', project: 'api', mission: `Part of ${runtime}` };
      model.on({ when: text, reply: { tool: 'intercom_start_agent', namespace: 'mcp__intercom', input }, times: 1 });
      model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'DELEGATED' }, times: 1 });
      const id = await mesh.start(text, runtime);
      const card = await mesh.card('launch');
      expect(card.subject).toMatchObject({ kind: 'launch', parent: id, depth: 1 });
      const { session = '' } = await mesh.mission(id);
      expect(card.subject).toMatchObject({ from: `server/api#${session}` });
      await mesh.mesh.operator.decide(card, 'deny');
      expect(await mesh.reaches(id, 'completed')).toMatchObject({ result: { text: 'DELEGATED' } });
    },
  );

  it('the model was asked nothing that the test did not know', () => {
    model.expectNoneUnknown();
  });
});
