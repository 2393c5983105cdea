/** intercom attention, usage, preferences and answers against a scripted hub: what is asked, what is printed. */
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { DEFAULT_CHANNELS, Preferences, WaitsPage } from '../../src/protocol/attention.ts';
import type { PreferencesPatch } from '../../src/protocol/attention.ts';
import { IntercomError } from '../../src/protocol/errors.ts';
import { DecisionRequest, PolicyTest } from '../../src/protocol/operator-api.ts';
import { Home, NOW } from './support/cli.ts';
import { questionCard, session, snapshot, toolCard } from './support/attention.ts';
import { hubStatus, T0 } from './support/samples.ts';
import { ScriptedServer, type Answer } from './support/scripted-server.ts';

const O = '/api/operator';
const FROM = 'laptop/app#aaaaaaaa-0000-4000-8000-000000000000';
const running: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});

async function withHub(answers: Record<string, Answer>): Promise<{ home: Home; hub: ScriptedServer }> {
  const home = await Home.make();
  const hub = await ScriptedServer.onSocket(home.paths.hubSocket, home.paths.hubKey, answers);
  running.push(hub);
  return { home, hub };
}

const tokens = { input: 1_000, output: 2_000, cacheRead: 900_000, cacheWrite: 0 };
const used = {
  sessions: [
    {
      session: session('aaaaaaaa').id,
      machine: 'laptop',
      model: 'claude-opus',
      contextTokens: 150_000,
      contextWindow: 200_000,
      tokens,
      costUsd: 3.5,
      at: T0,
    },
  ],
  machines: [
    {
      machine: 'laptop',
      agent: 'claude',
      block: { start: T0, end: '2026-03-01T14:00:00.000Z', tokens, usedPercent: 62 },
      week: { start: T0, end: '2026-03-04T14:00:00.000Z', tokens, costUsd: 20 },
      scanning: { read: 1_048_576, total: 4_194_304 },
      at: T0,
    },
  ],
};
const busy = () =>
  snapshot([session('aaaaaaaa'), session('bbbbbbbb', { state: 'idle' })], [toolCard(1, FROM)], { usage: used });

describe('attention', () => {
  it('lists who waits before who works, the idle ones only when asked', async () => {
    const { home } = await withHub({ [`GET ${O}/snapshot`]: busy });
    const { code, out } = await home.run(['attention'], { columns: 120 });
    expect(code).toBe(0);
    expect(out.split('\n')[0]).toBe('1 for you · 1 at work · 1 idle');
    expect(out).toMatch(/permission +Bash: npm run step-1 +3 min +laptop\/app#aaaaaaaa +claude +75% +\$3\.50/);
    expect(out).not.toContain('bbbbbbbb');
    expect((await home.run(['attention', '--all'])).out).toContain('bbbbbbbb');
  });

  it('fits a narrow terminal', async () => {
    const { home } = await withHub({ [`GET ${O}/snapshot`]: busy });
    const { out } = await home.run(['attention', '--all'], { columns: 40 });
    for (const line of out.split('\n').slice(0, 6)) expect(line.length).toBeLessThanOrEqual(40);
  });

  it('is data for scripts', async () => {
    const { home } = await withHub({ [`GET ${O}/snapshot`]: busy });
    const given: unknown = JSON.parse((await home.run(['attention', '--json'])).out);
    expect(given).toMatchObject({
      rows: [
        { group: 'waiting', kind: 'permission', approvalId: toolCard(1, FROM).id, contextPercent: 75 },
        { group: 'working', kind: 'working' },
      ],
      more: 0,
    });
  });

  it('without a terminal --watch prints lines as they change, and starts anew after a gap', async () => {
    const stop = new AbortController();
    const snapshots = [busy(), snapshot([session('cccccccc')], [], { seq: 20 })];
    const { home, hub } = await withHub({ [`GET ${O}/snapshot`]: () => snapshots.shift() });
    const sockets = new WebSocketServer({ noServer: true });
    hub.server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (client) => {
        const send = (frame: unknown): void => client.send(JSON.stringify(frame));
        send({ frame: 'hello', mode: 'resumed', epoch: 'e1', seq: 10 });
        const answered = { ...toolCard(1, FROM), state: 'answered_elsewhere' };
        send({ frame: 'event', event: { seq: 11, at: T0, type: 'approval.changed', approval: answered } });
        send({ frame: 'hello', mode: 'gap', epoch: 'e1', seq: 20 });
      });
    });
    const { code, out } = await home.run(['attention', '--watch'], {
      signal: stop.signal,
      onOut: (text) => {
        if (text.includes('- laptop/app#aaaaaaaa  working')) stop.abort();
      },
    });
    expect(code).toBe(0);
    expect(out.split('\n').map((line) => line.replace(/^.*\d\d:\d\d:\d\d /, ''))).toEqual([
      '+ laptop/app#aaaaaaaa  permission  Bash: npm run step-1',
      '+ laptop/app#aaaaaaaa  working',
      '- laptop/app#aaaaaaaa  permission  Bash: npm run step-1',
      '+ laptop/app#cccccccc  working',
      '- laptop/app#aaaaaaaa  working',
      '',
    ]);
  });

  it('history tells how long sessions waited, and for what', async () => {
    const page = WaitsPage.parse({
      waits: [
        {
          id: 'wai_01JNAAAAAAAAAAAAAAAAAAAAAA',
          machine: 'laptop',
          project: 'app',
          session: session('aaaaaaaa').id,
          agent: 'claude',
          kind: 'permission',
          what: 'Bash: npm publish',
          since: T0,
          until: '2026-03-01T11:59:00.000Z',
          end: 'answered',
          by: 'owner',
        },
      ],
      more: true,
      summary: [{ kind: 'permission', count: 12, open: 1, totalMs: 600_000, medianMs: 30_000, longestMs: 240_000 }],
    });
    const { home, hub } = await withHub({ [`GET ${O}/attention/waits`]: () => page });
    const { out } = await home.run(['attention', 'history', '--days', '3', '--project', 'app'], { columns: 120 });
    expect(hub.asked[0]?.path).toBe(`${O}/attention/waits?limit=20&days=3&project=app`);
    expect(out).toMatch(/permission +12 +1 +30 s +4 min +10 min/);
    expect(out).toMatch(/laptop\/app#aaaaaaaa +permission: Bash: npm publish +2 min +answered by owner/);
    expect(out).toContain('--before wai_01JN');
  });
});

