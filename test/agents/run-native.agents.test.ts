/**
 * `intercom run claude` in a person's terminal: the real Claude Code under our runner under tmux, with the keys, sizes and signals of a person. What is seen must be what is seen
 * without us.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunnerRecord } from '../../src/protocol/runner-api.ts';
import { CLAUDE_VERSIONS, ClaudeHome, claudeProgram } from './claude-session.ts';
import { alive } from './codex-session.ts';
import { ScriptedModel } from './scripted-model.ts';
import { Tmux } from './tmux.ts';

const INTERCOM = join(import.meta.dirname, '..', '..', 'bin', 'intercom.js');

/** A shell in a terminal. */
class Shell extends Tmux {
  static async start(cwd: string, env: Readonly<Record<string, string>>): Promise<Shell> {
    return new Shell(await Tmux.open({ command: ['/bin/sh'], cwd, env, columns: 120, rows: 40 }));
  }

  async line(text: string): Promise<void> {
    await this.tmux('send-keys', '-l', text);
    await this.tmux('send-keys', 'Enter');
  }

  async paste(text: string, folder: string): Promise<void> {
    const file = join(folder, 'paste.txt');
    writeFileSync(file, text);
    await this.tmux('load-buffer', file);
    await this.tmux('paste-buffer', '-p');
  }
}

const installed = CLAUDE_VERSIONS.filter((version) => claudeProgram(version) !== undefined);

