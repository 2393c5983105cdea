/** Sessions of our runners: in the book, with the ways into them. The agent's program is one of the configuration alone. */
import { beforeEach, describe, expect, it } from 'vitest';
import { genericProgram } from '../../../src/daemon/agents/generic/program.ts';
import type { HookAnswer, HookCall, Projects } from '../../../src/daemon/ports.ts';
import { ActivityBook } from '../../../src/daemon/sessions/activity/activity-book.ts';
import { STALE_MS } from '../../../src/daemon/sessions/activity/verdict.ts';
import { NotSent } from '../../../src/daemon/sessions/agent-port.ts';
import type { ManagedRun } from '../../../src/daemon/sessions/managed.ts';
import { ManagedBook } from '../../../src/daemon/sessions/managed-sessions.ts';
import { fits } from '../../../src/daemon/terminal/gate.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type { ScreenState, TypingOutcome } from '../../../src/protocol/runner-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const CONFIG = {
  command: undefined,
  displayName: undefined,
  args: [],
  resumeArgs: undefined,
  forkArgs: undefined,
  versionArgs: undefined,
  prompt: 'argument' as const,
  runtimes: undefined,
  flags: undefined,
  env: {},
  passEnv: [],
};
const projects: Projects = {
  list: () => [],
  forDirectory: (cwd) => ({
    id: cwd.slice(1),
    description: '',
    capabilities: [],
    tags: [],
    path: cwd,
    agent: 'crow',
    source: 'session',
  }),
  onChange: () => () => undefined,
};

let clock: ManualClock;
let activities: ActivityBook;
let book: LiveSessions;
let managed: ManagedBook;
let outcome: TypingOutcome;
let lines: string[];
let typed: string[];
let seen: string[];
let calls: HookCall[];

beforeEach(() => {
  clock = new ManualClock();
  book = new LiveSessions({ clock, log: silentLog() });
  activities = new ActivityBook({ clock, log: silentLog() });
  managed = new ManagedBook({
    book,
    projects,
    activities,
    hasAdapter: ({ program }) => program.name === 'claude',
    clock,
    log: silentLog(),
  });
  [outcome, lines, typed, seen, calls] = ['typed', [], [], [], []];
  managed.connect({
    hooks: {
      event: async (call): Promise<HookAnswer> => {
        calls.push(call);
        if (call.event === 'Faulty') throw new Error('a fault');
        return { text: 'printed' };
      },
      acknowledge: async () => undefined,
      doorbell: async () => undefined,
    },
    delivery: {
      undelivered: () => 2,
      promptSeen: async (session, text) => void seen.push(`${session} ${text}`),
      printed: () => undefined,
      turnEnded: async () => undefined,
    },
    dialogs: {
      seen: ({ session }, { fingerprint }) => void seen.push(`dialog of ${session()} ${fingerprint ?? 'none'}`),
      ended: (runner) => void seen.push(`ended ${runner}`),
    },
  });
});

function run(more: Partial<ManagedRun> = {}): ManagedRun {
  return {
    runner: newId('runner'),
    program: genericProgram('crow', CONFIG),
    runtime: 'terminal',
    cwd: '/shop',
    pid: 4711,
    session: undefined,
    mission: { id: newId('mission'), run: 1 },
    attended: false,
    startedAt: '2026-11-21T12:00:00.000Z',
    agentVersion: '1.0.0',
    channel: {
      write: async (line) => void lines.push(line),
      type: async (text) => {
        typed.push(text);
        return outcome;
      },
      answer: async () => outcome,
    },
    ...more,
  };
}

function screen(state: ScreenState['state'], more: Partial<ScreenState> = {}): ScreenState {
  return { state, options: [], ...more };
}

function only() {
  const [session, ...others] = book.list();
  expect(others).toEqual([]);
  if (session === undefined) throw new Error('no session in the book');
  return session;
}

const WAKE = { id: 'w', sender: 'laptop/api', text: 'the text' };

