/**
 * Missions through the whole mesh with the real Claude Code: asked for by an agent over MCP, from the command line, in Telegram and on the page; watched by two
 * people who come late, spoken to, stopped, gone on with, finished. The server's daemon starts the agent in a pseudo-terminal of its own.
 */
import xterm from '@xterm/headless';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MessageStatus, MissionsPage } from '../../src/protocol/machine-api.ts';
import { SignInLink } from '../../src/protocol/operator-api.ts';
import { missionIsOver, type MissionState } from '../../src/protocol/mission-life.ts';
import { Mission, MissionLogPage } from '../../src/protocol/mission.ts';
import { TerminalFrame } from '../../src/protocol/terminal-stream.ts';
import { isAlive } from '../../src/daemon/agents/process-table.ts';
import { launch } from '../browser/support/chromium.ts';
import { claudeProgram } from './claude-session.ts';
import { CHAT, USER } from './places.ts';
import { Spine } from './spine.ts';
import type { ModelReply } from './scripted-model.ts';

let spine: Spine;

beforeEach(async () => {
  const command = claudeProgram('2.1.329');
  if (command === undefined) throw new Error('Claude Code 2.1.329 is not installed; run npm ci in test/agents.');
  spine = await Spine.start(
    '2.1.329',
    {},
    {
      daemonConfig: `agent_launcher:\n  keep_open: 1\n  agents:\n    claude: { command: ${command}, args: [--permission-mode, manual] }\n`,
    },
  );
});

afterEach(async () => {
  await spine.stop();
});

/** The model of the server answers this when the mission's text is new to it; `release` lets it. */
function thinks(when: RegExp, reply: ModelReply): { release(): void } {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  spine.model.on({ when, times: 1, reply: () => held.then(() => reply) });
  return { release: () => release() };
}

async function mission(id: string, ...states: readonly MissionState[]): Promise<Mission> {
  for (;;) {
    const now = await spine.mesh.operator.call('GET', `/missions/${id}`, Mission);
    if (states.includes(now.state)) return now;
    if (missionIsOver(now.state)) throw new Error(`it is ${now.state}: ${now.reason ?? ''} ${now.result?.text ?? ''}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until the agent's own transcript of a session holds a text. */
async function recorded(session: string, text: string): Promise<void> {
  const projects = join(dirname(spine.cwd('server')), '.claude', 'projects');
  for (;;) {
    for (const folder of await readdir(projects).catch(() => [])) {
      const transcript = await readFile(join(projects, folder, `${session}.jsonl`), 'utf8').catch(() => '');
      if (transcript.includes(text)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

const order = (id: string, what: string, body: unknown = {}): Promise<Mission> =>
  spine.mesh.operator.call('POST', `/missions/${id}/${what}`, Mission, body);

/** A person who watches: draws what comes as a terminal would. */
async function watcher(session: string) {
  const key = (await readFile(spine.mesh.hub.paths.hubKey, 'utf8')).trim();
  const socket = new WebSocket(
    `ws+unix://${spine.mesh.hub.paths.hubSocket}:/api/operator/terminals/server/${session}`,
    {
      headers: { authorization: `Bearer ${key}` },
    },
  );
  let terminal = new xterm.Terminal({ cols: 80, rows: 24, allowProposedApi: true });
  let ended = false;
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    if (isBinary) {
      terminal.write(data.subarray(8));
      return;
    }
    const frame = TerminalFrame.parse(JSON.parse(data.toString()));
    if (frame.frame === 'snapshot') {
      terminal = new xterm.Terminal({ cols: frame.cols, rows: frame.rows, allowProposedApi: true });
      terminal.write(frame.screen);
    } else if (frame.frame === 'resized') terminal.resize(frame.cols, frame.rows);
    else if (frame.frame === 'ended') ended = true;
  });
  await new Promise((resolve, reject) => {
    socket.once('message', resolve);
    socket.once('error', reject);
  });
  const screen = (): string => {
    const { active } = terminal.buffer;
    return Array.from({ length: terminal.rows }, (_none, row) =>
      (active.getLine(active.baseY + row)?.translateToString(true) ?? '').trimEnd(),
    ).join('\n');
  };
  const until = async (what: () => boolean): Promise<void> => {
    while (!what()) await new Promise((resolve) => setTimeout(resolve, 30));
  };
  return {
    screen,
    shows: (what: RegExp) => until(() => what.test(screen())),
    isOver: () => until(() => ended),
    close: () => socket.close(),
  };
}

