/** Machines that are silent, and machines that are online with their door shut: both are said, and taken back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AWAY_NOTICE_MS } from '../../../src/hub/notices/machine-notices.ts';
import { Reach } from '../../../src/hub/registry/reach.ts';
import type { FakeDaemon } from '../../support/fake-daemon.ts';
import { OWNER, TestHub } from '../../support/hub-core.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('knocking', () => {
  /** A door that is open or not, and what was said of it. */
  function door() {
    const clock = new ManualClock();
    const said: (string | undefined)[] = [];
    const state = { open: true, knocks: 0 };
    const reach = new Reach({
      clock,
      knock: async () => {
        state.knocks += 1;
        if (!state.open) throw new Error('shut');
      },
      onChange: (_machine, problem) => void said.push(problem),
    });
    const pass = async (ms: number): Promise<void> => {
      clock.advance(ms);
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    };
    return { reach, said, state, pass };
  }

  it('says nothing of an open door, nor of one knock that failed', async () => {
    const { reach, said, state, pass } = door();
    reach.online('laptop');
    await pass(1_000);
    state.open = false;
    await pass(60_000);
    state.open = true;
    await pass(5_000);
    await pass(60_000);
    expect([said, state.knocks, reach.problem('laptop')]).toEqual([[], 4, undefined]);
  });

  it('says once that it is shut, and once that it is open again', async () => {
    const { reach, said, state, pass } = door();
    state.open = false;
    reach.online('laptop');
    for (let n = 0; n < 6; n += 1) await pass(20_000);
    expect(said).toHaveLength(1);
    expect(reach.problem('laptop')).toEqual(said[0]);
    state.open = true;
    await pass(20_000);
    expect(said).toEqual([expect.any(String), undefined]);
  });

  it('knocks no more at a machine that is away, and takes back what it said', async () => {
    const { reach, said, state, pass } = door();
    state.open = false;
    reach.online('laptop');
    for (let n = 0; n < 3; n += 1) await pass(20_000);
    reach.gone('laptop');
    const { knocks } = state;
    await pass(600_000);
    expect([said.at(-1), said.length, state.knocks]).toEqual([undefined, 2, knocks]);
  });
});

describe('in the hub', () => {
  let hub: TestHub;
  let laptop: FakeDaemon;
  beforeEach(async () => {
    hub = await TestHub.start();
    laptop = await hub.machine('laptop');
  });
  afterEach(() => hub.close());

  const changed = (fits: (unreachable: string | undefined) => boolean) =>
    hub.until(
      (event) => event.type === 'machine.changed' && event.machine.id === 'laptop' && fits(event.machine.unreachable),
    );

  /** Moves time in small steps, with heartbeats, until the daemon was knocked at so often. */
  async function knocked(times: number): Promise<void> {
    const until = laptop.pings + times;
    while (laptop.pings < until) {
      await hub.beat('laptop');
      await hub.advance(1_000);
    }
  }

  it('online by its heartbeat and shut for the hub: state, sentence, notice with what to do; then it is over', async () => {
    laptop.away();
    await knocked(2);
    await changed((unreachable) => unreachable !== undefined);
    const machine = await hub.core.registry.machine('laptop');
    expect(machine.status).toBe('online');
    expect(machine.unreachable).toContain('it sleeps');
    const notice = hub.notices.get('machine.unreachable.laptop');
    expect(notice?.text).toContain(`unreachable from the hub at ${laptop.url}`);
    expect(notice?.next).toContain('hub.daemon_listen');
    laptop.back();
    const before = hub.heard.length;
    await knocked(1);
    await hub.until(
      (event) => event.type === 'machine.changed' && event.seq > before && event.machine.unreachable === undefined,
    );
    expect(hub.notices.has('machine.unreachable.laptop')).toBe(false);
    expect(await hub.core.registry.machine('laptop')).not.toHaveProperty('unreachable');
  });

  it('another machine that answers at its address is no answer', async () => {
    const other = await hub.machine('server');
    other.secret = laptop.secret;
    await hub.store.write(({ db }) =>
      db.updateTable('machines').set({ daemon_url: other.url }).where('id', '=', 'laptop').execute(),
    );
    await hub.beat('laptop');
    while (other.pings < 3 || !hub.notices.has('machine.unreachable.laptop')) {
      await hub.beat('laptop');
      await hub.advance(1_000);
    }
    expect(hub.notices.get('machine.unreachable.laptop')?.text).toContain('daemon of server answers there');
  });

  it('silent for long is said, with a restart of the hub in between; back, it is over', async () => {
    await hub.advance(AWAY_NOTICE_MS / 2);
    expect((await hub.core.registry.machine('laptop')).status).toBe('away');
    expect(hub.notices.size).toBe(0);
    await hub.restart();
    await hub.advance(AWAY_NOTICE_MS / 2);
    expect(hub.notices.get('machine.away.laptop')?.text).toContain('last heard from at 2026-11-21T14:00');
    await hub.beat('laptop');
    expect(hub.notices.has('machine.away.laptop')).toBe(false);
  });

  it('a goodbye and a revocation are no trouble', async () => {
    await hub.machine('server');
    await hub.core.registry.leave('laptop');
    await hub.core.registry.revoke(OWNER, 'server');
    await hub.advance(3 * AWAY_NOTICE_MS);
    await hub.restart();
    await hub.advance(3 * AWAY_NOTICE_MS);
    expect([...hub.notices.keys()]).toEqual([]);
  });
});
