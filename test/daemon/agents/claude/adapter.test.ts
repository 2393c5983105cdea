/** The adapter with a real folder, real processes and real sockets in the place of Claude Code. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClaudeAdapter } from '../../../../src/daemon/agents/claude/adapter.ts';
import { atLeast, parseRecord, plainLine } from '../../../../src/daemon/agents/claude/registry-record.ts';
import { startTimeOfStat, systemProcesses } from '../../../../src/daemon/agents/process-table.ts';
import type { Projects } from '../../../../src/daemon/ports.ts';
import { ActivityBook } from '../../../../src/daemon/sessions/activity/activity-book.ts';
import { LiveSessions } from '../../../../src/daemon/sessions/session-book.ts';
import { systemClock } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/log.ts';
import type { Session } from '../../../../src/protocol/model.ts';

const projects: Projects = {
  list: () => [],
  forDirectory: (cwd) => ({
    id: basename(cwd),
    description: '',
    capabilities: [],
    tags: [],
    path: cwd,
    agent: 'claude',
    source: 'session',
  }),
  onChange: () => () => undefined,
};

let home: string;
let sessions: string;
let book: LiveSessions;
let adapter: ClaudeAdapter;
const children: ChildProcess[] = [];
const servers: Server[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'ic-adapter-'));
  sessions = join(home, 'sessions');
  mkdirSync(sessions);
  book = new LiveSessions({ clock: systemClock, log: silentLog() });
  adapter = new ClaudeAdapter({
    configDir: home,
    book,
    projects,
    activities: new ActivityBook({ clock: systemClock, log: silentLog() }),
    processes: systemProcesses,
    clock: systemClock,
    log: silentLog(),
    pid: process.pid,
    uid: process.getuid?.(),
  });
});

afterEach(async () => {
  await adapter.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const server of servers.splice(0)) await new Promise<void>((resolve) => server.close(() => resolve()));
  rmSync(home, { recursive: true, force: true });
});

/** A process that stands for the agent. */
async function agent(
  ...args: readonly string[]
): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly start: string }> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', ...args], { stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  return { child, pid, start: (await systemProcesses.startOf(pid)) ?? '' };
}

async function socketAt(path: string): Promise<void> {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, () => resolve()));
}

function record(pid: number, fields: object): void {
  const all = {
    pid,
    cwd: '/work/shop',
    startedAt: 1_795_000_000_000,
    version: '2.1.329',
    entrypoint: 'cli',
    status: 'idle',
    ...fields,
  };
  writeFileSync(join(sessions, `${pid}.json`), JSON.stringify(all));
}

/** The next change in the book that fits, or what is there. */
function until(fits: (session: Session) => boolean): Promise<Session> {
  const now = book.list().find(fits);
  if (now !== undefined) return Promise.resolve(now);
  return new Promise((resolve) => {
    const stop = book.onChange((session) => {
      if (!fits(session)) return;
      stop();
      resolve(session);
    });
  });
}

