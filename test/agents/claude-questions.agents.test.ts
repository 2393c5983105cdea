/** What Claude Code asks its person, answered from afar and at the terminal: questions with choices, plans, forms of MCP servers. In sessions that their person started. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { QuestionAnswer } from '../../src/protocol/attention.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { Decision, QuestionSubject } from '../../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, ClaudeSession } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { DaemonRig } from './daemon-rig.ts';
import { until } from './mission-rig.ts';
import { ScriptedModel } from './scripted-model.ts';
import type { ModelReply } from './scripted-model.ts';

const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };
const TIME = 120_000;

const SERVICES = '请选择要部署的服务，可多选。这是一个很长的问题，它的每一个字都必须完整地显示在手机上。';
const NAME = 'What shall it be called?';
const PAYMENTS = '支付服务（含退款、对账与跨境结算的完整流程）';
const ARABIC = 'خدمة الإشعارات 🚀';
const QUESTIONS = [
  {
    question: SERVICES,
    header: '服务',
    multiSelect: true,
    options: [
      { label: PAYMENTS, description: '一' },
      { label: ARABIC, description: 'الثانية' },
      { label: 'Search', description: 'three' },
    ],
  },
  {
    question: NAME,
    header: 'Name',
    multiSelect: false,
    options: [
      { label: 'Red', description: 'a warm one' },
      { label: 'Blue', description: 'a cold one' },
    ],
  },
];
const PLAN = '# 计划: move the shop\n\n1. Write the tests.\n2. Move it.\n';
const ANSWERED = /nswered (Claude's|your)/;
/** The dialog of the questions, and the one of a plan. */
const CHOICES = /Enter to select/;
const READY = /Would you like to proceed\?/;

let model: ScriptedModel;
let home: ClaudeHome;
let rig: DaemonRig;
let session: ClaudeSession | undefined;
let shop: string;

beforeEach(async () => {
  model = await ScriptedModel.start();
  home = new ClaudeHome();
  shop = join(home.path, 'shop');
  home.trust(shop);
  rig = await DaemonRig.start(home);
  await rig.installHooks();
  model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'WENT ON' } });
});

afterEach(async () => {
  await session?.end();
  await rig.stop();
  await model.stop();
  home.remove();
});

/** A session whose model does this when it is told to. */
async function told(version: ClaudeVersion, reply: ModelReply, args: readonly string[]): Promise<ClaudeSession> {
  model.on({ when: 'please begin', times: 1, reply });
  session = await ClaudeSession.start({ home, version, cwd: shop, modelUrl: model.url, args });
  await session.prompt('please begin');
  return session;
}

/** A session that asks its two questions; the hub has them. */
async function questioned(version: ClaudeVersion): Promise<{ terminal: ClaudeSession; subject: QuestionSubject }> {
  const ask = { tool: 'AskUserQuestion', input: { questions: QUESTIONS } };
  const terminal = await told(version, ask, ['--permission-mode', MANUAL[version]]);
  await terminal.shows(CHOICES);
  const subject = (await until(() => rig.hub.raised[0])).subject;
  if (subject.kind !== 'question') throw new Error('no question');
  return { terminal, subject };
}

/** A session in plan mode that proposes its plan, which is a file that the program names. */
async function planned(version: ClaudeVersion): Promise<ClaudeSession> {
  model.on({
    when: ({ everything, toolResults }) => everything.includes('please begin') && toolResults.length > 0,
    reply: { tool: 'ExitPlanMode', input: {} },
    times: 1,
  });
  model.on({
    when: 'please begin',
    times: 1,
    reply: ({ everything }) => ({
      tool: 'Write',
      input: { file_path: /\/\S+\/plans\/[\w-]+\.md/.exec(everything)?.[0] ?? '', content: PLAN },
    }),
  });
  session = await ClaudeSession.start({
    home,
    version,
    cwd: shop,
    modelUrl: model.url,
    args: ['--permission-mode', 'plan'],
  });
  await session.prompt('please begin');
  await session.shows(READY);
  await until(() => rig.hub.raised[0]);
  return session;
}

function decide(state: 'allowed' | 'denied', more: Partial<Decision> = {}): void {
  rig.desk.decided({
    item: 'decision',
    ref: rig.hub.raised.at(-1)?.ref ?? '',
    approvalId: newId('approval'),
    state,
    decision: {
      verdict: state === 'allowed' ? 'allow' : 'deny',
      scope: 'once',
      by: 'gilles',
      via: 'web',
      at: new Date().toISOString(),
      ...more,
    },
  });
}

