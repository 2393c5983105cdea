/** What it costs to watch over many sessions: 300 on 20 machines that change all the time, one operator's stream, and one daemon with 15 sessions of its own. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { admitMachine } from '../src/hub/store/machines.ts';
import { HubStore } from '../src/hub/store/hub-store.ts';
import { silentLog } from '../src/platform/log.ts';
import type { HubEvent } from '../src/protocol/events.ts';
import type { Approval, Session } from '../src/protocol/model.ts';
import { freePort, Node, Operator } from '../test/support/mesh.ts';
import { registryFigures } from './attention-daemon.ts';
import { samples, type Figure } from './figures.ts';
import { Load } from './load.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { EventStream } from './stream.ts';

const MACHINES = 20;
const SESSIONS_EACH = 15;
/** Each session changes this often; some changes are a permission. */
const CHANGE_MS = 3_000;
const PERMISSION_SHARE = 0.05;
const USAGE_MS = 10_000;
/** How long a person takes for a card. */
const DECIDE_MS = 1_000;
const SECRET = 'secret-of-the-bench-000000';

export async function attentionFigures(quick: boolean): Promise<Figure[]> {
  const root = await mkdtemp(join(tmpdir(), 'bench-attention-'));
  const hub = new Node(join(root, 'hub'), 'hub');
  try {
    const hubUrl = await startWithMachines(hub);
    const fleet = await Fleet.start(hub, hubUrl);
    try {
      return [...(await fleet.figures(quick ? 5 : 30)), ...(await registryFigures(quick))];
    } finally {
      await fleet.close();
    }
  } finally {
    await hub.kill();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The machines are let in beforehand: joining twenty of them is not what is measured. */
async function startWithMachines(hub: Node): Promise<string> {
  const port = await freePort();
  for (const folder of [hub.paths.config, hub.paths.state]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(hub.paths.configFile, `mode: hub\nhub:\n  port: ${port}\n  listen: 127.0.0.1\n`, { mode: 0o600 });
  const store = await HubStore.open({ file: hub.paths.hubDatabase, log: silentLog() });
  const joined_at = Date.now();
  for (const id of machineIds())
    await store.write(({ db }) =>
      admitMachine(db, { id, display_name: id, daemon_url: 'http://127.0.0.1:9', secret: SECRET, joined_at }),
    );
  await store.close();
  await hub.start();
  return `http://127.0.0.1:${port}`;
}

function machineIds(): string[] {
  return Array.from({ length: MACHINES }, (_, index) => `machine-${String(index).padStart(2, '0')}`);
}

class Fleet {
  readonly #hub: Node;
  readonly #operator: Operator;
  readonly #stream: EventStream;
  readonly #machines: readonly SimulatedMachine[];
  /** When a change was handed in, by what identifies it on the stream. */
  readonly #sent = new Map<string, number>();
  readonly #changes: number[] = [];
  readonly #cards: number[] = [];
  #events = 0;
  #running = true;
  #dialogs = 0;

  static async start(hub: Node, hubUrl: string): Promise<Fleet> {
    const machines = await Promise.all(machineIds().map((id) => SimulatedMachine.of({ id, secret: SECRET, hubUrl })));
    const operator = await Operator.of(hub);
    const key = (await readFile(hub.paths.hubKey, 'utf8')).trim();
    for (const machine of machines)
      await machine.hello(Array.from({ length: SESSIONS_EACH }, (_, index) => sessionOf(machine.id, index, 'working')));
    return new Fleet(hub, operator, machines, await EventStream.open(hub.paths, key));
  }

  private constructor(hub: Node, operator: Operator, machines: readonly SimulatedMachine[], stream: EventStream) {
    this.#hub = hub;
    this.#operator = operator;
    this.#machines = machines;
    this.#stream = stream;
    stream.listen((event) => this.#heard(event));
  }

  async figures(seconds: number): Promise<Figure[]> {
    const lives = this.#machines.flatMap((machine) => [
      ...Array.from({ length: SESSIONS_EACH }, (_, index) => this.#live(machine, index)),
      this.#use(machine),
    ]);
    // Everything is compiled and connected before it counts.
    await sleep(3_000);
    this.#changes.length = 0;
    this.#cards.length = 0;
    this.#events = 0;
    const load = await Load.of(this.#hub.pid);
    await sleep(seconds * 1_000);
    const { cpuPercent, memoryMiB, memoryPeakMiB } = await load.taken();
    const events = this.#events / seconds;
    this.#running = false;
    await Promise.all(lives);
    const changes = samples(this.#changes);
    const cards = samples(this.#cards);
    return [
      { what: '300 sessions on 20 machines: change → on the stream, p50', value: changes.p50, unit: 'ms' },
      { what: 'the same, p95', budget: 100, value: changes.p95, unit: 'ms' },
      { what: 'permission raised → card on the stream, p50', budget: 50, value: cards.p50, unit: 'ms' },
      { what: 'the same, p95', value: cards.p95, unit: 'ms' },
      { what: 'events on the stream meanwhile', value: events, unit: '/s' },
      { what: 'CPU of the hub meanwhile, of one core', value: cpuPercent, unit: '%' },
      { what: 'hub memory with 300 busy sessions', budget: 170, value: memoryMiB, unit: 'MiB' },
      { what: 'the same, at its highest', value: memoryPeakMiB, unit: 'MiB' },
    ];
  }

  async close(): Promise<void> {
    this.#running = false;
    this.#stream.close();
    await this.#operator.close();
    for (const machine of this.#machines) await machine.close();
  }

  /** One session: it works, thinks, idles, and sometimes asks. */
  async #live(machine: SimulatedMachine, index: number): Promise<void> {
    const states = ['working', 'thinking', 'working', 'idle'] as const;
    // Not all at the same time.
    await sleep(Math.random() * CHANGE_MS);
    for (let turn = 0; this.#running; turn += 1) {
      const asks = Math.random() < PERMISSION_SHARE;
      const session = sessionOf(machine.id, index, asks ? 'waiting' : (states[turn % states.length] ?? 'working'));
      this.#sent.set(changeKey(machine.id, session), performance.now());
      await machine.told([session]);
      if (asks) await this.#ask(machine, session);
      await sleep(CHANGE_MS * (0.5 + Math.random()));
    }
  }

  async #ask(machine: SimulatedMachine, session: Session): Promise<void> {
    this.#dialogs += 1;
    const summary = `npm run build -- ${this.#dialogs}`;
    this.#sent.set(summary, performance.now());
    await machine.raise({
      ref: `dialog-${String(this.#dialogs).padStart(8, '0')}`,
      session: session.id,
      subject: {
        kind: 'tool',
        from: `${machine.id}/${session.project}`,
        agent: 'claude',
        tool: 'Bash',
        summary,
        input: summary,
        cut: false,
        cwd: session.cwd,
        suggestions: ['Bash(npm run build:*)'],
      },
    });
  }

  async #use(machine: SimulatedMachine): Promise<void> {
    await sleep(Math.random() * USAGE_MS);
    while (this.#running) {
      await machine.used(usageOf(machine.id));
      await sleep(USAGE_MS);
    }
  }

  #heard(event: HubEvent): void {
    this.#events += 1;
    if (event.type === 'session.changed') this.#count(changeKey(event.machineId, event.session), this.#changes);
    else if (event.type === 'approval.changed' && event.approval.state === 'pending') {
      const { approval } = event;
      if (approval.subject.kind === 'tool') this.#count(approval.subject.summary, this.#cards);
      void this.#decide(approval);
    }
  }

  #count(key: string, into: number[]): void {
    const sent = this.#sent.get(key);
    if (sent === undefined) return;
    this.#sent.delete(key);
    into.push(performance.now() - sent);
  }

  async #decide(approval: Approval): Promise<void> {
    await sleep(DECIDE_MS);
    if (this.#running) await this.#operator.decide(approval, 'allow');
  }
}

function changeKey(machine: string, session: Session): string {
  return `${machine} ${session.id} ${session.stateSince}`;
}

function sessionId(index: number): string {
  return `7d7e2ca8-0000-4000-8000-${String(index).padStart(12, '0')}`;
}

function sessionOf(machine: string, index: number, state: Session['state']): Session {
  const at = new Date().toISOString();
  const project = `project-${index}`;
  return {
    id: sessionId(index),
    project,
    agent: 'claude',
    agentVersion: '2.1.329',
    pid: 10_000 + index,
    cwd: `/home/user/${machine}/${project}`,
    state,
    ...(state === 'waiting' ? { waiting: { kind: 'permission', what: 'Bash: npm run build' } } : {}),
    stateSince: at,
    stateSource: 'hook',
    confidence: 'certain',
    startedAt: '2026-01-01T00:00:00.000Z',
    managed: false,
    rung: 'inbox_socket',
  };
}

function usageOf(machine: string) {
  const at = new Date().toISOString();
  const tokens = { input: 1_000, output: 20_000, cacheRead: 900_000, cacheWrite: 40_000 };
  const sessions = Array.from({ length: 3 }, (_, index) => ({
    session: sessionId(index),
    model: 'claude-opus-4-5',
    contextTokens: 90_000 + Math.floor(Math.random() * 50_000),
    contextWindow: 200_000,
    tokens,
    costUsd: Math.random() * 5,
    at,
  }));
  const block = { start: at, end: new Date(Date.now() + 3_600_000).toISOString(), tokens, usedPercent: machine.length };
  return { sessions, machine: [{ agent: 'claude', block, at }] };
}
