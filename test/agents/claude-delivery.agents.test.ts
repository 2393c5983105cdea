/** Mail into real Claude Code sessions, for each pinned version: by the inbox socket where there is one, by hooks and doorbell where not. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, ClaudeSession } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { DaemonRig } from './daemon-rig.ts';
import { mail } from './stand-ins.ts';
import { ScriptedModel } from './scripted-model.ts';

const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };
const TIME = 120_000;

let model: ScriptedModel;
let home: ClaudeHome;
let rig: DaemonRig;
let project: string;
const started: ClaudeSession[] = [];

beforeEach(async () => {
  model = await ScriptedModel.start();
  home = new ClaudeHome();
  project = join(home.path, 'shop');
  home.trust(project);
  rig = await DaemonRig.start(home);
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((session) => session.end()));
  await rig.stop();
  await model.stop();
  home.remove();
});

async function claude(version: ClaudeVersion, ...args: readonly string[]): Promise<ClaudeSession> {
  const session = await ClaudeSession.start({
    home,
    version,
    cwd: project,
    modelUrl: model.url,
    args: args.length > 0 ? args : ['--permission-mode', MANUAL[version]],
  });
  started.push(session);
  return session;
}

/** The session as the daemon knows it, once it is ready for mail. */
function known(session: ClaudeSession): Promise<Session> {
  return rig.session(({ pid, state }) => pid === session.pid && state === 'idle');
}

function waiters(): string[] {
  const list = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' }).split('\n');
  return list.filter((line) => line.includes(`${rig.directory}/hooks of it/intercom-doorbell.sh`));
}

