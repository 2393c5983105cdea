/** What the real programs write of their usage, read by the real scanner: the formats hold for these versions. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, describe, expect, it } from 'vitest';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import type { SessionSum } from '../../src/daemon/store/usage.ts';
import { claudeRecords } from '../../src/daemon/usage/claude-record.ts';
import { codexRecords } from '../../src/daemon/usage/codex-record.ts';
import { UsageScanner } from '../../src/daemon/usage/scanner.ts';
import type { RecordSource } from '../../src/daemon/usage/use.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import { CodexModel } from './codex-model.ts';
import { CodexHome, codexProgramPath } from './codex-session.ts';
import { ScriptedModel } from './scripted-model.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Everything that the source has, read once. */
async function sums(source: RecordSource, sessions: readonly string[]): Promise<(SessionSum | undefined)[]> {
  const directory = mkdtempSync(join(tmpdir(), 'ic-usage-'));
  const store = new DaemonStore({ file: join(directory, 'daemon.db'), clock: systemClock, log: silentLog() });
  const scanner = new UsageScanner({
    sources: [source],
    store: store.usage,
    clock: systemClock,
    log: silentLog(),
    onUse: () => undefined,
    onLimits: () => undefined,
    onProgress: () => undefined,
  });
  await scanner.sweep();
  await scanner.idle();
  const found = await Promise.all(sessions.map((session) => store.usage.session(session)));
  await scanner.stop();
  await store.close();
  rmSync(directory, { recursive: true });
  return found;
}

const [FIRST, FORK] = ['3f0c1d52-7a51-4c26-9a4e-0d8f6a1b2c01', '3f0c1d52-7a51-4c26-9a4e-0d8f6a1b2c02'];

describe.each(CLAUDE_VERSIONS)('Claude Code %s', (version) => {
  const command = claudeProgram(version);

  it.skipIf(command === undefined)('writes each answer, subagents and forks as they are read', async () => {
    const home = new ClaudeHome('usage');
    const model = await ScriptedModel.start();
    ends.push(
      () => home.remove(),
      () => model.stop(),
    );
    model.on({ when: /./, reply: { say: 'DONE' } });
    // Two blocks, so two lines with one id.
    model.on({ when: 'a tool', reply: { say: 'I will', tool: 'Bash', input: { command: 'true' } }, times: 1 });
    const input = { description: 'a part', prompt: 'a part of it', subagent_type: 'general-purpose' };
    model.on({ when: 'a subagent', reply: { tool: 'Agent', input }, times: 1 });
    const work = join(home.path, 'work');
    home.trust(work);
    const run = async (...args: string[]) => {
      const { exitCode, stdout, stderr } = await execa(
        command ?? '',
        ['-p', '--output-format', 'json', '--dangerously-skip-permissions', ...args],
        {
          cwd: work,
          extendEnv: false,
          reject: false,
          stdin: 'ignore',
          env: {
            PATH: process.env.PATH ?? '',
            HOME: home.path,
            ANTHROPIC_BASE_URL: model.url,
            ANTHROPIC_API_KEY: home.key,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
            DISABLE_AUTOUPDATER: '1',
            IS_SANDBOX: '1',
          },
        },
      );
      expect([exitCode, stderr]).toEqual([0, '']);
      return stdout;
    };
    await run('--session-id', FIRST, 'use a tool');
    await run('--resume', FIRST, 'use a subagent');
    const asked = model.requests.length;
    await run('--resume', FIRST, '--fork-session', '--session-id', FORK, 'and again');
    const [first, fork] = await sums(claudeRecords(join(home.path, '.claude')), [FIRST, FORK]);
    // Each request of the scripted model is 10 in and 5 out.
    expect(first).toMatchObject({ input: 10 * asked, output: 5 * asked, context: 15, window: 1_000_000 });
    expect(fork).toMatchObject({ input: 10, output: 5, context: 15 });
    expect(first?.costUsd).toBeGreaterThan(0);
  });
});

describe('Codex 0.169.0', () => {
  const program = codexProgramPath();

  it.skipIf(program === undefined)('writes each response, its window and its model', async () => {
    const model = await CodexModel.start();
    const home = new CodexHome(model.url, 'usage');
    ends.push(
      () => model.stop(),
      () => home.remove(),
    );
    const cwd = await home.project('shop');
    model.on({ when: /./, reply: { say: 'DONE' } });
    const run = (args: readonly string[]) =>
      execa(program ?? '', args, { cwd, env: home.env, extendEnv: false, stdin: 'ignore' });
    const { stdout } = await run(['exec', '--json', 'hello']);
    const thread = /"thread_id":"([^"]+)"/.exec(stdout)?.[1] ?? '';
    await run(['exec', 'resume', thread, '--json', 'again']);
    const [sum] = await sums(codexRecords(home.codex), [thread]);
    expect(sum).toMatchObject({ input: 20, output: 10, context: 15, window: 258_400, model: 'gpt-5.5' });
    // Its price is not in the table, and none is made up.
    expect(sum?.costUsd).toBeUndefined();
  });
});
