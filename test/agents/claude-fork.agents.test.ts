/** A fork works in a worktree of its own, and Claude Code finds its sessions by directory: does it find the one to copy from there? */
import { mkdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import { ScriptedModel } from './scripted-model.ts';

describe.each(CLAUDE_VERSIONS)('Claude Code %s', (version) => {
  const command = claudeProgram(version);
  let home: ClaudeHome;
  let model: ScriptedModel;
  beforeAll(async () => {
    home = new ClaudeHome('fork');
    model = await ScriptedModel.start();
    model.on({ when: /./, reply: { say: 'DONE' } });
  });
  afterAll(async () => {
    await model.stop();
    home.remove();
  });

  it.skipIf(command === undefined)('copies a conversation into a worktree of the same repository', async () => {
    const work = join(home.path, 'work');
    home.trust(work);
    mkdirSync(work, { recursive: true });
    const git = (...args: string[]) =>
      execa('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd: work });
    await git('init', '-q');
    await git('commit', '-q', '--allow-empty', '-m', 'first');
    await git('worktree', 'add', '-q', join(home.path, 'tree'));
    const tree = realpathSync(join(home.path, 'tree'));
    const run = (cwd: string, args: readonly string[]) =>
      execa(command ?? '', ['-p', '--output-format', 'json', ...args], {
        cwd,
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
      });
    const [first, second] = ['3f0c1d52-7a51-4c26-9a4e-0d8f6a1b2c01', '3f0c1d52-7a51-4c26-9a4e-0d8f6a1b2c02'];
    const begun = await run(work, ['--session-id', first, 'the word is heron']);
    expect(begun.exitCode, begun.stderr).toBe(0);
    const fork = await run(tree, ['--resume', first, '--fork-session', '--session-id', second, 'which word?']);
    expect(fork.stdout + fork.stderr).toContain(second);
    expect([fork.exitCode, fork.stderr]).toEqual([0, '']);
  });
});
