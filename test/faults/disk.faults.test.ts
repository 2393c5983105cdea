/**
 * Disks that are really full: the homes of a hub and of two daemons are small disks of their own (tmpfs), filled to the last byte. What is
 * refused is said in words, what was accepted is delivered exactly once, the state is shown everywhere while it lasts, and everything goes on
 * by itself when there is room again.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LocalClient } from '../../src/platform/local-client.ts';
import { AgentsResponse, HealthResponse, type MessageStatus } from '../../src/protocol/machine-api.ts';
import { Trace } from '../../src/protocol/model.ts';
import { Mesh, type Node } from '../support/mesh.ts';

const TIME = 180_000;
const DISK = '6m';
const POLICY = 'defaults: { require_approval: never }\nrules:\n  - { type: ask, approval: once }\n';

/** Why small disks cannot be made here, or undefined. */
function noMounts(): string | undefined {
  const probe = mkdtempSync(join(tmpdir(), 'mount-'));
  try {
    mount(probe);
    unmount(probe);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : 'unknown';
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

function mount(path: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK},mode=0700`, 'intercom-test', path], { stdio: 'pipe' });
}

function unmount(path: string): void {
  execFileSync('umount', ['-l', path], { stdio: 'pipe' });
}

const missing = noMounts();

describe.skipIf(missing !== undefined)(
  `a full disk${missing === undefined ? '' : ` (NOT RUN: no small disk can be mounted here, run it as root; ${missing})`}`,
  () => {
    let mesh: Mesh;
    let mounted: string[];
    let desk: string;
    let work: string;

    beforeEach(async () => {
      mounted = [];
      mesh = await Mesh.start({
        machines: ['alpha', 'beta'],
        policy: POLICY,
        hubConfig: 'limits:\n  messages_per_pair_per_minute: 10000\n',
        onHome: async (_, home) => {
          await mkdir(home, { recursive: true });
          mount(home);
          mounted.push(home);
        },
      });
      desk = await project('alpha', 'desk');
      work = await project('beta', 'work');
      await announce();
      await listed('beta/work');
      const { body } = await sendOne('before');
      expect(await received(body)).toEqual([body]);
    }, TIME);
    afterEach(async () => {
      for (const node of [mesh.hub, ...mesh.daemons.values()]) await node.kill();
      for (const path of mounted) unmount(path);
      await mesh.stop();
    }, TIME);

    it(
      'of the hub: senders keep their messages, the state is shown, decisions are refused, and all goes on by itself',
      { timeout: TIME },
      async () => {
        const { id: asked } = await agent('alpha').submit({ kind: 'ask', to: 'beta/work', body: 'may I?' });
        const [card] = await mesh.operator.pending();
        if (card === undefined) throw new Error('no card came');
        const disk = new Ballast(mesh.hub);
        disk.fill();
        const sent = await sendUntil(({ place, reason }) => place === 'alpha' && /the disk is full/.test(reason ?? ''));

        expect(await health(mesh.hub)).toBe('degraded');
        expect((await mesh.hub.cli(['status'])).stdout).toMatch(
          /store .*Nothing can be written: .*hub\.db: the disk is full/,
        );
        expect((await mesh.hub.cli(['doctor'])).stdout).toMatch(/✗ store .*the disk is full/);
        const refused = await mesh.hub.cli(['approvals', 'allow', card.id]);
        expect(refused.exitCode).toBe(1);
        expect(refused.stderr).toMatch(/error: .*the disk is full\.\n {2}next: Free some space/);
        expect((await mesh.operator.pending()).map(({ id }) => id)).toEqual([card.id]);

        disk.free();
        await becomes(mesh.hub, 'ok');
        expect(await received(sent.at(-1))).toEqual(sent);
        expect((await mesh.hub.cli(['status'])).stdout).not.toContain('the disk is full');
        expect((await mesh.hub.cli(['approvals', 'allow', card.id])).exitCode).toBe(0);
        expect(await received('may I?')).toEqual(['may I?']);
        expect((await mesh.operator.call('GET', `/messages/${asked}/trace`, Trace)).message.state).not.toBe('held');
      },
    );

    it(
      'of the recipient: the hub keeps the messages and says why, the machine shows it, and each arrives once',
      { timeout: TIME },
      async () => {
        const beta = mesh.daemon('beta');
        const disk = new Ballast(beta);
        disk.fill();
        const sent = await sendUntil(async ({ id }) => {
          const { message, waitsFor } = await mesh.operator.call('GET', `/messages/${id}/trace`, Trace);
          expect(['queued', 'dispatched']).toContain(message.state);
          return /daemon\.db: the disk is full/.test(waitsFor);
        });
        expect(await health(beta)).toBe('degraded');
        expect((await beta.cli(['status'])).stdout).toMatch(/store .*daemon\.db: the disk is full/);
        expect((await beta.cli(['doctor'])).stdout).toMatch(/✗ store .*the disk is full/);

        disk.free();
        expect(await received(sent.at(-1))).toEqual(sent);
        await becomes(beta, 'ok');
        expect((await beta.cli(['status'])).stdout).not.toContain('the disk is full');
      },
    );

    it(
      'of the sender, with the hub away: what cannot be kept is refused in words, what was accepted arrives once',
      { timeout: TIME },
      async () => {
        const alpha = mesh.daemon('alpha');
        await mesh.hub.stop();
        const kept = await sendUntil(({ place }) => place === 'alpha');
        const disk = new Ballast(alpha);
        disk.fill();
        let refusal: unknown;
        while (refusal === undefined) {
          const body = long(kept.length);
          await agent('alpha')
            .submit({ kind: 'send', to: 'beta/work', body })
            .then(
              () => kept.push(body),
              (error: unknown) => (refusal = error),
            );
        }
        expect(refusal).toMatchObject({ code: 'storage_failed', retry: true });
        expect(refusal).toHaveProperty('message', expect.stringMatching(/daemon\.db: the disk is full\.$/));
        expect(refusal).toHaveProperty('next', expect.stringMatching(/^Free some space/));
        expect(await health(alpha)).toBe('degraded');
        expect((await alpha.cli(['status'])).stdout).toMatch(/store .*the disk is full/);

        disk.free();
        await becomes(alpha, 'ok');
        await mesh.hub.start();
        const { body: last } = await sendOne('the last one');
        expect(await received(last)).toEqual([...kept, last]);
      },
    );

    it.each(['hub', 'beta'] as const)(
      'at the start of %s: said in words, not started; with room it starts as it was',
      { timeout: TIME },
      async (name) => {
        const node = name === 'hub' ? mesh.hub : mesh.daemon(name);
        await node.stop();
        const disk = new Ballast(node);
        disk.fill();
        await expect(node.start()).rejects.toThrow(/error: .*the disk is full\.\n {2}next: Free some space/);
        disk.free();
        await node.start();
        if (name === 'beta') await announce();
        const { body } = await sendOne('after it');
        expect(await received(body)).toEqual([body]);
      },
    );

    async function project(machine: string, name: string): Promise<string> {
      const path = join(mesh.root, 'projects', machine, name);
      await mkdir(path, { recursive: true });
      return path;
    }

    /** Until the hub has heard of the agent. */
    async function listed(address: string): Promise<void> {
      for (;;) {
        const { agents } = await mesh.operator.call('GET', '/agents?filter=all', AgentsResponse);
        if (agents.some((agent) => agent.address === address)) return;
        await pause(20);
      }
    }

    function agent(machine: 'alpha' | 'beta'): LocalClient {
      if (machine === 'alpha') return mesh.daemon('alpha').local({ cwd: desk });
      return mesh.daemon('beta').local({ cwd: work, session: 'receiver-1', agent: 'tester', pid: process.pid });
    }

    function announce(): Promise<unknown> {
      return agent('beta').putSession({ id: 'receiver-1', agent: 'tester', pid: process.pid, cwd: work });
    }

    async function sendOne(body: string): Promise<{ readonly body: string; readonly status: MessageStatus }> {
      return { body, status: await agent('alpha').submit({ kind: 'send', to: 'beta/work', body }) };
    }

    /** Sends numbered messages until one stands as it should; their texts, in order. */
    async function sendUntil(stands: (status: MessageStatus) => boolean | Promise<boolean>): Promise<string[]> {
      const sent: string[] = [];
      for (;;) {
        const { body, status } = await sendOne(long(sent.length));
        sent.push(body);
        if (await stands(status)) return sent;
        await pause(50);
      }
    }

    /** What the recipient's agent gets, in order, up to the message with this text. */
    async function received(last: string | undefined): Promise<string[]> {
      const bodies: string[] = [];
      while (last !== undefined && bodies.at(-1) !== last) {
        const taken = await agent('beta').takeInbox();
        if (taken.offer !== undefined) await agent('beta').acknowledge(taken.offer);
        bodies.push(...taken.messages.map((one) => one.body));
        await pause(20);
      }
      return bodies;
    }
  },
);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Long, so that room is soon used up, and short enough to be brought whole. */
function long(number: number): string {
  return `number ${number}: ${'all work and no play '.repeat(90)}`;
}

async function health(node: Node): Promise<string> {
  const config = await readFile(node.paths.configFile, 'utf8');
  const port = /daemon_port: (\d+)/.exec(config)?.[1] ?? /port: (\d+)/.exec(config)?.[1] ?? '';
  const answer = await fetch(`http://127.0.0.1:${port}/api/health`);
  return HealthResponse.parse(await answer.json()).status;
}

/** Waits until the open health call says this. */
async function becomes(node: Node, state: string): Promise<void> {
  while ((await health(node)) !== state) await pause(100);
}

/** Fills the disk of a home to the last byte, and frees it again. */
class Ballast {
  readonly #home: string;
  readonly #file: string;

  constructor(node: Node) {
    this.#home = node.home;
    this.#file = join(node.home, 'ballast');
  }

  fill(): void {
    const file = openSync(this.#file, 'a');
    try {
      for (const size of [65_536, 4_096, 512, 1]) {
        try {
          for (;;) writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
        }
      }
    } finally {
      closeSync(file);
    }
    expect(statfsSync(this.#home).bavail).toBe(0);
  }

  free(): void {
    rmSync(this.#file);
  }
}