describe('a mission in the real Claude Code', () => {
  it('is asked for by an agent over MCP, approved, watched by two who see the same, spoken to, and ends with the agent’s last message, of which the asking session is told', async () => {
    const asker = await spine.claude('laptop');
    spine.when('laptop', /please delegate/, {
      tool: 'mcp__intercom__intercom_start_agent',
      input: { machine: 'server', project: 'api', mission: 'Count the failing tests', notify: true },
    });
    spine.afterTool('laptop', /mis_/, { say: 'DELEGATED' });
    spine.when('laptop', /Your mission mis_\w+ .* is over, completed/, ({ news }) => ({
      tool: 'mcp__intercom__intercom_wait',
      input: { mission_id: /mission (mis_\w+)/.exec(news)?.[1] ?? '' },
    }));
    spine.when('laptop', /TWO UNIT TESTS FAIL/, { say: 'GOOD TO KNOW' });
    const first = thinks(/Count the failing tests/, { say: 'THREE TESTS FAIL' });
    await asker.prompt('please delegate');

    const card = await spine.card('Count the failing tests');
    expect(card).toMatchObject({
      kind: 'launch',
      subject: { agent: 'claude', runtime: 'terminal', path: spine.cwd('server'), flags: [], depth: 1 },
    });
    await spine.mesh.operator.decide(card, 'allow');
    const id = card.subject.kind === 'launch' ? card.subject.missionId : '';
    await spine.heard('server', /Count the failing tests/);
    await asker.shows(/DELEGATED/, 60_000);

    const running = await mission(id, 'running');
    expect(running.requestedBy).toMatch(/^laptop\/web#/);
    const session = running.session ?? '';
    const [one, two] = [await watcher(session), await watcher(session)];
    await one.shows(/Count the failing tests/);
    await two.shows(/Count the failing tests/);

    const said = await spine.mesh.operator.call('POST', `/missions/${id}/send`, MessageStatus, {
      text: 'Only the unit tests.',
    });
    spine.when('server', /<intercom-message id/, { say: 'TWO UNIT TESTS FAIL' });
    first.release();
    await spine.reaches(said.id, 'delivered', 'seen', 'answered');
    const done = await mission(id, 'completed');
    expect(done.result).toMatchObject({ text: 'TWO UNIT TESTS FAIL', isError: false });
    await one.shows(/TWO UNIT TESTS FAIL/);
    await two.shows(/TWO UNIT TESTS FAIL/);
    await Promise.all([one.isOver(), two.isOver()]);
    expect(one.screen()).toBe(two.screen());
    const { entries } = await spine.mesh.operator.call('GET', `/missions/${id}/log?after=0&limit=200`, MissionLogPage);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_entry, index) => index + 1));
    expect(entries.map(({ kind }) => kind)).toContain('result');
    // Its turn was over long ago; it is told, and reads the result.
    await spine.heard('laptop', /TWO UNIT TESTS FAIL/);
    await asker.shows(/GOOD TO KNOW/, 60_000);
  });

  it('is started on the command line, stopped with all its processes, and gone on with in the same conversation', async () => {
    const thinking = thinks(/Tidy the cellar/, { say: 'NEVER SAID' });
    const started = await spine.mesh.hub.cli(['missions', 'start', 'server/api', 'Tidy the cellar', '--json']);
    expect(started.stderr).toBe('');
    const { id } = Mission.parse(JSON.parse(started.stdout));
    await spine.heard('server', /Tidy the cellar/);
    const running = await mission(id, 'running');
    const { sessions } = await spine.mesh
      .daemon('server')
      .local({ cwd: spine.cwd('server') })
      .status();
    const pid = sessions.find((session) => session.id === running.session)?.pid ?? 0;
    expect(isAlive(pid)).toBe(true);

    // Only what the agent has written down can be gone on with.
    await recorded(running.session ?? '', 'Tidy the cellar');
    const stopped = await spine.mesh.hub.cli(['missions', 'cancel', id]);
    expect(stopped.exitCode).toBe(0);
    const cancelled = await mission(id, 'cancelled');
    expect(cancelled.result?.text).toBe('');
    while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 30));
    thinking.release();

    spine.when('server', /start with the shelves/, { say: 'SHELVES TIDIED' });
    await order(id, 'resume', { text: 'Go on, start with the shelves' });
    const done = await mission(id, 'completed');
    expect(done).toMatchObject({ run: 2, session: running.session, result: { text: 'SHELVES TIDIED' } });
    const second = await spine.heard('server', /start with the shelves/);
    expect(second.everything).toContain('Tidy the cellar');
  });

  it('is started in Telegram, asks there for a permission, and its result is a message there', async () => {
    spine.when('server', /Water the plants/, { tool: 'Bash', input: { command: 'touch watered.txt' } }, 1);
    spine.telegram.write(CHAT, USER, '/start_agent server/api "Water the plants"');
    await spine.heard('server', /Water the plants/);
    // What it may not do by itself is asked from afar: a card in the mission's topic.
    const card = await spine.inTelegram(/touch watered\.txt/, 'with buttons');
    spine.afterTool('server', /./, { say: 'ALL WATERED' });
    await spine.telegram.press(CHAT, card.id, USER, 'Allow once');
    await spine.inTelegram(/ALL WATERED/);
    const [last] = (await spine.mesh.operator.call('GET', '/missions?limit=1', MissionsPage)).missions;
    expect(last).toMatchObject({ state: 'completed', result: { text: 'ALL WATERED' } });
    expect(last?.requestedBy).toMatch(/^human:/);
    expect(spine.telegram.refusals()).toEqual([]);
  });

  it('is started on the page, paused and gone on with there, and its result is read there', async () => {
    const browser = await launch();
    try {
      const page = await (await browser.newContext()).newPage();
      page.setDefaultTimeout(60_000);
      const link = await spine.mesh.operator.call('POST', '/sign-in/links', SignInLink, {});
      await page.goto(link.url);
      await page.getByRole('link', { name: 'Missions' }).click();
      await page.getByRole('button', { name: 'New mission' }).click();
      await page.getByLabel('Where').selectOption('server/api');
      await page.getByLabel('What the agent should do').fill('Sort the letters');
      const thinking = thinks(/Sort the letters/, { say: 'NEVER SAID' });
      await page.getByRole('button', { name: 'Start', exact: true }).click();
      await spine.heard('server', /Sort the letters/);
      await page.locator('.conversation-head .chip', { hasText: 'Running' }).waitFor();
      await page.getByRole('button', { name: 'Pause' }).click();
      await page.locator('.conversation-head .chip', { hasText: 'Paused' }).waitFor();
      thinking.release();
      spine.when('server', /More for your mission/, { say: 'LETTERS SORTED' });
      await page.getByRole('button', { name: 'Go on' }).click();
      await page.locator('.mission-result', { hasText: 'LETTERS SORTED' }).waitFor();
    } finally {
      await browser.close();
    }
  });
});