describe('usage', () => {
  it('tells block and week of the machine, the first look, and each live session', async () => {
    const { home } = await withHub({ [`GET ${O}/snapshot`]: busy });
    const { out } = await home.run(['usage'], { columns: 100 });
    expect(out).toContain('5 hours: 62%, resets in 2 h');
    expect(out).toContain('week: 903k tokens · $20.00, resets in 3 d');
    expect(out).toContain('still reading: 1.0 MiB of 4.0 MiB (25%)');
    expect(out).toMatch(/laptop\/app#aaaaaaaa +claude-opus +150k 75% +903k +\$3\.50/);
    expect(JSON.parse((await home.run(['usage', '--json'])).out)).toMatchObject({ sessions: [{ address: FROM }] });
  });

  it('status says who waits and what was used', async () => {
    const { home } = await withHub({ [`GET ${O}/snapshot`]: busy, [`GET ${O}/status`]: () => hubStatus() });
    const { out } = await home.run(['status']);
    expect(out).toContain('1 for you · 1 at work · 1 idle   intercom attention --watch');
    expect(out).toContain('laptop claude: 5 hours: 62%');
  });
});

describe('questions', () => {
  const TWO = [
    {
      id: 'q1',
      header: 'Store',
      text: 'Which database?',
      options: [{ label: 'PostgreSQL', description: 'known' }, { label: '何もしない' }],
    },
    {
      id: 'q2',
      text: 'What comes along?',
      options: [{ label: 'Backups' }, { label: 'Metrics' }],
      multiple: true,
      freeText: false,
      optional: true,
    },
    { id: 'q3', text: 'Its name?', options: [] },
  ];
  const card = questionCard(1, FROM, TWO);
  const asked = {
    [`GET ${O}/approvals/${card.id}`]: () => card,
    [`POST ${O}/approvals/${card.id}/decision`]: ({ body }: { body: unknown }) => ({
      ...card,
      state: 'allowed',
      decision: { ...DecisionRequest.parse(body), by: 'owner', via: 'cli', at: T0 },
    }),
  };

  it('are printed whole', async () => {
    const { home } = await withHub(asked);
    const { out } = await home.run(['approvals', 'show', card.id]);
    for (const text of [
      '1. [Store] Which database?',
      '1) PostgreSQL',
      'known',
      '2) 何もしない',
      'several may be taken; may be left out',
      'in your own words',
    ])
      expect(out).toContain(text);
  });

  const answers: [name: string, given: string[], expected: object[]][] = [
    [
      'numbers and words',
      ['1=2', '3=orders'],
      [
        { id: 'q1', options: ['何もしない'] },
        { id: 'q3', options: [], text: 'orders' },
      ],
    ],
    [
      'several options',
      ['1=1', '2=2,1', '3=x'],
      [
        { id: 'q1', options: ['PostgreSQL'] },
        { id: 'q2', options: ['Metrics', 'Backups'] },
        { id: 'q3', options: [], text: 'x' },
      ],
    ],
    [
      'words in the place of an option',
      ['1=MariaDB = best', '3=7'],
      [
        { id: 'q1', options: [], text: 'MariaDB = best' },
        { id: 'q3', options: [], text: '7' },
      ],
    ],
    [
      'a label as it is',
      ['1=PostgreSQL', '3=x'],
      [
        { id: 'q1', options: ['PostgreSQL'] },
        { id: 'q3', options: [], text: 'x' },
      ],
    ],
  ];
  it.each(answers)('are answered by %s', async (_name, given, expected) => {
    const { home, hub } = await withHub(asked);
    const { code, out } = await home.run([
      'approvals',
      'answer',
      card.id,
      ...given.flatMap((one) => ['--answer', one]),
    ]);
    expect(code).toBe(0);
    expect(hub.asked.at(-1)?.body).toMatchObject({ verdict: 'allow', shownHash: card.shownHash, answers: expected });
    expect(out).toContain('answered by owner via cli');
  });

  const faults: [given: string[], words: string][] = [
    [['9=1'], 'does not say which question'],
    [['something'], 'does not say which question'],
    [['1=1,2'], 'takes one option'],
    [['2=Tests'], 'is not one of the options'],
    [['1=1', '1=2'], 'answered twice'],
  ];
  it.each(faults)('%j is refused before anything is sent', async (given, words) => {
    const { home, hub } = await withHub(asked);
    const { code, err } = await home.run([
      'approvals',
      'answer',
      card.id,
      ...given.flatMap((one) => ['--answer', one]),
    ]);
    expect(code).toBe(2);
    expect(err).toContain(words);
    expect(hub.asked.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('are asked one after the other at a terminal; what is no answer is asked again', async () => {
    const { home, hub } = await withHub(asked);
    await home.run(['approvals', 'answer', card.id], { answers: ['1,2', '1', '', '', 'orders'] });
    expect(hub.asked.at(-1)?.body).toMatchObject({
      answers: [
        { id: 'q1', options: ['PostgreSQL'] },
        { id: 'q3', options: [], text: 'orders' },
      ],
    });
    const { code, err } = await home.run(['approvals', 'answer', card.id]);
    expect([code, err]).toEqual([2, expect.stringContaining('answer with --answer 1=')]);
  });

  it('allow says what to do instead, and so does answer where nothing is asked', async () => {
    const tool = toolCard(2, FROM);
    const { home } = await withHub({ ...asked, [`GET ${O}/approvals/${tool.id}`]: () => tool });
    expect((await home.run(['approvals', 'allow', card.id])).err).toContain(`intercom approvals answer ${card.id}`);
    expect((await home.run(['approvals', 'answer', tool.id, '--answer', '1'])).err).toContain(
      `intercom approvals allow ${tool.id}`,
    );
    expect((await home.run(['approvals', 'allow', tool.id, '--suggestion', '3'])).err).toContain('numbers them 1 to 2');
  });

  it('a plan says so, and an answer that did not arrive too', async () => {
    const plan = toolCard(3, FROM, { plan: true, tool: 'ExitPlanMode', input: '# Plan' });
    const effect = { state: 'failed', reason: 'the screen had changed', at: T0 };
    const { home } = await withHub({ [`GET ${O}/approvals/${plan.id}`]: () => ({ ...plan, effect }) });
    const { out } = await home.run(['approvals', 'show', plan.id]);
    expect(out).toContain('wants to go ahead with its plan');
    expect(out).toContain('It did not reach the agent: the screen had changed.');
  });
});

describe('preferences', () => {
  const now = Preferences.parse({ mutes: [{ pattern: 'nas/*' }] });
  const in2h = new Date(NOW + 7_200_000).toISOString();
  const table: [args: string[], patch: PreferencesPatch][] = [
    [['mute', 'laptop/*', '2h'], { mutes: [{ pattern: 'nas/*' }, { pattern: 'laptop/*', until: in2h }] }],
    [['mute', 'nas/*'], { mutes: [{ pattern: 'nas/*' }] }],
    [['mute', 'all', '2h'], { muteUntil: in2h }],
    [['unmute', 'nas/*'], { mutes: [] }],
    [['unmute', 'all'], { mutes: [], muteUntil: null }],
    [['quiet', '22:00-07:00', 'Europe/Paris'], { quiet: { from: '22:00', to: '07:00', timeZone: 'Europe/Paris' } }],
    [['quiet', 'off'], { quiet: null }],
    [['channel', 'permission', 'telegram,push'], { channels: { permission: ['telegram', 'push'] } }],
    [['channel', 'stall', 'none'], { channels: { stall: [] } }],
    [['channel', 'done', 'default'], { channels: { done: [...DEFAULT_CHANNELS.done] } }],
    [['digest', '15'], { digestMinutes: 15 }],
    [['digest', 'off'], { digestMinutes: 0 }],
  ];
  it.each(table)('%j', async (args, patch) => {
    const { home, hub } = await withHub({
      [`GET ${O}/preferences`]: () => now,
      [`PATCH ${O}/preferences`]: () => now,
    });
    const { code, out } = await home.run(['preferences', ...args]);
    expect(code).toBe(0);
    expect(hub.asked.at(-1)?.body).toEqual(patch);
    expect(out).toContain('nas/*, until you unmute it');
  });

  it.each([
    [['mute', 'x/*', 'soon'], 'like 30m, 2h or 3d'],
    [['quiet', '22-7'], 'two times of day'],
    [['quiet', '22:00-07:00', 'Mars/Base'], 'like Europe/Paris'],
    [['channel', 'permission', 'sms'], 'telegram and push'],
    [['channel', 'weather', 'push'], 'Allowed choices'],
    [['digest', '0'], 'from 1 to 1440'],
  ])('%j is refused in words', async (args, words) => {
    const { code, err } = await (await Home.make()).run(['preferences', ...args]);
    expect(code).toBe(2);
    expect(err).toContain(words);
  });
});

describe('policy test of a tool', () => {
  const verdict = {
    outcome: 'deny',
    level: 'deny',
    rule: 'rule 2 "never" (policies.yml:9)',
    steps: ['rule 2 matches: deny'],
  };

  it('asks about the agent itself', async () => {
    const { home, hub } = await withHub({ [`POST ${O}/policy/test`]: ({ body }) => (PolicyTest.parse(body), verdict) });
    const { out } = await home.run([
      'policy',
      'test',
      '--from',
      'laptop/app',
      '--tool',
      'Bash',
      '--message',
      'npm publish',
    ]);
    expect(hub.asked[0]?.body).toEqual({
      from: 'laptop/app',
      to: 'laptop/app',
      type: 'tool',
      tool: 'Bash',
      message: 'npm publish',
    });
    expect(out).toContain('Bash by laptop/app is denied  by rule 2 "never"');
  });

  it('is about the agent of this directory where none is named, and says what is missing', async () => {
    const { home, hub } = await withHub({ [`POST ${O}/policy/test`]: () => verdict });
    const missing = await home.run(['policy', 'test', '--type', 'tool', '--tool', 'Bash', 'ls']);
    expect([missing.code, missing.err]).toEqual([2, expect.stringContaining('Add --from machine/project')]);
    expect((await home.run(['policy', 'test', '--type', 'tool', '--from', 'a/b'])).err).toContain('Add --tool Bash');
    const whoami = { address: 'laptop/app', machine: 'laptop', project: 'app', hubReachable: true };
    running.push(
      await ScriptedServer.onSocket(home.paths.daemonSocket, home.paths.daemonKey, {
        'GET /local/whoami': () => whoami,
      }),
    );
    await home.run(['policy', 'test', '--type', 'tool', '--tool', 'Bash', 'ls']);
    expect(hub.asked.at(-1)?.body).toMatchObject({ from: 'laptop/app', message: 'ls' });
  });
});

it('a hub that is away ends the table in words', async () => {
  const { home } = await withHub({
    [`GET ${O}/snapshot`]: () => {
      throw new IntercomError('storage_failed', 'The store cannot be read.', { next: 'Look at its disk.' });
    },
  });
  const { code, err } = await home.run(['attention', '--watch']);
  expect(code).toBe(1);
  expect(err).toContain('Look at its disk');
});
