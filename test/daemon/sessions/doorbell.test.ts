import { beforeEach, describe, expect, it } from 'vitest';
import { Doorbell } from '../../../src/daemon/sessions/doorbell.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import type { Session } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let clock: ManualClock;
let book: LiveSessions;
let bell: Doorbell;
let mail: { since: number; oldest: string } | undefined;
let tell: () => void;
let alive: boolean;

beforeEach(() => {
  clock = new ManualClock();
  book = new LiveSessions({ clock, log: silentLog() });
  mail = undefined;
  alive = true;
  bell = new Doorbell({
    clock,
    book,
    isAlive: () => alive,
    mail: () => mail,
    onMail: (listener) => {
      tell = () => listener('sess-1');
      return () => undefined;
    },
  });
});

function put(fields: Partial<Session> = {}): void {
  book.put({
    id: 'sess-1',
    project: 'shop',
    agent: 'claude',
    pid: 42,
    cwd: '/shop',
    state: 'idle',
    stateSince: '2026-11-20T00:00:00.000Z',
    startedAt: '2026-11-20T00:00:00.000Z',
    managed: false,
    rung: 'hooks',
    ...fields,
  });
}

function wait(signal = new AbortController().signal): { answer: boolean | undefined; done: Promise<unknown> } {
  const one: { answer: boolean | undefined; done: Promise<unknown> } = { answer: undefined, done: Promise.resolve() };
  one.done = bell
    .wait('claude', { agent: 'claude', pid: 42, session: 'sess-1', cwd: undefined }, signal)
    .then((rings) => {
      one.answer = rings;
    });
  return one;
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function letterArrives(id = 'msg_1'): void {
  mail = { since: clock.monotonic(), oldest: id };
  tell();
}

describe('the doorbell', () => {
  it('rings an idle session when mail comes', async () => {
    put();
    const waiter = wait();
    await settled();
    expect(waiter.answer).toBeUndefined();
    letterArrives();
    await waiter.done;
    expect(waiter.answer).toBe(true);
  });

  it('a newer waiter supersedes the older: one per process', async () => {
    put();
    const [older, newer] = [wait(), wait()];
    await older.done;
    expect(older.answer).toBe(false);
    letterArrives();
    await newer.done;
    expect(newer.answer).toBe(true);
  });

  it('a working session is left to its next tool, and rung when none comes', async () => {
    put({ state: 'working' });
    const waiter = wait();
    letterArrives();
    clock.advance(9000);
    await settled();
    expect(waiter.answer).toBeUndefined();
    clock.advance(2000);
    await waiter.done;
    expect(waiter.answer).toBe(true);
  });

  it('an open dialog is not disturbed; the ring follows it', async () => {
    put({ state: 'waiting' });
    const waiter = wait();
    letterArrives();
    clock.advance(60_000);
    await settled();
    expect(waiter.answer).toBeUndefined();
    put({ state: 'idle' });
    await waiter.done;
    expect(waiter.answer).toBe(true);
  });

  it.each([
    ['its session has an inbox of its own', () => put({ rung: 'inbox_socket' })],
    ['its session ended', () => book.end('sess-1', 'exit')],
    [
      'its agent was killed',
      () => {
        alive = false;
        clock.advance(6000);
      },
    ],
  ])('ends when %s', async (_why, happens) => {
    put();
    const waiter = wait();
    await settled();
    happens();
    await waiter.done;
    expect(waiter.answer).toBe(false);
  });

  it('ends with its connection', async () => {
    put();
    const gone = new AbortController();
    const waiter = wait(gone.signal);
    gone.abort();
    await waiter.done;
    expect(waiter.answer).toBe(false);
  });

  it('the same mail does not ring for ever', async () => {
    put();
    letterArrives('msg_stuck');
    for (let i = 0; i < 3; i += 1) {
      const waiter = wait();
      await waiter.done;
      expect(waiter.answer).toBe(true);
    }
    const fourth = wait();
    clock.advance(120_000);
    await settled();
    expect(fourth.answer).toBeUndefined();
    letterArrives('msg_new');
    await fourth.done;
    expect(fourth.answer).toBe(true);
  });
});
