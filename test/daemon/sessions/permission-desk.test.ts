/** The permission desk, with the hooks of Claude Code as they come and a hub on paper. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ClaudeHooks } from './claude-hooks.ts';
import { PermissionDesk } from '../../../src/daemon/sessions/permission-desk.ts';
import { LiveSessions } from '../../../src/daemon/sessions/session-book.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { IntercomError } from '../../../src/protocol/errors.ts';
import { newId } from '../../../src/protocol/ids.ts';
import type {
  ApprovalEffect,
  ApprovalRaised,
  CloseApproval,
  RaiseApproval,
} from '../../../src/protocol/machine-api.ts';
import { RaiseApproval as RaiseSchema } from '../../../src/protocol/machine-api.ts';
import type { Decision, Session, SessionState } from '../../../src/protocol/model.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const SESSION = '12c0f188-2aa3-4eab-b1c5-566e5a2759a7';
const BASH = { command: 'npm test', description: 'run the tests' };

/** A hub that takes what a daemon raises; `away` refuses as a hub that cannot be reached does. */
class PaperHub {
  away = false;
  refuses: IntercomError | undefined;
  byPolicy: Omit<ApprovalRaised, 'id'> | undefined;
  readonly raised: RaiseApproval[] = [];
  readonly closed: CloseApproval[] = [];
  readonly effects: ApprovalEffect[] = [];

  async raise(request: RaiseApproval): Promise<ApprovalRaised> {
    if (this.away) throw new IntercomError('unreachable', 'The hub cannot be reached.');
    if (this.refuses !== undefined) throw this.refuses;
    this.raised.push(RaiseSchema.parse(request));
    return { id: newId('approval'), state: 'pending', ...this.byPolicy };
  }

  async close(request: CloseApproval): Promise<void> {
    if (this.away) throw new IntercomError('unreachable', 'The hub cannot be reached.');
    this.closed.push(request);
  }

  async effect(effect: ApprovalEffect): Promise<void> {
    if (this.away) throw new IntercomError('unreachable', 'The hub cannot be reached.');
    this.effects.push(effect);
  }
}

let clock: ManualClock;
let book: LiveSessions;
let hub: PaperHub;
let desk: PermissionDesk;
let hooks: ClaudeHooks;
let uuids: number;

beforeEach(() => {
  clock = new ManualClock();
  book = new LiveSessions({ clock, log: silentLog() });
  hub = new PaperHub();
  uuids = 0;
  is('working');
  begin();
});

function begin(): void {
  desk = new PermissionDesk({
    machineId: 'laptop',
    approvals: hub,
    book,
    clock,
    log: silentLog(),
    uuid: () => `uuid-${(uuids += 1)}`,
  });
  hooks = new ClaudeHooks(desk, book, SESSION);
}

function is(state: SessionState): void {
  const at = new Date(clock.now()).toISOString();
  const session: Session = {
    id: SESSION,
    project: 'shop',
    agent: 'claude',
    cwd: '/home/me/shop',
    state,
    stateSince: at,
    startedAt: at,
    managed: false,
    rung: 'inbox_socket',
  };
  book.put(session);
}

function decision(more: Partial<Decision> = {}): Decision {
  return {
    verdict: 'allow',
    scope: 'once',
    by: 'gilles',
    via: 'telegram',
    at: new Date(clock.now()).toISOString(),
    ...more,
  };
}

