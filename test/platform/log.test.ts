/** What reaches the log: secrets never, the code of an error always. Real processes, because the log writes to the real stderr. */
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';

async function logged(line: string): Promise<unknown> {
  const program = `import { createLog } from './src/platform/log.ts'; const log = createLog({ level: 'info', name: 'test' }); ${line}`;
  const { stderr } = await execa(
    'npx',
    ['--no-install', 'esbuild', '--bundle', '--format=esm', '--platform=node', '--packages=external'],
    {
      input: program,
      stdin: 'pipe',
    },
  ).then(({ stdout }) => execa(process.execPath, ['--input-type=module', '-e', stdout], { reject: false }));
  const value: unknown = JSON.parse(stderr.split('\n')[0] ?? '');
  return value;
}

describe('the log', () => {
  it('has no secret, wherever a known field of one stands', async () => {
    const line = await logged(
      "log.info({ token: 't0p', code: 's1gn', request: { authorization: 'Bearer x', deep: { key: 'k3y', code: 'c0de' } } }, 'hello');",
    );
    expect(JSON.stringify(line)).not.toMatch(/t0p|s1gn|Bearer x|k3y|c0de/);
  });

  it('keeps the code of an error, also of its cause', async () => {
    const line = await logged(
      "const cause = Object.assign(new Error('no file'), { code: 'ENOENT' }); log.error({ err: Object.assign(new Error('start failed', { cause }), { code: 'EFAIL' }) }, 'x');",
    );
    expect(line).toMatchObject({ err: { errorCode: 'EFAIL' } });
    expect(JSON.stringify(line)).toContain('no file');
  });
});
