/** A question of the real Claude Code through the whole mesh, answered by an operator: with the hub killed between card and answer, and with the daemon killed there. */
import { afterEach, describe, expect, it } from 'vitest';
import { Mission } from '../../src/protocol/mission.ts';
import { missionIsOver } from '../../src/protocol/mission-life.ts';
import { Approval } from '../../src/protocol/model.ts';
import { claudeProgram } from './claude-session.ts';
import { until } from './mission-rig.ts';
import { Spine } from './spine.ts';

const TIME = 180_000;
const VERSION = '2.1.329';
const SERVICES = '请选择要部署的服务（可多选）？';
const QUESTIONS = [
  {
    question: SERVICES,
    header: '服务',
    multiSelect: true,
    options: [
      { label: '支付服务', description: '一' },
      { label: 'خدمة 🚀', description: 'الثانية' },
    ],
  },
  {
    question: 'What shall it be called?',
    header: 'Name',
    multiSelect: false,
    options: [
      { label: 'Red', description: 'a warm one' },
      { label: 'Blue', description: 'a cold one' },
    ],
  },
];
const ANSWERS = [
  { id: 'q1', options: ['支付服务', 'خدمة 🚀'] },
  { id: 'q2', options: [], text: 'Grün 🌲' },
];
const CHOICES = /Enter to select/;

let spine: Spine;
afterEach(async () => {
  await spine.stop();
}, TIME);

function asks(when: RegExp): void {
  spine.when('server', when, { tool: 'AskUserQuestion', input: { questions: QUESTIONS } }, 1);
  spine.afterTool('server', /./, { say: 'WENT ON' });
}

function card(): Promise<Approval> {
  return until(async () => (await spine.mesh.operator.pending()).find(({ kind }) => kind === 'question'));
}

function approval(id: string): Promise<Approval> {
  return spine.mesh.operator.call('GET', `/approvals/${id}`, Approval);
}

describe(`a question of Claude Code ${VERSION} in the mesh`, () => {
  it(
    'the hub is killed between card and answer: the card is there again, and its answer arrives',
    async () => {
      spine = await Spine.start(VERSION);
      asks(/please ask/);
      const session = await spine.claude('server');
      await session.prompt('please ask');
      const shown = await card();
      await spine.mesh.hub.kill();
      await session.shows(CHOICES);
      await spine.mesh.hub.start();
      const again = await card();
      expect(again).toMatchObject({ id: shown.id, shownHash: shown.shownHash });
      await spine.mesh.operator.decide(again, 'allow', { answers: ANSWERS });
      await session.shows(/WENT ON/, 60_000);
      const { news } = await spine.heard('server', /Grün/);
      expect(news).toContain(`"${SERVICES}"="支付服务, خدمة 🚀"`);
      expect(await approval(shown.id)).toMatchObject({ state: 'allowed', decision: { answers: ANSWERS } });
    },
    TIME,
  );

  it(
    'the daemon is killed between card and answer: the dialog at the terminal stays usable, and the card says that it is gone',
    async () => {
      spine = await Spine.start(VERSION);
      asks(/please ask/);
      const session = await spine.claude('server');
      await session.prompt('please ask');
      const shown = await card();
      const daemon = spine.mesh.daemon('server');
      await daemon.kill();
      await session.shows(CHOICES);
      await daemon.start();
      await until(async () => ((await approval(shown.id)).state === 'withdrawn' ? true : undefined));
      await session.answer('Escape', CHOICES);
      expect(await session.screen()).not.toMatch(CHOICES);
    },
    TIME,
  );

  it(
    'a headless mission asks, and the daemon is killed before the answer: the next one takes the question up',
    async () => {
      const command = claudeProgram(VERSION) ?? 'not installed';
      spine = await Spine.start(
        VERSION,
        {},
        { daemonConfig: `agent_launcher:\n  keep_open: 0\n  agents:\n    claude: { command: ${command} }\n` },
      );
      asks(/please ask/);
      const { stdout } = await spine.mesh.hub.cli([
        ...['missions', 'start', 'server/api', '--runtime', 'headless', '--json', 'please ask'],
      ]);
      const { id } = Mission.parse(JSON.parse(stdout));
      const shown = await card();
      expect(shown.subject).toMatchObject({ source: 'ask_user', missionId: id });
      const daemon = spine.mesh.daemon('server');
      await daemon.kill();
      await daemon.start();
      await spine.mesh.operator.decide(await card(), 'allow', { answers: ANSWERS });
      const over = await until(async () => {
        const now = await spine.mesh.operator.call('GET', `/missions/${id}`, Mission);
        return missionIsOver(now.state) ? now : undefined;
      });
      expect(over).toMatchObject({ state: 'completed', result: { text: 'WENT ON' } });
      expect((await spine.heard('server', /Grün/)).news).toContain('支付服务, خدمة 🚀');
      expect(await approval(shown.id)).toMatchObject({ state: 'allowed' });
    },
    TIME,
  );
});
