import { describe, expect, it } from 'vitest';
import { readHook } from '../../../src/daemon/agents/claude/hook-dialect.ts';
import { DOORBELL_TEXT } from '../../../src/daemon/sessions/doorbell.ts';
import { hookWords, wayWords } from '../../../src/daemon/sessions/way-words.ts';

const SESSION = '7d7e2ca8-0000-4000-8000-000000000000';

function hook(event: string, prompt?: string): string {
  const facts = readHook(event, { session_id: SESSION, cwd: '/x', ...(prompt === undefined ? {} : { prompt }) });
  if (facts === undefined) throw new Error('not a hook');
  return hookWords(facts);
}

describe('the way of a hand-out, as trace tells it', () => {
  it.each([
    [
      'its person prompts',
      hook('UserPromptSubmit', 'good morning'),
      'with its next prompt, by the UserPromptSubmit hook',
    ],
    [
      'the doorbell',
      hook('UserPromptSubmit', `Stop hook feedback: ${DOORBELL_TEXT}`),
      'woken by the doorbell, by the UserPromptSubmit hook',
    ],
    ['in a turn', hook('PostToolUse'), 'with a tool’s result, by the PostToolUse hook'],
  ])('hooks: %s', (_, words, expected) => {
    expect(words).toBe(expected);
    expect(wayWords('hooks', SESSION, words)).toBe(`${expected} of session #7d7e2ca8`);
  });

  it.each([
    ['inbox_socket', SESSION, 'by the inbox socket of session #7d7e2ca8'],
    ['pull', SESSION, 'session #7d7e2ca8 asked for its mail'],
    ['pull', undefined, 'an agent of the project asked for its mail'],
    ['answer', SESSION, 'as the answer to the call that waited for it'],
  ] as const)('%s', (rung, session, words) => {
    expect(wayWords(rung, session)).toBe(words);
  });
});
