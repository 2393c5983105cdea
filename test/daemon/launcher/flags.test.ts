import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { claudeProgram } from '../../../src/daemon/agents/claude/program.ts';
import { codexProgram } from '../../../src/daemon/agents/codex/program.ts';
import { geminiProgram } from '../../../src/daemon/agents/gemini/program.ts';
import { opencodeProgram } from '../../../src/daemon/agents/opencode/program.ts';
import { refusedFlag } from '../../../src/daemon/launcher/flags.ts';

const LIST = [
  '--model <value>',
  '-m=',
  '--permission-mode=plan',
  '--permission-mode=default',
  '--verbose',
  '--effort high',
];

describe('flags of a caller', () => {
  it.each<[string, string[]]>([
    ['a value behind it', ['--model', 'opus']],
    ['a value in it', ['--model=opus']],
    ['a short one', ['-m', 'opus']],
    ['one that stands alone', ['--verbose']],
    ['the very value', ['--permission-mode=plan']],
    ['the very value behind it', ['--permission-mode', 'default']],
    ['a value with more signs of equality', ['--model=a=b']],
    ['several', ['--verbose', '--model', 'opus', '--effort=high']],
  ])('%s passes', (_what, flags) => {
    expect(refusedFlag(flags, LIST)).toBeUndefined();
  });

  it.each<[string, string[], string]>([
    ['another value', ['--permission-mode=bypassPermissions'], '--permission-mode=bypassPermissions'],
    ['another value behind it', ['--permission-mode', 'bypassPermissions'], '--permission-mode'],
    ['another case of the value', ['--permission-mode=PLAN'], '--permission-mode=PLAN'],
    ['more behind the value', ['--permission-mode=plan,bypassPermissions'], '--permission-mode=plan,bypassPermissions'],
    ['white space around the value', ['--permission-mode= plan'], '--permission-mode= plan'],
    ['no value', ['--model'], '--model'],
    ['an empty value', ['--model='], '--model='],
    ['an empty value behind it', ['--model', ''], '--model'],
    ['a flag as the value', ['--model=--dangerously-skip-permissions'], '--model=--dangerously-skip-permissions'],
    ['a flag as the value behind it', ['--model', '--dangerously-skip-permissions'], '--model'],
    ['a flag behind white space', ['--model', ' --yolo'], '--model'],
    ['a listed flag as the value', ['--model', '--verbose'], '--model'],
    ['a second line in the value', ['--model=a\n--yolo'], '--model=a\n--yolo'],
    ['a value for one that takes none', ['--verbose=false'], '--verbose=false'],
    ['a word behind one that takes none', ['--verbose', 'do evil'], 'do evil'],
    ['an abbreviation', ['--perm=plan'], '--perm=plan'],
    ['an abbreviation with its value behind it', ['--permission', 'plan'], '--permission'],
    ['another case', ['--Model=opus'], '--Model=opus'],
    ['another spelling', ['--permissionMode=plan'], '--permissionMode=plan'],
    ['one hyphen too few', ['-model', 'opus'], '-model'],
    ['one hyphen too many', ['---model', 'opus'], '---model'],
    ['a negation', ['--no-verbose'], '--no-verbose'],
    ['a value stuck to a short one', ['-mopus'], '-mopus'],
    ['the end of the options', ['--'], '--'],
    ['the standard input', ['-'], '-'],
    ['a word', ['do evil'], 'do evil'],
    ['nothing', [''], ''],
    ['the same twice', ['--verbose', '--verbose'], '--verbose'],
    ['two values', ['--permission-mode=plan', '--permission-mode=default'], '--permission-mode=default'],
    ['two words as the value', ['--model', 'opus', 'sonnet'], 'sonnet'],
    ['an unknown one behind good ones', ['--verbose', '--model', 'opus', '--yolo'], '--yolo'],
  ])('%s is refused', (_what, flags, refused) => {
    expect(refusedFlag(flags, LIST)).toBe(refused);
  });

  it('what the machine’s own configuration gives is not given again', () => {
    const own = ['--permission-mode', 'plan', '--model=haiku', 'default'];
    expect(refusedFlag(['--permission-mode=default'], LIST, own)).toBe('--permission-mode=default');
    expect(refusedFlag(['--model', 'opus'], LIST, own)).toBe('--model');
    expect(refusedFlag(['--verbose'], LIST, own)).toBeUndefined();
  });

  it('a list cannot allow the end of the options, a word, or a value that begins like a flag', () => {
    const list = ['--', '-', 'rm', '-- <value>', '--mode=-x'];
    for (const flags of [['--'], ['-'], ['rm'], ['--', 'x'], ['--mode=-x'], ['--mode', '-x']]) {
      expect(refusedFlag(flags, list)).toBe(flags[0]);
    }
  });

  it('an empty list allows nothing', () => {
    fc.assert(fc.property(fc.array(fc.string(), { minLength: 1 }), (flags) => refusedFlag(flags, []) === flags[0]));
  });

  it('whatever passes is made of nothing but entries of the list, each once, with values that begin no flag', () => {
    const word = fc.oneof(
      fc.constantFrom(
        ...['--model', '-m', '--permission-mode', '--verbose', '--effort', '--perm', '--', '-', 'plan', 'high', 'opus'],
        ...['--permission-mode=plan', '--permission-mode=bypassPermissions', '--model=x', '--model=-x', '--verbose=1'],
      ),
      fc.string(),
      fc.string().map((text) => `--model=${text}`),
      fc.string().map((text) => `--${text}`),
    );
    const passed = { count: 0 };
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (flags) => {
        if (refusedFlag(flags, LIST) !== undefined) return;
        passed.count += 1;
        const names = [];
        for (const [index, flag] of flags.entries()) {
          if (!flag.startsWith('-')) {
            expect(['--model', '-m', '--permission-mode', '--effort']).toContain(flags[index - 1]);
            continue;
          }
          const [name = '', ...rest] = flag.split('=');
          names.push(name);
          const inIt = flag.includes('=') ? rest.join('=') : undefined;
          const value = inIt ?? (name === '--verbose' ? undefined : flags[index + 1]);
          if (name === '--permission-mode') expect(['plan', 'default']).toContain(value);
          else if (name === '--effort') expect(value).toBe('high');
          else if (name === '--verbose') expect(value).toBeUndefined();
          else {
            expect(['--model', '-m']).toContain(name);
            expect(value).toMatch(/^[^\s-]/);
          }
        }
        expect(new Set(names).size).toBe(names.length);
      }),
      { numRuns: 3000 },
    );
    expect(passed.count).toBeGreaterThan(100);
  });
});

