/** A runner with real agents (shells) in pipes: lines, ends, hooks, a daemon that comes and goes. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning, RunnerRig, until } from '../../support/runner-rig.ts';
import type { RunnerSpec } from '../../../src/protocol/runner-api.ts';

const rigs: RunnerRig[] = [];

async function headless(script: string, more: Partial<RunnerSpec> = {}): Promise<RunnerRig> {
  const rig = await RunnerRig.start({ executable: '/bin/sh', argv: ['-c', script], runtime: 'headless', ...more });
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const rig of rigs.splice(0)) await rig.end();
});

describe('a headless agent', () => {
  it('seed: lines over 64 KiB come whole, the last one without its newline, and characters are never cut', async () => {
    const rig = await headless(
      `head -c 300000 /dev/zero | tr '\\0' x; echo; i=0; while [ $i -lt 9000 ]; do printf 'äöü€😀'; i=$((i+1)); done; printf '\\npart'`,
    );
    await rig.exit();
    const lines = rig.journal().filter((entry) => entry.kind === 'line');
    expect(lines.map((entry) => entry.text.length)).toEqual([300_000, 9_000 * 6, 4]);
    expect(lines[1]?.text).toBe('äöü€😀'.repeat(9_000));
    expect(lines[2]?.text).toBe('part');
    expect(lines.every((entry) => !entry.cut)).toBe(true);
  });

  it('seed: a full error output never blocks the agent; its end is kept', async () => {
    const rig = await headless(`head -c 3000000 /dev/zero | tr '\\0' e >&2; echo the end >&2; echo done; exit 3`);
    const exit = await rig.exit();
    expect(exit.code).toBe(3);
    expect(exit.stderr.length).toBe(20_000);
    expect(exit.stderr).toMatch(/ethe end\n$/);
    expect(rig.journal().find((entry) => entry.kind === 'line')?.text).toBe('done');
  });

  it('writes the exit down last, also when the agent is killed', async () => {
    const rig = await headless('echo one; sleep 1000');
    await until(() => rig.journal().some((entry) => entry.kind === 'line'), 'a line');
    process.kill(rig.agentPid, 'SIGKILL');
    const exit = await rig.exit();
    expect(exit.signal).toBe('SIGKILL');
    const last = await until(() => rig.journal().find((entry) => entry.kind === 'exit'), 'the exit entry');
    expect(rig.journal().at(-1)).toEqual(last);
    expect(JSON.parse(last.text)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('says in words what cannot be started', async () => {
    const rig = await RunnerRig.start({ executable: '/nonexistent/agent', runtime: 'headless' });
    rigs.push(rig);
    expect((await rig.exit()).problem).toMatch(/\/nonexistent\/agent is not there/);
    const there = await RunnerRig.start({ executable: '/bin/sh', runtime: 'headless', cwd: '/nonexistent' });
    rigs.push(there);
    expect((await there.exit()).problem).toMatch(/directory \/nonexistent is not there/);
  });

  it('gets exactly the environment of its spec and the names of its runner', async () => {
    const rig = await headless('env', { environment: { PATH: process.env.PATH ?? '', ONE: '1' } });
    await rig.exit();
    const names = rig.journal().flatMap((entry) => (entry.kind === 'line' ? [entry.text.split('=')[0]] : []));
    expect(names.filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name ?? '')).sort()).toEqual([
      'INTERCOM_RUNNER',
      'ONE',
      'PATH',
    ]);
  });

  it('is given its input line by line, and its end', async () => {
    const rig = await headless('cat; echo over', { input: ['first'], closeInput: false });
    const control = await rig.control();
    await control.entry((entry) => entry.kind === 'line' && entry.text === 'first');
    control.send({ frame: 'write', request: 1, line: 'second' });
    expect((await control.reply(1)).problem).toBeUndefined();
    await until(
      () => rig.journal().some((entry) => entry.kind === 'line' && entry.text === 'second'),
      'the second line',
    );
    control.send({ frame: 'type', request: 2, text: 'x' });
    expect((await control.reply(2)).outcome).toBe('not_a_terminal');
  });
});

describe('ending an agent', () => {
  it('seed: children are not left alive, wherever they went', async () => {
    // One in the group that ignores SIGTERM, one in a session of its own.
    const rig = await headless(
      `sh -c 'trap "" TERM; echo a $$; while :; do sleep 0.1; done' & setsid sh -c 'echo b $$; exec sleep 1000' & wait`,
    );
    const pids = await until(() => {
      const found = rig.journal().flatMap((entry) => /^[ab] (\d+)$/.exec(entry.text)?.[1] ?? []);
      return found.length === 2 && found.map(Number);
    }, 'two children');
    expect(pids.every(isRunning)).toBe(true);
    const control = await rig.control();
    control.send({ frame: 'stop', graceMs: 300 });
    await rig.exit();
    for (const pid of [...pids, rig.agentPid]) expect(isRunning(pid)).toBe(false);
  });

  it('kills what does not end by itself', async () => {
    const rig = await headless(`trap '' TERM; echo up; while :; do sleep 0.1; done`);
    await until(() => rig.journal().some((entry) => entry.text === 'up'), 'the trap');
    const control = await rig.control();
    control.send({ frame: 'stop', graceMs: 100 });
    expect((await rig.exit()).signal).toBe('SIGKILL');
  });

  it('ends with its runner: SIGTERM to the runner is the end of the agent, and the runner goes by itself', async () => {
    const rig = await headless('echo up; exec sleep 1000');
    await until(() => rig.journal().some((entry) => entry.text === 'up'), 'the agent');
    const pid = rig.agentPid;
    rig.child.kill('SIGTERM');
    await rig.ended;
    expect(isRunning(pid)).toBe(false);
    expect(rig.record?.exit?.signal).toBe('SIGTERM');
  });

  it('goes after `done`, keeping record and journal', async () => {
    const rig = await headless('echo hi');
    await rig.exit();
    const control = await rig.control();
    await control.entry((entry) => entry.kind === 'exit');
    control.send({ frame: 'done' });
    await rig.ended;
    expect(rig.record?.exit?.code).toBe(0);
    expect(rig.journal().map((entry) => entry.kind)).toEqual(['line', 'exit']);
  });
});

describe('the daemon', () => {
  it('comes and goes: what it lacks is sent from the number that it names, once and in order', async () => {
    const rig = await headless('i=0; while read line; do i=$((i+1)); echo "$i $line"; done');
    const first = await rig.control();
    for (let i = 1; i <= 3; i += 1) first.send({ frame: 'write', request: i, line: `a${i}` });
    await first.entry((entry) => entry.text === '3 a3');
    first.close();
    const second = await rig.control();
    second.send({ frame: 'write', request: 4, line: 'b' });
    await second.entry((entry) => entry.text === '4 b');
    const seen = second.all.flatMap((frame) => (frame.frame === 'journal' ? [frame.entry.seq] : []));
    expect(seen).toEqual(seen.map((_, index) => index + 1));
    const third = await rig.control(seen.length - 1);
    const entry = await third.entry(() => true);
    expect(entry.seq).toBe(seen.length);
    // The newest is the one.
    await until(() => second.closed, 'the older connection ended');
  });

  it('a long journal is sent whole to one that reads it late', async () => {
    const rig = await headless(
      'i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "line $i of a text that is somewhat longer than the others"; done; sleep 1000',
    );
    const control = await rig.control();
    await control.entry((entry) => entry.text.startsWith('line 3000 '));
    const seqs = control.all.flatMap((frame) => (frame.frame === 'journal' ? [frame.entry.seq] : []));
    expect(seqs).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
    const late = await rig.control(2_900);
    await late.entry((entry) => entry.text.startsWith('line 3000 '));
    expect(late.all.filter((frame) => frame.frame === 'journal')).toHaveLength(100);
  });

  it('and nobody else: another key is refused on both sockets', async () => {
    const rig = await headless('sleep 1000');
    expect(await rig.knock('/control', 'x'.repeat(43))).toBe('401');
    expect(await rig.knock('/terminal', '')).toBe('401');
    expect(await rig.knock('/else', rig.record?.key ?? '')).toBe('404');
    const watching = rig.watch();
    expect((await watching.frame('ended')).reason).toMatch(/no terminal/);
  });
});

describe('what an agent shares with others', () => {
  it('lives on when the agent is ended, where its spec says so', async () => {
    const script = `setsid sh -c 'echo shared $$; exec tail -f /dev/null' & setsid sh -c 'echo own $$; exec sleep 1000' & wait`;
    const rig = await headless(script, { spare: ['/dev/null'] });
    // Both are what they are to be: the shell has given way to its program.
    const isProgram = (pid: number) => !readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sh');
    const pids = await until(() => {
      const found = rig.journal().flatMap((entry) => {
        const [, name, pid] = /^(shared|own) (\d+)$/.exec(entry.text) ?? [];
        return name === undefined ? [] : [{ name, pid: Number(pid) }];
      });
      return found.length === 2 && found.every(({ pid }) => isProgram(pid)) && found;
    }, 'both');
    const pidOf = (name: string) => pids.find((one) => one.name === name)?.pid ?? 0;
    const control = await rig.control();
    control.send({ frame: 'stop', graceMs: 300 });
    await rig.exit();
    expect(isRunning(pidOf('own'))).toBe(false);
    expect(isRunning(pidOf('shared'))).toBe(true);
    process.kill(pidOf('shared'), 'SIGKILL');
  });
});
