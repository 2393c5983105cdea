/**
 * What the real Codex asks the person who started it by hand, in three places at once: Telegram (emulated), the page in a real browser, the command line. The whole product beside
 * it, without anything of Codex' own set up for it.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Approval } from '../../src/protocol/model.ts';
import { Mesh } from '../support/mesh.ts';
import { CodexModel } from './codex-model.ts';
import { CODEX_VERSION, CodexHome, codexProgramPath, Terminal } from './codex-session.ts';
import { until } from './mission-rig.ts';
import { operatorsTelegram, Places } from './places.ts';

const program = codexProgramPath();
const TIME = 120_000;
const DIALOG = /Would you like to run the following command/;
const SERVICE = '请选择要部署的服务。这是一个很长的问题，它的每一个字都必须完整地显示。';
const ARABIC = 'خدمة الإشعارات 🚀';
const QUESTIONS = [
  {
    id: 'service',
    header: '服务',
    question: SERVICE,
    options: [
      { label: '支付服务（含退款）', description: '一' },
      { label: ARABIC, description: 'الثانية' },
    ],
  },
  {
    id: 'name',
    header: 'Name',
    question: 'What shall it be called?',
    options: [
      { label: 'Red', description: 'a warm one' },
      { label: 'Blue', description: 'a cold one' },
    ],
  },
];

describe.skipIf(program === undefined)(`Codex ${CODEX_VERSION} asks its person, wherever that is`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let cwd: string;
  let mesh: Mesh;
  let places: Places;
  let terminal: Terminal;
  const ends: (() => Promise<void>)[] = [];
  let asked = 0;

  beforeAll(async () => {
    model = await CodexModel.start();
    ends.push(() => model.stop());
    home = new CodexHome(model.url, 'codexplaces');
    ends.push(() => home.remove());
    cwd = await home.project('shop');
    // Without it the tool is there in its plan mode only.
    appendFileSync(join(home.codex, 'config.toml'), '[features]\ndefault_mode_request_user_input = true\n');
    const { telegram, hubEnv } = await operatorsTelegram();
    ends.push(() => telegram.stop());
    const daemonEnv = () => ({ HOME: home.path, CODEX_HOME: home.codex });
    mesh = await Mesh.start({ machines: ['server'], hubEnv, daemonEnv });
    ends.push(() => mesh.stop());
    places = await Places.open(mesh, telegram);
    ends.push(() => places.close());
    terminal = await Terminal.start([program ?? ''], cwd, home.env);
    ends.push(() => terminal.end());
    await terminal.shows(/OpenAI Codex/, 60_000);
    const daemon = mesh.daemon('server').local({ cwd });
    await until(async () => (await daemon.status()).sessions.find(({ agent }) => agent === 'codex'));
  }, TIME);

  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  }, TIME);

  async function said(words: string): Promise<void> {
    await terminal.type(words);
    await terminal.press('Enter');
  }

  /** A command that leaves a mark, asked for by the model; its card. */
  async function command(): Promise<{ readonly card: Approval; readonly text: string; readonly done: string }> {
    asked += 1;
    const done = join(cwd, `done-${asked}`);
    // Longer than any line, and different each time.
    const text = `sh -c "${'echo a-long-command-that-is-shown-whole; '.repeat(12)}touch '${done}'; echo over-${asked}"`;
    const input = { cmd: text, sandbox_permissions: 'require_escalated', justification: 'May I, this once?' };
    model.on({ when: `please run ${asked}`, reply: { tool: 'exec_command', input }, times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: `WENT ON ${asked}` }, times: 1 });
    await said(`please run ${asked}`);
    await terminal.shows(DIALOG);
    return { card: await places.pending('tool', `over-${asked}`), text, done };
  }

  const wentOn = (): Promise<string> => terminal.shows(new RegExp(`WENT ON ${asked}`), 60_000);

  it(
    'a command: denied in Telegram with a reason, which the agent reads',
    async () => {
      const { card, text, done } = await command();
      expect(card.subject).toMatchObject({ agent: 'codex', input: text, intent: 'May I, this once?' });
      const shown = await places.everywhere(card, text);
      places.reply(shown, '/deny not on a Friday');
      expect((await model.request('not on a Friday')).news).toContain('Denied by owner: not on a Friday');
      await wentOn();
      expect(existsSync(done)).toBe(false);
      await places.closed(card, shown, /Denied by owner \(Telegram\)/);
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
      await wentOn();
      expect(existsSync(done)).toBe(true);
      expect(await terminal.screen()).not.toMatch(DIALOG);
      await places.closed(card, shown, /Allowed once by owner \(web page\)/);
    },
    TIME,
  );

  it(
    'a command: always allowed at the command line by what Codex itself offers, and not asked about again',
    async () => {
      const { card, text, done } = await command();
      const shown = await places.everywhere(card, text);
      await places.shell('allow', card.id, '--scope', 'always');
      await wentOn();
      expect(existsSync(done)).toBe(true);
      await places.closed(card, shown, /by owner \(command line\)/);
      // The same command once more.
      const input = { cmd: text, sandbox_permissions: 'require_escalated', justification: 'Again?' };
      model.on({ when: 'the same again', reply: { tool: 'exec_command', input }, times: 1 });
      model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'DONE AGAIN' }, times: 1 });
      await said('the same again');
      await terminal.shows(/DONE AGAIN/, 60_000);
      expect(await mesh.operator.pending()).toEqual([]);
    },
    TIME,
  );

  it(
    'a command: answered at the terminal, the card is closed in all three places',
    async () => {
      const { card, text, done } = await command();
      const shown = await places.everywhere(card, text);
      await terminal.answer('y', DIALOG);
      await wentOn();
      expect(existsSync(done)).toBe(true);
      await places.closed(card, shown, /at the terminal/);
      expect(await places.decided(card.id)).toMatchObject({ state: 'answered_elsewhere' });
    },
    TIME,
  );

  /** Two questions, asked by the model; their card. */
  async function questions(): Promise<Approval> {
    asked += 1;
    const input = { questions: QUESTIONS };
    model.on({ when: `please ask ${asked}`, reply: { tool: 'request_user_input', input }, times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: `WENT ON ${asked}` }, times: 1 });
    await said(`please ask ${asked}`);
    return places.pending('question', SERVICE);
  }

  /** What the model read last. */
  async function read(...parts: readonly string[]): Promise<void> {
    await wentOn();
    const { news } = await model.request(
      ({ toolResults, news: fresh }) => toolResults.length > 0 && fresh.includes(parts[0] ?? ''),
    );
    for (const part of parts) expect(news).toContain(part);
  }

  it(
    'two questions: answered in Telegram, one after the other',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICE);
      for (const { label } of QUESTIONS[0]?.options ?? []) expect(shown.content.text).toContain(label);
      const second = shown.buttons.flat().find(({ text }) => /^2$|خدمة/.test(text))?.text ?? 'no button';
      await places.press(shown, second);
      await until(async () => (await places.inTelegram('What shall it be called?')).id === shown.id || undefined);
      await places.press(shown, 'Blue');
      await read(ARABIC, 'Blue');
      await places.closed(card, shown, /Answered by owner \(Telegram\)/);
    },
    TIME,
  );

  it(
    'two questions: answered on the page, with words of one’s own',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICE);
      const article = places.onPage(card.id);
      await article.getByText(ARABIC, { exact: true }).click();
      await article
        .getByLabel(/own words/)
        .last()
        .fill('Grün 🌲');
      await article.getByRole('button', { name: 'Answer' }).click();
      await read('user_note: Grün 🌲', ARABIC);
      await places.closed(card, shown, /Answered by owner \(web page\)/);
    },
    TIME,
  );

  it(
    'two questions: answered at the command line',
    async () => {
      const card = await questions();
      const shown = await places.inTelegram(SERVICE);
      await places.shell('answer', card.id, '--answer', '1=1', '--answer', '2=1');
      await read('支付服务（含退款）', 'Red');
      await places.closed(card, shown, /Answered by owner \(command line\)/);
    },
    TIME,
  );

  it('the model was asked nothing that the test did not know', () => {
    model.expectNoneUnknown();
  });
});
