import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { agentPid, callerFacts, detectAgent, lookAtProcess } from '../../src/mcp/identity.ts';
import type { ProcessFacts } from '../../src/mcp/identity.ts';

function table(processes: Record<number, ProcessFacts>) {
  return (pid: number): ProcessFacts | undefined => processes[pid];
}

describe('the agent above the MCP server', () => {
  const claude = { ppid: 10, command: ['claude'] };
  it.each([
    ['is its parent', { 50: claude }, 50],
    ['is above a shell', { 50: { ppid: 40, command: ['/bin/sh', '-c', 'intercom mcp-server'] }, 40: claude }, 40],
    [
      'is above npx and its shell',
      {
        50: { ppid: 45, command: ['sh', '-c', 'intercom mcp-server'] },
        45: { ppid: 40, command: ['npm exec ai-intercom mcp-server'] },
        40: claude,
      },
      40,
    ],
    [
      'is above npx by its script',
      {
        50: { ppid: 40, command: ['/usr/bin/node', '/usr/lib/node_modules/npm/bin/npx-cli.js', 'ai-intercom'] },
        40: claude,
      },
      40,
    ],
    ['is a Node program itself', { 50: { ppid: 40, command: ['node', '/opt/claude-code/cli.js'] }, 40: claude }, 50],
    ['cannot be seen', {}, 50],
    ['is gone and only init is left', { 50: { ppid: 1, command: ['sh'] } }, 50],
  ])('%s', (_what, processes, expected) => {
    expect(agentPid(50, table(processes))).toBe(expected);
  });

  it('is nobody when init is the parent', () => {
    expect(agentPid(1, table({}))).toBeUndefined();
  });

  it('ends the search in a ring of wrappers', () => {
    expect(agentPid(50, () => ({ ppid: 50, command: ['sh'] }))).toBe(50);
  });

  it('is found among real processes', () => {
    const child = spawn('sleep', ['30']);
    const facts = lookAtProcess(child.pid ?? 0);
    child.kill();
    expect(facts?.ppid).toBe(process.pid);
    expect(lookAtProcess(2 ** 30)).toBeUndefined();
  });
});

describe('who the caller is', () => {
  it.each([
    [{ CLAUDECODE: '1' }, undefined, 'claude'],
    [{ CLAUDECODE: '1' }, 'codex-mcp-client', 'codex'],
    [{}, 'claude-code', 'claude'],
    [{}, 'gemini-cli-mcp-client', 'gemini'],
    [{ CODEX_HOME: '/x' }, 'something', 'codex'],
    [{ INTERCOM_AGENT: 'demo', CLAUDECODE: '1' }, 'claude-code', 'demo'],
    [{ INTERCOM_AGENT: 'Not a name!\r\n' }, undefined, undefined],
    [{}, 'something', undefined],
  ])('%j and client %s is %s', (env, client, agent) => {
    expect(detectAgent(env, client)).toBe(agent);
  });

  it('drops a session id that is none, and another agent’s session and directory', () => {
    const env = {
      CLAUDECODE: '1',
      CLAUDE_CODE_SESSION_ID: 'a\r\nx-intercom-pid: 1',
      CLAUDE_PROJECT_DIR: '/srv/a',
      CLAUDE_PID: '-5',
    };
    expect(callerFacts({ env, cwd: '/here', clientName: 'claude-code', pid: 9 })).toEqual({
      agent: 'claude',
      pid: 9,
      session: undefined,
      cwd: '/srv/a',
    });
    const codex = { ...env, CLAUDE_CODE_SESSION_ID: 'abcd-1234' };
    expect(callerFacts({ env: codex, cwd: '/here', clientName: 'codex-mcp-client', pid: 9 })).toEqual({
      agent: 'codex',
      pid: undefined,
      session: undefined,
      cwd: '/here',
    });
  });
});
