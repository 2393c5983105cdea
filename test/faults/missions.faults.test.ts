/**
 * SIGKILL of the daemon's launcher, of a runner, and of an agent, in each state of a mission, with real processes: what is told after the restart is
 * true, no process is left over, and no mission "runs" for ever.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemProcesses } from '../../src/daemon/agents/process-table.ts';
import type { MissionRow } from '../../src/daemon/store/mission-rows.ts';
import { DaemonStore } from '../../src/daemon/store/store.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import type { DeliverItem, DeliverMission } from '../../src/protocol/daemon-api.ts';
import type { MissionState } from '../../src/protocol/mission-life.ts';
import { RunnerRecord, type ProcessMark } from '../../src/protocol/runner-api.ts';
import { missionItem } from '../daemon/launcher/rig.ts';
import { bundle } from '../support/bundle.ts';

const SCRIPT = join(import.meta.dirname, '..', 'daemon', 'launcher', 'scripted-agent.mjs');

let entry: string;
beforeAll(async () => {
  const external = ['node-pty', '@xterm/headless', '@xterm/addon-serialize', 'better-sqlite3'];
  entry = await bundle('test/support/launcher-entry.ts', 'launcher', external);
}, 60_000);

let root: string;
let go: string;
let store: DaemonStore;
let daemon: LauncherProcess;
beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'kill-missions-')));
  mkdirSync(join(root, 'api'));
  go = join(root, 'go');
  daemon = await LauncherProcess.start(root);
  store = new DaemonStore({ file: join(root, 'state', 'daemon.db'), clock: systemClock, log: silentLog() });
});
afterEach(async () => {
  await daemon.kill();
  await store.close();
  for (const { runner, agentProcess } of records())
    for (const mark of [agentProcess, runner]) if (mark !== undefined) await end(mark);
  rmSync(root, { recursive: true, force: true });
});

class LauncherProcess {
  readonly #child: ChildProcess;
  #answered: (() => void)[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(home: string): Promise<LauncherProcess> {
    const options = {
      state: join(home, 'state'),
      projects: { api: join(home, 'api') },
      config: { max_concurrent: 1 },
      script: SCRIPT,
    };
    const child = spawn(process.execPath, [entry, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] });
    const one = new LauncherProcess(child);
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`it ended with ${String(code)}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line === 'ready') resolve();
        else one.#answered.shift()?.();
      });
    });
    return one;
  }

  async send(item: DeliverItem): Promise<void> {
    const answered = new Promise<void>((resolve) => this.#answered.push(resolve));
    this.#child.stdin?.write(`${JSON.stringify(item)}\n`);
    await answered;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await gone;
  }
}

async function restart(): Promise<void> {
  await daemon.kill();
  daemon = await LauncherProcess.start(root);
}

/** Until the store says so; that is what holds. */
async function reaches(item: DeliverMission, ...states: MissionState[]): Promise<MissionRow> {
  for (;;) {
    const row = await store.missions.get(item.missionId, item.run);
    if (row !== undefined && states.includes(row.state)) return row;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function records(): RunnerRecord[] {
  const folder = join(root, 'state', 'runners');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((id) => {
    const file = join(folder, id, 'record.json');
    return existsSync(file) ? [RunnerRecord.parse(JSON.parse(readFileSync(file, 'utf8')))] : [];
  });
}

async function alive(mark: ProcessMark | undefined): Promise<boolean> {
  return mark !== undefined && (await systemProcesses.startOf(mark.pid)) === mark.startedAt;
}

async function end(mark: ProcessMark): Promise<void> {
  if (await alive(mark)) process.kill(mark.pid, 'SIGKILL');
}

/** Every agent is gone, and so is every runner a moment later. */
async function nothingIsLeft(): Promise<void> {
  await expect
    .poll(
      async () =>
        (
          await Promise.all(records().flatMap(({ agentProcess, runner }) => [alive(agentProcess), alive(runner)]))
        ).filter(Boolean),
      {
        timeout: 20_000,
      },
    )
    .toEqual([]);
}

async function cancel(item: DeliverMission): Promise<void> {
  await daemon.send({ item: 'mission_stop', missionId: item.missionId, run: item.run, how: 'cancel', by: 'anna' });
  await reaches(item, 'cancelled');
  await nothingIsLeft();
}

const held: readonly (readonly [state: MissionState, text: () => string])[] = [
  ['running', () => `say busy\nuntil ${go}\ndone well`],
  ['waiting_human', () => 'wait may I?\ndone well'],
  ['rate_limited', () => 'limit 2100-01-01T00:00:00.000Z\nhang'],
];

describe('the daemon is killed', () => {
  for (const [state, text] of held) {
    it(`while a mission is ${state}: it is found again as it was, and can be ended`, { timeout: 60_000 }, async () => {
      const item = missionItem(text());
      await daemon.send(item);
      const before = await reaches(item, state);
      await restart();
      const row = await reaches(item, state);
      expect(row.runner).toBe(before.runner);
      expect(row.facts.attempts).toBe(1);
      await cancel(item);
    });
  }

  it('while a mission runs to its end without it: the end is told, once', { timeout: 60_000 }, async () => {
    const item = missionItem(`say busy\nuntil ${go}\ndone well`);
    await daemon.send(item);
    await reaches(item, 'running');
    await daemon.kill();
    writeFileSync(go, '');
    const agent = records()[0]?.agentProcess;
    await expect.poll(() => alive(agent), { timeout: 20_000 }).toBe(false);
    daemon = await LauncherProcess.start(root);
    const row = await reaches(item, 'completed', 'failed', 'lost');
    expect(row).toMatchObject({ state: 'completed', over: true, facts: { attempts: 1 } });
    await nothingIsLeft();
  });

  it('while a mission starts, at any instant: it runs once, to its end', { timeout: 120_000 }, async () => {
    writeFileSync(go, '');
    for (const ms of [0, 5, 20, 60, 150, 300]) {
      const item = missionItem(`until ${go}\ndone well`);
      await daemon.send(item);
      // The instant of the kill is the point of this test.
      await new Promise((resolve) => setTimeout(resolve, ms));
      await restart();
      const row = await reaches(item, 'completed', 'failed', 'lost');
      expect(row.state, `killed after ${ms} ms: ${row.reason ?? ''}`).toBe('completed');
    }
    await nothingIsLeft();
  });

  it('while missions wait in the queue, or are paused: they still do, and go on', { timeout: 60_000 }, async () => {
    const [first, second] = [missionItem(`say busy\nuntil ${go}\ndone first`), missionItem('done second')];
    await daemon.send(first);
    await reaches(first, 'running');
    await daemon.send(second);
    await restart();
    await reaches(second, 'queued');
    await daemon.send({ item: 'mission_stop', missionId: first.missionId, run: 1, how: 'pause', by: 'anna' });
    await reaches(first, 'paused');
    await reaches(second, 'completed');
    await restart();
    expect(await reaches(first, 'paused')).toMatchObject({ over: false });
    await cancel(first);
  });
});

describe('a runner is killed', () => {
  for (const [state, text] of held) {
    it(`while its mission is ${state}: lost is said, and its agent goes with it`, { timeout: 60_000 }, async () => {
      const item = missionItem(text());
      await daemon.send(item);
      await reaches(item, state);
      const [record] = records();
      if (record !== undefined) await end(record.runner);
      expect(await reaches(item, 'lost')).toMatchObject({ over: true });
      await nothingIsLeft();
    });
  }

  it('together with the daemon: the next daemon says lost and ends the agent', { timeout: 60_000 }, async () => {
    const item = missionItem('say busy\nhang');
    await daemon.send(item);
    await reaches(item, 'running');
    await daemon.kill();
    const [record] = records();
    if (record !== undefined) await end(record.runner);
    expect(await alive(record?.agentProcess)).toBe(true);
    daemon = await LauncherProcess.start(root);
    await reaches(item, 'lost');
    await nothingIsLeft();
  });
});

describe('an agent is killed', () => {
  for (const [state, text] of held.filter(([one]) => one !== 'rate_limited')) {
    it(`while its mission is ${state}: failed is said, with the signal`, { timeout: 60_000 }, async () => {
      const item = missionItem(text());
      await daemon.send(item);
      await reaches(item, state);
      const agent = records()[0]?.agentProcess;
      if (agent !== undefined) await end(agent);
      expect((await reaches(item, 'failed')).reason).toMatch(/signal SIGKILL/);
      await nothingIsLeft();
    });
  }
});

it(
  'seed: no mission stays running for ever: not even one whose runner does not do what it is told',
  { timeout: 90_000 },
  async () => {
    const item = missionItem('deaf\nsay busy\nhang');
    await daemon.send(item);
    await reaches(item, 'running');
    const [record] = records();
    // A stopped process hears no frame and no signal but the one.
    if (record !== undefined) process.kill(record.runner.pid, 'SIGSTOP');
    await cancel(item);
  },
);