/** What the hub says about the dialog that was raised as number `index`. */
function decide(state: 'allowed' | 'denied' | 'expired', given?: Decision, index = 0): void {
  const ref = hub.raised[index]?.ref ?? '';
  desk.decided({
    item: 'decision',
    ref,
    approvalId: newId('approval'),
    state,
    ...(given === undefined ? {} : { decision: given }),
  });
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

describe('a decision from afar', () => {
  it('shows all that is asked, and an Allow is what the hook prints', async () => {
    const asked = hooks.permission('Bash', BASH, {
      suggestions: [
        {
          type: 'addRules',
          rules: [{ toolName: 'Bash', ruleContent: 'npm test' }],
          behavior: 'allow',
          destination: 'localSettings',
        },
      ],
    });
    await quiet();
    expect(hub.raised[0]).toMatchObject({
      session: SESSION,
      subject: {
        from: `laptop/shop#${SESSION}`,
        agent: 'claude',
        tool: 'Bash',
        summary: 'Run: npm test',
        input: 'npm test\n\ndescription: run the tests',
        cut: false,
        cwd: '/home/me/shop',
        intent: 'run the tests',
        suggestions: ['Always allow Bash(npm test) in this project, for you'],
      },
    });
    expect(desk.dialogs()).toEqual([hub.raised[0]?.ref]);
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow' });
    expect(desk.dialogs()).toEqual([]);
    hooks.done('Bash', BASH);
    await quiet();
    expect(hub.closed).toEqual([]);
  });

  it('takes one of the agent’s own suggestions, never anything else', async () => {
    const suggestions = [
      { type: 'setMode', mode: 'acceptEdits', destination: 'session' },
      { type: 'addDirectories', directories: ['/tmp'], destination: 'session' },
    ];
    const asked = hooks.permission('Bash', BASH, { suggestions });
    await quiet();
    decide('allowed', decision({ suggestion: 1 }));
    expect(await asked.decision).toEqual({ behavior: 'allow', updatedPermissions: [suggestions[1]] });
    const again = hooks.permission('Bash', BASH, { suggestions });
    await quiet();
    decide('allowed', decision({ suggestion: 7 }), 1);
    expect(await again.decision).toEqual({ behavior: 'allow' });
  });

  it('a Deny names who and why', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    decide('denied', decision({ verdict: 'deny', reason: 'not on a Friday' }));
    expect(await asked.decision).toEqual({ behavior: 'deny', message: 'Denied by gilles: not on a Friday' });
  });

  it('is there at once where policy decides', async () => {
    hub.byPolicy = { state: 'allowed', decision: decision({ by: 'policy', via: 'policy' }) };
    expect(await hooks.permission('Bash', BASH).decision).toEqual({ behavior: 'allow' });
  });

  it('a dialog that nobody answered in time stays with its terminal; without one it is denied', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    decide('expired');
    expect(await asked.text).toBe('');
    const headless = hooks.permission('Bash', BASH, { unattended: true });
    await quiet();
    decide('expired', undefined, 1);
    expect(await headless.decision).toMatchObject({ behavior: 'deny' });
  });
});

describe('the terminal is first', () => {
  it('the tool ran: allowed there', async () => {
    hooks.begins('Bash', BASH, 't1');
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    hooks.done('Bash', BASH, 't1');
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ ref: hub.raised[0]?.ref, outcome: 'answered_elsewhere', verdict: 'allow' }]);
    decide('denied', decision({ verdict: 'deny' }));
  });

  it('it goes on without waiting: answered there before the tool is over', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    is('waiting');
    is('working');
    clock.advance(900);
    expect(desk.dialogs()).toHaveLength(1);
    clock.advance(200);
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere' }]);
    expect(hub.closed[0]?.verdict).toBeUndefined();
  });

  it('one dialog follows the other: the session waits again, so the second is still open', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    is('waiting');
    is('working');
    clock.advance(300);
    is('waiting');
    clock.advance(5000);
    expect(desk.dialogs()).toHaveLength(1);
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow' });
  });

  it('Esc drops the connection: denied there', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    is('idle');
    asked.drop();
    expect(await asked.text).toBe('');
    expect(desk.dialogs()).toEqual([]);
    clock.advance(1600);
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere', verdict: 'deny' }]);
  });

  it.each(['Stop', 'UserPromptSubmit'])('%s: the turn went on without it', async (event) => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    hooks.tell(event);
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere', verdict: 'deny' }]);
  });

  it('the session ends: withdrawn', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    book.end(SESSION, 'killed');
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'withdrawn' }]);
  });
});

