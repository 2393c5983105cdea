/** Usage, announcements, presence and preferences: bounded, kept as said, and only the newest word. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MachineUsage, PreferencesPatch, SessionUsage } from '../../../src/protocol/attention.ts';
import { AnnounceRequest } from '../../../src/protocol/machine-api.ts';
import { DEFAULT_RETENTION, Housekeeping } from '../../../src/hub/store/housekeeping.ts';
import { silentLog } from '../../../src/platform/log.ts';
import { OWNER, sessionOf, TestHub } from '../../support/hub-core.ts';

let hub: TestHub;
beforeEach(async () => {
  hub = await TestHub.start();
  await hub.machine('laptop', ['app'], [sessionOf('sess-1'), sessionOf('sess-2')]);
});
afterEach(() => hub.close());

const now = (): string => new Date(hub.clock.now()).toISOString();
const tokens = { input: 10, output: 20, cacheRead: 30, cacheWrite: 40 };
const used = (session: string, input: number): SessionUsage =>
  SessionUsage.parse({ session, model: 'opus', tokens: { ...tokens, input }, at: now() });
const program = (agent: string): MachineUsage => MachineUsage.parse({ agent, at: now() });
const usageEvents = () => hub.heard.filter(({ type }) => type === 'usage.changed');

describe('usage', () => {
  it('seed: two machines overwrote each other’s usage: is the newest word on each session and program of each machine; the same again is no news', async () => {
    await hub.machine('server', ['api'], [sessionOf('sess-1', 'api')]);
    const { attention } = hub.core;
    await attention.usageChanged('laptop', {
      sessions: [used('sess-1', 1), used('sess-2', 2)],
      machine: [program('claude')],
    });
    await attention.usageChanged('server', { sessions: [used('sess-1', 9)], machine: [program('claude')] });
    const older = used('sess-1', 5);
    await hub.advance(1_000);
    const newer = used('sess-1', 7);
    await attention.usageChanged('laptop', { sessions: [newer], machine: [] });
    await attention.usageChanged('laptop', { sessions: [newer, older], machine: [] });
    expect(usageEvents()).toHaveLength(3);
    const { sessions, machines } = await attention.usage();
    const shown = sessions.map(({ machine, session, tokens: { input } }) => `${machine} ${session} ${input}`).sort();
    expect(shown).toEqual(['laptop sess-1 7', 'laptop sess-2 2', 'server sess-1 9']);
    expect(machines.map(({ machine, agent }) => `${machine} ${agent}`)).toEqual(['laptop claude', 'server claude']);
  });

  it('goes with its machine, and is forgotten some days after its session', async () => {
    await hub.core.attention.usageChanged('laptop', {
      sessions: [used('sess-1', 1), used('sess-2', 2)],
      machine: [program('claude')],
    });
    await hub.core.registry.sessionsChanged('laptop', [{ ...sessionOf('sess-1'), state: 'ended' }]);
    expect((await hub.core.attention.usage()).sessions.map(({ session }) => session)).toEqual(['sess-2']);
    await hub.advance(8 * 24 * 3600_000);
    await new Housekeeping(hub.store, hub.clock, silentLog(), DEFAULT_RETENTION).forget();
    const left = () => hub.store.read((db) => db.selectFrom('usage').select('subject').orderBy('subject').execute());
    expect((await left()).map(({ subject }) => subject)).toEqual(['sess-2']);
    await hub.core.registry.remove(OWNER, 'laptop');
    expect(await left()).toEqual([]);
  });
});

describe('an announcement', () => {
  const say = (text: string, more: object = {}) =>
    hub.core.attention.announce(
      'laptop',
      AnnounceRequest.parse({ fromProject: 'app', fromSession: 'sess-1', text, ...more }),
    );

  it('is of the session as the hub knows it, kept in the log, and says how many look', async () => {
    const page = hub.core.attention.page('ada');
    expect(await say('half way')).toMatchObject({ listeners: 0 });
    page.looking(true);
    page.looking(true);
    hub.core.attention.page('bob').looking(true);
    expect(await say('done', { fromProject: 'forged', category: 'summary', priority: 'high' })).toMatchObject({
      listeners: 2,
    });
    await hub.restart();
    expect(await hub.core.attention.announcements(10)).toMatchObject([
      { text: 'done', from: 'laptop/app#sess-1', category: 'summary', priority: 'high' },
      { text: 'half way', category: 'milestone' },
    ]);
    expect(await hub.core.attention.announcements(1)).toHaveLength(1);
  });

  it('is refused of a stranger, with control characters, and where a session says too much', async () => {
    await expect(say('x', { fromSession: 'sess-9' })).rejects.toMatchObject({ code: 'unknown_session' });
    await expect(say('x', { fromSession: undefined, fromProject: 'other' })).rejects.toMatchObject({
      code: 'unknown_project',
    });
    await expect(say('\u001b[31mred')).rejects.toMatchObject({ code: 'invalid_request', field: 'text' });
    for (let i = 0; i < 20; i += 1) await say(`step ${i}`);
    await expect(say('one more')).rejects.toMatchObject({ code: 'limit_reached' });
    await say('another session may', { fromSession: 'sess-2' });
    await hub.advance(60_000);
    await say('later again');
  });
});

describe('presence', () => {
  it('counts the pages of each operator that are looked at, and no page twice', () => {
    const { attention } = hub.core;
    const [one, two] = [attention.page('ada'), attention.page('ada')];
    one.looking(true);
    two.looking(true);
    two.looking(false);
    expect(attention.presence()).toEqual({ operators: [{ operator: 'ada', pages: 1, since: now() }] });
    one.close();
    one.looking(true);
    one.close();
    expect(attention.presence().operators).toEqual([]);
  });
});

describe('preferences', () => {
  const change = (patch: object, operator = 'ada') =>
    hub.core.attention.changePreferences(operator, PreferencesPatch.parse(patch));

  it('are changed where they are named, kind by kind; null takes away; they outlive a restart', async () => {
    const quiet = { from: '22:00', to: '07:00', timeZone: 'Europe/Paris' };
    await change({
      channels: { stall: [], done: ['push'] },
      quiet,
      muteUntil: '2030-01-01T00:00:00.000Z',
      digestMinutes: 15,
    });
    await change({ channels: { stall: ['push'] }, mutes: [{ pattern: 'laptop/*' }] });
    const after = await change({ muteUntil: null });
    expect(after).toEqual({
      ...{ channels: { stall: ['push'], done: ['push'] }, mutes: [{ pattern: 'laptop/*' }], quiet, digestMinutes: 15 },
    });
    await hub.restart();
    expect(await hub.core.attention.preferences('ada')).toEqual(after);
    expect(await hub.core.attention.preferences('bob')).toEqual({ channels: {}, mutes: [], digestMinutes: 0 });
    expect(await change({ quiet: null, mutes: [] })).not.toHaveProperty('quiet');
  });

  it.each([
    [{ quiet: { from: '22:00', to: '07:00', timeZone: 'Mars/Olympus' } }, 'quiet.timeZone'],
    [{ mutes: [{ pattern: '**' }, { pattern: '{a' }] }, 'mutes.1.pattern'],
  ])('%j is refused', async (patch, field) => {
    await expect(change(patch)).rejects.toMatchObject({ code: 'invalid_request', field });
    expect(await hub.core.attention.preferences('ada')).toEqual({ channels: {}, mutes: [], digestMinutes: 0 });
  });
});
