/**
 * The contract of agents, with the real opencode and a scripted model, headless behind the bridge (docs/agents-opencode.md).
 * Started from the program's own plan behind the part of a runner that it sees (run-rig.ts); nothing but the model is made up.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { opencodeProgram as program } from '../../src/daemon/agents/opencode/program.ts';
import { OpencodeModel } from './opencode-model.ts';
import { AgentRun } from './run-rig.ts';
import type { RunOptions } from './run-rig.ts';

const file = join(import.meta.dirname, 'node_modules', 'opencode-1.18.33', 'bin', 'opencode.exe');

describe.skipIf(!existsSync(file))('opencode 1.18.33, headless', () => {
  let model: OpencodeModel;
  let home: string;
  const runs: AgentRun[] = [];

  beforeAll(async () => {
    model = await OpencodeModel.start();
    home = mkdtempSync(join(tmpdir(), 'ic-opencode-'));
  });
  afterEach(async () => {
    for (const run of runs.splice(0)) await run.end();
    model.expectNoneUnknown();
  });
  afterAll(async () => {
    await model.stop();
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  });

  async function start(
    request: Omit<RunOptions['request'], 'runtime'>,
    decide?: RunOptions['decide'],
  ): Promise<AgentRun> {
    mkdirSync(request.cwd, { recursive: true });
    const provider = {
      npm: '@ai-sdk/openai-compatible',
      name: 'Test',
      options: { baseURL: `${model.url}/v1`, apiKey: 'test-key' },
      models: { m1: { name: 'M1', limit: { context: 100_000, output: 8000 } } },
    };
    const run = await AgentRun.start({
      program,
      command: [file],
      request: { runtime: 'headless', ...request },
      env: {
        HOME: home,
        OPENCODE_DISABLE_MODELS_FETCH: '1',
        OPENCODE_CONFIG_CONTENT: JSON.stringify({
          share: 'disabled',
          model: 'test/m1',
          small_model: 'test/m1',
          provider: { test: provider },
        }),
      },
      side: undefined,
      ...(decide === undefined ? {} : { decide }),
    });
    runs.push(run);
    return run;
  }

  const bash = (command: string) => ({ tool: 'bash', input: { command, description: 'test' } });
  const decision = (given: Readonly<Record<string, unknown>>) =>
    JSON.stringify({ hookSpecificOutput: { decision: given } });

  it('launch, tool, approval from afar: allowed, it runs; refused, its turn ends; a later message goes on', async () => {
    const cwd = join(home, 'work', 'afar');
    const seen: string[] = [];
    model.on({ when: 'write one', reply: bash('echo x > one.txt'), times: 1 });
    model.on({ when: 'write two', reply: bash('echo x > two.txt'), times: 1 });
    model.on({ when: ({ toolResults }) => toolResults.length > 0, reply: { say: 'One is there.' }, times: 1 });
    const run = await start({ prompt: 'write one', cwd }, (payload) => {
      seen.push(payload);
      return decision(payload.includes('one.txt') ? { behavior: 'allow' } : { behavior: 'deny', message: 'no' });
    });
    const end = await run.event('turn_ended');
    expect(end).toMatchObject({ text: 'One is there.', isError: false });
    expect(end.usage?.inputTokens).toBeGreaterThan(0);
    expect(existsSync(join(cwd, 'one.txt'))).toBe(true);
    expect(run.events.map(({ kind }) => kind).slice(0, 5)).toEqual([
      'session',
      'turn_started',
      'tool',
      'waiting',
      'tool_done',
    ]);

    let from = run.events.length;
    run.write(program.inputLine?.('write two', 'm1') ?? '');
    await run.event('tool_done', ({ ok }) => !ok, from);
    await run.event('turn_ended', undefined, from);
    expect(existsSync(join(cwd, 'two.txt'))).toBe(false);
    expect(seen).toHaveLength(2);

    model.on({ when: 'still there', reply: { say: 'Still here.' } });
    from = run.events.length;
    run.write(program.inputLine?.('still there', 'm2') ?? '');
    expect((await run.event('turn_ended', undefined, from)).text).toBe('Still here.');
    run.closeInput();
    expect(await run.exit).toBe(0);
    // Nothing of the person's: no configuration was written.
    expect(readdirSync(home)).not.toContain('opencode.json');
  });

  it('an interrupt ends the turn only, a signal ends everything; resume goes on with the same conversation', async () => {
    const cwd = join(home, 'work', 'resume');
    model.on({ when: 'remember the word sloe', reply: { say: 'I will.' } });
    const first = await start({ prompt: 'remember the word sloe', cwd });
    await first.event('turn_ended');
    const { session } = await first.event('session');
    let asked: () => void = () => undefined;
    const wasAsked = new Promise<void>((resolve) => (asked = resolve));
    model.on({
      when: 'a long one',
      times: 1,
      reply: async () => {
        asked();
        await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
        return { say: 'too late' };
      },
    });
    const from = first.events.length;
    first.write(program.inputLine?.('a long one', 'm1') ?? '');
    await wasAsked;
    first.write(program.interruptLine?.('i1') ?? '');
    expect(await first.event('turn_ended', undefined, from)).toMatchObject({ isError: true });
    first.kill('SIGTERM');
    await first.exit;

    model.on({ when: 'which one was it', reply: { say: 'Sloe.' } });
    const second = await start({ prompt: 'which one was it', cwd, resume: { session, fork: false } });
    expect((await second.event('turn_ended')).text).toBe('Sloe.');
    expect((await model.request('which one was it')).everything).toContain('remember the word sloe');
    expect(second.events.filter(({ kind }) => kind === 'text')).toHaveLength(1);
  });
});
