/**
 * What the real Claude Code asks, in three places at once: Telegram (emulated), the page in a real browser, the command line. Each shows the whole of it, whoever
 * answers first decides, the session does what the terminal would have done, and the other places say who it was.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Approval } from '../../src/protocol/model.ts';
import { CLAUDE_VERSIONS, type ClaudeSession } from './claude-session.ts';
import { until } from './mission-rig.ts';
import { Places } from './places.ts';
import { Spine } from './spine.ts';

const TIME = 240_000;
const DIALOG = /Do you want to proceed/;
const SERVICES = '请选择要部署的服务（可多选）？';
const PAYMENTS = '支付服务 – und alles, was dazugehört';
const QUESTIONS = [
  {
    question: SERVICES,
    header: '服务',
    multiSelect: true,
    options: [
      { label: PAYMENTS, description: '一' },
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

describe.each(CLAUDE_VERSIONS)('Claude Code %s asks its person, wherever that is', (version) => {
  let spine: Spine;
  let places: Places;
  let session: ClaudeSession;
  let asked = 0;

  beforeAll(async () => {
    spine = await Spine.start(version);
    places = await Places.open(spine.mesh, spine.telegram);
  }, TIME);
  // Each begins at an empty prompt, whatever became of the one before.
  beforeEach(async () => {
    session = await spine.claude('server');
  }, TIME);
  afterEach(async () => {
    await session.end();
  });
  afterAll(async () => {
    await places.close();
    await spine.stop();
  }, TIME);

  /** A command that leaves a mark, asked for by the model; its card. */
  async function command(): Promise<{ readonly card: Approval; readonly text: string; readonly done: string }> {
    asked += 1;
    const done = join(spine.cwd('server'), `done-${asked}`);
    // Longer than any line, and different each time.
    const words = `sh -c "${'echo a-long-command-that-is-shown-whole; '.repeat(12)}touch '${done}'; echo over-${asked}"`;
    spine.when('server', new RegExp(`please run ${asked}\\b`), { tool: 'Bash', input: { command: words } }, 1);
    spine.when('server', new RegExp(`over-${asked}\\b|Denied by|rejected`), { say: `WENT ON ${asked}` }, 1);
    await session.prompt(`please run ${asked}`);
    await session.shows(DIALOG);
    return { card: await places.pending('tool', `over-${asked}`), text: words, done };
  }

  it(
    'a command: denied in Telegram with a reason, which the agent reads',
    async () => {
      const { card, text, done } = await command();
      const shown = await places.everywhere(card, text);
      places.reply(shown, '/deny not on a Friday');
      expect((await spine.heard('server', /not on a Friday/)).news).toContain('Denied by owner: not on a Friday');
      await session.shows(new RegExp(`WENT ON ${asked}`), 60_000);
      expect(existsSync(done)).toBe(false);
      await places.afterwards(shown.id, /Denied by owner \(Telegram\)/);
      await places.decidedOnPage(card.id).waitFor();
      expect(await places.decided(card.id)).toMatchObject({ state: 'denied', decision: { via: 'telegram' } });
    },
    TIME,
  );

  it(
    'a command: allowed on the page, and the dialog at the terminal is gone',
    async () => {
      const { card, text, done } = await command();
      const shown = await places.everywhere(card, text);
      await places.onPage(card.id).getByRole('button', { name: 'Allow once' }).click();
      await session.shows(new RegExp(`WENT ON ${asked}`), 60_000);
      expect(existsSync(done)).toBe(true);
      expect(await session.screen()).not.toMatch(DIALOG);
      await places.afterwards(shown.id, /Allowed once by owner \(web page\)/);
      expect(await places.decided(card.id)).toMatchObject({ state: 'allowed', decision: { via: 'web' } });
    },
    TIME,
  );

  it(
    'a command: always allowed at the command line by what the agent itself offers, and not asked about again',
    async () => {
      const { card, text } = await command();
      const shown = await places.everywhere(card, text);
      await places.shell('allow', card.id, '--scope', 'always');
      await session.shows(new RegExp(`WENT ON ${asked}`), 60_000);
      await places.afterwards(shown.id, /by owner \(command line\)/);
      // The same command once more.
      const before = asked;
      spine.when('server', /the same again/, { tool: 'Bash', input: { command: text } }, 1);
      spine.when('server', new RegExp(`over-${before}\\b`), { say: 'DONE AGAIN' }, 1);
      await session.prompt('the same again');
      await session.shows(/DONE AGAIN/, 60_000);
      expect(await spine.mesh.operator.pending()).toEqual([]);
    },
    TIME,
  );

  it(
    'a command: Esc at the terminal closes the card in all three places',
    async () => {
      const { card, text, done } = await command();
      const shown = await places.everywhere(card, text);
      await session.answer('Escape', DIALOG);
      expect(await places.decided(card.id)).toMatchObject({
        state: 'answered_elsewhere',
        decision: { verdict: 'deny' },
      });
      await places.closed(card, shown, /at the terminal/);
      expect(existsSync(done)).toBe(false);
    },
    TIME,
  );

  it(
    'a question by our own tool: answered in each place, and the agent reads who said it where',
    async () => {
      const ask = async (): Promise<Approval> => {
        asked += 1;
        const input = { questions: `Which colour for ${asked}?`, options: ['Red', 'Blau – wie das Meer'] };
        const ofTool = new RegExp(`please wonder ${asked}\\b`);
        spine.when('server', ofTool, { tool: 'mcp__intercom__intercom_ask_human', input }, 1);
        spine.afterTool('server', new RegExp(`colour for ${asked}`), { say: `CHOSEN ${asked}` });
        await session.prompt(`please wonder ${asked}`);
        return places.pending('question', `colour for ${asked}`);
      };
      const chosen = async (label: string): Promise<void> => {
        await session.shows(new RegExp(`CHOSEN ${asked}`), 60_000);
        expect((await spine.heard('server', new RegExp(`colour for ${asked}[^]*${label}`))).news).toContain(label);
      };
      await ask();
      const first = await places.inTelegram(`colour for ${asked}`);
      const blue = first.buttons.flat().find(({ text }) => /Blau|^2$/.test(text))?.text ?? 'no button';
      await places.press(first, blue);
      await chosen('Blau – wie das Meer');
      const onThePage = await ask();
      await places.onPage(onThePage.id).getByText('Red', { exact: true }).click();
      await places.onPage(onThePage.id).getByRole('button', { name: 'Answer' }).click();
      await chosen('Red');
      const inShell = await ask();
      await places.shell('answer', inShell.id, '--answer', '1="grün 🌲"');
      await chosen('grün 🌲');
    },
    TIME,
  );

  it(
    'a plan: sent back on the page and at the command line with what to think over, then taken in Telegram',
    async () => {
      const planner = await spine.claude('server', ['--permission-mode', 'plan']);
      const plan = (step: string) => `# Move the shop\n\n1. ${step}\n`;
      const write = (when: RegExp, step: string): void =>
        spine.when(
          'server',
          when,
          ({ everything }) => ({
            tool: 'Write',
            input: { file_path: /\/\S+\/plans\/[\w-]+\.md/.exec(everything)?.[0] ?? '', content: plan(step) },
          }),
          1,
        );
      spine.when('server', /plans\/[\w-]+\.md/, { tool: 'ExitPlanMode', input: {} }, 3);
      write(/Denied by owner: and a way back/, 'Write the tests and a way back first.');
      write(/Denied by owner: tests first/, 'Write the tests first.');
      write(/please plan/, 'Move it at once.');
      spine.when('server', /approved your plan/, { say: 'AT WORK' }, 1);
      await planner.prompt('please plan');
      const rash = await places.pending('tool', 'Move it at once.');
      expect(rash.subject).toMatchObject({ plan: true });
      await places.everywhere(rash, 'Move it at once.');
      await places.onPage(rash.id).getByRole('button', { name: 'Think again' }).click();
      await places.app.page.getByLabel(/What should it think over/).fill('tests first');
      await places.app.page.getByRole('button', { name: 'Send it back' }).click();
      const better = await places.pending('tool', 'Write the tests first.');
      await places.shell('deny', better.id, '--reason', 'and a way back');
      const wise = await places.pending('tool', 'a way back first.');
      const shown = await places.inTelegram('a way back first.');
      await places.press(shown, 'Go ahead');
      await planner.shows(/AT WORK/, 60_000);
      expect(await places.decided(wise.id)).toMatchObject({ state: 'allowed', decision: { via: 'telegram' } });
    },
    TIME,
  );

  /** Two questions, asked by the model; their card. */
  async function questions(): Promise<Approval> {
    asked += 1;
    spine.when(
      'server',
      new RegExp(`please ask ${asked}\\b`),
      { tool: 'AskUserQuestion', input: { questions: QUESTIONS } },
      1,
    );
    spine.when('server', /"What shall it be called\?"=/, { say: `KNOWS ${asked}` }, 1);
    await session.prompt(`please ask ${asked}`);
    return places.pending('question', SERVICES);
  }

  async function answered(card: Approval, ...read: readonly string[]): Promise<void> {
    await session.shows(new RegExp(`KNOWS ${asked}`), 60_000);
    const heard = spine.model.requests.findLast(({ news }) => news.includes('"What shall it be called?"='));
    for (const part of read) expect(heard?.news).toContain(part);
    expect(await places.decided(card.id)).toMatchObject({ state: 'allowed' });
  }

  it(
    'two questions: answered in Telegram, one after the other',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICES);
      for (const label of [PAYMENTS, 'خدمة 🚀']) expect(shown.content.text).toContain(label);
      // Long labels have short numbers on their buttons.
      const button = shown.buttons.flat().find(({ text }) => /☐ (1|支付服务)/.test(text))?.text ?? 'no button';
      await places.press(shown, button);
      await places.press(shown, 'Done');
      await until(async () => (await places.inTelegram('What shall it be called?')).id === shown.id || undefined);
      await places.press(shown, 'Blue');
      await answered(card, `"${SERVICES}"="${PAYMENTS}"`, '"What shall it be called?"="Blue"');
      await places.afterwards(shown.id, /Answered by owner \(Telegram\)/);
      await places.decidedOnPage(card.id).waitFor();
    },
    TIME,
  );

  it(
    'two questions: answered on the page, with words of one’s own',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICES);
      const article = places.onPage(card.id);
      for (const label of [PAYMENTS, 'خدمة 🚀']) await article.getByText(label, { exact: true }).click();
      await article
        .getByLabel(/own words/)
        .last()
        .fill('Grün 🌲');
      await article.getByRole('button', { name: 'Answer' }).click();
      await answered(card, `"${SERVICES}"="${PAYMENTS}, خدمة 🚀"`, '"What shall it be called?"="Grün 🌲"');
      await places.afterwards(shown.id, /Answered by owner \(web page\)/);
    },
    TIME,
  );

  it(
    'two questions: answered at the command line',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICES);
      await places.shell('answer', card.id, '--answer', '1=2', '--answer', '2=1');
      await answered(card, `"${SERVICES}"="خدمة 🚀"`, '"What shall it be called?"="Red"');
      await places.afterwards(shown.id, /Answered by owner \(command line\)/);
      await places.decidedOnPage(card.id).waitFor();
    },
    TIME,
  );
});
