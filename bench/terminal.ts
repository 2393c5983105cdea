/**
 * Terminals: how soon a watcher sees the screen, how soon a key comes back, what a flood costs its own runner and everybody else. Real runner processes with real pseudo-terminals; the daemon's
 * and the hub's relays pass frames on as they are and are not in these figures.
 */
import { spawn, execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { writeSpec } from '../src/daemon/runner/spec.ts';
import { newId } from '../src/protocol/ids.ts';
import { RunnerRecord, RunnerSpec } from '../src/protocol/runner-api.ts';
import { samples, timed, type Figure } from './figures.ts';

const INTERCOM = fileURLToPath(new URL('../../bin/intercom.js', import.meta.url));

/** One runner with a shell in its terminal. */
class Running {
  readonly directory: string;
  readonly #child: ChildProcess;

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.#child = child;
  }

  static async start(folder: string, script: string): Promise<Running> {
    const id = newId('runner');
    const directory = join(folder, id);
    const spec = RunnerSpec.parse({
      protocol: 1,
      id,
      agent: 'bench',
      runtime: 'terminal',
      executable: '/bin/sh',
      argv: ['-c', script],
      cwd: folder,
      environment: { PATH: process.env.PATH ?? '' },
    });
    await writeSpec(directory, spec);
    const child = spawn(process.execPath, [INTERCOM, 'runner', directory], { detached: true, stdio: 'ignore' });
    const running = new Running(directory, child);
    while (running.#record?.agentProcess === undefined) await pause(5);
    return running;
  }

  get #record(): RunnerRecord | undefined {
    const file = join(this.directory, 'record.json');
    if (!existsSync(file)) return undefined;
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return RunnerRecord.parse(json);
  }

  /** Resident memory of the runner in MiB. */
  get memory(): number {
    const kib = execFileSync('ps', ['-o', 'rss=', '-p', String(this.#child.pid)]).toString();
    return Number(kib.trim()) / 1024;
  }

  connect(): WebSocket {
    const record = this.#record;
    return new WebSocket(`ws+unix://${record?.socket ?? ''}:/terminal?as=bench&write=1`, {
      headers: { authorization: `Bearer ${record?.key ?? ''}` },
      perMessageDeflate: false,
    });
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await ended;
  }
}

export async function terminalFigures(quick: boolean): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ic-bench-terminal-'));
  const rounds = quick ? 20 : 300;
  const floodSeconds = quick ? 3 : 60;
  const started: Running[] = [];
  const start = async (script: string): Promise<Running> => {
    const running = await Running.start(folder, script);
    started.push(running);
    return running;
  };
  try {
    const launch = await repeat(quick ? 2 : 8, () => timed(() => start('exec sleep 1000')));
    const echoing = await start('stty -echo -icanon; seq 1 2000; exec cat');
    const idleMemory = echoing.memory;
    const attach = await repeat(rounds / 4, () => timed(() => snapshotOf(echoing)));
    const before = await echoes(echoing, rounds);
    const flood = await start('exec yes this line is printed again and again by a program that floods');
    const slow = await slowWatcher(flood);
    const until = performance.now() + floodSeconds * 1000;
    const during: number[] = [];
    let mostMemory = 0;
    while (performance.now() < until) {
      during.push(...(await echoes(echoing, quick ? 10 : 20)));
      mostMemory = Math.max(mostMemory, flood.memory);
    }
    const floodAttach = await repeat(quick ? 3 : 20, () => timed(() => snapshotOf(flood)));
    slow.terminate();
    return [
      { what: 'launch → agent runs in its terminal', value: samples(launch).p50, unit: 'ms' },
      { what: 'attach → whole screen (2,000 lines of scrollback)', value: samples(attach).p50, unit: 'ms' },
      { what: 'attach to a flooding terminal', value: samples(floodAttach).p50, unit: 'ms' },
      { what: 'key → back on the screen of a watcher', value: samples(before).p50, unit: 'ms' },
      { what: '… p99', value: samples(before).p99, unit: 'ms' },
      {
        what: `… while another terminal floods (yes, ${floodSeconds} s, slow watcher)`,
        budget: samples(before).p50 * 2,
        value: samples(during).p50,
        unit: 'ms',
      },
      { what: '… p99', value: samples(during).p99, unit: 'ms' },
      { what: 'memory of a runner with a terminal', value: idleMemory, unit: 'MiB' },
      { what: '… that floods, at most', budget: idleMemory + 64, value: mostMemory, unit: 'MiB' },
    ];
  } finally {
    await Promise.all(started.map((running) => running.stop()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** From connecting to the first frame. */
async function snapshotOf(running: Running): Promise<void> {
  const socket = running.connect();
  await new Promise<void>((resolve, reject) => {
    socket.once('message', () => resolve());
    socket.once('error', reject);
  });
  socket.terminate();
}

async function echoes(running: Running, rounds: number): Promise<number[]> {
  const socket = running.connect();
  await new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer, binary: boolean) => {
      if (!binary && data.includes('"keyboard","you":true')) resolve();
      else if (!binary && data.includes('"snapshot"')) socket.send('{"frame":"take"}');
    });
  });
  const times: number[] = [];
  for (let i = 0; i < rounds; i += 1) {
    const mark = `k${i};`;
    const start = performance.now();
    await new Promise<void>((resolve) => {
      let text = '';
      const listener = (data: Buffer, binary: boolean): void => {
        if (binary) text += data.subarray(8).toString('latin1');
        if (!text.includes(mark)) return;
        socket.off('message', listener);
        resolve();
      };
      socket.on('message', listener);
      socket.send(JSON.stringify({ frame: 'input', data: mark }));
    });
    times.push(performance.now() - start);
  }
  socket.terminate();
  return times;
}

/** Reads a little, now and then. */
async function slowWatcher(running: Running): Promise<WebSocket> {
  const socket = running.connect();
  await new Promise<void>((resolve) => socket.once('message', () => resolve()));
  socket.pause();
  const timer = setInterval(() => {
    socket.resume();
    setTimeout(() => socket.pause(), 5);
  }, 500);
  socket.once('close', () => clearInterval(timer));
  return socket;
}

async function repeat(count: number, task: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < count; i += 1) values.push(await task());
  return values;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
