import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AgentEvent } from '../../../src/daemon/agents/program.ts';
import type { AgentServers } from '../../../src/daemon/launcher/agents.ts';
import { systemProcesses, type ProcessTable } from '../../../src/daemon/agents/process-table.ts';
import { newId } from '../../../src/protocol/ids.ts';
import { RUNNER_PROTOCOL, RunnerRecord } from '../../../src/protocol/runner-api.ts';
import { bundle } from '../../support/bundle.ts';
import { missionItem, Rig, type RigOptions } from './rig.ts';

let runner: string;
beforeAll(async () => {
  runner = await bundle('test/support/runner-entry.ts', 'runner', [
    'node-pty',
    '@xterm/headless',
    '@xterm/addon-serialize',
  ]);
}, 60_000);

let root: string;
let rig: Rig | undefined;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'launch-')));
  mkdirSync(join(root, 'api'));
  mkdirSync(join(root, 'web'));
});
afterEach(async () => {
  await rig?.stop();
  rig = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function start(config: RigOptions['config'] = {}, more: Partial<RigOptions> = {}): Promise<Rig> {
  rig = new Rig({
    state: join(root, 'state'),
    projects: { api: join(root, 'api'), web: join(root, 'web'), gone: join(root, 'gone') },
    intercom: [process.execPath, runner],
    config,
    ...more,
  });
  await rig.launcher.start();
  return rig;
}

const runs = () =>
  existsSync(join(root, 'state', 'runners')) ? readdirSync(join(root, 'state', 'runners')).length : 0;

describe('a mission', () => {
  it('runs to its end: states, log, result, exit code, cost', async () => {
    const one = await start();
    const item = missionItem('say hello\ntool Bash: ls\ndone all is well');
    await one.launcher.accept([item, item]);
    const { result } = await one.reaches(item.missionId, 'completed');
    expect(result).toMatchObject({ text: 'all is well', isError: false, exitCode: 0, costUsd: 0.25, cut: false });
    expect(one.states(item.missionId)).toEqual(['starting', 'running', 'completed']);
    const numbers = one.log.map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    const log = one.logLines();
    for (const line of ['text: hello', 'command: Bash: ls', 'result: all is well', 'state: Completed'])
      expect(log).toContain(line);
    expect(one.reports.find(({ path }) => path !== undefined)).toMatchObject({ path: join(root, 'api') });
    expect(await one.launcher.accept([item])).toEqual(['known']);
  });

  it('seed: a line over 64 KiB failed the mission and left the agent unsupervised', async () => {
    const one = await start();
    const item = missionItem('long 3000000\ndone read it all');
    await one.launcher.accept([item]);
    expect(await one.reaches(item.missionId, 'completed')).toMatchObject({ result: { text: 'read it all' } });
  });

  it('seed: a full stderr kept a mission running for ever', async () => {
    const one = await start();
    const item = missionItem('stderr 2000000\nexit 3');
    await one.launcher.accept([item]);
    const { reason, result } = await one.reaches(item.missionId, 'failed');
    expect(reason).toMatch(/exit code 3.*error output ended: e+/);
    expect(result).toMatchObject({ exitCode: 3 });
  });

  it('seed: "Error…" at the beginning of a result is no failure; is_error is one', async () => {
    const one = await start();
    const fine = missionItem('done Errors were found; all are fixed.');
    const bad = missionItem('error All went well, it seems');
    await one.launcher.accept([fine, bad]);
    expect(await one.reaches(fine.missionId, 'completed')).toMatchObject({ result: { isError: false } });
    expect(await one.reaches(bad.missionId, 'failed')).toMatchObject({ result: { isError: true } });
  });

  it('is told the environment of the allow-list only, and none of the secrets of the daemon', async () => {
    const secrets = { INTERCOM_TOKEN: 's3cret', TELEGRAM_BOT_TOKEN: 's3cret', HUB_URL: 's3cret', OTHER: 's3cret' };
    const env = {
      PATH: process.env.PATH,
      HOME: root,
      SCRIPTED_KEY: 'for the agent',
      INTERCOM_HOME: join(root, 'i'),
      ...secrets,
    };
    const one = await start({}, { env });
    const item = missionItem('env\ndone told');
    await one.launcher.accept([item]);
    await one.reaches(item.missionId, 'completed');
    const told = one.log.find(({ kind, detail }) => kind === 'text' && detail !== undefined)?.detail ?? '';
    expect(told).toContain('for the agent');
    expect(told).not.toContain('s3cret');
  });
});

describe('a runner that has just come up', () => {
  it('is known as its mission’s before anybody else finds it, however long the store takes', async () => {
    const gone = 999_999_999;
    let looked: () => void = () => undefined;
    const wasLooked = new Promise<void>((resolve) => (looked = resolve));
    const processes: ProcessTable = {
      ...systemProcesses,
      startOf: (pid) => {
        if (pid === gone) looked();
        return systemProcesses.startOf(pid);
      },
    };
    const one = await start({}, { processes });
    const { missions } = one.store;
    const change = missions.change.bind(missions);
    // Its record stands, and the store is slow: meanwhile whoever looks for runners without a mission has looked at all there are.
    vi.spyOn(missions, 'change').mockImplementation(async (id, run, what) => {
      if (what.facts !== undefined && 'goOnWith' in what.facts) {
        await strangerWith(gone);
        await wasLooked;
      }
      return change(id, run, what);
    });
    const item = missionItem(`say working\nuntil ${join(root, 'go')}\ndone well`);
    await one.launcher.accept([item]);
    await one.until(() => one.logLines().includes('text: working'));
    await writeFile(join(root, 'go'), '');
    expect(await one.reaches(item.missionId, 'completed')).toMatchObject({ result: { exitCode: 0 } });
  });

  /** The record of a runner of nobody, younger than all others, whose process has this number. */
  async function strangerWith(pid: number): Promise<void> {
    const id = newId('runner');
    const directory = join(root, 'state', 'runners', id);
    await mkdir(directory);
    const at = new Date().toISOString();
    const record = RunnerRecord.parse({
      ...{
        protocol: RUNNER_PROTOCOL,
        id,
        agent: 'scripted',
        runtime: 'headless',
        cwd: root,
        socket: join(directory, 's'),
      },
      ...{ key: 'k'.repeat(32), runner: { pid, startedAt: 'long ago' }, attended: true, startedAt: at },
    });
    await writeFile(join(directory, 'record.json'), JSON.stringify(record));
  }
});

describe('an agent with a server of its own', () => {
  /** A server that tells and does what the test says. */
  class Server {
    readonly interrupted: string[] = [];
    #listeners = new Set<Parameters<AgentServers['onEvent']>[0]>();
    readonly servers: AgentServers = {
      onEvent: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      interrupt: (session) => {
        this.interrupted.push(session);
        return Promise.resolve(true);
      },
    };
    tell(session: string | undefined, event: AgentEvent): void {
      for (const listener of this.#listeners) listener({ session: session ?? 'none', event });
    }
  }
  /** The session, once it said so; log and report come one after the other. */
  const heard = async (one: Rig, what: string): Promise<string | undefined> => {
    const session = (): string | undefined => one.reports.findLast((report) => report.session !== undefined)?.session;
    await one.until(() => one.logLines().includes(what) && session() !== undefined);
    return session();
  };

  it('fails a mission whose turn failed as only its server tells', async () => {
    const server = new Server();
    const one = await start({}, { servers: server.servers });
    const item = missionItem('say working\nhang');
    await one.launcher.accept([item]);
    const session = await heard(one, 'text: working');
    server.tell('another-session', { kind: 'turn_ended', text: 'not mine', isError: true, background: false });
    server.tell(session, { kind: 'turn_ended', text: 'the model is gone', isError: true, background: false });
    const { reason, result } = await one.reaches(item.missionId, 'failed');
    expect(reason).toMatch(/the model is gone/);
    expect(result).toMatchObject({ isError: true, text: 'the model is gone' });
    expect(one.logLines().join()).not.toContain('not mine');
  });

  it('waits for the provider when its server tells of a limit, with the time', async () => {
    const server = new Server();
    const one = await start({}, { servers: server.servers });
    const item = missionItem('say working\nhang');
    await one.launcher.accept([item]);
    const session = await heard(one, 'text: working');
    const resetAt = new Date(Date.now() + 3_600_000).toISOString();
    server.tell(session, { kind: 'rate_limited', text: 'the limit is reached', resetAt });
    const told = await one.reaches(item.missionId, 'rate_limited');
    const late = Date.parse(told.resetAt ?? '') - Date.parse(resetAt);
    // A little after, so that the provider's clock is past it too.
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(60_000);
    const { missionId } = item;
    await one.launcher.stopMission({ item: 'mission_stop', missionId, run: 1, how: 'cancel', by: 'human:anna' });
    await one.reaches(missionId, 'cancelled');
  });

  it('has its turn interrupted by it before it is paused', async () => {
    const server = new Server();
    const one = await start({}, { servers: server.servers });
    const item = missionItem('say working\nhang');
    await one.launcher.accept([item]);
    const session = await heard(one, 'text: working');
    const { missionId } = item;
    await one.launcher.stopMission({ item: 'mission_stop', missionId, run: 1, how: 'pause', by: 'human:anna' });
    await one.reaches(missionId, 'paused');
    expect(server.interrupted).toEqual([session]);
  });
});

describe('what can never run here', () => {
  const refused: [
    name: string,
    item: Parameters<typeof missionItem>[1],
    config: RigOptions['config'],
    reason: RegExp,
  ][] = [
    ['seed: unknown project', { spec: { project: 'nowhere' } }, {}, /no project "nowhere" on laptop/],
    ['a project whose directory is gone', { spec: { project: 'gone' } }, {}, /is not there/],
    ['seed: a rejected path is told', {}, { allowed_paths: ['/usr/share'] }, /outside agent_launcher.allowed_paths/],
    ['an unknown agent', { spec: { agent: 'nobody' } }, {}, /no agent called "nobody".*scripted/],
    ['an agent that is not installed', { spec: { agent: 'broken' } }, {}, /not installed/],
    ['a flag that is not on the list', { spec: { flags: ['--yolo'] } }, {}, /"--yolo" may not be given.*--model/],
    ['a value that looks like a flag', { spec: { flags: ['--model=--yolo'] } }, {}, /may not be given/],
    ['a runtime that the agent has not', { spec: { runtime: 'terminal' } }, {}, /Ask for headless/],
    ['too many agents in a row', { item: { depth: 4 } }, {}, /allows 3/],
    ['a machine that starts none', {}, { max_concurrent: 0 }, /starts no agents/],
    ['a worktree where there is no repository', { spec: { isolation: 'worktree' } }, {}, /no git repository/],
  ];
  for (const [name, more, config, reason] of refused) {
    it(`${name}: failed with the reason, nothing started`, async () => {
      const one = await start(config);
      const item = missionItem('done never', more);
      await one.launcher.accept([item]);
      const report = await one.reaches(item.missionId, 'failed');
      expect(report.reason).toMatch(reason);
      expect(runs()).toBe(0);
    });
  }

  it('a link out of the allowed paths is judged by where it leads', async () => {
    symlinkSync(join(root, 'web'), join(root, 'api', 'link'));
    const projects = { api: join(root, 'api', 'link') };
    const one = await start({ allowed_paths: [join(root, 'api')] }, { projects });
    const item = missionItem('done never');
    await one.launcher.accept([item]);
    expect((await one.reaches(item.missionId, 'failed')).reason).toContain(join(root, 'web'));
  });
});

describe('stopping', () => {
  it('seed: children left alive: cancelling ends the whole group, also one that is deaf', async () => {
    const one = await start();
    const file = join(root, 'child');
    const item = missionItem(`child ${file}\nsay ready\nhang`);
    await one.launcher.accept([item]);
    await one.until(() => one.log.some(({ label }) => label === 'ready'));
    await one.launcher.stopMission({
      item: 'mission_stop',
      missionId: item.missionId,
      run: 1,
      how: 'cancel',
      by: 'anna',
    });
    expect(await one.reaches(item.missionId, 'cancelled')).toMatchObject({ reason: 'Cancelled by anna' });
    expect(await systemProcesses.startOf(Number(readFileSync(file, 'utf8')))).toBeUndefined();
  });

  it('pauses and goes on with the same conversation in the same directory', async () => {
    const one = await start();
    const item = missionItem('say busy\nhang');
    await one.launcher.accept([item]);
    await one.until(() => one.log.some(({ label }) => label === 'busy'));
    const session = one.reports.find((report) => report.session !== undefined)?.session ?? '';
    await one.launcher.stopMission({
      item: 'mission_stop',
      missionId: item.missionId,
      run: 1,
      how: 'pause',
      by: 'anna',
    });
    await one.reaches(item.missionId, 'paused');
    expect(await one.launcher.forHello()).toEqual([{ id: item.missionId, run: 1, state: 'paused' }]);
    const again = missionItem('', {
      spec: { text: item.spec.text },
      item: { missionId: item.missionId, run: 2, resume: { session, text: 'cwd\ndone resumed' }, logSeq: 0 },
    });
    await one.launcher.accept([again]);
    expect(await one.reaches(item.missionId, 'completed', 2)).toMatchObject({ result: { text: 'resumed' } });
    expect(one.log.some(({ label, run }) => run === 2 && label === join(root, 'api'))).toBe(true);
    expect(one.log.some(({ label, run }) => run === 2 && label.includes(session))).toBe(true);
    const numbers = one.log.map(({ seq }) => seq);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });

  it('drops what only waits in the queue', async () => {
    const one = await start({ max_concurrent: 1 });
    const [first, second] = [missionItem('say busy\nhang'), missionItem('done never')];
    await one.launcher.accept([first, second]);
    await one.until(() =>
      one.reports.some(({ missionId, position }) => missionId === second.missionId && position === 1),
    );
    await one.launcher.stopMission({
      item: 'mission_stop',
      missionId: second.missionId,
      run: 1,
      how: 'cancel',
      by: 'anna',
    });
    await one.reaches(second.missionId, 'cancelled');
    expect(one.states(second.missionId)).toEqual(['queued', 'cancelled']);
    await one.launcher.stopMission({
      item: 'mission_stop',
      missionId: first.missionId,
      run: 1,
      how: 'cancel',
      by: 'anna',
    });
    await one.reaches(first.missionId, 'cancelled');
  });
});

describe('limits', () => {
  const limits: [name: string, text: string, spec: object, state: 'timed_out' | 'failed', reason: RegExp][] = [
    [
      'its time',
      'say busy\nhang',
      { limits: { maxDurationSeconds: 10 } },
      'timed_out',
      /10 seconds, which is its limit/,
    ],
    ['silence', 'hang', { limits: { maxIdleSeconds: 10 } }, 'timed_out', /no sign of work for 10 seconds/],
    ['its turns', 'turns 5\nhang', { limits: { maxTurns: 4 } }, 'failed', /more than 4 turns, which is its limit/],
    ['its budget', 'cost 3\nhang', { limits: { maxBudgetUsd: 2 } }, 'failed', /cost \$3.00; its budget is \$2/],
  ];
  for (const [name, text, spec, state, reason] of limits) {
    it(`${name} ends it`, { timeout: 40_000 }, async () => {
      const one = await start();
      const item = missionItem(text, { spec });
      await one.launcher.accept([item]);
      expect((await one.reaches(item.missionId, state)).reason).toMatch(reason);
    });
  }
});

describe('waiting', () => {
  it('for a person is a state of its own, and over with the next word', async () => {
    const one = await start();
    const item = missionItem('wait may I?\ndone I did');
    await one.launcher.accept([item]);
    expect(await one.reaches(item.missionId, 'waiting_human')).toMatchObject({ reason: 'may I?' });
    const session = one.reports.find((report) => report.session !== undefined)?.session ?? '';
    expect(await one.launcher.inspect(session, 5)).toMatchObject({ state: 'waiting_human' });
    await one.launcher.stopMission({
      item: 'mission_stop',
      missionId: item.missionId,
      run: 1,
      how: 'cancel',
      by: 'anna',
    });
    await one.reaches(item.missionId, 'cancelled');
  });

  it(
    'for a provider ends by itself, with the process or after it, in the same conversation',
    { timeout: 30_000 },
    async () => {
      const one = await start();
      const resetAt = new Date(Date.now() + 500).toISOString();
      const [stays, goes] = [
        missionItem(`limit ${resetAt}\nread\ndone stayed`),
        missionItem(`limit ${resetAt}\nexit 1`),
      ];
      await one.launcher.accept([stays, goes]);
      expect((await one.reaches(goes.missionId, 'rate_limited')).resetAt).toBeDefined();
      expect(await one.reaches(goes.missionId, 'completed')).toMatchObject({ result: { text: 'went on' } });
      expect(await one.reaches(stays.missionId, 'completed')).toMatchObject({ result: { text: 'stayed' } });
      const again = ['starting', 'running', 'completed'];
      expect(one.states(goes.missionId)).toEqual(['starting', 'running', 'rate_limited', 'queued', ...again]);
      expect(one.states(stays.missionId)).toEqual(['starting', 'running', 'rate_limited', 'running', 'completed']);
    },
  );
});

describe('a worktree', () => {
  async function repository(): Promise<void> {
    const git = (...args: string[]) =>
      execa('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd: join(root, 'api') });
    await git('init', '-q');
    await git('commit', '-q', '--allow-empty', '-m', 'first');
  }

  it('keeps what was changed, and shows it in the result', async () => {
    await repository();
    const one = await start();
    const item = missionItem('write new.txt\ncwd\ndone', { spec: { isolation: 'worktree' } });
    await one.launcher.accept([item]);
    const { result } = await one.reaches(item.missionId, 'completed');
    expect(result).toMatchObject({ worktreeKept: true });
    expect(result?.branch).toMatch(/^intercom\//);
    expect(result?.diff).toContain('written by the agent');
    expect(existsSync(join(root, 'state', 'worktrees', item.missionId, 'new.txt'))).toBe(true);
    expect(existsSync(join(root, 'api', 'new.txt'))).toBe(false);
  });

  it('a fork goes on with a copy of the conversation, in a worktree of its own', async () => {
    await repository();
    const one = await start();
    const item = missionItem('write new.txt\ncwd\ndone', { spec: { isolation: 'worktree' } });
    await one.launcher.accept([item]);
    await one.reaches(item.missionId, 'completed');
    const session = one.reports.find((report) => report.session !== undefined)?.session ?? '';
    const fork = missionItem('', {
      spec: { text: item.spec.text, isolation: 'worktree' },
      item: { resume: { session, text: 'args\ncwd\ndone another way', fork: true } },
    });
    await one.launcher.accept([fork]);
    const { result } = await one.reaches(fork.missionId, 'completed');
    expect(result?.text).toBe('another way');
    const first = one.reports.findLast(
      ({ missionId, result: had }) => missionId === item.missionId && had !== undefined,
    );
    expect(result?.branch).not.toBe(first?.result?.branch);
    const own = one.reports.filter(({ missionId }) => missionId === fork.missionId);
    expect(own.find((report) => report.session !== undefined)?.session).not.toBe(session);
    expect(one.logLines().some((line) => line.includes(`--copy-of=${session}`))).toBe(true);
    expect(one.logLines()).toContain(`text: ${join(root, 'state', 'worktrees', fork.missionId)}`);
    // The first one's work is untouched.
    expect(existsSync(join(root, 'state', 'worktrees', item.missionId, 'new.txt'))).toBe(true);
  });

  it('is removed where nothing was', async () => {
    await repository();
    const one = await start();
    const item = missionItem('done nothing to do', { spec: { isolation: 'worktree' } });
    await one.launcher.accept([item]);
    expect((await one.reaches(item.missionId, 'completed')).result).toMatchObject({ worktreeKept: false });
    const { stdout } = await execa('git', ['branch', '--list', 'intercom/*'], { cwd: join(root, 'api') });
    await expect.poll(() => existsSync(join(root, 'state', 'worktrees', item.missionId))).toBe(false);
    expect(stdout.length).toBeLessThan(60);
  });
});
