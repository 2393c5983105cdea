/**
 * A real mesh of real processes for tests and benches: a hub and daemons from `dist/`, each with its own INTERCOM_HOME, joined by the real
 * join. Everything is reached as its users reach it: sockets, commands, HTTP.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { bearer, JsonClient } from '../../src/platform/http/client.ts';
import { LocalClient } from '../../src/platform/local-client.ts';
import { resolvePaths, type Paths } from '../../src/platform/paths.ts';
import { RunnerRecord } from '../../src/protocol/runner-api.ts';
import { Approval } from '../../src/protocol/model.ts';
import { ApprovalsPage } from '../../src/protocol/operator-api.ts';
import type { DecisionRequest } from '../../src/protocol/operator-api.ts';

export const BIN = fileURLToPath(new URL('../../bin/intercom.js', import.meta.url));

/** A free TCP port on loopback. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** One home with its configuration, and the process that runs on it. */
export class Node {
  readonly home: string;
  readonly paths: Paths;
  readonly env: NodeJS.ProcessEnv;
  readonly #command: string;
  #child: ChildProcess | undefined;
  #output = '';

  constructor(home: string, command: string, env: NodeJS.ProcessEnv = {}) {
    this.home = home;
    this.#command = command;
    // Nothing of the environment that runs the tests may reach the program: not its home, nor that an agent runs them.
    this.env = {
      PATH: process.env.PATH,
      HOME: join(home, 'user'),
      INTERCOM_HOME: home,
      INTERCOM_LOG: 'warn',
      NO_COLOR: '1',
      ...env,
    };
    this.paths = resolvePaths(this.env, join(home, 'user'));
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.#command} does not run`);
    return pid;
  }

