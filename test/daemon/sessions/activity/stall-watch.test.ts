/** Silent sessions: looked at first, told then, and taken back by the next sign. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemProcesses, workBelow } from '../../../../src/daemon/agents/process-table.ts';
import { ActivityBook } from '../../../../src/daemon/sessions/activity/activity-book.ts';
import type { Deed } from '../../../../src/daemon/sessions/activity/observations.ts';
import { STALL_MS, StallWatch, TICK_MS } from '../../../../src/daemon/sessions/activity/stall-watch.ts';
import { LiveSessions } from '../../../../src/daemon/sessions/session-book.ts';
import { isoTime } from '../../../../src/platform/clock.ts';
import { silentLog } from '../../../../src/platform/log.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

let clock: ManualClock;
let activities: ActivityBook;
let book: LiveSessions;
let watch: StallWatch;
let grown: number | undefined;
let work: number | undefined;
let looks: number;
/** Added to the monotonic clock, as on systems that count a suspended machine's sleep. */
let slept: number;

beforeEach(() => {
  [grown, work, looks, slept] = [undefined, undefined, 0, 0];
  clock = new ManualClock();
  const log = silentLog();
  activities = new ActivityBook({ clock, log });
  book = new LiveSessions({ clock, log });
  activities.onChange(publish);
  watch = new StallWatch({
    book,
    activities,
    grewAt: async () => {
      looks += 1;
      return grown;
    },
    workOf: async () => work,
    clock: {
      now: () => clock.now() + slept,
      monotonic: () => clock.monotonic() + slept,
      after: (ms, task) => clock.after(ms, task),
      // Ticks are made by the test, which waits for each.
      every: () => () => undefined,
    },
    log,
  });
});
afterEach(() => watch.stop());

function publish(id: string): void {
  const at = isoTime(clock.now());
  book.put({
    id,
    project: 'shop',
    agent: 'claude',
    pid: 4711,
    cwd: '/shop',
    startedAt: at,
    managed: false,
    rung: 'hooks',
    ...activities.fields(id),
  });
}

function does(deed: Deed): void {
  activities.tell('s', { kind: 'event', source: 'hook', at: clock.now(), deed });
  publish('s');
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= TICK_MS) {
    clock.advance(Math.min(left, TICK_MS));
    await watch.tick();
  }
}

const session = () => book.get('s');

describe('the stall watch', () => {
  it('looks at nothing before five silent minutes, then tells since when, until the next sign', async () => {
    const began = isoTime(clock.now());
    does({ does: 'takes_prompt' });
    await pass(STALL_MS - TICK_MS);
    expect(looks).toBe(0);
    await pass(TICK_MS);
    expect(looks).toBe(1);
    expect(session()).toMatchObject({ state: 'working', stalledSince: began, confidence: 'guess' });
    does({ does: 'ends_turn', background: false });
    expect(session()).toMatchObject({ state: 'idle', confidence: 'certain' });
    expect(session()?.stalledSince).toBeUndefined();
  });

  it('a record that grew, or tools that use the processor, are signs; each only for as long as they last', async () => {
    does({ does: 'takes_prompt' });
    await pass(STALL_MS - TICK_MS);
    grown = clock.now();
    await pass(TICK_MS);
    expect(session()?.stalledSince).toBeUndefined();
    work = 100;
    await pass(STALL_MS);
    expect(session()?.stalledSince).toBeUndefined();
    work = 110;
    await pass(TICK_MS);
    expect(session()?.stalledSince).toBeUndefined();
    await pass(STALL_MS + TICK_MS);
    expect(session()?.stalledSince).toBeDefined();
    work = 120;
    await pass(TICK_MS);
    expect(session()?.stalledSince).toBeUndefined();
  });

  it('a machine that slept makes nobody stall', async () => {
    does({ does: 'takes_prompt' });
    await pass(STALL_MS / 2);
    slept = 8 * 3_600_000;
    await pass(TICK_MS);
    expect(session()?.stalledSince).toBeUndefined();
    expect(looks).toBe(0);
  });

  it('who waits, is idle, or works only in the background is never suspected', async () => {
    const call = { tool: 'Bash', input: {}, id: 't1' };
    does({ does: 'asks', wait: { kind: 'permission', what: 'Bash: x' }, call });
    await pass(2 * STALL_MS);
    does({ does: 'ends_turn', background: true });
    expect(session()?.state).toBe('working');
    await pass(2 * STALL_MS);
    does({ does: 'ends_turn', background: false });
    await pass(2 * STALL_MS);
    expect(looks).toBe(0);
  });
});

describe.skipIf(process.platform !== 'linux')('the work below a process', () => {
  it('counts what its children use, those that ended too, and not its own', async () => {
    const burn = 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done';
    const child = spawn('/bin/sh', ['-c', `/bin/sh -c '${burn}'; echo done; read x`], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    expect(await workBelow(child.pid ?? 0)).toBeGreaterThan(0.02);
    expect(await workBelow(process.pid)).toBeGreaterThanOrEqual(0.02);
    child.kill('SIGKILL');
    await once(child, 'close');
    expect(await systemProcesses.startOf(child.pid ?? 0)).toBeUndefined();
    expect(await workBelow(child.pid ?? 0)).toBeUndefined();
  });
});