describe('an agent without an adapter', () => {
  it('is in the book from its start to its end, managed, with its mission', () => {
    const given = run();
    const session = managed.attach(given);
    expect(only()).toMatchObject({
      id: given.runner,
      project: 'shop',
      agent: 'crow',
      pid: 4711,
      managed: true,
      mission: given.mission?.id,
      state: 'starting',
      rung: 'typed',
    });
    session.event({ kind: 'session', session: 'its-own-id' });
    expect(only().id).toBe('its-own-id');
    session.end('it ended');
    session.end('twice');
    session.event({ kind: 'turn_started' });
    expect(book.list()).toEqual([]);
  });

  it('its runner is known by its id while it lives', () => {
    const given = run();
    const session = managed.attach(given);
    expect(managed.ofRunner(given.runner)).toEqual({ agent: 'crow', session: given.runner });
    session.event({ kind: 'session', session: 'its-own-id' });
    expect(managed.ofRunner(given.runner)).toEqual({ agent: 'crow', session: 'its-own-id' });
    expect(managed.ofRunner(newId('runner'))).toBeUndefined();
    session.end('it ended');
    expect(managed.ofRunner(given.runner)).toBeUndefined();
  });

  it('its state comes from its screen until events tell it; then the screen only takes back what is stale', () => {
    const session = managed.attach(run());
    session.screen(screen('prompt'));
    expect(only()).toMatchObject({ state: 'idle', stateSource: 'screen', confidence: 'likely' });
    session.screen(screen('dialog', { dialog: 'menu', title: 'May I?\u0007' }));
    expect(only()).toMatchObject({ state: 'waiting', waiting: { kind: 'dialog', what: 'May I?' } });
    session.event({ kind: 'turn_started', prompt: 'go' });
    clock.advance(1);
    session.screen(screen('prompt'));
    expect(only()).toMatchObject({ state: 'thinking', stateSource: 'stream', confidence: 'certain' });
    clock.advance(STALE_MS);
    expect(only()).toMatchObject({ state: 'idle', stateSource: 'screen', confidence: 'likely' });
    session.event({ kind: 'turn_ended', text: '', isError: false, background: false });
    expect(only()).toMatchObject({ state: 'idle', confidence: 'certain' });
    expect(only().waiting).toBeUndefined();
  });

  it('what it asks stands until it goes on', () => {
    const session = managed.attach(run());
    session.event({ kind: 'turn_started' });
    session.event({ kind: 'tool', tool: 'execute', label: 'Run: make', shape: 'command' });
    session.event({ kind: 'waiting', for: 'permission: Run: make' });
    expect(only()).toMatchObject({ state: 'waiting', waiting: { kind: 'permission', what: 'Run: make' } });
    session.event({ kind: 'tool_done', tool: 'execute', ok: true });
    expect(only().state).toBe('thinking');
    session.event({ kind: 'rate_limited', text: 'slow down', resetAt: '2026-11-21T15:00:00.000Z' });
    expect(only()).toMatchObject({ waiting: { kind: 'rate_limit', resetAt: '2026-11-21T15:00:00.000Z' } });
    clock.advance(3_600_000);
    expect(only().state).toBe('idle');
  });

  it('has its screen looked at for dialogs, under the name that it has then, until it ends', () => {
    const given = run();
    const session = managed.attach(given);
    session.screen(screen('dialog', { fingerprint: 'a1' }));
    session.event({ kind: 'session', session: 'crow-session-1' });
    session.screen(screen('prompt'));
    session.end('over');
    session.screen(screen('dialog', { fingerprint: 'a2' }));
    expect(seen).toEqual([`dialog of ${given.runner} a1`, 'dialog of crow-session-1 none', `ended ${given.runner}`]);
  });

  it('is typed to only at a free prompt, and what the gate refuses was not sent', async () => {
    const session = managed.attach(run());
    session.screen(screen('working'));
    await expect(managed.channelOf(only())).rejects.toThrow(/not at its prompt/);
    session.screen(screen('prompt', { box: 'half a thought' }));
    await expect(managed.channelOf(only())).rejects.toThrow(/being typed/);
    session.screen(screen('prompt', { box: '' }));
    const channel = await managed.channelOf(only());
    expect(await channel?.send(WAKE)).toMatch(/typed into its terminal/);
    outcome = 'person_typing';
    await expect(channel?.send(WAKE)).rejects.toThrow(NotSent);
    await channel?.send({ ...WAKE, text: 'x'.repeat(5000) }).catch(() => undefined);
    await channel?.send({ ...WAKE, text: '[intercom] Message:\n<m>\nfirst\n\tsecond\n</m>\n' }).catch(() => undefined);
    // As the typing gate takes it, and as a box shows it whole.
    expect(typed.every((text) => fits(text) && text.length <= 600)).toBe(true);
    expect(typed.at(-1)).toBe('[intercom] Message: ⏎ <m> ⏎ first ⏎ second ⏎ </m>');
  });

  it('headless, its input is the way in, and a prompt that comes back proves it', async () => {
    const program = { ...genericProgram('crow', CONFIG), inputLine: (text: string) => `line:${text}` };
    const session = managed.attach(run({ runtime: 'headless', program, session: 'session-1' }));
    expect(only().rung).toBe('stream');
    await (await managed.channelOf(only()))?.send(WAKE);
    expect(lines).toEqual(['line:the text']);
    session.event({ kind: 'turn_started', prompt: 'the text' });
    expect(seen).toEqual(['session-1 the text']);
    expect(session.undelivered()).toBe(2);
  });

  it('headless without input it gets its mail when it asks', () => {
    managed.attach(run({ runtime: 'headless' }));
    expect(only().rung).toBe('pull');
    expect(managed.channelOf(only())).toBeUndefined();
  });
});

