/** Missions in every state that a person meets, with a log of one of them, for the mesh of scene.ts. */
import { newId } from '../../../src/protocol/ids.ts';
import type { MissionLogEntry } from '../../../src/protocol/mission.ts';
import type { Approval } from '../../../src/protocol/model.ts';
import { makeMission } from './fake-missions.ts';
import { hashOf, past, type Scene } from './scene.ts';

const RESULT = `The cart shows amounts again. **What I changed**:

- \`api/orders.ts\` keeps \`total_cents\` for one more release, filled from \`total.amount\`
- \`api/orders.test.ts\` holds both fields, also for a currency without cents
- \`CHANGELOG.md\` says that the old field goes with release 43

\`\`\`sh
npm test -- orders   # 41 passed
\`\`\`

The export job of the accountants still reads the old field. I left it as it is: it lives in another repository.`;

export const RUNNING = 'Keep total_cents for one more release and say so in the changelog';

export function addMissions(scene: Scene): void {
  const running = makeMission({
    text: `${RUNNING}.\n\nThe cart page of the storefront reads it until release 43. Run the tests of the orders before you finish.`,
    session: '5f2c9a10-aaaa',
    path: '/home/ada/code/shop/api',
    startedAt: past(196),
    createdAt: past(200),
    latest: 'npm test -- orders',
    limits: { maxDurationSeconds: 3600, maxBudgetUsd: 2 },
    approvedBy: 'nora',
    requestedBy: 'nora-laptop/shop/web',
  });
  scene.logs.set(running.id, logOf());
  const waiting = makeMission({
    project: 'infra',
    text: 'Renew the certificate of the broker',
    state: 'waiting_human',
    reason: 'Bash: make certs',
    latest: 'make certs',
    startedAt: past(900),
    createdAt: past(905),
    session: 'c41d22ee-cccc',
  });
  scene.missions.push(
    running,
    waiting,
    makeMission({
      machine: 'shed',
      project: 'sensors',
      agent: 'gemini',
      text: 'Find out why the door sensor reports every night at three',
      state: 'queued',
      position: 2,
      createdAt: past(1500),
    }),
    makeMission({
      text: 'Read the tables of last year into the new shape',
      state: 'rate_limited',
      resetAt: past(-2400),
      reason: 'the provider refuses until its limit is over',
      startedAt: past(5000),
      createdAt: past(5050),
      session: '77aa',
    }),
    makeMission({
      agent: 'codex',
      text: 'Mend what the cart page shows since this morning',
      state: 'completed',
      startedAt: past(9000),
      endedAt: past(8700),
      createdAt: past(9010),
      session: '88bb',
      isolation: 'worktree',
      path: '/home/ada/code/shop/api',
      result: {
        ...{ text: RESULT, cut: false, isError: false, exitCode: 0, costUsd: 0.4137, turns: 9, durationMs: 301_400 },
        ...{ branch: 'intercom/cart-amounts', worktreeKept: true },
        diffStat:
          ' api/orders.ts      | 12 ++++++++++--\n api/orders.test.ts | 31 ++++++++++++++++++\n CHANGELOG.md | 2 ++',
      },
    }),
    makeMission({
      text: 'Upgrade the cluster to 1.34',
      project: 'infra',
      state: 'failed',
      reason: 'the agent ended with exit status 1: no space left on device',
      startedAt: past(20_000),
      endedAt: past(19_800),
      createdAt: past(20_010),
      session: '99cc',
    }),
    makeMission({
      text: 'Draw the new icons',
      state: 'cancelled',
      reason: 'cancelled by tom',
      startedAt: past(40_000),
      endedAt: past(39_000),
      createdAt: past(40_010),
    }),
  );
  scene.approvals.unshift(launchApproval(), toolApproval(waiting.id));
}

export function launchApproval(over: Partial<Approval> = {}): Approval {
  const subject: Approval['subject'] = {
    kind: 'launch',
    missionId: newId('mission'),
    threadId: newId('thread'),
    from: 'nora-laptop/shop/web#9e8d7c6b-dddd',
    to: 'studio/shop/api',
    agent: 'claude',
    runtime: 'terminal',
    path: '/home/ada/code/shop/api',
    flags: ['--model', 'sonnet'],
    isolation: 'worktree',
    limits: { maxDurationSeconds: 1800, maxBudgetUsd: 1.5 },
    depth: 1,
    body: 'Add an index for the search by customer, and measure it with the data of the staging copy.',
  };
  return approval(subject, over);
}

export function toolApproval(missionId: string | undefined, over: Partial<Approval> = {}): Approval {
  const subject: Approval['subject'] = {
    kind: 'tool',
    from: 'studio/infra#c41d22ee-cccc',
    agent: 'claude',
    ...(missionId === undefined ? {} : { missionId }),
    tool: 'Bash',
    summary: 'make certs HOST=broker.home',
    input: 'make certs HOST=broker.home\nsystemctl reload mosquitto',
    cut: false,
    cwd: '/home/ada/code/infra',
    intent: 'Renew the certificate and let the broker read it',
    suggestions: [
      'Always allow Bash(make certs:*) for this project',
      'Switch to the mode "accept edits" for this session',
    ],
  };
  return approval(subject, over);
}

function approval(subject: Approval['subject'], over: Partial<Approval>): Approval {
  return {
    id: newId('approval'),
    kind: subject.kind,
    state: 'pending',
    subject,
    shownHash: hashOf(subject),
    rule: 'built-in: what nobody has allowed is asked for',
    scopes: ['once', 'mission', 'session', 'always'],
    createdAt: past(25),
    expiresAt: past(-86_000),
    ...over,
  };
}

function logOf(): MissionLogEntry[] {
  const lines: readonly (readonly [MissionLogEntry['kind'], string, Partial<MissionLogEntry>?])[] = [
    ['state', 'asked for by nora-laptop/shop/web; approved by nora'],
    ['state', 'starting'],
    ['prompt', RUNNING],
    ['state', 'running'],
    ['text', 'I look at where the field is read first.'],
    ['tool', 'Grep total_cents'],
    ['done', 'Grep: 14 matches', { ok: true }],
    ['file', 'Edit api/orders.ts', { detail: '-  total,\n+  total,\n+  total_cents: cents(total),' }],
    ['file', 'Edit api/orders.test.ts'],
    ['command', 'npm test -- orders', { detail: 'FAIL api/orders.test.ts\n  expected 4190 to be 4191' }],
    ['done', 'npm test -- orders', { ok: false }],
    ['text', 'A rounding: the amount is a decimal string, so I count in cents from the digits instead of multiplying.'],
    ['file', 'Edit api/orders.ts'],
    ['command', 'npm test -- orders'],
  ];
  return lines.map(([kind, label, more], index) => ({
    ...{ seq: index + 1, run: 1, at: past(196 - index * 13), kind, label },
    ...more,
  }));
}
