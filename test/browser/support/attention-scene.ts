/** Sessions in every state that a person meets, with their cards, figures and announcements, for the mesh of scene.ts. */
import { newId } from '../../../src/protocol/ids.ts';
import type { Question, SessionUsage, Wait, WaitKind } from '../../../src/protocol/attention.ts';
import type { Approval, QuestionSubject, ToolSubject } from '../../../src/protocol/model.ts';
import { hashOf, makeAgent, makeMachine, makeSession, past, type Scene } from './scene.ts';

const API = 'studio/shop/api';

export function toolApproval(over: Partial<ToolSubject> = {}, about: Partial<Approval> = {}): Approval {
  const subject: ToolSubject = {
    kind: 'tool',
    from: `${API}#5f2c9a10-aaaa`,
    agent: 'claude',
    tool: 'Bash',
    summary: 'npm publish --tag next',
    input: 'npm publish --tag next\n\ndescription: Publish the release candidate',
    cut: false,
    cwd: '/home/ada/code/shop/api',
    intent: 'All tests pass, so I publish the release candidate under the tag next.',
    suggestions: ['Always allow npm publish in this project'],
    ...over,
  };
  return of(subject, 'tool', about);
}

export function questionApproval(questions: readonly Question[], over: Partial<QuestionSubject> = {}): Approval {
  const subject: QuestionSubject = {
    kind: 'question',
    source: 'ask_user',
    from: `${API}#5f2c9a10-aaaa`,
    agent: 'claude',
    summary: questions[0]?.text ?? '',
    cut: false,
    questions: [...questions],
    cwd: '/home/ada/code/shop/api',
    ...over,
  };
  return of(subject, 'question', {});
}

function of(subject: ToolSubject | QuestionSubject, kind: 'tool' | 'question', over: Partial<Approval>): Approval {
  return {
    id: newId('approval'),
    kind,
    state: 'pending',
    subject,
    shownHash: hashOf(subject),
    rule: kind === 'tool' ? 'default: tools are asked for' : 'built-in: questions are for a person',
    scopes: kind === 'tool' ? ['once', 'session', 'always'] : ['once'],
    createdAt: past(5),
    expiresAt: past(-3600),
    ...over,
  };
}

export function makeQuestion(id: string, over: Partial<Question> = {}): Question {
  return { id, text: 'Which one?', options: [], multiple: false, freeText: true, optional: false, ...over };
}

export function makeWait(kind: WaitKind, what: string, over: Partial<Wait> = {}): Wait {
  return {
    id: newId('wait'),
    machine: 'studio',
    project: 'shop/api',
    session: '5f2c9a10-aaaa',
    agent: 'claude',
    kind,
    what,
    since: past(60),
    ...over,
  };
}

export function makeUsage(session: string, over: Partial<SessionUsage> = {}): SessionUsage {
  return {
    session,
    model: 'claude-opus-4-1-20250805',
    contextTokens: 124_000,
    contextWindow: 200_000,
    tokens: { input: 41_000, output: 18_200, cacheRead: 2_400_000, cacheWrite: 210_000 },
    costUsd: 1.84,
    at: past(4),
    ...over,
  };
}

const EDIT = `src/orders/totals.ts

- export function total(order: Order): number {
-   return order.lines.reduce((sum, line) => sum + line.cents, 0);
- }
+ export function total(order: Order): Amount {
+   return order.lines.map((line) => line.amount).reduce(add, zero(order.currency));
+ }`;

const PLAN = `## Move the totals to decimal amounts

1. Add \`Amount\` with its currency, and **no rounding** but at the edge.
2. Let \`total()\` return it; keep \`total_cents\` for one release.
3. Backfill the orders of this year in batches of 5,000.

### What I leave alone
- the export of the accountants: it lives in another repository`;

export const QUESTIONS: readonly Question[] = [
  makeQuestion('q1', {
    header: 'Rounding',
    text: 'Wie sollen Beträge gerundet werden, wenn eine Bestellung mehrere Steuersätze enthält?',
    options: [
      {
        label: 'Kaufmännisch je Position, danach summieren (so rechnet die Buchhaltung heute)',
        description:
          'Die Summe kann um einen Cent von der gerundeten Gesamtsumme abweichen; Rechnungen bleiben gleich.',
      },
      {
        label: 'Erst summieren, dann einmal runden',
        description: 'Mathematisch genauer, aber 0,3 % der alten Rechnungen ändern sich rückwirkend.',
      },
    ],
  }),
  makeQuestion('q2', {
    header: 'Checks',
    text: 'Which checks should run before I push?',
    multiple: true,
    options: [
      { label: 'Unit tests' },
      { label: 'The whole browser suite', description: 'About 11 minutes.' },
      { label: 'A dry run of the migration on the staging copy' },
    ],
  }),
  makeQuestion('q3', { header: 'Note', text: 'Anything for the changelog?', optional: true }),
];

