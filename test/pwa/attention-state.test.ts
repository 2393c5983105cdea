/** Usage, announcements and waits in the app's state; what an event is worth telling; how a person wants to be told. */
import { describe, expect, it } from 'vitest';
import {
  ANNOUNCED_MAX,
  newestWaits,
  USED_MAX,
  usageInto,
  type AttentionState,
} from '../../pwa/src/core/attention-state.ts';
import { contextShare, modelName, money, shortCount } from '../../pwa/src/core/attention-words.ts';
import { diffLines, looksLikeDiff } from '../../pwa/src/core/diff.ts';
import { newsOf } from '../../pwa/src/core/news.ts';
import { channelsOf, liveMutes, tomorrow, withChannel, withMute, withoutMute } from '../../pwa/src/core/preferences.ts';
import type { MeshState } from '../../pwa/src/core/state.ts';
import type { NewHubEvent } from '../../src/protocol/events.ts';
import { Preferences, type Announcement, type SessionUsage, type Wait } from '../../src/protocol/attention.ts';
import { newId } from '../../src/protocol/ids.ts';
import { after, agent, machine, mesh, numbered, permission, session, T0, time } from './support/mesh.ts';

const tokens = { input: 1, output: 2, cacheRead: 3, cacheWrite: 4 };
const used = (id: string, over: Partial<SessionUsage> = {}): SessionUsage => ({
  session: id,
  tokens,
  at: time(0),
  ...over,
});
const studio = machine('studio');

describe('usage', () => {
  it('of a session and of a machine’s agent is replaced whole, and each machine has its own', () => {
    const state = mesh({
      usage: {
        sessions: [{ machine: 'studio', ...used('session-one', { costUsd: 1 }) }],
        machines: [{ machine: 'studio', agent: 'codex', at: time(0) }],
      },
    });
    const next = after(state, {
      type: 'usage.changed',
      machineId: 'studio',
      usage: {
        sessions: [used('session-one', { contextTokens: 5 })],
        machine: [{ agent: 'claude', at: time(1), scanning: { read: 1, total: 2 } }],
      },
    });
    const other = after(next, {
      type: 'usage.changed',
      machineId: 'laptop',
      usage: { sessions: [used('session-one')], machine: [] },
    });
    expect(other.attention.sessions.get('studio#session-one')).toEqual(used('session-one', { contextTokens: 5 }));
    expect(other.attention.sessions.get('laptop#session-one')).toEqual(used('session-one'));
    expect(other.attention.machines.get('studio')?.map(({ agent: name }) => name)).toEqual(['claude', 'codex']);
  });

  it('is bounded: sessions that were told of longest ago go', () => {
    let state: AttentionState = mesh().attention;
    for (let from = 0; from <= USED_MAX; from += 200) {
      const sessions = Array.from({ length: 200 }, (_, index) => used(`s${from + index}`));
      state = usageInto(state, 'studio', { sessions, machine: [] });
    }
    expect(state.sessions.size).toBe(USED_MAX);
    expect([state.sessions.has('studio#s0'), state.sessions.has(`studio#s${USED_MAX + 100}`)]).toEqual([false, true]);
  });

  it.each([
    [812, '812'],
    [12_400, '12.4k'],
    [999_499, '999k'],
    [999_500, '1M'],
    [44_210_000, '44.2M'],
    [1_200_000_000, '1.2B'],
  ])('writes %d tokens as %s', (count, text) => {
    expect(shortCount(count)).toBe(text);
  });

  it('is written as people say it', () => {
    expect([money(0), money(0.004), money(1.839), money(212.4)]).toEqual(['$0.00', 'under $0.01', '$1.84', '$212']);
    expect(['claude-opus-4-1-20250805', 'gpt-5-codex', 'claude-sonnet-5'].map(modelName)).toEqual([
      'opus-4-1',
      'gpt-5-codex',
      'sonnet-5',
    ]);
    expect(contextShare(used('a', { contextTokens: 50, contextWindow: 200 }))).toBe(0.25);
    expect(contextShare(used('a', { contextTokens: 50 }))).toBeUndefined();
  });
});

function said(text: string, over: Partial<Announcement> = {}): Announcement {
  const id = newId('announcement');
  return { id, from: 'studio/shop#session-one', text, category: 'milestone', priority: 'normal', at: time(0), ...over };
}

function wait(id: string, at: number, over: Partial<Wait> = {}): Wait {
  const where = { machine: 'studio', project: 'shop', session: 'session-one', agent: 'claude' };
  return { id, ...where, kind: 'permission', what: 'x', since: time(at), ...over };
}

describe('announcements and waits', () => {
  it('are kept newest first and bounded, each once', () => {
    let state = mesh({ announcements: [said('old')] });
    const again = said('again');
    for (let index = 0; index < ANNOUNCED_MAX; index += 1) {
      state = after(state, { type: 'announcement', announcement: index % 2 === 0 ? again : said(`${index}`) });
    }
    const texts = state.attention.announcements.map(({ text }) => text);
    expect(texts.filter((text) => text === 'again')).toHaveLength(1);
    expect(texts.slice(0, 2)).toEqual([`${ANNOUNCED_MAX - 1}`, 'again']);
    expect(texts.length).toBeLessThanOrEqual(ANNOUNCED_MAX);
  });

  it('a wait whose end is known does not open again by an older telling', () => {
    const [a, b] = [newId('wait'), newId('wait')];
    const page = [wait(b, 2), wait(a, 1, { until: time(5), end: 'answered' })];
    const told = new Map([
      [a, wait(a, 1)],
      [b, wait(b, 2, { until: time(9), end: 'gone' })],
    ]);
    expect(newestWaits(page, told).map(({ id, end }) => [id, end])).toEqual([
      [b, 'gone'],
      [a, 'answered'],
    ]);
  });
});

