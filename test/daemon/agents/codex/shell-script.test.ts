import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shellScript } from '../../../../src/daemon/agents/codex/shell-script.ts';

describe('the script in a command of Codex', () => {
  it.each([
    ['/bin/bash -lc ls', 'ls'],
    ["bash -lc 'npm test'", 'npm test'],
    [`/bin/zsh -lc "echo 'it is'"`, "echo 'it is'"],
    ['/usr/bin/bash -c "sh -c \\"echo \\\\\\$HOME\\""', 'sh -c "echo \\$HOME"'],
    [`/bin/bash -lc 'echo $x'"'"'s'`, "echo $x's"],
    ["/bin/sh -c ''", ''],
    ["bash -lc 'two\nlines 请'", 'two\nlines 请'],
  ])('%s', (command, script) => {
    expect(shellScript(command)).toBe(script);
  });

  it.each([
    'ls -l',
    "/bin/bash -lc 'one' two",
    "/bin/bash -ic 'one'",
    "/bin/bash -lc 'one'; rm -rf /",
    '/bin/bash -lc one; rm',
    "/bin/bash -lc 'one'&rm",
    '/bin/bash -lc "$(rm x)"',
    '/bin/bash -lc "`rm x`"',
    "/bin/bash -lc 'open",
    "bash  -lc 'one'",
    "/opt/not-a-sh-at-all -lc 'one'",
    // What an agent may have written itself is no shell of the machine's.
    './bash -lc x',
    'tools/bash -lc x',
    '/home/ada/shop/bash -lc x',
    '/usr/bin/../../tmp/bash -lc x',
    'crash -lc x',
    "ENV=1 bash -lc 'x'",
    '',
  ])('%s stays as it came', (command) => {
    expect(shellScript(command)).toBe(command);
  });

  it('whatever it takes out, a real shell reads the same there', () => {
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom('a', ' ', '$', '`', '"', '\\', '\n', '!', '请') }).map((text) => `'${text}'`),
      fc
        .string({ unit: fc.constantFrom('a', ' ', '$', '`', "'", '"', '\\', '\n', ';') })
        .map((text) => `"${text.replaceAll(/[\\"$`]/g, '\\$&')}"`),
      fc.string({ unit: fc.constantFrom('a', 'b', '-', '/', '=', '.', ';', '$', '&', '~', '*', '"'), minLength: 1 }),
    );
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const command = `/bin/bash -lc ${parts.join('')}`;
        const script = shellScript(command);
        if (script === command) return;
        const read = execFileSync('/bin/sh', ['-c', `set -f -- ${command}; printf '%s|%s' "$#" "$3"`]).toString();
        expect(read).toBe(`3|${script}`);
      }),
      { numRuns: 300 },
    );
  });
});