export function addAttention(scene: Scene): void {
  const studio = scene.machines[0] ?? makeMachine('studio');
  const laptop = scene.machines[1] ?? makeMachine('nora-laptop');
  scene.agents.splice(0, scene.agents.length);
  scene.agents.push(
    makeAgent(studio, 'shop/api', [
      makeSession('5f2c9a10-aaaa', 'shop/api', {
        state: 'waiting',
        waiting: { kind: 'permission', what: 'Bash: npm publish --tag next' },
        name: 'release 42',
        stateSince: past(95),
        stateSource: 'hook',
        confidence: 'certain',
      }),
      makeSession('0b77e3d4-bbbb', 'shop/api', {
        state: 'waiting',
        waiting: { kind: 'question', what: 'Wie sollen Beträge gerundet werden?' },
        name: 'decimal totals',
        stateSince: past(64),
        stateSource: 'hook',
        confidence: 'certain',
      }),
      makeSession('71aa02b1-cccc', 'shop/api', {
        state: 'working',
        stalledSince: past(420),
        name: 'flaky tests',
        stateSince: past(900),
        stateSource: 'registry',
        confidence: 'guess',
      }),
    ]),
    makeAgent(studio, 'infra', [
      makeSession('c41d22ee-cccc', 'infra', {
        state: 'waiting',
        waiting: { kind: 'rate_limit', what: '5-hour limit reached', resetAt: past(-5400) },
        name: 'cluster care',
        stateSince: past(1500),
      }),
      makeSession('d0e1f2a3-dddd', 'infra', {
        state: 'thinking',
        agent: 'codex',
        stateSince: past(12),
        stateSource: 'app_server',
        confidence: 'certain',
        rung: 'app_server',
      }),
    ]),
    makeAgent(laptop, 'shop/web', [
      makeSession('9e8d7c6b-dddd', 'shop/web', {
        state: 'waiting',
        waiting: { kind: 'trust', what: 'Do you trust the files in this folder?' },
        stateSince: past(30),
        stateSource: 'screen',
        confidence: 'likely',
      }),
      makeSession('aa00bb11-eeee', 'shop/web', { name: 'checkout', state: 'idle', stateSince: past(260) }),
      makeSession('aa00bb22-ffff', 'shop/web', {
        agent: 'gemini',
        name: 'colours',
        state: 'working',
        stateSince: past(41),
        rung: 'hooks',
      }),
    ]),
  );
  const shed = scene.machines[2];
  if (shed !== undefined) scene.agents.push(makeAgent(shed, 'sensors', [makeSession('5e5e5e5e-0001', 'sensors')]));
  scene.approvals.push(
    toolApproval({}, { createdAt: past(95) }),
    questionApproval(QUESTIONS, { from: `${API}#0b77e3d4-bbbb` }),
    toolApproval(
      {
        from: 'studio/infra#d0e1f2a3-dddd',
        agent: 'codex',
        tool: 'Edit',
        summary: 'src/orders/totals.ts',
        input: EDIT,
        intent: undefined,
        suggestions: [],
      },
      { createdAt: past(20) },
    ),
    toolApproval(
      {
        from: 'nora-laptop/shop/web#aa00bb22-ffff',
        agent: 'claude',
        tool: 'ExitPlanMode',
        plan: true,
        summary: 'Move the totals',
        input: PLAN,
        intent: undefined,
        suggestions: ['Go ahead and accept edits'],
      },
      { createdAt: past(10), scopes: ['once'] },
    ),
    toolApproval(
      { summary: 'make certs' },
      {
        state: 'allowed',
        decision: { verdict: 'allow', scope: 'once', by: 'nora', via: 'telegram', at: past(700) },
        effect: { state: 'failed', reason: 'the screen had changed', at: past(699) },
      },
    ),
  );
  addFigures(scene);
}

function addFigures(scene: Scene): void {
  const span = { tokens: { input: 900_000, output: 310_000, cacheRead: 41_000_000, cacheWrite: 2_000_000 } };
  scene.usage.sessions.push(
    { machine: 'studio', ...makeUsage('5f2c9a10-aaaa') },
    { machine: 'studio', ...makeUsage('0b77e3d4-bbbb', { contextTokens: 31_000, costUsd: 0.42 }) },
    { machine: 'studio', ...makeUsage('71aa02b1-cccc', { contextTokens: 188_000, costUsd: 6.1 }) },
    {
      machine: 'studio',
      ...makeUsage('d0e1f2a3-dddd', { model: 'gpt-5-codex', contextTokens: 90_000, costUsd: 0.77 }),
    },
    { machine: 'nora-laptop', ...makeUsage('aa00bb11-eeee', { contextTokens: 64_000, costUsd: 0.9 }) },
  );
  scene.usage.machines.push(
    {
      machine: 'studio',
      agent: 'claude',
      block: { start: past(9000), end: past(-5400), ...span, costUsd: 31.2, usedPercent: 86 },
      week: { start: past(400_000), end: past(-200_000), ...span, costUsd: 212, usedPercent: 41 },
      at: past(5),
    },
    {
      machine: 'studio',
      agent: 'codex',
      block: { start: past(3000), end: past(-15_000), ...span, costUsd: 4.1 },
      at: past(5),
    },
    { machine: 'nora-laptop', agent: 'claude', scanning: { read: 810_000_000, total: 2_100_000_000 }, at: past(5) },
  );
  scene.announcements.push(
    {
      id: newId('announcement'),
      from: `${API}#5f2c9a10-aaaa`,
      text: 'Release 42 is built and all 812 tests pass. I am about to publish the candidate.',
      category: 'milestone',
      priority: 'normal',
      at: past(100),
    },
    {
      id: newId('announcement'),
      from: 'studio/infra#d0e1f2a3-dddd',
      text: 'The staging database refuses my migration: two orders have no currency. I look for where they come from.',
      category: 'difficulty',
      priority: 'high',
      at: past(900),
    },
  );
  for (let index = 0; index < 14; index += 1) {
    const kind = (['permission', 'permission', 'question', 'plan'] as const)[index % 4] ?? 'permission';
    scene.waits.push(
      makeWait(kind, kind === 'permission' ? 'Bash: npm test' : 'Which currency?', {
        since: past(600 + index * 900),
        until: past(600 + index * 900 - 20 - index * 11),
        end: index % 3 === 0 ? 'at_terminal' : 'answered',
        by: 'nora',
      }),
    );
  }
  scene.waits.unshift(makeWait('permission', 'Bash: npm publish --tag next', { since: past(95) }));
}
