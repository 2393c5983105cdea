/** How Claude Code is started: arguments, files, input. What the real programs make of it is in test/agents. */
import { describe, expect, it } from 'vitest';
import { claudeProgram } from '../../../../src/daemon/agents/claude/program.ts';
import type { LaunchRequest } from '../../../../src/daemon/agents/program.ts';

const UUID = '12c0f188-2aa3-4eab-b1c5-566e5a2759a7';
const OLD = 'aaaaaaaa-2aa3-4eab-b1c5-566e5a2759a7';

function request(more: Partial<LaunchRequest> = {}): LaunchRequest {
  return {
    runtime: 'terminal',
    prompt: '--looks like a flag',
    flags: ['--model', 'opus'],
    cwd: '/home/me/shop',
    limits: { maxTurns: 5, maxBudgetUsd: 1.5 },
    uuid: UUID,
    resume: undefined,
    directory: "/state/runners/it's",
    intercom: ['/usr/bin/node', '/opt/intercom.js'],
    env: { INTERCOM_HOME: '/h', ANTHROPIC_API_KEY: 'sk-secret' },
    mission: undefined,
    ...more,
  };
}

describe('in a terminal', () => {
  it('the prompt is the last argument and never an option', () => {
    const { argv, session, screen, hooks, input } = claudeProgram.plan(request());
    expect(argv).toEqual([
      '--session-id',
      UUID,
      '--settings',
      "/state/runners/it's/claude-settings.json",
      "--mcp-config=/state/runners/it's/claude-mcp.json",
      '--model',
      'opus',
      '--',
      '--looks like a flag',
    ]);
    expect({ session, screen, hooks, input }).toEqual({ session: UUID, screen: 'claude', hooks: true, input: [] });
  });

  it('a prompt too long for a command line is a file that it may read', () => {
    const prompt = 'é'.repeat(60_000);
    const { argv, files } = claudeProgram.plan(request({ prompt }));
    expect(argv.at(-1)).toContain("/state/runners/it's/mission.md");
    expect(files['mission.md']).toBe(prompt);
    expect(files['claude-settings.json']).toContain("Read(//state/runners/it's/mission.md)");
  });

  it('goes on with a session, or with a copy of it', () => {
    const resumed = claudeProgram.plan(request({ resume: { session: OLD, fork: false } }));
    expect(resumed.argv.slice(0, 2)).toEqual(['--resume', OLD]);
    expect(resumed.session).toBe(OLD);
    const forked = claudeProgram.plan(request({ resume: { session: OLD, fork: true } }));
    expect(forked.argv.slice(0, 5)).toEqual(['--resume', OLD, '--fork-session', '--session-id', UUID]);
    expect(forked.session).toBe(UUID);
  });
});

describe('headless', () => {
  it('the mission is a line of input and on no command line; limits are the agent’s own flags', () => {
    const prompt = 'first line\nsecond "line"';
    const { argv, input, closeInput, screen } = claudeProgram.plan(request({ runtime: 'headless', prompt }));
    expect(argv.join(' ')).not.toContain('first line');
    expect(argv.join(' ')).toContain('--max-budget-usd 1.5 --max-turns 5');
    expect(input).toHaveLength(1);
    expect(input[0]).not.toContain('\n');
    expect(JSON.parse(input[0] ?? '')).toMatchObject({ type: 'user', message: { role: 'user', content: prompt } });
    expect({ closeInput, screen }).toEqual({ closeInput: false, screen: undefined });
  });
});

describe('what it is given', () => {
  it('has no secret in arguments and files; the bearer is named, not written', () => {
    const plan = claudeProgram.plan(request());
    const everything = JSON.stringify([plan.argv, plan.files]);
    expect(everything).not.toContain('sk-secret');
    const settings = plan.files['claude-settings.json'] ?? '';
    expect(settings).toContain('Bearer $INTERCOM_HOOK_TOKEN');
    expect(settings).toContain('${INTERCOM_HOOK_URL}/PermissionRequest');
    expect(JSON.parse(settings)).toMatchObject({
      hooks: { SessionStart: [{ hooks: [{ type: 'command' }] }], Stop: [{ hooks: [{ type: 'http' }] }] },
    });
    // The directory's quote cannot end the word in the hook's command.
    expect(settings).toContain(String.raw`/bin/sh '/state/runners/it'\\''s/claude-session-start.sh'`);
    expect(JSON.parse(plan.files['claude-mcp.json'] ?? '')).toEqual({
      mcpServers: {
        intercom: {
          type: 'stdio',
          command: '/usr/bin/node',
          args: ['/opt/intercom.js', 'mcp-server'],
          env: { INTERCOM_HOME: '/h' },
        },
      },
    });
  });

  it('asks no proxy for the hooks on loopback', () => {
    expect(claudeProgram.plan(request()).environment).toEqual({});
    const env = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: 'intranet' };
    expect(claudeProgram.plan(request({ env })).environment.NO_PROXY).toBe('intranet,127.0.0.1,localhost');
  });

  it('no flag lets it do more without asking', () => {
    const flags = claudeProgram.allowedFlags.join(' ');
    expect(flags).not.toMatch(
      /bypass|acceptEdits|auto|dangerously|add-dir|--allowedTools|allowed-tools|settings|mcp-config |plugin/,
    );
  });
});

describe('its version', () => {
  it.each([
    ['2.1.329 (Claude Code)\n', '2.1.329'],
    ['claude: not found', undefined],
  ])('%s', (output, version) => {
    expect(claudeProgram.parseVersion(output)).toBe(version);
  });
});