describe('parallel dialogs', () => {
  it('of two subagents never mix', async () => {
    hooks.begins('Bash', BASH, 't1', 'agent-1');
    hooks.begins('Bash', BASH, 't2', 'agent-2');
    const [one, two] = [
      hooks.permission('Bash', BASH, { agentId: 'agent-1' }),
      hooks.permission('Bash', BASH, { agentId: 'agent-2' }),
    ];
    await quiet();
    decide('denied', decision({ verdict: 'deny' }), 1);
    expect(await two.decision).toMatchObject({ behavior: 'deny' });
    expect(desk.dialogs()).toEqual([hub.raised[0]?.ref]);
    // The parent's turn ends while its subagents go on.
    hooks.tell('Stop');
    hooks.done('Bash', BASH, 't1', 'agent-1');
    expect(await one.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ ref: hub.raised[0]?.ref, verdict: 'allow' }]);
  });

  it('of the same words in one turn are told apart by their calls', async () => {
    hooks.begins('Bash', BASH, 't1');
    hooks.begins('Bash', BASH, 't2');
    const [one, two] = [hooks.permission('Bash', BASH), hooks.permission('Bash', BASH)];
    await quiet();
    hooks.done('Bash', BASH, 't2');
    expect(await two.text).toBe('');
    expect(desk.dialogs()).toEqual([hub.raised[0]?.ref]);
    decide('allowed', decision());
    expect(await one.decision).toEqual({ behavior: 'allow' });
  });

  it('a subagent’s dialog, which its terminal shows only after its hooks, is not kept from the person there for long', async () => {
    const asked = hooks.permission('Bash', BASH, { agentId: 'agent-1' });
    await quiet();
    clock.advance(121_000);
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'withdrawn' }]);
    const mission = hooks.permission('Bash', BASH, { agentId: 'agent-1', mission: newId('mission') });
    await quiet();
    clock.advance(121_000);
    expect(desk.dialogs()).toHaveLength(1);
    decide('allowed', decision(), 1);
    expect(await mission.decision).toEqual({ behavior: 'allow' });
  });
});

describe('faults', () => {
  it('the hub is away: it is asked again until it is there', async () => {
    hub.away = true;
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    clock.advance(600);
    await quiet();
    expect(hub.raised).toEqual([]);
    hub.away = false;
    clock.advance(1100);
    await quiet();
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow' });
  });

  it('the hub has not heard of the session yet: it is asked again, and nobody is denied for that', async () => {
    hub.refuses = new IntercomError('unknown_session', 'The session is not one of laptop.');
    const asked = hooks.permission('Bash', BASH, { unattended: true });
    await quiet();
    hub.refuses = undefined;
    clock.advance(600);
    await quiet();
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow' });
  });

  it('what ended while the hub was away is closed when it is back', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    hub.away = true;
    hooks.done('Bash', BASH);
    expect(await asked.text).toBe('');
    await quiet();
    hub.away = false;
    clock.advance(600);
    await quiet();
    expect(hub.closed).toMatchObject([{ verdict: 'allow' }]);
  });

  it('the hub refuses: the terminal decides; without one it is denied, with the reason', async () => {
    hub.refuses = new IntercomError('forbidden', 'This machine may not ask.');
    expect(await hooks.permission('Bash', BASH).text).toBe('');
    expect(await hooks.permission('Bash', BASH, { unattended: true }).decision).toEqual({
      behavior: 'deny',
      message: 'No operator could be asked: This machine may not ask.',
    });
  });

  it('the daemon stops: nothing is said and nothing is closed; the next one takes up the hook that still waits', async () => {
    const asked = hooks.permission('Bash', BASH, { key: 'run_1:7' });
    await quiet();
    desk.stop();
    expect(await asked.text).toBe('');
    begin();
    const again = hooks.permission('Bash', BASH, { key: 'run_1:7' });
    await quiet();
    expect(hub.closed).toEqual([]);
    expect(hub.raised.map(({ ref }) => ref)).toEqual([hub.raised[0]?.ref, hub.raised[0]?.ref]);
    decide('allowed', decision());
    expect(await again.decision).toEqual({ behavior: 'allow' });
  });

  it('a decision that comes before its hook is found again is kept for it', async () => {
    void hooks.permission('Bash', BASH, { key: 'run_1:7' });
    await quiet();
    desk.stop();
    begin();
    decide('denied', decision({ verdict: 'deny' }));
    expect(await hooks.permission('Bash', BASH, { key: 'run_1:7' }).decision).toMatchObject({ behavior: 'deny' });
  });

  it('an input beyond its bound is cut and says so', async () => {
    void hooks.permission('Bash', { command: 'x'.repeat(200_000) });
    await quiet();
    expect(hub.raised[0]?.subject.cut).toBe(true);
  });

  it('names with control characters and turned writing do not make a request that the hub cannot read', async () => {
    void hooks.permission(
      'Ba\u001b[31msh\u202e',
      { command: '\u0007rm\u202e -r' },
      { suggestions: [{ type: 'x\ny' }] },
    );
    await quiet();
    expect(hub.raised).toHaveLength(1);
  });
});

