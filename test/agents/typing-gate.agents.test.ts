/**
 * The typing gate against the real programs: text goes in whole and is asked of the model, what a person half typed is left alone, and a dialog is answered only if it is
 * the one that was shown.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AgentTerminal } from '../../src/daemon/terminal/terminal.ts';
import { Witness } from '../../src/daemon/terminal/witness.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { ScreenState, TypingOutcome } from '../../src/protocol/runner-api.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import { CodexModel } from './codex-model.ts';
import { CodexHome, codexProgramPath } from './codex-session.ts';
import { geminiCommand, GeminiHome } from './gemini-home.ts';
import { GeminiModel } from './gemini-model.ts';
import { ScriptedModel } from './scripted-model.ts';

/** Long enough for several rows, with letters of several kinds. */
const LONG = `please read this: ${'a sentence that goes on, with “quotes”, äöü and <tags/>; '.repeat(8)}and here it ends`;

interface Started {
  readonly terminal: AgentTerminal;
  /** The model was asked this. */
  readonly asked: (text: string) => Promise<unknown>;
  readonly end: () => Promise<void>;
}

const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

function open(executable: string, argv: string[], cwd: string, environment: Record<string, string>): AgentTerminal {
  const terminal = new AgentTerminal({
    executable,
    argv,
    cwd,
    environment: {
      TERM: 'xterm-256color',
      COLORTERM: 'truecolor',
      PATH: process.env.PATH ?? '',
      LANG: 'C.UTF-8',
      ...environment,
    },
    cols: 110,
    rows: 40,
    rawLog: { path: '/dev/null', max: 0 },
    attended: false,
    clock: systemClock,
  });
  ended.push(async () => {
    const over = new Promise<void>((resolve) => terminal.onExit(() => resolve()));
    if (terminal.exit === undefined) {
      process.kill(-terminal.pid, 'SIGKILL');
      await over;
    }
    terminal.dispose();
  });
  return terminal;
}

async function claude(version: (typeof CLAUDE_VERSIONS)[number], trusted = true): Promise<Started> {
  const model = await ScriptedModel.start();
  const home = new ClaudeHome('gate');
  const cwd = join(home.path, 'project');
  mkdirSync(cwd);
  if (trusted) home.trust(cwd);
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'here it ends', reply: { say: 'I have read it.' } });
  model.on({
    when: 'make it so',
    reply: { tool: 'Bash', input: { command: 'touch made.txt', description: 'Make' } },
    times: 1,
  });
  const options = [
    { label: 'Red', description: 'A warm one' },
    { label: 'Blue', description: 'A cold one' },
  ];
  const questions = [{ question: 'Which colour?', header: 'Colour', multiSelect: false, options }];
  model.on({ when: 'ask me', reply: { tool: 'AskUserQuestion', input: { questions } }, times: 1 });
  const mode = version === '2.1.197' ? 'default' : 'manual';
  const terminal = open(claudeProgram(version) ?? '', ['--permission-mode', mode], cwd, {
    HOME: home.path,
    SHELL: '/bin/sh',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: home.key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  });
  const end = async (): Promise<void> => {
    await model.stop();
    home.remove();
  };
  return { terminal, asked: (text) => model.request(text), end };
}

async function codex(): Promise<Started> {
  const model = await CodexModel.start();
  const home = new CodexHome(model.url);
  const cwd = await home.project('project');
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'here it ends', reply: { say: 'I have read it.' } });
  const input = {
    cmd: `touch ${join(cwd, 'made.txt')}`,
    sandbox_permissions: 'require_escalated',
    justification: 'May I?',
  };
  model.on({ when: 'make it so', reply: { tool: 'exec_command', input }, times: 1 });
  const terminal = open(codexProgramPath() ?? '', [], cwd, home.env);
  const end = async (): Promise<void> => {
    await home.remove();
    await model.stop();
  };
  return { terminal, asked: (text) => model.request(text), end };
}

async function gemini(): Promise<Started> {
  const model = await GeminiModel.start();
  const home = new GeminiHome();
  const cwd = home.project('project');
  mkdirSync(cwd, { recursive: true });
  writeFileSync(join(cwd, 'notes.txt'), 'one\n');
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'here it ends', reply: { say: 'I have read it.' } });
  model.on({
    when: 'make it so',
    reply: { tool: 'run_shell_command', input: { command: 'touch made.txt' } },
    times: 1,
  });
  const [node = '', script = ''] = geminiCommand() ?? [];
  const environment = { ...home.environment(model.url), GEMINI_CLI_NO_RELAUNCH: '1' };
  const terminal = open(node, [script, '--skip-trust'], cwd, environment);
  const end = async (): Promise<void> => {
    await model.stop();
    home.remove();
  };
  return { terminal, asked: (text) => model.request(text), end };
}

