/** The notifier on a real hub: what is shown, whom it rings, what is withdrawn and how, and what a restart leaves of it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PreferencesPatch, SessionWait } from '../../../src/protocol/attention.ts';
import { RaiseApproval } from '../../../src/protocol/machine-api.ts';
import type { Session } from '../../../src/protocol/model.ts';
import type { NoticeWord } from '../../../src/hub/services.ts';
import { sessionOf, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
let words: NoticeWord[];

beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app'], [sessionOf('sess-1')]);
  listen();
});
afterEach(() => hub.close());

function listen(): void {
  words = [];
  hub.core.notifier.subscribe((word) => void words.push(word));
}

const PUBLISH: SessionWait = { kind: 'permission', what: 'Bash: npm publish' };
const KEY = 'session:laptop/sess-1';
const ALL = ['ada', 'bob', 'eve'];

function said(state: Session['state'], waiting?: SessionWait, more: Partial<Session> = {}): Promise<void> {
  const stateSince = new Date(hub.clock.now()).toISOString();
  const session = { ...sessionOf('sess-1'), state, stateSince, ...(waiting === undefined ? {} : { waiting }), ...more };
  return hub.core.registry.sessionsChanged('laptop', [session]);
}
function dialog(ref: string, summary = 'npm publish'): ReturnType<TestHub['core']['dialogs']['raise']> {
  const tool = { kind: 'tool', from: 'laptop/app', agent: 'claude', tool: 'Bash', cwd: '/home/x/app' };
  const subject = { ...tool, summary, input: summary };
  return hub.core.dialogs.raise('laptop', RaiseApproval.parse({ ref, session: 'sess-1', subject }));
}
const prefer = (patch: PreferencesPatch, operator = 'ada') => hub.core.attention.changePreferences(operator, patch);
const shows = () => words.filter((word) => word.word === 'show');
const said500 = (): Promise<void> => hub.advance(500);

describe('a notice', () => {
  it('holds what is asked, rings everybody once, and is withdrawn with who answered, where', async () => {
    const { id } = await dialog('dialog-1');
    await said('waiting', PUBLISH);
    expect(words).toEqual([]);
    await said500();
    expect(words).toMatchObject([
      {
        word: 'show',
        again: false,
        ring: { telegram: ALL, push: ALL },
        notice: { key: id, kind: 'permission', title: 'laptop/app asks for permission', text: 'Bash: npm publish' },
      },
    ]);
    await hub.allow((await hub.pending())[0]);
    expect(words.slice(1)).toEqual([{ word: 'withdraw', key: id, how: 'Allowed by bob in Telegram' }]);
    // The session has not gone on yet; that its prompt was answered is known.
    await said500();
    await said('working');
    await said500();
    expect(words).toHaveLength(2);
  });

  it('of a session without an approval says how it was answered', async () => {
    await said('waiting', { kind: 'rate_limit', what: 'the limit of five hours', resetAt: '2026-11-21T18:00:00.000Z' });
    await said500();
    expect(shows()[0]?.notice).toMatchObject({
      ...{ key: KEY, kind: 'rate_limit', about: 'laptop/app#sess-1', title: 'laptop/app has reached a limit' },
      text: 'the limit of five hours\nIt ends at 2026-11-21 18:00 UTC.',
    });
    await said('working');
    await said('waiting', { kind: 'question', what: 'Which port?' });
    await said500();
    await said('idle');
    expect(words.slice(1)).toMatchObject([
      { word: 'withdraw', key: KEY, how: 'The limit is over' },
      { word: 'show', notice: { key: KEY, kind: 'question' } },
      { word: 'withdraw', key: KEY, how: 'Answered at the terminal' },
    ]);
  });

  it('never shows where policy, a person or the terminal was quicker than half a second', async () => {
    hub.policy('rules: [{ type: tool, tool: Bash, message_pattern: "^npm test", approval: never }]');
    await dialog('dialog-1', 'npm test');
    await dialog('dialog-2');
    await said('waiting', PUBLISH);
    await hub.advance(400);
    await hub.core.dialogs.close('laptop', { ref: 'dialog-2', outcome: 'answered_elsewhere', verdict: 'allow' });
    await said('working');
    await hub.advance(10_000);
    expect(words).toEqual([]);
  });

  it('seed: the real prompt that appears while still waiting is not suppressed by the debounce of the first', async () => {
    await said('waiting', { kind: 'dialog', what: 'permission prompt' });
    await hub.advance(400);
    await said('waiting', PUBLISH);
    await hub.advance(100);
    expect(shows().map(({ notice }) => notice.text)).toEqual(['Bash: npm publish']);
  });

  it('seed: a prompt that changes while still waiting rings again, replacing the first', async () => {
    await said('waiting', PUBLISH);
    await said500();
    await hub.advance(5_000);
    await said('waiting', { kind: 'permission', what: 'Bash: rm -rf build' });
    await said500();
    const [first, second] = shows();
    expect(second).toMatchObject({ again: true, ring: first?.ring, notice: { key: KEY, text: 'Bash: rm -rf build' } });
    expect(words).toHaveLength(2);
  });

  it('told more exactly is replaced without ringing again', async () => {
    await said('waiting', { kind: 'dialog', what: 'permission prompt' });
    await said500();
    await said('waiting', PUBLISH);
    await said500();
    expect(shows()[1]).toMatchObject({
      again: false,
      ring: { telegram: [], push: [] },
      notice: { text: PUBLISH.what },
    });
  });

  it('seed: parallel requests of one session are two notices; each goes with its own answer', async () => {
    const [one, two] = [await dialog('dialog-1', 'npm test'), await dialog('dialog-2', 'npm publish')];
    await said('waiting', PUBLISH);
    await said500();
    expect(shows().map(({ notice }) => notice.key)).toEqual([one.id, two.id]);
    await hub.deny(await hub.core.approvals.get(one.id));
    expect(words.at(-1)).toEqual({ word: 'withdraw', key: one.id, how: 'Denied by bob in Telegram' });
  });

  it('comes back where a decision did not reach its session, and where nobody decided in time', async () => {
    await said('waiting', PUBLISH);
    const { id } = await dialog('dialog-1');
    await said500();
    await hub.allow((await hub.pending())[0]);
    await hub.core.dialogs.effect('laptop', { ref: 'dialog-1', state: 'failed', reason: 'the screen had changed' });
    await said500();
    expect(words.map((word) => (word.word === 'show' ? word.notice.key : word.word))).toEqual([id, 'withdraw', KEY]);
  });

  it('of a session that is silent goes when it is heard again; the end of its work is told to those who want it', async () => {
    await said('working', undefined, { stalledSince: new Date(hub.clock.now()).toISOString() });
    await said500();
    await said('working');
    await said('idle');
    await said500();
    expect(words).toMatchObject([{ notice: { kind: 'stall' } }, { word: 'withdraw', how: 'It goes on' }]);
    await prefer({ channels: { done: ['push'] } });
    await said('working');
    await said('idle');
    await said500();
    expect(words.at(-1)).toMatchObject({ notice: { kind: 'done' }, ring: { telegram: [], push: ['ada'] } });
    await said('ended');
    expect(words.at(-1)).toEqual({ word: 'withdraw', key: KEY, how: 'The session ended' });
  });

  it('is taken away with a machine that is away, and back without ringing', async () => {
    await said('waiting', PUBLISH);
    await said500();
    await hub.advance(60_000);
    expect(words.at(-1)).toEqual({ word: 'withdraw', key: KEY, how: 'laptop is away' });
    await hub.beat('laptop');
    await said500();
    expect(words.at(-1)).toMatchObject({ word: 'show', ring: { telegram: [], push: [] }, notice: { key: KEY } });
  });
});

describe('an operator', () => {
  it('who looks is not rung, and is again when the page is closed', async () => {
    const page = hub.core.attention.page('bob');
    page.looking(true);
    expect(hub.core.attention.presence().operators).toMatchObject([{ operator: 'bob', pages: 1 }]);
    await said('waiting', PUBLISH);
    await said500();
    page.close();
    await said('waiting', { kind: 'question', what: 'Which port?' });
    await hub.advance(2_000);
    expect(shows().map(({ ring }) => ring.push)).toEqual([['ada', 'eve'], ALL]);
  });

  it('in quiet hours is told afterwards, together, of what still waits', async () => {
    await prefer({ quiet: { from: '14:00', to: '14:40', timeZone: 'UTC' } });
    const asked = [await dialog('dialog-1'), await dialog('dialog-2', 'npm test'), await dialog('dialog-3', 'npm ci')];
    await said500();
    expect(shows().map(({ ring }) => ring.push)).toEqual([
      ['bob', 'eve'],
      ['bob', 'eve'],
      ['bob', 'eve'],
    ]);
    await hub.allow(await hub.core.approvals.get(asked[0]?.id ?? ''));
    await hub.advance(39 * 60_000);
    expect(words.some(({ word }) => word === 'digest')).toBe(false);
    await hub.advance(60_000);
    expect(words.at(-1)).toMatchObject({
      word: 'digest',
      notices: [{ key: asked[1]?.id }, { key: asked[2]?.id }],
      ring: { telegram: ['ada'], push: ['ada'] },
    });
  });

  it('who wants a digest is told of what is not urgent together', async () => {
    await prefer({ digestMinutes: 10 });
    await hub.machine('server', ['api']);
    await hub.send('laptop', { to: 'server/api', body: 'one' });
    await hub.advance(60_000);
    await hub.send('laptop', { to: 'server/api', body: 'two', kind: 'chat' });
    await dialog('dialog-1');
    await hub.advance(1_000);
    expect(shows().map(({ notice, ring }) => [notice.kind, ring.push.includes('ada')])).toEqual([
      ['message', false],
      ['message', false],
      ['permission', true],
    ]);
    await hub.advance(10 * 60_000);
    expect(words.filter(({ word }) => word === 'digest')).toMatchObject([
      { notices: [{ text: 'one' }, { text: 'two' }], ring: { telegram: ['ada'], push: ['ada'] } },
    ]);
  });
});

describe('after a restart', () => {
  it('what stood is shown again and rings nobody; what came in the last moment rings; what was held back is still told', async () => {
    await prefer({ quiet: { from: '13:00', to: '14:30', timeZone: 'UTC' } });
    const { id } = await dialog('dialog-1');
    await hub.advance(5_000);
    const young = await dialog('dialog-2', 'npm test');
    await hub.restart();
    listen();
    expect(shows()).toMatchObject([{ notice: { key: id }, ring: { telegram: [], push: [] }, again: false }]);
    await said500();
    expect(shows()[1]).toMatchObject({ notice: { key: young.id }, ring: { push: ['bob', 'eve'] } });
    await hub.advance(30 * 60_000);
    expect(words.at(-1)).toMatchObject({
      word: 'digest',
      notices: [{ key: id }, { key: young.id }],
      ring: { push: ['ada'] },
    });
  });

  it('a machine that was away then comes back, and nobody is rung for what its sessions asked before', async () => {
    const asked = { ...sessionOf('sess-1'), state: 'waiting' as const, waiting: PUBLISH };
    await hub.core.registry.sessionsChanged('laptop', [asked]);
    await said500();
    hub.clock.jump(3600_000);
    await hub.restart();
    listen();
    await said500();
    expect(words).toEqual([]);
    await hub.hello('laptop', ['app'], [asked, { ...asked, id: 'sess-2' }]);
    await said500();
    expect(shows().map(({ notice, ring }) => [notice.key, ring.push])).toEqual([
      [KEY, []],
      ['session:laptop/sess-2', ALL],
    ]);
  });
});