describe.skipIf(installed.length === 0).each(installed)('intercom run claude (%s)', (version) => {
  let model: ScriptedModel;
  let home: ClaudeHome;
  let shell: Shell;
  let cwd: string;
  const native = () => 'claude';
  const ours = () => `node ${INTERCOM} run claude`;

  beforeAll(async () => {
    model = await ScriptedModel.start();
    home = new ClaudeHome('native');
    cwd = join(home.path, 'project');
    home.trust(cwd);
    const bin = join(home.path, 'bin');
    mkdirSync(bin);
    symlinkSync(claudeProgram(version) ?? '', join(bin, 'claude'));
    shell = await Shell.start(cwd, {
      HOME: home.path,
      PATH: `${bin}:${process.env.PATH ?? ''}`,
      TERM: 'tmux-256color',
      COLORTERM: 'truecolor',
      LANG: 'C.UTF-8',
      SHELL: '/bin/sh',
      PS1: 'shell> ',
      INTERCOM_HOME: join(home.path, 'intercom'),
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: home.key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    });
    await shell.shows(/shell>/);
  });

  afterAll(async () => {
    await shell.close();
    await model.stop();
    home.remove();
  });

  const runners = join('intercom', 'state', 'runners');
  const record = (): RunnerRecord | undefined => {
    const folder = join(home.path, runners);
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      const file = join(folder, name, 'record.json');
      if (!existsSync(file)) continue;
      const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
      return RunnerRecord.parse(json);
    }
    return undefined;
  };
  const started = async (): Promise<void> => {
    await shell.line('clear');
    await shell.line(`${ours()}; echo "code $?"`);
    await shell.shows(/^❯/m);
  };
  /** Ctrl-C twice is how a person leaves it. */
  const leave = async (): Promise<string> => {
    for (let i = 0; i < 20 && !/code \d/.test(await shell.screen()); i += 1) {
      await shell.press('C-c');
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    return shell.shows(/code \d+/);
  };
  /** What a shell needs of its terminal. */
  const terminalState = async (): Promise<string> => {
    await shell.line(
      'clear; stty -a | tr ";" "\\n" | grep -oE "(-|)(icanon|echo|isig|icrnl|opost)( |$)" | tr -d "\\n"; echo " end"',
    );
    const screen = await shell.shows(/ end$/m);
    return /^.* end$/m.exec(screen)?.[0] ?? '';
  };

  it('draws as it does by itself: in true colour, at the size of the terminal, also when that changes', async () => {
    await started();
    const width = async (): Promise<number> =>
      Math.max(...(await shell.screen()).split('\n').map((line) => (/^─+$/.test(line) ? line.length : 0)));
    expect(await width()).toBe(120);
    expect(await shell.tmux('capture-pane', '-p', '-e')).toContain('38;2;215;119;87');
    await shell.tmux('resize-window', '-x', '90', '-y', '30');
    await shell.shows(/^─{90}$/m);
    await shell.tmux('resize-window', '-x', '120', '-y', '40');
    await shell.shows(/^─{120}$/m);
  });

  it('is a managed session: its record says so, and its hooks are heard', async () => {
    const found = record();
    expect(found).toMatchObject({ agent: 'claude', attended: true, runtime: 'terminal' });
    model.on({ when: 'say hello', reply: { say: 'Hello from the model.' } });
    await shell.line('say hello');
    await shell.shows(/Hello from the model/);
    const folder = join(home.path, runners, found?.id ?? '');
    const events = readFileSync(join(folder, 'journal.jsonl'), 'utf8');
    for (const event of ['SessionStart', 'UserPromptSubmit', 'Stop']) expect(events).toContain(`"event":"${event}"`);
    // The person's environment, with its secrets, is in no file.
    expect(readFileSync(join(folder, 'spec.json'), 'utf8')).not.toContain(home.key);
  });

  it('takes a paste of 20 KB as one, whole', async () => {
    const text = Array.from({ length: 400 }, (_, index) => `line ${index} of a text that is pasted äöü`).join('\n');
    model.on({ when: 'line 399', reply: { say: 'All of it came.' } });
    await shell.paste(text, home.path);
    await shell.shows(/Pasted text/);
    await shell.press('Enter');
    await shell.shows(/All of it came/);
    const { news } = await model.request('line 399');
    expect(news).toContain(text);
  });

  it('Ctrl-C is the agent’s: the first interrupts the turn, and leaving gives the same code as without us', async () => {
    let go: () => void = () => undefined;
    model.on({ when: 'think long', reply: () => new Promise((resolve) => (go = () => resolve({ say: 'Thought.' }))) });
    await shell.line('think long');
    await model.request('think long');
    await shell.shows(/…/);
    await shell.press('C-c');
    await shell.shows(/Interrupted|❯ think long/);
    go();
    const code = /code (\d+)/.exec(await leave())?.[1];
    await shell.line('clear');
    await shell.line(`${native()}; echo "code $?"`);
    await shell.shows(/^❯/m);
    expect(/code (\d+)/.exec(await leave())?.[1]).toBe(code);
    expect(await terminalState()).toContain('icanon');
    expect(await terminalState()).not.toMatch(/-icanon|-echo|-isig/);
    // Nobody ever asked for it: nothing is left behind.
    expect(record()).toBeUndefined();
  });

  it('passes on what is no session, with its code', async () => {
    await shell.line(`clear; ${ours()} --version; echo "code $?"`);
    expect(await shell.shows(/code \d+/)).toMatch(new RegExp(`${version.replaceAll('.', '\\.')}[^]*code 0`));
    await shell.line(`clear; ${ours()} --no-such-flag; echo "code $?"`);
    const ourCode = /code (\d+)/.exec(await shell.shows(/code \d+/))?.[1];
    await shell.line(`clear; ${native()} --no-such-flag; echo "code $?"`);
    expect(/code (\d+)/.exec(await shell.shows(/code \d+/))?.[1]).toBe(ourCode);
  });

  it('an agent that is killed leaves the terminal as it was, and its signal in the code', async () => {
    await started();
    const pid = record()?.agentProcess?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await shell.shows(/code 137/);
    expect(await terminalState()).not.toMatch(/-icanon|-echo|-isig/);
    await shell.line('echo still here');
    await shell.shows(/^still here$/m);
  });

  it('when its terminal goes, the agent goes', async () => {
    await started();
    const found = record();
    const pids = [found?.agentProcess?.pid ?? 0, found?.runner.pid ?? 0];
    expect(pids.every(alive)).toBe(true);
    await shell.close();
    for (let i = 0; i < 200 && pids.some(alive); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(pids.filter(alive)).toEqual([]);
  });
});
