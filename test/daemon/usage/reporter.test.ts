import { describe, expect, it } from 'vitest';
import type { SessionSum } from '../../../src/daemon/store/usage.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { UsageReporter } from '../../../src/daemon/usage/reporter.ts';
import { silentLog } from '../../../src/platform/log.ts';
import type { MachineUsage, UsageReport } from '../../../src/protocol/attention.ts';
import type { Session } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const AT = '2026-11-21T14:00:00.000Z';
const TOKENS = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 };

function session(id: string): Session {
  return {
    id,
    project: 'shop',
    agent: 'claude',
    cwd: '/shop',
    state: 'working',
    stateSince: AT,
    startedAt: AT,
    managed: false,
    rung: 'none',
  };
}

class Desk {
  readonly clock = new ManualClock();
  readonly book = new LiveSessions({ clock: this.clock, log: silentLog() });
  readonly sums = new Map<string, SessionSum>();
  readonly sent: UsageReport[] = [];
  machine: MachineUsage = { agent: 'claude', at: AT, week: { start: AT, end: AT, tokens: TOKENS } };
  isOnline = true;
  fails = false;
  tries = 0;
  readonly reporter = new UsageReporter({
    book: this.book,
    sessionSum: async (id) => this.sums.get(id),
    machine: async () => this.machine,
    isOnline: () => this.isOnline,
    send: async (report) => {
      this.tries += 1;
      if (this.fails) throw new Error('away');
      this.sent.push(report);
    },
    clock: this.clock,
    log: silentLog(),
  });

  live(id: string, changes: Partial<SessionSum> = {}): void {
    this.book.put(session(id));
    this.sums.set(id, {
      session: id,
      agent: 'claude',
      model: 'claude-opus-4-8',
      context: 50_000,
      window: 200_000,
      ...TOKENS,
      costUsd: 0.1,
      changedAt: this.clock.now(),
      ...changes,
    });
  }

  /** Time goes on, and everything that follows from it happens. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('what the hub is told', () => {
  it('seed: everything was sent every three seconds; now what changed, gathered', async () => {
    const desk = new Desk();
    desk.live('session-1');
    for (let round = 0; round < 20; round += 1) desk.reporter.note('claude', ['session-1']);
    await desk.pass(0);
    expect(desk.sent).toHaveLength(1);
    expect(desk.sent[0]?.sessions).toEqual([
      {
        session: 'session-1',
        model: 'claude-opus-4-8',
        contextTokens: 50_000,
        contextWindow: 200_000,
        tokens: TOKENS,
        costUsd: 0.1,
        at: '2026-11-21T14:00:00.000Z',
      },
    ]);
    // Nothing changed, so nothing goes out; what changes a lot within five seconds goes out once.
    desk.reporter.note('claude', ['session-1']);
    await desk.pass(5_000);
    expect(desk.sent).toHaveLength(1);
    for (let round = 1; round <= 4; round += 1) {
      desk.live('session-1', { output: 100 * round });
      desk.reporter.note('claude', ['session-1']);
      await desk.pass(1_000);
    }
    await desk.pass(5_000);
    expect(desk.sent.slice(1).map(({ sessions }) => sessions[0]?.tokens.output)).toEqual([400]);
  });

  it('seed: a context of more than everything was shown; the last answer alone makes none', async () => {
    const desk = new Desk();
    desk.live('session-1', { context: 203_000 });
    desk.reporter.note('claude', ['session-1']);
    await desk.pass(0);
    expect(desk.sent[0]?.sessions[0]).toMatchObject({ contextTokens: 200_000, contextWindow: 200_000 });
  });

  it('only of sessions that live, and only agents that were used', async () => {
    const desk = new Desk();
    desk.live('session-1');
    desk.book.end('session-1', 'gone');
    desk.machine = { agent: 'claude', at: AT };
    desk.reporter.note('claude', ['session-1', 'session-2']);
    await desk.pass(0);
    expect(desk.tries).toBe(0);
  });

  it('while the hub is away nothing goes out, and afterwards the newest', async () => {
    const desk = new Desk();
    desk.isOnline = false;
    for (let round = 1; round <= 3; round += 1) {
      desk.live('session-1', { output: round });
      desk.reporter.note('claude', ['session-1']);
      await desk.pass(60_000);
    }
    expect(desk.tries).toBe(0);
    desk.isOnline = true;
    desk.reporter.greeted('epoch-1');
    await desk.pass(0);
    expect(desk.sent.map(({ sessions }) => sessions.map(({ tokens }) => tokens.output))).toEqual([[3]]);
  });

  it('what did not arrive is told again, and a hub that lost its memory is told everything', async () => {
    const desk = new Desk();
    desk.live('session-1');
    desk.fails = true;
    desk.reporter.greeted('epoch-1');
    desk.reporter.note('claude', ['session-1']);
    await desk.pass(0);
    desk.fails = false;
    await desk.pass(5_000);
    expect(desk.sent).toHaveLength(1);
    desk.reporter.greeted('epoch-1');
    await desk.pass(5_000);
    expect(desk.sent).toHaveLength(1);
    desk.reporter.greeted('epoch-2');
    await desk.pass(5_000);
    expect(desk.sent[1]).toMatchObject({ sessions: [{ session: 'session-1' }], machine: [{ agent: 'claude' }] });
  });
});
