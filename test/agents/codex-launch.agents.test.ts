/**
 * The runs that we start, with the real Codex: in a terminal beside an app-server of their own, and headless.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codexProgram } from '../../src/daemon/agents/codex/program.ts';
import { CodexModel } from './codex-model.ts';
import { CodexRig } from './codex-rig.ts';
import { mail } from './stand-ins.ts';
import { CodexRun } from './codex-run.ts';
import { alive, CODEX_VERSION, codexProgramPath, CodexHome } from './codex-session.ts';

const program = codexProgramPath();
const APPROVAL = /Would you like to run the following command/;

describe.skipIf(program === undefined)(`codex ${CODEX_VERSION}, started by us`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let cwd: string;
  let config: string;
  const runs: CodexRun[] = [];
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    model = await CodexModel.start();
    home = new CodexHome(model.url, 'launch');
    ends.push(
      () => model.stop(),
      () => home.remove(),
    );
    cwd = await home.project('api');
    config = readFileSync(join(home.codex, 'config.toml'), 'utf8');
  });

  afterAll(async () => {
    for (const run of runs) await run.end();
    for (const end of ends.reverse()) await end();
  });

  const start = async (
    ...[runtime, options]: [
      Parameters<typeof CodexRun.start>[0],
      Omit<Parameters<typeof CodexRun.start>[1], 'home' | 'cwd'>,
    ]
  ) => {
    const run = await CodexRun.start(runtime, { home, cwd, ...options });
    runs.push(run);
    return run;
  };

  /** What the daemon reads of the runner to find the run's app-server. */
  const record = (run: CodexRun) =>
    writeFileSync(
      join(run.directory, 'record.json'),
      JSON.stringify({
        protocol: 1,
        id: run.id,
        agent: 'codex',
        runtime: 'terminal',
        cwd,
        socket: '/nowhere',
        key: 'k'.repeat(32),
        runner: { pid: process.pid, startedAt: '0' },
        agentProcess: { pid: run.pid, startedAt: '0' },
        attended: false,
        startedAt: new Date().toISOString(),
      }),
    );

  describe('in a terminal', () => {
    let rig: CodexRig;
    let run: CodexRun;
    let session: string;

    beforeAll(async () => {
      rig = await CodexRig.start(home);
      ends.push(() => rig.stop());
    });

    it('launch and hooks: the mission is its first prompt, the hooks tell session, tool and result, without a question at its terminal', async () => {
      model.on({ when: 'Mission one', reply: { tool: 'exec_command', input: { cmd: 'echo tool one' } }, times: 1 });
      model.on({ when: 'tool one', reply: { say: 'Mission one is done.' }, times: 1 });
      run = await start('terminal', { prompt: '- Mission one' });
      expect(await run.event('turn_ended')).toMatchObject({ text: 'Mission one is done.', isError: false });
      session = run.session ?? '';
      expect(run.events).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ kind: 'session', session, model: 'gpt-5.5' }),
          expect.objectContaining({ kind: 'turn_started', prompt: '- Mission one' }),
          expect.objectContaining({ kind: 'tool', label: 'Run: echo tool one', shape: 'command' }),
          expect.objectContaining({ kind: 'tool_done', ok: true }),
        ]),
      );
    });

    it('its session is found in its own app-server, as a managed one, and the user’s own server was not started', async () => {
      record(run);
      const found = await rig.session((one) => one.id === session);
      expect(found).toMatchObject({ managed: true, pid: run.pid, rung: 'app_server', state: 'idle', cwd });
      expect(found.rungNote).toBeUndefined();
      expect(existsSync(home.controlSocket)).toBe(false);
    });

    it('idle wake with half-typed text, and the message is a turn for the journal too', async () => {
      await run.terminal?.type('half a thought');
      model.on({ when: 'Say pear', reply: { say: 'pear' }, times: 1 });
      const message = mail({ project: 'api', session, body: 'Say pear' });
      await rig.deliver(message);
      await rig.reaches(message.id, 'seen');
      await run.event('turn_ended', ({ text }) => text === 'pear');
      expect(await run.terminal?.screen()).toMatch(/› half a thought/);
      await run.terminal?.press('C-u');
    });

    it('approval from afar', async () => {
      const cmd = 'touch from-afar';
      const input = { cmd, sandbox_permissions: 'require_escalated', justification: 'May I?' };
      model.on({ when: 'Ask me', reply: { tool: 'exec_command', input }, times: 1 });
      model.on({ when: 'exited with code 0', reply: { say: 'Asked and done.' }, times: 1 });
      await rig.deliver(mail({ project: 'api', session, body: 'Ask me' }));
      await run.terminal?.shows(APPROVAL);
      const open = await rig.until(() => Promise.resolve(rig.dialogs.at(0)));
      expect(open.answer({ verdict: 'allow' })).toBe(true);
      await run.event('turn_ended', ({ text }) => text === 'Asked and done.');
    });

    it('cancel: ending its process group leaves no app-server behind, and its session is gone', async () => {
      const pid = run.pid ?? 0;
      process.kill(-pid, 'SIGTERM');
      await rig.until(() => Promise.resolve(rig.book.get(session) === undefined ? true : undefined));
      await rig.until(() => Promise.resolve(groupIsGone(pid) || undefined));
      expect(alive(pid)).toBe(false);
    });

    it('resume: the same conversation goes on', async () => {
      model.on({ when: 'Go on', reply: { say: 'Going on.' }, times: 1 });
      const again = await start('terminal', { prompt: 'Go on', resume: { session, fork: false } });
      await again.event('turn_ended', ({ text }) => text === 'Going on.');
      expect(again.session).toBe(session);
      expect((await model.request('Go on')).everything).toContain('Mission one');
      await again.end();
    });
  });

  describe('headless', () => {
    let session: string;

    it('launch and tool: the lines tell session, tools, result and usage', async () => {
      model.on({ when: 'Mission two', reply: { tool: 'exec_command', input: { cmd: 'echo tool two' } }, times: 1 });
      model.on({ when: 'tool two', reply: { say: 'Mission two is done.' }, times: 1 });
      const run = await start('headless', { prompt: 'Mission two' });
      expect(await run.exit).toBe(0);
      session = run.session ?? '';
      expect(run.events).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ kind: 'tool', tool: 'shell', label: 'Run: echo tool two', shape: 'command' }),
          expect.objectContaining({ kind: 'tool_done', tool: 'shell', ok: true }),
          expect.objectContaining({
            kind: 'turn_ended',
            text: 'Mission two is done.',
            isError: false,
            usage: { inputTokens: 20, outputTokens: 10, cacheReadTokens: 0 },
          }),
        ]),
      );
      expect(run.hooks).toContain('PostToolUse');
    });

    it('mid-turn: what its hook is given after a tool is in the model’s next request', async () => {
      model.on({ when: 'Mission three', reply: { tool: 'exec_command', input: { cmd: 'echo tool three' } }, times: 1 });
      model.on({ when: 'Use tabs, says a peer', reply: { say: 'With tabs.' }, times: 1 });
      const context = {
        hookSpecificOutput: { hookEventName: 'PostToolUse', additionalContext: 'Use tabs, says a peer' },
      };
      const run = await start('headless', {
        prompt: 'Mission three',
        answer: (event) => (event === 'PostToolUse' ? Promise.resolve(JSON.stringify(context)) : undefined),
      });
      expect(await run.event('turn_ended')).toMatchObject({ text: 'With tabs.' });
      await run.exit;
    });

    it('resume and fork', async () => {
      model.on({ when: 'Second part', reply: { say: 'Second done.' }, times: 1 });
      const again = await start('headless', { prompt: 'Second part', resume: { session, fork: false } });
      expect(await again.exit).toBe(0);
      expect(again.session).toBe(session);
      expect((await model.request('Second part')).everything).toContain('Mission two');
      model.on({ when: 'Other part', reply: { say: 'Other done.' }, times: 1 });
      const fork = await start('headless', { prompt: 'Other part', resume: { session, fork: true } });
      expect(await fork.exit).toBe(0);
      expect(fork.session).not.toBe(session);
      expect((await model.request('Other part')).everything).toContain('Mission two');
    });

    it('a failure is an error by Codex’ own word, and a limit is told as one', async () => {
      const refuse = { status: 400, error: { message: 'no such model' } };
      model.on({ when: 'Mission four', reply: { refuse }, times: 1 });
      const failed = await start('headless', { prompt: 'Mission four' });
      expect(await failed.exit).toBe(1);
      expect(await failed.event('turn_ended')).toMatchObject({ isError: true, text: 'no such model' });
      const error = { type: 'usage_limit_reached', message: 'over', resets_at: Math.floor(Date.now() / 1000) + 3600 };
      model.on({ when: 'Mission five', reply: { refuse: { status: 429, error } }, times: 1 });
      const limited = await start('headless', { prompt: 'Mission five' });
      expect(await limited.exit).toBe(1);
      const told = await limited.event('rate_limited');
      expect(told.text).toContain('usage limit');
      const inMs = Date.parse(told.resetAt ?? '') - Date.now();
      expect(inMs).toBeGreaterThan(3_400_000);
      expect(inMs).toBeLessThan(3_700_000);
      expect(limited.events.some(({ kind }) => kind === 'turn_ended')).toBe(false);
    });
  });

  it('nothing of the user’s configuration was changed, and the model was asked nothing that the test did not know', () => {
    expect(readFileSync(join(home.codex, 'config.toml'), 'utf8').startsWith(config)).toBe(true);
    expect(codexProgram.parseVersion(`codex-cli ${CODEX_VERSION}\n`)).toBe(CODEX_VERSION);
    model.expectNoneUnknown();
  });
});

function groupIsGone(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return false;
  } catch {
    return true;
  }
}
