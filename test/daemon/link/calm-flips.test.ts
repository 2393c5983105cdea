/** Which changes of a session go to the hub when. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CalmFlips, FLIP_MS } from '../../../src/daemon/link/calm-flips.ts';
import type { Session } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';

let clock: ManualClock;
let told: string[];
let flips: CalmFlips;

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  flips = new CalmFlips(clock, ({ state, name }) => told.push(name ?? state));
});

function put(state: Session['state'], more: Partial<Session> = {}): void {
  const stateSince = new Date(clock.now()).toISOString();
  const fixed = { id: 's', project: 'shop', agent: 'claude', cwd: '/shop', startedAt: stateSince.slice(0, 10) };
  flips.put({ ...fixed, state, stateSince, managed: false, rung: 'hooks', ...more });
}

describe('flips between working and thinking', () => {
  it('are told at once, then at most once in two seconds, and the last one always', () => {
    put('working');
    for (let i = 0; i < 100; i += 1) {
      clock.advance(10);
      put(i % 2 === 0 ? 'thinking' : 'working');
    }
    expect(told).toEqual(['working']);
    put('thinking');
    clock.advance(FLIP_MS);
    expect(told).toEqual(['working', 'thinking']);
    clock.advance(60_000);
    put('working');
    expect(told).toEqual(['working', 'thinking', 'working']);
  });

  it.each(['waiting', 'idle', 'ended', 'starting'] as const)('%s goes out at once, and takes back a flip', (state) => {
    put('working');
    put('thinking');
    put(state);
    clock.advance(60_000);
    expect(told).toEqual(['working', state]);
  });

  it('so does everything else that changes while it is busy', () => {
    put('working');
    put('thinking', { name: 'named' });
    put('thinking', { name: 'stalled', stalledSince: '2026-11-21T14:00:00.000Z' });
    expect(told).toEqual(['working', 'named', 'stalled']);
  });

  it('nothing is told after the stop', () => {
    put('working');
    put('thinking');
    flips.stop();
    clock.advance(60_000);
    expect(told).toEqual(['working']);
  });
});
