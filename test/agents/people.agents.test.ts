/**
 * Claude Code and its person, far apart, through the whole product: the dialog that it opens before it knows anything (trust), answered as it stands on its screen, and what its model asks
 * with our own tool.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Approval } from '../../src/protocol/model.ts';
import type { QuestionAnswer } from '../../src/protocol/attention.ts';
import { ClaudeHome, claudeProgram } from './claude-session.ts';
import { MissionMesh } from './mission-mesh.ts';
import { until } from './mission-rig.ts';
import { ScriptedModel } from './scripted-model.ts';
import { Tmux } from './tmux.ts';
import { BIN } from '../support/mesh.ts';

const command = claudeProgram('2.1.329');
const TOOL = 'mcp__intercom__intercom_ask_human';
const OPTION = 'Alle Mandanten in einer Nacht umstellen, mit Rückweg bis sechs Uhr';

describe.skipIf(command === undefined)('Claude Code 2.1.329 and its person', () => {
  let model: ScriptedModel;
  let home: ClaudeHome;
  let mesh: MissionMesh;

  beforeAll(async () => {
    model = await ScriptedModel.start();
    home = new ClaudeHome('people');
    const cwd = join(home.path, 'api');
    mkdirSync(cwd);
    mesh = await MissionMesh.start({
      agent: 'claude',
      command: command ?? '',
      cwd,
      env: environment(),
    });
  });

  const environment = (): Record<string, string> => ({
    HOME: home.path,
    SHELL: '/bin/sh',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: home.key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  });

  afterAll(async () => {
    await mesh.stop();
    await model.stop();
    home.remove();
  });

  function answer({ id, shownHash }: Approval, answers: readonly QuestionAnswer[]): Promise<Approval> {
    const decision = { verdict: 'allow', scope: 'once', shownHash, answers };
    return mesh.mesh.operator.call('POST', `/approvals/${id}/decision`, Approval, decision);
  }

  it('is let into a folder from afar, and its question comes back with the answers', async () => {
    const question = {
      questions: [
        { header: 'How', text: 'Wie soll umgestellt werden?', options: [OPTION, { label: 'Einzeln' }] },
        { text: 'Wer ist erreichbar?' },
      ],
      context: '42 Mandanten',
    };
    model.on({ when: 'the migration', times: 1, reply: { tool: TOOL, input: question } });
    model.on({ when: /Answered by/, reply: { say: 'I KNOW NOW' } });
    const id = await mesh.start('Plan the migration', 'terminal');

    const trust = await mesh.card('question');
    expect(trust.subject).toMatchObject({ source: 'dialog', agent: 'claude', missionId: id });
    const asked = trust.subject.kind === 'question' ? trust.subject : undefined;
    expect(asked?.context).toContain(join(home.path, 'api'));
    const yes = asked?.questions[0]?.options.find(({ label }) => label.startsWith('Yes'))?.label ?? '';
    await answer(trust, [{ id: 'dialog', options: [yes] }]);
    await until(async () => {
      const { effect } = await mesh.mesh.operator.call('GET', `/approvals/${trust.id}`, Approval);
      if (effect?.state === 'failed') throw new Error(effect.reason);
      return effect;
    });

    const human = await mesh.card('question');
    expect(human.subject).toMatchObject({
      source: 'ask_human',
      missionId: id,
      context: '42 Mandanten',
      questions: [{ header: 'How', options: [{ label: OPTION }, { label: 'Einzeln' }] }, { options: [] }],
    });
    await answer(human, [
      { id: 'q1', options: [OPTION] },
      { id: 'q2', options: [], text: 'Ich, bis Mitternacht.' },
    ]);
    const { news } = await model.request(/Answered by/);
    expect(news).toContain(OPTION);
    expect(news).toContain('Ich, bis Mitternacht.');
    await until(async () => ((await mesh.mission(id)).result?.text.includes('I KNOW NOW') ? true : undefined));
  }, 120_000);

  it('in a terminal of the person’s own: its dialog is asked about too, and an answer there closes the card', async () => {
    const cwd = join(home.path, 'own');
    const bin = join(home.path, 'bin');
    for (const folder of [cwd, bin]) mkdirSync(folder);
    symlinkSync(command ?? '', join(bin, 'claude'));
    const env = {
      ...environment(),
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      INTERCOM_HOME: mesh.mesh.daemon('server').home,
      TERM: 'tmux-256color',
      LANG: 'C.UTF-8',
    };
    const words = [process.execPath, BIN, 'run', 'claude'];
    const terminal = new Tmux(await Tmux.open({ command: words, cwd, env, columns: 120, rows: 40 }));
    try {
      const card = await mesh.card('question');
      expect(card.subject).toMatchObject({ source: 'dialog', cwd });
      await terminal.press('Down');
      await terminal.shows(/❯ Yes, I trust/);
      await terminal.press('Enter');
      const closed = await until(async () => {
        const now = await mesh.mesh.operator.call('GET', `/approvals/${card.id}`, Approval);
        return now.state === 'pending' ? undefined : now;
      });
      expect(closed.state).toBe('answered_elsewhere');
    } finally {
      await terminal.close();
    }
  }, 60_000);
});