/** A dialog that has just been drawn takes no keys: pressed again where nothing comes of it. */
async function pressUntil(terminal: ClaudeSession, key: string, shown: RegExp): Promise<void> {
  for (;;) {
    await terminal.press(key);
    const came = await terminal.shows(shown, 3000).catch(() => undefined);
    if (came !== undefined) return;
  }
}

/** What the model read as the tool's result. */
async function result(): Promise<string> {
  return (await model.request(({ toolResults }) => toolResults.length > 0)).news;
}

describe.each(CLAUDE_VERSIONS)('Claude Code %s asks questions', (version) => {
  it(
    'each question gets its own answer from afar: several labels, and a text of one’s own',
    async () => {
      const { terminal, subject } = await questioned(version);
      expect(subject).toMatchObject({ source: 'ask_user', summary: `${SERVICES} (and 1 more)`, cwd: shop });
      expect(subject.questions).toMatchObject([
        { id: 'q1', text: SERVICES, header: '服务', multiple: true, freeText: true },
        {
          id: 'q2',
          text: NAME,
          multiple: false,
          options: [{ label: 'Red', description: 'a warm one' }, { label: 'Blue' }],
        },
      ]);
      expect(subject.questions[0]?.options.map(({ label }) => label)).toEqual([PAYMENTS, ARABIC, 'Search']);
      const answers: QuestionAnswer[] = [
        { id: 'q1', options: [PAYMENTS, ARABIC] },
        { id: 'q2', options: [], text: 'Grün, "wie der Wald" 🌲' },
      ];
      decide('allowed', { answers });
      await terminal.shows(ANSWERED);
      const read = await result();
      expect(read).toContain(`"${SERVICES}"="${PAYMENTS}, ${ARABIC}"`);
      expect(read).toContain(`"${NAME}"="Grün, "wie der Wald" 🌲"`);
      expect(rig.hub.closed).toEqual([]);
    },
    TIME,
  );

  it(
    'declined from afar, the agent reads why',
    async () => {
      const { terminal } = await questioned(version);
      decide('denied', { reason: '先写测试' });
      await terminal.shows(/WENT ON/);
      expect(await result()).toContain('Declined by gilles: 先写测试');
    },
    TIME,
  );

  it(
    'answered at the terminal, the card is closed, and a decision that comes too late is told as such',
    async () => {
      const { terminal } = await questioned(version);
      await pressUntil(terminal, '1', /\[[^ \]]\] 支付/);
      await pressUntil(terminal, 'Right', /1\. Red/);
      await pressUntil(terminal, '1', /Submit answers/);
      await pressUntil(terminal, 'Enter', ANSWERED);
      expect(await until(() => rig.hub.closed[0])).toMatchObject({ outcome: 'answered_elsewhere', verdict: 'allow' });
      expect(await result()).toContain(`"${NAME}"="Red"`);
      decide('allowed', { answers: [{ id: 'q2', options: ['Blue'] }] });
      expect(await until(() => rig.hub.effects[0])).toMatchObject({ state: 'failed' });
    },
    TIME,
  );

  it(
    'Esc at the terminal closes the card as a refusal there',
    async () => {
      const { terminal } = await questioned(version);
      await terminal.answer('Escape', CHOICES);
      expect(await until(() => rig.hub.closed[0])).toMatchObject({ outcome: 'answered_elsewhere', verdict: 'deny' });
    },
    TIME,
  );
});

describe.each(CLAUDE_VERSIONS)('Claude Code %s proposes a plan', (version) => {
  it(
    'allowed from afar, it goes on and asks for each edit',
    async () => {
      const terminal = await planned(version);
      expect(rig.hub.raised[0]?.subject).toMatchObject({
        kind: 'tool',
        plan: true,
        tool: 'ExitPlanMode',
        summary: '计划: move the shop',
        input: PLAN,
        suggestions: [],
      });
      decide('allowed');
      await terminal.shows(/WENT ON/);
      const approved = await model.request(({ news }) => news.includes('approved your plan'));
      expect(approved.news).toContain('Write the tests.');
      const mode = await rig.session(({ permissionMode }) => permissionMode === 'default');
      expect(mode.cwd).toBe(shop);
    },
    TIME,
  );

  it(
    'denied from afar, it stays in its plan mode and reads what to think over',
    async () => {
      const terminal = await planned(version);
      decide('denied', { reason: 'Write the tests first.' });
      await terminal.shows(/WENT ON/);
      await terminal.shows(/plan mode on/);
      expect((await model.request(/Denied by/)).news).toContain('Denied by gilles: Write the tests first.');
    },
    TIME,
  );

  it(
    'approved at the terminal, the card is closed',
    async () => {
      const terminal = await planned(version);
      await terminal.answer('2', READY);
      await terminal.shows(/WENT ON/);
      expect(await until(() => rig.hub.closed[0])).toMatchObject({ outcome: 'answered_elsewhere', verdict: 'allow' });
    },
    TIME,
  );
});