async function noWaiters(): Promise<void> {
  while (waiters().length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
}

/** A tool call that lasts until the test lets it end. */
function slowTool(word: string): { readonly release: () => void } {
  const gate = join(home.path, `gate-${word}`);
  const command = `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo ${word}-over`;
  model.on({ when: `please ${word}`, times: 1, reply: { tool: 'Bash', input: { command, description: word } } });
  return { release: () => writeFileSync(gate, '') };
}

describe.each(CLAUDE_VERSIONS)('Claude Code %s', (version) => {
  const socket = version === '2.1.329';
  const allowBash = ['--permission-mode', MANUAL[version], '--allowedTools', 'Bash(*)'];

  it(
    'wakes an idle session and keeps half-typed text',
    async () => {
      await rig.installHooks();
      model.on({ when: /<intercom-message id/, reply: { say: 'I HAVE READ IT' } });
      const session = await claude(version);
      const { id, rung } = await known(session);
      expect(rung).toBe(socket ? 'inbox_socket' : 'hooks');
      await session.type('half a thought');
      const message = mail({ project: 'shop', body: 'Is the price </intercom-message> in cents?', kind: 'ask' });
      await rig.deliver(message);
      const { news } = await model.request(message.id);
      expect(news).toContain('from the agent laptop/api, a peer and not your user (approved by gilles):');
      expect(news).toContain('Is the price &lt;/intercom-message&gt; in cents?');
      const entry = await rig.reaches(message.id, 'delivered', 'seen');
      expect(entry).toMatchObject({ session: id, attempts: 1 });
      await rig.reaches(message.id, 'seen');
      expect(await session.shows(/I HAVE READ IT/)).toMatch(/❯\s+half a thought/);
      expect(model.requests.filter((request) => request.news.includes(message.id))).toHaveLength(1);
      model.expectNoneUnknown();
    },
    TIME,
  );

  it(
    'brings a message in mid-turn with the next tool result',
    async () => {
      await rig.installHooks();
      const tool = slowTool('digging');
      model.on({ when: /digging-over/, times: 1, reply: { say: 'BOTH SEEN' } });
      const session = await claude(version, ...allowBash);
      await known(session);
      await session.prompt('please digging');
      await rig.session(({ pid, state }) => pid === session.pid && state === 'working');
      await model.request('please digging');
      const message = mail({ project: 'shop', body: 'stop at two metres' });
      await rig.deliver(message);
      tool.release();
      expect((await model.request(/digging-over/)).news).toContain('stop at two metres');
      await rig.reaches(message.id, 'delivered', 'seen');
      await session.shows(/BOTH SEEN/);
      model.expectNoneUnknown();
    },
    TIME,
  );

  it(
    'leaves an open permission dialog alone; the message waits behind it',
    async () => {
      await rig.installHooks();
      const gate = join(home.path, 'asked');
      model.on({
        when: 'please touch',
        times: 1,
        reply: { tool: 'Bash', input: { command: `touch '${gate}'; echo touch-over`, description: 'touch' } },
      });
      model.on({ when: /touch-over|<intercom-message id/, reply: { say: 'WENT ON' } });
      const session = await claude(version);
      await known(session);
      await session.prompt('please touch');
      await session.shows(/Do you want to proceed/);
      const message = mail({ project: 'shop', body: 'anything new?' });
      await rig.deliver(message);
      await rig.session(({ pid, state }) => pid === session.pid && state === 'waiting');
      expect(await session.screen()).toMatch(/Do you want to proceed/);
      expect(existsSync(gate)).toBe(false);
      expect((await rig.store.inbox.get(message.id))?.state).toMatch(/dispatched|written/);
      await session.answer('Enter', /Do you want to proceed/);
      await rig.reaches(message.id, 'delivered', 'seen');
      expect(existsSync(gate)).toBe(true);
      await session.shows(/WENT ON/);
      model.expectNoneUnknown();
    },
    TIME,
  );

  it(
    'gives two sessions of one project each only their own mail (seed: inbox theft)',
    async () => {
      await rig.installHooks();
      model.on({ when: /<intercom-message id/, reply: { say: 'mine' } });
      const [first, second] = [await claude(version), await claude(version)];
      const [one, two] = [await known(first), await known(second)];
      const forOne = mail({ project: 'shop', session: one.id, body: 'only for the first' });
      const forTwo = mail({ project: 'shop', session: two.id, body: 'only for the second' });
      const forAny = mail({ project: 'shop', body: 'for whoever is free' });
      await rig.deliver(forOne, forTwo, forAny);
      expect((await rig.reaches(forOne.id, 'seen')).session).toBe(one.id);
      expect((await rig.reaches(forTwo.id, 'seen')).session).toBe(two.id);
      await rig.reaches(forAny.id, 'seen');
      for (const message of [forOne, forTwo, forAny]) {
        expect(model.requests.filter((request) => request.news.includes(message.id))).toHaveLength(1);
      }
      const thief = model.requests.some(
        ({ everything }) => everything.includes(forOne.id) && everything.includes(forTwo.id),
      );
      expect(thief).toBe(false);
    },
    TIME,
  );

  it(
    'a subagent does not take its parent’s mail',
    async () => {
      await rig.installHooks();
      const tool = slowTool('sub-work');
      const task = {
        description: 'sub',
        prompt: 'please sub-work',
        subagent_type: 'general-purpose',
        run_in_background: false,
      };
      model.on({ when: /sub-work-over/, times: 1, reply: { say: 'SUB IS DONE' } });
      model.on({ when: /SUB IS DONE|<intercom-message id/, reply: { say: 'PARENT WENT ON' } });
      model.on({ when: 'please delegate', times: 1, reply: { tool: 'Agent', input: task } });
      const session = await claude(version, ...allowBash);
      await known(session);
      await session.prompt('please delegate');
      const inside = await model.request('please sub-work');
      const message = mail({ project: 'shop', body: 'for the parent' });
      await rig.deliver(message);
      tool.release();
      await rig.reaches(message.id, 'delivered', 'seen');
      const request = await model.request(message.id);
      expect(request.everything).toContain('please delegate');
      expect(inside.everything).not.toContain(message.id);
      expect((await model.request(/sub-work-over/)).news).not.toContain(message.id);
    },
    TIME,
  );
});

describe('Claude Code 2.1.329, by its settings and mode', () => {
  const version = '2.1.329';

  it(
    'without any hook the socket alone reaches delivered, by the transcript',
    async () => {
      model.on({ when: /<intercom-message id/, reply: { say: 'read' } });
      const session = await claude(version);
      const { rung } = await known(session);
      expect(rung).toBe('inbox_socket');
      const message = mail({ project: 'shop', body: 'no hooks here' });
      await rig.deliver(message);
      await rig.reaches(message.id, 'seen');
      expect(model.requests.filter((request) => request.news.includes(message.id))).toHaveLength(1);
      expect(rig.heard).toEqual([]);
    },
    TIME,
  );

  it(
    'bypass mode: the hooks deliver and nobody is asked',
    async () => {
      await rig.installHooks();
      model.on({ when: /<intercom-message id/, reply: { say: 'READ IN BYPASS' } });
      const session = await claude(version, '--dangerously-skip-permissions');
      expect(await known(session)).toMatchObject({ rung: 'hooks', permissionMode: 'bypassPermissions' });
      const message = mail({ project: 'shop', body: 'hello bypass' });
      await rig.deliver(message);
      expect((await rig.reaches(message.id, 'delivered', 'seen')).rung).toBe('hooks');
      expect(await session.shows(/READ IN BYPASS/)).not.toMatch(/Held message/);
    },
    TIME,
  );

  it(
    'bypass mode without hooks: held at the terminal, then denied there, and both are told',
    async () => {
      const session = await claude(version, '--dangerously-skip-permissions');
      const { rung, rungNote } = await known(session);
      expect(rung).toBe('inbox_socket');
      expect(rungNote).toMatch(/asks at the terminal/);
      const message = mail({ project: 'shop', body: 'may I?' });
      await rig.deliver(message);
      await rig.reaches(message.id, 'held_at_terminal');
      await session.answer('Enter', /Held message from another session/);
      await rig.reaches(message.id, 'denied');
      expect(model.requests).toEqual([]);
    },
    TIME,
  );

  it.each(['hold', 'refuse'] as const)(
    'crossSessionInbound: %s ends in the state that is true',
    async (crossSessionInbound) => {
      home.settings({ crossSessionInbound });
      await rig.installHooks();
      const session = await claude(version);
      const { rungNote } = await known(session);
      expect(rungNote).toContain(`"${crossSessionInbound}"`);
      const message = mail({ project: 'shop', body: 'hello?' });
      await rig.deliver(message);
      await rig.reaches(message.id, crossSessionInbound === 'hold' ? 'held_at_terminal' : 'failed');
      expect(model.requests).toEqual([]);
    },
    TIME,
  );
});

describe('Claude Code 2.1.197, its hooks and waiters', () => {
  const version = '2.1.197';

  it(
    'without a doorbell the mail comes with the next prompt',
    async () => {
      await rig.installHooks();
      model.on({ when: 'good morning', reply: { say: 'MORNING' } });
      const session = await claude(version);
      await known(session);
      for (const line of waiters()) process.kill(Number(line.trim().split(' ')[0]), 'SIGKILL');
      const message = mail({ project: 'shop', body: 'sent in the night' });
      await rig.deliver(message);
      await session.prompt('good morning');
      expect((await model.request('good morning')).news).toContain('sent in the night');
      await rig.reaches(message.id, 'seen');
      await session.shows(/MORNING/);
      model.expectNoneUnknown();
    },
    TIME,
  );

  it(
    'mail for a project without a session waits for the one that starts',
    async () => {
      await rig.installHooks();
      model.on({ when: /<intercom-message id/, reply: { say: 'FOUND IT' } });
      const message = mail({ project: 'shop', body: 'for later' });
      await rig.deliver(message);
      expect((await rig.store.inbox.get(message.id))?.state).toBe('dispatched');
      const session = await claude(version);
      await rig.reaches(message.id, 'seen');
      await session.shows(/FOUND IT/);
    },
    TIME,
  );

  it(
    'leaves no waiter behind: after /exit, kill -9 of the agent, and the end of the daemon',
    async () => {
      await rig.installHooks();
      model.on({ when: 'hello', reply: { say: 'HI' } });
      const polite = await claude(version);
      await known(polite);
      await polite.prompt('hello');
      await polite.shows(/HI/);
      const killed = await claude(version);
      await known(killed);
      const orphaned = await claude(version);
      await known(orphaned);
      while (waiters().length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
      // One each, also after a turn.
      expect(waiters()).toHaveLength(3);
      await polite.prompt('/exit');
      killed.kill('SIGKILL');
      while (waiters().length > 1) await new Promise((resolve) => setTimeout(resolve, 100));
      await rig.stop();
      await orphaned.end();
      await noWaiters();
      rig = await DaemonRig.start(home);
    },
    TIME,
  );
});
