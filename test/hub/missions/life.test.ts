/** Missions through the hub's core: asked for, decided, handed to a machine, reported, ended, gone on with. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mission } from '../../../src/protocol/mission.ts';
import { OPERATOR, sessionOf, TestHub, VIEWER } from '../../support/hub-core.ts';

const LAUNCHES_PASS = 'rules: [{ type: start_agent, approval: never }]';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app'], [sessionOf('sess-lap1')]);
  await hub.machine('server', ['app', 'web']);
});
afterEach(() => hub.close());

const operatorStart = (more: object = {}): Promise<Mission> =>
  hub.core.missions.startFromOperator(OPERATOR, {
    machine: 'server',
    project: 'app',
    text: 'tidy up',
    flags: [],
    isolation: 'none',
    limits: {},
    ...more,
  });

const refusal = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'it was taken',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );

/** A mission that runs on the server with a session. */
async function running(): Promise<Mission> {
  const mission = await operatorStart();
  await hub.untilMission(mission.id, (one) => one.place === 'server');
  await hub.report('server', mission, { state: 'starting' });
  await hub.report('server', mission, { state: 'running', session: 'sess-mis1' });
  await hub.core.registry.sessionsChanged('server', [{ ...sessionOf('sess-mis1'), mission: mission.id }]);
  return hub.core.missions.get(mission.id);
}

