/** What the notifier tells, in Telegram: who is rung, what stands once, what is withdrawn; permissions and plans; the commands about it. On the emulated Telegram. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Approval, Session, ToolSubject } from '../../../src/protocol/model.ts';
import type { Notice } from '../../../src/hub/services.ts';
import type { ShownMessage } from '../../support/telegram-emulator/chats.ts';
import { noticeOf } from './fake-attention.ts';
import { ANN, BOB, GROUP, Room, VIEWER } from './room.ts';

let room: Room;
beforeEach(async () => {
  room = await Room.open();
  room.telegram.addForum(GROUP);
  room.start();
  await room.settled();
});
afterEach(() => room.close());

const stringMatching = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const stringContaining = (words: string): unknown => expect.stringContaining(words);
const fromBot = () => room.telegram.messages(GROUP).filter(({ from }) => from === 'bot');
const named = (message: ShownMessage) => message.buttons.map((row) => row.map(({ text }) => text));
const decided = ({ id }: Approval) => room.hub.approvals.get(id)?.decision;
const card = () => room.found('Session: laptop/api');
const said = (words: string) =>
  room.until(() => room.telegram.texts(GROUP).some((text) => text.includes(words)), words);

function tool(extra: Partial<ToolSubject> = {}, rest: Partial<Approval> = {}): Approval {
  const subject: ToolSubject = {
    ...{ kind: 'tool', from: 'laptop/api#3f2a9c7e', agent: 'claude', tool: 'Bash', summary: 'npm publish' },
    ...{ input: 'npm publish', cut: false, cwd: '/home/ann/api', suggestions: [], ...extra },
  };
  return room.hub.approval(subject, rest);
}

const SESSION = 'session:laptop/3f2a9c7e';
function notice(extra: Partial<Notice> = {}): Notice {
  return {
    ...{ key: SESSION, kind: 'trust', about: 'laptop/api', title: 'laptop/api waits for you' },
    ...{ text: 'Do you trust the files in this folder?', path: '/#/sessions/laptop/3f2a9c7e', ...extra },
  };
}

function session(extra: Partial<Session>): Session {
  const at = new Date(room.clock.now() - 600_000).toISOString();
  return {
    ...{ id: '3f2a9c7e', project: 'api', agent: 'claude', cwd: '/home/ann/api', state: 'waiting', stateSince: at },
    ...{ startedAt: at, managed: false, rung: 'inbox_socket', ...extra },
  };
}

function agents(...sessions: Session[]): void {
  const project = {
    ...{ id: 'api', description: '', capabilities: [], tags: [] },
    path: '/home/ann/api',
    agent: 'claude',
  };
  room.hub.agents = [
    {
      ...{ address: 'laptop/api', machine: 'laptop', machineName: "Ann's laptop", machineStatus: 'online', sessions },
      project: { ...project, source: 'configured' },
    },
  ];
}

describe('cards', () => {
  beforeEach(() => {
    room.hub.attention.tellsApprovals = false;
  });

  it('come when they are told; what was settled before never appears', async () => {
    const approval = tool();
    const gone = tool({ summary: 'npm view' });
    await room.settled();
    expect(fromBot()).toEqual([]);
    room.hub.decide(gone.id, 'policy', 'policy', 'allow');
    room.hub.attention.showApproval(gone);
    room.hub.attention.showApproval(approval);
    await said('asks for permission');
    await room.settled();
    expect(fromBot()).toHaveLength(1);
  });

  it.each([
    [['ann'], false],
    [[], true],
    [['somebody without Telegram'], true],
  ])('ring %j: silent is %s', async (ring, silent) => {
    room.hub.attention.ring = ring;
    room.hub.attention.showApproval(tool());
    await said('asks for permission');
    expect(card().silent).toBe(silent);
  });

  it('what was told silently stays so, whatever happens before it can be sent', async () => {
    room.hub.attention.ring = [];
    room.telegram.refuseNext('sendMessage', 429, 'Too Many Requests: retry after 20', { retry_after: 20 });
    const approval = tool();
    room.hub.attention.showApproval(approval);
    await room.until(() => room.telegram.refusals().length === 1);
    room.hub.setApproval({ ...approval, rule: 'another rule' });
    await room.settled();
    expect(card()).toMatchObject({ silent: true });
    expect(card().content.text).toContain('another rule');
  });

  it('what is dealt with while Telegram holds it back is not told any more', async () => {
    room.telegram.refuseNext('sendMessage', 429, 'Too Many Requests: retry after 20', { retry_after: 20 });
    const approval = tool();
    room.hub.attention.showApproval(approval);
    room.hub.attention.show(notice());
    await room.until(() => room.logged.some((line) => line.includes('asks to slow down')));
    room.hub.decide(approval.id, 'bob', 'web', 'allow');
    room.hub.attention.withdraw(SESSION, 'Answered at the terminal');
    await room.pass(30_000);
    await room.settled();
    expect(fromBot()).toEqual([]);
  });

  it('told again after a restart: the same card, and no second ring', async () => {
    const approval = tool();
    room.hub.attention.showApproval(approval);
    await said('asks for permission');
    await room.settled();
    room.hub.attention.tellsApprovals = true;
    await room.restart();
    await room.settled();
    expect(fromBot()).toHaveLength(1);
    await room.press(card(), ANN, 'Allow once');
    expect(decided(approval)).toMatchObject({ by: 'ann' });
  });

  it('what is asked anew is a new message that rings; the old one says so, and its buttons decide nothing', async () => {
    const approval = tool();
    room.hub.attention.showApproval(approval);
    await said('asks for permission');
    await room.settled();
    const old = card();
    const { data = '' } = old.buttons[0]?.[0] ?? {};
    const { subject } = approval;
    if (subject.kind !== 'tool') throw new Error('not a tool');
    const changed = { ...approval, subject: { ...subject, input: 'rm -rf /' }, shownHash: 'e'.repeat(64) };
    room.hub.setApproval(changed);
    room.hub.attention.showApproval(changed, true);
    await said('it is asked anew');
    await room.settled();
    expect(card()).toMatchObject({ silent: false });
    expect(card().id).not.toBe(old.id);
    expect(card().content.text).toContain('rm -rf /');
    expect(old.buttons).toEqual([]);
    const late = room.telegram.pressData(GROUP, old.id, ANN, data);
    await room.until(() => room.telegram.callsOf('answerCallbackQuery').length === 1);
    expect((await late).text).toContain('Look at the newer card below');
    room.telegram.write(GROUP, ANN, '/deny no', { replyTo: old.id });
    await said('Reply to a card');
    expect(decided(approval)).toBeUndefined();
    await room.press(card(), ANN, 'Deny');
    expect(decided(approval)).toMatchObject({ verdict: 'deny' });
    expect(room.telegram.refusals()).toEqual([]);
  });
});

describe('permissions', () => {
  it('seed: no inline Allow/Deny buttons: the whole command as code, and why', async () => {
    const command = `for f in *.ts; do\n  echo "$f" && rm -- "$f" </dev/null\ndone # ${'long '.repeat(200)}`;
    const approval = tool({ input: command, summary: 'for f in *.ts; do', intent: 'Clean up' });
    await room.settled();
    const { text, entities } = card().content;
    const code = entities.find(({ type }) => type === 'pre');
    expect(text.slice(code?.offset, (code?.offset ?? 0) + (code?.length ?? 0))).toBe(command);
    expect(text).toMatch(/^🔐 claude asks for permission: Bash\nfor f in/);
    expect(text).toContain('Why: Clean up');
    expect(named(card())).toEqual([['✅ Allow once', '⛔ Deny'], ['✍️ Deny, and say why']]);
    await room.press(card(), ANN, 'Allow once');
    await room.settled();
    // seed: the message was replaced by "Approved (once)."
    expect(card().content.text).toContain(command);
    expect(card().content.text).toContain('Allowed once by ann (Telegram)');
    expect(decided(approval)).toMatchObject({ verdict: 'allow' });
  });

  it('a diff is a diff, and what is cut is a file', async () => {
    const diff = `--- a/x.ts\n+++ b/x.ts\n@@ -1 +1 @@\n-old\n+new\n${' same\n'.repeat(2_000)}`;
    tool({ tool: 'Edit', summary: 'x.ts', input: diff });
    await room.settled();
    expect(card().content.entities.some(({ detail }) => detail === 'language-diff')).toBe(true);
    expect(card().content.text).toContain('Cut: you see the first');
    const file = room.telegram.messages(GROUP).find(({ document }) => document !== undefined);
    expect(file?.document).toMatchObject({ name: stringMatching(/\.diff$/), text: diff });
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('is denied with the words that are asked for', async () => {
    const approval = tool();
    await room.settled();
    await room.press(card(), BOB, 'say why');
    await room.settled();
    const prompt = room.found('bob, why not?');
    expect(decided(approval)).toBeUndefined();
    room.telegram.write(GROUP, BOB, 'not before\nthe tests', { replyTo: prompt.id });
    await room.until(() => decided(approval) !== undefined);
    expect(decided(approval)).toMatchObject({ verdict: 'deny', by: 'bob', reason: 'not before the tests' });
    room.telegram.write(GROUP, BOB, 'and one more thing', { replyTo: prompt.id });
    await said('It is denied already by bob (Telegram).');
  });
});

describe('plans', () => {
  const PLAN = '# Plan\n\n1. **Move** the `a**b**c` table\n2. </blockquote>Drop it\n\n```sh\n# make **all**\n```';

  it('show what is planned, and take Go ahead', async () => {
    const approval = tool({
      plan: true,
      tool: 'ExitPlanMode',
      summary: 'Plan',
      input: PLAN,
      suggestions: ['Yes, and accept edits'],
    });
    await room.settled();
    const { text, entities } = card().content;
    expect(text).toContain('claude has a plan. May it go ahead?');
    const quote = entities.find(({ type }) => type === 'blockquote');
    expect(text.slice(quote?.offset, (quote?.offset ?? 0) + (quote?.length ?? 0))).toBe(
      'Plan\n\n1. Move the `a**b**c` table\n2. </blockquote>Drop it\n\n```sh\n# make **all**\n```',
    );
    expect(named(card())).toEqual([
      ['✅ Go ahead', '💭 Think again'],
      ['✅ Yes, and accept edits'],
      ['✍️ Say what to change'],
    ]);
    expect(await room.press(card(), ANN, 'Go ahead')).toEqual({ text: 'Told to go ahead.', alert: false });
    expect(decided(approval)).toMatchObject({ verdict: 'allow', scope: 'once' });
  });

  it('are sent back with a reply to the card', async () => {
    const approval = tool({ plan: true, tool: 'ExitPlanMode', input: PLAN });
    await room.settled();
    room.telegram.write(GROUP, VIEWER, 'no!', { replyTo: card().id });
    await said('As a viewer');
    room.telegram.write(GROUP, ANN, `Keep the table. ${'x'.repeat(600)}`, { replyTo: card().id });
    await said('Only the first 500 characters');
    expect(decided(approval)).toMatchObject({
      verdict: 'deny',
      reason: stringContaining('Keep the table.'),
    });
    await room.settled();
    expect(card().content.text).toContain('Sent back to think again by ann');
  });

  it('a long one is a file', async () => {
    const plan = `# Plan\n${'- a step **of it**\n'.repeat(1_000)}END`;
    tool({ plan: true, tool: 'ExitPlanMode', input: plan });
    await room.settled();
    const file = room.telegram.messages(GROUP).find(({ document }) => document !== undefined);
    expect(file?.document).toMatchObject({ name: stringMatching(/\.md$/), text: plan });
    expect(room.telegram.refusals()).toEqual([]);
  });
});

describe('notices of sessions', () => {
  it('seed: notifications only with dashboard_url: one comes without, and has Open with it', async () => {
    room.hub.attention.show(notice());
    await said('waits for you');
    await room.settled();
    const shown = room.found('waits for you');
    expect(shown.content.text).toBe(
      '🛡 laptop/api waits for you\nDo you trust the files in this folder?\nAnswer at its terminal.',
    );
    expect(shown).toMatchObject({ topic: undefined, silent: false, buttons: [] });
    room.pageUrl = 'https://hub.tailnet.ts.net:7700/';
    room.hub.attention.show(notice({ key: 'session:laptop/other' }));
    await room.until(() => fromBot().length === 2);
    expect(fromBot()[1]?.buttons[0]?.[0]).toMatchObject({
      url: 'https://hub.tailnet.ts.net:7700/#/sessions/laptop/3f2a9c7e',
    });
  });

  it('stand once, ring anew when something else is asked, and say how they ended', async () => {
    room.hub.attention.show(notice());
    await said('trust the files');
    room.hub.attention.show(notice());
    await room.settled();
    room.hub.attention.show(notice({ kind: 'dialog', text: 'Choose a theme' }), true);
    await said('Choose a theme');
    await room.settled();
    const [old, now] = fromBot();
    expect(old?.content.text).toBe(
      '✓ laptop/api waits for you\nDo you trust the files in this folder?\nIt asks for something else now',
    );
    expect(now).toMatchObject({ silent: false });
    room.hub.attention.withdraw(SESSION, 'Answered at the terminal');
    await said('Answered at the terminal');
    expect(now?.content.text).toBe('✓ laptop/api waits for you\nChoose a theme\nAnswered at the terminal');
    room.hub.attention.withdraw(SESSION, 'Answered twice');
    room.hub.attention.show(notice());
    await room.until(() => fromBot().length === 3);
    await room.settled();
    expect(now?.content.text).toContain('Answered at the terminal');
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('one of a mission stands in its topic; text is text', async () => {
    const mission = room.hub.missions.add();
    room.hub.missions.run(mission.id);
    agents(session({ mission: mission.id }));
    room.hub.attention.show(
      notice({ kind: 'rate_limit', title: '<b>limit', text: 'until\n</blockquote>18:00 \u202e' }),
    );
    await said('limit');
    await room.settled();
    const shown = room.found('<b>limit');
    expect(shown.topic).toBe(room.found(mission.id).topic);
    expect(shown.content.text).toContain('until\n</blockquote>18:00 ‹U+202E›\nOnly time helps');
  });

  it('what ended while the surface was away is over when it is back; what still waits stands', async () => {
    agents(session({}), session({ id: 'other' }));
    room.hub.attention.show(notice());
    room.hub.attention.show(notice({ key: 'session:laptop/other', text: 'still there' }));
    await room.until(() => fromBot().length === 2);
    await room.stop();
    agents(session({ state: 'working' }), session({ id: 'other' }));
    room.start();
    await said('It does not wait any more');
    await room.settled();
    expect(room.found('still there').content.text).not.toContain('✓');
  });

  it('what was held back comes as one message with the way to each', async () => {
    const approval = tool();
    await room.settled();
    room.hub.attention.digest([noticeOf(approval), notice()]);
    await said('2 things came meanwhile');
    const digest = room.found('2 things came meanwhile');
    expect(digest.content.text).toContain('/attention shows what waits now.');
    expect(digest.content.entities).toContainEqual(
      expect.objectContaining({ type: 'text_link', detail: `https://t.me/c/1234567890/${card().id}` }),
    );
  });
});

describe('commands', () => {
  it('/attention: what waits, since when, with the way to its card; and what works', async () => {
    room.telegram.write(GROUP, ANN, '/attention');
    await said('Nothing waits for you.');
    const waiting = { kind: 'trust', what: 'Do you trust this folder?' } as const;
    agents(
      session({ id: 'aaaa', waiting }),
      session({ state: 'waiting', waiting: { kind: 'permission', what: 'Bash: npm publish' } }),
      session({ id: 'bbbb', state: 'working' }),
      session({ id: 'cccc', state: 'idle' }),
      session({ id: 'dddd', waiting: { kind: 'rate_limit', what: 'Five hours', resetAt: '2026-11-21T17:00:00.000Z' } }),
    );
    tool();
    room.hub.attention.show(notice({ key: 'session:laptop/aaaa' }));
    await said('trust the files');
    await room.settled();
    room.telegram.write(GROUP, ANN, '/attention@intercom_test_bot');
    await said('wait for you, the longest');
    const { text, entities } = room.found('wait for you, the longest').content;
    expect(text.split('\n')).toEqual([
      '🔔 2 wait for you, the longest for 10 min',
      '🛡 laptop/api waits: Do you trust this folder? 10 min',
      expect.stringMatching(/^🔐 laptop\/api wants to use Bash: npm publish \d s$/),
      '⚙️ 1 working · 💤 1 idle',
      '⏳ laptop/api has reached a limit; it goes on at 21 Nov 17:00 UTC',
    ]);
    room.telegram.write(GROUP, ANN, 'why?', { replyTo: room.found('asks for permission').id });
    await said('Press a button on the card.');
    expect(entities.filter(({ type }) => type === 'text_link').map(({ detail }) => detail)).toEqual(
      ['trust the files', 'asks for permission'].map((words) => `https://t.me/c/1234567890/${room.found(words).id}`),
    );
  });

  it('/attention in a private chat, where messages have no address: a button leads to the card', async () => {
    await room.stop();
    room.config = { ...room.config, supergroupId: undefined };
    room.telegram.addPrivate(ANN);
    room.start();
    tool();
    await room.settled();
    room.telegram.write(ANN, ANN, '/attention');
    await room.until(() =>
      room.telegram.texts(ANN).some((text) => text.includes('1. 🔐 laptop/api wants to use Bash')),
    );
    const list = room.telegram.messages(ANN).findLast(({ buttons }) => buttons[0]?.[0]?.text === '⤴️ 1');
    void room.telegram.press(ANN, list?.id ?? 0, ANN, '⤴️ 1');
    await room.until(() => room.telegram.texts(ANN).some((text) => text.includes('Here it is')));
    expect(room.telegram.messages(ANN).at(-1)?.replyTo).toBe(room.telegram.messages(ANN)[0]?.id);
    expect(room.telegram.refusals()).toEqual([]);
  });

  it('/usage: five hours and week of each machine, and the context of live sessions', async () => {
    room.telegram.write(GROUP, ANN, '/usage');
    await said('Nothing is known of usage yet.');
    const tokens = { input: 200_000, output: 34_000, cacheRead: 1_000_000, cacheWrite: 0 };
    const at = new Date(room.clock.now()).toISOString();
    const span = (hours: number) => ({
      start: at,
      end: new Date(room.clock.now() + hours * 3_600_000).toISOString(),
      tokens,
    });
    agents(session({ state: 'working' }));
    room.hub.attention.used = {
      machines: [
        {
          machine: 'laptop',
          agent: 'claude',
          at,
          block: { ...span(2), usedPercent: 61.6 },
          week: { ...span(80), costUsd: 12.5 },
        },
        { machine: 'server', agent: 'codex', at, scanning: { read: 10, total: 40 } },
      ],
      sessions: [
        {
          machine: 'laptop',
          session: '3f2a9c7e',
          model: 'opus',
          contextTokens: 171_000,
          contextWindow: 200_000,
          tokens,
          at,
        },
        { machine: 'laptop', session: 'long-gone', tokens, at },
      ],
    };
    room.telegram.write(GROUP, ANN, '/usage');
    await said('Context of live sessions');
    expect(room.found('Context of live sessions').content.text.split('\n')).toEqual([
      'Usage',
      '🖥 laptop claude',
      '   5 hours: 62 % used, 1.2M tokens, resets 21 Nov 16:00 UTC',
      '   Week: 1.2M tokens, $12.50',
      '🖥 server codex',
      '   5 hours: none under way',
      '   still reading: 25 % of what was written down',
      '',
      'Context of live sessions',
      '🟠 laptop/api: 171k of 200k (86 %), opus',
    ]);
  });

  it('/mute, /unmute and /quiet change the preferences of who writes, and of nobody else', async () => {
    const { preferencesOf } = room.hub.attention;
    room.telegram.write(GROUP, BOB, '/mute laptop/* 1d');
    await said('laptop/* is muted for you until 22 Nov 14:0');
    room.telegram.write(GROUP, ANN, '/quiet 22:00-7:00 Europe/Paris');
    await said('Quiet for you from 22:00 to 07:00 (Europe/Paris)');
    expect(preferencesOf.get('ann')).toMatchObject({
      mutes: [],
      quiet: { from: '22:00', to: '07:00', timeZone: 'Europe/Paris' },
    });
    expect(preferencesOf.get('bob')).toMatchObject({ mutes: [{ pattern: 'laptop/*' }] });
    room.telegram.write(GROUP, BOB, '/unmute laptop/*');
    await said('Everything rings for you.');
    expect(preferencesOf.get('bob')?.mutes).toEqual([]);
    expect(preferencesOf.has('vera')).toBe(false);
  });
});