/** What lets an agent do more without asking, read more, run other code, or be somebody else; as each program spells it. */
const WIDENING: Readonly<Record<string, readonly (readonly string[])[]>> = {
  claude: [
    ['--dangerously-skip-permissions'],
    ['--allow-dangerously-skip-permissions'],
    ...['bypassPermissions', 'acceptEdits', 'dontAsk', 'auto'].flatMap((mode) => [
      [`--permission-mode=${mode}`],
      ['--permission-mode', mode],
    ]),
    ['--allowedTools', 'Bash'],
    ['--allowed-tools=Bash'],
    ['--tools', 'Bash'],
    ['--add-dir', '/'],
    ['--settings', '/tmp/x'],
    ['--setting-sources', 'local'],
    ['--mcp-config', '/tmp/x'],
    ['--plugin-dir', '/tmp/x'],
    ['--agent', 'free'],
    ['--agents', '{}'],
    ['--system-prompt', 'x'],
    ['--append-system-prompt', 'x'],
    ['--permission-prompt-tool', 'x'],
    ['--resume', 'x'],
    ['-c'],
    ['--bare'],
  ],
  codex: [
    ['--dangerously-bypass-approvals-and-sandbox'],
    ['--dangerously-bypass-hook-trust'],
    ['--yolo'],
    ['--full-auto'],
    ['-s', 'danger-full-access'],
    ['--sandbox=workspace-write'],
    ['-a', 'never'],
    ['--ask-for-approval=never'],
    ['-c', 'approval_policy="never"'],
    ['--config=sandbox_mode="danger-full-access"'],
    ['--profile', 'free'],
    ['-p', 'free'],
    ['--add-dir', '/'],
    ['-C', '/'],
    ['--cd=/'],
    ['--enable', 'x'],
    ['--remote', 'x'],
    ['--search'],
    ['--oss'],
  ],
  gemini: [
    ['--yolo'],
    ['-y'],
    ['--approval-mode=yolo'],
    ['--approval-mode', 'auto_edit'],
    ['--approvalMode=yolo'],
    ['--allowed-tools', 'run_shell_command'],
    ['--policy', '/tmp/x'],
    ['--include-directories', '/'],
    ['--extensions', 'none'],
    ['-e', 'none'],
    ['--allowed-mcp-server-names', 'x'],
    ['--no-sandbox'],
    ['--sandbox=false'],
    ['--resume', 'x'],
  ],
  opencode: [['--pure'], ['--cwd', '/'], ['--port', '1'], ['--hostname', '0.0.0.0'], ['--model', 'x']],
};

describe.each([claudeProgram, codexProgram, geminiProgram({ hooked: () => true }), opencodeProgram])(
  'the list of $name',
  (program) => {
    it.each(WIDENING[program.name] ?? [])('does not have %s', (...flags) => {
      expect(refusedFlag(flags, program.allowedFlags)).toBe(flags[0]);
      // Nor behind a flag that it has, as its value.
      for (const entry of program.allowedFlags) {
        const [name = ''] = entry.split(/[ =]/);
        expect(refusedFlag([name, ...flags], program.allowedFlags)).toBeDefined();
        expect(refusedFlag([`${name}=${flags[0] ?? ''}`], program.allowedFlags)).toBeDefined();
      }
    });
  },
);
