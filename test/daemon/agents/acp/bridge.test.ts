/** The bridge against a scripted agent of the protocol: order, replay, refusals, and what its fold makes of it. */
import { describe, expect, it } from 'vitest';
import { AcpBridge } from '../../../../src/daemon/agents/acp/bridge.ts';
import { AcpFold } from '../../../../src/daemon/agents/acp/fold.ts';
import { BridgeConfig, inputLine, interruptLine } from '../../../../src/daemon/agents/acp/lines.ts';
import type { BridgeLine } from '../../../../src/daemon/agents/acp/lines.ts';
import { readPermission, renderPermission, selectOption } from '../../../../src/daemon/agents/acp/permission.ts';
import { Lines } from '../../../../src/daemon/agents/acp/rpc.ts';
import { limitNotice } from '../../../../src/daemon/agents/gemini/limit-notice.ts';
import { JournalEntry } from '../../../../src/protocol/runner-api.ts';
import { z } from 'zod';

const Sent = z.looseObject({
  id: z.number().optional(),
  method: z.string().optional(),
  params: z.unknown().optional(),
});
const OPTIONS = [
  { optionId: 'always', name: 'Always', kind: 'allow_always' },
  { optionId: 'once', name: 'Once', kind: 'allow_once' },
  { optionId: 'no', name: 'No', kind: 'reject_once' },
];

/** An agent of which a test decides every word. */
class Script {
  readonly printed: BridgeLine[] = [];
  readonly sent: z.infer<typeof Sent>[] = [];
  readonly bridge: AcpBridge;
  readonly #waiting = new Set<() => void>();

  constructor(config: Partial<BridgeConfig> = {}, hook: (payload: unknown) => string | undefined = () => undefined) {
    this.bridge = new AcpBridge({
      config: BridgeConfig.parse({ agent: 'an agent', cwd: '/w', ...config }),
      env: { SECRET: 'value' },
      toAgent: (line) => {
        this.sent.push(Sent.parse(JSON.parse(line)));
        this.#wake();
      },
      print: (line) => {
        this.printed.push(line);
        this.#wake();
      },
      hook: (_event, payload) => Promise.resolve(hook(payload)),
    });
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) resolve();
    this.#waiting.clear();
  }

  async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Answers the n-th call (from 1) of a method. */
  async answer(method: string, result: unknown, n = 1): Promise<unknown> {
    const call = await this.until(() => this.sent.filter((one) => one.method === method)[n - 1]);
    this.bridge.fromAgent(JSON.stringify({ jsonrpc: '2.0', id: call.id, result }));
    return call.params;
  }

  async refuse(method: string, error: unknown, n = 1): Promise<void> {
    const call = await this.until(() => this.sent.filter((one) => one.method === method)[n - 1]);
    this.bridge.fromAgent(JSON.stringify({ jsonrpc: '2.0', id: call.id, error }));
  }

  update(update: unknown): void {
    const params = { sessionId: 's-1234', update };
    this.bridge.fromAgent(JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params }));
  }

  say(text: string): void {
    this.update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  }

  async open(): Promise<void> {
    const opening = this.bridge.open();
    await this.answer('initialize', { protocolVersion: 1 });
    await this.answer('session/new', { sessionId: 's-1234' });
    expect(await opening).toBe(true);
  }

  prompts(): unknown[] {
    return this.sent.filter(({ method }) => method === 'session/prompt').map(({ params }) => params);
  }
}