/** Looks until the screen is as it should be. */
async function reached(
  { terminal }: Started,
  witness: Witness,
  fits: (state: ScreenState) => boolean,
): Promise<ScreenState> {
  for (let i = 0; i < 600; i += 1) {
    const { state } = await witness.look(1);
    if (fits(state)) return state;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The screen never got there:\n${terminal.screen.lastLines(40).join('\n')}`);
}

const agents: readonly [name: string, screen: string, there: boolean, start: () => Promise<Started>][] = [
  ...CLAUDE_VERSIONS.map((version): [string, string, boolean, () => Promise<Started>] => [
    `Claude Code ${version}`,
    'claude',
    claudeProgram(version) !== undefined,
    () => claude(version),
  ]),
  ['Codex', 'codex', codexProgramPath() !== undefined, codex],
  ['Gemini CLI', 'gemini', geminiCommand() !== undefined, gemini],
];

describe.each(agents.filter(([, , there]) => there))('%s', (_name, screen, _there, start) => {
  it('is typed to at its prompt only, whole, and its dialog is answered only as it was shown', async () => {
    const started = await start();
    const { terminal, asked, end } = started;
    ended.push(end);
    const witness = new Witness({ terminal, screen, clock: systemClock });
    const look = async (): Promise<ScreenState> => (await witness.look(1)).state;
    const reaches = (fits: (state: ScreenState) => boolean): Promise<ScreenState> => reached(started, witness, fits);
    /** As the delivery engine does: a refusal is tried again later. */
    const typed = async (text: string): Promise<TypingOutcome> => {
      for (let i = 0; ; i += 1) {
        const outcome = await witness.type(text);
        if (outcome === 'typed' || i === 20) return outcome;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    };
    const ready = (state: ScreenState): boolean => state.state === 'prompt' && state.box === '';

    await reaches(ready);
    // What a person half typed is left alone.
    terminal.person(Buffer.from('half'));
    expect(await witness.type(LONG)).toBe('person_typing');
    await reaches((state) => state.box === 'half');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await witness.type(LONG)).toBe('box_not_empty');
    expect((await look()).box).toBe('half');
    terminal.person(Buffer.from('\x7f'.repeat(4)));
    await reaches(ready);

    expect(await typed(LONG)).toBe('typed');
    expect(JSON.stringify(await asked('here it ends'))).toContain(JSON.stringify(LONG).slice(1, -1));
    await reaches(ready);
    for (const text of ['/help', '!ls', 'two\nlines', 'look at @no', ''])
      expect(await witness.type(text)).toBe('unfit_text');

    expect(await typed('make it so')).toBe('typed');
    const shown = await reaches((state) => state.dialog === 'permission');
    expect(await witness.type('not now')).toBe('dialog_open');
    expect(await witness.answer({ fingerprint: 'f'.repeat(64), option: 1 })).toBe('screen_changed');
    expect((await look()).fingerprint).toBe(shown.fingerprint);
    expect(await witness.answer({ fingerprint: shown.fingerprint ?? '', option: 1 })).toBe('typed');
    await reaches(ready);
    expect(terminal.screen.lastLines(40).join('\n')).toContain('Done with that.');
  });
});

describe.each(CLAUDE_VERSIONS.filter((version) => claudeProgram(version) !== undefined))(
  'the dialogs of Claude Code %s',
  (version) => {
    it('that have no digits are walked through: a folder is trusted only as it was shown', async () => {
      const started = await claude(version, false);
      ended.push(started.end);
      const witness = new Witness({ terminal: started.terminal, screen: 'claude', clock: systemClock });
      const shown = await reached(started, witness, (state) => state.dialog === 'trust');
      expect(shown.text).toContain('project');
      const yes = shown.options.findIndex((option) => /^Yes/.test(option)) + 1;
      expect(await witness.answer({ fingerprint: 'f'.repeat(64), option: yes })).toBe('screen_changed');
      expect(await witness.answer({ fingerprint: shown.fingerprint ?? '', option: yes })).toBe('typed');
      await reached(started, witness, (state) => state.state === 'prompt');
    });

    it('that have a line take text: it is seen there, and is the answer', async () => {
      const started = await claude(version);
      ended.push(started.end);
      const witness = new Witness({ terminal: started.terminal, screen: 'claude', clock: systemClock });
      await reached(started, witness, (state) => state.state === 'prompt' && state.box === '');
      expect(await witness.type('ask me')).toBe('typed');
      const shown = await reached(started, witness, (state) => state.line !== undefined);
      expect(shown).toMatchObject({ dialog: 'question', choosable: [1, 2], line: 3 });
      const text = `neither, but ${'a green that is as dark as a forest in the rain, '.repeat(4)}if there is one`;
      expect(await witness.answer({ fingerprint: shown.fingerprint ?? '', text })).toBe('typed');
      expect(JSON.stringify(await started.asked('if there is one'))).toContain(text);
    });
  },
);