describe('asking for a mission', () => {
  it('an agent asks, a person sees everything and allows, the machine gets it', async () => {
    const mission = await hub.start('laptop', {
      fromSession: 'sess-lap1',
      flags: ['--model', 'x'],
      isolation: 'worktree',
    });
    expect(mission).toMatchObject({
      state: 'awaiting_approval',
      requestedBy: 'laptop/app#sess-lap1',
      machine: 'server',
      agent: 'claude',
      runtime: 'terminal',
      depth: 1,
      run: 0,
    });
    const [approval] = await hub.pending();
    expect(approval?.subject).toMatchObject({
      kind: 'launch',
      missionId: mission.id,
      from: 'laptop/app#sess-lap1',
      to: 'server/app',
      agent: 'claude',
      path: '/home/x/app',
      flags: ['--model', 'x'],
      isolation: 'worktree',
      body: 'count the files',
    });
    // Flags were chosen by the asker: nobody allows them for ever.
    expect(approval?.scopes).toEqual(['once']);
    await hub.allow(approval);
    const placed = await hub.untilMission(mission.id, (one) => one.place === 'server');
    expect(placed).toMatchObject({ state: 'queued', run: 1, approvedBy: 'bob' });
    expect(hub.daemons.get('server')?.missions).toMatchObject([
      {
        missionId: mission.id,
        run: 1,
        approval: 'approved by bob',
        depth: 1,
        spec: { agent: 'claude', text: 'count the files' },
      },
    ]);
  });

  it('seed: the call does not wait for the approval, and a No leaves nothing behind', async () => {
    const mission = await hub.start('laptop');
    const [approval] = await hub.pending();
    await hub.deny(approval, 'not today');
    expect(await hub.core.missions.get(mission.id)).toMatchObject({
      state: 'denied',
      reason: 'denied by bob: not today',
      run: 0,
    });
    await hub.settled();
    expect(hub.daemons.get('server')?.missions).toEqual([]);
  });

  it('time that runs out is no', async () => {
    const mission = await hub.start('laptop');
    await hub.advance(25 * 3600_000);
    expect((await hub.core.missions.get(mission.id)).state).toBe('denied');
  });

  it('seed: what can never run is refused before anybody is asked', async () => {
    expect(await refusal(hub.start('laptop', { machine: 'nowhere' }))).toBe('unknown_machine');
    expect(await refusal(hub.start('laptop', { project: 'nothing' }))).toBe('unknown_project');
    expect(await refusal(hub.start('laptop', { agent: '/bin/sh' }))).toBe('unknown_agent');
    expect(await refusal(operatorStart({ agent: 'codex' }))).toBe('unknown_agent');
    await hub.hello('server', ['app'], [], {
      agents: [{ name: 'claude', runtimes: ['headless'], problem: 'not signed in' }],
    });
    expect(await refusal(operatorStart())).toBe('unknown_agent');
    await hub.hello('server', ['app'], [], { agents: [{ name: 'claude', version: '2', runtimes: ['headless'] }] });
    expect(await refusal(operatorStart({ runtime: 'terminal' }))).toBe('invalid_request');
    expect((await operatorStart()).runtime).toBe('headless');
    expect(await hub.pending()).toEqual([]);
  });

  it('a limit that the agent cannot be held to: another runtime, or refused before anybody is asked', async () => {
    const claude = { name: 'claude', version: '2', runtimes: ['terminal', 'headless'] } as const;
    const cannotHold = [{ runtime: 'terminal', limit: 'maxBudgetUsd' }] as const;
    await hub.hello('server', ['app'], [], {
      agents: [{ ...claude, runtimes: [...claude.runtimes], cannotHold: [...cannotHold] }],
    });
    const limits = { maxBudgetUsd: 2 };
    expect((await operatorStart({ limits })).runtime).toBe('headless');
    expect((await operatorStart()).runtime).toBe('terminal');
    expect(await refusal(operatorStart({ limits, runtime: 'terminal' }))).toBe('invalid_request');
    expect(await hub.pending()).toEqual([]);
  });

  it('policy: deny forbids it, also to a person; never lets it pass; a rule for everything does not', async () => {
    hub.policy('rules: [{ type: start_agent, to: "server/*", approval: deny, label: no }]');
    const denied = await hub.start('laptop');
    expect([denied.state, denied.reason]).toEqual(['denied', 'forbidden by policy (rule 1 "no" (policies.yml:1))']);
    expect((await operatorStart()).state).toBe('denied');
    hub.policy(LAUNCHES_PASS);
    const passed = await hub.start('laptop');
    expect([passed.state, passed.rule]).toEqual(['queued', 'rule 1 (policies.yml:1)']);
    expect((await hub.start('laptop', { requireApproval: 'always' })).state).toBe('awaiting_approval');
    for (const rules of [
      'rules: [{ from: "**", to: "**", approval: never }]',
      'defaults: { require_approval: never }',
    ]) {
      hub.policy(rules);
      expect((await hub.start('laptop')).state).toBe('awaiting_approval');
    }
  });

  it('seed: a grant for messages never lets a launch pass; one for launches only the same pair and the plain agent', async () => {
    await hub.send('laptop', { to: 'server/app' });
    await hub.allow((await hub.pending())[0], 'always');
    const first = await hub.start('laptop');
    expect(first.state).toBe('awaiting_approval');
    const card = (await hub.pending()).find((one) => one.kind === 'launch');
    expect(card?.scopes).toEqual(['once', 'always']);
    await hub.allow(card, 'always');
    const granted = await hub.start('laptop');
    expect([granted.state, granted.rule?.slice(0, 10)]).toEqual(['queued', 'grant grn_']);
    expect((await hub.start('laptop', { project: 'web' })).state).toBe('awaiting_approval');
    expect((await hub.start('laptop', { flags: ['--yolo'] })).state).toBe('awaiting_approval');
    expect((await hub.start('server', { machine: 'server' })).state).toBe('awaiting_approval');
    expect((await hub.send('laptop', { to: 'server/web' })).state).toBe('held');
  });

  it('a session grant holds for that session, a mission grant for that mission', async () => {
    await hub.start('laptop', { fromSession: 'sess-lap1' });
    await hub.allow((await hub.pending())[0], 'session');
    expect((await hub.start('laptop', { fromSession: 'sess-lap1' })).state).toBe('queued');
    expect((await hub.start('laptop')).state).toBe('awaiting_approval');
    const parent = await running();
    const ask = { machine: 'laptop', fromSession: 'sess-mis1' };
    expect(await hub.start('server', ask)).toMatchObject({ state: 'awaiting_approval', parent: parent.id });
    const card = (await hub.pending()).find((one) => one.subject.kind === 'launch' && one.subject.to === 'laptop/app');
    await hub.allow(card, 'mission');
    expect((await hub.start('server', ask)).state).toBe('queued');
    expect((await hub.start('server', { machine: 'laptop', fromSession: 'sess-else' })).state).toBe(
      'awaiting_approval',
    );
  });

  it('a repeat of the idempotency key gives the first, whatever else it says', async () => {
    const first = await hub.start('laptop', { idempotencyKey: 'k1' });
    expect((await hub.start('laptop', { idempotencyKey: 'k1', text: 'other' })).id).toBe(first.id);
    expect(await hub.pending()).toHaveLength(1);
  });

  it('seed: agents cannot start agents without end', async () => {
    hub.policy(LAUNCHES_PASS);
    const chain = async (session: string): Promise<Mission> => {
      const mission = await hub.start('server', { fromSession: session });
      await hub.untilMission(mission.id, (one) => one.place === 'server');
      await hub.report('server', mission, { state: 'running', session: `${session}x` });
      return mission;
    };
    expect((await chain('sess-1')).depth).toBe(1);
    expect((await chain('sess-1x')).depth).toBe(2);
    expect((await chain('sess-1xx')).depth).toBe(3);
    expect(await refusal(chain('sess-1xxx'))).toBe('limit_reached');
    // Hiding the session gains nothing: the deepest mission of the project counts.
    expect(await refusal(hub.start('server', {}))).toBe('limit_reached');
  });

  it('seed: one agent cannot fill the mesh with missions', async () => {
    hub.policy(LAUNCHES_PASS);
    for (let n = 0; n < 10; n += 1) await hub.start('laptop');
    expect(await refusal(hub.start('laptop'))).toBe('limit_reached');
    expect((await operatorStart()).state).toBe('queued');
  });

  it('seed: a loop of requests is stopped, also of those that policy denies', async () => {
    hub.policy('rules: [{ type: start_agent, approval: deny }]');
    for (let n = 0; n < 30; n += 1) await hub.start('laptop');
    expect(await refusal(hub.start('laptop'))).toBe('limit_reached');
    expect((await hub.start('laptop', { fromProject: 'web' })).state).toBe('denied');
  });

  it('a viewer starts nothing', async () => {
    expect(
      await refusal(
        hub.core.missions.startFromOperator(VIEWER, {
          ...{ machine: 'server', project: 'app', text: 'x', flags: [], isolation: 'none', limits: {} },
        }),
      ),
    ).toBe('forbidden');
  });
});

