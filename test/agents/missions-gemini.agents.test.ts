/**
 * Missions through the whole product with the real Gemini CLI, headless behind the bridge: what it may do is decided afar, and what is said to it is its next turn.
 */
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { geminiCommand, GeminiHome } from './gemini-home.ts';
import { GeminiModel } from './gemini-model.ts';
import type { GeminiReply, GeminiRule } from './gemini-model.ts';
import { MissionMesh } from './mission-mesh.ts';

const command = geminiCommand() ?? [];
const SHELL = 'run_shell_command';

describe.skipIf(command.length === 0)('missions of Gemini CLI 0.61.0', () => {
  let model: GeminiModel;
  let home: GeminiHome;
  let mesh: MissionMesh;
  let cwd: string;
  let cancelled: { readonly id: string; readonly session: string | undefined };

  beforeAll(async () => {
    model = await GeminiModel.start();
    home = new GeminiHome();
    cwd = home.project('api');
    const program = join(home.path, 'gemini');
    writeFileSync(program, `#!/bin/sh\nexec '${command.join("' '")}' "$@"\n`);
    chmodSync(program, 0o755);
    mesh = await MissionMesh.start({ agent: 'gemini', command: program, cwd, env: home.environment(model.url) });
  });

  afterAll(async () => {
    await mesh.stop();
    await model.stop();
    home.remove();
  });

  /** The model thinks about `when` until it is released. */
  function thinks(when: GeminiRule['when'], reply: GeminiReply): () => void {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    model.on({ when, times: 1, reply: () => held.then(() => reply) });
    return () => release();
  }

  it('cancelled with all its processes, and told to go on', async () => {
    const release = thinks('Mission two', { say: 'NEVER SAID' });
    const id = await mesh.start('Mission two', 'headless');
    await model.request('Mission two');
    const { session } = await mesh.reaches(id, 'running');
    const { pid = 0 } = await mesh.session(id);
    await mesh.order(id, 'cancel');
    await mesh.reaches(id, 'cancelled');
    await mesh.nothingLeft(pid);
    release();

    model.on({ when: 'the second half', reply: { say: 'SECOND HALF DONE' }, times: 1 });
    await mesh.order(id, 'resume', { text: 'Now the second half' });
    cancelled = { id, session };
  });

  it('allowed from afar, spoken to while it works, ended with its last message', async () => {
    const input = { command: 'echo made > made.txt' };
    model.on({ when: 'Mission one', reply: { tool: SHELL, input }, times: 1 });
    const release = thinks(({ toolResults }) => toolResults.includes(SHELL), { say: 'THE FILE IS MADE' });
    const id = await mesh.start('Mission one', 'headless');
    const card = await mesh.card('tool');
    expect(card.subject).toMatchObject({ agent: 'gemini', missionId: id });
    expect(card.subject.kind === 'tool' && card.subject.input).toContain('made.txt');
    expect(existsSync(join(cwd, 'made.txt'))).toBe(false);
    await mesh.mesh.operator.decide(card, 'allow');
    await model.request(({ toolResults }) => toolResults.includes(SHELL));
    expect(existsSync(join(cwd, 'made.txt'))).toBe(true);

    model.on({ when: 'And a second one', reply: { say: 'ALL FILES ARE MADE' }, times: 1 });
    const said = await mesh.say(id, 'And a second one');
    await mesh.message(said, 'written', 'delivered');
    release();
    const { result } = await mesh.reaches(id, 'completed');
    expect(result).toMatchObject({ text: 'ALL FILES ARE MADE', isError: false });
    await mesh.message(said, 'seen', 'answered');
    expect((await mesh.log(id)).join('\n')).toMatch(
      /command: Run: echo made > made.txt[\s\S]*THE FILE IS MADE[\s\S]*ALL FILES ARE MADE/,
    );
  });

  it('an agent that it starts is one deeper, in its name', async () => {
    const input = { machine: 'server', project: 'api', mission: 'A part of it' };
    const named = (tools: readonly string[]): string =>
      tools.find((name) => name.endsWith('intercom_start_agent')) ?? '';
    model.on({ when: 'Delegate', reply: ({ tools }) => ({ tool: named(tools), input }), times: 1 });
    model.on({ when: ({ toolResults }) => named(toolResults) !== '', reply: { say: 'DELEGATED' }, times: 1 });
    const id = await mesh.start('Delegate', 'headless');
    // Gemini asks whether it may use the tool at all.
    const tool = await mesh.card('tool');
    await mesh.mesh.operator.decide(tool, 'allow');
    const card = await mesh.card('launch');
    const { session = '' } = await mesh.mission(id);
    expect(card.subject).toMatchObject({ parent: id, depth: 1, from: `server/api#${session}` });
    await mesh.mesh.operator.decide(card, 'deny');
    expect(await mesh.reaches(id, 'completed')).toMatchObject({ result: { text: 'DELEGATED' } });
  });

  // A session is loaded again only in another minute than the one in which it began (docs/agents-gemini.md): the other missions run meanwhile.
  it('gone on with in the same conversation', async () => {
    const { id, session } = cancelled;
    const done = await mesh.reaches(id, 'completed');
    expect(done).toMatchObject({ run: 2, session, result: { text: 'SECOND HALF DONE' } });
    expect((await model.request('the second half')).everything).toContain('Mission two');
  });

  it('the model was asked nothing that the test did not know', () => {
    model.expectNoneUnknown();
  });
});
