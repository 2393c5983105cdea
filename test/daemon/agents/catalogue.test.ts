/** Which agents a machine has: real files on a PATH of the test's own, real processes asked for their version. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentCatalogue } from '../../../src/daemon/agents/catalogue.ts';
import { genericProgram } from '../../../src/daemon/agents/generic/program.ts';
import { olderThan } from '../../../src/daemon/agents/probe.ts';
import type { AgentProgram, LaunchRequest } from '../../../src/daemon/agents/program.ts';
import type { AgentConfig } from '../../../src/config/launcher.ts';
import type { JournalEntry } from '../../../src/protocol/runner-api.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const PLAIN: AgentConfig = {
  command: undefined,
  displayName: undefined,
  args: [],
  resumeArgs: undefined,
  forkArgs: undefined,
  versionArgs: undefined,
  prompt: 'argument',
  runtimes: undefined,
  flags: undefined,
  env: {},
  passEnv: [],
};

let directory: string;
let bin: string;
let clock: ManualClock;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ic-catalogue-'));
  bin = join(directory, 'bin');
  mkdirSync(bin);
  clock = new ManualClock();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** An executable that prints; each run is counted in a file. */
function program(name: string, prints: string): string {
  const path = join(bin, name);
  writeFileSync(path, `#!/bin/sh\necho run >> '${directory}/${name}.runs'\n${prints}\n`);
  chmodSync(path, 0o755);
  return path;
}

function known(name: string, minimumVersion?: string): AgentProgram {
  return { ...genericProgram(name, PLAIN), minimumVersion, displayName: `The ${name}` };
}

function catalogue(more: { known?: AgentProgram[]; configured?: Record<string, AgentConfig>; path?: string } = {}) {
  return new AgentCatalogue({
    known: more.known ?? [],
    configured: more.configured ?? {},
    env: { PATH: more.path ?? `:${bin}:/usr/bin:/bin`, INTERCOM_TOKEN: 'secret' },
    clock,
  });
}

describe('the programs of a machine', () => {
  it('are found on PATH, asked once for their version, and again when they were changed', async () => {
    const path = program('crow', 'echo "crow 2.4.1 (build 7)"');
    const all = catalogue({ known: [known('crow', '2.0.0')] });
    expect(await all.find('crow')).toMatchObject({ executable: path, version: '2.4.1', problem: undefined });
    await all.find('crow');
    program('crow', 'echo "crow 2.5.0"');
    utimesSync(path, new Date(), new Date(Date.now() + 5000));
    expect(await all.find('crow')).toMatchObject({ version: '2.5.0' });
  });

  it('missing, too old, mute and hanging ones are said in words', async () => {
    program('old', 'echo 1.9.9');
    program('mute', 'exit 3');
    const all = catalogue({ known: [known('old', '2.0.0'), known('mute', '2.0.0'), known('gone')] });
    expect((await all.find('old'))?.problem).toBe('The old 1.9.9 is too old; 2.0.0 or newer is needed. Update it.');
    expect((await all.find('mute'))?.problem).toMatch(/does not say its version/);
    expect(await all.find('gone')).toMatchObject({
      executable: undefined,
      problem: 'The gone is not installed here: there is no "gone" on PATH.',
    });
    expect(await all.find('unheard')).toBeUndefined();
  });

  it('a link keeps its name, by which some programs know what they are; a directory is no program, a relative part of PATH counts for nothing', async () => {
    const real = program('real', 'echo "1.0.0-${0##*/}"');
    symlinkSync(real, join(bin, 'linked'));
    mkdirSync(join(bin, 'folder'));
    const all = catalogue({ known: [known('linked'), known('folder')] });
    expect(await all.find('linked')).toMatchObject({ executable: join(bin, 'linked'), version: '1.0.0-linked' });
    expect((await all.find('folder'))?.executable).toBeUndefined();
    const relative = catalogue({ known: [known('real')], path: `.:bin:` });
    expect((await relative.find('real'))?.executable).toBeUndefined();
  });

  it('is asked without the daemon’s secrets', async () => {
    program('spy', 'echo "1.0.0-$INTERCOM_TOKEN"');
    expect((await catalogue({ known: [known('spy')] }).find('spy'))?.version).toBe('1.0.0-');
  });

  it('the configuration changes known ones and adds others', async () => {
    const path = program('my-crow', 'echo 3.0.0');
    const all = catalogue({
      known: [known('crow')],
      configured: {
        crow: { ...PLAIN, command: path, flags: ['--fast'], runtimes: ['headless'] },
        jay: { ...PLAIN, command: path, displayName: 'Jay' },
      },
    });
    expect((await all.find('crow'))?.program).toMatchObject({ allowedFlags: ['--fast'], runtimes: ['headless'] });
    expect((await all.find('jay'))?.program.displayName).toBe('Jay');
    expect(all.names()).toEqual(['crow', 'jay']);
    expect((await all.look()).map(({ name, version }) => [name, version])).toEqual([
      ['crow', '3.0.0'],
      ['jay', '3.0.0'],
    ]);
  });

  it('what is offered follows what is installed; what is neither installed nor configured is left out', async () => {
    let changes = 0;
    const all = catalogue({ known: [known('crow')], configured: { jay: PLAIN } });
    await all.start(() => (changes += 1));
    expect(all.offers()).toMatchObject([
      { name: 'jay', problem: 'jay is not installed here: there is no "jay" on PATH.' },
    ]);
    program('crow', 'echo 1.2.3');
    await all.look();
    expect(changes).toBe(1);
    expect(all.offers().map(({ name }) => name)).toEqual(['crow', 'jay']);
    all.stop();
  });
});

