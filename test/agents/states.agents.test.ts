/**
 * What sessions of the real Claude Code are said to do, on their way through every state: started by hand, with our hooks and without any, and owned by a runner of
 * ours. The whole sequence is compared, so that nothing is said in between that is not so.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claudeProgram as program } from '../../src/daemon/agents/claude/program.ts';
import { newId } from '../../src/protocol/ids.ts';
import type { Session } from '../../src/protocol/model.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram, ClaudeSession } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { DaemonRig } from './daemon-rig.ts';
import { MissionRig, until } from './mission-rig.ts';
import { ScriptedModel } from './scripted-model.ts';

const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };
const TIME = 180_000;
const PROCEED = /Do you want to proceed/;
const PLAN = /Would you like to proceed\?|Exit plan mode\?/;

let model: ScriptedModel;
let home: ClaudeHome;
let shop: string;
const stops: (() => Promise<void>)[] = [];

beforeEach(async () => {
  model = await ScriptedModel.start();
  home = new ClaudeHome();
  shop = join(home.path, 'shop');
  home.trust(shop);
  stops.push(() => model.stop());
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  home.remove();
});

/** What a session is said to do, each thing once. */
class States {
  readonly said: string[] = [];

  constructor({ book }: Pick<DaemonRig, 'book'>) {
    book.onChange((session) => {
      const words = wordsOf(session);
      if (this.said.at(-1) !== words) this.said.push(words);
    });
  }

  /** All but work, which can be too short to be seen, and what hooks then told more exactly. */
  notable(hooks: boolean): string[] {
    const vague = ['permission: permission prompt', 'question: input needed'];
    const left = this.said.filter((words) => words !== 'working' && !(hooks && vague.includes(words)));
    return left.filter((words, index) => words !== left[index - 1]);
  }

  async reaches(words: string): Promise<void> {
    await until(() => (this.said.at(-1) === words ? true : undefined));
  }
}

function wordsOf({ state, waiting }: Session): string {
  return waiting === undefined ? state : `${waiting.kind}: ${waiting.what}`;
}

async function rigWith(hooks: boolean): Promise<DaemonRig> {
  const rig = await DaemonRig.start(home);
  stops.push(() => rig.stop());
  if (hooks) await rig.installHooks();
  return rig;
}

async function startByHand(version: ClaudeVersion): Promise<ClaudeSession> {
  const args = ['--permission-mode', MANUAL[version]];
  const session = await ClaudeSession.start({ home, version, cwd: shop, modelUrl: model.url, args });
  stops.push(() => session.end());
  return session;
}

/** A model that thinks until it is let. */
function thinker(when: string): () => void {
  let release: () => void = () => undefined;
  const thought = new Promise<void>((resolve) => (release = resolve));
  model.on({
    when,
    times: 1,
    reply: async () => {
      await thought;
      return { say: 'THOUGHT' };
    },
  });
  return release;
}

const QUESTION = {
  questions: [
    {
      question: 'Which colour?',
      header: 'Colour',
      multiSelect: false,
      options: [
        { label: 'Red', description: 'warm' },
        { label: 'Blue', description: 'cold' },
      ],
    },
  ],
};

