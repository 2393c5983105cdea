/** The words of /mute, /unmute and /quiet. */
import { expect, it } from 'vitest';
import { preferenceCommand, spanOf } from '../../../src/hub/telegram/preference-commands.ts';
import { FakeAttention } from './fake-attention.ts';

const now = Date.UTC(2026, 10, 21, 14);
const actor = { operator: { name: 'ann', role: 'owner' }, via: 'telegram' } as const;

async function after(...commands: readonly string[]): Promise<{ said: string; stored: unknown }> {
  const attention = new FakeAttention(() => []);
  let lines: string[] | undefined = [];
  for (const command of commands) {
    const [name = '', ...args] = command.split(' ');
    lines = await preferenceCommand(name, args.join(' '), { attention: attention.services(), actor, now });
  }
  return { said: (lines ?? []).join('\n'), stored: attention.preferencesOf.get('ann') };
}

it.each([
  ['30m', 1_800_000],
  ['2h', 7_200_000],
  ['2 hours', 7_200_000],
  ['1d', 86_400_000],
  ['1W', 604_800_000],
  ['0h', undefined],
  ['53w', undefined],
  ['2', undefined],
  ['h', undefined],
  ['-1h', undefined],
  ['2h30', undefined],
])('a span: %s', (text, ms) => {
  expect(spanOf(text)).toBe(ms);
});

it.each([
  [['mute 2h'], { muteUntil: '2026-11-21T16:00:00.000Z' }],
  [['mute 2 hours'], { muteUntil: '2026-11-21T16:00:00.000Z' }],
  [['mute laptop/*'], { mutes: [{ pattern: 'laptop/*' }] }],
  [['mute laptop/* 1d'], { mutes: [{ pattern: 'laptop/*', until: '2026-11-22T14:00:00.000Z' }] }],
  [['mute laptop/* 1d', 'mute laptop/*', 'mute **'], { mutes: [{ pattern: 'laptop/*' }, { pattern: '**' }] }],
  [['mute a/b', 'mute 1h', 'unmute'], { mutes: [] }],
  [['quiet 22:00-07:00 Europe/Paris'], { quiet: { from: '22:00', to: '07:00', timeZone: 'Europe/Paris' } }],
  [['quiet 22:00 – 7:30 UTC', 'quiet 23:00-8:00'], { quiet: { from: '23:00', to: '08:00', timeZone: 'UTC' } }],
])('%j', async (commands, stored) => {
  expect((await after(...commands)).stored).toMatchObject(stored);
});

it.each([
  ['mute', 'Everything rings for you.'],
  ['mute for a while', 'Say for how long'],
  ['mute laptop', 'Say for how long'],
  ['mute laptop/* soon', 'Say for how long'],
  ['mute 900w', 'Say for how long'],
  ['unmute x/y', 'Nothing is muted as <code>x/y</code>'],
  ['quiet', 'Say from when to when'],
  ['quiet at night', 'Say from when to when'],
  ['quiet 25:00-07:00 UTC', 'Say from when to when'],
  ['quiet 07:00-07:00 UTC', 'Say from when to when'],
  ['quiet 22:00-07:00', 'Which time zone'],
])('%s: changes nothing, and says what to write', async (command, words) => {
  const { said, stored } = await after(command);
  expect(said).toContain(words);
  expect(stored).toBeUndefined();
});

it('quiet hours end with off, a mute with /unmute; what holds is said', async () => {
  expect((await after('quiet 22:00-07:00 UTC', 'quiet off')).stored).not.toHaveProperty('quiet');
  const { stored, said } = await after('mute 2h', 'unmute');
  expect(stored).not.toHaveProperty('muteUntil');
  expect(said).toBe('🔔 Everything rings for you.');
  expect((await after('mute 2h', 'mute')).said).toContain(
    '🔕 Nothing rings for you until 21 Nov 16:00 UTC. /unmute ends that.',
  );
});
