/** The moment at which a limit ends, as the notices of Claude Code tell it. */
import { describe, expect, it } from 'vitest';
import { resetTime } from '../../../src/daemon/agents/reset-time.ts';

const AT = '2026-11-21T12:30:00.000Z';

describe('reset time of a limit', () => {
  it.each([
    ['Claude AI usage limit reached|1795271400', '2026-11-21T14:30:00.000Z'],
    ['You’ve hit your limit · resets 3pm (UTC)', '2026-11-21T15:00:00.000Z'],
    ["You've hit your session limit · resets 3:45pm (Europe/Paris)", '2026-11-21T14:45:00.000Z'],
    ['limit · resets 11am (UTC)', '2026-11-22T11:00:00.000Z'],
    ['limit · resets at 12am (UTC)', '2026-11-22T00:00:00.000Z'],
    ['weekly limit · resets Nov 24, 9am (America/New_York)', '2026-11-24T14:00:00.000Z'],
    ['weekly limit · resets Jan 2 at 9:30am (UTC)', '2027-01-02T09:30:00.000Z'],
    ['resets 15:20 (UTC)', '2026-11-21T15:20:00.000Z'],
  ])('%s', (notice, moment) => {
    expect(resetTime(notice, AT)).toBe(moment);
  });

  it.each(['API Error: Request rejected (429)', 'resets soon', 'resets 25:00', 'resets 3pm (Nowhere/Land)', ''])(
    'is not guessed: %s',
    (notice) => {
      expect(resetTime(notice, AT)).toBeUndefined();
    },
  );
});