describe('hooks of a managed agent', () => {
  it('are answered as those of its session; a fault of ours is silence', async () => {
    const given = run({ runtime: 'headless', session: 'session-1' });
    const session = managed.attach(given);
    const { signal } = new AbortController();
    const call = { key: 'run_1:7', event: 'Stop', body: '{}', signal };
    expect(await session.hook(call)).toEqual({ text: 'printed' });
    expect(calls[0]).toMatchObject({
      agent: 'crow',
      caller: { pid: 4711, session: 'session-1' },
      key: 'run_1:7',
      unattended: true,
      mission: given.mission?.id,
    });
    expect(await session.hook({ ...call, event: 'Faulty' })).toEqual({ text: '' });
    session.end('over');
    expect(await session.hook(call)).toEqual({ text: '' });
  });
});

describe('an agent with an adapter', () => {
  it('is published by that one, which asks here whose process it is', () => {
    let changes = 0;
    managed.onChange(() => (changes += 1));
    const older = managed.attach(
      run({ program: { ...genericProgram('claude', CONFIG) }, session: 's-1', pid: undefined }),
    );
    expect(book.list()).toEqual([]);
    const newer = run({ program: { ...genericProgram('claude', CONFIG) }, session: 's-1', pid: undefined });
    const second = managed.attach(newer);
    expect(managed.of('s-1', undefined)?.run).toBe(newer);
    second.started(99);
    expect(managed.of('another-after-clear', 99)?.run).toBe(newer);
    second.end('over');
    older.end('over');
    expect(managed.of('s-1', 99)).toBeUndefined();
    expect(changes).toBe(5);
  });

  it('is listed from here while it asks something before that one can know it', () => {
    const session = managed.attach(run({ program: { ...genericProgram('claude', CONFIG) }, session: 's-1' }));
    session.screen(screen('starting'));
    expect(book.list()).toEqual([]);
    session.screen(screen('dialog', { dialog: 'trust', title: 'Do you trust the files in this folder?' }));
    expect(only()).toMatchObject({
      id: 's-1',
      state: 'waiting',
      waiting: { kind: 'trust', what: 'May it work in this folder?' },
      stateSource: 'screen',
      managed: true,
      rung: 'none',
    });
    const its = { ...only(), state: 'idle' as const, rung: 'inbox_socket' as const, rungNote: 'of its adapter' };
    book.put(its);
    session.screen(screen('working'));
    session.end('over');
    expect(only()).toBe(its);
  });

  it('that was never known otherwise ends with its run', () => {
    const session = managed.attach(run({ program: { ...genericProgram('claude', CONFIG) }, pid: undefined }));
    session.screen(screen('dialog', { dialog: 'login', title: 'Select login method' }));
    expect(only()).toMatchObject({ id: session.id ?? only().id, waiting: { kind: 'login' } });
    session.screen(screen('prompt'));
    expect(only().state).toBe('idle');
    session.end('over');
    expect(book.list()).toEqual([]);
  });
});