  /** What the process printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Starts the process and waits until its socket answers. */
  async start(): Promise<void> {
    await mkdir(join(this.home, 'user'), { recursive: true });
    const child = spawn(process.execPath, [BIN, this.#command], { env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)));
    child.stderr.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)));
    await this.#ready(child);
  }

  /** SIGKILL, and gone when the promise resolves. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and gone when the promise resolves. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Runs a command of the program on this home. */
  cli(args: readonly string[], options: { readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {}) {
    return execa(process.execPath, [BIN, ...args], {
      env: { ...this.env, ...options.env },
      extendEnv: false,
      reject: false,
      timeout: 60_000,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    });
  }

  /** The local API as an agent in `cwd` with this session would use it. */
  local(caller: {
    readonly cwd: string;
    readonly session?: string;
    readonly agent?: string;
    readonly pid?: number;
  }): LocalClient {
    return new LocalClient({
      socketPath: this.paths.daemonSocket,
      keyPath: this.paths.daemonKey,
      caller: () => caller,
    });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async #ready(child: ChildProcess): Promise<void> {
    const socket = this.#command === 'daemon' ? this.paths.daemonSocket : this.paths.hubSocket;
    const client = new JsonClient({ origin: 'http://intercom', socketPath: socket, peer: 'it', unreachableNext: '' });
    try {
      for (let attempt = 0; attempt < 1_000; attempt += 1) {
        if (child.exitCode !== null) throw new Error(`${this.#command} ended at start:\n${this.#output}`);
        const answered = await client.call({ method: 'GET', path: '/api/health' }, z.unknown()).then(
          () => true,
          (error: unknown) => error instanceof Error && !/cannot be reached/.test(error.message),
        );
        if (answered) return;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      throw new Error(`${this.#command} was not ready in time:\n${this.#output}`);
    } finally {
      await client.close();
    }
  }
}

/** What an operator can do, over the hub's own socket. */
export class Operator {
  readonly #client: JsonClient;

  static async of(hub: Node): Promise<Operator> {
    const key = (await readFile(hub.paths.hubKey, 'utf8')).trim();
    return new Operator(
      new JsonClient({
        origin: 'http://hub',
        socketPath: hub.paths.hubSocket,
        authorize: bearer(() => key),
        peer: 'the hub',
        unreachableNext: '',
      }),
    );
  }

  constructor(client: JsonClient) {
    this.#client = client;
  }

  call<T>(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, schema: z.ZodType<T>, body?: unknown): Promise<T> {
    return this.#client.call(
      { method, path: `/api/operator${path}`, timeoutMs: 60_000, ...(body === undefined ? {} : { body }) },
      schema,
    );
  }

  async pending(): Promise<Approval[]> {
    return (await this.call('GET', '/approvals?state=pending&limit=100', ApprovalsPage)).approvals;
  }

  decide(
    approval: Approval,
    verdict: 'allow' | 'deny',
    extra: Partial<Pick<DecisionRequest, 'scope' | 'reason' | 'answers' | 'suggestion'>> = {},
  ): Promise<Approval> {
    return this.call('POST', `/approvals/${approval.id}/decision`, Approval, {
      verdict,
      shownHash: approval.shownHash,
      ...extra,
    });
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

export interface MeshOptions {
  /** Machine ids of the daemons. */
  readonly machines: readonly string[];
  /** policies.yml of the hub; absent: its defaults. */
  readonly policy?: string;
  /** Lines added to the hub's configuration. */
  readonly hubConfig?: string;
  /** Lines added to every daemon's configuration. */
  readonly daemonConfig?: string;
  readonly hubEnv?: NodeJS.ProcessEnv;
  readonly daemonEnv?: (machine: string) => NodeJS.ProcessEnv;
  /** Told the home of `hub` or a machine before anything is written there: a test may put a disk of its own under it. */
  readonly onHome?: (name: string, home: string) => Promise<void>;
}

export class Mesh {
  readonly root: string;
  readonly hub: Node;
  readonly hubUrl: string;
  readonly daemons = new Map<string, Node>();
  readonly operator: Operator;

  private constructor(root: string, hub: Node, hubUrl: string, operator: Operator) {
    this.root = root;
    this.hub = hub;
    this.hubUrl = hubUrl;
    this.operator = operator;
  }

  /** Starts a hub, joins the machines one by one, and starts their daemons. */
  static async start(options: MeshOptions): Promise<Mesh> {
    const root = await mkdtemp(join(tmpdir(), 'mesh-'));
    const port = await freePort();
    const hub = new Node(join(root, 'hub'), 'hub', options.hubEnv);
    await options.onHome?.('hub', hub.home);
    await writeHome(hub, `mode: hub\nhub:\n  port: ${port}\n  listen: 127.0.0.1\n${options.hubConfig ?? ''}`);
    if (options.policy !== undefined) await writeFile(hub.paths.policyFile, options.policy);
    await hub.start();
    const mesh = new Mesh(root, hub, `http://127.0.0.1:${port}`, await Operator.of(hub));
    try {
      for (const machine of options.machines) await mesh.#join(machine, options);
    } catch (error) {
      // Nobody else could end what runs already.
      await mesh.stop();
      throw error;
    }
    return mesh;
  }

  daemon(machine: string): Node {
    const node = this.daemons.get(machine);
    if (node === undefined) throw new Error(`no machine ${machine} in this mesh`);
    return node;
  }

  async stop(): Promise<void> {
    await this.operator.close();
    for (const node of this.daemons.values()) {
      await node.kill();
      await endRunners(node);
    }
    await this.hub.kill();
    await rm(this.root, { recursive: true, force: true, maxRetries: 5 });
  }

  async #join(machine: string, options: MeshOptions): Promise<void> {
    const port = await freePort();
    const node = new Node(join(this.root, machine), 'daemon', options.daemonEnv?.(machine));
    await options.onHome?.(machine, node.home);
    const config = `mode: daemon\nmachine:\n  id: ${machine}\nhub:\n  url: ${this.hubUrl}\n  daemon_port: ${port}\n  daemon_listen: 127.0.0.1\n`;
    await writeHome(node, config + (options.daemonConfig ?? ''));
    const joining = node.cli(['join', this.hubUrl]);
    const approval = await this.#joinCard(machine);
    await this.operator.decide(approval, 'allow');
    const joined = await joining;
    if (joined.exitCode !== 0) throw new Error(`${machine} could not join:\n${joined.stdout}\n${joined.stderr}`);
    await node.start();
    this.daemons.set(machine, node);
  }

  async #joinCard(machine: string): Promise<Approval> {
    for (let attempt = 0; attempt < 500; attempt += 1) {
      const found = (await this.operator.pending()).find(
        (one) => one.subject.kind === 'join' && one.subject.machineId === machine,
      );
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`no join card of ${machine} came:\n${this.hub.output}`);
  }
}

/** Runners live as long as their agents, not as long as their daemon: what a test leaves is ended with its mesh. */
async function endRunners(node: Node): Promise<void> {
  const folder = join(node.paths.state, 'runners');
  for (const id of await readdir(folder).catch(() => [])) {
    const record = await readFile(join(folder, id, 'record.json'), 'utf8').catch(() => undefined);
    const pid = record === undefined ? undefined : RunnerRecord.parse(JSON.parse(record)).runner.pid;
    try {
      if (pid !== undefined) process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }
}

async function writeHome(node: Node, config: string): Promise<void> {
  await mkdir(node.paths.config, { recursive: true, mode: 0o700 });
  await writeFile(node.paths.configFile, config, { mode: 0o600 });
}
