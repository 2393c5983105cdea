/** Claude Code as an agent that we run: the contract, per pinned version and runtime, in a real runner. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { claudeProgram as program } from '../../src/daemon/agents/claude/program.ts';
import { isAlive } from '../../src/daemon/agents/process-table.ts';
import type { MissionRuntime } from '../../src/protocol/mission.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import type { ClaudeVersion } from './claude-session.ts';
import { contract } from './contract.ts';
import type { Property, Proof } from './contract.ts';
import { mail } from './stand-ins.ts';
import { MissionRig, until } from './mission-rig.ts';
import type { MissionRun } from './mission-rig.ts';
import { ScriptedModel } from './scripted-model.ts';

const MANUAL: Readonly<Record<ClaudeVersion, string>> = { '2.1.329': 'manual', '2.1.197': 'default' };

let model: ScriptedModel;
let home: ClaudeHome;
let rig: MissionRig;
let project: string;

beforeEach(async () => {
  model = await ScriptedModel.start();
  home = new ClaudeHome();
  project = join(home.path, 'shop');
  home.trust(project);
  rig = await new MissionRig(home.path).start();
});

afterEach(async () => {
  await rig.stop();
  await model.stop();
  home.remove();
});

for (const version of CLAUDE_VERSIONS) {
  contract({ program, version, runtime: 'terminal', proofs: proofs(version, 'terminal') });
  contract({ program, version, runtime: 'headless', proofs: proofs(version, 'headless') });
}

function proofs(version: ClaudeVersion, runtime: MissionRuntime): Readonly<Record<Property, Proof>> {
  const terminal = runtime === 'terminal';
  const socket = version === '2.1.329';
  const start = (prompt: string, more: { flags?: readonly string[]; resume?: string } = {}): Promise<MissionRun> =>
    rig.launch({
      program,
      executable: claudeProgram(version) ?? 'missing',
      runtime,
      prompt,
      cwd: project,
      flags: more.flags ?? [`--permission-mode=${MANUAL[version]}`],
      environment: environment(),
      ...(more.resume === undefined ? {} : { resume: { session: more.resume, fork: false } }),
    });
  const sessionOf = (run: MissionRun) => rig.session(({ pid, managed }) => pid === run.pid && managed);
  const noTerminal = { absent: 'it has no terminal' };
  return {
    launch: async () => {
      model.on({ when: '-do the thing', reply: { say: 'THE THING IS DONE' } });
      const run = await start('-do the thing\nand the "other" one');
      const ended = await run.event('turn_ended');
      expect(ended).toMatchObject({ text: 'THE THING IS DONE', isError: false, background: false });
      if (!terminal) expect(ended.costUsd).toBeGreaterThan(0);
      const session = await sessionOf(run);
      expect(session).toMatchObject({ id: run.record.session, agent: 'claude', mission: run.record.mission?.id });
      await until(() => (rig.book.get(session.id)?.state === 'idle' ? true : undefined));
      model.expectNoneUnknown();
    },
    hooks: async () => {
      model.on({ when: 'hello', reply: { say: 'HI' } });
      const run = await start('hello');
      await run.event('turn_ended');
      expect(run.heard()).toEqual(expect.arrayContaining(['SessionStart', 'UserPromptSubmit', 'Stop']));
    },
    tool: async () => {
      model.on({ when: 'please run', times: 1, reply: { tool: 'Bash', input: { command: 'echo tool-over' } } });
      model.on({ when: /tool-over/, times: 1, reply: { say: 'RAN' } });
      const run = await start('please run', { flags: ['--allowedTools', 'Bash(*)'] });
      expect(await run.event('tool')).toMatchObject({ label: 'Run: echo tool-over', shape: 'command' });
      expect(await run.event('tool_done')).toMatchObject({ tool: 'Bash', ok: true });
      expect((await run.event('turn_ended')).text).toBe('RAN');
    },
    mid_turn: async () => {
      const tool = slowTool('dig');
      model.on({ when: /dig-over/, reply: { say: 'BOTH SEEN' } });
      const run = await start('please dig', { flags: ['--allowedTools', 'Bash(*)'] });
      await run.event('tool');
      const session = await sessionOf(run);
      const message = mail({ project: 'shop', session: session.id, body: 'stop at two metres' });
      await rig.deliver(message);
      if (terminal && !socket) await until(() => (rig.book.get(session.id)?.rung === 'hooks' ? true : undefined));
      else await rig.reaches(message.id, 'written', 'delivered');
      tool.release();
      expect((await model.request(/dig-over/)).news).toContain('stop at two metres');
      const { rung } = await rig.reaches(message.id, 'delivered', 'seen');
      expect(rung).toBe(terminal ? (socket ? 'inbox_socket' : 'hooks') : 'stream');
    },
    idle_wake:
      terminal && !socket
        ? { absent: 'this version has no inbox: an idle session is typed to, through the typing gate' }
        : async () => {
            model.on({ when: 'hello', reply: { say: 'HI' } });
            model.on({ when: /<intercom-message id/, reply: { say: 'I HAVE READ IT' } });
            const run = await start('hello');
            await run.event('turn_ended');
            const session = await sessionOf(run);
            const message = mail({ project: 'shop', session: session.id, body: 'Is the price in cents?', kind: 'ask' });
            await rig.deliver(message);
            expect((await model.request(message.id)).news).toContain('Is the price in cents?');
            const { rung } = await rig.reaches(message.id, 'delivered', 'seen');
            expect(rung).toBe(terminal ? 'inbox_socket' : 'stream');
            await run.event('turn_ended', ({ text }) => text === 'I HAVE READ IT');
            expect(model.requests.filter(({ news }) => news.includes(message.id))).toHaveLength(1);
          },
    half_typed: !terminal
      ? noTerminal
      : !socket
        ? { absent: 'this version has no inbox, and the typing gate does not type over what is there' }
        : async () => {
            model.on({ when: 'hello', reply: { say: 'HI' } });
            model.on({ when: /<intercom-message id/, reply: { say: 'I HAVE READ IT' } });
            const run = await start('hello');
            await run.event('turn_ended');
            const session = await sessionOf(run);
            await run.press('half a thought');
            await run.shows(/half a thought/);
            const message = mail({ project: 'shop', session: session.id, body: 'are you there?' });
            await rig.deliver(message);
            await rig.reaches(message.id, 'delivered', 'seen');
            expect(await run.shows(/I HAVE READ IT/)).toMatch(/❯\s+half a thought/);
          },
    approval_afar: async () => {
      const done = join(project, 'done');
      asks('please touch', `sh -c "touch '${done}'; echo touch-over"`);
      model.on({ when: /touch-over/, times: 1, reply: { tool: 'Bash', input: { command: 'sh -c "echo never"' } } });
      model.on({ when: /not on a Friday/, times: 1, reply: { say: 'I SEE' } });
      const run = await start('please touch');
      const first = await until(() => rig.hub.raised[0]);
      expect(first).toMatchObject({ session: run.record.session, subject: { tool: 'Bash', agent: 'claude' } });
      const asked = first.subject;
      if (asked.kind !== 'tool') throw new Error('a tool was to be asked about');
      expect(asked.input).toContain(done);
      expect(asked.suggestions.join()).toMatch(/Always allow Bash/);
      expect((await run.event('waiting')).for).toContain('permission: Run: sh -c');
      expect(existsSync(done)).toBe(false);
      rig.decide(first.ref, 'allow');
      const second = await until(() => rig.hub.raised[1]);
      expect(existsSync(done)).toBe(true);
      rig.decide(second.ref, 'deny', 'not on a Friday');
      expect((await model.request(/not on a Friday/)).news).toContain('Denied by gilles');
      expect((await run.event('turn_ended')).text).toBe('I SEE');
      expect(rig.hub.closed).toEqual([]);
      expect(rig.desk.dialogs()).toEqual([]);
    },
    approval_terminal: !terminal
      ? noTerminal
      : async () => {
          const done = join(project, 'done');
          asks('please touch', `sh -c "touch '${done}'; echo touch-over"`);
          model.on({ when: /touch-over/, times: 1, reply: { tool: 'Bash', input: { command: 'sh -c "echo never"' } } });
          const run = await start('please touch');
          const first = await until(() => rig.hub.raised[0]);
          await answer(run, '\r', () => existsSync(done));
          const second = await until(() => rig.hub.raised[1]);
          expect(rig.hub.closed).toMatchObject([{ ref: first.ref, outcome: 'answered_elsewhere' }]);
          await answer(run, '\u001b', () => rig.hub.closed.length > 1);
          expect(rig.hub.closed[1]).toMatchObject({ ref: second.ref, outcome: 'answered_elsewhere', verdict: 'deny' });
          expect(rig.desk.dialogs()).toEqual([]);
        },
    questions: async () => {
      const [which, name] = ['哪一个服务？', 'What shall it be called?'];
      const choices = ['支付服务', 'خدمة 🚀'].map((label) => ({ label, description: label }));
      const questions = [
        { question: which, header: '服务', multiSelect: true, options: choices },
        { question: name, header: 'Name', multiSelect: false, options: choices },
      ];
      model.on({ when: /"What shall it be called\?"=/, times: 1, reply: { say: 'I SEE' } });
      model.on({ when: 'please ask', times: 1, reply: { tool: 'AskUserQuestion', input: { questions } } });
      const run = await start('please ask');
      const asked = await until(() => rig.hub.raised[0]);
      expect(asked.subject).toMatchObject({
        kind: 'question',
        source: 'ask_user',
        questions: [{ text: which }, { text: name }],
      });
      expect((await run.event('waiting')).for).toBe('an answer to its question');
      rig.decide(asked.ref, 'allow', undefined, [
        { id: 'q1', options: ['支付服务', 'خدمة 🚀'] },
        { id: 'q2', options: [], text: 'Grün' },
      ]);
      const { news } = await model.request(/"What shall it be called\?"=/);
      expect(news).toContain(`"${which}"="支付服务, خدمة 🚀"`);
      expect(news).toContain(`"${name}"="Grün"`);
      expect((await run.event('turn_ended')).text).toBe('I SEE');
      expect(rig.hub.closed).toEqual([]);
    },
    cancel: async () => {
      slowTool('dig');
      const run = await start('please dig', { flags: ['--allowedTools', 'Bash(*)'] });
      await run.event('tool');
      const { pid } = run;
      run.link.stop(3000);
      await run.ended;
      await run.event('ended');
      expect(isAlive(pid)).toBe(false);
      await until(() => (rig.book.list().length === 0 ? true : undefined));
    },
    resume: async () => {
      model.on({ when: 'remember the word plum', reply: { say: 'I WILL' } });
      model.on({
        when: 'which word',
        reply: (request) => ({ say: /plum/.test(request.everything) ? 'PLUM' : 'NONE' }),
      });
      const run = await start('remember the word plum');
      await run.event('turn_ended');
      const { session = '' } = run.record;
      // The older version writes its transcript a moment after the turn; what is ended before has no past.
      await until(() => (recorded(session).includes('I WILL') ? true : undefined));
      await run.end();
      const again = await start('which word', { resume: session });
      expect((await again.event('turn_ended')).text).toBe('PLUM');
      expect((await sessionOf(again)).id).toBe(session);
    },
    offline: async () => {
      model.on({ when: 'hello', reply: { say: 'HI' } });
      model.on({ when: 'again', reply: { say: 'HI AGAIN' } });
      model.on({ when: /<intercom-message id/, reply: { say: 'I HAVE READ IT' } });
      const run = await start('hello');
      await run.event('turn_ended');
      const { session = '' } = run.record;
      await run.end();
      await until(() => (rig.book.list().length === 0 ? true : undefined));
      const message = mail({ project: 'shop', session, body: 'for later' });
      await rig.deliver(message);
      expect((await rig.store.inbox.get(message.id))?.state).toBe('dispatched');
      await start('again', { resume: session });
      expect((await model.request(message.id)).everything).toContain('hello');
      await rig.reaches(message.id, 'delivered', 'seen');
    },
  };
}

function environment(): Record<string, string> {
  return {
    HOME: home.path,
    PATH: process.env.PATH ?? '',
    LANG: 'C.UTF-8',
    TERM: 'xterm-256color',
    SHELL: '/bin/sh',
    ANTHROPIC_BASE_URL: model.url,
    ANTHROPIC_API_KEY: home.key,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    DISABLE_AUTOUPDATER: '1',
  };
}

/** What the agent's own transcript of a session holds now. */
function recorded(session: string): string {
  const projects = join(home.path, '.claude', 'projects');
  if (!existsSync(projects)) return '';
  const files = readdirSync(projects).map((folder) => join(projects, folder, `${session}.jsonl`));
  return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('');
}

/** A tool call that lasts until the test lets it end. */
function slowTool(word: string): { readonly release: () => void } {
  const gate = join(home.path, `gate-${word}`);
  const command = `while [ ! -e '${gate}' ]; do sleep 0.05; done; echo ${word}-over`;
  model.on({ when: `please ${word}`, times: 1, reply: { tool: 'Bash', input: { command, description: word } } });
  return { release: () => writeFileSync(gate, '') };
}

function asks(prompt: string, command: string): void {
  model.on({ when: prompt, times: 1, reply: { tool: 'Bash', input: { command, description: 'touch' } } });
}

/** A dialog that has just opened takes no keys, so that nobody answers it by accident. */
async function answer(run: MissionRun, key: string, taken: () => boolean): Promise<void> {
  await run.shows(/Do you want to proceed/);
  await until(async () => {
    if (taken()) return true;
    await run.press(key);
    await new Promise((resolve) => setTimeout(resolve, 400));
    return taken() ? true : undefined;
  });
}