describe('a mission on its machine', () => {
  it('moves as its machine says, and keeps the result', async () => {
    const mission = await running();
    expect(mission).toMatchObject({ state: 'running', place: 'server', session: 'sess-mis1' });
    expect(await hub.report('server', mission, { state: 'waiting_human', reason: 'permission: Bash' })).toBe('applied');
    expect(await hub.report('server', mission, { state: 'waiting_human', reason: 'permission: Bash' })).toBe('known');
    await hub.report('server', mission, { state: 'running' });
    const result = { text: 'Errors were found, all fixed.', cut: false, isError: false, durationMs: 5, exitCode: 0 };
    await hub.report('server', mission, { state: 'completed', result });
    const done = await hub.core.missions.get(mission.id);
    expect(done).toMatchObject({
      state: 'completed',
      result: { text: 'Errors were found, all fixed.', isError: false },
    });
    expect(done.reason).toBeUndefined();
    expect(done.endedAt).toBeDefined();
    expect(await hub.report('server', mission, { state: 'running' })).toBe('stale');
  });

  it('hears only the machine that has it, and only the run that counts', async () => {
    const mission = await running();
    expect(await hub.report('laptop', mission, { state: 'completed' })).toBe('unknown_mission');
    expect(await hub.report('server', mission, { state: 'completed', run: 7 })).toBe('stale');
    await hub.report('server', mission, { state: 'paused' });
    await hub.core.missions.resume(OPERATOR, mission.id, 'and now?');
    expect(await hub.report('server', mission, { state: 'failed' })).toBe('stale');
    expect((await hub.core.missions.get(mission.id)).state).toBe('queued');
  });

  it('waits for a machine that is away, and says since when', async () => {
    hub.daemons.get('server')?.away();
    await hub.advance(120_000);
    const mission = await operatorStart();
    expect([mission.state, mission.place]).toEqual(['queued', 'hub']);
    expect(mission.reason).toContain('server is away since');
    hub.daemons.get('server')?.back();
    await hub.beat('server');
    const placed = await hub.untilMission(mission.id, (one) => one.place === 'server');
    expect(placed.reason).toBeUndefined();
  });

  it('fails with the reason when its machine will never take it', async () => {
    const mission = await hub.start('laptop');
    hub.daemons.get('server')?.refuses.set(mission.id, 'no such thing here');
    await hub.allow((await hub.pending())[0]);
    const failed = await hub.untilMission(mission.id, (one) => one.state === 'failed');
    expect(failed.reason).toBe('server refused it: no such thing here');
  });

  it('is not handed over twice when the answer of the machine was lost, nor by a restart of the hub', async () => {
    const daemon = hub.daemons.get('server');
    if (daemon !== undefined) daemon.losesAnswers = 1;
    const mission = await operatorStart();
    await daemon?.until(() => daemon.missions.length === 1);
    await hub.restart();
    await hub.beat('server');
    await hub.untilMission(mission.id, (one) => one.place === 'server');
    expect(daemon?.missions).toHaveLength(1);
  });
});

