/** The tools that give agents work, against a scripted daemon on a real socket. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IntercomError } from '../../src/protocol/errors.ts';
import { newId } from '../../src/protocol/ids.ts';
import { LocalStart, LocalSubmit } from '../../src/protocol/local-api.ts';
import type { Mission } from '../../src/protocol/mission.ts';
import { bundle } from '../support/bundle.ts';
import { startMcp, type McpHandle } from '../support/mcp-process.ts';
import { mission, ScriptedDaemon, status } from '../support/scripted-daemon.ts';

let daemon: ScriptedDaemon;
let mcp: McpHandle;

beforeAll(async () => {
  const script = await bundle('test/support/mcp-entry.ts', 'mcp-missions');
  daemon = await ScriptedDaemon.start();
  mcp = await startMcp(script, { INTERCOM_HOME: daemon.home });
}, 30_000);
beforeEach(() => daemon.reset());
afterAll(async () => {
  await mcp.close();
  await daemon.stop();
});

const done = (over: Partial<Mission> = {}): Mission =>
  mission({
    state: 'completed',
    run: 1,
    result: { text: 'All 42 are green.', cut: false, isError: false, durationMs: 1200, costUsd: 0.03, turns: 4 },
    ...over,
  });

describe('intercom_start_agent', () => {
  it('seed: returns at once with the id, and says that nothing runs before a person allows it', async () => {
    daemon.on('startMission', (seen) => {
      const start = LocalStart.parse(seen.body);
      return mission({ text: start.text, machine: start.machine, project: start.project });
    });
    const begun = await mcp.call('intercom_start_agent', {
      machine: 'server',
      project: 'web',
      mission: 'run the tests',
    });
    expect(begun.isError).toBe(false);
    expect(begun.data).toMatchObject({ state: 'awaiting_approval', to: 'server/web' });
    expect(begun.text).toContain('Nothing was started yet');
    expect(daemon.count('mission')).toBe(0);
    const asked = LocalStart.parse(daemon.seen[0]?.body);
    expect(asked).toMatchObject({ machine: 'server', project: 'web', text: 'run the tests', requireApproval: 'auto' });
    expect(asked.agent).toBeUndefined();
    expect(asked.idempotencyKey).toBeDefined();
  });

  it('seed: a program is no agent; the refusal names those that there are', async () => {
    daemon.on('startMission', () => {
      throw new IntercomError('unknown_agent', 'server knows no agent called "/bin/sh -c".', {
        next: 'On server there are: claude, codex.',
      });
    });
    const args = { machine: 'server', project: 'web', mission: 'x', agent_command: '/bin/sh -c' };
    const refused = await mcp.call('intercom_start_agent', args);
    expect(refused.isError).toBe(true);
    expect(refused.text).toContain('claude, codex');
    expect(LocalStart.parse(daemon.seen[0]?.body).agent).toBe('/bin/sh -c');
  });

  it('a denial is an error that must not be tried again', async () => {
    daemon.on('startMission', () => mission({ state: 'denied', reason: 'forbidden by policy (rule 1)' }));
    const denied = await mcp.call('intercom_start_agent', { machine: 'server', project: 'web', mission: 'x' });
    expect(denied.isError).toBe(true);
    expect(denied.error).toMatchObject({ code: 'denied_by_policy', retry: false });
  });
});

describe('intercom_wait, intercom_status and intercom_history', () => {
  it('wait for the end, and give the result as the agent gave it', async () => {
    const begun = mission({ state: 'running', run: 1 });
    let asked = 0;
    daemon.on('mission', () => {
      asked += 1;
      return asked < 3 ? begun : done({ id: begun.id });
    });
    const over = await mcp.call('intercom_wait', { mission_id: begun.id, timeout: 60 });
    expect(over.data).toMatchObject({
      state: 'completed',
      result: { text: 'All 42 are green.', is_error: false, turns: 4 },
    });
    expect(over.text).toContain('All 42 are green.');
    const slices = daemon.seen.filter((seen) => seen.query.has('unless'));
    expect(slices[0]?.query.get('unless')).toContain('running');
    expect(slices[0]?.query.get('unless')).not.toContain('completed');
  });

  it('an end that is an error by the word of the agent is told as one, whatever its text looks like', async () => {
    const result = { text: 'fine', cut: false, isError: true, durationMs: 1 };
    daemon.on('mission', () => done({ result }));
    const { data, text } = await mcp.call('intercom_status', { mission_id: newId('mission') });
    expect(data).toMatchObject({ result: { is_error: true } });
    expect(text).toContain('says that it failed');
  });

  it('a long result is read in pages', async () => {
    const text = `${'x'.repeat(16_000)}the end`;
    daemon.on('mission', () => done({ result: { text, cut: false, isError: false, durationMs: 1 } }));
    const first = await mcp.call('intercom_status', { mission_id: newId('mission') });
    expect(first.text).toContain('offset 16000');
    const rest = await mcp.call('intercom_status', { mission_id: newId('mission'), offset: 16_000 });
    expect(rest.data).toMatchObject({ result: { text: 'the end' } });
  });

  it('the log is read from its newest entries on, and says what is not there', async () => {
    daemon.on('mission', () => mission({ state: 'running', run: 1, logSeq: 120 }));
    daemon.on('missionLog', (seen) => ({
      entries: [
        { seq: 118, run: 1, at: '2026-01-02T03:04:05.678Z', kind: 'tool', label: 'Edit src/app.ts', ok: true },
        { seq: 119, run: 1, at: '2026-01-02T03:04:05.678Z', kind: 'command', label: 'npm test', ok: false },
      ],
      missing: Number(seen.query.get('after')) === 70 ? 47 : 0,
      more: false,
      state: 'running',
    }));
    const log = await mcp.call('intercom_history', { mission_id: newId('mission') });
    expect(log.text).toContain('47 entries before these');
    expect(log.text).toContain('command: npm test (failed)');
    expect(log.data).toMatchObject({
      entries: [
        { n: 118, label: 'Edit src/app.ts' },
        { n: 119, ok: false },
      ],
    });
  });
});

describe('intercom_cancel and intercom_inspect', () => {
  it('end a mission, or take a message back', async () => {
    daemon.on('cancelMission', () =>
      mission({ state: 'running', run: 1, reason: 'server is asked to end it: enough' }),
    );
    const ended = await mcp.call('intercom_cancel', { mission_id: newId('mission'), reason: 'enough' });
    expect(ended.text).toContain('server is asked to end it');
    daemon.on('cancel', () => status({ state: 'cancelled' }));
    expect((await mcp.call('intercom_cancel', { mission_id: newId('message') })).text).toContain('is cancelled');
    expect((await mcp.call('intercom_cancel', { mission_id: 'thr_x' })).error).toMatchObject({
      code: 'invalid_request',
    });
  });

  it('look at the screen, marked as what another agent wrote', async () => {
    const at = '2026-01-02T03:04:05.678Z';
    daemon.on('inspectMission', () => ({ session: 'sess-1', state: 'working', at, lines: ['$ npm test', 'ok 41'] }));
    const look = await mcp.call('intercom_inspect', { mission_id: newId('mission') });
    expect(look.text).toContain('ok 41');
    expect(look.data).toMatchObject({ state: 'working', lines: ['$ npm test', 'ok 41'] });
  });
});

it('intercom_ask says whether an agent may be started to answer', async () => {
  daemon.on('submit', () => status({ state: 'held' }));
  daemon.on('message', () => status({ state: 'denied', reason: 'no' }));
  await mcp.call('intercom_ask', { to: 'server/web', message: 'how many?', timeout: 1 });
  await mcp.call('intercom_ask', { to: 'server/web', message: 'how many?', timeout: 1, launch: 'never' });
  const asked = daemon.seen
    .filter((seen) => seen.route === 'submit')
    .map((seen) => LocalSubmit.parse(seen.body).launch);
  expect(asked).toEqual(['auto', 'never']);
});
