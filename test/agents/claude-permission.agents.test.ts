/** Permission requests of sessions that their person started: the installed command hook, the desk behind it, the dialog at the terminal. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/protocol/ids.ts';
import type { Decision } from '../../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, ClaudeSession } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { DaemonRig } from './daemon-rig.ts';
import { until } from './mission-rig.ts';
import { ScriptedModel } from './scripted-model.ts';

const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };
const TIME = 120_000;
const DIALOG = /Do you want to proceed/;

let model: ScriptedModel;
let home: ClaudeHome;
let rig: DaemonRig;
let session: ClaudeSession | undefined;
let done: string;

beforeEach(async () => {
  model = await ScriptedModel.start();
  home = new ClaudeHome();
  home.trust(join(home.path, 'shop'));
  done = join(home.path, 'shop', 'done');
  rig = await DaemonRig.start(home);
  await rig.installHooks();
});

afterEach(async () => {
  await session?.end();
  await rig.stop();
  await model.stop();
  home.remove();
});

/** A session whose model asks for one command, and asks again when it is told so; resolves when the dialog is open and the hub has it. */
async function asked(version: ClaudeVersion): Promise<ClaudeSession> {
  const command = `sh -c "touch '${done}'; echo touch-over"`;
  const touch = { tool: 'Bash', input: { command, description: 'touch' } };
  model.on({ when: /touch-over|Denied by/, reply: { say: 'WENT ON' } });
  model.on({ when: 'please touch', times: 1, reply: touch });
  model.on({ when: 'once more', times: 1, reply: touch });
  const args = ['--permission-mode', MANUAL[version]];
  session = await ClaudeSession.start({ home, version, cwd: join(home.path, 'shop'), modelUrl: model.url, args });
  await session.prompt('please touch');
  await session.shows(DIALOG);
  const raised = await until(() => rig.hub.raised[0]);
  expect(raised.subject).toMatchObject({
    agent: 'claude',
    tool: 'Bash',
    input: `${command}\n\ndescription: touch`,
    intent: 'touch',
    cwd: join(home.path, 'shop'),
  });
  return session;
}

function decide(state: 'allowed' | 'denied', more: Partial<Decision> = {}, ref = rig.hub.raised[0]?.ref): void {
  const verdict = state === 'allowed' ? 'allow' : 'deny';
  const at = new Date().toISOString();
  rig.desk.decided({
    item: 'decision',
    ref: ref ?? '',
    approvalId: newId('approval'),
    state,
    decision: { verdict, scope: 'once', by: 'gilles', via: 'web', at, ...more },
  });
}

describe.each(CLAUDE_VERSIONS)('Claude Code %s', (version) => {
  it(
    'an Allow from afar closes the dialog at the terminal',
    async () => {
      const terminal = await asked(version);
      decide('allowed');
      await terminal.shows(/WENT ON/);
      expect(existsSync(done)).toBe(true);
      expect(rig.hub.closed).toEqual([]);
    },
    TIME,
  );

  it(
    'an answer at the terminal closes the card',
    async () => {
      const terminal = await asked(version);
      await terminal.answer('Enter', DIALOG);
      await terminal.shows(/WENT ON/);
      expect(existsSync(done)).toBe(true);
      expect(await until(() => rig.hub.closed[0])).toMatchObject({
        outcome: 'answered_elsewhere',
        reason: 'at the terminal',
      });
      expect(rig.desk.dialogs()).toEqual([]);
    },
    TIME,
  );

  it(
    'Esc at the terminal is a refusal there',
    async () => {
      const terminal = await asked(version);
      await terminal.answer('Escape', DIALOG);
      expect(await until(() => rig.hub.closed[0])).toMatchObject({ outcome: 'answered_elsewhere', verdict: 'deny' });
      expect(existsSync(done)).toBe(false);
    },
    TIME,
  );

  it(
    'a Deny from afar: the agent reads by whom and why, and goes on',
    async () => {
      const terminal = await asked(version);
      decide('denied', { reason: '今天不行' });
      await terminal.shows(/WENT ON/);
      expect((await model.request(/Denied by/)).news).toContain('Denied by gilles: 今天不行');
      expect(existsSync(done)).toBe(false);
    },
    TIME,
  );

  it(
    'one of its own suggestions: it is not asked about that again, as after the same answer at the terminal',
    async () => {
      const terminal = await asked(version);
      const subject = rig.hub.raised[0]?.subject;
      const suggestions = subject?.kind === 'tool' ? subject.suggestions : [];
      const always = suggestions.findIndex((words) => words.startsWith('Always allow Bash('));
      expect(always).toBeGreaterThanOrEqual(0);
      decide('allowed', { suggestion: always });
      await terminal.shows(/WENT ON/);
      const before = model.requests.length;
      await terminal.prompt('once more');
      await model.request(/touch-over/, before);
      expect(rig.hub.raised).toHaveLength(1);
    },
    TIME,
  );

  it(
    'two at once do not mix: each gets its own decision',
    async () => {
      const [mine, yours] = ['mine', 'yours'].map((name) => join(home.path, `${name}.txt`));
      for (const file of [mine, yours]) writeFileSync(file ?? '', `this is ${file}`);
      const read = (file: string | undefined) => ({ tool: 'Read', input: { file_path: file } });
      model.on({ when: ({ toolResults }) => toolResults.length === 2, reply: { say: 'READ BOTH' } });
      model.on({ when: 'please read', times: 1, reply: { tools: [read(mine), read(yours)] } });
      const args = ['--permission-mode', MANUAL[version]];
      session = await ClaudeSession.start({ home, version, cwd: join(home.path, 'shop'), modelUrl: model.url, args });
      await session.prompt('please read');
      const refOf = (file: string | undefined) =>
        until(() => rig.hub.raised.find(({ subject }) => subject.kind === 'tool' && subject.input.includes(`${file}`)));
      const [first, second] = [await refOf(mine), await refOf(yours)];
      decide('denied', { reason: 'not yours' }, second.ref);
      decide('allowed', {}, first.ref);
      const { news } = await model.request(({ toolResults }) => toolResults.length === 2);
      expect(news).toContain(`this is ${mine}`);
      expect(news).not.toContain(`this is ${yours}`);
      expect(news).toContain('Denied by gilles: not yours');
      await session.shows(/READ BOTH/);
      expect(rig.hub.closed).toEqual([]);
    },
    TIME,
  );
});
