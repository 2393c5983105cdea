/** Questions with choices of the real Codex, and forms of its MCP servers, answered from afar and at the terminal. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodexModel } from './codex-model.ts';
import { CodexRig } from './codex-rig.ts';
import { CODEX_VERSION, CodexHome, codexProgramPath, Terminal } from './codex-session.ts';

const program = codexProgramPath();
const TIME = 120_000;

const SERVICE = '请选择要部署的服务。这是一个很长的问题，它的每一个字都必须完整地显示。';
const NAME = 'What shall it be called?';
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
    question: NAME,
    options: [
      { label: 'Red', description: 'a warm one' },
      { label: 'Blue', description: 'a cold one' },
    ],
  },
];

const sdk = join(import.meta.dirname, '../../node_modules/@modelcontextprotocol/sdk/dist/esm/server');
const FORM_SERVER = `
import { McpServer } from '${sdk}/mcp.js';
import { StdioServerTransport } from '${sdk}/stdio.js';
const server = new McpServer({ name: 'form', version: '1' });
server.registerTool('fill', { description: 'Asks for a form.', inputSchema: {}, annotations: { readOnlyHint: true } }, async () => {
  const filled = await server.server.elicitInput({
    message: '请填写订单',
    requestedSchema: {
      type: 'object',
      properties: { name: { type: 'string' }, count: { type: 'integer' }, gift: { type: 'boolean' } },
      required: ['count'],
    },
  });
  return { content: [{ type: 'text', text: 'form: ' + JSON.stringify(filled) }] };
});
await server.connect(new StdioServerTransport());
`;

describe.skipIf(program === undefined)(`Codex ${CODEX_VERSION} asks its person`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let rig: CodexRig;
  let terminal: Terminal;

  beforeAll(async () => {
    model = await CodexModel.start();
    home = new CodexHome(model.url, 'codexask');
    const cwd = await home.project('shop');
    const server = join(home.path, 'form.mjs');
    writeFileSync(server, FORM_SERVER);
    appendFileSync(
      join(home.codex, 'config.toml'),
      [
        // Without it the tool is there in its plan mode only.
        '[features]',
        'default_mode_request_user_input = true',
        '[mcp_servers.form]',
        `command = ${JSON.stringify(process.execPath)}`,
        `args = [${JSON.stringify(server)}]`,
        'default_tools_approval_mode = "approve"',
        '',
      ].join('\n'),
    );
    rig = await CodexRig.start(home);
    terminal = await Terminal.start([program ?? ''], cwd, home.env);
    await terminal.shows(/OpenAI Codex/, 60_000);
    await rig.session((one) => one.cwd === cwd);
  }, TIME);

  afterAll(async () => {
    await terminal.end();
    await rig.stop();
    await model.stop();
    await home.remove();
  }, TIME);

  async function asked(words: string, count: number) {
    model.on({ when: words, reply: { tool: 'request_user_input', input: { questions: QUESTIONS } }, times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: `${words}: went on.` }, times: 1 });
    await terminal.type(words);
    await terminal.press('Enter');
    return rig.until(() => Promise.resolve(rig.dialogs.at(count)));
  }

  it('each question gets its own answer from afar, and the dialog at the terminal closes', async () => {
    const open = await asked('Ask me first', 0);
    expect(open.dialog.ask.question).toMatchObject({
      source: 'agent',
      summary: `${SERVICE} (and 1 more)`,
      questions: [
        { id: 'service', text: SERVICE, options: [{ label: '支付服务（含退款）' }, { label: ARABIC }] },
        { id: 'name', header: 'Name', freeText: true },
      ],
    });
    await terminal.shows(/请选择/);
    const answers = [
      { id: 'service', options: [ARABIC] },
      { id: 'name', options: [], text: 'Grün 🌲' },
    ];
    expect(open.answer({ verdict: 'allow', answers })).toBe(true);
    await terminal.shows(/Ask me first: went on\./);
    const { news } = await model.request(ARABIC);
    expect(news).toContain('user_note: Grün 🌲');
    expect(open.closed).toBeUndefined();
  });

  it('declined from afar, it reads by whom and why, and goes on', async () => {
    const open = await asked('Ask me second', 1);
    open.answer({ verdict: 'deny', message: 'Declined by gilles: 先写测试' });
    await terminal.shows(/Ask me second: went on\./);
    expect((await model.request('先写测试')).news).toContain('Declined by gilles');
  });

  it('answered at the terminal, the card is closed', async () => {
    const open = await asked('Ask me third', 2);
    await terminal.answer('Enter', /Question 1\/2/);
    await terminal.answer('Enter', /Question 2\/2/);
    await rig.until(() => Promise.resolve(open.closed));
    expect(open.closed).toBe('answered_elsewhere');
    await terminal.shows(/Ask me third: went on\./);
  });

  it('a form of an MCP server is filled in from afar with values of their types', async () => {
    model.on({ when: 'Fill it in', reply: { tool: 'fill', namespace: 'mcp__form', input: {} }, times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'Filled in.' }, times: 1 });
    await terminal.type('Fill it in');
    await terminal.press('Enter');
    const open = await rig.until(() => Promise.resolve(rig.dialogs.at(3)));
    expect(open.dialog.ask.question).toMatchObject({ source: 'elicitation', summary: 'form: 请填写订单' });
    open.answer({
      verdict: 'allow',
      answers: [
        { id: 'count', options: [], text: '3' },
        { id: 'gift', options: ['No'] },
      ],
    });
    await terminal.shows(/Filled in\./);
    expect((await model.request('form: ')).news).toContain('{"action":"accept","content":{"count":3,"gift":false}}');
  });
});
