/** Journals of Claude Code folded into events. The payloads are those of real runs of 2.1.197 and 2.1.329, shortened. */
import { describe, expect, it } from 'vitest';
import { ClaudeFold } from '../../../../src/daemon/agents/claude/fold.ts';
import type { AgentEvent } from '../../../../src/daemon/agents/program.ts';
import type { MissionRuntime } from '../../../../src/protocol/mission.ts';
import type { JournalEntry } from '../../../../src/protocol/runner-api.ts';

const SESSION = '12c0f188-2aa3-4eab-b1c5-566e5a2759a7';
const AT = '2026-11-21T12:30:00.000Z';

type Given = readonly ['hook', string, object] | readonly ['line', object | string] | readonly ['exit'];

function fold(runtime: MissionRuntime, ...given: readonly Given[]): AgentEvent[] {
  const one = new ClaudeFold(runtime);
  return given.flatMap((entry, index) => one.feed(journal(entry, index + 1)));
}

function journal(given: Given, seq: number): JournalEntry {
  const shared = { seq, at: AT, cut: false };
  if (given[0] === 'exit') return { ...shared, kind: 'exit', text: '{}' };
  if (given[0] === 'line') {
    return { ...shared, kind: 'line', text: typeof given[1] === 'string' ? given[1] : JSON.stringify(given[1]) };
  }
  const payload = { session_id: SESSION, cwd: '/home/me/shop', hook_event_name: given[1], ...given[2] };
  return { ...shared, kind: 'hook', event: given[1], text: JSON.stringify(payload) };
}

function assistant(content: readonly object[], more: object = {}): Given {
  return ['line', { type: 'assistant', message: { role: 'assistant', content }, parent_tool_use_id: null, ...more }];
}

const INIT: Given = ['line', { type: 'system', subtype: 'init', session_id: SESSION, model: 'claude-opus-5-5' }];

describe('in a terminal', () => {
  it('turn, tools and result come from the hooks', () => {
    const events = fold(
      'terminal',
      ['hook', 'SessionStart', { source: 'startup', model: 'claude-opus-5-5', transcript_path: '/t.jsonl' }],
      ['hook', 'UserPromptSubmit', { prompt: 'do it' }],
      ['hook', 'PreToolUse', { tool_name: 'Bash', tool_input: { command: 'npm test' }, tool_use_id: 't1' }],
      ['hook', 'PermissionRequest', { tool_name: 'Bash', tool_input: { command: 'npm test' } }],
      ['hook', 'PostToolUse', { tool_name: 'Bash', tool_input: { command: 'npm test' }, tool_use_id: 't1' }],
      ['hook', 'PreToolUse', { tool_name: 'Edit', tool_input: { file_path: '/home/me/shop/src/app.ts' } }],
      ['hook', 'PostToolUseFailure', { tool_name: 'Edit', error: 'no such text' }],
      ['hook', 'Stop', { last_assistant_message: 'Error… is what I looked for. Done.', background_tasks: [] }],
      ['hook', 'SessionEnd', { reason: 'other' }],
      ['exit'],
    );
    expect(events.map((event) => (event.kind === 'tool' ? `${event.shape}: ${event.label}` : event.kind))).toEqual([
      'session',
      'turn_started',
      'command: Run: npm test',
      'waiting',
      'tool_done',
      'file: Edit src/app.ts',
      'tool_done',
      'turn_ended',
      'ended',
    ]);
    expect(events[0]).toEqual({ kind: 'session', session: SESSION, model: 'claude-opus-5-5', transcript: '/t.jsonl' });
    expect(events[3]).toEqual({ kind: 'waiting', for: 'permission: Run: npm test' });
    expect(events[6]).toEqual({ kind: 'tool_done', tool: 'Edit', ok: false, detail: 'no such text' });
  });

  it('a last message that reads like a failure is none (seed: "Error…" results)', () => {
    const [, ended] = fold('terminal', [
      'hook',
      'Stop',
      { last_assistant_message: 'Error: this is what the log says', background_tasks: [] },
    ]);
    expect(ended).toMatchObject({ kind: 'turn_ended', isError: false, text: 'Error: this is what the log says' });
  });

  it('a turn that leaves a subagent at work is no end of a mission', () => {
    const running = { id: 'a1', type: 'subagent', status: 'running' };
    const [, ended] = fold('terminal', ['hook', 'Stop', { last_assistant_message: 'x', background_tasks: [running] }]);
    expect(ended).toMatchObject({ kind: 'turn_ended', background: true });
  });

  it('a limit of the provider is no end of a turn; another failure is', () => {
    const limit = "You've hit your limit · resets 3pm (UTC)";
    const [, limited] = fold('terminal', [
      'hook',
      'StopFailure',
      { error: 'rate_limit', last_assistant_message: limit },
    ]);
    expect(limited).toEqual({ kind: 'rate_limited', text: limit, resetAt: '2026-11-21T15:00:00.000Z' });
    const [, failed] = fold('terminal', [
      'hook',
      'StopFailure',
      { error: 'server_error', last_assistant_message: 'API Error' },
    ]);
    expect(failed).toMatchObject({ kind: 'turn_ended', isError: true, text: 'API Error' });
  });

  it('another session in the same process (/clear) is told', () => {
    const events = fold(
      'terminal',
      ['hook', 'SessionStart', {}],
      ['hook', 'SessionEnd', { reason: 'clear' }],
      ['hook', 'SessionStart', { session_id: 'bbbbbbbb-0000-4000-8000-000000000000', source: 'clear' }],
    );
    expect(events.map((event) => (event.kind === 'session' ? event.session.slice(0, 4) : event.kind))).toEqual([
      '12c0',
      'bbbb',
    ]);
  });
});

