/**
 * Records the corpus: the real programs, driven offline against scripted models, and what their screens show in each state.
 *
 *   RECORD_SCREENS=1 npx vitest run --project agents test/screens
 *
 * Each function drives one program through its states and keeps a screen of each. Nothing is made up: a state that a program cannot be brought to here is not
 * in the corpus.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { ClaudeHome, claudeProgram } from '../agents/claude-session.ts';
import type { ClaudeVersion } from '../agents/claude-session.ts';
import { ScriptedModel } from '../agents/scripted-model.ts';
import { DrivenTerminal, keepScreen } from './terminal.ts';

const ENTER = '\r';
const ESCAPE = '\x1b';
const DOWN = '\x1b[B';
const LONG =
  'this is a text that is a good deal longer than one row of the box so that it has to be wrapped by the program that draws it, and here it ends';

function claudeEnvironment(home: ClaudeHome, modelUrl: string): Record<string, string> {
  return {
    HOME: home.path,
    PATH: process.env.PATH ?? '',
    TERM: 'xterm-256color',
    COLORTERM: 'truecolor',
    LANG: 'C.UTF-8',
    SHELL: '/bin/sh',
    ANTHROPIC_BASE_URL: modelUrl,
    ANTHROPIC_API_KEY: home.key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
    IS_SANDBOX: '1',
  };
}

export async function recordClaude(version: ClaudeVersion): Promise<void> {
  const program = claudeProgram(version);
  if (program === undefined) throw new Error('not installed');
  const model = await ScriptedModel.start();
  const home = new ClaudeHome('screens');
  const cwd = join(home.path, 'project');
  const untrusted = join(home.path, 'untrusted');
  mkdirSync(untrusted, { recursive: true });
  home.trust(cwd);
  writeFileSync(join(cwd, 'notes.txt'), 'one\ntwo\n');
  const keep = (state: string, view: Awaited<ReturnType<DrivenTerminal['shows']>>): void =>
    keepScreen('claude', version, state, view);
  const start = (argv: string[], where = cwd, size = {}): DrivenTerminal =>
    new DrivenTerminal({
      executable: program,
      argv,
      cwd: where,
      environment: claudeEnvironment(home, model.url),
      ...size,
    });
  let think: () => void = () => undefined;
  model.on({ when: (request) => request.toolResults.length > 0, reply: { say: 'Done with that.' } });
  model.on({ when: 'say-hello', reply: { say: 'Hello. What shall I do?' } });
  model.on({
    when: 'do-think',
    reply: () => new Promise((resolve) => (think = () => resolve({ say: 'I thought about it.' }))),
  });
  model.on({
    when: 'do-run',
    reply: { tool: 'Bash', input: { command: 'touch made-by-test', description: 'Make a file' } },
    times: 1,
  });
  model.on({
    when: 'do-edit',
    reply: { tool: 'Write', input: { file_path: join(cwd, 'new.txt'), content: 'one\ntwo\n' } },
    times: 1,
  });
  model.on({
    when: 'do-ask',
    reply: {
      tool: 'AskUserQuestion',
      input: {
        questions: [
          {
            question: 'Which colour do you want?',
            header: 'Colour',
            multiSelect: false,
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
  // The plan is a file, whose name the program tells the model.
  model.on({
    when: (request) => request.everything.includes('do-plan') && request.toolResults.length > 0,
    reply: { tool: 'ExitPlanMode', input: {} },
    times: 1,
  });
  model.on({
    when: 'do-plan',
    reply: (request) => ({
      tool: 'Write',
      input: {
        file_path: /\/\S+\/plans\/[\w-]+\.md/.exec(request.everything)?.[0] ?? join(cwd, 'plan.md'),
        content: '# The plan\n\n1. Do one thing.\n2. Do another.\n',
      },
    }),
    times: 1,
  });

  let terminal = start([], untrusted);
  keep('trust', await terminal.shows(/trust/i));
  await terminal.end();

  terminal = start(['--permission-mode', version === '2.1.197' ? 'default' : 'manual']);
  keep('prompt-placeholder', await terminal.shows(/❯/));
  terminal.keys('half typed');
  keep('half-typed', await terminal.shows(/half typed/));
  terminal.keys('\x7f'.repeat(10));
  await terminal.pause(700);
  keep('prompt-erased', await terminal.shows(/❯/));
  terminal.keys(LONG);
  keep('half-typed-long', await terminal.shows(/here it ends/));
  terminal.keys('\x7f'.repeat(LONG.length));
  await terminal.pause(500);
  terminal.keys('one\\\rtwo');
  keep('half-typed-two-lines', await terminal.shows(/two/));
  terminal.keys('\x7f'.repeat(10));
  await terminal.pause(500);
  terminal.keys('/');
  keep('menu-slash', await terminal.shows(/\/[a-z]+/));
  terminal.keys('\x7f');
  await terminal.pause(700);
  terminal.keys('look at @no');
  keep('menu-file', await terminal.shows(/notes\.txt/));
  terminal.keys('\x7f'.repeat(11));
  await terminal.pause(700);
  terminal.keys('!');
  await terminal.pause(700);
  keep('mode-shell', await terminal.shows(/!/));
  terminal.keys('\x7f');
  await terminal.pause(700);
  terminal.keys('say-hello');
  await terminal.shows(/say-hello/);
  terminal.keys(ENTER);
  keep('prompt-empty', await terminal.shows(/What shall I do/));
  terminal.keys('do-think about it');
  await terminal.shows(/do-think about it/);
  terminal.keys(ENTER);
  await model.request('do-think about it');
  await terminal.pause(1_500);
  keep('working', await terminal.shows(/do-think about it/, 500));
  terminal.keys('and more');
  keep('working-half-typed', await terminal.shows(/and more/, 500));
  terminal.keys(ENTER);
  await terminal.pause(700);
  keep('working-queued', await terminal.shows(/and more/, 500));
  model.on({ when: 'and more', reply: { say: 'More done.' } });
  think();
  await terminal.shows(/More done/);
  terminal.keys('do-think again');
  await terminal.shows(/do-think again/);
  terminal.keys(ENTER);
  await model.request('do-think again');
  await terminal.pause(800);
  terminal.keys(ESCAPE);
  await terminal.pause(1_000);
  keep('interrupted', await terminal.shows(/❯/));
  think();
  await terminal.pause(500);
  // Esc may have brought the text back into the box.
  terminal.keys('\x7f'.repeat(20));
  await terminal.pause(500);
  terminal.keys('\x0f');
  await terminal.pause(500);
  keep('transcript', await terminal.shows(/transcript/i));
  terminal.keys('\x0f');
  await terminal.pause(1_000);
  terminal.keys('do-run it');
  await terminal.shows(/do-run it/);
  terminal.keys(ENTER);
  keep('permission-bash', await terminal.shows(/Do you want to proceed/));
  await terminal.pause(1_000);
  terminal.keys(DOWN);
  keep('permission-bash-second', await terminal.shows(/❯ 2\./));
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  keep('permission-refused', await terminal.shows(/❯/));
  terminal.keys('do-edit it');
  await terminal.shows(/do-edit it/);
  terminal.keys(ENTER);
  keep('permission-write', await terminal.shows(/Do you want to create/));
  await terminal.pause(1_000);
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  terminal.keys('do-ask me');
  await terminal.shows(/do-ask me/);
  terminal.keys(ENTER);
  keep('question', await terminal.shows(/Which colour/));
  await terminal.pause(1_000);
  terminal.keys(ESCAPE);
  await terminal.pause(1_500);
  terminal.keys('/model');
  await terminal.shows(/\/model/);
  terminal.keys(ENTER);
  await terminal.pause(1_500);
  keep('menu-model', await terminal.shows(/model/i));
  await terminal.end();

  terminal = start(['--permission-mode', 'plan']);
  await terminal.shows(/❯/);
  keep('prompt-plan-mode', await terminal.shows(/plan mode/));
  terminal.keys('do-plan');
  await terminal.shows(/do-plan/);
  terminal.keys(ENTER);
  keep('plan', await terminal.shows(/proceed\?|Exit plan mode/));
  await terminal.pause(1_000);
  await terminal.end();

  terminal = start(['--permission-mode', version === '2.1.197' ? 'default' : 'manual'], cwd, { cols: 80, rows: 24 });
  keep('prompt-narrow', await terminal.shows(/❯/));
  terminal.keys(LONG);
  keep('half-typed-narrow', await terminal.shows(/here it ends/));
  terminal.keys('\x7f'.repeat(LONG.length));
  await terminal.pause(500);
  model.on({
    when: 'do-run it',
    reply: {
      tool: 'Bash',
      input: { command: `echo ${'x'.repeat(60)} && touch made-by-test`, description: 'Make a file' },
    },
    times: 1,
  });
  terminal.keys('do-run it');
  await terminal.shows(/do-run it/);
  terminal.keys(ENTER);
  keep('permission-narrow', await terminal.shows(/Do you want to proceed/));
  await terminal.end();

  terminal = start(['--dangerously-skip-permissions']);
  keep('prompt-bypass', await terminal.shows(/❯/));
  await terminal.end();
  await recordClaudeLimit(program, version, home, cwd);
  await model.stop();
  home.remove();
}

/** A subscriber whose limit is reached: the headers that the service sends then. */
async function recordClaudeLimit(program: string, version: string, home: ClaudeHome, cwd: string): Promise<void> {
  const reset = String(Math.floor(Date.now() / 1000) + 3 * 3600);
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(429, {
      'content-type': 'application/json',
      'anthropic-ratelimit-unified-status': 'rejected',
      'anthropic-ratelimit-unified-reset': reset,
      'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      'anthropic-ratelimit-unified-overage-status': 'rejected',
      'retry-after': '10800',
      'x-should-retry': 'false',
    });
    response.end(
      '{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your account\'s rate limit. Please try again later."}}',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = typeof address === 'object' && address !== null ? `http://127.0.0.1:${address.port}` : '';
  const environment = Object.fromEntries(
    Object.entries(claudeEnvironment(home, url)).filter(([name]) => name !== 'ANTHROPIC_API_KEY'),
  );
  const terminal = new DrivenTerminal({
    executable: program,
    cwd,
    environment: { ...environment, CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-test' },
  });
  await terminal.shows(/❯/);
  terminal.keys('hello');
  await terminal.shows(/hello/);
  terminal.keys(ENTER);
  keepScreen('claude', version, 'rate-limited', await terminal.shows(/limit/i, 8_000));
  await terminal.end();
  server.closeAllConnections();
  server.close();
}