describe('ending, pausing, going on', () => {
  it('cancel: what no machine has ends at once; its approval goes with it', async () => {
    const waiting = await hub.start('laptop');
    expect((await hub.core.missions.cancel(waiting.id, { machineId: 'laptop' }, undefined)).state).toBe('cancelled');
    expect(await hub.pending()).toEqual([]);
    hub.daemons.get('server')?.away();
    await hub.advance(120_000);
    const queued = await operatorStart();
    await hub.settled();
    const ended = await hub.core.missions.cancel(queued.id, OPERATOR, 'changed my mind');
    expect([ended.state, ended.reason]).toEqual(['cancelled', 'changed my mind']);
    hub.daemons.get('server')?.back();
    await hub.beat('server');
    const other = await operatorStart();
    await hub.untilMission(other.id, (one) => one.place === 'server');
    expect(hub.daemons.get('server')?.missions.map((one) => one.missionId)).toEqual([other.id]);
  });

  it('cancel of what runs asks its machine, which says what became of it', async () => {
    const mission = await running();
    const asked = await hub.core.missions.cancel(mission.id, OPERATOR, undefined);
    expect(asked).toMatchObject({ state: 'running', reason: 'server is asked to end it: cancelled by bob' });
    const daemon = hub.daemons.get('server');
    await daemon?.until(() => daemon.stored.some((item) => item.item === 'mission_stop'));
    expect(daemon?.stored.at(-1)).toMatchObject({
      item: 'mission_stop',
      missionId: mission.id,
      run: 1,
      how: 'cancel',
      by: 'bob',
    });
    await hub.report('server', mission, { state: 'cancelled', reason: 'ended by bob' });
    expect((await hub.core.missions.get(mission.id)).state).toBe('cancelled');
    expect(await refusal(hub.core.missions.pause(OPERATOR, mission.id, undefined))).toBe('conflict');
  });

  it('only who asked for it, or a person, ends it; a machine sees only its own', async () => {
    const mission = await running();
    expect(await refusal(hub.core.missions.cancel(mission.id, { machineId: 'server' }, undefined))).toBe('forbidden');
    expect(await refusal(hub.core.missions.cancel(mission.id, { machineId: 'laptop' }, undefined))).toBe(
      'unknown_mission',
    );
    expect(await refusal(hub.core.missions.get(mission.id, { machineId: 'laptop' }))).toBe('unknown_mission');
    expect((await hub.core.missions.list({ limit: 9 }, { machineId: 'laptop' })).missions).toEqual([]);
    expect(await refusal(hub.core.missions.cancel(mission.id, VIEWER, undefined))).toBe('forbidden');
  });

  it('pause keeps the conversation; resume goes on with it in a new run', async () => {
    const mission = await running();
    await hub.core.missions.pause(OPERATOR, mission.id, undefined);
    await hub.report('server', mission, { state: 'paused' });
    const again = await hub.core.missions.resume(OPERATOR, mission.id, 'go on with the tests');
    expect(again).toMatchObject({ state: 'queued', run: 2, place: 'hub' });
    const daemon = hub.daemons.get('server');
    await daemon?.until(() => daemon.missions.length === 2);
    expect(daemon?.missions[1]).toMatchObject({
      run: 2,
      resume: { session: 'sess-mis1', text: 'go on with the tests', fork: false },
    });
    expect(await refusal(hub.core.missions.resume(OPERATOR, mission.id, undefined))).toBe('conflict');
  });

  it('rerun is a new mission of the same text; fork goes on in a copy of the conversation', async () => {
    const mission = await running();
    const rerun = await hub.core.missions.rerun(OPERATOR, mission.id);
    expect(rerun).toMatchObject({ from: mission.id, text: 'tidy up', state: 'queued', run: 1 });
    const fork = await hub.core.missions.fork(OPERATOR, mission.id, 'try another way');
    const daemon = hub.daemons.get('server');
    await daemon?.until(() => daemon.missions.length === 3);
    expect(daemon?.missions[2]).toMatchObject({ missionId: fork.id, resume: { session: 'sess-mis1', fork: true } });
    expect(await refusal(hub.core.missions.fork(OPERATOR, rerun.id, undefined))).toBe('conflict');
  });

  it('send is a message into its session, in its thread', async () => {
    const early = await operatorStart();
    expect(await refusal(hub.core.missions.send(OPERATOR, early.id, 'hello'))).toBe('conflict');
    const mission = await running();
    const status = await hub.core.missions.send(OPERATOR, mission.id, 'how far are you?');
    expect(status).toMatchObject({ threadId: mission.threadId, to: 'server/app#sess-mis1', state: 'queued' });
    const daemon = hub.daemons.get('server');
    await daemon?.until(() => daemon.messages.length === 1);
    expect(daemon?.messages[0]).toMatchObject({ session: 'sess-mis1', body: 'how far are you?', from: 'human:bob' });
    await hub.send('server', { fromSession: 'sess-mis1', kind: 'reply', threadId: mission.threadId, body: 'half' });
    const { messages } = await hub.core.messaging.thread(mission.threadId, { limit: 10 });
    expect(messages.map((one) => one.body)).toEqual(['how far are you?', 'half']);
  });

  it('wait returns when the state leaves those that are waited out, or at its time', async () => {
    const mission = await running();
    const signal = new AbortController().signal;
    const waiting = hub.core.missions.wait(mission.id, {
      unless: ['running', 'waiting_human'],
      waitMs: 20_000,
      signal,
    });
    await hub.report('server', mission, { state: 'waiting_human' });
    await hub.report('server', mission, { state: 'completed' });
    expect((await waiting).state).toBe('completed');
  });
});