describe.each(CLAUDE_VERSIONS)('Claude Code %s, started by hand', (version) => {
  const asked = {
    hooks: {
      permission: 'permission: Bash: touch it',
      question: 'question: Which colour?',
      // The newer version keeps its plans in files, and writes none here.
      plan: version === '2.1.197' ? 'plan: its plan: Make it' : 'plan: its plan',
    },
    // Its own record says as much as that.
    registry: {
      permission: 'permission: permission prompt',
      question: version === '2.1.197' ? 'permission: permission prompt' : 'question: input needed',
      plan: 'permission: permission prompt',
    },
  };

  it.each([true, false])(
    'is said to do what it does, and nothing else (hooks: %s)',
    async (hooks) => {
      const rig = await rigWith(hooks);
      const states = new States(rig);
      const says = hooks ? asked.hooks : asked.registry;
      const session = await startByHand(version);
      await states.reaches('idle');
      expect(states.said.filter((words) => words !== 'starting')).toEqual(['idle']);
      states.said.length = 0;
      model.on({ when: () => true, reply: { say: 'WENT ON' } });

      const release = thinker('please think');
      await session.prompt('please think');
      await states.reaches('working');
      release();
      await states.reaches('idle');

      model.on({ when: 'please touch', times: 1, reply: { tool: 'Bash', input: { command: 'touch it' } } });
      await session.prompt('please touch');
      await states.reaches(says.permission);
      await session.answer('Enter', PROCEED);
      await states.reaches('idle');

      model.on({ when: 'touch again', times: 1, reply: { tool: 'Bash', input: { command: 'touch it' } } });
      await session.prompt('touch again');
      await states.reaches(says.permission);
      await session.answer('Escape', PROCEED);
      await states.reaches('idle');

      model.on({ when: 'please ask', times: 1, reply: { tool: 'AskUserQuestion', input: QUESTION } });
      await session.prompt('please ask');
      await states.reaches(says.question);
      await session.answer('Enter', /❯ 1\. Red/);
      await states.reaches('idle');

      model.on({ when: 'make a plan', times: 1, reply: { tool: 'EnterPlanMode', input: {} } });
      model.on({
        when: 'show the plan',
        times: 1,
        reply: { tool: 'ExitPlanMode', input: { plan: '# Make it\n1. all of it', allowedPrompts: [] } },
      });
      await session.prompt('make a plan');
      await session.shows(/plan mode on/);
      await states.reaches('idle');
      await session.prompt('show the plan');
      await states.reaches(says.plan);
      await session.answer('Escape', PLAN);
      await states.reaches('idle');

      expect(states.notable(hooks)).toEqual([
        ...['idle', says.permission],
        ...['idle', says.permission],
        ...['idle', says.question],
        ...['idle', says.plan, 'idle'],
      ]);

      await session.prompt('/exit');
      await states.reaches('ended');
      expect(rig.book.list()).toEqual([]);
    },
    TIME,
  );

  it(
    'is idle with its Stop hook, at once (seed: a finished session looked working for 5 s)',
    async () => {
      const rig = await rigWith(true);
      const states = new States(rig);
      const session = await startByHand(version);
      await states.reaches('idle');
      model.on({ when: 'hello', reply: { say: 'HI' } });
      await session.prompt('hello');
      await states.reaches('working');
      await states.reaches('idle');
      expect(rig.heard.filter((event) => event === 'Stop')).toHaveLength(1);
      expect(rig.book.list()[0]).toMatchObject({ state: 'idle', stateSource: 'hook', confidence: 'certain' });
    },
    TIME,
  );

  it(
    'works on while something of its own goes on in the background',
    async () => {
      const rig = await rigWith(true);
      const states = new States(rig);
      const session = await startByHand(version);
      await states.reaches('idle');
      const input = { command: 'while [ ! -e go ]; do sleep 0.1; done', run_in_background: true };
      model.on({ when: () => true, reply: { say: 'WENT ON' } });
      model.on({ when: 'please wait', times: 1, reply: { tool: 'Bash', input } });
      await session.prompt('please wait');
      await until(() =>
        /Do you want/.test(states.said.at(-1) ?? '') || rig.heard.includes('Stop') ? true : undefined,
      );
      expect(rig.book.list()[0]?.state).toBe('working');
      model.on({ when: 'touch the file', times: 1, reply: { tool: 'Bash', input: { command: 'touch go' } } });
      await session.prompt('touch the file');
      await states.reaches('permission: Bash: touch go');
      await session.answer('Enter', PROCEED);
      await states.reaches('idle');
    },
    TIME,
  );

  it(
    'waits while a subagent of it waits, also before its dialog is drawn, and is answered from afar',
    async () => {
      const rig = await rigWith(true);
      const states = new States(rig);
      const session = await startByHand(version);
      await states.reaches('idle');
      const agent = { description: 'sub', prompt: 'sub-work now', subagent_type: 'general-purpose' };
      model.on({ when: () => true, reply: { say: 'WENT ON' } });
      model.on({ when: 'please delegate', times: 1, reply: { tool: 'Agent', input: agent } });
      model.on({ when: 'sub-work', times: 1, reply: { tool: 'Bash', input: { command: 'touch sub' } } });
      await session.prompt('please delegate');
      await states.reaches('permission: Bash: touch sub');
      const raised = await until(() => rig.hub.raised[0]);
      expect(rig.book.list()[0]).toMatchObject({ state: 'waiting', stateSource: 'hook' });
      rig.desk.decided({
        item: 'decision',
        ref: raised.ref,
        approvalId: newId('approval'),
        state: 'allowed',
        decision: { verdict: 'allow', scope: 'once', by: 'gilles', via: 'web', at: new Date().toISOString() },
      });
      await states.reaches('idle');
      expect(states.said.filter((words) => words.startsWith('permission'))).toHaveLength(1);
    },
    TIME,
  );

  it.each(['kill -9', 'closing the terminal'])(
    'is ended after %s',
    async (how) => {
      const rig = await rigWith(false);
      const states = new States(rig);
      const session = await startByHand(version);
      await states.reaches('idle');
      if (how === 'kill -9') session.kill('SIGKILL');
      else await session.close();
      await states.reaches('ended');
      expect(rig.book.list()).toEqual([]);
    },
    TIME,
  );
});

describe.each(CLAUDE_VERSIONS)('Claude Code %s in a runner of ours', (version) => {
  it(
    'tells of its trust dialog before it is a session, thinking from working, and its end',
    async () => {
      const rig = await new MissionRig(home.path).start();
      stops.push(() => rig.stop());
      const states = new States(rig);
      const release = thinker('please think');
      const run = await rig.launch({
        program,
        executable: claudeProgram(version) ?? 'missing',
        runtime: 'terminal',
        prompt: 'please think',
        // Never trusted.
        cwd: join(home.path, 'strange'),
        flags: [`--permission-mode=${MANUAL[version]}`],
        environment: {
          HOME: home.path,
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: home.key,
          CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
          DISABLE_AUTOUPDATER: '1',
          IS_SANDBOX: '1',
        },
      });
      const asks = await rig.session(({ waiting }) => waiting?.kind === 'trust');
      expect(asks).toMatchObject({ id: run.record.session, stateSource: 'screen', managed: true, rung: 'none' });
      // A dialog that has just opened takes no keys, and the newer version has its focus on "No".
      await until(async () => {
        if (states.said.at(-1) === 'thinking') return true;
        const isYes = /❯ (?:1\. )?Yes, I trust/.test(await run.screen());
        await run.press(isYes ? '\r' : '\u001b[B');
        await new Promise((resolve) => setTimeout(resolve, 300));
        return undefined;
      });
      release();
      await states.reaches('idle');
      expect(rig.book.get(asks.id)?.rung).not.toBe('none');
      process.kill(run.pid, 'SIGKILL');
      await states.reaches('ended');
      expect(rig.book.list()).toEqual([]);
    },
    TIME,
  );
});
