/** One real daemon beside 15 sessions that a person started by hand: records of Claude Code's registry with living processes, without hooks. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Mesh } from '../test/support/mesh.ts';
import { samples, type Figure } from './figures.ts';
import { Load } from './load.ts';
import { EventStream } from './stream.ts';

const SESSIONS = 15;
const CHANGE_MS = 3_000;
const STATUSES = ['busy', 'waiting', 'busy', 'idle'] as const;

interface Registered {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly id: string;
}

export async function registryFigures(quick: boolean): Promise<Figure[]> {
  const mesh = await Mesh.start({ machines: ['alpha'] });
  const sessions: Registered[] = [];
  try {
    const daemon = mesh.daemon('alpha');
    const folder = join(daemon.home, 'user', '.claude', 'sessions');
    await mkdir(folder, { recursive: true });
    const key = (await readFile(mesh.hub.paths.hubKey, 'utf8')).trim();
    const stream = await EventStream.open(mesh.hub.paths, key);
    const heard = new Map<string, () => void>();
    stream.listen((event) => {
      if (event.type === 'session.changed') heard.get(event.session.id)?.();
    });
    for (let index = 0; index < SESSIONS; index += 1) sessions.push(await register(folder, mesh.root, index));
    await sleep(3_000);
    const seconds = quick ? 5 : 30;
    const times: number[] = [];
    const load = await Load.of(daemon.pid);
    const end = performance.now() + seconds * 1_000;
    await Promise.all(
      sessions.map(async (session, index) => {
        await sleep(Math.random() * CHANGE_MS);
        for (let turn = index; performance.now() < end; turn += 1) {
          const start = performance.now();
          const told = new Promise<void>((resolve) => heard.set(session.id, resolve));
          await write(folder, mesh.root, session, index, STATUSES[turn % STATUSES.length] ?? 'busy');
          await Promise.race([told.then(() => times.push(performance.now() - start)), sleep(CHANGE_MS)]);
          await sleep(CHANGE_MS * (0.5 + Math.random()));
        }
      }),
    );
    const { cpuPercent, memoryMiB } = await load.taken();
    stream.close();
    const { p50, p95 } = samples(times);
    return [
      { what: 'record of a session by hand changed → on the stream, p50', value: p50, unit: 'ms' },
      { what: 'the same, p95', budget: 100, value: p95, unit: 'ms' },
      { what: 'CPU of a daemon with 15 such sessions, of one core', value: cpuPercent, unit: '%' },
      { what: 'memory of that daemon', value: memoryMiB, unit: 'MiB' },
    ];
  } finally {
    for (const { process } of sessions) process.kill();
    await mesh.stop();
  }
}

async function register(folder: string, root: string, index: number): Promise<Registered> {
  const cwd = join(root, 'projects', `project-${index}`);
  await mkdir(cwd, { recursive: true });
  const child = spawn('sleep', ['600'], { cwd, stdio: 'ignore' });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const session = {
    process: child,
    pid: child.pid ?? 0,
    id: `7d7e2ca8-0000-4000-8000-${String(index).padStart(12, '0')}`,
  };
  await write(folder, root, session, index, 'idle');
  return session;
}

/** As Claude Code does: a whole new file in the place of the old one. */
async function write(folder: string, root: string, session: Registered, index: number, status: string): Promise<void> {
  const file = join(folder, `${session.pid}.json`);
  const record = {
    pid: session.pid,
    sessionId: session.id,
    cwd: join(root, 'projects', `project-${index}`),
    startedAt: Date.now() - 60_000,
    version: '2.1.329',
    kind: 'interactive',
    entrypoint: 'cli',
    status,
    statusUpdatedAt: Date.now(),
    ...(status === 'waiting' ? { waitingFor: 'permission prompt' } : {}),
  };
  await writeFile(`${file}.new`, JSON.stringify(record));
  await rename(`${file}.new`, file);
}
