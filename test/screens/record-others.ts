/** Records Codex and Gemini CLI, as record.ts records Claude Code. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodexModel } from '../agents/codex-model.ts';
import { CODEX_VERSION, CodexHome, codexProgramPath } from '../agents/codex-session.ts';
import { GEMINI_VERSION, geminiCommand, GeminiHome } from '../agents/gemini-home.ts';
import { GeminiModel, quotaExhausted } from '../agents/gemini-model.ts';
import { DrivenTerminal, keepScreen } from './terminal.ts';

const ENTER = '\r';
const ESCAPE = '\x1b';
const DOWN = '\x1b[B';
const LONG =
  'this is a text that is a good deal longer than one row of the box so that it has to be wrapped by the program that draws it, and here it ends';

type View = Awaited<ReturnType<DrivenTerminal['shows']>>;

async function submit(terminal: DrivenTerminal, text: string): Promise<void> {
  terminal.keys(text);
  await terminal.shows(new RegExp(text));
  await terminal.pause(300);
  terminal.keys(ENTER);
}

export async function recordCodex(): Promise<void> {
  const executable = codexProgramPath();
  if (executable === undefined) throw new Error('not installed');
  const model = await CodexModel.start();
  const home = new CodexHome(model.url);
  const cwd = await home.project('project');
  writeFileSync(join(cwd, 'notes.txt'), 'one\n');
  const untrusted = join(home.path, 'untrusted');
  mkdirSync(untrusted);
  const keep = (state: string, view: View): void => keepScreen('codex', CODEX_VERSION, state, view);
  const start = (argv: string[], where = cwd, size = {}): DrivenTerminal =>
    new DrivenTerminal({ executable, argv, cwd: where, environment: { ...home.env, COLORTERM: 'truecolor' }, ...size });
  let think: () => void = () => undefined;
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'say-hello', reply: { say: 'Hello. What shall I do?' } });
  model.on({
    when: 'do-think',
    reply: () => new Promise((resolve) => (think = () => resolve({ say: 'I thought about it.' }))),
  });
  const command = { cmd: 'touch /tmp/made-by-test', sandbox_permissions: 'require_escalated', justification: 'May I?' };
  model.on({ when: 'do-run', reply: { tool: 'exec_command', input: command }, times: 2 });
  model.on({
    when: 'do-edit',
    reply: {
      custom: 'apply_patch',
      text: '*** Begin Patch\n*** Add File: /opt/ic-never.txt\n+one\n+two\n*** End Patch\n',
    },
    times: 1,
  });
  model.on({
    when: 'do-limit',
    reply: {
      refuse: {
        status: 429,
        error: {
          type: 'usage_limit_reached',
          message: 'The usage limit has been reached',
          plan_type: 'pro',
          resets_at: Math.floor(Date.now() / 1000) + 3 * 3600,
        },
      },
    },
  });

  let terminal = start([], untrusted);
  await terminal.shows(/OpenAI Codex|Do you trust/);
  await terminal.pause(2_000);
  keep('first-start', await terminal.shows(/›/));
  await terminal.end();

  terminal = start([]);
  await terminal.shows(/OpenAI Codex/);
  await terminal.pause(2_000);
  keep('prompt-placeholder', await terminal.shows(/›/));
  terminal.keys('half typed');
  keep('half-typed', await terminal.shows(/half typed/));
  terminal.keys('\x7f'.repeat(10));
  await terminal.pause(700);
  keep('prompt-erased', await terminal.shows(/›/));
  terminal.keys(LONG);
  keep('half-typed-long', await terminal.shows(/here it ends/));
  terminal.keys('\x15'.repeat(4));
  await terminal.pause(700);
  terminal.keys('/');
  keep('menu-slash', await terminal.shows(/\/model/));
  terminal.keys('\x7f');
  await terminal.pause(700);
  terminal.keys('look at @no');
  keep('menu-file', await terminal.shows(/notes\.txt/));
  terminal.keys('\x7f'.repeat(11));
  await terminal.pause(700);
  await submit(terminal, 'say-hello');
  keep('prompt-after-turn', await terminal.shows(/What shall I do/));
  await submit(terminal, 'do-think about it');
  await model.request('do-think about it');
  await terminal.pause(1_500);
  keep('working', await terminal.shows(/do-think about it/, 500));
  terminal.keys('and more');
  keep('working-half-typed', await terminal.shows(/and more/, 500));
  terminal.keys('\x7f'.repeat(8));
  think();
  await terminal.shows(/I thought about it/);
  await submit(terminal, 'do-run it');
  keep('permission-command', await terminal.shows(/Would you like to run/));
  await terminal.pause(1_000);
  terminal.keys(DOWN);
  await terminal.pause(500);
  keep('permission-command-second', await terminal.shows(/› 2\./));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  keep('permission-refused', await terminal.shows(/›/));
  await submit(terminal, 'do-edit it');
  keep('permission-edit', await terminal.shows(/Would you like to make/));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  await submit(terminal, '/model');
  await terminal.pause(1_500);
  keep('menu-model', await terminal.shows(/Select Model/i));
  terminal.keys(ESCAPE);
  await terminal.pause(700);
  await submit(terminal, 'do-limit');
  keep('rate-limited', await terminal.shows(/usage limit/i, 6_000));
  await terminal.end();

  terminal = start([], cwd, { cols: 80, rows: 24 });
  await terminal.shows(/OpenAI Codex/);
  await terminal.pause(2_000);
  keep('prompt-narrow', await terminal.shows(/›/));
  terminal.keys(LONG);
  keep('half-typed-narrow', await terminal.shows(/here it ends/));
  await terminal.end();
  await home.remove();
  await model.stop();
}

export async function recordGemini(): Promise<void> {
  const [executable = '', script = ''] = geminiCommand() ?? [];
  if (executable === '') throw new Error('not installed');
  const model = await GeminiModel.start();
  const home = new GeminiHome();
  const cwd = home.project('project');
  writeFileSync(join(cwd, 'notes.txt'), 'one\n');
  const keep = (state: string, view: View): void => keepScreen('gemini', GEMINI_VERSION, state, view);
  const environment = {
    ...home.environment(model.url),
    PATH: process.env.PATH ?? '',
    TERM: 'xterm-256color',
    LANG: 'C.UTF-8',
    GEMINI_CLI_NO_RELAUNCH: '1',
  };
  const start = (argv: string[], size = {}): DrivenTerminal =>
    new DrivenTerminal({ executable, argv: [script, ...argv], cwd, environment, ...size });
  let think: () => void = () => undefined;
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'say-hello', reply: { say: 'Hello. What shall I do?' } });
  model.on({
    when: 'do-think',
    reply: () => new Promise((resolve) => (think = () => resolve({ say: 'I thought about it.' }))),
  });
  model.on({
    when: 'do-run',
    reply: { tool: 'run_shell_command', input: { command: 'touch made-by-test' } },
    times: 2,
  });
  model.on({
    when: 'do-edit',
    reply: { tool: 'write_file', input: { file_path: join(cwd, 'new.txt'), content: 'one\ntwo\n' } },
    times: 1,
  });
  model.on({
    when: 'do-ask',
    reply: {
      tool: 'ask_user',
      input: {
        questions: [
          {
            question: 'Which colour do you want?',
            header: 'Colour',
            type: 'choice',
            options: [
              { label: 'Red', description: 'A warm one' },
              { label: 'Blue', description: 'A cold one' },
            ],
          },
        ],
      },
    },
    times: 1,
  });
  model.on({ when: 'do-limit', reply: { refuse: quotaExhausted('3h0m5s') } });

  let terminal = start([]);
  await terminal.pause(4_000);
  keep('trust', await terminal.shows(/trust/i));
  await terminal.end();

  terminal = start(['--skip-trust']);
  keep('prompt-placeholder', await terminal.shows(/Type your message/));
  terminal.keys('half typed');
  keep('half-typed', await terminal.shows(/half typed/));
  terminal.keys('\x7f'.repeat(10));
  await terminal.pause(700);
  keep('prompt-erased', await terminal.shows(/Type your message/));
  terminal.keys(LONG);
  keep('half-typed-long', await terminal.shows(/here it ends/));
  terminal.keys('\x15'.repeat(4));
  await terminal.pause(700);
  terminal.keys('\x7f'.repeat(LONG.length));
  await terminal.pause(700);
  terminal.keys('/');
  await terminal.pause(700);
  keep('menu-slash', await terminal.shows(/\/[a-z]+ /));
  terminal.keys('\x7f');
  await terminal.pause(700);
  terminal.keys('look at @no');
  keep('menu-file', await terminal.shows(/notes\.txt/));
  terminal.keys('\x7f'.repeat(11));
  await terminal.pause(700);
  terminal.keys('!');
  await terminal.pause(700);
  keep('mode-shell', await terminal.shows(/shell/i));
  terminal.keys(ESCAPE);
  await terminal.pause(700);
  await submit(terminal, 'say-hello');
  keep('prompt-after-turn', await terminal.shows(/What shall I do/));
  await submit(terminal, 'do-think about it');
  await model.request('do-think about it');
  await terminal.pause(1_500);
  keep('working', await terminal.shows(/do-think about it/, 500));
  terminal.keys('and more');
  keep('working-half-typed', await terminal.shows(/and more/, 500));
  terminal.keys('\x7f'.repeat(8));
  think();
  await terminal.shows(/I thought about it/);
  await submit(terminal, 'do-run it');
  keep('permission-command', await terminal.shows(/Allow once/));
  await terminal.pause(1_000);
  terminal.keys(DOWN);
  await terminal.pause(500);
  keep('permission-command-second', await terminal.shows(/● 2\./));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  keep('permission-refused', await terminal.shows(/Type your message/));
  await submit(terminal, 'do-edit it');
  keep('permission-edit', await terminal.shows(/Allow once/));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  await submit(terminal, 'do-ask me');
  keep('question', await terminal.shows(/Which colour/));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  await submit(terminal, 'do-limit');
  await terminal.pause(3_000);
  keep('rate-limited', await terminal.shows(/limit|quota/i, 6_000));
  await terminal.end();

  terminal = start(['--skip-trust'], { cols: 80, rows: 24 });
  keep('prompt-narrow', await terminal.shows(/Type your message/));
  terminal.keys(LONG);
  keep('half-typed-narrow', await terminal.shows(/here it ends/));
  await terminal.end();
  home.remove();
  await model.stop();
}