describe('what machines have, and what the hub thinks they have', () => {
  it('a run that its machine no longer knows is lost; what is still on its way is not', async () => {
    const mission = await running();
    hub.daemons.get('server')?.away();
    const other = await operatorStart();
    await hub.advance(60_000);
    await hub.hello('server', ['app'], []);
    expect(await hub.core.missions.get(mission.id)).toMatchObject({ state: 'lost' });
    expect((await hub.core.missions.get(other.id)).state).toBe('queued');
    // It is there after all.
    await hub.hello('server', ['app'], [], { missions: [{ id: mission.id, run: 1, state: 'running' }] });
    expect((await hub.core.missions.get(mission.id)).state).toBe('running');
  });

  it('a hello that was under way while a run was acknowledged loses nothing: the machine is asked again', async () => {
    const mission = await running();
    await hub.hello('server', ['app'], []);
    expect((await hub.core.missions.get(mission.id)).state).toBe('running');
    expect((await hub.beat('server')).resync).toBe(true);
    await hub.advance(16_000);
    await hub.hello('server', ['app'], []);
    expect((await hub.core.missions.get(mission.id)).state).toBe('lost');
    expect((await hub.beat('server')).resync).toBe(false);
  });

  it('a revoked machine loses what it runs, and what it asked for is void', async () => {
    const mission = await running();
    const asked = await hub.start('server', { machine: 'laptop' });
    await hub.core.registry.revoke({ operator: { name: 'ada', role: 'owner' }, via: 'web' }, 'server');
    expect(await hub.core.missions.get(mission.id)).toMatchObject({
      state: 'lost',
      reason: 'server was revoked by ada',
    });
    expect((await hub.core.missions.get(asked.id)).state).toBe('cancelled');
    expect(await hub.pending()).toEqual([]);
    expect(await refusal(operatorStart())).toBe('revoked');
  });
});
