/**
 * SIGKILL of hub or daemon at any instant, under load, with real processes: after each restart every accepted message is delivered exactly
 * once, in the order of its thread, and the receipts are true. KILL_ROUNDS sets the number of kills; KILL_SEED repeats a run.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentsResponse } from '../../src/protocol/machine-api.ts';
import { Trace } from '../../src/protocol/model.ts';
import type { InboxItem } from '../../src/protocol/local-api.ts';
import { Mesh, type Node } from '../support/mesh.ts';

const ROUNDS = Number(process.env.KILL_ROUNDS ?? 12);
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000);
const SENDERS = 4;

const policy = 'defaults: { require_approval: never }\n';
const limits = 'limits:\n  messages_per_pair_per_minute: 10000\n  replies_per_message: 1000\n';

let mesh: Mesh;
beforeAll(async () => {
  mesh = await Mesh.start({ machines: ['alpha', 'beta'], policy, hubConfig: limits });
}, 60_000);
afterAll(async () => {
  await mesh.stop();
});

describe(`kill -9, ${ROUNDS} rounds (seed ${SEED})`, () => {
  it(
    'delivers every accepted message exactly once, in thread order, with true receipts',
    { timeout: 30 * 60_000 },
    async () => {
      const random = mulberry32(SEED);
      const cwd = await project('beta', 'work');
      const receiver = new Receiver(mesh.daemon('beta'), cwd);
      const senders = await Promise.all(
        Array.from(
          { length: SENDERS },
          async (_, index) => new Sender(mesh.daemon('alpha'), await project('alpha', `desk-${index}`), index),
        ),
      );
      await receiver.announce();
      await listed('beta/work');
      const running = [receiver.run(), ...senders.map((sender) => sender.run())];

      const victims = [mesh.hub, mesh.daemon('alpha'), mesh.daemon('beta')];
      for (let round = 0; round < ROUNDS; round += 1) {
        const victim = victims[Math.floor(random() * victims.length)] ?? mesh.hub;
        // The instant of the kill is the point of this test: anywhere within the life of a message or two.
        await pause(random() * 120);
        await victim.kill();
        await victim.start();
      }

      for (const sender of senders) sender.stop();
      await Promise.all(running.slice(1));
      const accepted = senders.flatMap((sender) => sender.accepted);
      await receiver.until(accepted.length);
      receiver.stop();
      await running[0];

      expect(accepted.length).toBeGreaterThan(ROUNDS);
      expect(receiver.got.map((item) => item.body).sort()).toEqual(accepted.map((one) => one.body).sort());
      for (const sender of senders) {
        const mine = receiver.got.filter((item) => item.body.startsWith(`${sender.name} `)).map((item) => item.body);
        expect(mine).toEqual(sender.accepted.map((one) => one.body));
      }
      for (const one of accepted) {
        const trace = await mesh.operator.call('GET', `/messages/${one.id}/trace`, Trace);
        expect(['delivered', 'seen'], one.body).toContain(trace.message.state);
        expect(trace.steps.filter((step) => step.state === 'delivered')).toHaveLength(1);
      }
    },
  );
});

async function project(machine: string, name: string): Promise<string> {
  const path = join(mesh.root, 'projects', machine, name);
  await mkdir(path, { recursive: true });
  return path;
}

/** Until the hub has heard from the daemon that this agent exists. */
async function listed(address: string): Promise<void> {
  for (;;) {
    const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
    if (agents.some((agent) => agent.address === address)) return;
    await pause(20);
  }
}

/** Sends numbered messages in one thread, each again under the same key until it is accepted, as an agent's MCP server would. */
class Sender {
  readonly name: string;
  readonly accepted: { readonly id: string; readonly body: string }[] = [];
  readonly #node: Node;
  readonly #cwd: string;
  #stopped = false;

  constructor(node: Node, cwd: string, index: number) {
    this.#node = node;
    this.#cwd = cwd;
    this.name = `desk-${index}`;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    const client = this.#node.local({ cwd: this.#cwd });
    let thread: string | undefined;
    for (let number = 0; !this.#stopped; number += 1) {
      const body = `${this.name} ${number}`;
      const status = await untilAccepted(() =>
        client.submit({
          kind: 'send',
          to: 'beta/work',
          body,
          idempotencyKey: body,
          ...(thread === undefined ? {} : { threadId: thread }),
        }),
      );
      thread = status.threadId;
      this.accepted.push({ id: status.id, body });
      await pause(5);
    }
  }
}

/** An agent without an adapter: takes its mail, and acknowledges until the daemon has heard it. */
class Receiver {
  readonly got: InboxItem[] = [];
  readonly #node: Node;
  readonly #cwd: string;
  #stopped = false;
  #heard: (() => void)[] = [];

  constructor(node: Node, cwd: string) {
    this.#node = node;
    this.#cwd = cwd;
  }

  stop(): void {
    this.#stopped = true;
  }

  async announce(): Promise<void> {
    await untilAccepted(() =>
      this.#client().putSession({ id: 'receiver-1', agent: 'tester', pid: process.pid, cwd: this.#cwd }),
    );
  }

  async until(count: number): Promise<void> {
    while (this.got.length < count) await new Promise<void>((resolve) => this.#heard.push(resolve));
  }

  async run(): Promise<void> {
    const client = this.#client();
    while (!this.#stopped) {
      const taken = await client.takeInbox().catch(() => undefined);
      if (taken === undefined) {
        // The daemon was killed: a pull-only agent says again that it is there.
        await this.announce();
        continue;
      }
      const offer = taken.offer;
      if (offer === undefined) {
        await pause(10);
        continue;
      }
      this.got.push(...taken.messages);
      await untilAccepted(() => client.acknowledge(offer));
      for (const heard of this.#heard.splice(0)) heard();
    }
  }

  #client() {
    return this.#node.local({ cwd: this.#cwd, session: 'receiver-1', agent: 'tester', pid: process.pid });
  }
}

async function untilAccepted<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Error) || !('retry' in error) || error.retry !== true) throw error;
      await pause(20);
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A small seeded generator, so that a failing run can be repeated as far as real processes allow. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
