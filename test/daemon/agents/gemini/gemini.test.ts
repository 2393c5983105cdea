/** Gemini CLI without Gemini CLI: its hooks' language, what a run is folded to, its record as proof, its launch plans. Payloads as 0.61.0 sends them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { GeminiFold } from '../../../../src/daemon/agents/gemini/fold.ts';
import { readHook, renderContext } from '../../../../src/daemon/agents/gemini/hook-dialect.ts';
import { installGemini, uninstallGemini } from '../../../../src/daemon/agents/gemini/install.ts';
import { geminiProgram } from '../../../../src/daemon/agents/gemini/program.ts';
import { clashMs } from '../../../../src/daemon/agents/gemini/record-clash.ts';
import { entriesOf, isRecordOf } from '../../../../src/daemon/agents/gemini/record.ts';
import type { LaunchRequest } from '../../../../src/daemon/agents/program.ts';
import { frameMessages } from '../../../../src/daemon/sessions/frame.ts';
import { JournalEntry } from '../../../../src/protocol/runner-api.ts';

const home = mkdtempSync(join(tmpdir(), 'ic-gemini-unit-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const session = '11111111-2222-4333-8444-555555555555';

describe('hooks', () => {
  const facts = (event: string) => {
    const found = readHook(event, { session_id: session, cwd: '/w', prompt: 'p' });
    if (found === undefined) throw new Error('not read');
    return found;
  };

  it('no body can close our tag, although Gemini makes entities of < and > and leaves & alone', () => {
    const asGeminiShows = (text: string) => text.replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    fc.assert(
      fc.property(fc.array(fc.constantFrom('<', '>', '&', '/', 'lt;', 'gt;', 'intercom-message', 'x')), (parts) => {
        const item = { id: 'msg_1', threadId: 'thr_1', kind: 'send', from: 'm/p', cut: false, approval: '' } as const;
        const framed = frameMessages([{ ...item, body: parts.join(''), sentAt: '2026-01-01T00:00:00.000Z' }]);
        const printed: unknown = JSON.parse(renderContext(facts('AfterTool'), framed) ?? '');
        const shown = asGeminiShows(JSON.stringify(printed));
        expect(shown.split('&lt;/intercom-message&gt;')).toHaveLength(2);
      }),
    );
  });

  it('mail goes in with a prompt, a tool and the end of a turn, and nowhere else', () => {
    expect(renderContext(facts('BeforeAgent'), 'a')).toContain('"hookEventName":"BeforeAgent"');
    expect(renderContext(facts('AfterAgent'), 'a & <b>')).toBe('{"decision":"deny","reason":"a & <b>"}');
    for (const event of ['SessionStart', 'SessionEnd', 'BeforeTool', 'Notification'])
      expect(renderContext(facts(event), 'a')).toBeUndefined();
    expect(readHook('AfterTool', { session_id: '../x' })).toBeUndefined();
  });
});

describe('the fold', () => {
  const hook = (event: string, more: Readonly<Record<string, unknown>>) =>
    JournalEntry.parse({
      seq: 1,
      at: '2026-11-21T10:00:00.000Z',
      kind: 'hook',
      event,
      text: JSON.stringify({ session_id: session, cwd: '/w', hook_event_name: event, ...more }),
    });

  it('a turn that goes on with mail tells at its end only what is new', () => {
    const fold = new GeminiFold();
    expect(fold.feed(hook('SessionStart', { source: 'startup' }))).toEqual([{ kind: 'session', session }]);
    fold.feed(hook('BeforeAgent', { prompt: 'a' }));
    expect(fold.feed(hook('AfterAgent', { prompt_response: 'One.', stop_hook_active: false }))).toMatchObject([
      { kind: 'turn_ended', text: 'One.' },
    ]);
    expect(fold.feed(hook('AfterAgent', { prompt_response: 'One.\nTwo.', stop_hook_active: true }))).toMatchObject([
      { text: 'Two.' },
    ]);
    expect(fold.feed(hook('AfterAgent', { prompt_response: 'One.\nThree.', stop_hook_active: false }))).toMatchObject([
      { text: 'One.\nThree.' },
    ]);
  });

  it('a tool that failed is told so; another session in the same process too', () => {
    const fold = new GeminiFold();
    fold.feed(hook('SessionStart', {}));
    const failed = { tool_name: 'run_shell_command', tool_response: { error: { message: 'no such file' } } };
    expect(fold.feed(hook('AfterTool', failed))).toMatchObject([{ kind: 'tool_done', ok: false }]);
    expect(fold.feed(hook('SessionStart', { session_id: 'other-session' }))).toMatchObject([{ kind: 'session' }]);
    expect(fold.feed(hook('Notification', { notification_type: 'Other' }))).toHaveLength(1);
  });
});

describe('the record as proof', () => {
  const entry = (content: unknown, type = 'user') => JSON.stringify({ id: 'e1', type, content });

  it('counts what the person or a hook put in; a tool’s result only for mail that was fetched; never the model’s own words', () => {
    const id = 'msg_0001';
    const result = (output: string) => entry([{ functionResponse: { name: 't', response: { output } } }]);
    expect(entriesOf([entry([{ text: `mail ${id}` }])], [id], false).has(id)).toBe(true);
    expect(entriesOf([result(`out <hook_context>${id}</hook_context>`)], [id], false).has(id)).toBe(true);
    expect(entriesOf([result(`inbox: ${id}`)], [id], false).has(id)).toBe(false);
    expect(entriesOf([result(`inbox: ${id}`)], [id], true).has(id)).toBe(true);
    expect(entriesOf([entry(`I saw ${id}`, 'gemini')], [id], true).has(id)).toBe(false);
    expect(entriesOf([`{"type":"user","content":[{"text":"${id}`], [id], false).has(id)).toBe(false);
  });

  it('a hook’s word is not enough to read any file', () => {
    const good = join(home, 'tmp', 'p', 'chats', 'session-2026-11-21T03-31-11111111.jsonl');
    expect(isRecordOf(good, home, session)).toBe(true);
    for (const path of [
      '/etc/passwd',
      join(home, 'tmp', 'p', 'chats', '..', '..', '..', 'session-11111111.jsonl'),
      join(home, 'tmp', 'p', 'chats', 'session-2026-11-21T03-31-22222222.jsonl'),
      join(home, 'tmp', 'p', 'session-2026-11-21T03-31-11111111.jsonl'),
    ])
      expect(isRecordOf(path, home, session)).toBe(false);
  });

  it('a session is not loaded in the minute in which its record began', async () => {
    const chats = join(home, 'tmp', 'p', 'chats');
    mkdirSync(chats, { recursive: true });
    writeFileSync(join(chats, 'session-2026-11-21T03-31-11111111.jsonl'), '');
    expect(await clashMs(home, session, Date.parse('2026-11-21T03:31:20.000Z'))).toBe(40_050);
    expect(await clashMs(home, session, Date.parse('2026-11-21T03:32:20.000Z'))).toBe(0);
    expect(await clashMs(join(home, 'none'), session, Date.now())).toBe(0);
  });
});

describe('launch plans', () => {
  const request = (more: Partial<LaunchRequest>): LaunchRequest => ({
    runtime: 'terminal',
    prompt: 'do it',
    flags: ['--model', 'x'],
    cwd: '/w',
    limits: {},
    uuid: session,
    resume: undefined,
    directory: '/run/r1',
    intercom: ['node', '/i.js'],
    env: { HOME: '/h' },
    mission: undefined,
    ...more,
  });

  it('a mission is one argument and no command or flag of Gemini’s', () => {
    const program = geminiProgram({ hooked: () => true });
    for (const prompt of ['/quit', '--yolo', '!rm -rf x', '-p']) {
      const { argv } = program.plan(request({ prompt }));
      const last = argv.at(-1) ?? '';
      expect(last.startsWith('--prompt-interactive=')).toBe(true);
      expect(last).not.toMatch(/=\s*[/!?$]/);
    }
    const long = program.plan(request({ prompt: 'x'.repeat(150_000) }));
    expect(long.argv.join(' ').length).toBeLessThan(1000);
    expect(Object.values(long.files)).toEqual(['x'.repeat(150_000)]);
  });

  it('headless: the mission is on no command line, the agent is driven by our own program', () => {
    const plan = geminiProgram({ hooked: () => false }).plan(request({ runtime: 'headless', prompt: 'secret plan' }));
    expect(plan.argv).toEqual(['--acp', '--skip-trust', '--model', 'x']);
    expect(plan.through).toEqual(['node', '/i.js', 'acp-agent', '/run/r1/bridge.json', '--']);
    expect(plan.input.join('')).toContain('secret plan');
  });

  it('a terminal without our hooks would tell nothing: refused in words; so is a fork', () => {
    expect(() => geminiProgram({ hooked: () => false }).plan(request({}))).toThrow(/extension/);
    const fork = request({ resume: { session, fork: true } });
    expect(() => geminiProgram({ hooked: () => true }).plan(fork)).toThrow(/copy/);
  });
});

describe('the extension', () => {
  it('is written once and removed whole; a foreign one of its name is left alone', async () => {
    const configDir = join(home, 'ext');
    const options = {
      configDir,
      source: join(import.meta.dirname, '..', '..', '..', '..', 'hooks'),
      socket: "/it's a/socket",
      keyHeader: '/key',
      version: '1.0.0',
      mcp: { command: 'node', args: ['i.js', 'mcp-server'] },
    };
    expect((await installGemini(options)).changes).toHaveLength(4);
    expect((await installGemini(options)).changes).toEqual([]);
    expect((await uninstallGemini(options)).changes).toHaveLength(1);
    expect((await uninstallGemini(options)).changes).toEqual([]);
    const foreign = join(configDir, 'extensions', 'intercom');
    mkdirSync(foreign, { recursive: true });
    writeFileSync(join(foreign, 'gemini-extension.json'), '{"name":"intercom"}');
    await expect(installGemini(options)).rejects.toThrow(/another extension/);
    await expect(uninstallGemini(options)).rejects.toThrow(/another extension/);
  });
});
