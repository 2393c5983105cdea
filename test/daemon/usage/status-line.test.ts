import { describe, expect, it } from 'vitest';
import { readStatusLine } from '../../../src/daemon/usage/status-line.ts';

/** As 2.1.329 writes it, cut to what matters; `rate_limits` only with a subscription. */
const TOLD = {
  session_id: '99b72442-2c40-428f-96b5-32a91a98615f',
  model: { id: 'claude-opus-5-5', display_name: 'Opus 5.5' },
  version: '2.1.329',
  cost: { total_cost_usd: 0.00014 },
  context_window: { total_input_tokens: 10, context_window_size: 1_000_000, used_percentage: 0 },
};

describe('what Claude Code tells its status line', () => {
  it('the window, and without a subscription no limits', () => {
    expect(readStatusLine(TOLD)).toEqual({ session: TOLD.session_id, window: 1_000_000, limits: undefined });
  });

  it('the limits, in whichever form the time is', () => {
    const limits = {
      five_hour: { used_percentage: 23.5, resets_at: 1_800_000_000 },
      seven_day: { used_percentage: 41, resets_at: '2027-01-20T08:00:00Z' },
    };
    expect(readStatusLine({ ...TOLD, rate_limits: limits })?.limits).toEqual({
      block: { usedPercent: 23.5, resetsAt: 1_800_000_000_000 },
      week: { usedPercent: 41, resetsAt: Date.parse('2027-01-20T08:00:00Z') },
    });
  });

  it.each([
    ['no session', { ...TOLD, session_id: 7 }],
    ['no object', 'x'],
    ['nothing', undefined],
  ])('%s: nothing', (_what, payload) => {
    expect(readStatusLine(payload)).toBeUndefined();
  });

  it('what it cannot read of it is left out', () => {
    const strange = {
      ...TOLD,
      context_window: { context_window_size: 'big' },
      rate_limits: { five_hour: 3, seven_day: null },
    };
    expect(readStatusLine(strange)).toMatchObject({ window: undefined, limits: undefined });
  });
});
