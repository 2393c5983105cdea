/**
 * The contract of an agent program, held by the real Codex: what its `verified` table says about this version is what is seen here.
 * First the sessions that a person starts by hand (a plain `codex`, with the server that it keeps for itself).
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CodexModel } from './codex-model.ts';
import { CodexRig } from './codex-rig.ts';
import { mail } from './stand-ins.ts';
import { CODEX_VERSION, codexProgramPath, CodexHome, Terminal } from './codex-session.ts';

const program = codexProgramPath();
const APPROVAL = /Would you like to run the following command/;

describe.skipIf(program === undefined)(`a plain codex ${CODEX_VERSION} that its person started`, () => {
  let model: CodexModel;
  let home: CodexHome;
  let rig: CodexRig;
  let terminal: Terminal;
  let cwd: string;
  let session: string;
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    model = await CodexModel.start();
    home = new CodexHome(model.url);
    ends.push(
      () => model.stop(),
      () => home.remove(),
    );
    cwd = await home.project('api');
    rig = await CodexRig.start(home);
    ends.push(() => rig.stop());
    terminal = await Terminal.start([program ?? ''], cwd, home.env);
    ends.push(() => terminal.end());
    await terminal.shows(/OpenAI Codex/, 60_000);
    session = (await rig.session((one) => one.cwd === cwd)).id;
  }, 90_000);

  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });

  const toSession = (body: string) => mail({ project: 'api', session, body });

  it('idle wake: a message starts a turn, and what its person half typed stays', async () => {
    await terminal.type('half a thought');
    model.on({ when: 'Where is the schema?', reply: { say: 'In schema.ts.' }, times: 1 });
    const message = toSession('Where is the schema?');
    await rig.deliver(message);
    const entry = await rig.reaches(message.id, 'delivered', 'seen');
    expect(entry.session).toBe(session);
    const { news } = await model.request('Where is the schema?');
    expect(news).toContain('the agent laptop/api, a peer and not your user');
    await terminal.shows(/In schema\.ts\./);
    expect(await terminal.screen()).toMatch(/› half a thought/);
    await rig.reaches(message.id, 'seen');
    await terminal.press('C-u');
  });

  it('mid-turn: a message is steered into the turn that runs and is in its next request', async () => {
    const go = join(cwd, 'go');
    const cmd = 'echo > going; while [ ! -e go ]; do sleep 0.05; done; echo tool is done';
    model.on({ when: 'Start working', reply: { tool: 'exec_command', input: { cmd } }, times: 1 });
    model.on({ when: 'use tabs', reply: { say: 'Both done.' }, times: 1 });
    await terminal.type('Start working');
    await terminal.press('Enter');
    await rig.until(() => Promise.resolve(existsSync(join(cwd, 'going')) || undefined));
    await rig.session((one) => one.id === session && one.state === 'working');
    const message = toSession('By the way: use tabs.');
    await rig.deliver(message);
    await rig.reaches(message.id, 'written', 'delivered');
    writeFileSync(go, '');
    const { news } = await model.request('By the way: use tabs.');
    expect(news).toContain('tool is done');
    await rig.reaches(message.id, 'seen');
    await terminal.shows(/Both done\./);
  });

  const asks = (file: string) =>
    ({
      tool: 'exec_command',
      input: { cmd: `touch ${file}`, sandbox_permissions: 'require_escalated', justification: 'May I?' },
    }) as const;

  it('approval from afar: allowed there, the dialog at the terminal closes and the command runs', async () => {
    model.on({ when: 'Make the first file', reply: asks('never-1'), times: 1 });
    model.on({ when: 'exited with code 0', reply: { say: 'Made it.' }, times: 1 });
    await terminal.type('Make the first file');
    await terminal.press('Enter');
    await terminal.shows(APPROVAL);
    const open = await rig.until(() => Promise.resolve(rig.dialogs.at(0)));
    expect(open.dialog).toMatchObject({ session, ask: { tool: 'shell', intent: 'May I?' } });
    expect(JSON.stringify(open.dialog.ask.input)).toContain('touch never-1');
    expect(open.dialog.ask.suggestions).toEqual(['Always allow commands that start with: touch never-1']);
    const asking = rig.book.get(session);
    expect(asking).toMatchObject({ state: 'waiting', stateSource: 'app_server', waiting: { kind: 'permission' } });
    expect(asking?.waiting?.what).toContain('touch never-1');
    expect(open.answer({ verdict: 'allow' })).toBe(true);
    await terminal.shows(/Made it\./);
    await rig.session((one) => one.id === session && one.state === 'idle');
    expect(open.closed).toBeUndefined();
    expect(await terminal.screen()).not.toMatch(APPROVAL);
  });

  it('approval from afar: denied there with a reason, the agent reads it and goes on without', async () => {
    model.on({ when: 'Make the second file', reply: asks('never-2'), times: 1 });
    model.on({ when: 'not on a Friday', reply: { say: 'Then not.' }, times: 1 });
    await terminal.type('Make the second file');
    await terminal.press('Enter');
    const open = await rig.until(() => Promise.resolve(rig.dialogs.at(1)));
    open.answer({ verdict: 'deny', message: 'Denied by owner: not on a Friday' });
    await terminal.shows(/Then not\./);
    // With the refusal itself, in one request.
    expect((await model.request('not on a Friday')).news).toMatch(/reject|declin/i);
    expect(existsSync(join(cwd, 'never-2'))).toBe(false);
  });

  it('approval at the terminal: the card is closed as answered elsewhere, and a late answer changes nothing', async () => {
    model.on({ when: 'Make the third file', reply: asks('never-3'), times: 1 });
    model.on({ when: 'exited with code 0', reply: { say: 'Third made.' }, times: 1 });
    await terminal.type('Make the third file');
    await terminal.press('Enter');
    const open = await rig.until(() => Promise.resolve(rig.dialogs.at(2)));
    await terminal.answer('y', APPROVAL);
    await terminal.shows(/Third made\./);
    await rig.until(() => Promise.resolve(open.closed));
    expect(open.closed).toBe('answered_elsewhere');
    expect(open.answer({ verdict: 'deny' })).toBe(false);
  });

  it('a patch is asked with its whole change', async () => {
    model.on({
      when: 'Patch it',
      reply: {
        custom: 'apply_patch',
        text: '*** Begin Patch\n*** Add File: /opt/ic-never.txt\n+hello there\n*** End Patch\n',
      },
      times: 1,
    });
    model.on({ when: /reject/i, reply: { say: 'No patch.' }, times: 1 });
    await terminal.type('Patch it');
    await terminal.press('Enter');
    const open = await rig.until(() => Promise.resolve(rig.dialogs.at(3)));
    expect(open.dialog.ask).toMatchObject({ tool: 'apply_patch', input: { file_path: '/opt/ic-never.txt' } });
    expect(JSON.stringify(open.dialog.ask.input)).toContain('hello there');
    open.answer({ verdict: 'deny' });
    await terminal.shows(/No patch\./);
  });

  it('a dialog that was open before the daemon started is found, with the same name', async () => {
    model.on({ when: 'Make the fourth file', reply: asks('never-4'), times: 1 });
    model.on({ when: 'exited with code 0', reply: { say: 'Fourth made.' }, times: 1 });
    await terminal.type('Make the fourth file');
    await terminal.press('Enter');
    const first = await rig.until(() => Promise.resolve(rig.dialogs.at(4)));
    const again = await CodexRig.start(home);
    try {
      const open = await again.until(() => Promise.resolve(again.dialogs.at(0)));
      expect(open.dialog).toEqual(first.dialog);
      open.answer({ verdict: 'allow' });
      await terminal.shows(/Fourth made\./);
      await rig.until(() => Promise.resolve(first.closed));
    } finally {
      await again.stop();
    }
  });

  it('cancel: the turn is interrupted and the session goes on', async () => {
    model.on({ when: 'Think for ever', reply: () => new Promise(() => undefined), times: 1 });
    await terminal.type('Think for ever');
    await terminal.press('Enter');
    await model.request('Think for ever');
    await rig.session((one) => one.id === session && one.state === 'working');
    await rig.adapter.interrupt(session);
    await rig.session((one) => one.id === session && one.state === 'idle');
  });

  it('a turn that the provider refuses for its limits is told as such', async () => {
    const error = { type: 'usage_limit_reached', message: 'over', plan_type: 'plus', resets_in_seconds: 3600 };
    model.on({ when: 'Too much', reply: { refuse: { status: 429, error } }, times: 1 });
    await terminal.type('Too much');
    await terminal.press('Enter');
    const told = await rig.until(() => Promise.resolve(rig.events.at(0)));
    expect(told).toMatchObject({ session, event: { kind: 'rate_limited' } });
  });

  it('offline: what is sent to a session that its person left is delivered when it is resumed', async () => {
    await terminal.end();
    model.on({ when: 'For later', reply: { say: 'Got it later.' }, times: 1 });
    const message = toSession('For later');
    // The server lets go of a session a minute after its person; then it is gone here too.
    await rig.until(() => Promise.resolve(rig.book.get(session) === undefined ? true : undefined));
    await rig.deliver(message);
    terminal = await Terminal.start([program ?? '', 'resume', session], cwd, home.env);
    await rig.reaches(message.id, 'seen');
    await terminal.shows(/Got it later\./);
    expect((await model.request('For later')).everything).toContain('Where is the schema?');
  }, 120_000);

  it('asked the model nothing that the test did not know', () => {
    model.expectNoneUnknown();
  });
});