const QUESTIONS = {
  questions: [
    {
      question: '哪一个？',
      header: '服务',
      multiSelect: true,
      options: [
        { label: '支付', description: '一' },
        { label: 'خدمة 🚀', preview: '| a | b |' },
      ],
    },
    { question: 'Which name?', header: 'Name', multiSelect: false, options: [{ label: 'Red' }, { label: 'Blue' }] },
  ],
};
const FORM = {
  type: 'object',
  properties: { count: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['count'],
};

describe('questions', () => {
  it('are shown as they were asked, and each gets its own answer', async () => {
    const asked = hooks.permission('AskUserQuestion', QUESTIONS);
    await quiet();
    expect(hub.raised[0]?.subject).toMatchObject({
      kind: 'question',
      source: 'ask_user',
      from: `laptop/shop#${SESSION}`,
      summary: '哪一个？ (and 1 more)',
      context: 'خدمة 🚀:\n| a | b |',
      questions: [
        { id: 'q1', header: '服务', text: '哪一个？', multiple: true, freeText: true, optional: false },
        { id: 'q2', options: [{ label: 'Red' }, { label: 'Blue' }], multiple: false },
      ],
    });
    const answers = [
      { id: 'q1', options: ['支付', 'خدمة 🚀'], text: 'and the rest' },
      { id: 'q2', options: [], text: 'Grün' },
    ];
    decide('allowed', decision({ answers }));
    expect(await asked.decision).toEqual({
      behavior: 'allow',
      updatedInput: { ...QUESTIONS, answers: { '哪一个？': '支付, خدمة 🚀, and the rest', 'Which name?': 'Grün' } },
    });
  });

  it('declined: the agent reads by whom and why', async () => {
    const asked = hooks.permission('AskUserQuestion', QUESTIONS);
    await quiet();
    decide('denied', decision({ verdict: 'deny', reason: 'ask me tomorrow' }));
    expect(await asked.decision).toEqual({ behavior: 'deny', message: 'Declined by gilles: ask me tomorrow' });
  });

  it('an Allow without answers answers nothing: they stay at the terminal, and without one the agent is told', async () => {
    const asked = hooks.permission('AskUserQuestion', QUESTIONS);
    await quiet();
    decide('allowed', decision());
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.effects).toEqual([
      { ref: hub.raised[0]?.ref, state: 'failed', reason: 'Its agent takes no such answer.' },
    ]);
    const headless = hooks.permission('AskUserQuestion', QUESTIONS, { unattended: true });
    await quiet();
    decide('allowed', decision(), 1);
    expect(await headless.decision).toMatchObject({ behavior: 'deny' });
  });

  it.each([
    ['no question', { questions: [] }],
    ['two of the same words', { questions: [QUESTIONS.questions[1], QUESTIONS.questions[1]] }],
    ['more than a card shows', { questions: [{ question: 'x'.repeat(8001), options: [] }] }],
  ])('%s: only the terminal can ask that', async (_name, input) => {
    expect(await hooks.permission('AskUserQuestion', input).text).toBe('');
    expect(hub.raised).toEqual([]);
  });

  it('answered at the terminal: the result comes with other words than the question, and closes its card all the same', async () => {
    void hooks.permission('AskUserQuestion', QUESTIONS);
    void hooks.permission('AskUserQuestion', { questions: [QUESTIONS.questions[1]] });
    await quiet();
    hooks.done('AskUserQuestion', { ...QUESTIONS, answers: { 'Which name?': 'Red' } });
    await quiet();
    expect(hub.closed).toMatchObject([{ ref: hub.raised[0]?.ref, outcome: 'answered_elsewhere', verdict: 'allow' }]);
  });
});

