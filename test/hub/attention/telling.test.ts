/** Who is told of what, and when: the whole table, and what always holds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isUrgent, tellingOf } from '../../../src/hub/attention/telling.ts';
import { NoticeKind, Preferences } from '../../../src/protocol/attention.ts';

const NOON = Date.parse('2026-06-01T12:00:00Z');
const NIGHT = Date.parse('2026-06-01T23:00:00Z');
const quiet = { from: '22:00', to: '07:00', timeZone: 'UTC' };
const morning = Date.parse('2026-06-02T07:00:00Z');

type Given = Parameters<typeof Preferences.parse>[0];
function telling(
  kind: NoticeKind,
  preferences: Given,
  now = NOON,
  more: { looking?: boolean; gathered?: boolean } = {},
) {
  const notice = { kind, about: 'laptop/app#sess-1' };
  return tellingOf(notice, Preferences.parse(preferences), { now, looking: false, ...more });
}

describe('an operator is told', () => {
  it.each<[string, NoticeKind, Given, number, object]>([
    [
      'by both channels, unless told otherwise',
      'permission',
      {},
      NOON,
      { tell: 'now', channels: ['telegram', 'push'] },
    ],
    [
      'by the channels of the kind',
      'stall',
      { channels: { stall: ['push'] } },
      NOON,
      { tell: 'now', channels: ['push'] },
    ],
    ['never, where the kind has no channel', 'permission', { channels: { permission: [] } }, NOON, { tell: 'never' }],
    ['never of the end of a turn, unless they want it', 'done', {}, NOON, { tell: 'never' }],
    [
      'of the end of a turn, if they want it',
      'done',
      { channels: { done: ['push'] } },
      NOON,
      { tell: 'now', channels: ['push'] },
    ],
    ['never of what is muted', 'question', { mutes: [{ pattern: 'laptop/*' }] }, NOON, { tell: 'never' }],
    [
      'never of a session that is muted',
      'question',
      { mutes: [{ pattern: 'laptop/app#sess-1' }] },
      NOON,
      { tell: 'never' },
    ],
    [
      'of what is muted elsewhere',
      'question',
      { mutes: [{ pattern: 'server/**' }], channels: { question: ['push'] } },
      NOON,
      { tell: 'now', channels: ['push'] },
    ],
    [
      'when the mute is over',
      'question',
      { mutes: [{ pattern: '**', until: '2026-06-01T11:59:00.000Z' }], channels: { question: ['push'] } },
      NOON,
      { tell: 'now', channels: ['push'] },
    ],
    [
      'never until the general mute ends',
      'permission',
      { muteUntil: '2026-06-01T13:00:00.000Z' },
      NOON,
      { tell: 'never' },
    ],
    ['after the quiet hours', 'permission', { quiet }, NIGHT, { tell: 'later', at: morning }],
    ['at once outside of them', 'login', { quiet }, NOON, { tell: 'now', channels: ['telegram', 'push'] }],
    [
      'in a digest of what is not urgent',
      'message',
      { digestMinutes: 30 },
      NOON,
      { tell: 'later', at: NOON + 1_800_000 },
    ],
    ['at once of what is urgent', 'plan', { digestMinutes: 30 }, NOON, { tell: 'now', channels: ['telegram', 'push'] }],
  ])('%s', (_name, kind, preferences, now, expected) => {
    expect(telling(kind, preferences, now)).toEqual(expected);
  });

  it('never while they look, whatever they prefer; a digest that is due is not put off again but by quiet hours', () => {
    expect(telling('permission', {}, NOON, { looking: true })).toEqual({ tell: 'never' });
    expect(telling('message', { digestMinutes: 30 }, NOON, { gathered: true }).tell).toBe('now');
    expect(telling('message', { digestMinutes: 30, quiet }, NIGHT, { gathered: true })).toEqual({
      tell: 'later',
      at: morning,
    });
  });

  it('never in quiet hours, never by a channel that they did not choose, and later only in the future', () => {
    const channels = fc.dictionary(
      fc.constantFrom(...NoticeKind.options),
      fc.uniqueArray(fc.constantFrom('telegram' as const, 'push' as const)),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...NoticeKind.options),
        channels,
        fc.integer({ min: 0, max: 90 }),
        fc.integer({ min: NOON, max: NOON + 86_400_000 }),
        fc.boolean(),
        (kind, chosen, digestMinutes, now, gathered) => {
          const found = telling(kind, { channels: chosen, digestMinutes, quiet }, now, { gathered });
          const hour = new Date(now).getUTCHours();
          const isNight = hour >= 22 || hour < 7;
          if (found.tell === 'never') return (chosen[kind]?.length ?? (kind === 'done' ? 0 : 1)) === 0;
          if (found.tell === 'later') return found.at > now && (isNight || (digestMinutes > 0 && !isUrgent(kind)));
          return !isNight && (chosen[kind] === undefined || String(found.channels) === String(chosen[kind]));
        },
      ),
    );
  });
});
