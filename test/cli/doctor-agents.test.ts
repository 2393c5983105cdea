/** What doctor tells of agents, with programs of the test's own on PATH; --live runs them in a real runner. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Home, type RunOptions } from './support/cli.ts';

const Findings = z.object({
  findings: z.array(z.object({ name: z.string(), state: z.string(), text: z.string(), next: z.string().optional() })),
});

async function program(home: Home, name: string, prints: string): Promise<void> {
  const bin = join(home.root, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, name), `#!/bin/sh\n${prints}\n`);
  await chmod(join(bin, name), 0o755);
}

async function configure(home: Home, yaml: string): Promise<void> {
  await mkdir(home.paths.config, { recursive: true });
  await writeFile(home.paths.configFile, yaml, { mode: 0o600 });
}

async function doctor(home: Home, args: readonly string[] = [], options: RunOptions = {}) {
  const env = { PATH: `${join(home.root, 'bin')}:/usr/bin:/bin`, ...options.env };
  const ran = await home.run(['doctor', '--json', ...args], { ...options, env });
  const { findings } = Findings.parse(JSON.parse(ran.out));
  return (name: string) => findings.find((finding) => finding.name === name);
}

describe('doctor and agents', () => {
  it('tells the version and whether it was verified', async () => {
    const home = await Home.make();
    await program(home, 'claude', 'echo "2.1.329 (Claude Code)"');
    const seen = await doctor(home);
    expect(seen('Claude Code')?.state).toBe('ok');
    expect(seen('Claude Code')?.text).toMatch(/^2\.1\.329, verified/);
    await program(home, 'claude', 'echo "9.9.9 (Claude Code) "');
    const newer = await doctor(home);
    expect(newer('Claude Code')?.text).toMatch(/^9\.9\.9, not verified \(2\.1\.197 and 2\.1\.329 were\)/);
  });

  it('too old and missing ones are said with what follows', async () => {
    const home = await Home.make();
    await program(home, 'claude', 'echo "1.0.3 (Claude Code)"');
    const old = (await doctor(home))('Claude Code');
    expect(old?.state).toBe('warn');
    expect(old?.text).toMatch(/too old/);
    expect((await doctor(await Home.make()))('agents')?.text).toMatch(/none of claude, .* is on the PATH/);
  });
});

describe('doctor --live', () => {
  const CROW = 'agent_launcher: {agents: {crow: {display_name: Crow}}}\n';

  it('sends a nonce in and sees it come back', async () => {
    const home = await Home.make();
    await configure(home, CROW);
    await program(home, 'crow', '[ "$1" = --version ] && echo 1.0.0 || echo "You said: $1"');
    const found = (await doctor(home, ['--live', '--yes']))('Crow, live');
    expect(found?.state).toBe('ok');
    expect(found?.text).toMatch(/came back in/);
  });

  it('tells of one that answers something else, or dies', async () => {
    const home = await Home.make();
    await configure(home, CROW);
    await program(home, 'crow', '[ "$1" = --version ] && echo 1.0.0 || echo "I am not logged in"');
    expect((await doctor(home, ['--live', '--yes']))('Crow, live')).toMatchObject({
      state: 'fail',
      text: 'it answered something else: I am not logged in',
    });
    await program(home, 'crow', '[ "$1" = --version ] && echo 1.0.0 || { echo "no account" >&2; kill -9 $$; }');
    expect((await doctor(home, ['--live', '--yes']))('Crow, live')?.text).toMatch(
      /ended without an answer: no account/,
    );
  });

  it('asks first, and an agent may not spend its person’s account', async () => {
    const home = await Home.make();
    const no = await home.run(['doctor', '--live'], { answers: ['n'] });
    expect(no.code).not.toBe(0);
    expect(no.err).toMatch(/Start each installed agent once/);
    const agent = await home.run(['doctor', '--live', '--yes'], { env: { CLAUDECODE: '1' } });
    expect(agent.code).not.toBe(0);
    expect(agent.err).toMatch(/An agent can never act as the operator/);
  });
});
