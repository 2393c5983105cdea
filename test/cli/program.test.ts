/** The program itself: help, usage, exit codes, and who may run what. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentOfCommand, findAgent } from '../../src/cli/agent-environment.ts';
import { COMMANDS } from '../../src/cli/catalogue.ts';
import { cut, cutMiddle, safe, styleFor, widthOf } from '../../src/cli/print/style.ts';
import { table } from '../../src/cli/print/table.ts';
import { bytes, relative } from '../../src/cli/print/time.ts';
import { VERSION } from '../../src/platform/package.ts';
import { Home, NOW } from './support/cli.ts';

describe('help', () => {
  it('names every command, fits 80 columns and loads none of them', async () => {
    const { code, out } = await (await Home.make()).run(['--help']);
    expect(code).toBe(0);
    for (const { name } of COMMANDS) expect(out).toContain(`  ${name} `);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect((await (await Home.make()).run([])).out).toBe(out);
  });

  it.each(COMMANDS.map((command) => command.name))('of %s exists under its name', async (name) => {
    const home = await Home.make();
    const { code, out } = await home.run([name, '--help']);
    expect(code).toBe(0);
    expect(out).toContain(`Usage: intercom ${name}`);
    expect((await home.run(['help', name])).out).toBe(out);
    expect(out.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('tells the version, alone or behind an option', async () => {
    const home = await Home.make();
    expect((await home.run(['--version'])).out).toBe(`${VERSION}\n`);
    expect((await home.run(['--no-color', '-V'])).out).toBe(`${VERSION}\n`);
  });

  it('colours for a person and not for a pipe', async () => {
    const home = await Home.make();
    expect((await home.run(['--help'], { colour: true })).out).toContain('\u001b[36m');
    expect((await home.run(['--help', '--no-color'], { colour: true })).out).not.toContain('\u001b');
  });
});

describe('usage', () => {
  const faults: [args: string[], saying: RegExp][] = [
    [['statsu'], /"statsu" is not a command.*\n {2}next: Did you mean `intercom status`\?/],
    [['zzzzzzzzz'], /--help` lists/],
    [['approvals', 'alow', 'x'], /./],
    [['approvals', 'allow'], /Missing required argument 'id'/],
    [['approvals', '--jsno'], /Unknown option '--jsno'.*\n.*--json/],
    [['approvals', 'allow', 'x', '--scope', 'for ever'], /Allowed choices are once, mission, session, always/],
    [['inbox', '--limit', '0'], /whole number from 1 to 100/],
    [['--bogus'], /Unknown option '--bogus'/],
    [['chat'], /Whom to is missing/],
    [['policy', 'test', 'x'], /--from/],
  ];
  it.each(faults)('%j is refused in two lines, with 2', async (args, saying) => {
    const { code, out, err } = await (await Home.make()).run(args);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(saying);
    expect(err.trimEnd().split('\n')).toHaveLength(2);
    expect(err).toMatch(/^error: .*\n {2}next: /);
  });

  it('any arguments end in an exit code and words, never in a stack', async () => {
    const names = COMMANDS.map((command) => command.name).filter(
      (name) => !['hub', 'daemon', 'standalone', 'mcp-server', 'join', 'doctor', 'hooks'].includes(name),
    );
    const piece = fc.oneof(
      fc.constantFrom(...names),
      fc.constantFrom(
        'list',
        'show',
        'allow',
        'deny',
        'test',
        'check',
        'grants',
        'rename',
        '--json',
        '--follow',
        '-f',
        '--help',
        '--',
        '-',
        '--limit',
        '--scope',
        '--yes',
        '--force',
        '--thread',
        '--hub',
        '--config',
      ),
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ maxLength: 10 }).map((text) => `--${text}`),
      fc.constant('x'.repeat(10_000)),
    );
    const home = await Home.make();
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), fc.array(piece, { maxLength: 5 }), async (name, rest) => {
        const { code, err } = await home.run([name, ...rest]);
        expect([0, 2, 3, 4, 5, 6, 7, 8]).toContain(code);
        expect(err).not.toMatch(/^\s+at /m);
        if (code !== 0) expect(err).toMatch(/next: |"error"/);
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});

describe('an agent at the command line', () => {
  const OPERATOR_COMMANDS = [
    ['approvals'],
    ['approvals', 'allow', 'x'],
    ['approvals', 'deny', 'x'],
    ['approvals', 'answer', 'x', '--answer', '1'],
    ['attention'],
    ['attention', '--watch'],
    ['attention', 'history'],
    ['usage'],
    ['preferences'],
    ['preferences', 'mute', 'all'],
    ['machines', 'approve', 'x', '--yes'],
    ['machines', 'revoke', 'x', '--yes'],
    ['policy', 'list'],
    ['policy', 'revoke', 'x'],
    ['login'],
    ['login', '--link'],
    ['join', 'http://h:1'],
    ['events'],
    ['events', '--follow'],
  ];
  it.each(OPERATOR_COMMANDS.map((args) => [args]))('seed: can never act as the operator: %j', async (args) => {
    const home = await Home.make();
    for (const env of [
      { CLAUDECODE: '1' },
      { CLAUDE_CODE_SESSION_ID: 'abcd1234' },
      { CODEX_SANDBOX: 'seatbelt' },
      { GEMINI_CLI: '1' },
    ]) {
      const { code, err } = await home.run(args, { env });
      expect(code).toBe(5);
      expect(err).toContain('An agent can never act as the operator');
    }
  });

  it('is not taken for one by what people set in their own shells', () => {
    const env = {
      CODEX_HOME: '/home/u/.codex',
      GEMINI_API_KEY: 'k',
      ANTHROPIC_API_KEY: 'k',
      CLAUDE_CONFIG_DIR: '/c',
      CLAUDECODE: '',
    };
    expect(findAgent(env, 1)).toBeUndefined();
  });

  it('is found among the ancestors, whatever it did to its environment', () => {
    const tree = new Map([
      [50, { ppid: 40, command: ['-zsh'] }],
      [40, { ppid: 30, command: ['bash', '-c', 'intercom approvals'] }],
      [30, { ppid: 20, command: ['/home/u/.local/bin/claude', '--resume'] }],
      [20, { ppid: 1, command: ['tmux'] }],
    ]);
    expect(findAgent({}, 50, (pid) => tree.get(pid))).toMatchObject({ agent: 'claude', pid: 30 });
    expect(findAgent({}, 20, (pid) => tree.get(pid))).toBeUndefined();
    // A process table that lies in a circle ends too.
    expect(findAgent({}, 2, () => ({ ppid: 2, command: ['sh'] }))).toBeUndefined();
  });

  const commands: [command: string[], agent: string | undefined][] = [
    [['claude'], 'claude'],
    [['/usr/bin/node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js'], 'claude'],
    [['node', '/opt/bin/codex'], 'codex'],
    [['node', '/x/@google/gemini-cli/dist/index.js'], 'gemini'],
    [['/opt/node_modules/@openai/codex/vendor/bin/codex-rs'], 'codex'],
    [['vim', 'claude'], undefined],
    [['node', '/home/u/claude-notes/server.js'], undefined],
    [['/usr/bin/claude-desktop'], undefined],
    [[], undefined],
  ];
  it.each(commands)('%j is %s', (command, agent) => {
    expect(agentOfCommand(command)).toBe(agent);
  });
});

describe('printing', () => {
  it('tables fit the terminal whatever is in them', () => {
    const cell = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.string({ unit: 'binary', maxLength: 60 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        const columns = [
          { title: 'A', flexible: true, middle: true },
          { title: 'B', flexible: true },
          { title: 'C', flexible: true },
        ];
        const text = table(columns, rows, 60, styleFor(false));
        expect(text.split('\n').slice(0, -1)).toHaveLength(rows.length + 1);
        for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(60);
      }),
    );
  });

  it('cuts to the width and says so', () => {
    expect(cut('short', 10)).toBe('short');
    expect(cut('a long sentence here', 10)).toBe('a long se…');
    expect(cutMiddle('/home/somebody/project', 11)).toBe('/home…oject');
    expect(widthOf('日本')).toBe(4);
    expect(safe('a\nb\u001b[31mc')).toBe('a b␦[31mc');
  });

  it.each([
    [0, 'now'],
    [-60, '60 s ago'],
    [-180, '3 min ago'],
    [-7200, '2 h ago'],
    [-3 * 86_400, '3 d ago'],
    [900, 'in 15 min'],
    [-400 * 86_400, '2025-01-25'],
  ])('%s seconds from now is "%s"', (seconds, words) => {
    expect(relative(NOW + seconds * 1000, NOW)).toBe(words);
  });

  it('says sizes', () => {
    expect([bytes(0), bytes(1536), bytes(12_000_000)]).toEqual(['0 B', '1.5 KiB', '11.4 MiB']);
  });
});