describe('versions', () => {
  it.each([
    ['2.1.197', '2.1.197', false],
    ['2.1.196', '2.1.197', true],
    ['2.2', '2.1.197', false],
    ['2.1', '2.1.1', true],
    ['v10.0.0', '9.9.9', false],
    ['0.169.0-alpha.1', '0.169.0', false],
  ])('%s older than %s: %s', (version, least, older) => {
    expect(olderThan(version, least)).toBe(older);
  });
});

describe('a program of the configuration alone', () => {
  const request: LaunchRequest = {
    runtime: 'headless',
    prompt: 'line one\n--line two',
    flags: ['--fast'],
    cwd: '/shop',
    limits: {},
    uuid: 'u',
    resume: undefined,
    directory: '/run',
    intercom: ['node', 'x.js'],
    env: {},
    mission: undefined,
  };

  function fold(runtime: 'terminal' | 'headless', lines: readonly string[], exit: object) {
    const one = genericProgram('crow', PLAIN).fold(runtime);
    const entry = (kind: JournalEntry['kind'], text: string): JournalEntry => ({
      seq: 1,
      at: '2026-11-21T12:00:00.000Z',
      kind,
      text,
      cut: false,
    });
    return [
      ...lines.flatMap((line) => one.feed(entry('line', line))),
      ...one.feed(entry('exit', JSON.stringify(exit))),
    ];
  }

  it('gets the mission as one argument or as its input', () => {
    expect(genericProgram('crow', PLAIN).plan(request).argv).toEqual(['--fast', 'line one\n--line two']);
    const byInput = genericProgram('crow', { ...PLAIN, prompt: 'stdin' }).plan(request);
    expect(byInput).toMatchObject({ argv: ['--fast'], input: ['line one', '--line two'], closeInput: true });
  });

  it('goes on with a session as it is told to', () => {
    const crow = genericProgram('crow', { ...PLAIN, resumeArgs: ['--resume={session}'] });
    expect(crow).toMatchObject({ canResume: true, canFork: false });
    expect(crow.plan({ ...request, resume: { session: 's-1234', fork: false } }).argv[0]).toBe('--resume=s-1234');
  });

  it('its result is what it printed, an error what its exit code says (seed: "Error…" results)', () => {
    expect(fold('headless', ['Error: found 3 of them', ''], { code: 0 }).slice(1)).toEqual([
      { kind: 'turn_ended', text: 'Error: found 3 of them', isError: false, background: false },
      { kind: 'ended' },
    ]);
    expect(fold('headless', ['done'], { code: 2 })[1]).toMatchObject({ isError: true });
  });

  it('what was killed or never began has no result of its own', () => {
    expect(fold('headless', ['half'], { signal: 'SIGKILL' }).map(({ kind }) => kind)).toEqual(['text', 'ended']);
    expect(fold('headless', [], { problem: 'no such file' })).toEqual([{ kind: 'ended' }]);
    expect(fold('terminal', [], { code: 0 })).toEqual([{ kind: 'ended' }]);
  });

  it('its result is bounded, and the end counts', () => {
    const line = 'x'.repeat(100_000);
    const [ended] = fold('headless', [line, line, line, 'the end'], { code: 0 }).slice(-2);
    expect(ended?.kind === 'turn_ended' && ended.text.length).toBeLessThanOrEqual(256 * 1024);
    expect(ended?.kind === 'turn_ended' && ended.text.endsWith('the end')).toBe(true);
  });
});
