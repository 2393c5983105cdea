import { describe, expect, it } from 'vitest';
import { configurationIn } from '../../../../src/daemon/agents/codex/by-hand.ts';
import { codexProgram } from '../../../../src/daemon/agents/codex/program.ts';
import { attendedPlan } from '../../../../src/daemon/runner/attended.ts';

describe('Codex, started by hand', () => {
  it.each<[string, readonly string[], readonly string[] | undefined]>([
    ['nothing', [], []],
    ['a prompt', ['mend the tests'], []],
    ['a prompt that looks like options', ['--', '--sandbox'], []],
    ['its model', ['-m', 'gpt-5.5', 'go'], []],
    [
      'configuration',
      ['-c', 'a.b="c"', '--enable', 'x', '--config=d=e'],
      ['-c', 'a.b="c"', '--enable', 'x', '--config', 'd=e'],
    ],
    ['a session to go on with', ['resume', '--last'], []],
    ['a sandbox', ['-s', 'read-only'], undefined],
    ['a sandbox, in one word', ['--sandbox=read-only'], undefined],
    ['a profile', ['--profile', 'work'], undefined],
    ['no server', ['--no-daemon'], undefined],
    ['a server of one’s own', ['--remote', 'unix:///x'], undefined],
    ['what nobody knows', ['--new-thing'], undefined],
    ['an option without its value', ['-c'], undefined],
  ])('with %s', (_what, args, configuration) => {
    expect(configurationIn(args)).toEqual(configuration);
  });

  const plan = (...args: readonly string[]) =>
    attendedPlan({ program: codexProgram, args, cwd: '/shop', directory: '/run/1', intercom: ['intercom'], env: {} });

  it('has a server of its own, which is configured as its terminal is', () => {
    const { argv, through, files } = plan('-c', 'model="x"', 'go');
    expect(through).toEqual(['/bin/sh', '/run/1/codex.sh']);
    expect(argv).toEqual(['-C', '/shop', '-c', 'model="x"', 'go']);
    expect(files['codex.sh']).toContain(`'-c' 'model="x"' 'app-server'`);
  });

  it('is started as it is where that could change what its person says', () => {
    expect(plan('-s', 'read-only')).toMatchObject({ argv: ['-s', 'read-only'], files: {} });
    expect(plan('-s', 'read-only').through).toBeUndefined();
  });
});