describe('a plan', () => {
  const PLAN = { plan: 'First some words.\n\n## Move the shop\n\n1. Tests.', planFilePath: '/home/me/plan.md' };

  it('is shown as its text under its first heading; allowed, it is given back as it came', async () => {
    const asked = hooks.permission('ExitPlanMode', PLAN);
    await quiet();
    expect(hub.raised[0]?.subject).toMatchObject({
      kind: 'tool',
      plan: true,
      summary: 'Move the shop',
      input: PLAN.plan,
    });
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow', updatedInput: PLAN });
  });

  it('approved at the terminal, where the result does not repeat it', async () => {
    void hooks.permission('ExitPlanMode', PLAN);
    await quiet();
    hooks.done('ExitPlanMode', {});
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere', verdict: 'allow' }]);
  });

  it('without a text says so', async () => {
    void hooks.permission('ExitPlanMode', {});
    await quiet();
    expect(hub.raised[0]?.subject).toMatchObject({ plan: true, summary: 'Leave the plan mode' });
  });
});

describe('a form of an MCP server', () => {
  it('is filled in with values of its types, or declined', async () => {
    const asked = hooks.form(FORM, 'Your order, please');
    await quiet();
    expect(hub.raised[0]?.subject).toMatchObject({
      source: 'elicitation',
      summary: 'orders: Your order, please',
      questions: [{ id: 'count', optional: false }],
    });
    decide('allowed', decision({ answers: [{ id: 'count', options: [], text: '3' }] }));
    expect(JSON.parse(await asked.text)).toEqual({
      hookSpecificOutput: { hookEventName: 'Elicitation', action: 'accept', content: { count: 3 } },
    });
    const again = hooks.form(FORM, 'Your order, please');
    await quiet();
    decide('denied', decision({ verdict: 'deny' }), 1);
    expect(await again.text).toContain('"action":"decline"');
  });

  it('an answer that is none of its field is told as such, and its terminal asks', async () => {
    const asked = hooks.form(FORM, 'Your order, please');
    await quiet();
    decide('allowed', decision({ answers: [{ id: 'count', options: [], text: '12' }] }));
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.effects).toMatchObject([{ state: 'failed', reason: 'The form takes no such "count": "12".' }]);
  });

  it('comes to its terminal after a while, as it is drawn only then; a mission waits for its operator', async () => {
    const asked = hooks.form(FORM, 'Your order, please');
    void hooks.form(FORM, 'Its order, please', { mission: newId('mission') });
    await quiet();
    // Another dialog of the session says nothing of it.
    is('waiting');
    is('working');
    clock.advance(120_000);
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ ref: hub.raised[0]?.ref, outcome: 'withdrawn' }]);
    expect(desk.dialogs()).toEqual([hub.raised[1]?.ref]);
  });

  it('ends with its turn at the terminal, where its hook goes on waiting', async () => {
    const asked = hooks.form(FORM, 'Your order, please');
    await quiet();
    is('idle');
    clock.advance(1000);
    expect(await asked.text).toBe('');
    await quiet();
    expect(hub.closed).toMatchObject([{ outcome: 'answered_elsewhere', verdict: 'deny' }]);
  });
});

describe('a decision that comes too late', () => {
  it('is told as failed, with why; one that repeats itself is not', async () => {
    const asked = hooks.permission('Bash', BASH);
    void hooks.permission('Bash', { command: 'ls' });
    await quiet();
    hooks.done('Bash', { command: 'ls' });
    await quiet();
    decide('allowed', decision(), 1);
    decide('allowed', decision());
    expect(await asked.decision).toEqual({ behavior: 'allow' });
    decide('allowed', decision());
    await quiet();
    expect(hub.effects).toEqual([
      {
        ref: hub.raised[1]?.ref,
        state: 'failed',
        reason: 'It was answered at the terminal before this decision came.',
      },
    ]);
  });

  it('also while it is not known yet how the dialog ended, and what expired is no failure', async () => {
    const asked = hooks.permission('Bash', BASH);
    await quiet();
    asked.drop();
    decide('expired');
    decide('denied', decision({ verdict: 'deny' }));
    await quiet();
    expect(hub.effects).toHaveLength(1);
  });
});
