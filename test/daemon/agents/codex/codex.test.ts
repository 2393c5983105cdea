/** Codex without Codex: what follows from its words alone. The real program is driven in test/agents. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CodexApprovals } from '../../../../src/daemon/agents/codex/approvals.ts';
import type { Dialog, DialogVerdict } from '../../../../src/daemon/agents/codex/approvals.ts';
import { verifySocket } from '../../../../src/daemon/agents/codex/connection.ts';
import { failure } from '../../../../src/daemon/agents/codex/failures.ts';
import { hookHash, hookOverrides } from '../../../../src/daemon/agents/codex/hook-trust.ts';
import { codexProgram } from '../../../../src/daemon/agents/codex/program.ts';
import { isRolloutOf, searchRollout } from '../../../../src/daemon/agents/codex/rollout.ts';
import type { RequestId } from '../../../../src/daemon/agents/codex/protocol/messages.ts';
import type { LaunchRequest } from '../../../../src/daemon/agents/program.ts';
import { silentLog } from '../../../../src/platform/log.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ic-codexunit-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('hooks for one launch', () => {
  it('are trusted by the hash that Codex 0.169.0 gives them', () => {
    // As `hooks/list` of the real program says for a Stop hook that runs `true`.
    expect(hookHash({ event: 'Stop', command: 'true', timeout: 600 })).toBe(
      'sha256:2ba34c7a02841fada06b868a093d041fd3d9de81883c789a321916b0aa118851',
    );
  });

  it('name their event in the configuration’s way, and clamp what Codex clamps', () => {
    const args = hookOverrides([{ event: 'SessionEnd', command: `a "b" \\c`, timeout: 60 }]);
    expect(args[1]).toBe('hooks.SessionEnd=[{hooks=[{type="command",command="a \\"b\\" \\\\c",timeout=3}]}]');
    expect(args[3]).toContain('"/<session-flags>/config.toml:session_end:0:0"={trusted_hash="sha256:');
  });
});

const REQUEST: LaunchRequest = {
  runtime: 'headless',
  prompt: 'The mission, with a secret word',
  flags: ['--model', 'x'],
  cwd: '/work',
  limits: {},
  uuid: '00000000-0000-4000-8000-000000000000',
  resume: undefined,
  directory: "/state/it's here",
  intercom: ['/usr/bin/node', '/opt/intercom.js'],
  env: { INTERCOM_HOME: '/home/one' },
  mission: undefined,
};

describe('the plan', () => {
  it('headless: the mission is input and on no command line', () => {
    const plan = codexProgram.plan(REQUEST);
    expect(plan.argv.join(' ')).not.toContain('secret word');
    expect(plan).toMatchObject({ input: [REQUEST.prompt], closeInput: true, hooks: true });
    expect(plan.argv.at(-1)).toBe('-');
  });

  it('terminal: a prompt that looks like a flag is none; one too long for a command line is a file', () => {
    const plan = codexProgram.plan({ ...REQUEST, runtime: 'terminal', prompt: '--yolo' });
    expect(plan.argv.slice(-2)).toEqual(['--', '--yolo']);
    const long = codexProgram.plan({ ...REQUEST, runtime: 'terminal', prompt: 'x'.repeat(200_000) });
    expect(long.argv.join('').length).toBeLessThan(20_000);
    expect(long.files['mission.md']).toHaveLength(200_000);
  });

  it('resumes and forks the agent’s own session', () => {
    const resume = { session: 'abc', fork: false };
    expect(codexProgram.plan({ ...REQUEST, resume }).argv.slice(-3)).toEqual(['resume', 'abc', '-']);
    expect(codexProgram.plan({ ...REQUEST, resume: { ...resume, fork: true } }).argv.slice(-3)).toEqual([
      'fork',
      'abc',
      '-',
    ]);
    const terminal = codexProgram.plan({ ...REQUEST, runtime: 'terminal', resume });
    expect([terminal.argv[0], ...terminal.argv.slice(-3, -1)]).toEqual(['resume', '--', 'abc']);
    expect(terminal.session).toBe('abc');
  });

  it('puts no token into a file or an argument, trusts no folder and bypasses nothing', () => {
    for (const runtime of ['terminal', 'headless'] as const) {
      const plan = codexProgram.plan({ ...REQUEST, runtime });
      const all = JSON.stringify([plan.argv, plan.files, plan.through]);
      expect(all).not.toMatch(/trust_level|dangerously|Bearer [^$]/);
      expect(all).toContain('Bearer $INTERCOM_HOOK_TOKEN');
    }
  });
});

describe('failures', () => {
  const AT = '2026-11-21T03:00:00.000Z';
  it.each([
    ['You’ve hit your usage limit. Visit x to purchase more credits or try again later.', undefined],
    ['exceeded retry limit, last status: 429 Too Many Requests', undefined],
    ['You’ve hit your usage limit. Upgrade to Pro (https://x) or try again at Nov 24th, 2026 9:15 AM.', 'Nov 24 9:15'],
  ])('a limit: %s', (message, at) => {
    const event = failure(message, AT);
    expect(event.kind).toBe('rate_limited');
    const resetAt = event.kind === 'rate_limited' ? event.resetAt : undefined;
    if (at === undefined) expect(resetAt).toBeUndefined();
    else expect(new Date(resetAt ?? '').toString()).toContain('Nov 24 2026 09:15');
  });

  it('an error, also where Codex shows the provider’s JSON', () => {
    expect(failure('{"error":{"message":"no such model"}}', AT)).toMatchObject({
      kind: 'turn_ended',
      isError: true,
      text: 'no such model',
    });
  });
});

describe('the rollout file as proof', () => {
  const line = (payload: unknown) => JSON.stringify({ timestamp: 't', type: 'response_item', payload });
  const text = (role: string, words: string) =>
    line({ type: 'message', role, id: 'msg_1', content: [{ type: 'input_text', text: words }] });

  it('what was given to the model counts; its own words, and results but of a pull, do not', async () => {
    const file = join(directory, 'rollout.jsonl');
    const lines = [
      text('user', 'says id-user'),
      text('developer', 'hook says id-hook'),
      text('assistant', 'I repeat id-own'),
      line({ type: 'function_call', arguments: 'id-call' }),
      line({ type: 'function_call_output', output: 'id-pull' }),
      '{"half": "id-half',
    ];
    writeFileSync(file, lines.join('\n'));
    const ids = ['id-user', 'id-hook', 'id-own', 'id-call', 'id-pull', 'id-half'];
    expect([...(await searchRollout(file, ids, false)).entered.keys()]).toEqual(['id-user', 'id-hook']);
    expect([...(await searchRollout(file, ids, true)).entered.keys()]).toEqual(['id-user', 'id-hook', 'id-pull']);
    expect(await searchRollout(join(directory, 'none'), ids, false)).toMatchObject({ readable: true });
    expect(await searchRollout(directory, ids, false)).toMatchObject({ readable: false });
  });

  it('no word of a socket or hook makes us read another file', () => {
    expect(isRolloutOf('/h/sessions/2026/11/21/rollout-x-abc.jsonl', '/h/sessions', 'abc')).toBe(true);
    expect(isRolloutOf('/h/sessions/../../etc/rollout-x-abc.jsonl', '/h/sessions', 'abc')).toBe(false);
    expect(isRolloutOf('/etc/rollout-x-abc.jsonl', '/h/sessions', 'abc')).toBe(false);
    expect(isRolloutOf('/h/sessions/rollout-x-other.jsonl', '/h/sessions', 'abc')).toBe(false);
  });
});

describe('the app-server’s socket', () => {
  it('is used only where nobody else can have put it', async () => {
    const own = join(directory, 'own');
    mkdirSync(own, { mode: 0o700 });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(own, 's'), resolve));
    const uid = process.getuid?.();
    symlinkSync(join(own, 's'), join(own, 'link'));
    expect(await verifySocket(join(own, 'link'), uid)).toEqual({ path: join(own, 's') });
    expect(await verifySocket(join(own, 's'), (uid ?? 0) + 1)).toHaveProperty('fault');
    expect(await verifySocket(join(own, 'none'), uid)).toEqual({ fault: 'no app-server runs' });
    writeFileSync(join(own, 'file'), '');
    expect(await verifySocket(join(own, 'file'), uid)).toHaveProperty('fault');
    const open = join(directory, 'open');
    mkdirSync(open);
    const { chmodSync } = await import('node:fs');
    chmodSync(open, 0o777);
    symlinkSync(join(own, 's'), join(open, 'link'));
    expect(await verifySocket(join(open, 'link'), uid)).toHaveProperty('fault');
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('questions', () => {
  const asked = (id: number, itemId: string, more: Record<string, unknown> = {}) => ({
    id,
    method: 'item/commandExecution/requestApproval',
    params: { threadId: 't', turnId: 'u', itemId, command: 'rm x', availableDecisions: ['accept', 'cancel'], ...more },
  });
  const setUp = (taking: () => Promise<void> = () => Promise.resolve()) => {
    const open = new Map<string, (verdict: DialogVerdict) => boolean>();
    const dialogs: Dialog[] = [];
    const closed: string[] = [];
    const sent: unknown[] = [];
    const server = {
      answer: (id: RequestId, result: unknown) => void sent.push([id, result]),
      tell: async (_thread: string, turn: string, _client: string, text: string) => {
        sent.push(`${turn}: ${text}`);
        await taking();
      },
    };
    const desk = {
      open: (dialog: Dialog, answer: (verdict: DialogVerdict) => boolean) => {
        dialogs.push(dialog);
        open.set(dialog.ref, answer);
      },
      close: (ref: string, outcome: string) => closed.push(`${outcome} ${dialogs.findIndex((one) => one.ref === ref)}`),
    };
    return {
      dialogs,
      closed,
      sent,
      open,
      approvals: new CodexApprovals(desk, server, silentLog()),
    };
  };

  it('are told once, answered once, and never with an "always" that was not offered', () => {
    const { approvals, dialogs, sent, open } = setUp();
    const amendment = { acceptWithExecpolicyAmendment: { execpolicy_amendment: ['rm'] } };
    const request = asked(1, 'a', { availableDecisions: ['accept', amendment, { odd: 1 }, 'cancel'] });
    approvals.asked(request, undefined);
    approvals.asked(request, undefined);
    expect(dialogs).toHaveLength(1);
    expect(dialogs[0]?.ask.suggestions).toEqual(['Always allow commands that start with: rm']);
    const answer = open.get(dialogs[0]?.ref ?? '');
    expect(answer?.({ verdict: 'allow', suggestion: 0 })).toBe(true);
    expect(answer?.({ verdict: 'deny' })).toBe(false);
    expect(sent).toEqual([[1, { decision: amendment }]]);
    approvals.asked(asked(2, 'b'), undefined);
    open.get(dialogs[1]?.ref ?? '')?.({ verdict: 'allow', suggestion: 7 });
    expect(sent.at(-1)).toEqual([2, { decision: 'accept' }]);
  });

  it('denied with words: these are said into the turn that waits, before it is declined, whether it takes them or not', async () => {
    for (const taking of [() => Promise.resolve(), () => Promise.reject(new Error('the turn is over'))]) {
      const { approvals, dialogs, sent, open } = setUp(taking);
      approvals.asked(asked(1, 'a'), undefined);
      open.get(dialogs[0]?.ref ?? '')?.({ verdict: 'deny', message: 'Denied by owner: not on a Friday' });
      await expect.poll(() => sent).toEqual(['u: Denied by owner: not on a Friday', [1, { decision: 'decline' }]]);
    }
  });

  it('denied with words, and answered at the terminal meanwhile: another question of the same number is not answered by it', async () => {
    let take = (): void => undefined;
    const taken = new Promise<void>((resolve) => (take = resolve));
    const { approvals, dialogs, sent, open } = setUp(() => taken);
    approvals.asked(asked(1, 'a'), undefined);
    open.get(dialogs[0]?.ref ?? '')?.({ verdict: 'deny', message: 'Denied by owner' });
    approvals.resolved(1);
    approvals.asked(asked(1, 'b'), undefined);
    take();
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual(['u: Denied by owner']);
  });

  it('that are over elsewhere are closed, and the same number asks anew', () => {
    const { approvals, dialogs, closed, sent, open } = setUp();
    approvals.asked(asked(0, 'a'), undefined);
    approvals.resolved(0);
    approvals.asked(asked(0, 'b'), undefined);
    expect(open.get(dialogs[0]?.ref ?? '')?.({ verdict: 'allow' })).toBe(false);
    approvals.gone('t');
    expect(closed).toEqual(['answered_elsewhere 0', 'withdrawn 1']);
    expect(sent).toEqual([]);
  });

  it('of a kind that is not known stay at the terminal', () => {
    const { approvals, dialogs } = setUp();
    approvals.asked({ id: 3, method: 'item/tool/requestUserInput', params: { threadId: 't' } }, undefined);
    expect(dialogs).toEqual([]);
  });
});
