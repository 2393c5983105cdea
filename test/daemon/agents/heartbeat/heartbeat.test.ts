/** The seed's heartbeat files: what is read, what is refused, and sessions of real processes that only they tell of. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HeartbeatAdapter, workingDirectory } from '../../../../src/daemon/agents/heartbeat/adapter.ts';
import { parseHeartbeat, readHeartbeat } from '../../../../src/daemon/agents/heartbeat/heartbeat-file.ts';
import { startMoment, systemProcesses } from '../../../../src/daemon/agents/process-table.ts';
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

let base: string;
let folder: string;
let shop: string;
let book: LiveSessions;
let adapter: HeartbeatAdapter;
const children: ChildProcess[] = [];

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'ic-heartbeat-')));
  folder = join(base, 'cc-sessions');
  shop = join(base, 'shop');
  mkdirSync(shop);
  const log = silentLog();
  book = new LiveSessions({ clock: systemClock, log });
  adapter = new HeartbeatAdapter({
    folder,
    book,
    projects,
    activities: new ActivityBook({ clock: systemClock, log }),
    processes: systemProcesses,
    directoryOf: workingDirectory,
    momentOf: startMoment,
    clock: systemClock,
    log,
    uid: process.getuid?.(),
  });
});

afterEach(async () => {
  await adapter.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(base, { recursive: true, force: true });
});

async function agent(): Promise<{ readonly child: ChildProcess; readonly pid: number }> {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'ignore', cwd: shop });
  children.push(child);
  await once(child, 'spawn');
  return { child, pid: child.pid ?? 0 };
}

/** A file as the seed's script writes it. */
function heartbeat(pid: number, fields: object = {}): string {
  const path = join(folder, `${pid}.json`);
  mkdirSync(folder, { recursive: true });
  const file = {
    pid,
    session_id: `sess-${pid}`,
    session_name: '',
    machine: 'somebody-else',
    project: 'shop',
    last_tool: 'hook-working',
    last_tool_time: new Date().toISOString(),
    tmux_session: '',
    pty_port: null,
    rc_url: null,
    transcript_path: null,
    ...fields,
  };
  writeFileSync(path, JSON.stringify(file));
  return path;
}

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

describe.skipIf(process.platform !== 'linux')('heartbeat files', () => {
  it('seed: a null transcript made the session invisible', async () => {
    const { pid } = await agent();
    heartbeat(pid);
    await adapter.start();
    expect(book.list()).toHaveLength(1);
    expect(book.list()[0]).toMatchObject({
      id: `sess-${pid}`,
      project: 'shop',
      pid,
      state: 'working',
      stateSource: 'heartbeat',
      confidence: 'guess',
      rung: 'pull',
      managed: false,
    });
  });

  it('are followed while their process lives', async () => {
    const { child, pid } = await agent();
    heartbeat(pid);
    await adapter.start();
    heartbeat(pid, { last_tool: 'hook-stop' });
    await until(({ state }) => state === 'idle');
    const ended = until(({ state }) => state === 'ended');
    child.kill('SIGKILL');
    await once(child, 'close');
    await adapter.scan();
    expect(await ended).toMatchObject({ pid });
    expect(book.list()).toEqual([]);
  });

  it('make no folder, and tell nothing of a process that another source has, also when that comes later', async () => {
    await adapter.start();
    expect(existsSync(folder)).toBe(false);
    const { pid } = await agent();
    heartbeat(pid);
    await adapter.scan();
    const [guessed] = book.list();
    if (guessed === undefined) throw new Error('no session');
    const known = { ...guessed, state: 'idle' as const, rung: 'hooks' as const, rungNote: 'of its adapter' };
    book.put(known);
    heartbeat(pid, { last_tool_time: new Date().toISOString() });
    await adapter.scan();
    rmSync(join(folder, `${pid}.json`));
    await adapter.scan();
    expect(book.list()).toEqual([known]);
  });

  it.each<[string, (pid: number) => void]>([
    ['a link', (pid) => symlinkSync(heartbeat(1, { pid }), join(folder, `${pid}.json`))],
    ['not JSON (the script escapes nothing)', (pid) => writeFileSync(heartbeat(pid), '{"pid": 1, "project": "a"b"}')],
    ['too large', (pid) => writeFileSync(heartbeat(pid), JSON.stringify({ pid, more: 'x'.repeat(70_000) }))],
    ['of another process', (pid) => writeFileSync(heartbeat(pid), JSON.stringify({ pid: 1 }))],
    ['older than its process', (pid) => utimesSync(heartbeat(pid), 1_000_000, 1_000_000)],
    ['a folder', (pid) => mkdirSync(join(folder, `${pid}.json`), { recursive: true })],
  ])('seed: S13 - files in /tmp were trusted: %s is no session', async (_what, write) => {
    const { pid } = await agent();
    write(pid);
    await adapter.start();
    expect(book.list()).toEqual([]);
  });

  it('seed: S13 - those of another user are not read', async () => {
    const path = heartbeat(process.pid);
    expect(await readHeartbeat(path, (process.getuid?.() ?? 0) + 1)).toBeUndefined();
    expect(await readHeartbeat(path, process.getuid?.())).toMatchObject({ pid: process.pid });
  });
});

describe('what a file says', () => {
  it.each([
    ['{"pid":7}', { pid: 7, session: undefined, says: undefined, at: 1000 }],
    ['{"pid":7,"session_id":"../x","last_tool":"hook-start"}', { session: undefined, says: 'idle' }],
    ['{"pid":7,"last_tool":"hook-activity","last_tool_time":"1970-01-01T00:00:00.500Z"}', { says: undefined, at: 500 }],
    ['{"pid":7,"last_tool":"hook-working","last_tool_time":"2099-01-01T00:00:00Z"}', { says: 'busy', at: 1000 }],
  ])('%s', (content, says) => expect(parseHeartbeat(content, 1000)).toMatchObject(says));

  it.each(['', '[]', '{"pid":"7"}', '{"pid":-1}', 'null'])('%s says nothing', (content) =>
    expect(parseHeartbeat(content, 1000)).toBeUndefined(),
  );
});
