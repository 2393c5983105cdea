/** Tool calls in words: labels for lists, the whole input for whoever allows it. */
import { describe, expect, it } from 'vitest';
import { INPUT_TEXT_MAX, toolInputText, toolWords } from '../../../src/daemon/agents/tool-words.ts';

describe('labels', () => {
  it.each([
    ['Bash', { command: 'npm test', description: 'tests' }, 'Run: npm test', 'command'],
    ['Bash', { command: 'a\nb\tc' }, 'Run: a b c', 'command'],
    ['shell', { command: ['bash', '-lc', 'ls'] }, 'Run: bash -lc ls', 'command'],
    ['Edit', { file_path: '/home/me/shop/src/app.ts', old_string: 'a' }, 'Edit src/app.ts', 'file'],
    ['Write', { file_path: '/a/b/c/d/e.ts', content: 'x' }, 'Write …/c/d/e.ts', 'file'],
    ['NotebookEdit', { notebook_path: '/home/me/shop/n.ipynb' }, 'Edit n.ipynb', 'file'],
    ['Read', { file_path: '/home/me/shop/README.md' }, 'Read README.md', 'file'],
    ['write_file', { file_path: 'x.md', content: '' }, 'Write x.md', 'file'],
    ['Grep', { pattern: 'TODO', path: 'src' }, 'Search: TODO', 'tool'],
    ['Glob', { pattern: '**/*.ts' }, 'Search: **/*.ts', 'tool'],
    ['WebFetch', { url: 'https://example.org/x', prompt: 'y' }, 'Open https://example.org/x', 'tool'],
    ['WebSearch', { query: 'node 20' }, 'Search the web: node 20', 'tool'],
    ['MultiEdit', { file_path: '/home/me/shop/a.ts', edits: [] }, 'Edit a.ts', 'file'],
    ['Task', { description: 'look it up', prompt: 'long' }, 'Delegate: look it up', 'tool'],
    ['Agent', { description: 'look it up', prompt: 'long' }, 'Delegate: look it up', 'tool'],
    ['mcp__intercom__intercom_reply', { body: 'x' }, 'intercom: intercom reply', 'tool'],
    ['TodoWrite', { todos: [] }, 'Plan', 'tool'],
    ['ExitPlanMode', {}, 'Propose a plan', 'tool'],
    ['Unheard', { depth: 3 }, 'Unheard', 'tool'],
    ['Unheard', 'not an object', 'Unheard', 'tool'],
  ])('%s %j', (tool, input, label, shape) => {
    expect(toolWords(tool, input, '/home/me/shop')).toEqual({ label, shape });
  });

  it('are one line of bounded length whatever the input holds', () => {
    const { label } = toolWords('Bash', { command: `echo \u0007${'x'.repeat(5000)}\n\u202e` });
    expect(label.length).toBeLessThanOrEqual(200);
    expect(label).not.toMatch(/[\p{C}]/u);
  });
});

describe('the whole input', () => {
  it.each([
    [{ command: 'rm -r build\nls', description: 'clean' }, 'rm -r build\nls\n\ndescription: clean'],
    [
      { file_path: '/a/b.ts', old_string: 'a = 1\nb', new_string: 'a = 2', replace_all: false },
      '/a/b.ts\n\n- a = 1\n- b\n+ a = 2',
    ],
    [
      { file_path: '/a/b.ts', old_string: 'a', new_string: '', replace_all: true },
      '/a/b.ts\n\n- a\n\nreplace_all: true',
    ],
    [{ file_path: '/a/b.ts', content: 'one\ntwo\n' }, '/a/b.ts\n\n+ one\n+ two'],
    [{ file_path: '/a', edits: [{ old_string: 'x', new_string: 'y' }] }, '/a\n\n- x\n+ y'],
    [{ file_path: '/a', old_string: 'top\nx\nend', new_string: 'top\ny\nz\nend' }, '/a\n\n  top\n- x\n+ y\n+ z\n  end'],
    [{ file_path: '/a', old_string: 'x', new_string: 'x\nx' }, '/a\n\n  x\n+ x'],
    [{ file_path: '/a', changes: '@@ -1 +1 @@\n-x\n+y' }, '/a\n\nchanges:\n@@ -1 +1 @@\n-x\n+y'],
    [
      { description: 'look', prompt: 'Look there.\nThen here.', subagent_type: 'finder', tools: ['Read'] },
      'description: look\nsubagent_type: finder\ntools: ["Read"]\n\nprompt:\nLook there.\nThen here.',
    ],
    [{ url: 'https://example.org', prompt: 'sum up' }, 'https://example.org\n\nprompt: sum up'],
    [{ depth: 3, where: { a: 1 } }, '{\n  "depth": 3,\n  "where": {\n    "a": 1\n  }\n}'],
    ['plain', '"plain"'],
  ])('%j', (input, text) => {
    expect(toolInputText(input)).toEqual({ text, cut: false });
  });

  it('shows characters that would hide or turn the text', () => {
    expect(toolInputText({ command: 'ls \u202e\u001b[2K\u200b\n\tx' }).text).toBe('ls \\u202e\\u001b[2K\\u200b\n\tx');
  });

  it('is bounded and says so', () => {
    const { text, cut } = toolInputText({ command: 'x'.repeat(INPUT_TEXT_MAX + 1) });
    expect(text).toHaveLength(INPUT_TEXT_MAX);
    expect(cut).toBe(true);
  });
});
