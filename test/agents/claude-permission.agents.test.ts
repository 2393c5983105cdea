/** Permission requests of sessions that their person started: the installed command hook, the desk behind it, the dialog at the terminal. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/protocol/ids.ts';
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

/** A session whose model asks for one command; resolves when the dialog is open and the hub has it. */
async function asked(version: ClaudeVersion): Promise<ClaudeSession> {
  const command = `sh -c "touch '${done}'; echo touch-over"`;
  model.on({ when: /touch-over|Denied by/, reply: { say: 'WENT ON' } });
  model.on({ when: 'please touch', times: 1, reply: { tool: 'Bash', input: { command, description: 'touch' } } });
  const args = ['--permission-mode', MANUAL[version]];
  session = await ClaudeSession.start({ home, version, cwd: join(home.path, 'shop'), modelUrl: model.url, args });
  await session.prompt('please touch');
  await session.shows(DIALOG);
  await until(() => rig.hub.raised[0]);
  return session;
}

describe.each(CLAUDE_VERSIONS)('Claude Code %s', (version) => {
  it(
    'an Allow from afar closes the dialog at the terminal',
    async () => {
      const terminal = await asked(version);
      expect(rig.hub.raised[0]?.subject).toMatchObject({ agent: 'claude', tool: 'Bash', intent: 'touch' });
      const at = new Date().toISOString();
      rig.desk.decided({
        item: 'decision',
        ref: rig.hub.raised[0]?.ref ?? '',
        approvalId: newId('approval'),
        state: 'allowed',
        decision: { verdict: 'allow', scope: 'once', by: 'gilles', via: 'web', at },
      });
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
});
