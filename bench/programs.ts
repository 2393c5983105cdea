/** Starting and standing: cold start, memory, command line, MCP server, hooks. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { Me } from '../src/protocol/operator-api.ts';
import { BIN, freePort, Mesh, Node, Operator } from '../test/support/mesh.ts';
import { samples, timed, type Figure } from './figures.ts';

export async function startFigures(quick: boolean): Promise<Figure[]> {
  const rounds = quick ? 5 : 20;
  const root = await mkdtemp(join(tmpdir(), 'bench-'));
  try {
    const cold: number[] = [];
    let memory = 0;
    for (let round = 0; round < Math.min(rounds, 10); round += 1) {
      const hub = new Node(join(root, `hub-${round}`), 'hub');
      await mkdir(hub.paths.config, { recursive: true });
      await writeFile(hub.paths.configFile, `mode: hub\nhub:\n  port: ${await freePort()}\n  listen: 127.0.0.1\n`);
      cold.push(
        await timed(async () => {
          await hub.start();
          const operator = await Operator.of(hub);
          await operator.call('GET', '/me', Me);
          await operator.close();
        }),
      );
      memory = await residentMiB(hub.pid);
      await hub.stop();
    }
    const version = await repeat(rounds, () => execa(process.execPath, [BIN, '--version']));
    const bare = await repeat(rounds, () => execa(process.execPath, ['-e', '0']));
    const mcp = await repeat(rounds, () => mcpReady(root));
    return [
      { what: 'hub cold start to first authenticated answer', budget: 400, value: samples(cold).p50, unit: 'ms' },
      { what: 'hub memory, idle', budget: 110, value: memory, unit: 'MiB' },
      { what: 'intercom --version, against bare node', budget: 1.4, value: version / bare, unit: '×' },
      { what: 'MCP server ready', budget: 250, value: mcp, unit: 'ms' },
    ];
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

export async function daemonFigures(quick: boolean): Promise<Figure[]> {
  const mesh = await Mesh.start({ machines: ['alpha'] });
  try {
    const node = mesh.daemon('alpha');
    const memory = await residentMiB(node.pid);
    const cwd = join(mesh.root, 'project');
    await mkdir(cwd, { recursive: true });
    const payload = JSON.stringify({
      session_id: '7d7e2ca8-0000-4000-8000-000000000000',
      hook_event_name: 'PostToolUse',
      tool_name: 'Bash',
      cwd,
    });
    // As installed: the script beside the file that tells it where its daemon is.
    const installed = await node.cli(['hooks', 'install']);
    if (installed.exitCode !== 0) throw new Error(installed.stderr);
    const script = join(node.paths.hooks, 'intercom-hook.sh');
    const hook = await repeat(quick ? 20 : 200, () =>
      execa('/bin/sh', [script, 'claude', 'PostToolUse'], { input: payload, cwd, env: node.env, extendEnv: false }),
    );
    const shell = await repeat(quick ? 20 : 200, () =>
      execa('/bin/sh', ['-c', ':'], { input: payload, cwd, env: node.env, extendEnv: false }),
    );
    await node.stop();
    const silent = await repeat(quick ? 20 : 200, () =>
      execa('/bin/sh', [script, 'claude', 'PostToolUse'], { input: payload, cwd, env: node.env, extendEnv: false }),
    );
    return [
      { what: 'daemon memory, idle', budget: 90, value: memory, unit: 'MiB' },
      {
        what: 'our share of one tool call, shell hook (starting a shell is in it)',
        budget: 12,
        value: hook,
        unit: 'ms',
      },
      { what: 'the same without a daemon', value: silent, unit: 'ms' },
      { what: 'for comparison: a shell that does nothing', value: shell, unit: 'ms' },
    ];
  } finally {
    await mesh.stop();
  }
}

async function repeat(rounds: number, task: () => Promise<unknown>): Promise<number> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round += 1) values.push(await timed(task));
  return samples(values).p50;
}

export async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  return Number(kib) / 1024;
}

/** From the start of the process to its answer to `initialize`. */
function mcpReady(home: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, 'mcp-server'], {
      env: { PATH: process.env.PATH, HOME: home, INTERCOM_HOME: home },
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the MCP server ended with ${String(code)}`)));
    child.stdout.once('data', () => {
      child.removeAllListeners('exit');
      child.kill();
      resolve();
    });
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'bench', version: '1' } };
    child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
  });
}