describe('news for who looks at another screen', () => {
  const waiting = session('session-one', 'waiting', { waiting: { kind: 'trust', what: 'Trust this folder?' } });
  const base = mesh({ machines: [studio], agents: [agent(studio, 'shop', [session('session-one', 'idle')])] });
  const news = (state: MeshState, event: NewHubEvent) => newsOf(state, numbered(state, event));

  it('say what a session asks, one line per session, and go when it is answered', () => {
    const approval = permission('studio/shop#session-one', 1);
    const told = news(base, { type: 'approval.changed', approval });
    expect(told).toMatchObject({ do: 'tell', key: 'studio#session-one', tone: 'wait', text: 'shop: npm publish' });
    const state = after(base, { type: 'approval.changed', approval });
    expect(news(state, { type: 'approval.changed', approval })).toBeUndefined();
    const decided = { ...approval, state: 'allowed' as const };
    expect(news(state, { type: 'approval.changed', approval: decided })).toEqual({
      do: 'clear',
      key: 'studio#session-one',
    });
  });

  it('tell again when what is asked changed', () => {
    const approval = permission('studio/shop#session-one', 1);
    const state = after(base, { type: 'approval.changed', approval });
    const changed = { ...approval, shownHash: 'b'.repeat(64) };
    expect(news(state, { type: 'approval.changed', approval: changed })).toMatchObject({ do: 'tell' });
  });

  it('seed: a decision that did not come to be is told as such', () => {
    const approval = permission('studio/shop#session-one', 1, {
      state: 'allowed',
      effect: { state: 'failed', reason: 'the screen had changed', at: time(3) },
    });
    expect(news(base, { type: 'approval.changed', approval })).toMatchObject({
      tone: 'bad',
      text: 'Not done: the screen had changed (shop: npm publish)',
    });
  });

  it('tell of a session that only its terminal can answer, once; and not twice of one that has a card', () => {
    const event = { type: 'session.changed', machineId: 'studio', session: waiting } as const;
    expect(news(base, event)).toMatchObject({ text: 'shop: Asks to trust a folder. Trust this folder?' });
    expect(news(after(base, event), event)).toBeUndefined();
    const asks = session('session-one', 'waiting', { waiting: { kind: 'question', what: 'Which?' } });
    expect(news(base, { ...event, session: asks })).toBeUndefined();
  });

  it('leave out what is of low priority', () => {
    expect(news(base, { type: 'announcement', announcement: said('x', { priority: 'low' }) })).toBeUndefined();
    expect(news(base, { type: 'announcement', announcement: said('Done.') })).toMatchObject({
      tone: 'calm',
      text: 'shop: Done.',
    });
  });
});

describe('preferences', () => {
  const nothing = Preferences.parse({});

  it('are the defaults until something else was said, and a change says nothing of the others', () => {
    expect([channelsOf(nothing, 'permission'), channelsOf(nothing, 'done')]).toEqual([['telegram', 'push'], []]);
    const quieter = Preferences.parse({ channels: { stall: [] } });
    expect(withChannel(quieter, 'permission', 'telegram', false)).toEqual({
      channels: { permission: ['push'] },
    });
    expect(withChannel(quieter, 'done', 'push', true)).toEqual({ channels: { done: ['push'] } });
  });

  it('have one mute per pattern, without the ones that ran out', () => {
    const held = Preferences.parse({ mutes: [{ pattern: 'a/*', until: time(-1) }, { pattern: 'b/*' }] });
    expect(liveMutes(held, T0)).toEqual([{ pattern: 'b/*' }]);
    expect(withMute(held, 'b/*', time(60), T0)).toEqual({ mutes: [{ pattern: 'b/*', until: time(60) }] });
    expect(withoutMute(held, 'b/*', T0)).toEqual({ mutes: [] });
  });

  it('tomorrow is the next morning at eight', () => {
    const evening = new Date(2026, 2, 28, 23, 30).getTime();
    expect(tomorrow(evening)).toBe(new Date(2026, 2, 29, 8).toISOString());
  });
});

describe('edits', () => {
  it('are known by their lines, and commands are not taken for them', () => {
    expect(looksLikeDiff('src/a.ts\n\n- let a;\n+ const a;')).toBe(true);
    expect(looksLikeDiff('@@ -1 +1 @@\n-a\n+b')).toBe(true);
    expect(looksLikeDiff('npm test -- orders\n\ndescription: Run them')).toBe(false);
    expect(looksLikeDiff('')).toBe(false);
    expect(diffLines('f\n- a\n+ b').map(({ kind }) => kind)).toEqual(['plain', 'removed', 'added']);
  });
});