describe('headless', () => {
  const result = {
    type: 'result',
    subtype: 'success',
    is_error: false,
    num_turns: 2,
    total_cost_usd: 0.00028,
    result: 'FINISHED',
    usage: { input_tokens: 20, output_tokens: 10, cache_read_input_tokens: 3, cache_creation_input_tokens: 4 },
  };

  it('everything comes from the stream, with cost and usage', () => {
    const events = fold(
      'headless',
      ['hook', 'SessionStart', { source: 'startup' }],
      INIT,
      ['line', { type: 'user', message: { role: 'user', content: 'please' }, isReplay: true }],
      assistant([{ type: 'text', text: 'I will touch it.' }]),
      assistant([{ type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'touch x' } }]),
      ['hook', 'PreToolUse', { tool_name: 'Bash', tool_input: { command: 'touch x' } }],
      ['hook', 'PermissionRequest', { tool_name: 'Bash', tool_input: { command: 'touch x' } }],
      ['line', { type: 'control_request', request_id: 'r', request: { subtype: 'can_use_tool' } }],
      [
        'line',
        {
          type: 'user',
          message: {
            role: 'user',
            content: [{ type: 'tool_result', tool_use_id: 't1', is_error: true, content: 'no' }],
          },
        },
      ],
      ['hook', 'Stop', { last_assistant_message: 'FINISHED', background_tasks: [] }],
      ['line', result],
    );
    expect(events).toEqual([
      { kind: 'session', session: SESSION },
      { kind: 'session', session: SESSION, model: 'claude-opus-5-5' },
      { kind: 'turn_started', prompt: 'please' },
      { kind: 'text', text: 'I will touch it.' },
      {
        kind: 'tool',
        tool: 'Bash',
        label: 'Run: touch x',
        shape: 'command',
        detail: '{\n  "command": "touch x"\n}',
      },
      { kind: 'waiting', for: 'permission: Run: touch x' },
      { kind: 'tool_done', tool: 'Bash', ok: false, detail: 'no' },
      {
        kind: 'turn_ended',
        text: 'FINISHED',
        isError: false,
        background: false,
        costUsd: 0.00028,
        turns: 2,
        usage: { inputTokens: 20, outputTokens: 10, cacheReadTokens: 3, cacheWriteTokens: 4 },
      },
    ]);
  });

  it('a subagent’s words are not the agent’s, its tools are told', () => {
    const inside = { parent_tool_use_id: 't0' };
    const events = fold(
      'headless',
      assistant([{ type: 'text', text: 'inside' }], inside),
      assistant([{ type: 'tool_use', id: 't1', name: 'Read', input: { file_path: '/a.md' } }], inside),
    );
    expect(events.map((event) => event.kind)).toEqual(['tool']);
  });

  it('a refusal for limits waits for its time instead of ending', () => {
    const events = fold(
      'headless',
      assistant([{ type: 'text', text: 'API Error: Request rejected (429)' }], { error: 'rate_limit' }),
      ['line', { type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: 1795271400 } }],
      ['line', { ...result, is_error: true, api_error_status: 429, result: 'API Error: Request rejected (429)' }],
      ['line', result],
    );
    expect(events.map((event) => event.kind)).toEqual(['rate_limited', 'turn_ended']);
    expect(events[0]).toMatchObject({ resetAt: '2026-11-21T14:30:00.000Z' });
  });

  it('a budget that is used up is an error in its words', () => {
    const [ended] = fold('headless', [
      'line',
      {
        ...result,
        subtype: 'error_max_budget_usd',
        is_error: true,
        result: undefined,
        errors: ['Reached maximum budget ($0.0003)'],
      },
    ]);
    expect(ended).toMatchObject({ kind: 'turn_ended', isError: true, text: 'Reached maximum budget ($0.0003)' });
  });

  it('lines that are cut, no JSON or of a kind that nobody knows change nothing', () => {
    expect(
      fold(
        'headless',
        ['line', '{"type":"assistant","mess'],
        ['line', ''],
        ['line', { type: 'news' }],
        ['line', 'null'],
      ),
    ).toEqual([]);
  });
});