describe('the bridge', () => {
  it('takes one prompt at a time, in order, and tells each turn with its last words', async () => {
    const script = new Script();
    await script.open();
    script.bridge.take(inputLine('one', 'm1'));
    script.bridge.take(inputLine('two', 'm2'));
    await script.until(() => script.prompts()[0]);
    expect(script.prompts()).toHaveLength(1);
    script.say('let me ');
    script.say('look');
    script.update({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'ls', kind: 'execute', status: 'in_progress' });
    script.update({ sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' });
    script.update({ sessionUpdate: 'something_new', content: 7 });
    script.say('done');
    await script.answer('session/prompt', { stopReason: 'end_turn', usage: { inputTokens: 3, outputTokens: 2 } });
    await script.until(() => script.prompts()[1]);
    expect(script.printed).toEqual([
      { event: 'session', session: 's-1234' },
      { event: 'turn_started', prompt: 'one', id: 'm1' },
      { event: 'text', text: 'let me look' },
      { event: 'tool', call: 't', kind: 'execute', title: 'ls' },
      { event: 'tool_done', call: 't', kind: 'execute', title: 'ls', ok: true },
      { event: 'text', text: 'done' },
      { event: 'turn_ended', stop: 'end_turn', text: 'done', usage: { inputTokens: 3, outputTokens: 2 } },
      { event: 'turn_started', prompt: 'two', id: 'm2' },
    ]);
    script.bridge.take(interruptLine());
    expect(await script.until(() => script.sent.find(({ method }) => method === 'session/cancel'))).toMatchObject({
      params: { sessionId: 's-1234' },
    });
  });

  it('a session that is loaded does not tell its past as new; its servers get variables by name, no value in a file', async () => {
    const mcpServers = [{ name: 'x', command: 'y', args: [], environment: ['SECRET', 'ABSENT'] }];
    const script = new Script({ resume: 's-1234', mcpServers });
    const opening = script.bridge.open();
    await script.answer('initialize', { protocolVersion: 1, agentCapabilities: { loadSession: true } });
    script.say('what I said yesterday');
    const params = await script.answer('session/load', {});
    expect(await opening).toBe(true);
    expect(JSON.stringify(params)).toContain('"env":[{"name":"SECRET","value":"value"}]');
    script.say('and before');
    script.bridge.take(inputLine('go on', undefined));
    script.say('new');
    await script.answer('session/prompt', { stopReason: 'end_turn' });
    await script.until(() => script.printed.find(({ event }) => event === 'turn_ended'));
    expect(script.printed.filter(({ event }) => event === 'text')).toEqual([{ event: 'text', text: 'new' }]);
  });

  it.each(['/quit', '  $(x)', '!ls', '/memory add x'])('a text is no command of the agent: %s', async (text) => {
    const script = new Script();
    await script.open();
    script.bridge.take(inputLine(text, undefined));
    await script.until(() => script.prompts()[0]);
    expect(script.prompts()).toEqual([{ sessionId: 's-1234', prompt: [{ type: 'text', text: `Text:\n${text}` }] }]);
  });

  it('a prompt that failed before anything came of it goes with the next; one that was begun does not', async () => {
    const script = new Script();
    await script.open();
    script.bridge.take(inputLine('the mission', undefined));
    await script.refuse('session/prompt', { code: 429, message: 'quota' });
    script.bridge.take(inputLine('continue', undefined));
    await script.until(() => script.prompts()[1]);
    const texts = [
      { type: 'text', text: 'the mission' },
      { type: 'text', text: 'continue' },
    ];
    expect(script.prompts()[1]).toMatchObject({ prompt: texts });
    script.say('half');
    await script.refuse('session/prompt', { code: 429, message: 'quota' }, 2);
    script.bridge.take(inputLine('again', undefined));
    await script.until(() => script.prompts()[2]);
    expect(script.prompts()[2]).toMatchObject({ prompt: [{ type: 'text', text: 'again' }] });
  });

  it.each([
    ['allow', JSON.stringify({ hookSpecificOutput: { decision: { behavior: 'allow' } } }), 'once'],
    ['deny', JSON.stringify({ hookSpecificOutput: { decision: { behavior: 'deny', message: 'no' } } }), 'no'],
    ['nobody', undefined, 'no'],
    ['an empty answer', '{}', 'no'],
    ['no JSON', 'allow', 'no'],
    ['another shape', JSON.stringify({ decision: 'allow' }), 'no'],
    ['a word for allow that is none', JSON.stringify({ hookSpecificOutput: { decision: { behavior: 'yes' } } }), 'no'],
  ])('a permission: %s', async (_name, answer, optionId) => {
    const script = new Script({}, () => answer);
    await script.open();
    script.bridge.take(inputLine('do it', undefined));
    const toolCall = { toolCallId: 't', title: 'rm x', kind: 'execute', status: 'pending' };
    const params = { sessionId: 's-1234', toolCall, options: OPTIONS };
    script.bridge.fromAgent(JSON.stringify({ jsonrpc: '2.0', id: 99, method: 'session/request_permission', params }));
    const reply = await script.until(() => script.sent.find(({ id, method }) => id === 99 && method === undefined));
    expect(reply).toMatchObject({ result: { outcome: { outcome: 'selected', optionId } } });
  });

  it('"always" is given only when it was chosen among what the agent offered', () => {
    const payload = {
      tool_name: 'execute',
      tool_input: { command: 'ls' },
      permission_suggestions: [{ type: 'option', optionId: 'always', name: 'Always' }],
    };
    expect(readPermission('PermissionRequest', payload)).toMatchObject({ suggestions: ['Always'] });
    const always = renderPermission('PermissionRequest', payload, { verdict: 'allow', suggestion: 0 });
    expect(selectOption(OPTIONS, always).result).toEqual({ outcome: { outcome: 'selected', optionId: 'always' } });
    const once = renderPermission('PermissionRequest', payload, { verdict: 'allow', suggestion: undefined });
    expect(selectOption(OPTIONS, once).result).toEqual({ outcome: { outcome: 'selected', optionId: 'once' } });
    expect(readPermission('AfterTool', payload)).toBeUndefined();
  });

  it('an agent that goes away ends the turn in words; one that cannot start says why', async () => {
    const script = new Script();
    await script.open();
    script.bridge.take(inputLine('x', undefined));
    script.bridge.agentGone();
    expect(await script.until(() => script.printed.find(({ event }) => event === 'failed'))).toMatchObject({
      text: 'an agent ended.',
    });
    const other = new Script();
    const opening = other.bridge.open();
    await other.refuse('initialize', { code: -32000, message: 'Authentication required.' });
    expect(await opening).toBe(false);
    expect(other.printed).toEqual([{ event: 'failed', code: -32000, text: 'Authentication required.' }]);
  });
});

describe('seed: lines over 64 KiB, and lines in pieces', () => {
  it('are whole, wherever they are cut', () => {
    const long = 'ä'.repeat(200_000);
    const bytes = Buffer.from(`${long}\nnext\nrest`);
    const seen: string[] = [];
    const lines = new Lines((line) => seen.push(line));
    for (let at = 0; at < bytes.length; at += 65_537) lines.push(bytes.subarray(at, at + 65_537));
    lines.end();
    expect(seen).toEqual([long, 'next', 'rest']);
  });
});

describe('the fold', () => {
  const at = '2026-11-21T10:00:00.000Z';
  const feed = (line: BridgeLine) =>
    new AcpFold(limitNotice).feed(JournalEntry.parse({ seq: 1, at, kind: 'line', text: JSON.stringify(line) }));

  it('a limit is no result, an error is one only by the agent’s word (seed: results that begin with "Error")', () => {
    expect(feed({ event: 'failed', code: 429, text: 'Rate limit exceeded. Try again later.' })).toEqual([
      { kind: 'rate_limited', text: 'Rate limit exceeded. Try again later.' },
    ]);
    expect(feed({ event: 'failed', text: 'quota used up, retry in 1h 2m 3.5s' })).toMatchObject([
      { kind: 'rate_limited', resetAt: '2026-11-21T11:02:04.000Z' },
    ]);
    expect(feed({ event: 'failed', text: 'it broke' })).toMatchObject([{ kind: 'turn_ended', isError: true }]);
    expect(feed({ event: 'turn_ended', stop: 'end_turn', text: 'Error handling is fixed.' })).toMatchObject([
      { kind: 'turn_ended', isError: false },
    ]);
    expect(feed({ event: 'turn_ended', stop: 'refusal', text: '' })).toMatchObject([{ isError: true }]);
  });

  it('passes over what it does not know', () => {
    const entry = (text: string) => JournalEntry.parse({ seq: 1, at, kind: 'line', text });
    expect(new AcpFold(limitNotice).feed(entry('{"event":"other"}'))).toEqual([]);
    expect(new AcpFold(limitNotice).feed(entry('warning: {'))).toEqual([]);
  });
});