describe.each(CLAUDE_VERSIONS)('Claude Code %s passes on a form of an MCP server', (version) => {
  /** Its one tool asks for a form and says what came of it. */
  const SERVER = `
import { writeFileSync } from 'node:fs';
import { McpServer } from '${join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/sdk/dist/esm/server/mcp.js')}';
import { StdioServerTransport } from '${join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/sdk/dist/esm/server/stdio.js')}';
const server = new McpServer({ name: 'form', version: '1' });
server.registerTool('fill', { description: 'Asks for a form.', inputSchema: {} }, async () => {
  const filled = await server.server.elicitInput({
    message: '请填写订单',
    requestedSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', title: 'Name', minLength: 2 },
        count: { type: 'integer', minimum: 1, maximum: 9 },
        gift: { type: 'boolean', title: 'Is it a gift?' },
        colour: { type: 'string', enum: ['red', 'blue'], enumNames: ['Rot', 'Blau'] },
      },
      required: ['name', 'count'],
    },
  });
  return { content: [{ type: 'text', text: 'form: ' + JSON.stringify(filled) }] };
});
server.server.oninitialized = () => writeFileSync(process.argv[2], '');
await server.connect(new StdioServerTransport());
`;

  async function formed(): Promise<ClaudeSession> {
    const file = join(home.path, 'form.mjs');
    const config = join(home.path, 'mcp.json');
    const ready = join(home.path, 'ready');
    writeFileSync(file, SERVER);
    writeFileSync(config, JSON.stringify({ mcpServers: { form: { command: process.execPath, args: [file, ready] } } }));
    const args = ['--permission-mode', MANUAL[version], '--allowedTools', 'mcp__form__fill', '--mcp-config', config];
    model.on({ when: 'please begin', times: 1, reply: { tool: 'mcp__form__fill', input: {} } });
    session = await ClaudeSession.start({ home, version, cwd: shop, modelUrl: model.url, args });
    // 2.1.197 takes its first prompt before its servers are there.
    await until(() => (existsSync(ready) ? true : undefined));
    await session.prompt('please begin');
    await until(() => rig.hub.raised[0]);
    return session;
  }

  it(
    'filled in from afar, its values have their types',
    async () => {
      await formed();
      expect(rig.hub.raised[0]?.subject).toMatchObject({
        kind: 'question',
        source: 'elicitation',
        summary: 'form: 请填写订单',
        questions: [
          { id: 'name', optional: false, options: [] },
          { id: 'count', text: 'count\n(a whole number from 1 to 9)' },
          { id: 'gift', optional: true, freeText: false, options: [{ label: 'Yes' }, { label: 'No' }] },
          { id: 'colour', options: [{ label: 'Rot' }, { label: 'Blau' }] },
        ],
      });
      decide('allowed', {
        answers: [
          { id: 'name', options: [], text: 'Äpfel' },
          { id: 'count', options: [], text: '3' },
          { id: 'gift', options: ['Yes'] },
          { id: 'colour', options: ['Blau'] },
        ],
      });
      const content = { name: 'Äpfel', count: 3, gift: true, colour: 'blue' };
      expect(await result()).toContain(`form: ${JSON.stringify({ action: 'accept', content })}`);
    },
    TIME,
  );

  it(
    'an answer that its form does not take is told, and the form comes to its terminal',
    async () => {
      const terminal = await formed();
      decide('allowed', {
        answers: [
          { id: 'name', options: [], text: 'Äpfel' },
          { id: 'count', options: [], text: 'many' },
        ],
      });
      expect(await until(() => rig.hub.effects[0])).toMatchObject({
        state: 'failed',
        reason: 'The form takes no such "count": "many".',
      });
      await terminal.shows(/请填写订单/);
    },
    TIME,
  );

  it(
    'declined from afar',
    async () => {
      await formed();
      decide('denied');
      expect(await result()).toContain('form: {"action":"decline"}');
      expect(existsSync(shop)).toBe(true);
    },
    TIME,
  );

  it(
    'Esc at the terminal closes the card',
    async () => {
      const terminal = await formed();
      await terminal.press('Escape');
      expect(await until(() => rig.hub.closed[0])).toMatchObject({ outcome: 'answered_elsewhere' });
    },
    TIME,
  );
});