describe('the sessions of Claude Code', () => {
  it('are found by the registry with their state and their way in, followed, and ended', async () => {
    const { pid, start } = await agent();
    const path = join(home, 'a.sock');
    await socketAt(path);
    record(pid, {
      sessionId: 'sess-one',
      procStart: start,
      messagingSocketPath: path,
      name: 'shop\u001b[31m',
      status: 'busy',
    });
    await adapter.start();
    expect(book.get('sess-one')).toMatchObject({
      project: 'shop',
      pid,
      state: 'working',
      rung: 'inbox_socket',
      agentVersion: '2.1.329',
    });
    expect(book.get('sess-one')?.name).toBeUndefined();
    record(pid, {
      sessionId: 'sess-one',
      procStart: start,
      messagingSocketPath: path,
      status: 'waiting',
      waitingFor: 'permission prompt',
    });
    expect(await until(({ state }) => state === 'waiting')).toMatchObject({ waiting: { what: 'permission prompt' } });
    const ended = until(({ id, state }) => id === 'sess-one' && state === 'ended');
    // /clear: another session in the same process.
    record(pid, { sessionId: 'sess-two', procStart: start, messagingSocketPath: path });
    await until(({ id }) => id === 'sess-two');
    await ended;
    rmSync(join(sessions, `${pid}.json`));
    await until(({ id, state }) => id === 'sess-two' && state === 'ended');
    expect(book.list()).toEqual([]);
  });

  it('a record that outlived its process is not believed, nor one whose pid belongs to another now (seed: ghosts)', async () => {
    const dead = await agent();
    dead.child.kill('SIGKILL');
    await once(dead.child, 'close');
    record(dead.pid, { sessionId: 'sess-dead', procStart: dead.start });
    const other = await agent();
    record(other.pid, { sessionId: 'sess-other', procStart: '1' });
    const live = await agent();
    record(live.pid, { sessionId: 'sess-live', procStart: live.start });
    await adapter.start();
    expect(book.list().map(({ id }) => id)).toEqual(['sess-live']);
    const gone = until(({ id, state }) => id === 'sess-live' && state === 'ended');
    live.child.kill('SIGKILL');
    await gone;
  });

  it('a record that is half written ends no session', async () => {
    const { pid, start } = await agent();
    record(pid, { sessionId: 'sess-one', procStart: start });
    await adapter.start();
    const ended: string[] = [];
    book.onChange(({ id, state }) => state === 'ended' && ended.push(id));
    writeFileSync(join(sessions, `${pid}.json`), '{"pid":');
    // Another one appears with the scan that also sees the half.
    const other = await agent();
    record(other.pid, { sessionId: 'sess-other', procStart: other.start });
    await until(({ id }) => id === 'sess-other');
    record(pid, { sessionId: 'sess-one', procStart: start, status: 'busy' });
    await until(({ id, state }) => id === 'sess-one' && state === 'working');
    expect(ended).toEqual([]);
  });

  it('tells what it cannot do in words', async () => {
    const facts = await Promise.all([agent(), agent(), agent('--', '--dangerously-skip-permissions'), agent()]);
    const [old, deaf, bypass, headless] = facts;
    const path = join(home, 'b.sock');
    await socketAt(path);
    record(old.pid, { sessionId: 'sess-old1', version: '2.1.197' });
    record(deaf.pid, { sessionId: 'sess-deaf' });
    record(bypass.pid, { sessionId: 'sess-bypass', messagingSocketPath: path });
    record(headless.pid, { sessionId: 'sess-headless', messagingSocketPath: path, entrypoint: 'sdk-cli' });
    writeFileSync(
      join(home, 'settings.json'),
      JSON.stringify({ hooks: { Stop: [{ hooks: [{ command: '/x/intercom-hook.sh claude Stop' }] }] } }),
    );
    await adapter.start();
    const ways = [
      ['sess-old1', 'hooks', /older than 2\.1\.224/],
      ['sess-deaf', 'hooks', /did not open one/],
      ['sess-bypass', 'hooks', /bypasses permissions/],
      ['sess-headless', 'pull', /intercom_check_inbox/],
    ] as const;
    for (const [id, rung, note] of ways) {
      const session = book.get(id);
      expect([id, session?.rung]).toEqual([id, rung]);
      expect(session?.rungNote).toMatch(note);
    }
  });

  it('a session that only its hooks tell of is taken up, with its mode, and ended by its hook', async () => {
    const { pid } = await agent();
    await adapter.start();
    const payload = { session_id: 'sess-hook', cwd: '/work/shop', permission_mode: 'bypassPermissions', prompt: 'hi' };
    const facts = adapter.readHook('UserPromptSubmit', payload);
    expect(facts).toMatchObject({ moment: 'prompt', subagent: false, prompt: 'hi' });
    if (facts === undefined) return;
    const caller = { agent: 'claude', pid, session: 'sess-hook', cwd: undefined };
    expect(await adapter.noteHook(facts, caller)).toMatchObject({
      state: 'working',
      rung: 'hooks',
      permissionMode: 'bypassPermissions',
    });
    expect(adapter.hooksHeard('sess-hook')).toBe(true);
    await adapter.noteHook({ ...facts, moment: 'session_end', event: 'SessionEnd' }, caller);
    expect(book.list()).toEqual([]);
  });

  it('a hook of a process that does not run makes no session', async () => {
    await adapter.start();
    const facts = adapter.readHook('Stop', { session_id: 'sess-none', cwd: '/x' });
    if (facts === undefined) throw new Error('not read');
    expect(
      await adapter.noteHook(facts, { agent: 'claude', pid: 2 ** 22 + 5, session: undefined, cwd: undefined }),
    ).toBeUndefined();
    expect(book.list()).toEqual([]);
  });
});

describe('what is read', () => {
  it.each([
    ['not JSON', '{'],
    ['no session', '{"pid":1,"cwd":"/x"}'],
    ['a session id that is none', '{"pid":1,"cwd":"/x","sessionId":"../../etc"}'],
    ['a parked job', '{"pid":1,"cwd":"/x","sessionId":"sess-1","parkedJobId":"j"}'],
  ])('%s is no record', (_what, text) => expect(parseRecord(text)).toBeUndefined());

  it('fields of the wrong kind are as if missing', () => {
    expect(
      parseRecord('{"pid":1,"cwd":"/x","sessionId":"sess-1","version":7,"status":{},"startedAt":"x","new":true}'),
    ).toMatchObject({
      pid: 1,
      version: undefined,
      status: undefined,
    });
  });

  it.each([
    ['2.1.224', true],
    ['2.1.223', false],
    ['2.2.0', true],
    ['3.0.0', true],
    ['1.9.999', false],
    ['2.1.329-beta', true],
    ['nightly', false],
    [undefined, false],
  ] as const)('%s is at least 2.1.224: %s', (version, is) => expect(atLeast(version, '2.1.224')).toBe(is));

  it('the start time of a process is field 22, whatever its name', () => {
    const rest = ['S', ...Array.from({ length: 18 }, (_, index) => String(index + 4)), '4242', '23'].join(' ');
    expect(startTimeOfStat(`17 (a) b (c) ${rest}`)).toBe('4242');
    expect(startTimeOfStat(`17 (sh) ${rest.replace('S', 'Z')}`)).toBeUndefined();
  });

  it('names become one plain line', () => {
    expect(plainLine('  two\nlines ', 20)).toBe('two lines');
    expect(plainLine('\u001b[2J', 20)).toBeUndefined();
    expect(plainLine('a\u202eb', 20)).toBeUndefined();
    expect(plainLine('', 20)).toBeUndefined();
  });

  it.each([
    ['PostToolUse', { agent_id: 'a1', agent_type: 'general-purpose' }, true],
    ['PostToolUse', {}, false],
  ])('%s with %j is a subagent’s: %s', (event, fields, subagent) => {
    expect(adapter.readHook(event, { session_id: 'sess-1', cwd: '/x', ...fields })?.subagent).toBe(subagent);
  });
});
